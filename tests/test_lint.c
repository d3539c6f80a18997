/* Levels, near duplicates, lists of clips to leave out. What is planted is known, so what is found
 * can be counted: of copies that were shifted, made louder or quieter and noisier, and of cut
 * words.
 */
#include "data/duplicates.h"
#include "data/exclude.h"
#include "data/lint.h"
#include "tests/check.h"
#include "tests/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = DATA_RATE, TONES = 48 };

/* A made-up word: 48 tones that rise and fall, from `from` to `to`, over a faint hiss. */
static void speak(uint32_t number, int from, int to, float *pcm)
{
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 1, number);
    double hz[TONES], beat[TONES], phase[TONES];
    for (int k = 0; k < TONES; k++) {
        hz[k] = 300 * pow(10, base_rng_uniform(&r));
        beat[k] = 3 + 9 * base_rng_uniform(&r);
        phase[k] = 6.28 * base_rng_uniform(&r);
    }
    for (int i = 0; i < N; i++) {
        double v = 0, t = (double)i / DATA_RATE;
        for (int k = 0; k < TONES; k++)
            v += sin(6.28318 * hz[k] * t + 4 * sin(6.28318 * beat[k] * t)) *
                 (1 + sin(6.28318 * beat[k] * t + phase[k]));
        pcm[i] = (float)((i >= from && i < to ? 0.01 * v : 0) + 1e-4 * base_rng_normal(&r));
    }
}

static void save(const char *dir, const char *word, int speaker, const float *pcm, size_t n,
                 int rate)
{
    char path[200], name[16];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, word);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/%s/%s_nohash_0.wav", dir, word,
             corpus_speaker(DATA_TRAIN, speaker, name));
    assert_int_equal(dsp_audio_write(path, rate, pcm, n, &err), BASE_OK);
}

/* ---- levels ---- */

static data_level level_of(const float *pcm)
{
    int16_t pcm16[N];
    double powers[3 * N / DATA_BLOCK];
    dsp_to_pcm16(pcm16, pcm, N);
    return data_level_of(pcm16, N, powers);
}

static void test_level_of_a_sine(void **state)
{
    (void)state;
    float pcm[N];
    for (int i = 0; i < N; i++) pcm[i] = (float)(0.1 + 0.5 * sin(6.283185307 * 1000 * i / N));
    data_level l = level_of(pcm);
    assert_true(fabs(l.mean - 0.1) < 1e-4);
    assert_true(fabs(l.peak - 0.6) < 1e-3);
    assert_true(fabs(l.rms_db - 20 * log10(0.5 / sqrt(2))) < 0.01);
    assert_true(l.clipped <= 0);
    for (int i = 0; i < N; i++) pcm[i] = fminf(pcm[i], 0.55f);
    l = level_of(pcm); /* above 0.45 of 0.5 from 64.2 to 115.8 degrees: 4 of 16 samples or so */
    assert_true(l.clipped > 0.1 && l.clipped < 0.2);
}

static void test_speech_is_found(void **state)
{
    (void)state;
    float pcm[N];
    speak(1, 4800, 11200, pcm);
    data_level l = level_of(pcm);
    assert_true(fabs(l.start - 0.3) < 0.031 && fabs(l.end - 0.7) < 0.031);
    assert_true(fabs(l.noise_db + 80) < 1.5);
    assert_true(l.snr_db > 30 && l.head < -30 && l.tail < -30);
    for (int i = 0; i < N; i++) pcm[i] += 0.2f * (float)sin(6.283185307 * 50 * i / N);
    l = level_of(pcm); /* hum that is louder than the word hides it not */
    assert_true(fabs(l.start - 0.3) < 0.05 && fabs(l.end - 0.7) < 0.05);
}

/* ---- a folder with known faults ---- */

static size_t count(const data_findings *f, data_problem p)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) n += f->list[i].problem == p;
    return n;
}

/* The name of the only clip with a problem. */
static const char *only(const data_recordings *r, const data_findings *f, data_problem p)
{
    assert_int_equal(count(f, p), 1);
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].problem == p) return data_recordings_at(r, (size_t)f->list[i].clip).name;
    return NULL;
}

