/* onnx_compare: sotto and ONNX Runtime side by side, value by value (onnx.sh runs it).
 *
 *   onnx_compare RUN N FILE.net             the net with random weights, float and int8
 *   onnx_compare RUN N MODEL.h5 [pack.h5]   a model on N random inputs, or on clips of the pack's
 *                                           test split: N for the values, all for the decisions
 *
 * RUN FILE.onnx DIR is the command that runs a file: input k lies in DIR/i<k>, output k goes to
 * DIR/o<k>. Each layer is looked at alone first: the file is written once more so that what follows
 * a value reads it from an input, where sotto's is given, and what was computed is an output.
 * Then the whole of the file is run, and the values on the way are outputs. "apart" are values more
 * than a step from sotto's, or in float by more than 1e-5 of the largest of the sample. Exit code 1
 * when a float layer alone has such.
 */
#include "nn/h5.h"
#include "nn/protobuf.h"
#include "quantize/evaluate.h"
#include "quantize/onnx.h"
#include "quantize/onnx_schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOAT_ERROR 1e-5
enum { MOST_VALUES = 1024 };

typedef struct subject {
    nn_model *m; /* float, or */
    q8_model *q; /* int8 */
} subject;

/* A value of the file that sotto has, too. */
typedef struct value {
    char name[2 * NN_MAX_NAME]; /* "c1/planes/int8" */
    const nn_node *n;
    bool planes;  /* channels first */
    char *own;    /* sotto's for all samples, laid out so */
    size_t count; /* elements of a sample */
} value;

typedef struct rig {
    const char *run;
    const subject *s;
    const nn_graph *g; /* of the nodes */
    value v[MOST_VALUES];
    int n_values;
    size_t n, sample, size; /* inputs; the one that is looked at; bytes of an element */
} rig;

typedef struct difference {
    double values, equal, apart, most; /* most: steps, or relative to the largest */
    const char *worst;
} difference;

static void check(base_status status, const base_err *err)
{
    if (status == BASE_OK) return;
    fprintf(stderr, "onnx_compare: %s\n", err->message);
    exit(2);
}

/* ---- the file ---- */

static uint64_t varint(const uint8_t **at)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        const uint8_t byte = *(*at)++;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return v;
    }
}

/* The next field of a message: its number, where it begins and, if it has a length, its content. */
typedef struct field {
    uint64_t number;
    const uint8_t *begin, *data;
    size_t n;
} field;
static field next(const uint8_t **at)
{
    field f = {.begin = *at};
    const uint64_t tag = varint(at);
    f.number = (tag & 7) == 2 ? tag >> 3 : 0;
    if (f.number) f.n = (size_t)varint(at);
    f.data = *at;
    if ((tag & 7) == 0) varint(at);
    *at += (tag & 7) == 5 ? 4 : f.n;
    return f;
}

static bool is_end(const rig *r, const nn_node *n)
{
    for (int i = 0; r->s->q && i < r->s->q->n_layers; i++)
        if (r->s->q->layers[i].end == n->index) return true;
    return !r->s->q && n->n_in > 0;
}

/* Takes note of an output of an operator that sotto has as well. */
static void see_output(rig *r, field f)
{
    value *v = &r->v[r->n_values];
    char node[sizeof v->name];
    if (f.n >= sizeof v->name || r->n_values == MOST_VALUES) return;
    snprintf(v->name, sizeof v->name, "%.*s", (int)f.n, (const char *)f.data);
    const size_t length = strcspn(v->name, "/");
    snprintf(node, sizeof node, "%.*s", (int)length, v->name);
    v->planes = strncmp(v->name + length, "/planes", 7) == 0;
    v->n = nn_graph_find(r->g, node);
    const char *rest = v->name + length + (v->planes ? 7 : 0);
    if (!v->n || !is_end(r, v->n) || strcmp(rest, r->s->q ? "/int8" : "") != 0) return;
    v->count = (size_t)nn_count(v->n->shape);
    v->own = base_alloc(r->n * v->count, r->size);
    r->n_values++;
}

