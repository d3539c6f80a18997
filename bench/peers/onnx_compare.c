/* onnx_compare: sotto and ONNX Runtime side by side, value by value (onnx.sh runs it).
 *
 *   onnx_compare RUN N FILE.net             the net with random weights, float and int8
 *   onnx_compare RUN N MODEL.h5 [pack.h5]   a model on random inputs, or on clips of the pack's
 * test split: all values of N of them, decisions of every one
 *
 * RUN FILE.onnx INPUTS DIR is the command that runs a file: output k goes to DIR/k. The files are
 * sotto's, with the values of all nodes as outputs, too: messages of protobuf that follow each
 * other are one, so that they need only be put behind. Values are those of a whole run, so what one
 * layer rounds otherwise the next ones see. A row: the largest of the last column is that of the
 * value named in it. Exit code 1 when a float value is wrong by more than 1e-5 of the largest of
 * its kind.
 */
#include "nn/h5.h"
#include "quantize/evaluate.h"
#include "quantize/onnx.h"
#include "quantize/onnx_schema.h"
#include "quantize/protobuf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOAT_ERROR 1e-5 /* of the largest of a value */
enum { MOST_OUTPUTS = 1024 };

typedef struct subject {
    nn_model *m; /* float, or */
    q8_model *q; /* int8 */
} subject;

typedef struct output {
    char name[NN_MAX_NAME]; /* of the node */
    bool planes;            /* channels first */
    char *values;           /* what the peer says */
    size_t size;            /* bytes of a sample */
} output;

typedef struct rig {
    const char *run;
    const subject *s;
    const nn_graph *g; /* whose nodes the values belong to */
    output out[MOST_OUTPUTS];
    int n_out;
    size_t n, sample;                  /* n inputs; the one that is looked at */
    double equal, apart, values, most; /* steps, or relative to the largest value */
    char worst[128];
} rig;

static void check(base_status status, const base_err *err)
{
    if (status == BASE_OK) return;
    fprintf(stderr, "onnx_compare: %s\n", err->message);
    exit(2);
}

/* ---- the names of values in a file ---- */

static uint64_t varint(const uint8_t **at)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        const uint8_t byte = *(*at)++;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return v;
    }
}

typedef void (*field_fn)(rig *r, uint64_t field, const uint8_t *data, size_t n);

/* Calls visit for the fields of a message that have a length. */
static void walk(rig *r, const uint8_t *at, size_t n, field_fn visit)
{
    for (const uint8_t *end = at + n; at < end;) {
        const uint64_t tag = varint(&at);
        if ((tag & 7) == 2) {
            const size_t length = (size_t)varint(&at);
            visit(r, tag >> 3, at, length);
            at += length;
        } else if ((tag & 7) == 5) {
            at += 4;
        } else {
            varint(&at);
        }
    }
}

/* "c1/planes/int8" of an int8 model, "c1/planes" of a float one; both layouts may be there. */
static void see_output(rig *r, uint64_t field, const uint8_t *data, size_t n)
{
    output *o = &r->out[r->n_out];
    const char *rest = memchr(data, '/', n), *tail = r->s->q ? "/int8" : "";
    const size_t length = rest ? (size_t)(rest - (const char *)data) : n;
    char end[16];
    if (field != NODE_OUTPUT || length >= sizeof o->name || r->n_out == MOST_OUTPUTS) return;
    snprintf(o->name, sizeof o->name, "%.*s", (int)length, (const char *)data);
    snprintf(end, sizeof end, "%.*s", (int)(n - length), rest ? rest : "");
    o->planes = strncmp(end, "/planes", 7) == 0;
    if (strcmp(end + (o->planes ? 7 : 0), tail) != 0 || !nn_graph_find(r->g, o->name)) return;
    r->n_out++;
}

static void see_node(rig *r, uint64_t field, const uint8_t *data, size_t n)
{
    if (field == GRAPH_NODE) walk(r, data, n, see_output);
}

static void see_graph(rig *r, uint64_t field, const uint8_t *data, size_t n)
{
    if (field == MODEL_GRAPH) walk(r, data, n, see_node);
}

