/* Features with a group replaced, against features computed anew: bands of MFCC by a front-end that
 * stops before the DCT, and the DCT by its formula. And the groups and permutations themselves.
 */
#include "quantize/ablate.h"
#include "tests/check.h"
#include "tests/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 2 };
static char *labels[WORDS] = {"yes", "no"};
static const double pi = 3.141592653589793;

typedef struct fixture {
    char dir[64];
    data_pack *pack;
    data_task *task;
    nn_model model; /* on `features`, which says nothing */
    dsp_config features;
    base_str text;
    int frames, bins;
} fixture;

static void check_ok(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s (%s)", err->message, err->hint);
}

static void open_fixture(fixture *f, const char *variant)
{
    char net[128];
    base_err err = {0};
    *f = (fixture){.features = {.normalize = DSP_NORMALIZE_FEATURE}};
    corpus_folder(f->dir);
    corpus_make(f->dir, "yes,no", 6, 5, 2);
    f->pack = corpus_pack(f->dir, NULL, NULL);
    check_ok(dsp_variant(variant, &f->features, &err), &err);
    dsp_config_shape(&f->features, &f->frames, &f->bins);
    snprintf(net, sizeof net, "x = input %dx%dx1; f = flatten(x); y = dense(f) out=%d", f->frames,
             f->bins, WORDS);
    nn_model *m = &f->model;
    check_ok(nn_parse(net, NULL, &m->graph, &err), &err);
    m->weights = base_alloc(nn_graph_params(m->graph), sizeof *m->weights);
    m->mean = base_alloc((size_t)f->bins, sizeof *m->mean);
    m->std = base_alloc((size_t)f->bins, sizeof *m->std);
    for (int i = 0; i < f->bins; i++) {
        m->mean[i] = 0.5f * (float)i - 3;
        m->std[i] = 1 + 0.25f * (float)(i % 5);
    }
    m->n_stats = (size_t)f->bins;
    m->labels = labels;
    m->n_labels = WORDS;
    dsp_config_print(&f->features, &f->text);
    m->features = f->text.s;
    check_ok(quant_task(m, f->pack, &f->task, &err), &err);
}

static void close_fixture(fixture *f)
{
    data_task_free(f->task);
    data_pack_close(f->pack);
    corpus_remove(f->dir);
    nn_graph_free(f->model.graph);
    base_free(f->model.weights);
    base_free(f->model.mean);
    base_free(f->model.std);
    base_str_free(&f->text);
}

/* Features of clip i of a split by a front-end of its own: [frames, mels or coefficients], not
 * normalized. */
static float *features_of(const fixture *f, dsp_config c, data_split split, size_t i)
{
    base_err err = {0};
    int frames, bins;
    dsp_frontend *fe;
    const size_t n = data_task_count(f->task, split, -1), samples = (size_t)c.samples;
    data_sample *list = base_alloc(n, sizeof *list);
    int16_t *pcm = base_alloc(samples, sizeof *pcm);
    float *wave = base_alloc(samples, sizeof *wave);
    c.normalize = DSP_NORMALIZE_NONE;
    dsp_config_shape(&c, &frames, &bins);
    float *x = base_alloc((size_t)(frames * bins), sizeof *x);
    data_task_evaluation(f->task, split, list);
    check_ok(data_task_pcm(f->task, split, i, &list[i], samples, pcm, &err), &err);
    check_ok(dsp_frontend_new(&c, NULL, NULL, &fe, &err), &err);
    dsp_from_pcm16(wave, pcm, samples);
    dsp_frontend_run(fe, wave, x);
    dsp_frontend_free(fe);
    base_free(list);
    base_free(pcm);
    base_free(wave);
    return x;
}

static double normalized(const fixture *f, int k, double v)
{
    return (v - (double)f->model.mean[k]) / (double)f->model.std[k];
}

/* DCT-II as tf.signal.mfccs has it. */
static double coefficient(const float *bands, int mels, int k)
{
    double sum = 0;
    for (int m = 0; m < mels; m++) sum += (double)bands[m] * cos(pi * k * (m + 0.5) / mels);
    return sum * sqrt(2.0 / mels);
}

