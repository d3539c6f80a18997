/* Spoken words: the folder that comes out (layout, names, splits, the same again for the same
 * seed), finding words in speech, placing them, and the spectra of the noises. What needs a
 * synthesizer is skipped where none is installed. */
#include "data/data.h"
#include "data/folder.h"
#include "data/process.h"
#include "data/synth.h"
#include "data/synth_parts.h"
#include "dsp/dsp.h"
#include "dsp/fft.h"
#include "tests/check.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RATE = DATA_SYNTH_RATE };

static int make_folder(void **state)
{
    char *dir = base_strdup("/tmp/sotto-synth-XXXXXX");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    data_folder_remove(*state);
    free(*state);
    return 0;
}

/* ---- words in speech ---- */

static void tone(float *pcm, double from, double to, float level)
{
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++)
        pcm[i] = level * (float)sin(0.3 * (double)i);
}

static void assert_span(data_span span, double from, double to)
{
    assert_in_range(span.first, (uintmax_t)((from - 0.031) * RATE), (uintmax_t)(from * RATE));
    assert_in_range(span.first + span.n, (uintmax_t)(to * RATE), (uintmax_t)((to + 0.031) * RATE));
}

static void spans_are_cut_at_long_pauses_only(void **state)
{
    (void)state;
    float *pcm = base_alloc(4 * RATE, sizeof *pcm);
    data_span spans[3];
    tone(pcm, 0.5, 0.9, 0.5f);
    tone(pcm, 1.0, 1.2, 0.01f); /* a quiet end after a closure of 0.1 s: the same word */
    tone(pcm, 2.0, 2.3, 1.0f);
    tone(pcm, 3.0, 3.1, 0.003f); /* -50 dB: nothing */
    assert_int_equal(data_synth_spans(pcm, 4 * RATE, RATE, 0.25, spans, 3), 2);
    assert_span(spans[0], 0.5, 1.2);
    assert_span(spans[1], 2.0, 2.3);
    assert_int_equal(data_synth_spans(pcm, 4 * RATE, RATE, 0.05, spans, 3), 3);
    assert_span(spans[1], 1.0, 1.2);
    /* With a limit the rest is counted, not written; as one span all is kept. */
    assert_int_equal(data_synth_spans(pcm, 4 * RATE, RATE, 0.05, spans, 1), 3);
    assert_int_equal(data_synth_spans(pcm, 4 * RATE, RATE, 100, spans, 3), 1);
    assert_span(spans[0], 0.5, 2.3);
    memset(pcm, 0, 4 * RATE * sizeof *pcm);
    assert_int_equal(data_synth_spans(pcm, 4 * RATE, RATE, 0.25, spans, 3), 0);
    base_free(pcm);
}

static void takes_are_placed_whole(void **state)
{
    (void)state;
    float *pcm = base_alloc(RATE, sizeof *pcm), *clip = base_alloc(RATE, sizeof *clip);
    double least = 1, most = 0;
    for (uint64_t k = 0; k < 50; k++) {
        data_take take = {pcm, k == 0 ? RATE : 6400};
        base_rng rng = base_rng_at(k, BASE_RNG_TEST, 0, 0);
        tone(pcm, 0, 1, 0.2f);
        data_synth_place(&take, 0.5, 0.001, &rng, clip);
        float max = 0;
        size_t first = RATE, last = 0;
        for (size_t i = 0; i < RATE; i++) {
            max = fmaxf(max, fabsf(clip[i]));
            if (fabsf(clip[i]) < 0.1f) continue;
            if (first == RATE) first = i;
            last = i;
        }
        assert_float_equal(max, 0.5, 0.02);
        size_t length = last - first + 1;
        assert_in_range(length, take.n - 160, take.n);
        if (k == 0) continue;
        least = fmin(least, (double)first / RATE);
        most = fmax(most, (double)first / RATE);
    }
    /* 0.4 s in a second: the middle is at 0.3, deviation 0.09 */
    assert_true(least < 0.2 && most > 0.4);
    base_free(pcm);
    base_free(clip);
}

