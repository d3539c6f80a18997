/* explain: see explain.h. One pass runs the int8 and the float model side by side; then each value
 * is a job of its own, which takes the float net block by block and carries the value's own error
 * to the output through the nodes that depend on it.
 */
#include "quantize/explain.h"
#include "nn/lower.h"
#include "quantize/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 16 };

typedef struct explaining explaining;

/* What was measured on one value. */
typedef struct found {
    const nn_node *head, *end; /* its float nodes, first and last; equal for the input */
    bool given;                /* the input, or a conversion: they do not compute it */
    size_t count, channels;
    /* the whole int8 model */
    double signal, noise;
    int64_t values, beyond, codes[256];
    double *reach; /* largest magnitude of each channel */
    /* this value alone */
    double own, clipped, out_signal, out_noise;
    double *shift; /* sum of own errors of each channel */
    double *mean;  /* what is no loss of each channel */
    base_err err;
} found;

struct explaining {
    const q8_model *m;
    const nn_real *inputs;
    size_t n;
    bool corrected;
    found *of; /* each value */
};

/* ---- the float net ---- */

/* Values of some nodes for a block of samples. */
typedef struct capture {
    nn_net *net;
    nn_real **of; /* each node; NULL: not wanted */
    int *samples; /* of each node, so far */
} capture;

static void keep(void *ctx, const nn_node *n, const nn_real *y, int samples)
{
    const capture *c = ctx;
    const size_t count = (size_t)nn_count(n->shape);
    if (!c->of[n->index]) return;
    memcpy(c->of[n->index] + (size_t)c->samples[n->index] * count, y,
           (size_t)samples * count * sizeof *y);
    c->samples[n->index] += samples;
}

