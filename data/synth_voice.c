/* Voices: which there are, and making them speak.
 *
 * espeak-ng says a list of words in one run, with pauses of 600 ms marked in SSML, since starting
 * it takes ten times as long as a word: the answer is cut at the pauses. Where the number of pieces
 * is not the number of words, and for flite, which ignores the marks, each word is a run of its
 * own.
 */
#include "data/process.h"
#include "data/synth_parts.h"
#include "dsp/dsp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MS  600
#define PAUSE_CUT 0.25 /* s: shorter pauses are inside a word */

enum { FASTER_TRIES = 3, MAX_SECONDS = 600 };

/* ---- finding voices ---- */

/* Variants that whisper, that are drowned in echo or otherwise hard to understand, and those that
 * are the same as another: fast as none at all, klatt and klatt6 as caleb. "Mr" is a name with a
 * space in it, which cannot be told in the list of voices. */
static bool refused(const char *name)
{
    static const char *const starts[] = {"whisper", "Ricishay", "robosoft",  "UniRobot",
                                         "Demonic", "announce", "anikaRobo", "fast",
                                         "klatt",   "Mr",       "Storm",     "croak"};
    for (size_t i = 0; i < BASE_COUNT(starts); i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) return true;
    return false;
}

/* The nth word (from 0) of a line into word; "" when there are fewer or it does not fit. */
static void nth_word(const char *line, int nth, char word[48])
{
    size_t len;
    for (;;) {
        line += strspn(line, " \t");
        len = strcspn(line, " \t\r\n");
        if (nth-- == 0) break;
        line += len;
    }
    if (len >= 48) len = 0;
    memcpy(word, line, len);
    word[len] = '\0';
}

/* What a program prints; "" where it fails. Freed with base_str_free. */
static base_status ask(const char *const *argv, base_str *out, base_err *err)
{
    int code = 0;
    data_process process = {.argv = argv, .out = out};
    BASE_TRY(data_process_run(&process, &code, err));
    base_str_add(out, "%s", "");
    return out->failed ? base_nomem(err, out->len) : BASE_OK;
}

static base_status add_timbre(data_voices *v, bool flite, const char *name, base_err *err)
{
    void *items = v->timbres;
    if (!base_grow(&items, &v->timbres_cap, v->n_timbres + 1, sizeof *v->timbres))
        return base_nomem(err, sizeof *v->timbres);
    v->timbres = items;
    data_timbre *t = &v->timbres[v->n_timbres++];
    t->flite = flite;
    snprintf(t->name, sizeof t->name, "%s", name);
    return BASE_OK;
}

static base_status add_accent(data_voices *v, const char *file, base_err *err)
{
    void *items = v->accents;
    if (!base_grow(&items, &v->accents_cap, v->n_accents + 1, sizeof *v->accents))
        return base_nomem(err, sizeof *v->accents);
    v->accents = items;
    snprintf(v->accents[v->n_accents++], sizeof *v->accents, "%s", file);
    return BASE_OK;
}

/* Lines of `espeak-ng --voices=...`: priority, language, age and gender, name, file. Voices of the
 * MBROLA program (mb/) are listed even where it is not there, variants (!v/) in between. */
