/* Models on the clips of a pack: float and int8 counts, with features in float and in integers,
 * against a plain loop, independence from the number of threads, and, on the features of every test
 * clip there is, that the exported header equals the host's int8 model bit for bit. Real test clips
 * are used where they lie (SOTTO_SPEECH_COMMANDS and "_test"), words that are tones elsewhere.
 */
#include "data/metrics.h"
#include "quantize/evaluate.h"
#include "quantize/frontend.h"
#include "tests/check.h"
#include "tests/corpus.h"
#include "tests/q8_nets.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10 };
static const char *const classes[CLASSES] = {"yes",   "no",   "up", "down",      "left",
                                             "right", "stop", "go", "_unknown_", "_silence_"};
static const char net[] =
    "x = input 49x10x1; c1 = conv2d(x) out=12 kernel=10x4 stride=2x2 bias=no; b1 = batchnorm(c1);"
    "r1 = relu(b1); d1 = dwconv2d(r1) kernel=3x3 bias=no; b2 = batchnorm(d1); r2 = relu(b2);"
    "p1 = conv2d(r2) out=12 kernel=1x1 bias=no; b3 = batchnorm(p1); r3 = relu(b3);"
    "g = globalpool(r3); y = dense(g) out=10";

typedef struct fixture {
    char dir[64];
    data_pack *pack;
    data_task *task;
    nn_model *model;
    q8_model *q8;
} fixture;

static void check_ok(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s (%s)", err->message, err->hint);
}

/* The net with the features of a preset, and statistics where it wants them. */
static nn_model *model_of(const char *preset)
{
    base_err err = {0};
    base_str text = {0};
    dsp_config cfg;
    int frames, bins;
    nn_model *m = q8_random_model(net, 3);
    check_ok(dsp_preset(preset, &cfg, &err), &err);
    dsp_config_print(&cfg, &text);
    dsp_config_shape(&cfg, &frames, &bins);
    m->features = text.s;
    m->n_stats = (size_t)bins;
    m->mean = base_alloc(m->n_stats, sizeof *m->mean);
    m->std = base_alloc(m->n_stats, sizeof *m->std);
    m->labels = calloc(CLASSES, sizeof(char *));
    assert_true(m->mean && m->std && m->labels);
    for (int i = 0; i < bins; i++) m->std[i] = 8;
    for (int k = 0; k < CLASSES; k++) m->labels[k] = (char *)(uintptr_t)classes[k];
    m->n_labels = CLASSES;
    return m;
}

static quant_source source_of(const fixture *f, data_split split, int threads)
{
    return (quant_source){.model = f->model, .task = f->task, .split = split, .threads = threads};
}

static int set_up(void **state)
{
    base_err err = {0};
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    corpus_folder(f->dir);
    corpus_make(f->dir, "yes,no,other", 20, 6, 30);
    f->pack = corpus_pack(f->dir, NULL, NULL);
    f->model = model_of("mfcc_49x10");
    check_ok(quant_task(f->model, f->pack, &f->task, &err), &err);
    const quant_source s = source_of(f, DATA_TRAIN, 2);
    size_t n = 32;
    nn_real *inputs = NULL;
    check_ok(quant_inputs(&s, 0, &n, &inputs, &err), &err);
    check_ok(
        q8_quantize(f->model, inputs, n, (q8_options){.range = Q8_RANGE_MSE}, NULL, &f->q8, &err),
        &err);
    base_free(inputs);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    q8_model_free(f->q8);
    nn_model_free(f->model);
    data_task_free(f->task);
    data_pack_close(f->pack);
    corpus_remove(f->dir);
    free(f);
    return 0;
}

/* ---- evaluation ---- */

static int best_of(const nn_real *v)
{
    float f[CLASSES];
    for (int k = 0; k < CLASSES; k++) f[k] = (float)v[k];
    return data_argmax(f, CLASSES);
}