static base_status capture_new(const nn_model *m, base_arena *arena, capture *c, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(m->graph);
    c->of = base_arena_alloc(arena, n, sizeof(nn_real *));
    c->samples = base_arena_alloc(arena, n, sizeof *c->samples);
    if (!c->of || !c->samples) return base_nomem(err, n);
    BASE_TRY(nn_net_new(m->graph, (nn_net_options){.batch = BATCH, .shards = 1}, &c->net, err));
    memcpy(nn_net_weights(c->net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    return BASE_OK;
}

static base_status want(capture *c, const nn_node *n, base_arena *arena, base_err *err)
{
    const size_t count = BATCH * (size_t)nn_count(n->shape);
    if (!c->of[n->index]) c->of[n->index] = base_arena_alloc(arena, count, sizeof(nn_real));
    return c->of[n->index] ? BASE_OK : base_nomem(err, count * sizeof(nn_real));
}

/* The samples from `first` on; returns how many. */
static int capture_block(const explaining *e, capture *c, size_t first)
{
    const size_t left = e->n - first;
    const int n = left < BATCH ? (int)left : BATCH;
    const nn_real *x = e->inputs + first * q8_input_size(e->m);
    memset(c->samples, 0, (size_t)nn_graph_nodes(e->m->folded.graph) * sizeof *c->samples);
    nn_net_observe(c->net, &x, n, NULL, keep, c);
    return n;
}

/* ---- numbers ---- */

static int least(const q8_value *q)
{
    return q->wide ? -32767 : -128;
}

static int most(const q8_value *q)
{
    return q->wide ? 32767 : 127;
}

static double real_of(const q8_value *q, int v)
{
    return q->quant.scale * (v - q->quant.zero);
}

/* Element i of y becomes v, quantized. */
static void quantize(const q8_value *q, double v, int8_t *y, size_t i)
{
    const double r = round(v / q->quant.scale) + q->quant.zero;
    const double bound = fmax(least(q), fmin(most(q), r));
    if (q->wide)
        nn_q8_y16(y)[i] = (int16_t)bound;
    else
        y[i] = (int8_t)bound;
}

static bool is_beyond(const q8_value *q, double v)
{
    const double half = 0.5 * q->quant.scale;
    return v > real_of(q, most(q)) + half || v < real_of(q, least(q)) - half;
}

static double decibels(double signal, double noise)
{
    return 10.0 * log10(signal / noise);
}

/* ---- the whole model ---- */

typedef struct side_by_side {
    explaining *e;
    const capture *c;
    int sample; /* in the block */
} side_by_side;

static void compare(void *ctx, int layer, const int8_t *y)
{
    const side_by_side *s = ctx;
    found *f = &s->e->of[layer + 1];
    const q8_value *v = &s->e->m->values[layer + 1];
    const nn_real *x = s->c->of[f->end->index] + (size_t)s->sample * f->count;
    for (size_t i = 0; i < f->count; i++) {
        const int q = q8_integer(v, y, i);
        const double a = (double)x[i], d = real_of(v, q) - a;
        double *reach = &f->reach[i % f->channels];
        f->signal += a * a;
        f->noise += d * d;
        f->beyond += is_beyond(v, a);
        if (!v->wide) f->codes[q + 128]++;
        *reach = fmax(*reach, fabs(a));
    }
    f->values += (int64_t)f->count;
}

static base_status run_both(explaining *e, base_arena *arena, capture *c, base_err *err)
{
    const q8_model *m = e->m;
    const size_t in = q8_input_size(m);
    int8_t *q = base_arena_alloc(arena, in, 1), *work = base_arena_alloc(arena, m->work + 1, 1);
    int8_t *out = base_arena_alloc(arena, q8_output_size(m), 1);
    float *x = base_arena_alloc(arena, in, sizeof *x);
    if (!q || !work || !out || !x) return base_nomem(err, in);
    for (int v = 0; v <= m->n_layers; v++) BASE_TRY(want(c, e->of[v].end, arena, err));
    for (size_t first = 0; first < e->n; first += BATCH) {
        const int n = capture_block(e, c, first);
        for (int s = 0; s < n; s++) {
            side_by_side both = {e, c, s};
            for (size_t i = 0; i < in; i++) x[i] = (float)e->inputs[(first + (size_t)s) * in + i];
            q8_quantize_input(m, x, q);
            compare(&both, -1, q);
            q8_observe(m, q, out, work, compare, &both);
        }
    }
    return BASE_OK;
}

/* ---- one value alone ---- */

/* Readers of a value in both widths count as if all read what it was narrowed to. */

typedef struct alone {
    const explaining *e;
    int v;
    base_arena *arena;
    capture c;
    q8_part chain, after; /* its float nodes (none for the input), and what depends on them */
    int8_t *qx[NN_MAX_IN], *qy, *scratch;
    nn_real *x[NN_MAX_IN]; /* dequantized */
    nn_real *y, *out;      /* float nodes on those; the output of the model */
} alone;

static int inputs_of(const alone *a)
{
    return a->v > 0 ? a->e->m->layers[a->v - 1].n_in : 0;
}

/* The float node that input k of its layer stands for. */
static const nn_node *input_of(const alone *a, int k)
{
    const found *f = &a->e->of[a->v];
    return f->given ? f->end : f->head->in[k];
}

static base_status make_parts(alone *a, base_err *err)
{
    const nn_model *m = &a->e->m->folded;
    const found *f = &a->e->of[a->v];
    const int n = nn_graph_nodes(m->graph);
    bool *inside = base_arena_alloc(a->arena, (size_t)n, sizeof *inside);
    bool *behind = base_arena_alloc(a->arena, (size_t)n, sizeof *behind);
    if (!inside || !behind) return base_nomem(err, (size_t)n);
    for (const nn_node *at = f->end; !f->given; at = at->in[0]) {
        inside[at->index] = true;
        if (at == f->head) break;
    }
    for (int i = f->end->index + 1; i < n; i++) {
        const nn_node *node = nn_graph_node(m->graph, i);
        for (int k = 0; k < node->n_in; k++)
            behind[i] |= node->in[k] == f->end || behind[node->in[k]->index];
    }
    if (!f->given)
        BASE_TRY(q8_part_new(m->graph, m->weights, inside, BATCH, a->arena, &a->chain, err));
    if (f->end == nn_graph_output(m->graph)) return BASE_OK;
    return q8_part_new(m->graph, m->weights, behind, BATCH, a->arena, &a->after, err);
}

static base_status make_alone(alone *a, base_err *err)
{
    const q8_model *m = a->e->m;
    const found *f = &a->e->of[a->v];
    BASE_TRY(make_parts(a, err));
    BASE_TRY(capture_new(&m->folded, a->arena, &a->c, err));
    BASE_TRY(want(&a->c, f->end, a->arena, err));
    BASE_TRY(want(&a->c, nn_graph_output(m->folded.graph), a->arena, err));
    for (int k = 0; k < a->after.n_in; k++)
        BASE_TRY(want(&a->c, nn_graph_node(m->folded.graph, a->after.from[k]), a->arena, err));
    for (int k = 0; k < inputs_of(a); k++) {
        const size_t count = (size_t)nn_count(input_of(a, k)->shape);
        BASE_TRY(want(&a->c, input_of(a, k), a->arena, err));
        a->qx[k] = base_arena_alloc(a->arena, count, sizeof(int16_t));
        a->x[k] = base_arena_alloc(a->arena, BATCH * count, sizeof(nn_real));
        if (!a->qx[k] || !a->x[k]) return base_nomem(err, BATCH * count);
    }
    a->scratch = base_arena_alloc(a->arena, m->work + 1, 1);
    a->qy = base_arena_alloc(a->arena, BATCH * f->count, sizeof(int16_t));
    a->y = base_arena_alloc(a->arena, BATCH * f->count, sizeof(nn_real));
    a->out = base_arena_alloc(a->arena, BATCH * q8_output_size(m), sizeof(nn_real));
    return a->scratch && a->qy && a->y && a->out ? BASE_OK : base_nomem(err, BATCH * f->count);
}

/* The kernel's outputs on quantized float inputs (a->qy), and the float nodes' on those (a->y). */
static void run_alone(alone *a, int n)
{
    const q8_model *m = a->e->m;
    const found *f = &a->e->of[a->v];
    if (a->v == 0) {
        const nn_real *x = a->c.of[f->end->index];
        memcpy(a->y, x, (size_t)n * f->count * sizeof *x);
        for (size_t i = 0; i < (size_t)n * f->count; i++)
            quantize(&m->values[0], (double)x[i], a->qy, i);
        return;
    }
    const q8_layer *l = &m->layers[a->v - 1];
    for (int s = 0; s < n; s++) {
        for (int k = 0; k < l->n_in; k++) {
            const nn_node *in = input_of(a, k);
            const q8_value *q = &m->values[l->in[k]];
            const size_t count = (size_t)nn_count(in->shape), at = (size_t)s * count;
            for (size_t i = 0; i < count; i++) {
                quantize(q, (double)a->c.of[in->index][at + i], a->qx[k], i);
                a->x[k][at + i] = (nn_real)real_of(q, q8_integer(q, a->qx[k], i));
            }
        }
        q8_layer_run(&l->l, (const int8_t *const *)a->qx, a->qy + (size_t)s * m->values[a->v].size,
                     a->scratch);
    }
    if (f->given) {
        memcpy(a->y, a->x[0], (size_t)n * f->count * sizeof *a->y);
        return;
    }
    const nn_real *in[NN_MAX_IN] = {0};
    for (int j = 0; j < a->chain.n_in; j++)
        for (int k = 0; k < l->n_in; k++)
            if (f->head->in[k]->index == a->chain.from[j]) in[j] = a->x[k];
    nn_net_forward(a->chain.net, in, n, a->y);
}

/* Own errors counted, and added to the float values of the node. */
static void take_errors(alone *a, int n)
{
    found *f = &a->e->of[a->v];
    const q8_value *v = &a->e->m->values[a->v];
    nn_real *x = a->c.of[f->end->index];
    for (size_t i = 0; i < (size_t)n * f->count; i++) {
        const size_t c = i % f->count % f->channels;
        const double e = real_of(v, q8_integer(v, a->qy, i)) - (double)a->y[i] - f->mean[c];
        f->own += e * e;
        f->clipped += is_beyond(v, (double)a->y[i]) ? e * e : 0.0;
        f->shift[c] += e;
        x[i] += (nn_real)e;
    }
}

/* The mean of the own errors of each channel, which is then left out. */
static void find_means(alone *a)
{
    found *f = &a->e->of[a->v];
    for (size_t first = 0; first < a->e->n; first += BATCH) {
        const int n = capture_block(a->e, &a->c, first);
        run_alone(a, n);
        take_errors(a, n);
    }
    for (size_t c = 0; c < f->channels; c++) {
        f->mean[c] = f->shift[c] / (double)(a->e->n * (f->count / f->channels));
        f->shift[c] = 0.0;
    }
    f->own = f->clipped = 0.0;
}

static base_status carry_errors(alone *a, const nn_real **in, base_err *err)
{
    const nn_graph *g = a->e->m->folded.graph;
    found *f = &a->e->of[a->v];
    const nn_node *last = nn_graph_output(g);
    const size_t outs = q8_output_size(a->e->m);
    nn_real *truth = base_arena_alloc(a->arena, BATCH * outs, sizeof *truth);
    if (!truth) return base_nomem(err, BATCH * outs);
    for (int k = 0; k < a->after.n_in; k++) in[k] = a->c.of[a->after.from[k]];
    if (a->e->corrected) find_means(a);
    for (size_t first = 0; first < a->e->n; first += BATCH) {
        const int n = capture_block(a->e, &a->c, first);
        memcpy(truth, a->c.of[last->index], (size_t)n * outs * sizeof *truth);
        run_alone(a, n);
        take_errors(a, n);
        const nn_real *out = a->c.of[last->index]; /* with its own errors when it is the value */
        if (a->after.net) {
            nn_net_forward(a->after.net, in, n, a->out);
            out = a->out;
        }
        for (size_t i = 0; i < (size_t)n * outs; i++) {
            const double t = (double)truth[i], d = (double)out[i] - t;
            f->out_signal += t * t;
            f->out_noise += d * d;
        }
    }
    return BASE_OK;
}

static void explain_value(void *ctx, int v)
{
    explaining *e = ctx;
    base_err *err = &e->of[v].err;
    alone a = {.e = e, .v = v, .arena = base_arena_new()};
    base_status status = a.arena ? make_alone(&a, err) : base_nomem(err, 1);
    if (status == BASE_OK) {
        const nn_real **in = base_arena_alloc(a.arena, (size_t)a.after.n_in + 1, sizeof *in);
        if (in)
            carry_errors(&a, in, err);
        else
            base_nomem(err, 1);
    }
    q8_part_free(&a.chain);
    q8_part_free(&a.after);
    nn_net_free(a.c.net);
    base_arena_free(a.arena);
}

/* ---- what it says ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* How much further the widest channel reaches than the median one. */
static double unevenness(const found *f)
{
    qsort(f->reach, f->channels, sizeof *f->reach, by_size);
    const double median = f->reach[f->channels / 2];
    return median > 0.0 ? f->reach[f->channels - 1] / median : 1.0;
}

/* Steps of the 256 between which the middle 99.9 % of the values lie. */
static int steps_used(const found *f)
{
    const int64_t outer = f->values / 2000;
    int lo = 0, hi = 255;
    for (int64_t n = f->codes[0]; lo < 255 && n <= outer; n += f->codes[lo]) lo++;
    for (int64_t n = f->codes[255]; hi > lo && n <= outer; n += f->codes[hi]) hi--;
    return hi - lo + 1;
}

static void find_fault(const found *f, quant_row *r)
{
    const double values = (double)f->values, each = values / (double)f->channels;
    const double coarse = f->own / values * 12.0 / (r->quant.scale * r->quant.scale);
    double shifted = 0.0;
    for (size_t c = 0; c < f->channels; c++) shifted += f->shift[c] * f->shift[c] / each;
    const struct {
        bool is;
        quant_fault fault;
        double measure;
    } faults[] = {
        {f->clipped > 0.5 * f->own, QUANT_CLIPPED, f->clipped / f->own},
        {shifted > 0.25 * f->own, QUANT_SHIFTED, shifted / f->own},
        {r->wide, QUANT_WEIGHTS, 0.0},
        {coarse > 4.0, QUANT_COARSE, coarse},
        {(f->head->op->flags & NN_SAME_QUANT) && steps_used(f) < 64, QUANT_SHARED,
         (double)steps_used(f)},
        {unevenness(f) > 8.0, QUANT_UNEVEN, unevenness(f)},
        {steps_used(f) < 64, QUANT_WIDE, (double)steps_used(f)},
        {true, QUANT_ROUNDING, 0.0},
    };
    size_t i = 0;
    while (!faults[i].is) i++;
    r->fault = faults[i].fault;
    r->measure = faults[i].measure;
}

void quant_advice(const quant_row *r, q8_options done, base_str *text)
{
    const double m = r->measure;
    switch (r->fault) {
    case QUANT_CLIPPED:
        base_str_add(text, "%.0f %% of its error is clipping: ", 100.0 * m);
        base_str_add(text, done.range == Q8_RANGE_MINMAX
                               ? "these clips go beyond those of calibration; more --clips"
                               : "--range minmax, or percentile with a higher --percentile");
        break;
    case QUANT_SHIFTED:
        base_str_add(text,
                     "%.0f %% of its error is a shift of the mean: quantize without "
                     "--no-bias-correction",
                     100.0 * m);
        break;
    case QUANT_COARSE:
        base_str_add(text, "its error is %.0f times that of rounding its values: ", m);
        if (r->weight_bits == 4)
            base_str_add(text, "that of weights in 4 bits; --weights %s=8", r->name);
        else
            base_str_add(text, "weights too uneven for 8 bits; %strain with more weight decay",
                         done.equalize ? "" : "quantize without --no-equalize, or ");
        break;
    case QUANT_SHARED:
        base_str_add(text,
                     "it keeps the range of its input, of which 99.9 %% of its values use %.0f of "
                     "256 steps: --activations %s=16",
                     m, r->name);
        break;
    case QUANT_UNEVEN:
        base_str_add(text, "one channel reaches %.0f times as far as the median: ", m);
        base_str_add(text, done.equalize ? "no layer behind it can take that over; train with more "
                                           "weight decay"
                                         : "quantize without --no-equalize");
        break;
    case QUANT_WIDE:
        base_str_add(text, "99.9 %% of its values use %.0f of 256 steps: --range %s", m,
                     done.range == Q8_RANGE_MSE ? "percentile" : "mse");
        break;
    case QUANT_WEIGHTS:
        base_str_add(text, "its values have 16 bits: it is the rounding of its weights");
        break;
    case QUANT_ROUNDING:
        if (r->can_widen)
            base_str_add(text, "rounding to 8 bits: --activations %s=16, and so for what reads it",
                         r->name);
        else if (strcmp(r->op, "narrow") == 0)
            base_str_add(text, "rounding to 8 bits for what reads it");
        else
            base_str_add(text, "rounding to 8 bits, which no option changes");
        break;
    }
}

static int by_error(const void *a, const void *b)
{
    const quant_row *x = a, *y = b;
    return x->error > y->error ? -1 : x->error < y->error;
}

static int weight_bits_of(const q8_model *m, int value)
{
    if (value == 0) return 0;
    const nn_node *n = nn_graph_node(m->folded.graph, m->layers[value - 1].node);
    if (n->n_params == 0 || n->param[0].role != NN_WEIGHT) return 0;
    return m->layers[value - 1].l.kernel->unpacked ? 4 : 8;
}

static base_status make_rows(const explaining *e, quant_explanation *x, base_err *err)
{
    const int n = e->m->n_layers + 1;
    x->row = base_arena_alloc(x->arena, (size_t)n, sizeof *x->row);
    if (!x->row) return base_nomem(err, (size_t)n);
    for (int v = 0; v < n; v++) {
        const found *f = &e->of[v];
        const q8_value *q = &e->m->values[v];
        const bool converts = v > 0 && f->given;
        if (converts && q->wide) continue; /* exact */
        quant_row *r = &x->row[x->n++];
        *r = (quant_row){.name = v > 0 ? e->m->layers[v - 1].name : f->head->name,
                         .op = converts ? "narrow" : f->head->op->name,
                         .place = x->n - 1,
                         .weight_bits = converts ? 0 : weight_bits_of(e->m, v),
                         .quant = q->quant,
                         .wide = q->wide,
                         .can_widen = !f->given && q8_has_wide(f->head),
                         .saturated = (double)f->beyond / (double)f->values,
                         .sqnr = decibels(f->signal, f->noise),
                         .own_sqnr = decibels(f->signal, f->own),
                         .error = f->out_noise / f->out_signal};
        r->lo = real_of(q, least(q));
        r->hi = real_of(q, most(q));
        find_fault(f, r);
        x->sum += r->error;
    }
    for (int i = 0; i < x->n; i++) x->row[i].share = x->row[i].error / x->sum;
    x->error = e->of[n - 1].noise / e->of[n - 1].signal;
    qsort(x->row, (size_t)x->n, sizeof *x->row, by_error);
    return BASE_OK;
}

static base_status explain(explaining *e, int threads, quant_explanation *x, base_err *err)
{
    const q8_model *m = e->m;
    const int values = m->n_layers + 1;
    BASE_TRY(q8_check_inputs(m->folded.graph, e->n, err));
    e->of = base_arena_alloc(x->arena, (size_t)values, sizeof *e->of);
    if (!e->of) return base_nomem(err, (size_t)values);
    for (int v = 0; v < values; v++) {
        found *f = &e->of[v];
        const nn_graph *g = m->folded.graph;
        f->head = v ? nn_graph_node(g, m->layers[v - 1].node) : nn_graph_input(g, 0);
        f->end = v ? nn_graph_node(g, m->layers[v - 1].end) : f->head;
        f->given = v == 0 || m->layers[v - 1].converts;
        f->count = (size_t)nn_count(m->values[v].shape);
        f->channels = (size_t)f->head->shape.d[f->head->shape.n - 1];
        f->reach = base_arena_alloc(x->arena, f->channels, sizeof *f->reach);
        f->shift = base_arena_alloc(x->arena, f->channels, sizeof *f->shift);
        f->mean = base_arena_alloc(x->arena, f->channels, sizeof *f->mean);
        if (!f->reach || !f->shift || !f->mean) return base_nomem(err, f->channels);
    }
    capture c = {0};
    base_arena *arena = base_arena_new();
    base_status status = arena ? capture_new(&m->folded, arena, &c, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = run_both(e, arena, &c, err);
    nn_net_free(c.net);
    base_arena_free(arena);
    BASE_TRY(status);
    base_pool *pool = NULL;
    BASE_TRY(base_pool_new(threads, &pool, err));
    base_pool_run(pool, values, explain_value, e);
    base_pool_free(pool);
    for (int v = 0; v < values; v++) {
        if (e->of[v].err.status == BASE_OK) continue;
        if (err) *err = e->of[v].err;
        return e->of[v].err.status;
    }
    return make_rows(e, x, err);
}

base_status quant_explain(const q8_model *m, const nn_real *inputs, size_t n, bool corrected,
                          int threads, quant_explanation *x, base_err *err)
{
    *x = (quant_explanation){.arena = base_arena_new()};
    if (!x->arena) return base_nomem(err, 1);
    explaining e = {.m = m, .inputs = inputs, .n = n, .corrected = corrected};
    const base_status status = explain(&e, threads, x, err);
    if (status != BASE_OK) quant_explanation_free(x);
    return status;
}

void quant_explanation_free(quant_explanation *x)
{
    base_arena_free(x->arena);
    *x = (quant_explanation){0};
}
