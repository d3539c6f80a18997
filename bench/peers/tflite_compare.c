/* tflite_compare: sotto and TensorFlow Lite's own C library side by side (tflite.sh runs it).
 *
 *   tflite_compare LIBRARY N FILE.tflite             layer by layer, on N random inputs
 *   tflite_compare LIBRARY N FILE.tflite pack.h5     and on N clips of the pack's test split
 *   tflite_compare LIBRARY N FILE.tflite model.h5    a file against the model it was made from
 *   tflite_compare LIBRARY N FILE.net                the net with random weights, float and int8,
 *                                                    against its own files
 *   tflite_compare LIBRARY N record OUT.h5 FILE...   vectors for tests/test_tflite.c: of a .tflite
 *                                                    the outputs, of the nets in the lines of a
 * .txt files, inputs and outputs
 *
 * A file is imported and both run it; then copies of it are cut off behind each of its operators,
 * one after the other, so that every intermediate result is somebody's output. int8 must agree in
 * every bit, float within 1e-5 of the largest output. Exit code 1 when it does not.
 */
#include "nn/h5.h"
#include "quantize/evaluate.h"
#include "quantize/runtime/requant.h"
#include "quantize/tflite.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What of tensorflow/lite/c/c_api.h is used, by name. */
typedef struct library {
    void *handle;
    void *(*model_create)(const void *data, size_t size);
    void (*model_delete)(void *model);
    void *(*create)(void *model, void *options);
    void (*delete)(void *interpreter);
    int (*allocate)(void *interpreter);
    int (*invoke)(void *interpreter);
    void *(*input)(void *interpreter, int32_t index);
    const void *(*output)(const void *interpreter, int32_t index);
    int (*copy_in)(void *tensor, const void *data, size_t size);
    int (*copy_out)(const void *tensor, void *data, size_t size);
    size_t (*bytes)(const void *tensor);
} library;

typedef void (*function)(void);

static void find(const library *l, const char *name, void *to)
{
    void *symbol = dlsym(l->handle, name);
    if (!symbol) {
        fprintf(stderr, "%s is not in the library\n", name);
        exit(2);
    }
    memcpy(to, &symbol, sizeof(function));
}

