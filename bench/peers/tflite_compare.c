/* tflite_compare: sotto and TensorFlow Lite's own C library side by side on a .tflite file.
 *
 *   tflite_compare LIBRARY MODEL.tflite N            layer by layer, on N random inputs
 *   tflite_compare LIBRARY MODEL.tflite N pack.h5    also on N clips of the pack's test split
 *   tflite_compare LIBRARY MODEL.tflite N model.h5   the file against the model it was made from
 *
 * The file is imported and both run it; then copies of it are cut off behind each of its operators,
 * one after the other, so that every intermediate result is somebody's output. int8 must agree in
 * every bit, float within 1e-5 of the largest output. Exit code 1 when it does not.
 */
#include "nn/h5.h"
#include "quantize/evaluate.h"
#include "quantize/host.h"
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

static void *random_inputs(const nn_graph *g, bool int8, size_t n)
{
    const size_t count = n * (size_t)nn_count(nn_graph_input(g, 0)->shape);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    void *x = base_alloc(count, int8 ? 1 : sizeof(float));
    const size_t one = count / n;
    for (size_t i = 0; i < count; i++) {
        const double spread = 10.0 * (double)(1 + i / one % 7); /* dull inputs and wild ones */
        const double v = base_rng_normal(&r);
        if (int8)
            ((int8_t *)x)[i] = (int8_t)fmax(-128, fmin(127, round(v * spread)));
        else
            ((float *)x)[i] = (float)v;
    }
    return x;
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
    q8_model_free(s.q);
    nn_model_free(s.m);
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

int main(int argc, char **argv)
{
    base_err err = {0};
    if (argc < 4) return 2;
    const library l = open_library(argv[1]);
    size_t n = (size_t)atoi(argv[3]);
    const bool original = argc > 4 && is_model(argv[4]);
    tfl_model *t = NULL;
    subject s = {0};
    base_str bytes = {0};
    check(tflite_load(argv[2], &t, &err), &err);
    check(tflite_print(t, &bytes, &err), &err);
    if (original)
        s = load_model(argv[4]);
    else
        check(tflite_import(t, &(tflite_given){0}, &s.m, &s.q, &err), &err);
    printf("output of\tinputs\tvalues\tdifferent\tlargest\t\n");
    void *x = random_inputs(graph_of(&s), s.q != NULL, n);
    bool same = compare(&l, "all, random", &s, &bytes, n, x);
    for (int k = 0; !original && k < t->n_ops; k++) same &= compare_cut(&l, t, k, n, x);
    base_free(x);
    if (argc > 4 && !original) {
        data_pack *pack = NULL;
        check(data_pack_open(argv[4], &pack, &err), &err);
        x = clips(&s, pack, &n);
        same &= compare(&l, "all, clips", &s, &bytes, n, x);
        for (int k = 0; k < t->n_ops; k++) same &= compare_cut(&l, t, k, n, x);
        base_free(x);
        data_pack_close(pack);
    }
    base_str_free(&bytes);
    q8_model_free(s.q);
    nn_model_free(s.m);
    tflite_free(t);
    return !same;
}
