/* Post-processing: the runtime against an oracle that recomputes every average from the whole
 * history in double, the settings in milliseconds against what they must become, and their C.
 */
#include "quantize/pipeline.h"
#include "tests/check.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES_MAX = 12, PUSHES = 3000 };

/* ---- oracle ---- */

typedef struct wanted {
    int classes, window, suppress, min_count;
    double threshold; /* of the average, 0 .. 1 */
    const uint8_t *mute;
    const int8_t *scores; /* PUSHES x classes */
    int last;             /* inference of the last detection */
} wanted;

/* The largest score's class, the first of equals; -1 when all are 0. */
static int loudest(const double *v, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (v[i] > v[best]) best = i;
    return v[best] > 0 ? best : -1;
}

/* What inference `at` is to give, from scores 0 .. at. */
static sotto_detection expected(wanted *w, int at)
{
    double mean[CLASSES_MAX] = {0}, row[CLASSES_MAX];
    int count[CLASSES_MAX] = {0};
    for (int t = at - w->window + 1; t <= at; t++) {
        for (int k = 0; k < w->classes; k++) {
            row[k] = t < 0 ? 0 : (w->scores[t * w->classes + k] + 128) / 256.0;
            mean[k] += row[k] / w->window;
        }
        const int best = loudest(row, w->classes);
        if (best >= 0) count[best]++;
    }
    /* averages that are equal as fractions may differ in their last bits */
    for (int k = 0; k < w->classes; k++)
        mean[k] = round(mean[k] * w->window * 256) / w->window / 256;
    const int best = loudest(mean, w->classes);
    const double threshold = fmin(w->threshold, 255.0 / 256) - 1e-9;
    if (best < 0 || w->mute[best] || mean[best] < threshold || count[best] < w->min_count ||
        at - w->last <= w->suppress)
        return (sotto_detection){-1, 0};
    w->last = at;
    return (sotto_detection){best, (int32_t)floor(mean[best] * 256 + 1e-9)};
}

/* ---- sequences ---- */

/* Scores of words that come and go over noise; now and then ties, nothing and everything. */
static void draw(base_rng *r, int classes, int8_t *scores)
{
    int word = 0, left = 0;
    for (int t = 0; t < PUSHES; t++) {
        if (left-- == 0) {
            word = (int)base_rng_below(r, (uint32_t)classes + 2);
            left = (int)base_rng_below(r, 30);
        }
        const uint32_t kind = base_rng_below(r, 40);
        for (int k = 0; k < classes; k++) {
            int v = (int)base_rng_below(r, 120) + (k == word ? (int)base_rng_below(r, 136) : 0);
            if (kind == 0) v = 0;
            if (kind == 1) v = 255;
            if (kind == 2) v &= 0xC0;
            scores[t * classes + k] = (int8_t)(v - 128);
        }
    }
}

static nn_model labelled(int classes, char **labels)
{
    return (nn_model){.labels = labels, .n_labels = (size_t)classes};
}

static const nn_quant score_quant = {1.0 / 256, -128};

/* The runtime with settings made for a hop of 100 ms, on scores or on logits of which `scores` are
 * the softmax; returns how many detections there were. */
static int compare(const quant_posterior *p, nn_quant quant, char **labels, int classes,
                   const int8_t *out, const int8_t *scores)
{
    base_err err = {0};
    sotto_posterior_t t;
    sotto_posterior_state s;
    uint8_t mute[CLASSES_MAX], silent[CLASSES_MAX];
    const nn_model m = labelled(classes, labels);
    if (quant_posterior_runtime(p, 100, &m, quant, mute, &t, &err) != BASE_OK)
        fail_msg("%s", err.message);
    for (int k = 0; k < classes; k++) silent[k] = labels[k][0] == '_';
    wanted w = {.classes = classes,
                .window = p->average_ms < 100 ? 1 : (int)round(p->average_ms / 100),
                .suppress = (int)round(p->suppress_ms / 100),
                .min_count = p->min_count,
                .threshold = p->threshold,
                .mute = silent,
                .scores = scores,
                .last = -1000000};
    /* exactly as long as it is said to be: the sanitizer watches */
    uint16_t *memory = malloc(2 * (size_t)SOTTO_POSTERIOR_SIZE(classes, w.window));
    int n = 0;
    for (int round = 0; round < 2; round++) { /* init starts anew */
        sotto_posterior_init(&t, &s, memory);
        w.last = -1000000;
        for (int i = 0; i < PUSHES; i++) {
            const sotto_detection want = expected(&w, i);
            const sotto_detection got = sotto_posterior_push(&t, &s, out + i * classes);
            if (got.word != want.word || got.score != want.score)
                fail_msg("inference %d: class %d score %d, not %d %d", i, got.word, got.score,
                         want.word, want.score);
            n += got.word >= 0;
        }
    }
    free(memory);
    return n;
}

