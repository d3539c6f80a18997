/* Random int8 graphs: operators in any order, residuals and broadcasts, scales over nine decades,
 * zero points, biases and inputs at their ends. Whatever lowering accepts gives, layer by layer,
 * the integers of a second implementation in int64 (tests/q8_oracle.c and below), on every level of
 * quantize/host.h, and after a trip through a model file and a .tflite file. 600 graphs, or
 * SOTTO_FUZZ_ROUNDS of them.
 */
#include "quantize/host.h"
#include "quantize/internal.h"
#include "quantize/tflite.h"
#include "tests/check.h"
#include "tests/oracle.h"
#include "tests/q8_oracle.h"
#include "tests/tflite_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 40, INPUTS = 4 };

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* ---- graphs ---- */

typedef struct grower {
    base_rng r;
    nn_graph *g;
    nn_node *map[NODES]; /* of three axes */
    int n;
} grower;

static void grow(grower *w, const char *op, nn_node *const *x, int n, const char *attrs)
{
    nn_node *y = nn_append(w->g, op, "", x, n, "%s", attrs);
    base_err err = {0};
    if (!y) nn_graph_check(w->g, &err);
    if (!y) fail_msg("%s %s: %s", op, attrs, err.message);
    if (y->shape.n == 3) w->map[w->n++] = y;
}

/* One of the last maps of which those axes that are asked for are as long as x's; x is one. */
static nn_node *like(grower *w, const nn_node *x, int axes)
{
    for (int k = w->n - 1; k >= 0; k--) {
        nn_node *y = w->map[k];
        bool is = y != x || k == 0 || !between(&w->r, 0, 2);
        for (int d = 0; d < 3; d++) is &= !(axes >> d & 1) || y->shape.d[d] == x->shape.d[d];
        if (is) return y;
    }
    return w->map[x == w->map[0] ? 0 : w->n - 1];
}

static void grow_window(grower *w, nn_node *x, int kind)
{
    char attrs[128];
    const int *d = x->shape.d, kernel[] = {between(&w->r, 1, d[0] < 4 ? d[0] : 4),
                                           between(&w->r, 1, d[1] < 3 ? d[1] : 3)};
    const bool same = between(&w->r, 0, 1), pool = kind > 1;
    const int far = !same && ((kernel[0] - 1) * 2 >= d[0] || (kernel[1] - 1) * 2 >= d[1]);
    const int stride = between(&w->r, 1, 2), dilation = pool || far ? 1 : between(&w->r, 1, 2);
    int n = snprintf(attrs, sizeof attrs, "kernel=%dx%d stride=%dx%d pad=%s", kernel[0], kernel[1],
                     stride, between(&w->r, 1, 2), same ? "same" : "valid");
    if (!pool) n += snprintf(attrs + n, sizeof attrs - (size_t)n, " dilation=%d", dilation);
    const int groups = between(&w->r, 0, 3) || d[2] % 2 ? 1 : 2;
    if (kind == 0)
        snprintf(attrs + n, sizeof attrs - (size_t)n, " out=%d groups=%d",
                 groups * between(&w->r, 1, 9), groups);
    grow(w, (const char *[]){"conv2d", "dwconv2d", "maxpool", "avgpool"}[kind], &x, 1, attrs);
}

static void grow_pair(grower *w, nn_node *x, const char *op)
{
    nn_node *in[] = {x, like(w, x, 7)};
    if (!between(&w->r, 0, 2)) { /* broadcast */
        grow(w, "max", &x, 1, "axes=0,1");
        in[1] = w->map[w->n - 1];
    } else if (!nn_same_shape(in[1]->shape, x->shape)) {
        in[1] = x;
    }
    grow(w, op, in, 2, " ");
}

