/* Tasks and batches: shares hold, silence has no speech, and a batch depends on seed, epoch and
 * index only: not on threads, not on where a run was resumed.
 */
#include "tests/check.h"
#include "tests/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN = 12, VALIDATION = 3, TEST = 2, OTHERS = 3, BATCH = 8 };

typedef struct world {
    char dir[64];
    data_pack *pack;
    data_config cfg;
    data_augment aug;
    dsp_config features;
} world;

static int make_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    base_err err = {0};
    corpus_folder(w->dir);
    corpus_make(w->dir, "yes,no,bed,cat,dog", TRAIN, VALIDATION, TEST);
    w->pack = corpus_pack(w->dir, NULL, NULL);
    w->cfg = data_config_default();
    w->aug = data_augment_default();
    snprintf(w->cfg.keywords, sizeof w->cfg.keywords, "no,yes");
    w->cfg.unknown_share = 0.5;
    w->cfg.silence_share = 0.25;
    *state = w;
    return (int)dsp_preset("mfcc_49x10", &w->features, &err);
}

static int free_world(void **state)
{
    world *w = *state;
    data_pack_close(w->pack);
    corpus_remove(w->dir);
    free(w);
    return 0;
}

static data_task *new_task(const world *w)
{
    data_task *task;
    base_err err = {0};
    base_status status = data_task_new(w->pack, &w->cfg, &task, &err);
    if (status != BASE_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BASE_OK);
    return task;
}

static data_loader *new_loader(const world *w, const data_task *task, data_split split, bool train,
                               int threads)
{
    data_loader *l;
    base_err err = {0};
    const data_loader_spec spec = {.task = task,
                                   .features = &w->features,
                                   .split = split,
                                   .augment = train ? &w->aug : NULL,
                                   .batch = BATCH,
                                   .threads = threads,
                                   .seed = 5};
    base_status status = data_loader_new(&spec, &l, &err);
    if (status != BASE_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BASE_OK);
    return l;
}

/* ---- tasks ---- */

static void test_classes_and_shares(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    int n;
    const char *const *classes = data_task_classes(task, &n);
    assert_int_equal(n, 4);
    assert_string_equal(classes[0], "no");
    assert_string_equal(classes[1], "yes");
    assert_string_equal(classes[2], DATA_UNKNOWN);
    assert_string_equal(classes[3], DATA_SILENCE);
    const size_t speakers[DATA_SPLITS] = {TRAIN, VALIDATION, TEST};
    for (int s = 0; s < DATA_SPLITS; s++) {
        size_t keywords = 2 * speakers[s];
        assert_int_equal(data_task_count(task, (data_split)s, 0), speakers[s]);
        assert_int_equal(data_task_count(task, (data_split)s, 2), (keywords + 1) / 2);
        assert_int_equal(data_task_count(task, (data_split)s, 3), (keywords + 3) / 4);
    }
    data_task_free(task);
}

/* What lists contain: every keyword clip of the split once, unknown clips that are other words of
 * the split and differ, silence. */
static void check_list(const world *w, const data_task *task, data_split split,
                       const data_sample *list, size_t n)
{
    size_t words;
    const char *const *word = data_pack_words(w->pack, &words);
    char *seen = calloc(data_pack_clips(w->pack), 1);
    size_t count[4] = {0};
    for (size_t i = 0; i < n; i++) {
        count[list[i].label]++;
        assert_int_equal(list[i].clip < 0, list[i].label == 3);
        if (list[i].clip < 0) continue;
        data_clip clip = data_pack_clip(w->pack, (size_t)list[i].clip);
        const char *spoken = word[clip.word];
        int label = strcmp(spoken, "no") == 0 ? 0 : strcmp(spoken, "yes") == 0 ? 1 : 2;
        assert_int_equal(clip.split, split);
        assert_int_equal(list[i].label, label);
        assert_int_equal(seen[list[i].clip]++, 0);
    }
    for (int k = 0; k < 4; k++) assert_int_equal(count[k], data_task_count(task, split, k));
    free(seen);
}