static const value *value_of(const rig *r, field f)
{
    for (int k = 0; k < r->n_values; k++)
        if (strlen(r->v[k].name) == f.n && memcmp(r->v[k].name, f.data, f.n) == 0) return &r->v[k];
    return NULL;
}

/* The messages model, graph and node; to: a copy in which outputs that are known are "..../own",
 * NULL: takes note of them. */
static void walk(rig *r, int depth, const uint8_t *at, size_t n, base_str *to)
{
    static const uint64_t inner[] = {MODEL_GRAPH, GRAPH_NODE, NODE_OUTPUT};
    for (const uint8_t *end = at + n; at < end;) {
        const field f = next(&at);
        const bool wanted = f.number == inner[depth];
        base_str part = {0};
        if (wanted && depth < 2) {
            walk(r, depth + 1, f.data, f.n, to ? &part : NULL);
            if (to) pb_put_message(to, (int)f.number, &part);
        } else if (wanted && !to) {
            see_output(r, f);
        } else if (wanted && value_of(r, f)) {
            base_str_add(&part, "%s/own", value_of(r, f)->name);
            pb_put_message(to, NODE_OUTPUT, &part);
        } else if (to) {
            base_str_add_n(to, (const char *)f.begin, (size_t)(at - f.begin));
        }
    }
}

static void put_value(const rig *r, base_str *graph, int number, const value *v, const char *end)
{
    base_str info = {0}, name = {0}, type = {0}, tensor = {0}, shape = {0}, batch = {0};
    const nn_shape s = v->n->shape;
    pb_put_string(&batch, DIM_NAME, "N");
    pb_put_message(&shape, SHAPE_DIM, &batch);
    for (int d = 0; d < s.n; d++) {
        base_str dim = {0};
        pb_put_int(&dim, DIM_VALUE, s.d[v->planes ? (d + 2) % 3 : d]);
        pb_put_message(&shape, SHAPE_DIM, &dim);
    }
    pb_put_int(&tensor, TENSOR_TYPE_ELEMENT, r->s->q ? ONNX_INT8 : ONNX_FLOAT);
    pb_put_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    pb_put_message(&type, TYPE_TENSOR, &tensor);
    base_str_add(&name, "%s%s", v->name, end);
    pb_put_message(&info, VALUE_NAME, &name);
    pb_put_message(&info, VALUE_TYPE, &type);
    pb_put_message(graph, number, &info);
}

/* The file with all values as outputs behind its own; alone: every value is given as an input.
 * Messages that follow each other are one, so that these need only be put behind. */
static base_str exposed(rig *r, const base_str *bytes, bool alone)
{
    base_str all = {0}, graph = {0};
    if (alone)
        walk(r, 0, (const uint8_t *)bytes->s, bytes->len, &all);
    else
        base_str_add_n(&all, bytes->s, bytes->len);
    for (int k = 0; k < r->n_values; k++) {
        if (alone) put_value(r, &graph, GRAPH_INPUT, &r->v[k], "");
        put_value(r, &graph, GRAPH_OUTPUT, &r->v[k], alone ? "/own" : "");
    }
    pb_put_message(&all, MODEL_GRAPH, &graph);
    return all;
}

/* ---- running ---- */

static void put_file(const char *dir, const char *name, int k, const void *data, size_t n)
{
    base_err err = {0};
    char path[64];
    snprintf(path, sizeof path, name, dir, k);
    check(base_write_file(path, data, n, &err), &err);
}

/* What RUN makes of the file: outputs[], freed with free; false when it refuses. given: the values
 * are inputs. */
