/* The folder of spoken words: who the speakers are, what each of them says, the noises.
 *
 * Splits follow the speaker's name (data_which_set), so names are drawn until they hash to the
 * split that is wanted. It is wanted by timbre: a tenth of the timbres is heard in validation only
 * and a tenth in test only, whatever their accent, pitch and tempo, so that the test says something
 * about voices that training did not hear.
 */
#include "data/synth.h"

#include "data/data.h"
#include "data/folder.h"
#include "data/synth_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WORD_MAX = 40,        /* letters */
    TAKE_SAMPLES = 15200, /* longest a word may be: 0.95 s */
    BABBLE_VOICES = 8,
    BABBLE_WORDS = 60,
    NOISE_SAMPLES = DATA_SYNTH_NOISE_SECONDS * DATA_SYNTH_RATE,
    NOISES = DATA_NOISE_KINDS + 1, /* and babble */
};

/* base_rng_at(seed, BASE_RNG_SYNTH, stream, sample) */
enum { STREAM_PLAN, STREAM_NOISE, STREAM_SPEAKER, STREAM_NAME, STREAM_CLIP, STREAM_BABBLE };

typedef struct speaker {
    char name[9];
    data_split split;
    data_voice voice;
    double level_db, floor_db; /* of the loudest sample, of the noise */
} speaker;

/* One run: everything the jobs read, and an error slot for each job of a round. */
typedef struct job {
    const data_synth *what;
    const char *dir;
    char **texts;   /* words, then unknown, as they are spoken */
    size_t n_takes; /* of a speaker: words and its share of unknown */
    speaker *speakers;
    int first; /* speaker of the round's job 0 */
    base_err *errors;
} job;

const char *const *data_synth_words(size_t *n)
{
    static const char *const words[] = {"yes", "no", "up", "down", "left", "right", "go", "stop"};
    *n = BASE_COUNT(words);
    return words;
}

const char *const *data_synth_unknown(size_t *n)
{
    static const char *const words[] = {
        "bed", "bird", "cat",   "dog",  "happy", "house", "marvin", "tree",  "wow",  "zero",
        "one", "two",  "three", "four", "five",  "six",   "seven",  "eight", "nine", "sheila"};
    *n = BASE_COUNT(words);
    return words;
}

/* ---- words ---- */

static const char *word_at(const data_synth *what, size_t i)
{
    return i < what->n_words ? what->words[i] : what->unknown[i - what->n_words];
}

static base_status check_word(const char *word, base_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t len = strlen(word);
    bool fine = len > 0 && len <= WORD_MAX && strchr(letters, word[0]);
    for (size_t i = 0; i < len; i++)
        fine = fine && (strchr(letters, word[i]) || strchr("0123456789_-", word[i]));
    if (fine) return BASE_OK;
    base_fail(err, BASE_USAGE, "'%.60s' is no word that can be spoken and name a folder", word);
    return base_hint(err,
                     "a word is 1 to %d letters, digits, - or _ (spoken as a pause), "
                     "and begins with a letter",
                     WORD_MAX);
}

static base_status check(const data_synth *what, base_err *err)
{
    size_t n = what->n_words + what->n_unknown;
    if (what->n_words == 0) return base_fail(err, BASE_USAGE, "there is no word to be spoken");
    if (what->speakers < 3)
        return base_fail(err, BASE_USAGE, "%d speakers are too few for three splits",
                         what->speakers);
    if (what->clips < 1)
        return base_fail(err, BASE_USAGE, "%d clips of a word are none", what->clips);
    for (size_t i = 0; i < n; i++) {
        BASE_TRY(check_word(word_at(what, i), err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(word_at(what, i), word_at(what, k)) == 0)
                return base_fail(err, BASE_USAGE, "the word '%s' is given twice", word_at(what, i));
    }
    return BASE_OK;
}

/* Half as many unknown words as words, as far as there are so many. */
static size_t unknown_share(const data_synth *what)
{
    size_t half = (what->n_words + 1) / 2;
    return half < what->n_unknown ? half : what->n_unknown;
}

/* Index of the word that speaker s says as its i-th: all words, then unknown ones in turn. */
static size_t nth_said(const job *j, int s, size_t i)
{
    const data_synth *what = j->what;
    if (i < what->n_words) return i;
    size_t turn = (size_t)s * unknown_share(what) + (i - what->n_words);
    return what->n_words + turn % what->n_unknown;
}

static base_status make_texts(job *j, base_arena *arena, base_err *err)
{
    size_t n = j->what->n_words + j->what->n_unknown;
    j->texts = base_arena_alloc(arena, n, sizeof *j->texts);
    for (size_t i = 0; j->texts && i < n; i++) {
        char *text = base_arena_printf(arena, "%s", word_at(j->what, i));
        if (!text) return base_nomem(err, WORD_MAX);
        for (char *s = text; *s; s++)
            if (*s == '_' || *s == '-') *s = ' ';
        j->texts[i] = text;
    }
    return j->texts ? BASE_OK : base_nomem(err, n * sizeof *j->texts);
}

/* ---- speakers ---- */

/* Draw a name that hashes to the split and that no speaker before has. */
static void choose_name(const job *j, int s)
{
    speaker *it = &j->speakers[s];
    base_rng rng = base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_NAME, (uint64_t)s);
    bool taken;
    do {
        snprintf(it->name, sizeof it->name, "%08lx", (unsigned long)base_rng_u32(&rng));
        taken = data_which_set(it->name) != it->split;
        for (int k = 0; k < s && !taken; k++) taken = strcmp(j->speakers[k].name, it->name) == 0;
    } while (taken);
}