static void lint_folder(const char *dir, data_recordings **r, data_findings *found, int threads)
{
    base_err err = {0};
    data_facts *facts;
    const data_survey_options how = {.threads = threads, .prints = true};
    const data_lint_options o = {.problems = (1u << DATA_PROBLEMS) - 1,
                                 .seconds_lo = 0.4,
                                 .seconds_hi = 1.5,
                                 .threads = threads};
    assert_int_equal(data_recordings_open(dir, r, &err), BASE_OK);
    assert_int_equal(data_survey_run(*r, &how, &facts, &err), BASE_OK);
    assert_int_equal(data_lint_run(*r, facts, &o, found, &err), BASE_OK);
    data_survey_free(facts, data_recordings_count(*r));
}

static void test_faults(void **state)
{
    (void)state;
    char dir[64];
    float pcm[N];
    corpus_folder(dir);
    for (int i = 0; i < 6; i++) {
        speak(10 + (uint32_t)i, 4800, 11200, pcm);
        save(dir, "good", i, pcm, N, DATA_RATE);
    }
    speak(20, 0, 6000, pcm);
    save(dir, "head", 0, pcm, N, DATA_RATE);
    speak(21, 10000, N, pcm);
    save(dir, "tail", 0, pcm, N, DATA_RATE);
    speak(22, 5600, 7200, pcm);
    save(dir, "short", 0, pcm + 4000, N / 4, DATA_RATE);
    speak(23, 4800, 11200, pcm);
    save(dir, "rate", 0, pcm, N, 15000);
    speak(24, 0, 0, pcm);
    dsp_gain(pcm, 0.5f, N);
    save(dir, "silent", 0, pcm, N, DATA_RATE);
    speak(27, 0, 0, pcm);
    dsp_gain(pcm, 200, N);
    save(dir, "hiss", 0, pcm, N, DATA_RATE);
    speak(25, 4800, 11200, pcm);
    for (int i = 0; i < N; i++) pcm[i] += 0.05f;
    save(dir, "offset", 0, pcm, N, DATA_RATE);
    speak(26, 4800, 11200, pcm);
    dsp_gain(pcm, 20, N);
    save(dir, "clipped", 0, pcm, N, DATA_RATE);
    data_recordings *r;
    data_findings found;
    lint_folder(dir, &r, &found, 2);
    assert_non_null(strstr(only(r, &found, DATA_CUT_START), "head/"));
    assert_non_null(strstr(only(r, &found, DATA_CUT_END), "tail/"));
    assert_non_null(strstr(only(r, &found, DATA_LENGTH), "short/"));
    assert_non_null(strstr(only(r, &found, DATA_FORMAT), "rate/"));
    assert_non_null(strstr(only(r, &found, DATA_SILENT), "silent/"));
    assert_non_null(strstr(only(r, &found, DATA_NO_WORD), "hiss/"));
    assert_non_null(strstr(only(r, &found, DATA_OFFSET), "offset/"));
    assert_non_null(strstr(only(r, &found, DATA_CLIPPED), "clipped/"));
    assert_int_equal(count(&found, DATA_DUPLICATE) + count(&found, DATA_NEAR), 0);
    free(found.list);
    data_recordings_close(r);
    corpus_remove(dir);
}

/* ---- duplicates ---- */

/* Copy number i of a word: moved, louder or quieter, noisier. */
static void disguise(const float *in, int i, float *out)
{
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 2, (uint64_t)i);
    const int shift = (int)base_rng_below(&r, 2401) - 1200;
    const float gain = (float)pow(10, (base_rng_uniform(&r) * 18 - 12) / 20);
    dsp_shift(out, in, N, shift);
    const double noise = sqrt(dsp_active_power(in, N, 160)) * 0.0316; /* 30 dB below */
    for (int k = 0; k < N; k++) out[k] = gain * (out[k] + (float)(noise * base_rng_normal(&r)));
}