static bool run_file(const rig *r, const base_str *bytes, const nn_real *x, size_t n, bool given,
                     char **outputs, int n_outputs)
{
    char dir[] = "/tmp/onnx_compare_XXXXXX", text[1024];
    base_err err = {0};
    const size_t in = (size_t)nn_count(nn_graph_input(r->g, 0)->shape);
    if (!mkdtemp(dir)) exit(2);
    put_file(dir, "%s/model.onnx", 0, bytes->s, bytes->len);
    put_file(dir, "%s/i%d", 0, x, n * in * sizeof *x);
    for (int k = 0; given && k < r->n_values; k++)
        put_file(dir, "%s/i%d", k + 1, r->v[k].own, n * r->v[k].count * r->size);
    snprintf(text, sizeof text, "%s %s/model.onnx %s", r->run, dir, dir);
    const bool ran = system(text) == 0;
    for (int k = 0; ran && k < n_outputs; k++) {
        size_t size;
        snprintf(text, sizeof text, "%s/o%d", dir, k);
        check(base_read_file(text, (size_t)1 << 32, &outputs[k], &size, &err), &err);
    }
    snprintf(text, sizeof text, "rm -rf %s", dir);
    if (system(text) != 0) exit(2);
    return ran;
}

static void differ(difference *d, const value *v, double by, double unit)
{
    d->values++;
    d->equal += by <= 0;
    d->apart += !(by <= unit);
    if (by <= d->most) return;
    d->most = by;
    d->worst = v->n->name;
}

static void compare_value(const rig *r, const value *v, const char *peer, difference *d)
{
    const float *a = (const float *)(const void *)v->own, *b = (const float *)(const void *)peer;
    for (size_t s = 0; s < r->n; s++) {
        double largest = 0;
        for (size_t i = s * v->count; !r->s->q && i < (s + 1) * v->count; i++)
            largest = fmax(largest, fabs((double)a[i]));
        for (size_t i = s * v->count; i < (s + 1) * v->count; i++)
            if (r->s->q)
                differ(d, v, abs(v->own[i] - peer[i]), 1);
            else
                differ(d, v, fabs((double)a[i] - (double)b[i]) / (largest > 0 ? largest : 1),
                       FLOAT_ERROR);
    }
}

static bool compare_values(rig *r, const base_str *bytes, const nn_real *x, bool alone,
                           difference *d)
{
    char *outputs[MOST_VALUES + 1] = {0};
    base_str all = exposed(r, bytes, alone);
    const bool ran = run_file(r, &all, x, r->n, alone, outputs, r->n_values + 1);
    *d = (difference){.worst = ran ? "" : "refused"};
    for (int k = 0; k <= r->n_values; k++) {
        if (ran && k > 0) compare_value(r, &r->v[k - 1], outputs[k], d);
        free(outputs[k]);
    }
    base_str_free(&all);
    return ran;
}

/* ---- this side ---- */

/* Keeps the value of a node, of one sample. */
static void keep(rig *r, const nn_node *n, const char *y)
{
    for (int k = 0; k < r->n_values; k++) {
        const value *v = &r->v[k];
        if (v->n != n) continue;
        const size_t channels = (size_t)n->shape.d[n->shape.n - 1], rest = v->count / channels;
        char *to = v->own + r->sample * v->count * r->size;
        for (size_t i = 0; i < v->count; i++)
            memcpy(to + (v->planes ? i % channels * rest + i / channels : i) * r->size,
                   y + i * r->size, r->size);
    }
}

static void see_layer(void *ctx, int layer, const int8_t *y)
{
    rig *r = ctx;
    keep(r, nn_graph_node(r->g, r->s->q->layers[layer].end), (const char *)y);
}

static void see_node(void *ctx, const nn_node *n, const nn_real *y, int batch)
{
    (void)batch;
    keep(ctx, n, (const char *)y);
}

/* Runs all n inputs; keeps the values of the first r->n. */
static void run_int8(rig *r, const nn_real *x, size_t n, nn_real *y)
{
    const q8_model *q = r->s->q;
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *qx = base_alloc(in, 1), *qy = base_alloc(out, 1), *work = base_alloc(q->work + 1, 1);
    const nn_quant last = q->values[q->n_layers].quant;
    for (r->sample = 0; r->sample < n; r->sample++) {
        q8_quantize_input(q, x + r->sample * in, qx);
        if (r->sample < r->n)
            q8_observe(q, qx, qy, work, see_layer, r);
        else
            q8_run(q, qx, qy, work);
        for (size_t i = 0; i < out; i++)
            y[r->sample * out + i] = (nn_real)(last.scale * (qy[i] - last.zero));
    }
    base_free(qx);
    base_free(qy);
    base_free(work);
}