/* Makes all values outputs, in front of the graph's own. */
static void expose(rig *r, base_str *bytes)
{
    base_str graph = {0}, all = {0};
    walk(r, (const uint8_t *)bytes->s, bytes->len, see_graph);
    for (int k = 0; k < r->n_out; k++) {
        base_str value = {0};
        char name[160];
        snprintf(name, sizeof name, "%s%s%s", r->out[k].name, r->out[k].planes ? "/planes" : "",
                 r->s->q ? "/int8" : "");
        if (strcmp(name, nn_graph_output(r->g)->name) == 0) { /* is one */
            memmove(&r->out[k], &r->out[k + 1], (size_t)(r->n_out - k - 1) * sizeof *r->out);
            r->n_out--;
            k--;
            continue;
        }
        pb_put_string(&value, VALUE_NAME, name);
        pb_put_message(&graph, GRAPH_OUTPUT, &value);
    }
    pb_put_message(&all, MODEL_GRAPH, &graph);
    base_str_add_n(&all, bytes->s, bytes->len);
    base_str_free(bytes);
    *bytes = all;
    output *last = &r->out[r->n_out++];
    *last = (output){.planes = false};
    snprintf(last->name, sizeof last->name, "%s", nn_graph_output(r->g)->name);
}

/* ---- running ---- */

/* Fills r->out[].values with what the peer gives for n inputs; false when it refuses the file. */
static bool run_peer(rig *r, const base_str *bytes, const nn_real *x, size_t n)
{
    char dir[] = "/tmp/onnx_compare_XXXXXX", path[64], command[1024];
    base_err err = {0};
    const size_t in = (size_t)nn_count(nn_graph_input(r->g, 0)->shape);
    if (!mkdtemp(dir)) exit(2);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    check(base_write_file(path, bytes->s, bytes->len, &err), &err);
    snprintf(path, sizeof path, "%s/x", dir);
    check(base_write_file(path, (const char *)x, n * in * sizeof *x, &err), &err);
    snprintf(command, sizeof command, "%s %s/model.onnx %s/x %s", r->run, dir, dir, dir);
    const bool ran = system(command) == 0;
    for (int k = 0; ran && k < r->n_out; k++) {
        size_t size;
        snprintf(path, sizeof path, "%s/%d", dir, k);
        check(base_read_file(path, (size_t)1 << 32, &r->out[k].values, &size, &err), &err);
        r->out[k].size = size / n;
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) exit(2);
    r->n = n;
    return ran;
}

/* Where element i of a value, channels last, lies where they are first. */
static size_t place(const output *o, nn_shape s, size_t i)
{
    const size_t channels = (size_t)s.d[2], count = (size_t)nn_count(s);
    return o->planes ? i % channels * (count / channels) + i / channels : i;
}

static void worse(rig *r, const char *name, double d)
{
    if (!(d > r->most)) return;
    r->most = d;
    snprintf(r->worst, sizeof r->worst, "%s", name);
}

static void compare_int8(rig *r, const nn_node *n, const int8_t *y)
{
    const size_t count = (size_t)nn_count(n->shape);
    for (int k = 0; k + 1 < r->n_out; k++) {
        const output *o = &r->out[k];
        if (strcmp(o->name, n->name) != 0) continue;
        const int8_t *peer = (const int8_t *)o->values + r->sample * count;
        for (size_t i = 0; i < count; i++) {
            const int d = abs(peer[place(o, n->shape, i)] - y[i]);
            r->equal += d == 0;
            r->apart += d > 1;
            worse(r, n->name, d);
        }
        r->values += (double)count;
        return;
    }
}

static void compare_float(rig *r, const nn_node *n, const nn_real *y)
{
    const size_t count = (size_t)nn_count(n->shape);
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)y[i]));
    for (int k = 0; k < r->n_out; k++) {
        const output *o = &r->out[k];
        if (strcmp(o->name, n->name) != 0) continue;
        const float *peer = (const float *)(const void *)o->values + r->sample * count;
        for (size_t i = 0; i < count; i++) {
            const double d = fabs((double)peer[place(o, n->shape, i)] - (double)y[i]);
            const double share = d / (largest > 0 ? largest : 1);
            r->equal += d <= 0;
            r->apart += !(share <= FLOAT_ERROR);
            worse(r, n->name, share);
        }
        r->values += (double)count;
        return;
    }
}

/* ---- this side ---- */

static void see_layer(void *ctx, int layer, const int8_t *y)
{
    rig *r = ctx;
    compare_int8(r, nn_graph_node(r->g, r->s->q->layers[layer].end), y);
}

static void see_values(void *ctx, const nn_node *n, const nn_real *y, int batch)
{
    (void)batch;
    compare_float(ctx, n, y);
}

static void walk_int8(rig *r, const nn_real *x, nn_real *y)
{
    const q8_model *q = r->s->q;
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *qx = base_alloc(in, 1), *qy = base_alloc(out, 1), *work = base_alloc(q->work + 1, 1);
    const nn_quant last = q->values[q->n_layers].quant;
    for (r->sample = 0; r->sample < r->n; r->sample++) {
        q8_quantize_input(q, x + r->sample * in, qx);
        q8_observe(q, qx, qy, work, see_layer, r);
        for (size_t i = 0; i < out; i++)
            y[r->sample * out + i] = (nn_real)(last.scale * (qy[i] - last.zero));
    }
    base_free(qx);
    base_free(qy);
    base_free(work);
}