static void grow_move(grower *w, nn_node *x)
{
    static const char *const orders[] = {"order=1,0,2", "order=2,0,1", "order=0,2,1"};
    char attrs[64];
    const int axis = between(&w->r, 0, 2), size = between(&w->r, 1, x->shape.d[axis]);
    nn_node *in[] = {x, like(w, x, 3)};
    const bool fits = in[1]->shape.d[0] == x->shape.d[0] && in[1]->shape.d[1] == x->shape.d[1];
    if (!fits) in[1] = x;
    switch (between(&w->r, 0, 3)) {
    case 0: grow(w, "concat", in, 2, "axis=2"); break;
    case 1: grow(w, "transpose", &x, 1, orders[between(&w->r, 0, 2)]); break;
    case 2: grow(w, "pad", &x, 1, "pad=1,0,2,1"); break;
    default:
        snprintf(attrs, sizeof attrs, "axis=%d begin=%d size=%d", axis,
                 between(&w->r, 0, x->shape.d[axis] - size), size);
        grow(w, "slice", &x, 1, attrs);
    }
}

static void grow_one(grower *w)
{
    static const char *const plain[] = {"hardswish", "sigmoid", "tanh", "relu", "relu6", "relu"};
    static const char *const axes[] = {"axes=0", "axes=1", "axes=2", "axes=0,1", "axes=0,2"};
    nn_node *x = w->map[between(&w->r, 0, 3) ? w->n - 1 : between(&w->r, 0, w->n - 1)];
    char attrs[64];
    const int kind = between(&w->r, 0, 14);
    if (kind < 6) {
        grow_window(w, x, kind < 3 ? 0 : kind - 2);
    } else if (kind < 9) {
        grow(w, plain[between(&w->r, 0, 5)], &x, 1, " ");
    } else if (kind == 9) {
        grow(w, "clip", &x, 1, "lo=-0.3 hi=0.7");
    } else if (kind < 12) {
        grow_pair(w, x, kind == 10 ? "add" : "mul");
    } else if (kind == 12) {
        snprintf(attrs, sizeof attrs, "%s tflite=%s", axes[between(&w->r, 0, 4)],
                 between(&w->r, 0, 1) ? "yes" : "no");
        grow(w, "mean", &x, 1, attrs);
    } else {
        grow_move(w, x);
    }
}

static nn_graph *random_graph(base_rng r)
{
    grower w = {.r = r, .g = nn_graph_new()};
    char attrs[64];
    snprintf(attrs, sizeof attrs, "%dx%dx%d", between(&w.r, 2, 10), between(&w.r, 2, 8),
             between(&w.r, 1, 20));
    grow(&w, "input", NULL, 0, attrs);
    for (int k = between(&w.r, 2, 12); k > 0; k--) grow_one(&w);
    nn_node *x = w.map[w.n - 1];
    const int tail = between(&w.r, 0, 3);
    if (tail == 0 && w.n == 1) grow(&w, "relu", &x, 1, " ");
    if (tail == 0) return w.g;
    grow(&w, tail == 1 ? "globalpool" : "flatten", &x, 1, " ");
    x = nn_graph_output(w.g);
    grow(&w, "dense", &x, 1, "out=7");
    x = nn_graph_output(w.g);
    if (tail == 3) grow(&w, "softmax", &x, 1, " ");
    return w.g;
}

/* ---- numbers ---- */

static int random_zero(base_rng *r)
{
    const int kind = between(r, 0, 3);
    return kind == 0 ? -128 : kind == 1 ? 127 : between(r, -128, 127);
}

/* As calibration would have them related, the rest at random. */
static nn_quant random_quant(base_rng *r, const nn_node *n, const nn_quant *all)
{
    const nn_quant in = n->n_in ? all[n->in[0]->index] : (nn_quant){0};
    const bool passes = n->n_in && (n->op->clamp || (n->op->flags & (NN_IDENTITY | NN_SAME_QUANT)));
    if (passes) return in;
    if (n->op->fixed.scale > 0) return n->op->fixed;
    const bool wild = !between(r, 0, 3);
    double scale = n->n_in ? in.scale * exp(base_rng_normal(r) * (wild ? 5 : 1))
                           : exp(base_rng_uniform(r) * 20.7 - 13.8);
    if (strcmp(n->op->name, "mul") == 0) scale *= 40 * all[n->in[1]->index].scale;
    scale = fmin(1e3, fmax(1e-6, scale));
    return (nn_quant){(double)(float)scale, random_zero(r)};
}