static library open_library(const char *path)
{
    library l = {.handle = dlopen(path, RTLD_NOW)};
    if (!l.handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    find(&l, "TfLiteModelCreate", &l.model_create);
    find(&l, "TfLiteModelDelete", &l.model_delete);
    find(&l, "TfLiteInterpreterCreate", &l.create);
    find(&l, "TfLiteInterpreterDelete", &l.delete);
    find(&l, "TfLiteInterpreterAllocateTensors", &l.allocate);
    find(&l, "TfLiteInterpreterInvoke", &l.invoke);
    find(&l, "TfLiteInterpreterGetInputTensor", &l.input);
    find(&l, "TfLiteInterpreterGetOutputTensor", &l.output);
    find(&l, "TfLiteTensorCopyFromBuffer", &l.copy_in);
    find(&l, "TfLiteTensorCopyToBuffer", &l.copy_out);
    find(&l, "TfLiteTensorByteSize", &l.bytes);
    return l;
}

static void check(base_status status, const base_err *err)
{
    if (status == BASE_OK) return;
    fprintf(stderr, "%s\n", err->message);
    exit(2);
}

/* n inputs of `in` bytes through the library: n outputs of `out` bytes. */
static void run_library(const library *l, const base_str *bytes, size_t n, const void *x, size_t in,
                        void *y, size_t out)
{
    void *model = l->model_create(bytes->s, bytes->len);
    void *run = model ? l->create(model, NULL) : NULL;
    if (!run || l->allocate(run) != 0 || l->bytes(l->input(run, 0)) != in ||
        l->bytes(l->output(run, 0)) != out) {
        fprintf(stderr, "the library does not take the model, or sizes differ\n");
        exit(2);
    }
    for (size_t i = 0; i < n; i++)
        if (l->copy_in(l->input(run, 0), (const char *)x + i * in, in) != 0 ||
            l->invoke(run) != 0 || l->copy_out(l->output(run, 0), (char *)y + i * out, out) != 0) {
            fprintf(stderr, "the library does not run the model\n");
            exit(2);
        }
    l->delete (run);
    l->model_delete(model);
}

/* ---- sotto ---- */

typedef struct subject {
    nn_model *m;
    q8_model *q;
} subject;

static const nn_graph *graph_of(const subject *s)
{
    return s->q ? s->q->folded.graph : s->m->graph;
}

static void subject_free(subject *s)
{
    q8_model_free(s->q);
    nn_model_free(s->m);
}

static void run_sotto(const subject *s, size_t n, const void *x, void *y)
{
    base_err err = {0};
    if (!s->q) {
        nn_net *net = NULL;
        const nn_real *in = x;
        check(nn_net_new(s->m->graph, (nn_net_options){.batch = 1, .shards = 1}, &net, &err), &err);
        memcpy(nn_net_weights(net), s->m->weights,
               nn_graph_params(s->m->graph) * sizeof *s->m->weights);
        nn_net_forward(net, &in, (int)n, y);
        nn_net_free(net);
        return;
    }
    const size_t in = q8_input_size(s->q), out = q8_output_size(s->q);
    int8_t *work = base_alloc(s->q->work + 1, 1);
    for (size_t i = 0; i < n; i++)
        q8_run(s->q, (const int8_t *)x + i * in, (int8_t *)y + i * out, work);
    base_free(work);
}

/* ---- comparing ---- */

/* Prints what differs between a model and a file on n inputs; false when too much does. */
static bool compare(const library *l, const char *what, const subject *s, const base_str *bytes,
                    size_t n, const void *x)
{
    const nn_graph *g = graph_of(s);
    const size_t size = s->q ? 1 : sizeof(float);
    const size_t in = (size_t)nn_count(nn_graph_input(g, 0)->shape);
    const size_t out = (size_t)nn_count(nn_graph_output(g)->shape);
    void *a = base_alloc(n * out, size), *b = base_alloc(n * out, size);
    if (!a || !b) exit(2);
    run_library(l, bytes, n, x, in * size, a, out * size);
    run_sotto(s, n, x, b);
    size_t differ = 0;
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n * out; i++) {
        const double u = s->q ? ((int8_t *)a)[i] : (double)((float *)a)[i];
        const double v = s->q ? ((int8_t *)b)[i] : (double)((float *)b)[i];
        differ += fabs(u - v) > 0;
        worst = fmax(worst, fabs(u - v));
        largest = fmax(largest, fabs(u));
    }
    const bool same = s->q ? differ == 0 : worst <= 1e-5 * fmax(1, largest);
    printf("%s\t%zu\t%zu\t%zu\t%g\t%s\n", what, n, n * out, differ, worst,
           same ? "equal" : "DIFFERENT");
    base_free(a);
    base_free(b);
    return same;
}

/* n samples of `one` numbers; int8: dull ones and wild ones, as tests/test_tflite.c makes them. */
static void *random_numbers(size_t one, bool int8, size_t n)
{
    const size_t count = n * one;
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    void *x = base_alloc(count, int8 ? 1 : sizeof(float));
    for (size_t i = 0; i < count; i++)
        if (int8)
            ((int8_t *)x)[i] = (int8_t)((int)(base_rng_u32(&r) >> 24) / (1 << i / one % 5) - 40);
        else
            ((float *)x)[i] = (float)base_rng_normal(&r);
    return x;
}

static void *random_inputs(const nn_graph *g, bool int8, size_t n)
{
    return random_numbers((size_t)nn_count(nn_graph_input(g, 0)->shape), int8, n);
}

/* A copy of the file that ends behind operator k. */
static bool compare_cut(const library *l, const tfl_model *t, int k, size_t n, const void *x)
{
    base_err err = {0};
    base_str bytes = {0};
    tfl_model cut = *t;
    subject s = {0};
    char buf[32], what[128];
    cut.n_ops = k + 1;
    cut.output = t->op[k].out;
    snprintf(what, sizeof what, "%d %s", k, tflite_op_name(t->op[k].code, buf));
    check(tflite_print(&cut, &bytes, &err), &err);
    if (tflite_import(&cut, &(tflite_given){0}, &s.m, &s.q, &err) != BASE_OK) {
        printf("%s\t-\t-\t-\t-\t%s\n", what, err.message);
        base_str_free(&bytes);
        return k + 1 < t->n_ops; /* a reshape alone computes nothing */
    }
    const bool same = compare(l, what, &s, &bytes, n, x);
    base_str_free(&bytes);
    subject_free(&s);
    return same;
}