static void run_float(rig *r, const nn_real *weights, const nn_real *x, size_t n, nn_real *y)
{
    base_err err = {0};
    nn_net *net = NULL;
    const size_t in = (size_t)nn_count(nn_graph_input(r->g, 0)->shape);
    const size_t out = (size_t)nn_count(nn_graph_output(r->g)->shape);
    check(nn_net_new(r->g, (nn_net_options){.batch = 1, .shards = 1}, &net, &err), &err);
    memcpy(nn_net_weights(net), weights, nn_graph_params(r->g) * sizeof *weights);
    for (r->sample = 0; r->sample < n; r->sample++) {
        const nn_real *from = x + r->sample * in;
        nn_net_observe(net, &from, 1, y + r->sample * out, r->sample < r->n ? see_node : NULL, r);
    }
    nn_net_free(net);
}

static size_t largest_of(const nn_real *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (v[i] > v[best]) best = i;
    return best;
}

/* ---- a model ---- */

static void print_difference(const difference *d)
{
    printf("\t%.3f %%\t%.4f %%\t%.3g\t%s", 100 * d->equal / fmax(d->values, 1),
           100 * d->apart / fmax(d->values, 1), d->most, d->worst);
}

/* In how many of n inputs the largest output is another. */
static size_t count_different(const rig *r, const base_str *bytes, const nn_real *x, size_t n,
                              const nn_real *y)
{
    char *peer = NULL;
    size_t different = 0;
    const size_t out = (size_t)nn_count(nn_graph_output(r->g)->shape);
    if (!run_file(r, bytes, x, n, false, &peer, 1)) return n;
    const nn_real *z = (const nn_real *)(const void *)peer;
    for (size_t i = 0; i < n; i++)
        different += largest_of(y + i * out, out) != largest_of(z + i * out, out);
    free(peer);
    return different;
}

/* Values of the first n inputs, decisions of all. */
static bool compare(const char *run, const char *what, const subject *s, const nn_real *x, size_t n,
                    size_t all)
{
    base_err err = {0};
    base_str bytes = {0};
    nn_graph *folded = NULL;
    nn_real *weights = NULL;
    difference alone, whole;
    rig *r = calloc(1, sizeof *r);
    if (!r) exit(2);
    *r = (rig){.run = run, .s = s, .n = n < all ? n : all, .size = s->q ? 1 : sizeof(float)};
    if (s->m) check(q8_fold(s->m->graph, s->m->weights, &folded, &weights, &err), &err);
    r->g = s->q ? s->q->folded.graph : folded;
    check(s->q ? onnx_export_q8(s->q, "0", &bytes, &err)
               : onnx_export_float(s->m, "0", &bytes, &err),
          &err);
    walk(r, 0, (const uint8_t *)bytes.s, bytes.len, NULL);
    nn_real *y = base_alloc(all * (size_t)nn_count(nn_graph_output(r->g)->shape), sizeof *y);
    if (s->q)
        run_int8(r, x, all, y);
    else
        run_float(r, weights, x, all, y);
    bool fine = compare_values(r, &bytes, x, true, &alone);
    fine &= compare_values(r, &bytes, x, false, &whole);
    printf("%s\t%zu\t%.0f", what, r->n, alone.values);
    print_difference(&alone);
    print_difference(&whole);
    printf("\t%zu of %zu\n", count_different(r, &bytes, x, all, y), all);
    fflush(stdout);
    fine &= s->q || !(alone.most > FLOAT_ERROR);
    for (int k = 0; k < r->n_values; k++) base_free(r->v[k].own);
    free(r);
    base_free(y);
    base_free(weights);
    nn_graph_free(folded);
    base_str_free(&bytes);
    return fine;
}