static base_status random_model(q8_model *m, base_rng *r, base_err *err)
{
    nn_graph *g = m->folded.graph;
    const int n = nn_graph_nodes(g);
    m->arena = base_arena_new();
    m->rounding = between(r, 0, 1) ? Q8_SINGLE : Q8_TFLM;
    m->quant = base_arena_alloc(m->arena, (size_t)n, sizeof *m->quant);
    m->folded.weights = base_alloc(nn_graph_params(g) + 1, sizeof *m->folded.weights);
    m->folded.features = base_strdup("");
    assert_true(m->quant && m->folded.weights && m->folded.features);
    for (int i = 0; i < n; i++) {
        const nn_node *node = nn_graph_node(g, i);
        const double size = ldexp(1, between(r, -4, 2));
        m->quant[i] = random_quant(r, node, m->quant);
        for (int k = 0; k < node->n_params; k++)
            for (size_t j = 0; j < node->param[k].count; j++)
                m->folded.weights[node->param[k].offset + j] =
                    (nn_real)(size * base_rng_normal(r) * (k ? m->quant[i].scale * 30 : 1));
    }
    BASE_TRY(q8_lower(m, err));
    if (q8_check(m, "test", err) != BASE_OK) return BASE_USAGE; /* scales too far apart */
    return BASE_OK;
}

static void *array_of(const nn_q8_layer *l, const char *name, size_t *n)
{
    for (int i = 0, k = 0; i < l->kernel->n_fields; i++) {
        const nn_q8_field *f = &l->kernel->fields[i];
        if (f->type == NN_Q8_INT) continue;
        if (n) *n = l->count[k];
        if (strcmp(f->name, name) == 0) return (void *)(uintptr_t)*q8_field_array(l, f);
        k++;
    }
    return NULL;
}

/* Biases of some layers as large as they may be; larger ones are refused. */
static void stretch_biases(const q8_model *m, base_rng *r)
{
    for (int k = 0; k < m->n_layers; k++) {
        const q8_layer *l = &m->layers[k];
        size_t n = 0, weights = 0;
        int32_t *bias = array_of(&l->l, "bias", &n), *shift = array_of(&l->l, "shift", NULL);
        const int8_t *w = array_of(&l->l, "weight", &weights);
        const bool by_tap = strcmp(l->l.kernel->name, "sotto_dwconv2d") == 0;
        if (!bias || between(r, 0, 2)) continue;
        for (size_t o = 0; o < n; o++) {
            int64_t most = 0;
            for (size_t i = 0; i < weights / n; i++)
                most += 255 * abs(by_tap ? w[i * n + o] : w[o * (weights / n) + i]);
            const int64_t room = INT64_C(2147483391) >> (shift[o] > 0 ? shift[o] : 0);
            const int sign = between(r, 0, 1) ? 1 : -1;
            bias[o] = (int32_t)(sign * (room - most + 1));
            assert_int_equal(q8_check(m, "test", NULL), BASE_DATA);
            bias[o] -= sign;
        }
        assert_int_equal(q8_check(m, "test", NULL), BASE_OK);
    }
}

/* A failure, with the graph that it was found with. */
static void fail_graph(const q8_model *m, const char *fmt, ...) BASE_PRINTF(2, 3);
static void fail_graph(const q8_model *m, const char *fmt, ...)
{
    char what[256];
    base_str text = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    nn_print(m->folded.graph, &text);
    fail_msg("%s in\n%s", what, text.s);
}

static void same(const q8_model *m, const char *what, const int8_t *a, const int8_t *b, size_t n)
{
    if (memcmp(a, b, n) != 0) fail_graph(m, "%s gives other results", what);
}

/* ---- the second implementation: what q8_oracle.c has not ---- */