static char *const names[] = {"yes",  "_unknown_", "no",  "up", "_silence_", "down",
                              "left", "right",     "off", "on", "stop",      "go"};

static void runtime_equals_oracle(void **state)
{
    (void)state;
    base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, 0);
    static int8_t scores[PUSHES * CLASSES_MAX];
    const double thresholds[] = {0, 0.1, 0.25, 0.3, 0.4, 0.5, 0.55, 0.7};
    int found = 0, with = 0;
    for (int round = 0; round < 60; round++) {
        const int classes = 1 + (int)base_rng_below(&r, CLASSES_MAX);
        const int window = round % 7 == 0 ? 1 : 1 + (int)base_rng_below(&r, round % 9 ? 20 : 256);
        const quant_posterior p = {.average_ms = 100 * window,
                                   .threshold =
                                       thresholds[base_rng_below(&r, BASE_COUNT(thresholds))],
                                   .suppress_ms = 100 * base_rng_below(&r, 30),
                                   .min_count = (int)base_rng_below(&r, (uint32_t)window / 2 + 2)};
        if (p.min_count > window) continue;
        draw(&r, classes, scores);
        const int n = compare(&p, score_quant, (char **)names, classes, scores, scores);
        found += n;
        with += n > 0;
    }
    printf("%d detections in %d of 60 settings\n", found, with);
    assert_true(found > 2000 && with > 25);
}

/* Scores of logits are within one step of the softmax in double, and detections are theirs. */
static void logits_become_scores(void **state)
{
    (void)state;
    base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, 0);
    static int8_t out[PUSHES * CLASSES_MAX], scores[PUSHES * CLASSES_MAX];
    const double scales[] = {1e-3, 0.01, 0.057, 0.11, 0.25, 1.5, 15};
    const quant_posterior p = {
        .average_ms = 500, .threshold = 0.4, .suppress_ms = 700, .min_count = 2};
    int found = 0;
    for (size_t i = 0; i < BASE_COUNT(scales); i++) {
        const nn_quant quant = {scales[i], 17};
        const nn_model m = labelled(CLASSES_MAX, (char **)names);
        uint8_t mute[CLASSES_MAX];
        sotto_posterior_t t;
        assert_int_equal(quant_posterior_runtime(&p, 100, &m, quant, mute, &t, NULL), BASE_OK);
        draw(&r, CLASSES_MAX, out);
        for (int n = 0; n < PUSHES; n++) {
            const int8_t *x = out + n * CLASSES_MAX;
            int8_t *y = scores + n * CLASSES_MAX;
            double e[CLASSES_MAX], sum = 0;
            int most = -128;
            for (int k = 0; k < CLASSES_MAX; k++)
                if (x[k] > most) most = x[k];
            sotto_softmax(&t.softmax, x, y);
            for (int k = 0; k < CLASSES_MAX; k++) sum += e[k] = exp(quant.scale * (x[k] - most));
            for (int k = 0; k < CLASSES_MAX; k++)
                if (fabs(fmin(256 * e[k] / sum, 255) - (y[k] + 128)) > 1)
                    fail_msg("scale %g: %g became %d", scales[i], e[k] / sum, y[k] + 128);
        }
        found += compare(&p, quant, (char **)names, CLASSES_MAX, out, scores);
    }
    assert_true(found > 300);
}

/* ---- edges ---- */

static int count_all(double threshold, double average_ms, double suppress_ms, int min_count,
                     int8_t level)
{
    static int8_t scores[PUSHES * 2];
    const quant_posterior p = {.average_ms = average_ms,
                               .threshold = threshold,
                               .suppress_ms = suppress_ms,
                               .min_count = min_count};
    for (int i = 0; i < PUSHES; i++) {
        scores[2 * i] = level;
        scores[2 * i + 1] = -128;
    }
    return compare(&p, score_quant, (char **)names, 2, scores, scores) / 2;
}