static void make_speaker(const job *j, const data_voices *voices, int s, const data_timbre *timbre,
                         uint32_t accent)
{
    speaker *it = &j->speakers[s];
    base_rng rng = base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_SPEAKER, (uint64_t)s);
    it->voice = (data_voice){
        .timbre = timbre,
        .accent = timbre->flite ? NULL : voices->accents[accent % voices->n_accents],
        .pitch = 0.2 + 0.6 * base_rng_uniform(&rng),
        .rate = 0.75 * pow(1.8, base_rng_uniform(&rng)),
        .size = 0.92 + 0.16 * base_rng_uniform(&rng),
    };
    it->level_db = -18 + 14 * base_rng_uniform(&rng);
    it->floor_db = -75 + 30 * base_rng_uniform(&rng);
    choose_name(j, s);
}

/* Whether group is one of `held` among `groups` at equal distances, of which the last is one. */
static bool is_held(uint32_t group, uint32_t held, uint32_t groups)
{
    return (group + 1) * held / groups > group * held / groups;
}

/* Timbres in turn, in an order of the seed; accents in turn among the speakers of a timbre. Every
 * tenth timbre is of the test, the one before it of validation. With fewer than three timbres the
 * splits share them. */
static base_status make_speakers(const job *j, const data_voices *voices, base_err *err)
{
    uint32_t n = (uint32_t)voices->n_timbres, all = (uint32_t)j->what->speakers;
    uint32_t *order = base_alloc(n, sizeof *order);
    if (!order) return base_nomem(err, n * sizeof *order);
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    base_rng rng = base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_PLAN, 0);
    base_shuffle(&rng, order, n);
    uint32_t used = n < all ? n : all, groups = used < 3 ? all : used;
    uint32_t held = (groups + 5) / 10 > 0 ? (groups + 5) / 10 : 1;
    for (uint32_t s = 0; s < all; s++) {
        uint32_t group = s % groups, timbre = order[s % used];
        j->speakers[s].split = is_held(group, held, groups)       ? DATA_TEST
                               : is_held(group + 1, held, groups) ? DATA_VALIDATION
                                                                  : DATA_TRAIN;
        make_speaker(j, voices, (int)s, &voices->timbres[timbre], s / used + 5 * timbre);
    }
    base_free(order);
    return BASE_OK;
}

/* ---- clips ---- */

static double from_db(double db)
{
    return pow(10, db / 20);
}

static base_status write_clip(const job *j, int s, int take_number, size_t word,
                              const data_take *take, base_err *err)
{
    const speaker *it = &j->speakers[s];
    size_t words = j->what->n_words + j->what->n_unknown;
    uint64_t sample = ((uint64_t)s * (uint64_t)j->what->clips + (uint64_t)take_number) * words;
    base_rng rng = base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_CLIP, sample + word);
    double level = fmin(it->level_db + 2.5 * base_rng_normal(&rng), -0.5);
    float *clip = base_alloc(DATA_SYNTH_SAMPLES, sizeof *clip);
    base_str path = {0};
    base_str_add(&path, "%s/%s/%s_nohash_%d.wav", j->dir, word_at(j->what, word), it->name,
                 take_number);
    base_status st = BASE_OK;
    if (!clip || path.failed) {
        st = base_nomem(err, DATA_SYNTH_SAMPLES * sizeof *clip);
    } else {
        data_synth_place(take, from_db(level), from_db(it->floor_db), &rng, clip);
        st = data_synth_write(path.s, clip, DATA_SYNTH_SAMPLES, err);
    }
    base_free(clip);
    base_str_free(&path);
    return st;
}