/* The sums of a layer with weights. */
static void wanted_sums(const q8_layer *l, const q8_call *q)
{
    const nn_node *n = q->node;
    const bool dense = strcmp(n->op->name, "dense") == 0, by_tap = !strcmp(n->op->name, "dwconv2d");
    const oracle_axis one = {1, 1, 1, 1, 0, 0, 1};
    const oracle_window win = dense ? (oracle_window){one, one} : oracle_window_of(n);
    const int in = n->in[0]->shape.d[dense ? 0 : 2], out = n->shape.d[dense ? 0 : 2];
    const int groups = dense ? 1 : by_tap ? in : oracle_int(n, "groups"), inner = in / groups;
    const int taps = win.h.kernel * win.w.kernel;
    const int8_t *w = array_of(&l->l, "weight", NULL);
    const int32_t *bias = array_of(&l->l, "bias", NULL);
    const int32_t *multiplier = array_of(&l->l, "multiplier", NULL);
    const int32_t *shift = array_of(&l->l, "shift", NULL);
    for (int64_t i = 0; i < nn_count(n->shape); i++) {
        const int o = (int)(i % out), x0 = (int)(i / out % win.w.out),
                  y0 = (int)(i / out / win.w.out);
        int64_t sum = bias[o];
        for (int t = 0; t < taps; t++) {
            const int y = y0 * win.h.stride + t / win.w.kernel * win.h.dilation - win.h.before;
            const int x = x0 * win.w.stride + t % win.w.kernel * win.w.dilation - win.w.before;
            if (y < 0 || y >= win.h.in || x < 0 || x >= win.w.in) continue;
            const int8_t *from = q->x[0] + (y * win.w.in + x) * in + o / (out / groups) * inner;
            for (int k = 0; k < inner; k++)
                sum += (int64_t)(from[k] - q->c->in[0].zero) *
                       w[by_tap ? t * out + o : (o * taps + t) * inner + k];
        }
        const q8_factor f = {multiplier[o], shift[o]};
        q->y[i] = q8_clamped(q->c, q8_times(sum, f, q->c->single) + q->c->out.zero);
    }
}

static void wanted_pool(const q8_call *q)
{
    const nn_node *n = q->node;
    const bool all = strcmp(n->op->name, "globalpool") == 0;
    const bool most = strcmp(n->op->name, "maxpool") == 0;
    const int *d = n->in[0]->shape.d;
    const oracle_window win =
        all ? (oracle_window){{d[0], d[0], 1, 1, 0, 0, 1}, {d[1], d[1], 1, 1, 0, 0, 1}}
            : oracle_window_of(n);
    for (int64_t i = 0; i < nn_count(n->shape); i++) {
        const int c = (int)(i % d[2]), x0 = (int)(i / d[2] % win.w.out),
                  y0 = (int)(i / d[2] / win.w.out);
        int64_t sum = 0, count = 0, largest = -128;
        for (int y = y0 * win.h.stride - win.h.before, a = 0; a < win.h.kernel; a++, y++)
            for (int x = x0 * win.w.stride - win.w.before, b = 0; b < win.w.kernel; b++, x++) {
                if (y < 0 || y >= win.h.in || x < 0 || x >= win.w.in) continue;
                const int v = q->x[0][(y * win.w.in + x) * d[2] + c];
                sum += v;
                count++;
                largest = v > largest ? v : largest;
            }
        const int64_t up = (2 * llabs(sum) + count) / (2 * count); /* halves away from zero */
        q->y[i] = q8_clamped(q->c, most ? largest : sum < 0 ? -up : up);
    }
}

/* Rounded reals, but for results that float may round to the other side; `got` then. */
static void wanted_table(const q8_call *q, const int8_t *got)
{
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const double x = q->c->in[0].scale * (q->x[0][i] - q->c->in[0].zero);
        const double y = strcmp(q->node->op->name, "tanh") == 0 ? tanh(x) : 1 / (1 + exp(-x));
        const double v = y / q->c->out.scale;
        const bool tie = fabs(fabs(v - floor(v)) - 0.5) < 1e-4;
        q->y[i] = q8_clamped(q->c, q8_steps(v, 1, q->c->out.zero));
        if (tie && abs(got[i] - q->y[i]) <= 1) q->y[i] = got[i];
    }
}