/* Features of clips of a pack as the model takes them. */
static void *clips(const subject *s, data_pack *pack, size_t *n)
{
    base_err err = {0};
    nn_model m = s->q ? s->q->folded : *s->m;
    dsp_config cfg;
    base_str text = {0};
    if (!m.features || !*m.features) { /* those of MLPerf Tiny */
        check(dsp_preset("mfcc_49x10", &cfg, &err), &err);
        dsp_config_print(&cfg, &text);
        m.features = text.s;
    }
    char *labels[] = {"yes", "_unknown_", "_silence_"};
    data_task *task = NULL;
    const data_config config = data_config_default();
    check(data_task_of_labels(pack, (const char *const *)labels, 3, &config, &task, &err), &err);
    const quant_source source = {.model = &m, .task = task, .split = DATA_TEST, .threads = 1};
    nn_real *x = NULL;
    check(quant_inputs(&source, 0, n, &x, &err), &err);
    base_str_free(&text);
    data_task_free(task);
    if (!s->q) return x;
    const size_t size = q8_input_size(s->q);
    int8_t *q = base_alloc(*n * size, 1);
    for (size_t i = 0; i < *n; i++) q8_quantize_input(s->q, x + i * size, q + i * size);
    base_free(x);
    return q;
}

static bool is_model(const char *path)
{
    h5_file *f = NULL;
    const bool is = h5_open(path, &f, NULL) == BASE_OK && h5_check(f, "model", 1, NULL) == BASE_OK;
    h5_close(f);
    return is;
}

static subject load_model(const char *path)
{
    base_err err = {0};
    bool int8 = false;
    subject s = {0};
    check(q8_is_model(path, &int8, &err), &err);
    check(int8 ? q8_load(path, &s.q, &err) : nn_model_load(path, &s.m, &err), &err);
    return s;
}

/* Both runs of a file, layer by layer, on random inputs and on clips. */
static bool compare_file(const library *l, size_t n, const char *path, const char *pack_path)
{
    base_err err = {0};
    base_str bytes = {0};
    tfl_model *t = NULL;
    subject s = {0};
    check(tflite_load(path, &t, &err), &err);
    check(tflite_print(t, &bytes, &err), &err);
    check(tflite_import(t, &(tflite_given){0}, &s.m, &s.q, &err), &err);
    void *x = random_inputs(graph_of(&s), s.q != NULL, n);
    bool same = compare(l, "all, random", &s, &bytes, n, x);
    for (int k = 0; k < t->n_ops; k++) same &= compare_cut(l, t, k, n, x);
    base_free(x);
    if (pack_path) {
        data_pack *pack = NULL;
        check(data_pack_open(pack_path, &pack, &err), &err);
        x = clips(&s, pack, &n);
        same &= compare(l, "all, clips", &s, &bytes, n, x);
        for (int k = 0; k < t->n_ops; k++) same &= compare_cut(l, t, k, n, x);
        base_free(x);
        data_pack_close(pack);
    }
    base_str_free(&bytes);
    subject_free(&s);
    tflite_free(t);
    return same;
}

static bool compare_model(const library *l, size_t n, const char *path, const char *model)
{
    base_err err = {0};
    base_str bytes = {0};
    tfl_model *t = NULL;
    subject s = load_model(model);
    check(tflite_load(path, &t, &err), &err);
    check(tflite_print(t, &bytes, &err), &err);
    void *x = random_inputs(graph_of(&s), s.q != NULL, n);
    const bool same = compare(l, "all, random", &s, &bytes, n, x);
    base_free(x);
    base_str_free(&bytes);
    subject_free(&s);
    tflite_free(t);
    return same;
}

/* ---- nets with random weights ---- */

static nn_model *random_model(const char *text, const char *file)
{
    base_err err = {0};
    nn_model *m = calloc(1, sizeof *m);
    check(nn_parse(text, file, &m->graph, &err), &err);
    m->weights = base_alloc(nn_graph_params(m->graph) + 1, sizeof *m->weights);
    nn_init_weights(m->graph, 1, m->weights);
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *n = nn_graph_node(m->graph, i);
        for (int k = 0; k < n->n_params; k++)
            for (size_t j = 0; j < n->param[k].count && n->param[k].role != NN_WEIGHT; j++)
                m->weights[n->param[k].offset + j] += (nn_real)(0.3 * base_rng_uniform(&r));
    }
    return m;
}

/* *q is NULL when there is no int8 form. */
static base_status quantized(const nn_model *m, q8_model **q, base_err *err)
{
    enum { SAMPLES = 64 };
    nn_real *x = random_inputs(m->graph, false, SAMPLES);
    const base_status status = q8_quantize(m, x, SAMPLES, Q8_RANGE_MSE, NULL, q, err);
    base_free(x);
    return status;
}

static base_status export_subject(const subject *s, base_str *bytes, base_err *err)
{
    return s->q ? tflite_export_q8(s->q, bytes, err) : tflite_export_float(s->m, bytes, err);
}