static void test_lists(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    for (int s = 0; s < DATA_SPLITS; s++) {
        size_t n = data_task_count(task, (data_split)s, -1);
        data_sample *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b);
        data_task_evaluation(task, (data_split)s, a);
        data_task_evaluation(task, (data_split)s, b);
        check_list(w, task, (data_split)s, a, n);
        assert_memory_equal(a, b, n * sizeof *a);
        free(a);
        free(b);
    }
    size_t n = data_task_count(task, DATA_TRAIN, -1);
    data_sample *one = calloc(n, sizeof *one), *two = calloc(n, sizeof *two);
    char *drawn = calloc(data_pack_clips(w->pack), 1);
    size_t different = 0;
    for (uint32_t epoch = 0; epoch < 40; epoch++) {
        data_task_epoch(task, 9, epoch, one);
        data_task_epoch(task, 9, epoch, two);
        check_list(w, task, DATA_TRAIN, one, n);
        assert_memory_equal(one, two, n * sizeof *one);
        data_task_epoch(task, 9, epoch + 1, two);
        assert_memory_not_equal(one, two, n * sizeof *one);
        for (size_t i = 0; i < n; i++)
            if (one[i].label == 2) different += !drawn[one[i].clip]++;
    }
    assert_int_equal(different, OTHERS * TRAIN); /* in 40 draws of a third each was chosen */
    free(one);
    free(two);
    free(drawn);
    data_task_free(task);
}

static void test_no_such_keyword(void **state)
{
    world w = *(world *)*state;
    data_task *task;
    base_err err = {0};
    snprintf(w.cfg.keywords, sizeof w.cfg.keywords, "yes,noo");
    assert_int_equal(data_task_new(w.pack, &w.cfg, &task, &err), BASE_DATA);
    assert_null(task);
    assert_non_null(strstr(err.message, "'noo'"));
    assert_non_null(strstr(err.hint, "'no'"));
    snprintf(w.cfg.keywords, sizeof w.cfg.keywords, "yes,no,bed,cat,dog");
    assert_int_equal(data_task_new(w.pack, &w.cfg, &task, &err), BASE_DATA);
    assert_non_null(strstr(err.message, DATA_UNKNOWN));
    w.cfg.unknown_share = 0;
    assert_int_equal(data_task_new(w.pack, &w.cfg, &task, &err), BASE_OK);
    int n;
    data_task_classes(task, &n);
    assert_int_equal(n, 6);
    data_task_free(task);
    snprintf(w.cfg.keywords, sizeof w.cfg.keywords, "yes," DATA_SILENCE);
    assert_int_equal(data_task_new(w.pack, &w.cfg, &task, &err), BASE_USAGE);
}

static void test_task_of_labels(void **state)
{
    const world *w = *state;
    data_task *task;
    base_err err = {0};
    const char *labels[] = {DATA_SILENCE, "yes", "martian"}, *none[] = {"martian"};
    assert_int_equal(data_task_of_labels(w->pack, labels, 3, NULL, &task, &err), BASE_OK);
    assert_int_equal(data_task_count(task, DATA_TEST, 1), TEST);
    assert_int_equal(data_task_count(task, DATA_TEST, 2), 0);
    assert_int_equal(data_task_count(task, DATA_TEST, 0), 1);
    assert_int_equal(data_task_count(task, DATA_TEST, -1), TEST + 1);
    data_task_free(task);
    assert_int_equal(data_task_of_labels(w->pack, none, 1, NULL, &task, &err), BASE_DATA);
    assert_null(task);
}

/* ---- batches ---- */

typedef struct copy {
    int n, labels[BATCH], clips[BATCH];
    int64_t epoch, step;
    float features[BATCH * 490];
} copy;