static base_status read_espeak(data_voices *v, const char *text, bool variants, base_err *err)
{
    for (; text && *text; text = strchr(text, '\n')) {
        text += *text == '\n';
        char file[48];
        nth_word(text, 4, file);
        bool variant = strncmp(file, "!v/", 3) == 0;
        if (variants && variant && !refused(file + 3))
            BASE_TRY(add_timbre(v, false, file + 3, err));
        if (!variants && !variant && strchr(file, '/') && strncmp(file, "mb/", 3) != 0)
            BASE_TRY(add_accent(v, file, err));
    }
    return BASE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const data_timbre *)a)->name, ((const data_timbre *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static base_status find_espeak(data_voices *v, base_err *err)
{
    static const char *const lists[2] = {"--voices=en", "--voices=variant"};
    for (int i = 0; i < 2; i++) {
        base_str out = {0};
        base_status st = ask((const char *const[]){"espeak-ng", lists[i], NULL}, &out, err);
        if (st == BASE_OK) st = read_espeak(v, out.s, i == 1, err);
        base_str_free(&out);
        BASE_TRY(st);
    }
    if (v->n_accents == 0) {
        v->n_timbres = 0; /* variants of nothing */
        return BASE_OK;
    }
    BASE_TRY(add_timbre(v, false, "", err));
    qsort(v->timbres, v->n_timbres, sizeof *v->timbres, by_name);
    qsort(v->accents, v->n_accents, sizeof *v->accents, by_text);
    v->espeak = true;
    return BASE_OK;
}

/* `flite -lv` prints "Voices available: kal awb_time kal16 ..."; those with _time know only words
 * of the clock. */
static base_status find_flite(data_voices *v, base_err *err)
{
    base_str out = {0};
    base_status st = ask((const char *const[]){"flite", "-lv", NULL}, &out, err);
    const char *list = st == BASE_OK ? strchr(out.s, ':') : NULL;
    for (int i = 0; list && st == BASE_OK; i++) {
        char name[48];
        nth_word(list + 1, i, name);
        if (!name[0]) break;
        if (strstr(name, "_time")) continue;
        st = add_timbre(v, true, name, err);
        v->flite = true;
    }
    base_str_free(&out);
    return st;
}

base_status data_voices_find(data_voices *voices, base_err *err)
{
    *voices = (data_voices){0};
    base_status st = BASE_OK;
    if (data_process_found("espeak-ng")) st = find_espeak(voices, err);
    if (st == BASE_OK && data_process_found("flite")) st = find_flite(voices, err);
    if (st == BASE_OK && voices->n_timbres == 0) {
        base_fail(err, BASE_FAILED,
                  "words cannot be spoken: neither espeak-ng nor flite is installed with a voice");
        st = base_hint(err, "apt-get install espeak-ng flite");
    }
    if (st != BASE_OK) data_voices_free(voices);
    return st;
}

void data_voices_free(data_voices *voices)
{
    free(voices->timbres);
    free(voices->accents);
    *voices = (data_voices){0};
}

/* ---- speaking ---- */

/* espeak-ng: tempo in words a minute, pitch from 0 to 99, half the loudness so that no voice is
 * clipped. */
static base_status run_espeak(const data_voice *v, const char *const *texts, size_t n,
                              const char *wav, const volatile int *stop, base_err *err)
{
    base_str text = {0}, said = {0};
    char name[100], tempo[24], pitch[24];
    snprintf(name, sizeof name, "%s%s%s", v->accent, v->timbre->name[0] ? "+" : "",
             v->timbre->name);
    snprintf(tempo, sizeof tempo, "%d", (int)fmin(fmax(165 * v->rate, 80), 450));
    snprintf(pitch, sizeof pitch, "%d", (int)fmin(fmax(99 * v->pitch, 0), 99));
    base_str_add(&text, "<speak>");
    for (size_t i = 0; i < n; i++)
        base_str_add(&text, "<p>%s</p><break time=\"%dms\"/>", texts[i], PAUSE_MS);
    base_str_add(&text, "</speak>");
    if (text.failed) {
        base_str_free(&text);
        return base_nomem(err, text.len);
    }
    const char *const argv[] = {"espeak-ng", "-v", name, "-a", "50", "-s",   tempo, "-p",
                                pitch,       "-m", "-w", wav,  "--", text.s, NULL};
    int code = 0;
    data_process process = {.argv = argv, .errors = &said, .stop = stop};
    base_status st = data_process_run(&process, &code, err);
    if (st == BASE_OK && code != 0)
        st = base_fail(err, BASE_FAILED, "espeak-ng -v %s failed with code %d: %.200s", name, code,
                       data_process_last_line(&said));
    base_str_free(&text);
    base_str_free(&said);
    return st;
}

/* flite: pitch as the mean of the fundamental, 90 to 200 Hz. */
static base_status run_flite(const data_voice *v, const char *text, const char *wav,
                             const volatile int *stop, base_err *err)
{
    base_str said = {0};
    char stretch[48], mean[48];
    snprintf(stretch, sizeof stretch, "duration_stretch=%.3f", 1 / v->rate);
    snprintf(mean, sizeof mean, "int_f0_target_mean=%.1f", 90 * pow(200.0 / 90, v->pitch));
    const char *const argv[] = {
        "flite", "-voice", v->timbre->name, "--setf", stretch, "--setf", mean, "-t", text, "-o",
        wav,     NULL};
    int code = 0;
    data_process process = {.argv = argv, .errors = &said, .stop = stop};
    base_status st = data_process_run(&process, &code, err);
    if (st == BASE_OK && code != 0)
        st = base_fail(err, BASE_FAILED, "flite -voice %s failed with code %d: %.200s",
                       v->timbre->name, code, data_process_last_line(&said));
    base_str_free(&said);
    return st;
}

/* Let the program speak and read what it wrote. */
static base_status speak(const data_voice *v, const char *const *texts, size_t n, const char *wav,
                         const volatile int *stop, dsp_audio *audio, base_err *err)
{
    unlink(wav);
    BASE_TRY(v->timbre->flite ? run_flite(v, texts[0], wav, stop, err)
                              : run_espeak(v, texts, n, wav, stop, err));
    return dsp_audio_read(wav, 0, MAX_SECONDS, audio, err);
}

/* The samples of a span, resampled as if the head had its size: what is played faster is smaller.
 */
static base_status cut(const dsp_audio *audio, data_span span, double size, data_take *take,
                       base_err *err)
{
    int to = (int)lround(DATA_SYNTH_RATE / size);
    return dsp_resample(audio->pcm + span.first, span.n, audio->rate, to, &take->pcm, &take->n,
                        err);
}

/* One text in a run of its own; pauses inside it are kept. */
static base_status say_one(const data_voice *v, const char *text, const char *wav,
                           const volatile int *stop, data_take *take, base_err *err)
{
    dsp_audio audio;
    data_span span = {0};
    BASE_TRY(speak(v, &text, 1, wav, stop, &audio, err));
    base_status st = BASE_OK;
    if (data_synth_spans(audio.pcm, audio.n, audio.rate, MAX_SECONDS, &span, 1) == 0)
        st = base_fail(err, BASE_FAILED, "the voice %s%s%s says nothing for \"%s\"",
                       v->accent ? v->accent : "", v->timbre->name[0] ? " " : "", v->timbre->name,
                       text);
    else
        st = cut(&audio, span, v->size, take, err);
    dsp_audio_free(&audio);
    return st;
}

/* All texts in one run of espeak-ng. *whole: there were as many pieces as texts; else takes are
 * left empty. */
static base_status say_all(const data_voice *v, const char *const *texts, size_t n, const char *wav,
                           const volatile int *stop, data_take *takes, bool *whole, base_err *err)
{
    dsp_audio audio;
    data_span *spans = base_alloc(n, sizeof *spans);
    if (!spans) return base_nomem(err, n * sizeof *spans);
    base_status st = speak(v, texts, n, wav, stop, &audio, err);
    if (st == BASE_OK) {
        *whole = data_synth_spans(audio.pcm, audio.n, audio.rate, PAUSE_CUT, spans, n) == n;
        for (size_t i = 0; i < n && *whole && st == BASE_OK; i++)
            st = cut(&audio, spans[i], v->size, &takes[i], err);
        dsp_audio_free(&audio);
    }
    base_free(spans);
    return st;
}

base_status data_voice_say(const data_voice *voice, const char *const *texts, size_t n,
                           const char *scratch, const volatile int *stop, data_take *takes,
                           base_err *err)
{
    bool whole = false;
    for (size_t i = 0; i < n; i++) takes[i] = (data_take){0};
    if (!voice->timbre->flite && n > 1)
        BASE_TRY(say_all(voice, texts, n, scratch, stop, takes, &whole, err));
    for (size_t i = 0; i < n && !whole; i++)
        BASE_TRY(say_one(voice, texts[i], scratch, stop, &takes[i], err));
    return BASE_OK;
}

base_status data_voice_say_within(const data_voice *voice, const char *text, size_t samples,
                                  const char *scratch, const volatile int *stop, data_take *take,
                                  base_err *err)
{
    data_voice faster = *voice;
    for (int i = 0; i < FASTER_TRIES && take->n > samples; i++) {
        faster.rate *= 1.05 * (double)take->n / (double)samples;
        data_takes_free(take, 1);
        BASE_TRY(say_one(&faster, text, scratch, stop, take, err));
    }
    if (take->n <= samples) return BASE_OK;
    base_fail(err, BASE_USAGE, "\"%s\" takes %.1f s, however fast it is said; a clip has %.2f s",
              text, (double)take->n / DATA_SYNTH_RATE, (double)samples / DATA_SYNTH_RATE);
    return base_hint(err, "choose a shorter word");
}

void data_takes_free(data_take *takes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        base_free(takes[i].pcm);
        takes[i] = (data_take){0};
    }
}