/* One clip after another through data_loader, nn_net and q8_run. */
static void count_plainly(const fixture *f, int64_t *float_counts, int64_t *q8_counts)
{
    base_err err = {0};
    dsp_config cfg;
    check_ok(quant_features(f->model, &cfg, &err), &err);
    const bool normalize = cfg.normalize == DSP_NORMALIZE_FEATURE;
    const data_loader_spec spec = {.task = f->task,
                                   .features = &cfg,
                                   .mean = normalize ? f->model->mean : NULL,
                                   .std = normalize ? f->model->std : NULL,
                                   .split = DATA_TEST,
                                   .batch = 1};
    data_loader *loader = NULL;
    data_batch batch;
    nn_net *one = NULL;
    check_ok(data_loader_new(&spec, &loader, &err), &err);
    check_ok(nn_net_new(f->model->graph, (nn_net_options){.batch = 1, .shards = 1}, &one, &err),
             &err);
    memcpy(nn_net_weights(one), f->model->weights,
           nn_graph_params(f->model->graph) * sizeof(nn_real));
    int8_t in[490], out[CLASSES], *work = base_alloc(f->q8->work, 1);
    assert_non_null(work);
    for (;;) {
        nn_real x[490], y[CLASSES];
        const nn_real *px = x;
        check_ok(data_loader_next(loader, &batch, &err), &err);
        if (batch.n == 0) break;
        for (int i = 0; i < 490; i++) x[i] = (nn_real)batch.features[i];
        nn_net_forward(one, &px, 1, y);
        float_counts[batch.labels[0] * CLASSES + best_of(y)]++;
        q8_quantize_input(f->q8, batch.features, in);
        q8_run(f->q8, in, out, work);
        for (int k = 0; k < CLASSES; k++) y[k] = out[k];
        q8_counts[batch.labels[0] * CLASSES + best_of(y)]++;
    }
    base_free(work);
    nn_net_free(one);
    data_loader_free(loader);
}

/* One clip after another, from samples through the integer front-end and q8_run. */
static void count_fixed(const fixture *f, int64_t *counts)
{
    enum { SAMPLES = 16000 };
    base_err err = {0};
    dsp_fixed *fixed = NULL;
    check_ok(q8_frontend_new(f->q8, &fixed, &err), &err);
    const size_t n = data_task_count(f->task, DATA_TEST, -1);
    data_sample *list = base_alloc(n, sizeof *list);
    int16_t *pcm = base_alloc(SAMPLES, sizeof *pcm);
    int8_t in[490], out[CLASSES], *work = base_alloc(f->q8->work, 1);
    assert_true(list && pcm && work);
    data_task_evaluation(f->task, DATA_TEST, list);
    for (size_t i = 0; i < n; i++) {
        nn_real y[CLASSES];
        check_ok(data_task_pcm(f->task, DATA_TEST, i, &list[i], SAMPLES, pcm, &err), &err);
        dsp_fixed_run(fixed, pcm, in);
        q8_run(f->q8, in, out, work);
        for (int k = 0; k < CLASSES; k++) y[k] = out[k];
        counts[list[i].label * CLASSES + best_of(y)]++;
    }
    base_free(work);
    base_free(pcm);
    base_free(list);
    dsp_fixed_free(fixed);
}

static void counts_are_those_of_a_plain_loop(void **state)
{
    const fixture *f = *state;
    int64_t wanted[3][CLASSES * CLASSES] = {0}, total = 0;
    count_plainly(f, wanted[0], wanted[1]);
    count_fixed(f, wanted[2]);
    for (int i = 0; i < CLASSES * CLASSES; i++) total += wanted[0][i];
    assert_int_equal(total, data_task_count(f->task, DATA_TEST, -1));
    for (int threads = 1; threads <= 3; threads++) {
        base_err err = {0};
        int64_t got[3][CLASSES * CLASSES] = {0};
        const quant_source s = source_of(f, DATA_TEST, threads);
        check_ok(quant_evaluate(&s, f->model, f->q8, got[0], got[1], got[2], &err), &err);
        assert_memory_equal(got, wanted, sizeof got);
    }
}

static void calibration_is_a_choice_of_the_seed(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    nn_real *a, *b, *other;
    size_t n[3] = {16, 16, 16};
    const quant_source one = source_of(f, DATA_TRAIN, 1), three = source_of(f, DATA_TRAIN, 3);
    check_ok(quant_inputs(&one, 5, &n[0], &a, &err), &err);
    check_ok(quant_inputs(&three, 5, &n[1], &b, &err), &err);
    check_ok(quant_inputs(&one, 6, &n[2], &other, &err), &err);
    assert_int_equal(n[0], 16);
    assert_memory_equal(a, b, 16 * 490 * sizeof *a);
    assert_memory_not_equal(a, other, 16 * 490 * sizeof *a);
    base_free(a);
    base_free(b);
    base_free(other);
    size_t all = 1 << 20;
    check_ok(quant_inputs(&one, 5, &all, &a, &err), &err);
    assert_int_equal(all, data_task_count(f->task, DATA_TRAIN, -1));
    base_free(a);
}