/* Everything speaker s says, for the take_number-th time, a little otherwise than before. */
static base_status say_take(const job *j, int s, int take_number, const char **texts,
                            data_take *takes, const char *scratch, base_err *err)
{
    uint64_t sample = (uint64_t)s * (uint64_t)j->what->clips + (uint64_t)take_number;
    base_rng rng =
        base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_SPEAKER, sample + (1ULL << 32));
    data_voice voice = j->speakers[s].voice;
    voice.rate *= 0.9 + 0.2 * base_rng_uniform(&rng);
    voice.pitch += 0.16 * (base_rng_uniform(&rng) - 0.5);
    base_status st = data_voice_say(&voice, texts, j->n_takes, scratch, j->what->stop, takes, err);
    for (size_t i = 0; i < j->n_takes && st == BASE_OK; i++) {
        st = data_voice_say_within(&voice, texts[i], TAKE_SAMPLES, scratch, j->what->stop,
                                   &takes[i], err);
        if (st == BASE_OK) st = write_clip(j, s, take_number, nth_said(j, s, i), &takes[i], err);
    }
    data_takes_free(takes, j->n_takes);
    return st;
}

/* Run by the pool: one speaker. */
static void speaker_job(void *ctx, int number)
{
    const job *j = ctx;
    base_err *err = &j->errors[number];
    int s = j->first + number;
    const char **texts = base_alloc(j->n_takes, sizeof *texts);
    data_take *takes = base_alloc(j->n_takes, sizeof *takes);
    base_str scratch = {0};
    base_str_add(&scratch, "%s/speech-%d.wav", j->dir, number);
    if (!texts || !takes || scratch.failed) {
        base_nomem(err, j->n_takes * sizeof *takes);
    } else {
        for (size_t i = 0; i < j->n_takes; i++) texts[i] = j->texts[nth_said(j, s, i)];
        base_status st = BASE_OK;
        for (int i = 0; i < j->what->clips && st == BASE_OK; i++)
            st = say_take(j, s, i, texts, takes, scratch.s, err);
        unlink(scratch.s);
    }
    base_free(texts);
    base_free(takes);
    base_str_free(&scratch);
}

static base_status first_error(const job *j, int n, base_err *err)
{
    for (int i = 0; i < n; i++)
        if (j->errors[i].status != BASE_OK) {
            *err = j->errors[i];
            return err->status;
        }
    return BASE_OK;
}

/* Speakers in rounds of a few for each thread, so that progress is told in between. */
static base_status speak_all(job *j, base_pool *pool, int round, base_err *err)
{
    int64_t each = (int64_t)j->n_takes * j->what->clips;
    if (j->what->progress) j->what->progress(j->what->ctx, 0, j->what->speakers * each);
    for (j->first = 0; j->first < j->what->speakers; j->first += round) {
        int n = j->what->speakers - j->first < round ? j->what->speakers - j->first : round;
        base_pool_run(pool, n, speaker_job, j);
        BASE_TRY(first_error(j, n, err));
        if (j->what->progress)
            j->what->progress(j->what->ctx, (j->first + n) * each, j->what->speakers * each);
    }
    return BASE_OK;
}

/* ---- noises ---- */

/* One of the voices that talk at once: random words without a pause, from anywhere in them on,
 * again and again. */
static base_status add_talker(const job *j, int talker, const char *scratch, float *pcm,
                              base_err *err)
{
    base_rng rng = base_rng_at(j->what->seed, BASE_RNG_SYNTH, STREAM_BABBLE, (uint64_t)talker);
    uint32_t s;
    do s = base_rng_below(&rng, (uint32_t)j->what->speakers);
    while (j->speakers[s].split != DATA_TRAIN);
    size_t n = j->what->n_unknown, skip = j->what->n_words;
    base_str text = {0};
    for (int i = 0; i < BABBLE_WORDS; i++) {
        const char *word = j->texts[skip + base_rng_below(&rng, (uint32_t)n)];
        base_str_add(&text, "%s%s", i ? " " : "", word);
    }
    if (text.failed) return base_nomem(err, text.len);
    data_voice voice = j->speakers[s].voice;
    voice.pitch = 0.1 + 0.8 * base_rng_uniform(&rng);
    const char *texts[] = {text.s};
    data_take take = {0};
    base_status st = data_voice_say(&voice, texts, 1, scratch, j->what->stop, &take, err);
    if (st == BASE_OK) {
        data_noise_normalize(take.pcm, take.n);
        double gain = from_db(-6 * base_rng_uniform(&rng));
        size_t at = base_rng_below(&rng, (uint32_t)take.n);
        for (size_t i = 0; i < NOISE_SAMPLES; i++)
            pcm[i] += (float)gain * take.pcm[(at + i) % take.n];
    }
    data_takes_free(&take, 1);
    base_str_free(&text);
    return st;
}