static void edges(void **state)
{
    (void)state;
    static int8_t scores[PUSHES * 2];
    char *mute[] = {"_silence_", "_unknown_"};
    const quant_posterior any = {.average_ms = 300};
    base_rng r = base_rng_at(8, BASE_RNG_TEST, 0, 0);
    draw(&r, 2, scores);
    /* all classes are mute */
    assert_int_equal(compare(&any, score_quant, mute, 2, scores, scores), 0);
    /* a suppression longer than the stream: one detection, after the window has filled */
    assert_int_equal(count_all(1, 25600, 60000, 256, 127), 1 + (PUSHES - 256) / 601);
    assert_int_equal(count_all(1, 0, 60000, 0, 127), 1 + (PUSHES - 1) / 601);
    assert_int_equal(count_all(0, 0, 0, 1, 127), PUSHES);
    /* scores of nothing but 0 are no word, whatever the threshold */
    assert_int_equal(count_all(0, 500, 0, 0, -128), 0);
    assert_int_equal(count_all(0, 500, 0, 0, -127), PUSHES);
    /* the sum of a full window of full scores */
    assert_int_equal(count_all(1, 25600, 0, 0, 127), PUSHES - 255);
    assert_int_equal(count_all(1, 25600, 0, 0, 126), 0);
}

/* sum / window without a division, for every sum that there can be. */
static void averages_are_exact(void **state)
{
    (void)state;
    const nn_model m = labelled(2, (char **)names);
    for (int window = 1; window <= SOTTO_POSTERIOR_WINDOW; window++) {
        sotto_posterior_t t;
        uint8_t mute[2];
        const quant_posterior p = {.average_ms = 10 * window};
        assert_int_equal(quant_posterior_runtime(&p, 10, &m, score_quant, mute, &t, NULL), BASE_OK);
        assert_int_equal(t.window, window);
        for (uint32_t sum = 0; sum <= 255 * (uint32_t)window; sum++)
            if (sum * t.reciprocal >> 24 != sum / (uint32_t)window)
                fail_msg("%u / %d is not %u", sum, window, sum * t.reciprocal >> 24);
    }
}

/* ---- settings ---- */

static void hops(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        double hop_ms;
        int samples; /* 0: refused */
    } cases[] = {
        {"mfcc_49x10", 0, 1600},    {"mfcc_25x10", 0, 1280},       {"logmel_40x101", 0, 1600},
        {"mfcc_49x10", 20, 320},    {"mfcc_49x10", 40, 640},       {"mfcc_49x10", 30, 0},
        {"logmel_40x101", 30, 480}, {"mfcc_49x10", -20, 0},        {"mfcc_49x10", 1, 0},
        {"mfcc_49x10", 20000, 0},   {"mfcc_49x10", (double)NAN, 0}};
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        dsp_config cfg;
        base_err err = {0};
        int samples = 0;
        const quant_posterior p = {.hop_ms = cases[i].hop_ms};
        assert_int_equal(dsp_preset(cases[i].preset, &cfg, NULL), BASE_OK);
        const base_status status = quant_posterior_hop(&p, &cfg, &samples, &err);
        assert_int_equal(status, cases[i].samples ? BASE_OK : BASE_USAGE);
        if (status == BASE_OK)
            assert_int_equal(samples, cases[i].samples);
        else
            assert_non_null(strstr(err.message, "--hop-ms"));
    }
}

static void settings(void **state)
{
    (void)state;
    const nn_model m = labelled(3, (char **)names);
    const quant_posterior p = {
        .average_ms = 490, .threshold = 0.7, .suppress_ms = 1490, .min_count = 3};
    sotto_posterior_t t;
    uint8_t mute[3];
    assert_int_equal(quant_posterior_runtime(&p, 100, &m, score_quant, mute, &t, NULL), BASE_OK);
    assert_int_equal(t.window, 5);
    assert_int_equal(t.threshold, 896); /* 0.7 * 256 * 5 */
    assert_int_equal(t.suppress, 15);
    assert_int_equal(t.min_count, 3);
    assert_int_equal(t.softmax.rows, 0);
    assert_memory_equal(mute, "\0\1\0", 3);
    assert_int_equal(quant_posterior_runtime(&p, 100, &m, (nn_quant){0.1, -128}, mute, &t, NULL),
                     BASE_OK);
    assert_int_equal(t.softmax.rows, 1);
    assert_int_equal(quant_posterior_runtime(&p, 100, &m, (nn_quant){30, 0}, mute, &t, NULL),
                     BASE_DATA);
    static const struct {
        quant_posterior p;
        const char *says;
    } wrong[] = {{{.average_ms = 30000}, "--average-ms 30000 is outside of 0 .. 25600"},
                 {{.average_ms = (double)NAN}, "--average-ms"},
                 {{.threshold = 1.01}, "--threshold 1.01 is outside of 0 .. 1"},
                 {{.threshold = -0.1}, "--threshold"},
                 {{.suppress_ms = -1}, "--suppress-ms"},
                 {{.min_count = -1}, "--min-count"},
                 {{.average_ms = 200, .min_count = 3}, "--min-count 3: only 2 inferences"}};
    for (size_t i = 0; i < BASE_COUNT(wrong); i++) {
        base_err err = {0};
        assert_int_equal(quant_posterior_runtime(&wrong[i].p, 100, &m, score_quant, mute, &t, &err),
                         BASE_USAGE);
        if (!strstr(err.message, wrong[i].says)) fail_msg("%s", err.message);
    }
}