static void wrong_features_and_labels_are_named(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    dsp_config cfg;
    nn_model *m = model_of("logmel_40x101");
    assert_int_equal(quant_features(m, &cfg, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "49x10x1"));
    nn_model_free(m);

    m = model_of("mfcc_49x10");
    data_task *task = NULL;
    m->n_labels = 3;
    assert_int_equal(quant_task(m, f->pack, &task, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "10 outputs but 3 labels"));
    m->features[0] = 0;
    assert_int_equal(quant_features(m, &cfg, &err), BASE_DATA);
    nn_model_free(m);
}

/* ---- the header on every test clip ---- */

static const char driver[] = "#include \"model.h\"\n#include <stdio.h>\n"
                             "int main(void)\n{\n"
                             "    int8_t in[KWS_INPUT_SIZE], out[KWS_OUTPUT_SIZE];\n"
                             "    while (fread(in, 1, sizeof in, stdin) == sizeof in) {\n"
                             "        kws_run(in, out);\n"
                             "        fwrite(out, 1, sizeof out, stdout);\n    }\n"
                             "    return 0;\n}\n";

static void put(const fixture *f, const char *name, const void *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(base_write_file(path, bytes, n, NULL), BASE_OK);
}

static void in_dir(const fixture *f, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", f->dir, command);
    assert_int_equal(system(line), 0);
}

/* The test clips of a task through the header and through q8_run. */
static size_t compare_header(const fixture *f, const data_task *task)
{
    base_err err = {0};
    const quant_source s = {.model = f->model, .task = task, .split = DATA_TEST, .threads = 2};
    size_t n = data_task_count(task, DATA_TEST, -1), size = 0;
    nn_real *x = NULL;
    check_ok(quant_inputs(&s, 0, &n, &x, &err), &err);
    int8_t *in = base_alloc(n * 490, 1), *out = base_alloc(n * CLASSES, 1);
    int8_t *work = base_alloc(f->q8->work, 1);
    assert_true(in && out && work);
    for (size_t i = 0; i < n; i++) {
        float features[490];
        for (int k = 0; k < 490; k++) features[k] = (float)x[i * 490 + (size_t)k];
        q8_quantize_input(f->q8, features, in + i * 490);
        q8_run(f->q8, in + i * 490, out + i * CLASSES, work);
    }
    put(f, "in", in, n * 490);
    in_dir(f, "cc -std=c99 -O2 driver.c -o run && ./run <in >out");
    char path[128], *got = NULL;
    snprintf(path, sizeof path, "%s/out", f->dir);
    assert_int_equal(base_read_file(path, 1 << 24, &got, &size, NULL), BASE_OK);
    assert_int_equal(size, n * CLASSES);
    assert_memory_equal(got, out, size);
    free(got);
    base_free(x);
    base_free(in);
    base_free(out);
    base_free(work);
    return n;
}

static void header_equals_host_on_every_test_clip(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    base_str text = {0};
    check_ok(q8_emit(f->q8, &(q8_export){.prefix = "kws"}, &text, &err), &err);
    put(f, "model.h", text.s, text.len);
    put(f, "driver.c", driver, strlen(driver));
    base_str_free(&text);
    size_t n = compare_header(f, f->task);
    assert_in_range(n, 60, 100000);

    const char *words = getenv("SOTTO_SPEECH_COMMANDS");
    char real[1024], path[128];
    snprintf(real, sizeof real, "%s_test", words ? words : "../shared/speech_commands");
    if (!base_is_dir(real)) {
        print_message("# no clips in %s: tones only\n", real);
        return;
    }
    snprintf(path, sizeof path, "%s/real.h5", f->dir);
    const data_import what = {.dir = real, .test = real, .max_seconds = 10, .threads = 2};
    data_import_result result;
    data_pack *pack = NULL;
    data_task *task = NULL;
    check_ok(data_import_run(&what, path, &result, &err), &err);
    check_ok(data_pack_open(path, &pack, &err), &err);
    check_ok(quant_task(f->model, pack, &task, &err), &err);
    n = compare_header(f, task);
    assert_in_range(n, 1000, 100000);
    print_message("# %zu real test clips\n", n);
    data_task_free(task);
    data_pack_close(pack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_a_plain_loop),
        cmocka_unit_test(calibration_is_a_choice_of_the_seed),
        cmocka_unit_test(wrong_features_and_labels_are_named),
        cmocka_unit_test(header_equals_host_on_every_test_clip),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