static void wavs_read_back_exactly(void **state)
{
    char *path = base_path(*state, "a.wav");
    float pcm[1000];
    base_err err = {0};
    dsp_audio audio;
    for (int i = 0; i < 1000; i++) pcm[i] = (float)(i * 37 % 65536 - 32768) / 32768;
    assert_int_equal(data_synth_write(path, pcm, 1000, &err), BASE_OK);
    assert_int_equal(dsp_audio_read(path, 0, 10, &audio, &err), BASE_OK);
    assert_int_equal(audio.n, 1000);
    assert_int_equal(audio.source_rate, RATE);
    assert_int_equal(audio.source_channels, 1);
    assert_memory_equal(audio.pcm, pcm, sizeof pcm);
    dsp_audio_free(&audio);
    free(path);
    assert_int_equal(data_synth_write("/nonexistent/a.wav", pcm, 1, &err), BASE_FAILED);
    assert_int_equal(data_synth_write("/dev/full", pcm, 1000, &err), BASE_FAILED);
}

/* ---- spectra ---- */

/* Mean power of the bins of an octave band from `low` Hz, in dB, over 512-point frames. */
static void band_powers(const float *pcm, size_t n, const double *low, double *db, int bands)
{
    enum { N = 2048 };
    dsp_fft *fft;
    base_err err = {0};
    double power[N / 2 + 1] = {0};
    assert_int_equal(dsp_fft_new(N, &fft, &err), BASE_OK);
    for (size_t at = 0; at + N <= n; at += N / 2) {
        float *in = dsp_fft_input(fft);
        for (int i = 0; i < N; i++)
            in[i] = pcm[at + (size_t)i] * (float)(0.5 - 0.5 * cos(2 * 3.14159265358979 * i / N));
        const float *out = dsp_fft_run(fft);
        for (int k = 0; k <= N / 2; k++)
            power[k] += (double)out[2 * k] * (double)out[2 * k] +
                        (double)out[2 * k + 1] * (double)out[2 * k + 1];
    }
    dsp_fft_free(fft);
    for (int b = 0; b < bands; b++) {
        int first = (int)(low[b] * N / RATE), end = 2 * first;
        double sum = 0;
        for (int k = first; k < end; k++) sum += power[k];
        db[b] = 10 * log10(sum / (end - first));
    }
}

static float *noise(data_noise_kind kind, uint64_t seed, size_t n)
{
    float *pcm = base_alloc(n, sizeof *pcm);
    assert_non_null(pcm);
    data_noise_make(kind, seed, pcm, n);
    double power = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(fabsf(pcm[i]) <= 1);
        power += (double)pcm[i] * (double)pcm[i];
    }
    assert_float_equal(sqrt(power / (double)n), 0.1, 0.001);
    return pcm;
}

/* Density falls by `slope` dB from octave to octave, 125 to 4000 Hz. */
static void assert_slope(data_noise_kind kind, double slope, double tolerance)
{
    static const double low[] = {125, 250, 500, 1000, 2000};
    double db[5];
    size_t n = 20 * RATE;
    float *pcm = noise(kind, 7, n);
    band_powers(pcm, n, low, db, 5);
    for (int b = 1; b < 5; b++)
        if (fabs(db[b] - db[b - 1] - slope) > tolerance || fabs(db[b] - db[0] - b * slope) > 0.7)
            fail_msg("kind %d: %.2f dB at %g Hz, after %.2f and %.2f at %g Hz", kind, db[b], low[b],
                     db[b - 1], db[0], low[0]);
    base_free(pcm);
}

static void noises_have_their_colours(void **state)
{
    (void)state;
    assert_slope(DATA_NOISE_WHITE, 0, 0.3);
    assert_slope(DATA_NOISE_PINK, -3.01, 0.3);
    assert_slope(DATA_NOISE_BROWN, -6.02, 0.5);
}

static double power_at(const float *pcm, size_t n, double hz)
{
    double re = 0, im = 0;
    for (size_t i = 0; i < n; i++) {
        re += (double)pcm[i] * cos(2 * 3.14159265358979 * hz * (double)i / RATE);
        im += (double)pcm[i] * sin(2 * 3.14159265358979 * hz * (double)i / RATE);
    }
    return (re * re + im * im) / (double)n / (double)n;
}

static void hum_is_of_both_mains(void **state)
{
    (void)state;
    size_t n = 8 * RATE, half = n / 2;
    float *pcm = noise(DATA_NOISE_HUM, 7, n);
    for (int k = 1; k <= 4; k++) {
        assert_true(power_at(pcm, half, 50 * k) > 300 * power_at(pcm, half, 50 * k + 17));
        assert_true(power_at(pcm + half, half, 60 * k) >
                    300 * power_at(pcm + half, half, 60 * k + 17));
    }
    assert_true(power_at(pcm, half, 50) > 300 * power_at(pcm + half, half, 50));
    base_free(pcm);
}

