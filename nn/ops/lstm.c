/* lstm: x [T, rest...] -> y [T, 1, R], or [R] with sequence=no; long short-term memory (Hochreiter
 * and Schmidhuber 1997, with the forget gate of Gers et al. 2000). In every frame, with x_t as a
 * row of I numbers, v_0 = 0, c_0 = 0 and s the logistic function,
 *
 *   [i f g o] = x_t W + v U + b
 *   i = s(i + p_i c),  f = s(f + p_f c),  g = tanh(g)     p: with peephole=yes (Gers and
 *   c' = f c + i g,    o = s(o + p_o c')                  Schmidhuber 2000), a product per unit
 *   v' = o tanh(c'), or with projection=P  (o tanh(c')) Q (Sak et al., arXiv 1402.1128)
 *
 * y is v'. R is P, or H units without projection. W [I, 4H] "weight", U [R, 4H] "recurrent", b [4H]
 * "bias", p [3, H] "peephole", Q [H, P] "projection"; the columns are i, f, g, o. The bias of f
 * starts at 1, so that a new network remembers (Jozefowicz et al., ICML 2015). reverse=yes walks
 * time from the last frame to the first, y stays in the order of x. sequence=no gives v after the
 * last step.
 *
 * Backward: with dm the gradient of m = o tanh(c'),
 *
 *   do = dm tanh(c') o (1 - o),  dc' += dm o (1 - tanh(c')^2) + do p_o
 *   di = dc' g i (1 - i),  df = dc' c f (1 - f),  dg = dc' i (1 - g^2)
 *   dc = dc' f + di p_i + df p_f,  dv = [di df dg do] U^T
 *
 * What forward saved turns into gradients where it lies, so that those of the weights are products
 * over all steps.
 */
#include "quantize/runtime/lstm.h"
#include "nn/blas.h"
#include "nn/op.h"
#include "nn/product.h"
#include "nn/recurrent.h"

#include <math.h>
#include <string.h>

typedef struct lstm {
    int units, projection;
    bool peephole, reverse, sequence;
} lstm;

static const nn_attr attrs[] = {
    {"units", NN_INT, offsetof(lstm, units), NULL, 1, 65536, "memory cells", false},
    {"peephole", NN_YESNO, offsetof(lstm, peephole), "no", 0, 0, "gates see the cells", false},
    {"projection", NN_INT, offsetof(lstm, projection), "0", 0, 65536,
     "numbers put out and fed back in place of one a cell, 0: none", false},
    {"reverse", NN_YESNO, offsetof(lstm, reverse), "no", 0, 0, "from the last frame to the first",
     false},
    {"sequence", NN_YESNO, offsetof(lstm, sequence), "yes", 0, 0,
     "what every frame puts out, not only the last", false},
};

enum { WEIGHT, RECURRENT, BIAS, PEEPHOLE }; /* the projection is the last one */

static base_status shape(nn_node *n, base_err *err)
{
    const lstm *p = n->attrs;
    int in, h = p->units, out = p->projection ? p->projection : h;
    BASE_TRY(nn_recurrent_shape(n, out, p->sequence, &in, err));
    nn_declare(n, "weight", (nn_shape){2, {in, 4 * h}}, NN_WEIGHT, NN_GLOROT_UNIFORM, in, h);
    nn_declare(n, "recurrent", (nn_shape){2, {out, 4 * h}}, NN_WEIGHT, NN_GLOROT_UNIFORM, out, h);
    nn_declare(n, "bias", (nn_shape){1, {4 * h}}, NN_BIAS, NN_FORGET_BIAS, in, h);
    if (p->peephole) nn_declare(n, "peephole", (nn_shape){2, {3, h}}, NN_WEIGHT, NN_ZEROS, 1, 1);
    if (p->projection)
        nn_declare(n, "projection", (nn_shape){2, {h, out}}, NN_WEIGHT, NN_GLOROT_UNIFORM, h, out);
    return BASE_OK;
}