static copy next(data_loader *l)
{
    data_batch b;
    base_err err = {0};
    copy c = {0};
    base_status status = data_loader_next(l, &b, &err);
    if (status != BASE_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BASE_OK);
    c.n = b.n;
    c.epoch = b.epoch;
    c.step = b.step;
    if (b.n == 0) return c;
    memcpy(c.labels, b.labels, (size_t)b.n * sizeof *b.labels);
    memcpy(c.clips, b.clips, (size_t)b.n * sizeof *b.clips);
    memcpy(c.features, b.features, (size_t)b.n * 490 * sizeof *b.features);
    return c;
}

static void test_threads_do_not_matter(void **state)
{
    world w = *(world *)*state;
    w.aug.speed_lo = 90;
    w.aug.speed_hi = 110;
    w.aug.time_masks = w.aug.freq_masks = 2;
    w.aug.time_width = 10;
    w.aug.freq_width = 3;
    data_task *task = new_task(&w);
    data_loader *l[3];
    const int threads[3] = {0, 1, 3};
    for (int i = 0; i < 3; i++) l[i] = new_loader(&w, task, DATA_TRAIN, true, threads[i]);
    assert_int_equal(data_loader_steps(l[0]), (2 * TRAIN + TRAIN + 6) / BATCH);
    for (int64_t i = 0; i < 4 * data_loader_steps(l[0]) + 1; i++) {
        copy a = next(l[0]);
        assert_int_equal(a.n, BATCH);
        assert_int_equal(a.epoch * data_loader_steps(l[0]) + a.step, i);
        for (int k = 1; k < 3; k++) {
            copy b = next(l[k]);
            assert_memory_equal(&a, &b, sizeof a);
        }
    }
    for (int i = 0; i < 3; i++) data_loader_free(l[i]);
    data_task_free(task);
}

static void test_seek_equals_continuous(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    data_loader *a = new_loader(w, task, DATA_TRAIN, true, 2);
    data_loader *b = new_loader(w, task, DATA_TRAIN, true, 1);
    int64_t steps = data_loader_steps(a);
    copy *all = calloc((size_t)steps * 4, sizeof *all);
    for (int64_t i = 0; i < 4 * steps; i++) all[i] = next(a);
    const int64_t targets[] = {3 * steps + 1, 0, steps, 2 * steps - 1, 1};
    for (size_t t = 0; t < BASE_COUNT(targets); t++) {
        int64_t at = targets[t];
        data_loader_seek(b, at / steps, at % steps);
        for (int64_t i = at; i < at + 3 && i < 4 * steps; i++) {
            copy c = next(b);
            assert_memory_equal(&c, &all[i], sizeof c);
        }
    }
    assert_memory_not_equal(all[0].features, all[steps].features, sizeof all[0].features);
    free(all);
    data_loader_free(a);
    data_loader_free(b);
    data_task_free(task);
}

static void test_evaluation_is_all_of_it(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    data_loader *l = new_loader(w, task, DATA_VALIDATION, false, 2);
    size_t total = data_task_count(task, DATA_VALIDATION, -1), got = 0;
    data_sample *list = calloc(total, sizeof *list);
    data_task_evaluation(task, DATA_VALIDATION, list);
    float *first = calloc(total * 490, sizeof *first);
    for (int round = 0; round < 2; round++) {
        got = 0;
        for (copy c; (c = next(l)).n > 0; got += (size_t)c.n) {
            for (int i = 0; i < c.n; i++) {
                assert_int_equal(c.labels[i], list[got + (size_t)i].label);
                assert_int_equal(c.clips[i], list[got + (size_t)i].clip);
            }
            size_t bytes = (size_t)c.n * 490 * sizeof *first;
            if (round == 0) memcpy(first + got * 490, c.features, bytes);
            assert_memory_equal(first + got * 490, c.features, bytes);
        }
        assert_int_equal(got, total);
        assert_int_equal(next(l).n, 0);
        data_loader_seek(l, 0, 0);
    }
    free(list);
    free(first);
    data_loader_free(l);
    data_task_free(task);
}

