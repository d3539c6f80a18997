/* calibrate: a range for every activation from what real clips give, in two passes: extremes, then
 * a histogram between them, from which the range is cut. The mean square error of a range [lo, hi]
 * is taken as step^2 / 12 for what lies inside (rounding; exact zeros cost nothing, as 0 is always
 * representable) plus the square of what is cut off, as in Banner et al., arXiv 1810.05723. The
 * divergence is that of Migacz, "8-bit inference with TensorRT" (GTC 2017), as MXNet has it too,
 * but for a range with a zero point: both ends are cut at the same distance from 0.
 */
#include "quantize/internal.h"

#include <math.h>

enum { BINS = 2048, GRID = 128, CALIBRATION_BATCH = 32 };

typedef struct seen {
    bool wanted;
    double lo, hi;
    uint64_t *bins; /* BINS, second pass only */
    uint64_t zeros, count;
} seen;

typedef struct watcher {
    seen *nodes;
    bool counting;
    const nn_node *broken; /* first node with a value that is not finite */
} watcher;

static void see_extremes(seen *s, const nn_real *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double v = (double)y[i];
        if (v < s->lo) s->lo = v;
        if (v > s->hi) s->hi = v;
    }
}

static void see_counts(seen *s, const nn_real *y, size_t n)
{
    const double per = s->hi > s->lo ? BINS / (s->hi - s->lo) : 0.0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)y[i];
        if (v == 0.0) {
            s->zeros++;
            continue;
        }
        const int bin = (int)((v - s->lo) * per);
        s->bins[bin < BINS ? bin : BINS - 1]++;
    }
    s->count += n;
}

static void observe(void *ctx, const nn_node *node, const nn_real *y, int samples)
{
    watcher *w = ctx;
    seen *s = &w->nodes[node->index];
    const size_t n = (size_t)samples * (size_t)nn_count(node->shape);
    for (size_t i = 0; i < n && !w->broken; i++)
        if (!isfinite(y[i])) w->broken = node;
    if (!s->wanted || w->broken) return;
    if (w->counting)
        see_counts(s, y, n);
    else
        see_extremes(s, y, n);
}

/* Sums over the histogram up to each bin edge: count, value, value^2. */
typedef struct moments {
    double n[BINS + 1], x[BINS + 1], xx[BINS + 1];
} moments;

static void sum_up(const seen *s, moments *m)
{
    m->n[0] = m->x[0] = m->xx[0] = 0.0;
    for (int b = 0; b < BINS; b++) {
        const double c = (double)s->bins[b], v = s->lo + (s->hi - s->lo) * (b + 0.5) / BINS;
        m->n[b + 1] = m->n[b] + c;
        m->x[b + 1] = m->x[b] + c * v;
        m->xx[b + 1] = m->xx[b] + c * v * v;
    }
}

static int edge_of(const seen *s, double v)
{
    const double b = (v - s->lo) / (s->hi - s->lo) * BINS;
    return b < 0.0 ? 0 : b > BINS ? BINS : (int)b;
}

/* Sum of squared errors with range [lo, hi], lo <= 0 <= hi. */
static double squared_error(const seen *s, const moments *m, double lo, double hi)
{
    const int a = edge_of(s, lo), b = edge_of(s, hi);
    const double step = (hi - lo) / 255.0;
    const double below = m->xx[a] - 2.0 * lo * m->x[a] + lo * lo * m->n[a];
    const double n = m->n[BINS] - m->n[b], x = m->x[BINS] - m->x[b], xx = m->xx[BINS] - m->xx[b];
    const double above = xx - 2.0 * hi * x + hi * hi * n;
    return below + above + (m->n[b] - m->n[a]) * step * step / 12.0;
}

static void cut_by_error(const seen *s, const moments *m, double *lo, double *hi)
{
    double best = HUGE_VAL;
    const double low = fmin(s->lo, 0.0), high = fmax(s->hi, 0.0);
    for (int i = 1; i <= (low < 0.0 ? GRID : 1); i++)
        for (int j = 1; j <= (high > 0.0 ? GRID : 1); j++) {
            const double a = low * i / GRID, b = high * j / GRID;
            const double e = squared_error(s, m, a, b);
            if (e < best) {
                best = e;
                *lo = a;
                *hi = b;
            }
        }
}

/* Kullback-Leibler divergence of the histogram, with what lies beyond the bins a .. b-1 moved into
 * the outermost of them, from the same in 256 levels, of which each spreads the values that are
 * really inside evenly over those of its bins that are not empty. */