static void bands_of_mfcc_are_replaced_before_the_dct(void **state)
{
    (void)state;
    fixture f;
    base_err err = {0};
    quant_ablation *a;
    open_fixture(&f, "mfcc_49x10");
    check_ok(quant_ablation_new(&f.model, f.task, DATA_VALIDATION, false, 2, &a, &err), &err);
    const size_t n = quant_ablation_clips(a);
    assert_int_equal(n, 10);
    uint32_t *other = base_alloc(n, sizeof *other);
    nn_real *x = base_alloc((size_t)(f.frames * f.bins), sizeof *x);
    quant_derangement(3, 0, other, n);
    const quant_group g = quant_group_of(&f.features, QUANT_CUT_BANDS, 2, 8);
    dsp_config logmel = f.features;
    logmel.mfcc = 0;
    for (size_t i = 0; i < n; i++) {
        float *own = features_of(&f, logmel, DATA_VALIDATION, i);
        float *from = features_of(&f, logmel, DATA_VALIDATION, other[i]);
        quant_ablation_clip(a, &g, other, i, x);
        for (int t = 0; t < f.frames; t++) {
            float *row = own + t * logmel.mels;
            memcpy(row + g.first, from + t * logmel.mels + g.first, (size_t)g.count * sizeof *row);
            for (int k = 0; k < f.bins; k++) {
                const double want = normalized(&f, k, coefficient(row, logmel.mels, k));
                assert_true(fabs(want - (double)x[t * f.bins + k]) < 1e-3);
            }
        }
        base_free(own);
        base_free(from);
    }
    base_free(other);
    base_free(x);
    quant_ablation_free(a);
    close_fixture(&f);
}

/* Inside of the group what the other clip has, outside the clip's own. */
static void columns_and_rows_come_from_the_other_clip(void **state)
{
    (void)state;
    fixture f;
    base_err err = {0};
    quant_ablation *a;
    open_fixture(&f, "mfcc_49x10:hop_ms=25");
    check_ok(quant_ablation_new(&f.model, f.task, DATA_TEST, false, 1, &a, &err), &err);
    const size_t n = quant_ablation_clips(a);
    uint32_t *other = base_alloc(n, sizeof *other);
    nn_real *x = base_alloc((size_t)(f.frames * f.bins), sizeof *x);
    quant_derangement(0, 1, other, n);
    const quant_cut cuts[] = {QUANT_CUT_COEFFICIENTS, QUANT_CUT_TIME};
    for (size_t i = 0; i < n * 2; i++) {
        const quant_group g = quant_group_of(&f.features, cuts[i / n], 1, 3);
        float *own = features_of(&f, f.features, DATA_TEST, i % n);
        float *from = features_of(&f, f.features, DATA_TEST, other[i % n]);
        quant_ablation_clip(a, &g, other, i % n, x);
        for (int j = 0; j < f.frames * f.bins; j++) {
            const int k = j % f.bins, at = g.cut == QUANT_CUT_TIME ? j / f.bins : k;
            const bool in = at >= g.first && at < g.first + g.count;
            const double want = normalized(&f, k, (double)(in ? from : own)[j]);
            assert_true(fabs(want - (double)x[j]) < 1e-4);
        }
        base_free(own);
        base_free(from);
    }
    base_free(other);
    base_free(x);
    quant_ablation_free(a);
    close_fixture(&f);
}

static void means_are_those_of_the_training_clips(void **state)
{
    (void)state;
    fixture f;
    base_err err = {0};
    quant_ablation *a;
    open_fixture(&f, "logmel_40x101");
    check_ok(quant_ablation_new(&f.model, f.task, DATA_VALIDATION, true, 1, &a, &err), &err);
    const int all = f.frames * f.bins;
    const size_t n = data_task_count(f.task, DATA_TRAIN, -1);
    nn_real *x = base_alloc((size_t)all, sizeof *x);
    double *mean = base_alloc((size_t)all, sizeof *mean);
    for (size_t i = 0; i < n; i++) {
        float *clip = features_of(&f, f.features, DATA_TRAIN, i);
        for (int j = 0; j < all; j++) mean[j] += (double)clip[j] / (double)n;
        base_free(clip);
    }
    quant_ablation_clip(a, NULL, NULL, 1, x);
    for (int j = 0; j < all; j++)
        assert_true(fabs(normalized(&f, j % f.bins, mean[j]) - (double)x[j]) < 1e-3);
    base_free(mean);
    base_free(x);
    quant_ablation_free(a);
    close_fixture(&f);
}