static void noises_follow_the_seed(void **state)
{
    (void)state;
    for (int kind = 0; kind < DATA_NOISE_KINDS; kind++) {
        float *a = noise((data_noise_kind)kind, 1, RATE),
              *b = noise((data_noise_kind)kind, 1, RATE);
        float *c = noise((data_noise_kind)kind, 2, RATE);
        assert_memory_equal(a, b, RATE * sizeof *a);
        assert_memory_not_equal(a, c, RATE * sizeof *a);
        base_free(a);
        base_free(b);
        base_free(c);
    }
}

/* ---- voices ---- */

static bool speechless(void)
{
    return !data_process_found("espeak-ng") && !data_process_found("flite");
}

static data_take say(const data_voice *voice, const char *text, const char *scratch)
{
    data_take take;
    base_err err = {0};
    if (data_voice_say(voice, &text, 1, scratch, NULL, &take, &err) != BASE_OK)
        fail_msg("%s", err.message);
    return take;
}

static bool same(const data_take *a, const data_take *b)
{
    return a->n == b->n && memcmp(a->pcm, b->pcm, a->n * sizeof *a->pcm) == 0;
}

/* No timbre is another one under a second name: else test voices would be heard in training. */
static void timbres_differ(void **state)
{
    if (speechless()) skip();
    data_voices v;
    base_err err = {0};
    char *scratch = base_path(*state, "s.wav");
    assert_int_equal(data_voices_find(&v, &err), BASE_OK);
    data_take *takes = base_alloc(v.n_timbres, sizeof *takes);
    for (size_t i = 0; i < v.n_timbres; i++) {
        const char *accent = v.timbres[i].flite ? NULL : v.accents[0];
        data_voice voice = {&v.timbres[i], accent, 0.5, 1, 1};
        takes[i] = say(&voice, "yes", scratch);
        for (size_t k = 0; k < i; k++)
            if (same(&takes[i], &takes[k]))
                fail_msg("%s is %s", v.timbres[i].name, v.timbres[k].name);
    }
    data_takes_free(takes, v.n_timbres);
    base_free(takes);
    data_voices_free(&v);
    free(scratch);
}

static void accent_pitch_rate_and_size_are_heard(void **state)
{
    if (speechless()) skip();
    data_voices v;
    base_err err = {0};
    char *scratch = base_path(*state, "s.wav");
    assert_int_equal(data_voices_find(&v, &err), BASE_OK);
    data_voice voice = {&v.timbres[0], v.timbres[0].flite ? NULL : v.accents[0], 0.5, 1, 1};
    data_voice others[4] = {voice, voice, voice, voice};
    others[0].pitch = 0.8;
    others[1].rate = 1.4;
    others[2].size = 1.1;
    if (v.n_accents > 1) others[3].accent = v.accents[1];
    data_take first = say(&voice, "house", scratch);
    for (int i = 0; i < (v.n_accents > 1 ? 4 : 3); i++) {
        data_take other = say(&others[i], "house", scratch);
        assert_false(same(&first, &other));
        if (i == 1) assert_true(other.n < first.n * 9 / 10); /* faster */
        if (i == 2) assert_in_range(other.n, first.n * 88 / 100, first.n * 95 / 100);
        data_takes_free(&other, 1);
    }
    data_take again = say(&voice, "house", scratch);
    assert_true(same(&first, &again));
    data_takes_free(&first, 1);
    data_takes_free(&again, 1);
    data_voices_free(&v);
    free(scratch);
}

/* Saying a list gives what saying each word alone gives: as many, about as long. */
static void lists_are_cut_into_their_words(void **state)
{
    if (!data_process_found("espeak-ng")) skip();
    static const char *const texts[] = {"stop", "six", "eight", "left", "happy dog"};
    enum { N = BASE_COUNT(texts) };
    data_voices v;
    base_err err = {0};
    char *scratch = base_path(*state, "s.wav");
    assert_int_equal(data_voices_find(&v, &err), BASE_OK);
    assert_true(v.n_accents >= 2);
    for (size_t t = 0; t < 12 && !v.timbres[t].flite; t++) {
        data_voice voice = {&v.timbres[t], v.accents[t % v.n_accents], 0.4, 1, 1.05};
        data_take list[N], alone[1];
        assert_int_equal(data_voice_say(&voice, texts, N, scratch, NULL, list, &err), BASE_OK);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(data_voice_say(&voice, texts + i, 1, scratch, NULL, alone, &err),
                             BASE_OK);
            double ratio = (double)list[i].n / (double)alone[0].n;
            if (ratio < 0.75 || ratio > 1.33)
                fail_msg("%s says '%s' in %zu samples, in a list in %zu", v.timbres[t].name,
                         texts[i], alone[0].n, list[i].n);
            data_takes_free(alone, 1);
        }
        data_takes_free(list, N);
    }
    data_voices_free(&v);
    free(scratch);
}