/* An activation's bounds as integers. */
static void bounds_of(const nn_node *n, nn_quant q, int bound[2])
{
    const bool clip = strcmp(n->op->name, "clip") == 0;
    const double six = strcmp(n->op->name, "relu6") == 0 ? 6 : (double)INFINITY;
    const double real[] = {clip ? oracle_real(n, "lo") : 0, clip ? oracle_real(n, "hi") : six};
    for (int k = 0; k < 2; k++) {
        const float v = (float)real[k] / (float)q.scale;
        const double steps = floor(fabs((double)v) + 0.5) * (v < 0 ? -1 : 1);
        bound[k] = (int)fmin(127, fmax(-128, steps + q.zero));
    }
}

static int clamped(int v, const int bound[2])
{
    return v < bound[0] ? bound[0] : v > bound[1] ? bound[1] : v;
}

/* What the activations that are part of layer l make of the ends of int8. */
static void clamp_of(const q8_model *m, const q8_layer *l, nn_q8_context *c)
{
    const nn_node *chain[NODES];
    int n = 0, bound[2];
    const nn_node *at = nn_graph_node(m->folded.graph, l->end);
    for (; at->index != l->node; at = at->in[0]) chain[n++] = at;
    chain[n++] = at;
    c->lo = -128;
    c->hi = 127;
    while (n-- > 0) {
        if (!chain[n]->op->clamp) continue;
        bounds_of(chain[n], c->out, bound);
        c->lo = clamped(c->lo, bound);
        c->hi = clamped(c->hi, bound);
    }
}

typedef struct watch {
    const q8_model *m;
    int8_t *value[NODES + 1]; /* as q8_run gives them */
    int layers;
} watch;

static void look(void *ctx, int layer, const int8_t *y)
{
    watch *w = ctx;
    const q8_layer *l = &w->m->layers[layer];
    const nn_node *n = nn_graph_node(w->m->folded.graph, l->node);
    const size_t size = w->m->values[layer + 1].size;
    nn_q8_context c = {.out = w->m->quant[l->node], .single = w->m->rounding == Q8_SINGLE};
    int8_t *wanted = malloc(size);
    assert_non_null(wanted);
    q8_call call = {.node = n, .c = &c, .y = wanted};
    for (int k = 0; k < n->n_in; k++) {
        c.in[k] = w->m->quant[n->in[k]->index];
        call.x[k] = w->value[l->in[k]];
    }
    clamp_of(w->m, l, &c);
    q8_oracle *run = q8_oracle_find(n->op->name);
    if (array_of(&l->l, "weight", NULL))
        wanted_sums(l, &call);
    else if (run)
        run(&call);
    else if (strstr(n->op->name, "pool"))
        wanted_pool(&call);
    else if (n->op->clamp)
        for (size_t i = 0; i < size; i++) wanted[i] = q8_clamped(&c, call.x[0][i]);
    else
        wanted_table(&call, y);
    for (size_t i = 0; i < size; i++)
        if (y[i] != wanted[i])
            fail_graph(w->m, "'%s' [%d] is %d, not %d", n->name, (int)i, y[i], wanted[i]);
    w->value[layer + 1] = memcpy(wanted, y, size);
    w->layers++;
}

/* ---- all of it ---- */

static void compare_inputs(const q8_model *m, const int8_t *x, int8_t *y)
{
    const size_t in = q8_input_size(m), out = q8_output_size(m);
    int8_t *work = base_alloc(m->work + 1, 1);
    assert_non_null(work);
    for (int i = 0; i < INPUTS; i++) {
        watch w = {.m = m};
        int8_t *copy = malloc(in);
        assert_non_null(copy);
        w.value[0] = memcpy(copy, x + (size_t)i * in, in);
        q8_observe(m, copy, y + (size_t)i * out, work, look, &w);
        assert_int_equal(w.layers, m->n_layers);
        for (int v = 0; v <= m->n_layers; v++) free(w.value[v]);
    }
    base_free(work);
}

