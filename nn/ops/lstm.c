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
#include "nn/blas.h"
#include "nn/op.h"
#include "nn/recurrent.h"

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

/* Evaluation: as work_of. Backward: dv, dc, dm, with a projection dv of all steps, and the weights
 * of the step transposed. */
static size_t scratch(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    size_t h = (size_t)r.gates / 4, out = (size_t)r.out, b = (size_t)batch;
    size_t all = b * (size_t)r.frames;
    size_t forward = all * 4 * h + b * (3 * h + 2 * out);
    size_t backward = b * (2 * h + out) + all * out + out * 4 * h + h * out;
    return forward > backward ? forward : backward;
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
    nn_real *ut, *qt;          /* U and Q transposed */
    nn_real *dpeephole;
} back;

static back back_of(const work *k, const nn_args *a)
{
    const nn_recurrent *r = &k->r;
    back m = {.dvalue = a->scratch, .dpeephole = k->peephole ? a->dw[PEEPHOLE] : NULL};
    m.dc = m.dvalue + (ptrdiff_t)r->batch * r->out;
    m.dm = m.dc + (ptrdiff_t)r->batch * k->h;
    nn_real *memory = m.dm + (ptrdiff_t)r->batch * k->h;
    m.ut = memory;
    memory += (ptrdiff_t)r->out * r->gates;
    nn_recurrent_transpose(k->u, r->out, r->gates, m.ut);
    memset(m.dvalue, 0, (size_t)(r->batch * (r->out + k->h)) * sizeof *m.dvalue);
    if (!k->projection) {
        m.dm = m.dvalue;
        return m;
    }
    m.projected = nn_history_every(r, r->out, &memory);
    m.qt = memory;
    nn_recurrent_transpose(k->projection, k->h, r->out, m.qt);
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
            nn_gemm(false, false, r->batch, h, out, m->dvalue, out, m->qt, h, 0, m->dm, h);
        for (int b = 0; b < r->batch; b++)
            cell_backward(k, b, t, m->dm + (ptrdiff_t)b * h, m->dc + (ptrdiff_t)b * h,
                          m->dpeephole);
        nn_gemm(false, false, r->batch, out, r->gates, nn_history_row(k->gates, 0, t),
                k->gates.sample, m->ut, out, 0, m->dvalue, out);
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
    .cases = cases,
    .n_cases = N_CASES,
};