static void long_words_are_said_faster(void **state)
{
    if (speechless()) skip();
    data_voices v;
    base_err err = {0};
    char *scratch = base_path(*state, "s.wav");
    assert_int_equal(data_voices_find(&v, &err), BASE_OK);
    data_voice voice = {&v.timbres[0], v.timbres[0].flite ? NULL : v.accents[0], 0.5, 0.7, 1};
    const char *text = "refrigerator";
    data_take take;
    assert_int_equal(data_voice_say(&voice, &text, 1, scratch, NULL, &take, &err), BASE_OK);
    size_t before = take.n, limit = before * 8 / 10;
    assert_int_equal(data_voice_say_within(&voice, text, limit, scratch, NULL, &take, &err),
                     BASE_OK);
    assert_in_range(take.n, limit / 3, limit);
    assert_int_equal(data_voice_say_within(&voice, text, 100, scratch, NULL, &take, &err),
                     BASE_USAGE);
    assert_non_null(strstr(err.message, "refrigerator"));
    data_takes_free(&take, 1);
    data_voices_free(&v);
    free(scratch);
}

/* ---- the folder ---- */

static const char *const words[] = {"yes", "hey_robot"};
static const char *const others[] = {"cat", "dog", "tree"};

static data_synth small(void)
{
    return (data_synth){.words = words,
                        .n_words = 2,
                        .unknown = others,
                        .n_unknown = 3,
                        .speakers = 6,
                        .clips = 2,
                        .threads = 2,
                        .seed = 5};
}

/* Everything below dir as one text: names and contents' sums, in an order of their own. */
static void list(const char *dir, const char *below, base_str *out, int *wavs)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort);
    assert_true(n >= 2);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            char *path = base_path(dir, entries[i]->d_name), *text;
            size_t size;
            base_err err = {0};
            if (base_is_dir(path)) {
                list(path, entries[i]->d_name, out, wavs);
            } else {
                assert_int_equal(base_read_file(path, 1 << 24, &text, &size, &err), BASE_OK);
                uint64_t sum = 14695981039346656037u; /* FNV-1a */
                for (size_t k = 0; k < size; k++)
                    sum = (sum ^ (unsigned char)text[k]) * 1099511628211u;
                base_str_add(out, "%s/%s %zu %llx\n", below, entries[i]->d_name, size,
                             (unsigned long long)sum);
                ++*wavs;
                free(text);
            }
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
}

static char *run(const data_synth *what, const char *folder, const char *name,
                 data_synth_result *result)
{
    base_err err = {0};
    base_str out = {0};
    int wavs = 0;
    char *dir = base_path(folder, name);
    if (data_synth_run(what, dir, result, &err) != BASE_OK) fail_msg("%s", err.message);
    list(dir, "", &out, &wavs);
    assert_int_equal(wavs, result->clips + result->noises);
    free(dir);
    return out.s;
}

static void the_same_seed_gives_the_same_folder(void **state)
{
    if (speechless()) skip();
    data_synth what = small();
    data_synth_result r;
    char *a = run(&what, *state, "a", &r);
    assert_int_equal(r.clips, 6 * 2 * (2 + 1)); /* two words, one of the three others */
    assert_int_equal(r.noises, 5);
    what.threads = 1;
    char *b = run(&what, *state, "b", &r);
    what.seed = 6;
    char *c = run(&what, *state, "c", &r);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    free(a);
    free(b);
    free(c);
}

/* One clip: a second, of one word that is loud enough and not at the edges. */
static void check_clip(const char *path)
{
    dsp_audio audio;
    base_err err = {0};
    data_span span;
    assert_int_equal(dsp_audio_read(path, 0, 10, &audio, &err), BASE_OK);
    assert_int_equal(audio.n, RATE);
    assert_int_equal(audio.source_rate, RATE);
    float max = 0, edge = 0;
    for (size_t i = 0; i < audio.n; i++) {
        max = fmaxf(max, fabsf(audio.pcm[i]));
        if (i < 80 || i >= audio.n - 80) edge = fmaxf(edge, fabsf(audio.pcm[i]));
    }
    assert_true(max > 0.03f && max <= 1);
    assert_true(edge < 0.3f * max);
    assert_int_equal(data_synth_spans(audio.pcm, audio.n, RATE, 100, &span, 1), 1);
    dsp_audio_free(&audio);
}