static void groups_cover_everything_once(void **state)
{
    (void)state;
    dsp_config c = {0};
    assert_int_equal(dsp_preset("mfcc_49x10", &c, NULL), BASE_OK);
    const int positions[QUANT_CUTS] = {40, 10, 49};
    for (int cut = 0; cut < QUANT_CUTS; cut++)
        for (int most = 1; most < 60; most++) {
            const int n = quant_groups(&c, (quant_cut)cut, most);
            int next = 0;
            assert_int_equal(n, most < positions[cut] ? most : positions[cut]);
            for (int i = 0; i < n; i++) {
                const quant_group g = quant_group_of(&c, (quant_cut)cut, i, n);
                assert_int_equal(g.first, next);
                assert_true(g.count == positions[cut] / n || g.count == positions[cut] / n + 1);
                next += g.count;
            }
            assert_int_equal(next, positions[cut]);
        }
    /* the edges of all bands are those of the settings; frames follow at 20 ms */
    const quant_group all = quant_group_of(&c, QUANT_CUT_BANDS, 0, 1);
    assert_true(fabs(all.lo - 20) < 1e-6 && fabs(all.hi - 4000) < 1e-6);
    const quant_group last = quant_group_of(&c, QUANT_CUT_TIME, 48, 49);
    assert_true(fabs(last.lo - 0.96) < 1e-9 && fabs(last.hi - 0.98) < 1e-9);
    c.mfcc = 0;
    assert_int_equal(quant_groups(&c, QUANT_CUT_COEFFICIENTS, 8), 0);
}

static void derangements_are_one_cycle(void **state)
{
    (void)state;
    enum { N = 50 };
    uint32_t other[N], again[N];
    for (uint32_t number = 0; number < 20; number++) {
        quant_derangement(9, number, other, N);
        size_t at = 0, steps = 0;
        do {
            at = other[at];
            steps++;
        } while (at != 0 && steps <= N);
        assert_int_equal(steps, N);
        quant_derangement(9, number, again, N);
        assert_memory_equal(other, again, sizeof other);
        quant_derangement(9, number + 1, again, N);
        assert_memory_not_equal(other, again, sizeof other);
    }
}

static void without_training_clips_there_is_no_mean(void **state)
{
    (void)state;
    fixture f;
    base_err err = {0};
    quant_ablation *a;
    open_fixture(&f, "mfcc_25x10");
    data_task_free(f.task);
    data_pack_close(f.pack);
    corpus_remove(f.dir);
    corpus_folder(f.dir);
    corpus_make(f.dir, "yes,no", 0, 2, 0);
    f.pack = corpus_pack(f.dir, NULL, NULL);
    check_ok(quant_task(&f.model, f.pack, &f.task, &err), &err);
    assert_int_equal(quant_ablation_new(&f.model, f.task, DATA_VALIDATION, true, 1, &a, &err),
                     BASE_DATA);
    assert_non_null(strstr(err.message, "no train clips"));
    assert_null(a);
    assert_int_equal(quant_ablation_new(&f.model, f.task, DATA_TEST, false, 1, &a, &err),
                     BASE_DATA);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_of_mfcc_are_replaced_before_the_dct),
        cmocka_unit_test(columns_and_rows_come_from_the_other_clip),
        cmocka_unit_test(means_are_those_of_the_training_clips),
        cmocka_unit_test(groups_cover_everything_once),
        cmocka_unit_test(derangements_are_one_cycle),
        cmocka_unit_test(without_training_clips_there_is_no_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