static base_status babble(const job *j, float *pcm, base_err *err)
{
    char *scratch = base_path(j->dir, "babble.wav");
    if (!scratch) return base_nomem(err, 0);
    base_status st = BASE_OK;
    for (int i = 0; i < BABBLE_VOICES && st == BASE_OK; i++)
        st = add_talker(j, i, scratch, pcm, err);
    unlink(scratch);
    free(scratch);
    data_noise_normalize(pcm, NOISE_SAMPLES);
    return st;
}

/* Run by the pool: one noise. */
static void noise_job(void *ctx, int number)
{
    const job *j = ctx;
    base_err *err = &j->errors[number];
    bool talk = number == DATA_NOISE_KINDS;
    float *pcm = base_alloc(NOISE_SAMPLES, sizeof *pcm);
    base_str path = {0};
    base_str_add(&path, "%s/" DATA_NOISE "/%s.wav", j->dir,
                 talk ? "babble" : data_noise_name((data_noise_kind)number));
    if (!pcm || path.failed) {
        base_nomem(err, NOISE_SAMPLES * sizeof *pcm);
    } else {
        base_status st = BASE_OK;
        if (talk)
            st = babble(j, pcm, err);
        else
            data_noise_make((data_noise_kind)number, j->what->seed, pcm, NOISE_SAMPLES);
        if (st == BASE_OK) data_synth_write(path.s, pcm, NOISE_SAMPLES, err);
    }
    base_free(pcm);
    base_str_free(&path);
}

/* ---- all of it ---- */

static base_status make_folder(const char *dir, const char *name, base_err *err)
{
    char *path = base_path(dir, name);
    if (!path) return base_nomem(err, strlen(dir));
    base_status st = base_mkdirs(path, err);
    free(path);
    return st;
}

static base_status fill(job *j, base_pool *pool, int round, base_err *err)
{
    const data_synth *what = j->what;
    for (size_t i = 0; i < what->n_words + what->n_unknown; i++)
        BASE_TRY(make_folder(j->dir, word_at(what, i), err));
    BASE_TRY(make_folder(j->dir, DATA_NOISE, err));
    BASE_TRY(speak_all(j, pool, round, err));
    /* Without other words nobody babbles: it must not contain the words. */
    int noises = what->n_unknown ? NOISES : NOISES - 1;
    base_pool_run(pool, noises, noise_job, j);
    return first_error(j, noises, err);
}

static void count(const job *j, data_synth_result *result)
{
    const data_synth *what = j->what;
    *result = (data_synth_result){
        .clips = (int64_t)j->n_takes * what->clips * what->speakers,
        .speakers = what->speakers,
        .noises = what->n_unknown ? NOISES : NOISES - 1,
    };
    for (int s = 0; s < what->speakers; s++) {
        result->split[j->speakers[s].split]++;
        if (j->speakers[s].voice.timbre->flite)
            result->flite++;
        else
            result->espeak++;
    }
}

static base_status run_with(const data_synth *what, const char *dir, const data_voices *voices,
                            base_arena *arena, data_synth_result *result, base_err *err)
{
    int round = 4 * what->threads > NOISES ? 4 * what->threads : NOISES;
    job j = {.what = what, .n_takes = what->n_words + unknown_share(what)};
    j.speakers = base_arena_alloc(arena, (size_t)what->speakers, sizeof *j.speakers);
    j.errors = base_arena_alloc(arena, (size_t)round, sizeof *j.errors);
    if (!j.speakers || !j.errors) return base_nomem(err, 0);
    BASE_TRY(make_texts(&j, arena, err));
    BASE_TRY(make_speakers(&j, voices, err));
    base_pool *pool;
    char *temp;
    BASE_TRY(base_pool_new(what->threads, &pool, err));
    base_status st = data_folder_temp(dir, &temp, err);
    if (st == BASE_OK) {
        j.dir = temp;
        st = fill(&j, pool, round, err);
        if (st == BASE_OK) st = data_folder_commit(temp, dir, err);
        if (st != BASE_OK) data_folder_remove(temp);
        free(temp);
    }
    base_pool_free(pool);
    if (st == BASE_OK) count(&j, result);
    return st;
}

base_status data_synth_run(const data_synth *what, const char *dir, data_synth_result *result,
                           base_err *err)
{
    data_voices voices;
    *result = (data_synth_result){0};
    BASE_TRY(check(what, err));
    BASE_TRY(data_folder_check_free(dir, err));
    BASE_TRY(data_voices_find(&voices, err));
    base_arena *arena = base_arena_new();
    char *top = data_folder_missing(dir);
    base_status st = arena ? run_with(what, dir, &voices, arena, result, err) : base_nomem(err, 0);
    if (st != BASE_OK) data_folder_prune(dir, top);
    free(top);
    base_arena_free(arena);
    data_voices_free(&voices);
    return st;
}