/* Features of an evaluation clip are the front-end's of its samples, padded with zeros. */
static void test_evaluation_is_unchanged(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    data_loader *l = new_loader(w, task, DATA_TEST, false, 0);
    dsp_frontend *fe;
    base_err err = {0};
    assert_int_equal(dsp_frontend_new(&w->features, NULL, NULL, &fe, &err), BASE_OK);
    copy c = next(l);
    for (int i = 0; i < c.n; i++) {
        if (c.clips[i] < 0) continue;
        int16_t pcm[DATA_RATE] = {0};
        float clip[DATA_RATE], wanted[490];
        data_clip info = data_pack_clip(w->pack, (size_t)c.clips[i]);
        assert_int_equal(
            data_pack_read(w->pack, (size_t)c.clips[i], 0, (size_t)info.samples, pcm, &err),
            BASE_OK);
        dsp_from_pcm16(clip, pcm, DATA_RATE);
        dsp_frontend_run(fe, clip, wanted);
        assert_memory_equal(wanted, c.features + i * 490, sizeof wanted);
    }
    dsp_frontend_free(fe);
    data_loader_free(l);
    data_task_free(task);
}

/* ---- silence ---- */

/* Size of the component at hz, 1 for a full-scale tone. */
static double tone(const int16_t *pcm, int n, double hz)
{
    double re = 0, im = 0;
    for (int i = 0; i < n; i++) {
        re += pcm[i] * cos(6.283185307 * hz * i / DATA_RATE);
        im += pcm[i] * sin(6.283185307 * hz * i / DATA_RATE);
    }
    return 2 * sqrt(re * re + im * im) / n / 32768;
}

/* Frequency of the tone a clip consists of. */
static double pitch(const int16_t *pcm, int n)
{
    double best = 0, most = 0;
    for (double hz = 195; hz < 3210; hz += 1) {
        double size = tone(pcm, n, hz);
        if (size > most) most = size, best = hz;
    }
    return best;
}

static void test_silence_has_no_speech(void **state)
{
    const world *w = *state;
    data_task *task = new_task(w);
    base_err err = {0};
    size_t words;
    data_pack_words(w->pack, &words);
    double hz[8] = {0};
    int16_t pcm[DATA_RATE], again[DATA_RATE];
    for (size_t i = 0; i < data_pack_clips(w->pack); i++) {
        data_clip clip = data_pack_clip(w->pack, i);
        if (hz[clip.word] > 0) continue;
        assert_int_equal(data_pack_read(w->pack, i, 0, 8000, pcm, &err), BASE_OK);
        hz[clip.word] = pitch(pcm, 8000);
        assert_true(tone(pcm, 8000, hz[clip.word]) > 0.3);
    }
    size_t n = data_task_count(task, DATA_VALIDATION, -1), silent = 0;
    data_sample *list = calloc(n, sizeof *list);
    data_task_evaluation(task, DATA_VALIDATION, list);
    for (size_t i = 0; i < n; i++) {
        if (list[i].clip >= 0) continue;
        silent++;
        assert_int_equal(data_task_pcm(task, DATA_VALIDATION, i, &list[i], DATA_RATE, pcm, &err),
                         BASE_OK);
        assert_int_equal(data_task_pcm(task, DATA_VALIDATION, i, &list[i], DATA_RATE, again, &err),
                         BASE_OK);
        assert_memory_equal(pcm, again, sizeof pcm);
        int loudest = 0;
        for (int k = 0; k < DATA_RATE; k++) loudest = abs(pcm[k]) > loudest ? abs(pcm[k]) : loudest;
        assert_in_range(loudest, 1, 32767 / 3); /* the noise, which is below 0.25, at a gain <= 1 */
        for (size_t k = 0; k < words; k++) assert_true(tone(pcm, DATA_RATE, hz[k]) < 0.01);
    }
    assert_int_equal(silent, 2);
    free(list);
    data_task_free(task);
}

/* ---- augmentation ---- */