static nn_real *random_inputs(const nn_graph *g, size_t n)
{
    const size_t count = n * (size_t)nn_count(nn_graph_input(g, 0)->shape);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    nn_real *x = base_alloc(count, sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = (nn_real)base_rng_normal(&r);
    return x;
}

static nn_model *random_model(const char *path)
{
    base_err err = {0};
    char *text = NULL;
    size_t length;
    nn_model *m = calloc(1, sizeof *m);
    check(base_read_file(path, 1 << 20, &text, &length, &err), &err);
    check(nn_parse(text, path, &m->graph, &err), &err);
    m->weights = base_alloc(nn_graph_params(m->graph) + 1, sizeof *m->weights);
    nn_init_weights(m->graph, 1, m->weights);
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *n = nn_graph_node(m->graph, i);
        for (int k = 0; k < n->n_params; k++)
            for (size_t j = 0; j < n->param[k].count && n->param[k].role != NN_WEIGHT; j++)
                m->weights[n->param[k].offset + j] += (nn_real)(0.3 * base_rng_uniform(&r));
    }
    free(text);
    return m;
}

static bool compare_net(const char *run, size_t n, const char *path)
{
    enum { SAMPLES = 64 };
    base_err err = {0};
    char what[256];
    subject s = {.m = random_model(path)}, int8 = {0};
    nn_real *x = random_inputs(s.m->graph, n > SAMPLES ? n : SAMPLES);
    snprintf(what, sizeof what, "%s float", path);
    bool fine = compare(run, what, &s, x, n, n);
    snprintf(what, sizeof what, "%s int8", path);
    check(q8_quantize(s.m, x, SAMPLES, (q8_options){0}, NULL, &int8.q, &err), &err);
    fine &= compare(run, what, &int8, x, n, n);
    base_free(x);
    q8_model_free(int8.q);
    nn_model_free(s.m);
    return fine;
}

static nn_real *clips(const nn_model *m, const char *path, size_t *n)
{
    base_err err = {0};
    data_pack *pack = NULL;
    data_task *task = NULL;
    nn_real *x = NULL;
    check(data_pack_open(path, &pack, &err), &err);
    check(quant_task(m, pack, &task, &err), &err);
    const quant_source source = {.model = m, .task = task, .split = DATA_TEST, .threads = 1};
    check(quant_inputs(&source, 0, n, &x, &err), &err);
    data_task_free(task);
    data_pack_close(pack);
    return x;
}

static bool compare_model(const char *run, size_t n, const char *path, const char *pack_path)
{
    base_err err = {0};
    bool int8 = false;
    subject s = {0};
    char what[256];
    char *file = NULL;
    check(nn_model_path(path, &file, &err), &err);
    check(q8_is_model(file, &int8, &err), &err);
    check(int8 ? q8_load(file, &s.q, &err) : nn_model_load(file, &s.m, &err), &err);
    const nn_model *m = int8 ? &s.q->folded : s.m;
    size_t all = pack_path ? 1 << 20 : n;
    nn_real *x = pack_path ? clips(m, pack_path, &all) : random_inputs(m->graph, n);
    snprintf(what, sizeof what, "%s %s", path, int8 ? "int8" : "float");
    const bool fine = compare(run, what, &s, x, n, all);
    base_free(x);
    q8_model_free(s.q);
    nn_model_free(s.m);
    free(file);
    return fine;
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    const size_t n = (size_t)atoi(argv[2]), length = strlen(argv[3]);
    const bool net = length > 4 && strcmp(argv[3] + length - 4, ".net") == 0;
    printf("model\tinputs\tvalues\talone: equal\tapart\tlargest\tworst\twhole run: equal\tapart\t"
           "largest\tworst\tother decisions\n");
    return !(net ? compare_net(argv[1], n, argv[3])
                 : compare_model(argv[1], n, argv[3], argc > 4 ? argv[4] : NULL));
}