static nn_recurrent recurrent_of(const nn_node *n, int batch)
{
    const lstm *p = n->attrs;
    nn_shape x = n->in[0]->shape;
    return (nn_recurrent){.batch = batch,
                          .frames = x.d[0],
                          .in = (int)(nn_count(x) / x.d[0]),
                          .gates = 4 * p->units,
                          .out = p->projection ? p->projection : p->units,
                          .reverse = p->reverse,
                          .sequence = p->sequence};
}

/* What the steps work on. */
typedef struct work {
    nn_recurrent r;
    int h;
    const nn_real *u, *peephole, *projection; /* the last two NULL where there are none */
    nn_history gates;                         /* i, f, g, o: before, then after their functions */
    nn_history before, cells;                 /* v and c that the step begins with */
    nn_history squashed;                      /* tanh(c') */
    nn_real *hidden, *value; /* [batch, H]: o tanh(c'), [batch, R]: v'; the same unprojected */
} work;

/* In training everything is kept for backward, else only the gates are there for every frame. */
static work work_of(const nn_recurrent *r, const nn_node *n, const nn_args *a, bool keep)
{
    const lstm *p = n->attrs;
    work k = {.r = *r, .h = p->units, .u = a->w[RECURRENT]};
    nn_history (*rows)(const nn_recurrent *, int, nn_real **) =
        keep ? nn_history_every : nn_history_last;
    nn_real *scratch = a->scratch, **memory = &scratch, *kept = a->saved;
    if (keep) memory = &kept;
    if (p->peephole) k.peephole = a->w[PEEPHOLE];
    if (p->projection) k.projection = a->w[n->n_params - 1];
    k.gates = nn_history_every(r, r->gates, memory);
    k.before = rows(r, r->out, memory);
    k.cells = rows(r, k.h, memory);
    k.squashed = rows(r, k.h, memory);
    k.hidden = scratch;
    k.value = k.projection ? k.hidden + (ptrdiff_t)r->batch * k.h : k.hidden;
    return k;
}

static size_t saved(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    size_t h = (size_t)r.gates / 4;
    return (size_t)batch * (size_t)r.frames * (6 * h + (size_t)r.out);
}

/* As in work_of for evaluation; backward needs less (back_of), also with its R numbers a step. */
static size_t scratch(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    size_t h = (size_t)r.gates / 4, out = (size_t)r.out;
    size_t frame = 4 * h > out ? 4 * h : out;
    return (size_t)batch * ((size_t)r.frames * frame + 3 * h + 2 * out);
}

/* Gates and cells of one sample, from the sums of the products. cell: c, next: c' or NULL. */
static void cell_step(const work *k, nn_real *gates, const nn_real *cell, nn_real *next,
                      nn_real *squashed, nn_real *hidden)
{
    int h = k->h;
    nn_real *i = gates, *f = i + h, *g = f + h, *o = g + h;
    for (int j = 0; k->peephole && j < h; j++) {
        i[j] += k->peephole[j] * cell[j];
        f[j] += k->peephole[h + j] * cell[j];
    }
    nn_recurrent_logistic(i, 2 * h);
    nn_recurrent_tanh(g, h);
    for (int j = 0; j < h; j++) squashed[j] = f[j] * cell[j] + i[j] * g[j];
    for (int j = 0; k->peephole && j < h; j++) o[j] += k->peephole[2 * h + j] * squashed[j];
    if (next) memcpy(next, squashed, (size_t)h * sizeof *next);
    nn_recurrent_logistic(o, h);
    nn_recurrent_tanh(squashed, h);
    for (int j = 0; j < h; j++) hidden[j] = o[j] * squashed[j];
}