/* With everything off a training sample is its clip. */
static void test_augmentation_off(void **state)
{
    world w = *(world *)*state;
    w.aug.shift_ms = w.aug.noise_prob = 0;
    data_task *task = new_task(&w);
    data_loader *l = new_loader(&w, task, DATA_TRAIN, true, 1);
    data_loader *plain = new_loader(&w, task, DATA_TRAIN, false, 1);
    float *features = calloc(data_pack_clips(w.pack) * 490, sizeof *features);
    for (copy c; (c = next(plain)).n > 0;)
        for (int i = 0; i < c.n; i++)
            if (c.clips[i] >= 0)
                memcpy(features + c.clips[i] * 490, c.features + i * 490, 490 * sizeof *features);
    copy c = next(l);
    int compared = 0;
    for (int i = 0; i < c.n; i++) {
        if (c.labels[i] > 1) continue; /* unknown clips may not be the evaluation's */
        assert_memory_equal(features + c.clips[i] * 490, c.features + i * 490,
                            490 * sizeof *features);
        compared++;
    }
    assert_true(compared > 0);
    free(features);
    data_loader_free(l);
    data_loader_free(plain);
    data_task_free(task);
}

static void test_features_stats(void **state)
{
    world w = *(world *)*state;
    data_task *task = new_task(&w);
    float mean[10], std[10];
    base_err err = {0};
    assert_int_equal(data_features_stats(task, &w.features, 20, mean, std, &err), BASE_OK);
    w.features.normalize = DSP_NORMALIZE_FEATURE;
    data_loader *l;
    const data_loader_spec spec = {.task = task,
                                   .features = &w.features,
                                   .mean = mean,
                                   .std = std,
                                   .split = DATA_TRAIN,
                                   .batch = BATCH,
                                   .threads = 1};
    assert_int_equal(data_loader_new(&spec, &l, &err), BASE_OK);
    double sum[10] = {0}, square[10] = {0}, n = 0;
    for (copy c; (c = next(l)).n > 0;)
        for (int i = 0; i < c.n; i++) {
            if (c.clips[i] < 0) continue;
            for (int k = 0; k < 490; k++) {
                double v = (double)c.features[i * 490 + k];
                sum[k % 10] += v;
                square[k % 10] += v * v;
            }
            n += 49;
        }
    for (int k = 0; k < 10; k++) {
        assert_true(fabs(sum[k] / n) < 0.3);
        assert_true(square[k] / n > 0.5 && square[k] / n < 2);
    }
    data_loader_free(l);
    data_task_free(task);
}

static void test_pack_that_shrinks(void **state)
{
    const world *w = *state;
    char path[128], command[300];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/shrunk.h5", w->dir);
    snprintf(command, sizeof command, "cp '%s' '%s'", data_pack_path(w->pack), path);
    assert_int_equal(system(command), 0);
    data_pack *pack;
    data_task *task;
    assert_int_equal(data_pack_open(path, &pack, &err), BASE_OK);
    assert_int_equal(data_task_new(pack, &w->cfg, &task, &err), BASE_OK);
    data_loader *l = new_loader(w, task, DATA_TRAIN, false, 2);
    snprintf(command, sizeof command, "truncate -s 5000 '%s'", path);
    assert_int_equal(system(command), 0);
    base_status status = BASE_OK;
    for (int i = 0; i < 10 && status == BASE_OK; i++) {
        data_batch batch;
        status = data_loader_next(l, &batch, &err);
    }
    assert_int_equal(status, BASE_DATA);
    assert_non_null(strstr(err.message, "truncated"));
    data_loader_free(l);
    data_task_free(task);
    data_pack_close(pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_and_shares),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_no_such_keyword),
        cmocka_unit_test(test_task_of_labels),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_seek_equals_continuous),
        cmocka_unit_test(test_evaluation_is_all_of_it),
        cmocka_unit_test(test_evaluation_is_unchanged),
        cmocka_unit_test(test_silence_has_no_speech),
        cmocka_unit_test(test_augmentation_off),
        cmocka_unit_test(test_features_stats),
        cmocka_unit_test(test_pack_that_shrinks),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