/* The settings as C, compiled by themselves, are those that the host makes. */
static void settings_as_c(void **state)
{
    (void)state;
    base_err err = {0};
    nn_model *m = q8_random_model("x = input 49x10x1; p = globalpool(x); y = dense(p) out=3", 1);
    base_str features = {0}, text = {0}, program = {0};
    dsp_config cfg;
    assert_int_equal(dsp_preset("mfcc_49x10", &cfg, NULL), BASE_OK);
    dsp_config_print(&cfg, &features);
    m->features = features.s;
    m->labels = calloc(4, sizeof *m->labels); /* freed in one piece */
    m->n_labels = 3;
    for (int k = 0; k < 3; k++) m->labels[k] = names[k];
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    const quant_posterior p = quant_posterior_default();
    quant_pipeline pipeline;
    if (quant_pipeline_new(q, &p, NULL, &pipeline, &err) != BASE_OK ||
        q8_emit(q, &(q8_export){.prefix = "kws", .pipeline = &pipeline}, &text, &err) != BASE_OK)
        fail_msg("%s", err.message);
    quant_pipeline_free(&pipeline);
    base_str_add(
        &program,
        "#include <stdio.h>\n%s"
        "int main(void)\n{\n    static uint16_t memory[KWS_POSTERIOR_SIZE];\n"
        "    const sotto_posterior_t *t = &kws_posterior;\n"
        "    printf(\"%%d %%d %%d %%d %%d %%d %%d \", (int)t->softmax.rows, (int)t->softmax.n,"
        " (int)t->softmax.multiplier, (int)t->softmax.shift, (int)t->softmax.least,"
        " (int)t->softmax.lo, (int)t->softmax.hi);\n"
        "    printf(\"%%d %%u %%d %%d %%d %%d%%d%%d %%d %%d\\n\", (int)t->window,"
        " (unsigned)t->reciprocal, (int)t->threshold, (int)t->min_count, (int)t->suppress,"
        " t->mute[0], t->mute[1], t->mute[2], KWS_HOP, (int)sizeof memory);\n"
        "    return 0;\n}\n",
        text.s);
    char dir[] = "/tmp/sotto_posterior_XXXXXX", command[512], got[256] = "", want[256];
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "%s/a.c", dir);
    assert_int_equal(base_write_file(command, program.s, program.len, NULL), BASE_OK);
    snprintf(
        command, sizeof command,
        "${CC:-gcc} -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror -I. %s/a.c -o %s/a &&"
        " %s/a; rm -r %s",
        dir, dir, dir, dir);
    FILE *out = popen(command, "r");
    assert_non_null(fgets(got, sizeof got, out));
    pclose(out);
    sotto_posterior_t t;
    uint8_t mute[3];
    assert_int_equal(
        quant_posterior_runtime(&p, 100, &q->folded, q->values[q->n_layers].quant, mute, &t, NULL),
        BASE_OK);
    assert_int_equal(t.softmax.rows, 1);
    snprintf(want, sizeof want, "1 3 %d %d %d -128 127 %d %u %d %d %d 010 1600 %d\n",
             t.softmax.multiplier, t.softmax.shift, t.softmax.least, t.window, t.reciprocal,
             t.threshold, t.min_count, t.suppress, (4 * 3 + t.window * 3 + 1) / 2 * 2);
    assert_string_equal(got, want);
    base_str_free(&text);
    base_str_free(&program);
    base_free(x);
    q8_model_free(q);
    nn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtime_equals_oracle),
        cmocka_unit_test(logits_become_scores),
        cmocka_unit_test(edges),
        cmocka_unit_test(averages_are_exact),
        cmocka_unit_test(hops),
        cmocka_unit_test(settings),
        cmocka_unit_test(settings_as_c),
    };
    return cmocka_run_group_tests_name("posterior", tests, NULL, NULL);
}