static bool compare_subject(const library *l, size_t n, const char *what, const subject *s)
{
    base_err err = {0};
    base_str bytes = {0};
    if (export_subject(s, &bytes, &err) != BASE_OK) {
        printf("%s\t-\t-\t-\t-\t%s\n", what, err.message);
        return true;
    }
    void *x = random_inputs(graph_of(s), s->q != NULL, n);
    const bool same = compare(l, what, s, &bytes, n, x);
    base_free(x);
    base_str_free(&bytes);
    return same;
}

static bool compare_net(const library *l, size_t n, const char *path)
{
    base_err err = {0};
    char *text = NULL, what[256];
    size_t length;
    check(base_read_file(path, 1 << 20, &text, &length, &err), &err);
    subject s = {.m = random_model(text, path)};
    snprintf(what, sizeof what, "%s float", path);
    bool same = compare_subject(l, n, what, &s);
    snprintf(what, sizeof what, "%s int8", path);
    if (quantized(s.m, &s.q, &err) == BASE_OK)
        same &= compare_subject(l, n, what, &s);
    else
        printf("%s\t-\t-\t-\t-\t%s\n", what, err.message);
    subject_free(&s);
    free(text);
    return same;
}

/* ---- vectors ---- */

enum { RECORDED = 16 };

/* The bytes of a file with a softmax behind it, as classifiers made elsewhere have. */
static void with_softmax(base_str *bytes)
{
    base_err err = {0};
    tfl_model *t = NULL;
    check(tflite_parse("net", bytes->s, bytes->len, &t, &err), &err);
    tfl_tensor *tensor = base_arena_alloc(t->arena, (size_t)t->n_tensors + 1, sizeof *tensor);
    tfl_op *op = base_arena_alloc(t->arena, (size_t)t->n_ops + 1, sizeof *op);
    const float scale = 1.0F / 256;
    const int32_t zero = -128;
    memcpy(tensor, t->tensor, (size_t)t->n_tensors * sizeof *tensor);
    memcpy(op, t->op, (size_t)t->n_ops * sizeof *op);
    tfl_tensor *y = &tensor[t->n_tensors];
    *y = tensor[t->output];
    y->name = "shares";
    if (y->type == TFL_INT8) {
        y->scale = &scale;
        y->zero = &zero;
    }
    op[t->n_ops] = (tfl_op){.code = TFL_SOFTMAX,
                            .version = y->type == TFL_INT8 ? 2 : 1,
                            .n_in = 1,
                            .in = {t->output},
                            .out = t->n_tensors,
                            .o = {.beta = 1}};
    t->tensor = tensor;
    t->op = op;
    t->output = t->n_tensors++;
    t->n_ops++;
    base_str_free(bytes);
    check(tflite_print(t, bytes, &err), &err);
    tflite_free(t);
}

static void record(const library *l, h5_file *f, const char *group, const base_str *bytes, size_t n,
                   bool inputs)
{
    base_err err = {0};
    tfl_model *t = NULL;
    char name[96];
    check(tflite_parse(group, bytes->s, bytes->len, &t, &err), &err);
    const tfl_tensor *in = &t->tensor[t->input], *out = &t->tensor[t->output];
    const bool int8 = in->type == TFL_INT8;
    const int64_t dx[] = {(int64_t)n, tflite_count(in)}, dy[] = {(int64_t)n, tflite_count(out)};
    const size_t size = int8 ? 1 : 4;
    const h5_type type = int8 ? H5_I8 : H5_F32;
    void *x = random_numbers((size_t)dx[1], int8, n);
    void *y = base_alloc((size_t)(dy[0] * dy[1]), size);
    run_library(l, bytes, n, x, (size_t)dx[1] * size, y, (size_t)dy[1] * size);
    const int64_t length = (int64_t)bytes->len;
    snprintf(name, sizeof name, "%s/y", group);
    check(h5_write(f, name, type, 2, dy, y, &err), &err);
    snprintf(name, sizeof name, "%s/x", group);
    if (inputs) check(h5_write(f, name, type, 2, dx, x, &err), &err);
    snprintf(name, sizeof name, "%s/file", group);
    if (inputs) check(h5_write(f, name, H5_I8, 1, &length, bytes->s, &err), &err);
    base_free(x);
    base_free(y);
    tflite_free(t);
}