static void layout_is_that_of_speech_commands(void **state)
{
    if (speechless()) skip();
    data_synth what = small();
    data_synth_result r;
    what.speakers = 30;
    what.clips = 1;
    free(run(&what, *state, "d", &r));
    assert_int_equal(r.split[DATA_TRAIN] + r.split[DATA_VALIDATION] + r.split[DATA_TEST], 30);
    assert_int_equal(r.espeak + r.flite, 30);
    int64_t counted[DATA_SPLITS] = {0};
    char *dir = base_path(*state, "d/hey_robot");
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort), clips = 0;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.') {
            assert_int_equal(strlen(name), 8 + strlen("_nohash_0.wav"));
            assert_int_equal(strspn(name, "0123456789abcdef"), 8);
            assert_string_equal(name + 8, "_nohash_0.wav");
            char *speaker = data_speaker(name), *path = base_path(dir, name);
            counted[data_which_set(speaker)]++;
            check_clip(path);
            clips++;
            free(speaker);
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    free(dir);
    assert_int_equal(clips, 30);
    for (int s = 0; s < DATA_SPLITS; s++) assert_int_equal(counted[s], r.split[s]);
    if (r.espeak) assert_int_equal(r.split[DATA_TEST], 3); /* a tenth of the voices */
    assert_true(r.split[DATA_VALIDATION] >= 1 && r.split[DATA_TEST] >= 1);
}

static void three_speakers_fill_three_splits(void **state)
{
    if (speechless()) skip();
    data_synth what = small();
    data_synth_result r;
    what.speakers = 3;
    what.clips = 1;
    what.n_unknown = 0; /* and nobody babbles */
    free(run(&what, *state, "e", &r));
    for (int s = 0; s < DATA_SPLITS; s++) assert_int_equal(r.split[s], 1);
    assert_int_equal(r.clips, 6);
    assert_int_equal(r.noises, 4);
}

static void refuse(const data_synth *what, const char *dir, base_status status, const char *says)
{
    base_err err = {0};
    data_synth_result r;
    assert_int_equal(data_synth_run(what, dir, &r, &err), status);
    if (!strstr(err.message, says)) fail_msg("'%s' does not say '%s'", err.message, says);
}

static void nothing_is_left_behind(void **state)
{
    const char *folder = *state;
    const volatile int stop = 1;
    const char *bad[] = {"yes", "../up"}, *twice[] = {"yes", "cat"};
    char *dir = base_path(folder, "p/q/r"), *above = base_path(folder, "p");
    data_synth what = small();
    what.words = bad;
    refuse(&what, dir, BASE_USAGE, "'../up'");
    what.words = twice;
    refuse(&what, dir, BASE_USAGE, "'cat' is given twice");
    what = small();
    what.speakers = 2;
    refuse(&what, dir, BASE_USAGE, "2 speakers");
    what = small();
    refuse(&what, folder, BASE_USAGE, "not empty");
    if (!speechless()) {
        what.stop = &stop;
        refuse(&what, dir, BASE_INTERRUPTED, "interrupted");
    }
    assert_false(base_exists(above));
    char *path = base_strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    what = small();
    refuse(&what, dir, BASE_FAILED, "neither espeak-ng nor flite");
    setenv("PATH", path, 1);
    assert_false(base_exists(above));
    free(path);
    free(dir);
    free(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_cut_at_long_pauses_only),
        cmocka_unit_test(takes_are_placed_whole),
        cmocka_unit_test(wavs_read_back_exactly),
        cmocka_unit_test(noises_have_their_colours),
        cmocka_unit_test(hum_is_of_both_mains),
        cmocka_unit_test(noises_follow_the_seed),
        cmocka_unit_test(timbres_differ),
        cmocka_unit_test(accent_pitch_rate_and_size_are_heard),
        cmocka_unit_test(lists_are_cut_into_their_words),
        cmocka_unit_test(long_words_are_said_faster),
        cmocka_unit_test(the_same_seed_gives_the_same_folder),
        cmocka_unit_test(layout_is_that_of_speech_commands),
        cmocka_unit_test(three_speakers_fill_three_splits),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