/* Step s up to v', for the whole batch. */
static void step(const work *k, int s)
{
    const nn_recurrent *r = &k->r;
    int t = nn_recurrent_frame(r, s), h = k->h;
    nn_gemm(false, false, r->batch, r->gates, r->out, nn_history_row(k->before, 0, t),
            k->before.sample, k->u, r->gates, 1, nn_history_row(k->gates, 0, t), k->gates.sample);
    for (int b = 0; b < r->batch; b++)
        cell_step(k, nn_history_row(k->gates, b, t), nn_history_row(k->cells, b, t),
                  nn_recurrent_next(r, k->cells, b, s), nn_history_row(k->squashed, b, t),
                  k->hidden + (ptrdiff_t)b * h);
    if (k->projection)
        nn_gemm(false, false, r->batch, r->out, h, k->hidden, h, k->projection, r->out, 0, k->value,
                r->out);
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_recurrent r = recurrent_of(n, a->batch);
    work k = work_of(&r, n, a, a->training);
    int first = nn_recurrent_frame(&r, 0);
    nn_recurrent_input(&r, a->x[0], a->w[WEIGHT], a->w[BIAS], k.gates.v);
    for (int b = 0; b < r.batch; b++) {
        memset(nn_history_row(k.before, b, first), 0, (size_t)r.out * sizeof *k.value);
        memset(nn_history_row(k.cells, b, first), 0, (size_t)k.h * sizeof *k.value);
    }
    for (int s = 0; s < r.frames; s++) {
        step(&k, s);
        nn_recurrent_emit(&r, s, k.value, a->y, k.before);
    }
}

/* One sample of a step backward: gates become their gradients, dc that of the cells before,
 * tanh(c') the hidden value. dp: gradient of the peephole weights or NULL. */
static void cell_backward(const work *k, int b, int t, const nn_real *dm, nn_real *dc, nn_real *dp)
{
    int h = k->h;
    const nn_real *cell = nn_history_row(k->cells, b, t), *p = k->peephole;
    nn_real *gi = nn_history_row(k->gates, b, t), *gf = gi + h, *gg = gf + h, *go = gg + h;
    nn_real *squashed = nn_history_row(k->squashed, b, t);
    for (int j = 0; j < h; j++) {
        nn_real i = gi[j], f = gf[j], g = gg[j], o = go[j], q = squashed[j], c = cell[j];
        nn_real d_o = dm[j] * q * o * (1 - o), d = dc[j] + dm[j] * o * (1 - q * q);
        if (p) d += d_o * p[2 * h + j];
        nn_real d_i = d * g * i * (1 - i), d_f = d * c * f * (1 - f);
        dc[j] = d * f;
        if (p) {
            dc[j] += d_i * p[j] + d_f * p[h + j];
            dp[j] += d_i * c;
            dp[h + j] += d_f * c;
            dp[2 * h + j] += d_o * (f * c + i * g);
        }
        gi[j] = d_i;
        gf[j] = d_f;
        gg[j] = d * i * (1 - g * g);
        go[j] = d_o;
        squashed[j] = o * q;
    }
}

/* Memory of backward. dvalue [batch, R]: of v' of the step, then of v. */
typedef struct back {
    nn_real *dvalue, *dc, *dm; /* dm is dvalue without projection */
    nn_history projected;      /* dvalue of all steps, for the gradient of the projection */
    nn_real *dpeephole;
} back;

static back back_of(const work *k, const nn_args *a)
{
    const nn_recurrent *r = &k->r;
    back m = {.dvalue = a->scratch, .dpeephole = k->peephole ? a->dw[PEEPHOLE] : NULL};
    m.dc = m.dvalue + (ptrdiff_t)r->batch * r->out;
    m.dm = m.dc + (ptrdiff_t)r->batch * k->h;
    nn_real *rest = m.dm + (ptrdiff_t)r->batch * k->h;
    if (k->projection)
        m.projected = nn_history_every(r, r->out, &rest);
    else
        m.dm = m.dvalue;
    memset(m.dvalue, 0, (size_t)(r->batch * (r->out + k->h)) * sizeof *m.dvalue);
    return m;
}