static void compare_levels(const q8_model *m, const int8_t *x, const int8_t *y)
{
    base_err err = {0};
    const size_t in = q8_input_size(m), out = q8_output_size(m);
    int8_t *got = malloc(out);
    assert_non_null(got);
    for (int level = 0; level < Q8_LEVELS; level++) {
        q8_host *host = NULL;
        if (!q8_level_here((q8_level)level)) continue;
        if (q8_host_new(m, (q8_level)level, &host, &err) != BASE_OK) fail_msg("%s", err.message);
        int8_t *work = base_alloc(q8_host_work(host) + 1, 1);
        for (size_t i = 0; i < INPUTS; i++) {
            q8_host_run(host, x + i * in, got, work);
            same(m, q8_level_name((q8_level)level), got, y + i * out, out);
        }
        base_free(work);
        q8_host_free(host);
    }
    free(got);
}

/* Another model that must give what m gives. */
static void compare_copy(const q8_model *m, const q8_model *copy, const char *what, const int8_t *x,
                         const int8_t *y)
{
    int8_t *got = malloc(INPUTS * q8_output_size(m));
    assert_non_null(got);
    tfl_run_int8(copy, x, INPUTS, got);
    same(m, what, got, y, INPUTS * q8_output_size(m));
    free(got);
}

/* A model file, and a .tflite file where there can be one. */
static bool compare_files(const q8_model *m, const int8_t *x, const int8_t *y)
{
    char path[] = "/tmp/sotto-q8-XXXXXX";
    base_err err = {0};
    base_str bytes = {0};
    q8_model *again = NULL;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (q8_save(m, path, &err) != BASE_OK || q8_load(path, &again, &err) != BASE_OK)
        fail_graph(m, "%s", err.message);
    compare_copy(m, again, "a model file", x, y);
    unlink(path);
    q8_model_free(again);
    if (m->rounding != Q8_TFLM || tflite_export_q8(m, &bytes, &err) != BASE_OK) return false;
    tfl_subject s = tfl_imported(bytes.s, bytes.len);
    assert_non_null(s.q);
    compare_copy(m, s.q, "a .tflite file", x, y);
    tfl_subject_free(&s);
    base_str_free(&bytes);
    return true;
}

static void run_all(const q8_model *m, base_rng *r, int *exported)
{
    const size_t in = q8_input_size(m);
    int8_t *x = malloc(INPUTS * in), *y = malloc(INPUTS * q8_output_size(m));
    assert_true(x && y);
    for (size_t i = 0; i < INPUTS * in; i++)
        x[i] = (int8_t)(i < in ? -128 : i < 2 * in ? 127 : between(r, -128, 127));
    compare_inputs(m, x, y);
    compare_levels(m, x, y);
    *exported += compare_files(m, x, y);
    free(x);
    free(y);
}

static void random_graphs_are_their_definitions(void **state)
{
    const char *more = getenv("SOTTO_FUZZ_ROUNDS");
    const int rounds = more ? atoi(more) : 600;
    int ran = 0, exported = 0;
    (void)state;
    for (int seed = 0; seed < rounds; seed++) {
        base_err err = {0};
        base_rng r = base_rng_at((uint64_t)seed, BASE_RNG_TEST, 0, 0);
        q8_model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        m->folded.graph = random_graph(base_rng_at((uint64_t)seed, BASE_RNG_TEST, 1, 0));
        const base_status status = random_model(m, &r, &err);
        if (status == BASE_OK) {
            stretch_biases(m, &r);
            run_all(m, &r, &exported);
            ran++;
        } else {
            assert_int_equal(status, BASE_USAGE);
            assert_true(err.message[0]);
        }
        q8_model_free(m);
    }
    print_message("# %d graphs ran, %d of them from a .tflite file too\n", ran, exported);
    assert_true(ran > rounds / 2 && exported > rounds / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs_are_their_definitions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