static void test_near_duplicates(void **state)
{
    (void)state;
    enum { CLIPS = 60, COPIES = 20 };
    char dir[64];
    float pcm[N], copy[N];
    corpus_folder(dir);
    for (int i = 0; i < CLIPS; i++) {
        speak(100 + (uint32_t)i, 4000 + 20 * i, 11000, pcm);
        save(dir, "word", i, pcm, N, DATA_RATE);
        disguise(pcm, i, copy);
        if (i < COPIES) save(dir, "copy", i, copy, N, DATA_RATE);
        if (i == CLIPS - 1) save(dir, "twin", i, pcm, N, DATA_RATE);
    }
    data_recordings *r;
    data_findings found, again;
    lint_folder(dir, &r, &found, 2);
    size_t right = 0, wrong = 0;
    for (size_t i = 0; i < found.n; i++) {
        const data_finding *f = &found.list[i];
        if (f->problem != DATA_NEAR) continue;
        const data_recording a = data_recordings_at(r, (size_t)f->clip);
        const data_recording b = data_recordings_at(r, (size_t)f->other);
        bool same = a.speaker == b.speaker && a.word != b.word;
        right += same;
        wrong += !same;
    }
    print_message("%zu of 40 found\n", right);
    assert_int_equal(wrong, 0);
    assert_true(right >= 2 * 19); /* both of a pair: their words differ */
    assert_int_equal(count(&found, DATA_DUPLICATE), 2);
    data_recordings *r1;
    lint_folder(dir, &r1, &again, 1);
    assert_int_equal(found.n, again.n);
    for (size_t i = 0; i < found.n; i++) {
        assert_int_equal(found.list[i].clip, again.list[i].clip);
        assert_string_equal(found.list[i].detail, again.list[i].detail);
    }
    free(found.list);
    free(again.list);
    data_recordings_close(r);
    data_recordings_close(r1);
    corpus_remove(dir);
}

/* ---- lists ---- */

static void test_exclude(void **state)
{
    (void)state;
    char dir[64], path[100];
    base_err err = {0};
    data_exclude *list;
    corpus_folder(dir);
    snprintf(path, sizeof path, "%s/list", dir);
    const char *text =
        "# a comment\n\n  yes/a_nohash_0.wav # why\r\nno/b#1.flac\n#up/c.wav\nup/d\n";
    assert_int_equal(base_write_file(path, text, strlen(text), &err), BASE_OK);
    assert_int_equal(data_exclude_read(path, &list, &err), BASE_OK);
    assert_int_equal(data_exclude_count(list), 3);
    assert_true(data_exclude_has(list, "yes/a_nohash_0.flac"));
    assert_false(data_exclude_has(list, "yes/a_nohash_1.flac"));
    assert_false(data_exclude_has(list, "up/c.wav"));
    assert_true(data_exclude_has(list, "up/d.wav"));
    assert_string_equal(data_exclude_unused(list, 0), "no/b#1");
    assert_null(data_exclude_unused(list, 1));
    data_exclude_free(list);
    assert_int_equal(base_write_file(path, "yes/a\nnothing\n", 14, &err), BASE_OK);
    assert_int_equal(data_exclude_read(path, &list, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "list:2: 'nothing'"));
    corpus_remove(dir);
}

static void test_excluded_training(void **state)
{
    (void)state;
    char dir[64], path[100], name[16], text[200];
    base_err err = {0};
    data_task *task;
    corpus_folder(dir);
    corpus_make(dir, "yes,no,other", 4, 1, 1);
    data_pack *pack = corpus_pack(dir, NULL, NULL);
    data_config cfg = data_config_default();
    assert_int_equal(data_config_set(&cfg, "keywords", "yes,no", &err), BASE_OK);
    snprintf(path, sizeof path, "%s/list", dir);
    assert_int_equal(data_config_set(&cfg, "exclude", path, &err), BASE_OK);
    int n =
        snprintf(text, sizeof text, "yes/%s_nohash_0.wav\n", corpus_speaker(DATA_TRAIN, 2, name));
    n += snprintf(text + n, sizeof text - (size_t)n, "yes/%s_nohash_0.wav\n",
                  corpus_speaker(DATA_TEST, 0, name));
    assert_int_equal(base_write_file(path, text, (size_t)n, &err), BASE_OK);
    assert_int_equal(data_task_new(pack, &cfg, &task, &err), BASE_OK);
    assert_int_equal(data_task_count(task, DATA_TRAIN, 0), 3);
    assert_int_equal(data_task_count(task, DATA_TRAIN, 1), 4);
    assert_int_equal(data_task_count(task, DATA_TEST, 0), 1);
    data_task_free(task);
    assert_int_equal(base_write_file(path, "yes/nobody\n", 11, &err), BASE_OK);
    assert_int_equal(data_task_new(pack, &cfg, &task, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "'yes/nobody' is no clip"));
    data_pack_close(pack);
    corpus_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_of_a_sine), cmocka_unit_test(test_speech_is_found),
        cmocka_unit_test(test_faults),          cmocka_unit_test(test_near_duplicates),
        cmocka_unit_test(test_exclude),         cmocka_unit_test(test_excluded_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