static double divergence(const seen *s, const moments *m, int a, int b)
{
    enum { LEVELS = 256 };
    const double least = 1e-6; /* share of a bin that a level without values has */
    const double all = m->n[BINS], inside = m->n[b] - m->n[a];
    double sum = 0.0;
    for (int l = 0, from = a; l < LEVELS; l++) {
        const int to = a + (int)((int64_t)(b - a) * (l + 1) / LEVELS);
        double p[BINS / LEVELS + 1];
        int filled = 0;
        for (int i = from; i < to; i++) {
            const double beyond = (i == a ? m->n[a] : 0.0) + (i == b - 1 ? all - m->n[b] : 0.0);
            p[i - from] = ((double)s->bins[i] + beyond) / all;
            filled += p[i - from] > 0.0;
        }
        const double level = inside > 0.0 ? (m->n[to] - m->n[from]) / inside : 0.0;
        for (int i = from; i < to; i++)
            if (p[i - from] > 0.0)
                sum += p[i - from] * log(p[i - from] / fmax(level / filled, least));
        from = to;
    }
    return sum;
}

static void cut_by_divergence(const seen *s, const moments *m, double *lo, double *hi)
{
    double best = HUGE_VAL;
    const double low = fmin(s->lo, 0.0), high = fmax(s->hi, 0.0), far = fmax(-low, high);
    for (int i = 1; i <= GRID; i++) {
        const double a = fmax(low, -far * i / GRID), b = fmin(high, far * i / GRID);
        const int from = edge_of(s, a), to = edge_of(s, b);
        if (to - from < BINS / 8) continue; /* as many bins as levels at least */
        const double e = divergence(s, m, from, to);
        if (e < best) {
            best = e;
            *lo = a;
            *hi = b;
        }
    }
}

static void cut_by_share(const seen *s, const moments *m, double share, double *lo, double *hi)
{
    const double outer = share * (double)s->count;
    int a = 0, b = BINS;
    while (a < BINS && m->n[a + 1] <= outer) a++;
    while (b > 0 && m->n[BINS] - m->n[b - 1] <= outer) b--;
    *lo = fmin(s->lo + (s->hi - s->lo) * a / BINS, 0.0);
    *hi = fmax(s->lo + (s->hi - s->lo) * b / BINS, 0.0);
}

nn_quant q8_quant_of_range(double lo, double hi)
{
    lo = fmin(lo, 0.0);
    hi = fmax(hi, 0.0);
    double scale = (double)(float)((hi - lo) / 255.0);
    if (!(scale > 1e-12)) scale = 1.0; /* always 0: any scale represents it */
    const double zero = round(-128.0 - lo / scale);
    return (nn_quant){scale, (int)fmax(-128.0, fmin(127.0, zero))};
}

static nn_quant choose(const seen *s, q8_options o, moments *m)
{
    double lo = s->lo, hi = s->hi;
    if (hi <= lo) return q8_quant_of_range(lo, hi);
    if (o.range != Q8_RANGE_MINMAX) sum_up(s, m);
    const double kept = o.percentile > 0.0 ? o.percentile : 99.99;
    if (o.range == Q8_RANGE_PERCENTILE) cut_by_share(s, m, (100.0 - kept) / 200.0, &lo, &hi);
    if (o.range == Q8_RANGE_MSE) cut_by_error(s, m, &lo, &hi);
    if (o.range == Q8_RANGE_KL) cut_by_divergence(s, m, &lo, &hi);
    return q8_quant_of_range(lo, hi);
}

/* One pass over the calibration samples. */
static base_status pass(nn_net *net, const nn_graph *g, const nn_real *inputs, size_t n, watcher *w,
                        base_err *err)
{
    const size_t in = (size_t)nn_count(nn_graph_input(g, 0)->shape);
    for (size_t i = 0; i < n && !w->broken; i += CALIBRATION_BATCH) {
        const nn_real *x = inputs + i * in;
        const size_t left = n - i;
        nn_net_observe(net, &x, left < CALIBRATION_BATCH ? (int)left : CALIBRATION_BATCH, NULL,
                       observe, w);
    }
    if (!w->broken) return BASE_OK;
    base_fail(err, BASE_MISMATCH, "%s '%s' gives values that are not finite", w->broken->op->name,
              w->broken->name);
    return base_hint(err, "the model has diverged: train it again with a lower learning rate");
}