static void walk_float(rig *r, const nn_real *weights, const nn_real *x, nn_real *y)
{
    base_err err = {0};
    nn_net *net = NULL;
    const size_t in = (size_t)nn_count(nn_graph_input(r->g, 0)->shape);
    const size_t out = (size_t)nn_count(nn_graph_output(r->g)->shape);
    check(nn_net_new(r->g, (nn_net_options){.batch = 1, .shards = 1}, &net, &err), &err);
    memcpy(nn_net_weights(net), weights, nn_graph_params(r->g) * sizeof *weights);
    for (r->sample = 0; r->sample < r->n; r->sample++) {
        const nn_real *from = x + r->sample * in;
        nn_net_observe(net, &from, 1, y + r->sample * out, see_values, r);
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

/* values: of all nodes, else decisions alone. */
static bool compare(const char *run, const char *what, const subject *s, const nn_real *x, size_t n,
                    bool values)
{
    base_err err = {0};
    base_str bytes = {0};
    nn_graph *folded = NULL;
    nn_real *weights = NULL;
    rig *r = calloc(1, sizeof *r);
    if (!r) exit(2);
    *r = (rig){.run = run, .s = s};
    if (s->m) check(q8_fold(s->m->graph, s->m->weights, &folded, &weights, &err), &err);
    r->g = s->q ? s->q->folded.graph : folded;
    if ((s->q ? onnx_export_q8(s->q, "0", &bytes, &err)
              : onnx_export_float(s->m, "0", &bytes, &err)) != BASE_OK) {
        printf("%s\t-\t-\t-\t-\t-\t-\t%s\n", what, err.message);
        return true;
    }
    if (values)
        expose(r, &bytes);
    else
        snprintf(r->out[r->n_out++].name, sizeof r->out->name, "%s", nn_graph_output(r->g)->name);
    const size_t out = (size_t)nn_count(nn_graph_output(r->g)->shape);
    nn_real *y = base_alloc(n * out, sizeof *y);
    size_t different = 0;
    const bool ran = run_peer(r, &bytes, x, n);
    if (ran && s->q) walk_int8(r, x, y);
    if (ran && !s->q) walk_float(r, weights, x, y);
    const nn_real *peer = (const nn_real *)(const void *)r->out[r->n_out - 1].values;
    for (size_t i = 0; ran && i < n; i++)
        different += largest_of(y + i * out, out) != largest_of(peer + i * out, out);
    printf("%s\t%zu\t%.0f\t%.3f %%\t%.4f %%\t%.3g\t%zu\t%s\n", what, n, r->values,
           100 * r->equal / fmax(r->values, 1), 100 * r->apart / fmax(r->values, 1), r->most,
           different, ran ? r->worst : "is refused");
    fflush(stdout);
    const bool fine = ran && (s->q || !(r->most > FLOAT_ERROR));
    for (int k = 0; k < r->n_out; k++) free(r->out[k].values);
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
    bool fine = compare(run, what, &s, x, n, true);
    snprintf(what, sizeof what, "%s int8", path);
    check(q8_quantize(s.m, x, SAMPLES, (q8_options){0}, NULL, &int8.q, &err), &err);
    fine &= compare(run, what, &int8, x, n, true);
    base_free(x);
    q8_model_free(int8.q);
    nn_model_free(s.m);
    return fine;
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
    nn_real *x = random_inputs(m->graph, n);
    snprintf(what, sizeof what, "%s %s, random", path, int8 ? "int8" : "float");
    bool fine = compare(run, what, &s, x, n, true);
    if (pack_path) {
        data_pack *pack = NULL;
        data_task *task = NULL;
        size_t all = 1 << 20;
        base_free(x);
        check(data_pack_open(pack_path, &pack, &err), &err);
        check(quant_task(m, pack, &task, &err), &err);
        const quant_source source = {.model = m, .task = task, .split = DATA_TEST, .threads = 1};
        check(quant_inputs(&source, 0, &all, &x, &err), &err);
        snprintf(what, sizeof what, "%s %s, clips", path, int8 ? "int8" : "float");
        fine &= compare(run, what, &s, x, n < all ? n : all, true);
        snprintf(what, sizeof what, "%s %s, decisions", path, int8 ? "int8" : "float");
        fine &= compare(run, what, &s, x, all, false);
        data_task_free(task);
        data_pack_close(pack);
    }
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
    printf("values of\tinputs\tvalues\tequal\tapart\tlargest\tdecisions\tworst\n");
    return !(net ? compare_net(argv[1], n, argv[3])
                 : compare_model(argv[1], n, argv[3], argc > 4 ? argv[4] : NULL));
}