/* A net as float and as int8, the latter also with a softmax where it ends in a row of numbers. */
static void record_net(const library *l, h5_file *f, int k, const char *text)
{
    base_err err = {0};
    base_str bytes = {0};
    char group[64];
    subject s = {.m = random_model(text, "net")};
    for (int kind = 0; kind < 3; kind++) {
        snprintf(group, sizeof group, "%d_%s", k,
                 (const char *[]){"float", "int8", "softmax"}[kind]);
        if (kind == 1) check(quantized(s.m, &s.q, &err), &err);
        if (kind == 2 && nn_graph_output(s.m->graph)->shape.n > 1) break;
        check(export_subject(&s, &bytes, &err), &err);
        if (kind == 2) with_softmax(&bytes);
        record(l, f, group, &bytes, RECORDED, true);
        base_str_free(&bytes);
    }
    subject_free(&s);
}

static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

/* A layer without inputs to speak of, whose biases are chosen so that its results tell in which
 * precision the scales of input and weights were multiplied. */
static void record_product(const library *l, h5_file *f)
{
    enum { OUTPUTS = 12 };
    static const float in = 0.7F, w = 0.013F, out = 5000.0F;
    static const int32_t zero = 0;
    static const int8_t weights[OUTPUTS] = {0};
    const float sum = in * w;
    int32_t a[2], b[2], bias[OUTPUTS], n = 0;
    nn_q8_multiplier((double)in * (double)w / (double)out, &a[0], &a[1]);
    nn_q8_multiplier((double)(in * w) / (double)out, &b[0], &b[1]);
    for (int32_t i = 1; n < OUTPUTS; i++)
        if (sotto_requant(i, a[0], a[1], 0) != sotto_requant(i, b[0], b[1], 0)) bias[n++] = i;
    tfl_tensor t[] = {{"x", TFL_INT8, 2, {1, 1}, NULL, 0, &in, &zero, 1, 0},
                      {"w", TFL_INT8, 2, {OUTPUTS, 1}, (void *)weights, OUTPUTS, &w, &zero, 1, 0},
                      {"b", TFL_INT32, 1, {OUTPUTS}, (void *)bias, sizeof bias, &sum, &zero, 1, 0},
                      {"y", TFL_INT8, 2, {1, OUTPUTS}, NULL, 0, &out, &zero, 1, 0}};
    tfl_op op = {.code = TFL_FULLY_CONNECTED, .version = 4, .n_in = 3, .in = {0, 1, 2}, .out = 3};
    tfl_model m = {.file = "product",
                   .description = "",
                   .tensor = t,
                   .op = &op,
                   .n_tensors = 4,
                   .n_ops = 1,
                   .input = 0,
                   .output = 3,
                   .arena = base_arena_new()};
    base_err err = {0};
    base_str bytes = {0};
    check(tflite_print(&m, &bytes, &err), &err);
    record(l, f, "product", &bytes, 1, true);
    base_str_free(&bytes);
    base_arena_free(m.arena);
}

static void record_file(const library *l, h5_file *f, size_t n, const char *path, int *nets)
{
    base_err err = {0};
    char *text = NULL, *rest = NULL;
    size_t length;
    check(base_read_file(path, 1 << 24, &text, &length, &err), &err);
    if (ends_in(path, ".tflite")) {
        const base_str bytes = {.s = text, .len = length};
        record(l, f, "mlperf", &bytes, n, false);
    } else {
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (*line != '#') record_net(l, f, (*nets)++, line);
    }
    free(text);
}

static void record_all(const library *l, size_t n, const char *out, char **files, int n_files)
{
    base_err err = {0};
    h5_file *f = NULL;
    check(h5_create(out, &f, &err), &err);
    check(h5_stamp(f, "tflite vectors", 1, &err), &err);
    int nets = 0;
    record_product(l, f);
    for (int i = 0; i < n_files; i++) record_file(l, f, n, files[i], &nets);
    check(h5_set_int(f, "/", "nets", nets, &err), &err);
    check(h5_commit(f, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    const library l = open_library(argv[1]);
    const size_t n = (size_t)atoi(argv[2]);
    if (argc > 5 && strcmp(argv[3], "record") == 0) {
        record_all(&l, n, argv[4], argv + 5, argc - 5);
        return 0;
    }
    printf("output of\tinputs\tvalues\tdifferent\tlargest\t\n");
    if (ends_in(argv[3], ".net")) return !compare_net(&l, n, argv[3]);
    if (argc > 4 && is_model(argv[4])) return !compare_model(&l, n, argv[3], argv[4]);
    return !compare_file(&l, n, argv[3], argc > 4 ? argv[4] : NULL);
}