static base_status observe_all(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                               size_t n, watcher *w, base_err *err)
{
    nn_net *net = NULL;
    const nn_net_options o = {.batch = CALIBRATION_BATCH, .shards = 1};
    BASE_TRY(nn_net_new(g, o, &net, err));
    nn_real *own = nn_net_weights(net);
    for (size_t i = 0; i < nn_graph_params(g); i++) own[i] = weights[i];
    base_status status = pass(net, g, inputs, n, w, err);
    w->counting = true;
    if (status == BASE_OK) status = pass(net, g, inputs, n, w, err);
    nn_net_free(net);
    return status;
}

static void give(const q8_chains *c, int head, nn_quant q, nn_quant *quant)
{
    quant[head] = q;
    for (int at = head; at != c->tail[head];) {
        at = c->only[at];
        quant[at] = q;
    }
}

/* Whether the quantization of the chain is its own: of the values that its range saw. */
static bool chooses(const nn_node *n, const bool *wide)
{
    if (n->n_in == 0 || wide[n->index]) return true; /* wide: it is narrowed to that */
    return n->op->lower && !(n->op->flags & NN_SAME_QUANT) && !(n->op->fixed.scale > 0);
}

/* Inputs of such a node that nothing else reads are spared a second rounding. */
static void share(const nn_graph *g, const q8_chains *c, const nn_node *n, const bool *wide,
                  nn_quant *quant)
{
    for (int k = 0; k < n->n_in; k++) {
        const int from = n->in[k]->index, head = c->head[from];
        if (c->readers[from] == 1 && chooses(nn_graph_node(g, head), wide))
            give(c, head, quant[n->index], quant);
    }
}

/* Hand the choice of each chain to its nodes, inputs first. */
static void assign(const nn_graph *g, const q8_chains *c, const seen *nodes, const bool *wide,
                   q8_options o, moments *m, nn_quant *quant)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (!c->live[i] || c->head[i] != i) continue;
        const bool fixed = n->op->fixed.scale > 0;
        give(c, i,
             chooses(n, wide) ? choose(&nodes[c->range[i]], o, m)
             : fixed          ? n->op->fixed
                              : quant[n->in[0]->index],
             quant);
    }
    for (int i = nn_graph_nodes(g) - 1; i >= 0; i--) {
        const nn_node *n = nn_graph_node(g, i);
        if (c->live[i] && (n->op->flags & NN_SHARES_QUANT)) share(g, c, n, wide, quant);
    }
}

static base_status calibrate(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                             size_t n, q8_options o, base_arena *arena, nn_quant *quant,
                             base_err *err)
{
    const int count = nn_graph_nodes(g);
    q8_chains c;
    BASE_TRY(q8_chains_make(g, arena, &c, err));
    watcher w = {.nodes = base_arena_alloc(arena, (size_t)count, sizeof *w.nodes)};
    moments *m = base_arena_alloc(arena, 1, sizeof *m);
    bool *wide = base_arena_alloc(arena, (size_t)count, sizeof *wide);
    if (!w.nodes || !m || !wide) return base_nomem(err, sizeof *m);
    if (o.activations) BASE_TRY(q8_choose_wide(g, o.activations, arena, wide, err));
    for (int i = 0; i < count; i++) {
        seen *s = &w.nodes[c.range[c.head[i]]];
        if (!c.live[i] || s->wanted) continue;
        *s = (seen){.wanted = true, .lo = HUGE_VAL, .hi = -HUGE_VAL};
        s->bins = base_arena_alloc(arena, BINS, sizeof *s->bins);
        if (!s->bins) return base_nomem(err, BINS * sizeof *s->bins);
    }
    BASE_TRY(observe_all(g, weights, inputs, n, &w, err));
    assign(g, &c, w.nodes, wide, o, m, quant);
    return BASE_OK;
}

base_status q8_check_inputs(const nn_graph *g, size_t n, base_err *err)
{
    if (n == 0) return base_fail(err, BASE_DATA, "there is no clip to calibrate with");
    if (nn_graph_input(g, 0) && !nn_graph_input(g, 1)) return BASE_OK;
    return base_fail(err, BASE_USAGE, "an int8 model has one input, this graph has %s",
                     nn_graph_input(g, 0) ? "several" : "none");
}

base_status q8_calibrate(const nn_graph *g, const nn_real *weights, const nn_real *inputs, size_t n,
                         q8_options o, nn_quant *quant, base_err *err)
{
    BASE_TRY(q8_check_inputs(g, n, err));
    base_arena *arena = base_arena_new();
    if (!arena) return base_nomem(err, 1);
    const base_status status = calibrate(g, weights, inputs, n, o, arena, quant, err);
    base_arena_free(arena);
    return status;
}