static void steps_backward(const work *k, const back *m, const nn_real *dy)
{
    const nn_recurrent *r = &k->r;
    int h = k->h, out = r->out;
    for (int s = r->frames - 1; s >= 0; s--) {
        int t = nn_recurrent_frame(r, s);
        nn_recurrent_collect(r, s, dy, m->dvalue);
        for (int b = 0; k->projection && b < r->batch; b++)
            memcpy(nn_history_row(m->projected, b, t), m->dvalue + (ptrdiff_t)b * out,
                   (size_t)out * sizeof *m->dvalue);
        if (k->projection)
            nn_gemm(false, true, r->batch, h, out, m->dvalue, out, k->projection, out, 0, m->dm, h);
        for (int b = 0; b < r->batch; b++)
            cell_backward(k, b, t, m->dm + (ptrdiff_t)b * h, m->dc + (ptrdiff_t)b * h,
                          m->dpeephole);
        nn_gemm(false, true, r->batch, out, r->gates, nn_history_row(k->gates, 0, t),
                k->gates.sample, k->u, r->gates, 0, m->dvalue, out);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_recurrent r = recurrent_of(n, a->batch);
    work k = work_of(&r, n, a, true);
    back m = back_of(&k, a);
    int rows = r.batch * r.frames;
    steps_backward(&k, &m, a->dy);
    nn_gemm(true, false, r.out, r.gates, rows, k.before.v, r.out, k.gates.v, r.gates, 1,
            a->dw[RECURRENT], r.gates);
    if (k.projection)
        nn_gemm(true, false, k.h, r.out, rows, k.squashed.v, k.h, m.projected.v, r.out, 1,
                a->dw[n->n_params - 1], r.out);
    nn_recurrent_input_backward(&r, a->x[0], a->w[WEIGHT], k.gates.v, a->dx[0], a->dw[WEIGHT],
                                a->dw[BIAS]);
}

static void cost(const nn_node *n, nn_cost *c)
{
    nn_recurrent r = recurrent_of(n, 1);
    for (int k = 0; k < n->n_params; k++)
        if (k != BIAS) c->weights += (int64_t)n->param[k].count;
    c->macs = c->weights * r.frames;
    c->biases = r.gates;
}

static size_t state(const nn_node *n)
{
    const lstm *p = n->attrs;
    if (!p->sequence || p->reverse) return 0;
    return (size_t)(p->units + (p->projection ? p->projection : p->units));
}

/* state: v, then c */
static void stream(const nn_node *n, const nn_args *a, nn_real *v)
{
    nn_recurrent r = recurrent_of(n, 1);
    r.frames = 1;
    work k = work_of(&r, n, a, false);
    k.before.v = v;
    k.cells.v = v + r.out;
    nn_recurrent_input(&r, a->x[0], a->w[WEIGHT], a->w[BIAS], k.gates.v);
    step(&k, 0);
    nn_recurrent_emit(&r, 0, k.value, a->y, k.before);
}

/* ---- int8 ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_lstm_t, frames),
    NN_Q8_INT_OF(sotto_lstm_t, in_n),
    NN_Q8_INT_OF(sotto_lstm_t, units),
    NN_Q8_INT_OF(sotto_lstm_t, out_n),
    NN_Q8_INT_OF(sotto_lstm_t, reverse),
    NN_Q8_INT_OF(sotto_lstm_t, sequence),
    NN_Q8_INT_OF(sotto_lstm_t, in_zero),
    NN_Q8_INT_OF(sotto_lstm_t, out_zero),
    NN_Q8_INT_OF(sotto_lstm_t, out_multiplier),
    NN_Q8_INT_OF(sotto_lstm_t, out_shift),
    NN_Q8_INT_OF(sotto_lstm_t, lo),
    NN_Q8_INT_OF(sotto_lstm_t, hi),
    NN_Q8_INT_OF(sotto_lstm_t, single),
    NN_Q8_I8S_OF(sotto_lstm_t, weight),
    NN_Q8_I32S_OF(sotto_lstm_t, bias),
    NN_Q8_I32S_OF(sotto_lstm_t, weight_multiplier),
    NN_Q8_I32S_OF(sotto_lstm_t, weight_shift),
    NN_Q8_I8S_OF(sotto_lstm_t, recurrent),
    NN_Q8_I32S_OF(sotto_lstm_t, recurrent_multiplier),
    NN_Q8_I32S_OF(sotto_lstm_t, recurrent_shift),
    NN_Q8_I32S_OF(sotto_lstm_t, peephole),
    NN_Q8_I8S_OF(sotto_lstm_t, projection),
    NN_Q8_I32S_OF(sotto_lstm_t, projection_multiplier),
    NN_Q8_I32S_OF(sotto_lstm_t, projection_shift),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_lstm(p, x[0], y, scratch);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_lstm",
    .header = "lstm.h",
    .n_in = 1,
    .size = sizeof(sotto_lstm_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run_in = run_q8,
};

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    const lstm *p = n->attrs;
    nn_recurrent r = recurrent_of(n, 1);
    s->weights = (int64_t)(r.in + r.out) * r.gates + (int64_t)p->projection * p->units;
    s->tables = 20 * (int64_t)r.gates + 8 * (int64_t)p->projection;
    if (p->peephole) s->tables += 12 * (int64_t)p->units;
    s->scratch = 6 * (size_t)p->units + 2 * (size_t)r.out;
}

/* What the layer is made of. */
typedef struct lowered {
    nn_q8_weights w, u, q; /* of the input, of v, of the projection */
    int32_t *peephole;
    double unit; /* of v */
} lowered;

/* The unit of v: no m, which is within -1 .. 1, gives a v of more than 32767. */
static double value_unit(const nn_real *projection, int h, int out)
{
    double most = 0;
    for (int k = 0; k < out; k++) {
        double sum = 0;
        for (int j = 0; j < h; j++) sum += fabs((double)projection[(ptrdiff_t)j * out + k]);
        most = fmax(most, sum);
    }
    return most > 0 ? most / 32767 : NN_Q8_STATE;
}

static base_status lower_projection(const nn_node *n, const nn_q8_context *c, const nn_recurrent *r,
                                    lowered *l, base_err *err)
{
    const nn_real *projection = c->w[n->n_params - 1];
    const size_t h = (size_t)r->gates / 4, out = (size_t)r->out;
    l->unit = value_unit(projection, r->gates / 4, r->out);
    double *from = nn_q8_scales(c, out, NN_Q8_STATE), *to = nn_q8_scales(c, out, l->unit);
    if (!from || !to) return base_nomem(err, out);
    const nn_q8_product q = {h, out, projection, out, NULL, 32767, from, to};
    BASE_TRY(nn_q8_product_room(c, h, out, 0, &l->q, err));
    return nn_q8_product_make(n, &q, &l->q, err);
}

/* Q15.16 */
static base_status lower_peephole(const nn_node *n, const nn_q8_context *c, lowered *l,
                                  base_err *err)
{
    const size_t count = n->param[PEEPHOLE].count;
    l->peephole = base_arena_alloc(c->arena, count, sizeof *l->peephole);
    if (!l->peephole) return base_nomem(err, count);
    for (size_t i = 0; i < count; i++) {
        const double p = round((double)c->w[PEEPHOLE][i] * 65536);
        if (!(fabs(p) < 2147483648.0))
            return nn_op_fail(n, err, "peephole weight %zu is %g, more than fixed point can hold",
                              i, p / 65536);
        l->peephole[i] = (int32_t)p;
    }
    return BASE_OK;
}

static base_status lower_gates(const nn_node *n, const nn_q8_context *c, const nn_recurrent *r,
                               lowered *l, base_err *err)
{
    const size_t in = (size_t)r->in, out = (size_t)r->out, gates = (size_t)r->gates;
    double *x = nn_q8_scales(c, gates, c->in[0].scale), *v = nn_q8_scales(c, gates, l->unit);
    double *gate = nn_q8_scales(c, gates, NN_Q8_GATE);
    if (!x || !v || !gate) return base_nomem(err, gates);
    const nn_q8_product w = {in, gates, c->w[WEIGHT], gates, c->w[BIAS], 255, x, gate};
    const nn_q8_product u = {out, gates, c->w[RECURRENT], gates, NULL, 32767, v, gate};
    BASE_TRY(nn_q8_product_room(c, in, gates, gates, &l->w, err));
    BASE_TRY(nn_q8_product_make(n, &w, &l->w, err));
    BASE_TRY(nn_q8_product_room(c, out, gates, 0, &l->u, err));
    return nn_q8_product_make(n, &u, &l->u, err);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const lstm *a = n->attrs;
    const nn_recurrent r = recurrent_of(n, 1);
    lowered l = {.unit = NN_Q8_STATE};
    BASE_TRY(nn_q8_check(n, c, err));
    if (a->projection) BASE_TRY(lower_projection(n, c, &r, &l, err));
    if (a->peephole) BASE_TRY(lower_peephole(n, c, &l, err));
    BASE_TRY(lower_gates(n, c, &r, &l, err));
    sotto_lstm_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_lstm_t){.frames = r.frames,
                        .in_n = r.in,
                        .units = a->units,
                        .out_n = r.out,
                        .reverse = a->reverse,
                        .sequence = a->sequence,
                        .in_zero = c->in[0].zero,
                        .out_zero = c->out.zero,
                        .lo = c->lo,
                        .hi = c->hi,
                        .single = c->single,
                        .weight = l.w.weight,
                        .bias = l.w.bias,
                        .weight_multiplier = l.w.multiplier,
                        .weight_shift = l.w.shift,
                        .recurrent = l.u.weight,
                        .recurrent_multiplier = l.u.multiplier,
                        .recurrent_shift = l.u.shift,
                        .peephole = l.peephole,
                        .projection = l.q.weight,
                        .projection_multiplier = l.q.multiplier,
                        .projection_shift = l.q.shift};
    const size_t gates = (size_t)r.gates, h = gates / 4, out = (size_t)a->projection;
    const size_t count[] = {
        (size_t)r.in * gates,    gates,   gates, gates, (size_t)r.out * gates, gates, gates,
        a->peephole ? 3 * h : 0, h * out, out,   out};
    memcpy(layer->count, count, sizeof count);
    return nn_q8_state_rescale(n, c, l.unit, &p->out_multiplier, &p->out_shift, err);
}

NN_CASES("x = input 7x1x3; y = lstm(x) units=5",
         "x = input 6x1x2; y = lstm(x) units=4 peephole=yes",
         "x = input 6x1x2; y = lstm(x) units=5 projection=3",
         "x = input 5x2x2; y = lstm(x) units=3 projection=4 peephole=yes",
         "x = input 5x4; y = lstm(x) units=3 reverse=yes peephole=yes",
         "x = input 5x1x2; y = lstm(x) units=4 reverse=yes projection=2 sequence=no",
         "x = input 6x1x2; y = lstm(x) units=4 sequence=no peephole=yes",
         "x = input 1x1x3; y = lstm(x) units=2", "x = input 4x1x2; y = lstm(x) units=33");

const nn_op nn_op_lstm = {
    .name = "lstm",
    .summary = "long short-term memory over time",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(lstm),
    .shape = shape,
    .saved = saved,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .state = state,
    .stream = stream,
    .lower = lower,
    .q8_size = q8_size,
    .cases = cases,
    .n_cases = N_CASES,
};
