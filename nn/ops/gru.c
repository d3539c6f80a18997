/* gru: x [T, rest...] -> y [T, 1, H], or [H] with sequence=no; a gated recurrent unit (Cho et al.,
 * arXiv 1406.1078). In every frame, with x_t as a row of I numbers and h_0 = 0,
 *
 *   [r z a] = x_t W + b,  r = s(r + h U_r),  z = s(z + h U_z),  s the logistic function
 *   n = tanh(a + (r h) U_n)           reset_after=no: Cho et al., TensorFlow's GRUCell
 *   n = tanh(a + r (h U_n + c_n))     reset_after=yes: PyTorch, Keras; also c_r, c_z are added
 *   h' = (1 - z) n + z h
 *
 * W [I, 3H] "weight", U [H, 3H] "recurrent", b [3H] "bias", with reset_after=yes c [3H]
 * "recurrent_bias"; their columns are r, z, n. reverse=yes walks time from the last frame to the
 * first, y stays in the order of x. sequence=no gives the state after the last step.
 *
 * Backward: of h', dn = dh (1 - z) (1 - n^2), dz = dh (h - n) z (1 - z), dh z; through r and U as
 * the formulas say. What forward saved turns into gradients where it lies, so that those of the
 * weights are products over all steps.
 */
#include "nn/blas.h"
#include "nn/op.h"
#include "nn/recurrent.h"

#include <string.h>

typedef struct gru {
    int units;
    bool reset_after, reverse, sequence;
} gru;

static const nn_attr attrs[] = {
    {"units", NN_INT, offsetof(gru, units), NULL, 1, 65536, "numbers in the state", false},
    {"reset_after", NN_YESNO, offsetof(gru, reset_after), "yes", 0, 0,
     "reset the state after its product with the weights", false},
    {"reverse", NN_YESNO, offsetof(gru, reverse), "no", 0, 0, "from the last frame to the first",
     false},
    {"sequence", NN_YESNO, offsetof(gru, sequence), "yes", 0, 0,
     "the state of every frame, not only the last", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const gru *p = n->attrs;
    int in, h = p->units;
    BASE_TRY(nn_recurrent_shape(n, h, p->sequence, &in, err));
    nn_shape bias = {1, {3 * h}};
    nn_declare(n, "weight", (nn_shape){2, {in, 3 * h}}, NN_WEIGHT, NN_GLOROT_UNIFORM, in, h);
    nn_declare(n, "recurrent", (nn_shape){2, {h, 3 * h}}, NN_WEIGHT, NN_GLOROT_UNIFORM, h, h);
    nn_declare(n, "bias", bias, NN_BIAS, NN_ZEROS, in, h);
    if (p->reset_after) nn_declare(n, "recurrent_bias", bias, NN_BIAS, NN_ZEROS, h, h);
    return BASE_OK;
}

static nn_recurrent recurrent_of(const nn_node *n, int batch)
{
    const gru *p = n->attrs;
    nn_shape x = n->in[0]->shape;
    return (nn_recurrent){.batch = batch,
                          .frames = x.d[0],
                          .in = (int)(nn_count(x) / x.d[0]),
                          .gates = 3 * p->units,
                          .out = p->units,
                          .reverse = p->reverse,
                          .sequence = p->sequence};
}

/* What the steps work on. */
typedef struct work {
    nn_recurrent r;
    int h;
    bool after;
    const nn_real *u, *c;     /* recurrent weights, their bias */
    nn_history gates;         /* r, z, n: before, then after their functions */
    nn_history before, inner; /* h; h U_n + c_n (reset_after), else r h */
    nn_real *value;           /* [batch, H]: h' */
} work;

/* In training everything is kept for backward, else only the gates are there for every frame. */
static work work_of(const nn_recurrent *r, const nn_node *n, const nn_args *a, bool keep)
{
    const gru *p = n->attrs;
    work k = {.r = *r, .h = p->units, .after = p->reset_after, .u = a->w[1], .c = a->w[3]};
    nn_history (*rows)(const nn_recurrent *, int, nn_real **) =
        keep ? nn_history_every : nn_history_last;
    nn_real *scratch = a->scratch, **memory = &scratch, *kept = a->saved;
    if (keep) memory = &kept;
    k.gates = nn_history_every(r, 3 * k.h, memory);
    k.before = rows(r, k.h, memory);
    k.inner = rows(r, k.h, memory);
    k.value = scratch;
    return k;
}

static size_t saved(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    return (size_t)batch * (size_t)r.frames * 5 * (size_t)r.out;
}

/* Evaluation: as work_of; backward: two or one rows a sample, and U transposed. */
static size_t scratch(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    size_t h = (size_t)r.out, forward = (size_t)batch * h * (3 * (size_t)r.frames + 3);
    size_t backward = 2 * (size_t)batch * h + 3 * h * h;
    return forward > backward ? forward : backward;
}

/* The step of frame t up to h', for the whole batch. */
static void step(const work *k, int t)
{
    int batch = k->r.batch, h = k->h, gs = k->gates.sample, is = k->inner.sample;
    nn_real *gates = nn_history_row(k->gates, 0, t), *inner = nn_history_row(k->inner, 0, t);
    const nn_real *before = nn_history_row(k->before, 0, t);
    nn_gemm(false, false, batch, 2 * h, h, before, k->before.sample, k->u, 3 * h, 1, gates, gs);
    for (int b = 0; b < batch; b++) {
        const nn_real *from = before + (ptrdiff_t)b * k->before.sample;
        nn_real *g = gates + (ptrdiff_t)b * gs, *to = inner + (ptrdiff_t)b * is;
        for (int j = 0; k->after && j < 2 * h; j++) g[j] += k->c[j];
        nn_recurrent_logistic(g, 2 * h);
        for (int j = 0; j < h; j++) to[j] = k->after ? k->c[2 * h + j] : g[j] * from[j];
    }
    if (k->after)
        nn_gemm(false, false, batch, h, h, before, k->before.sample, k->u + 2 * h, 3 * h, 1, inner,
                is);
    else
        nn_gemm(false, false, batch, h, h, inner, is, k->u + 2 * h, 3 * h, 1, gates + 2 * h, gs);
    for (int b = 0; b < batch; b++) {
        const nn_real *from = before + (ptrdiff_t)b * k->before.sample;
        nn_real *r = gates + (ptrdiff_t)b * gs, *z = r + h, *g = z + h;
        nn_real *q = inner + (ptrdiff_t)b * is, *value = k->value + (ptrdiff_t)b * h;
        for (int j = 0; k->after && j < h; j++) g[j] += r[j] * q[j];
        nn_recurrent_tanh(g, h);
        for (int j = 0; j < h; j++) value[j] = g[j] + z[j] * (from[j] - g[j]);
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_recurrent r = recurrent_of(n, a->batch);
    work k = work_of(&r, n, a, a->training);
    int first = nn_recurrent_frame(&r, 0);
    nn_recurrent_input(&r, a->x[0], a->w[0], a->w[2], k.gates.v);
    for (int b = 0; b < r.batch; b++)
        memset(nn_history_row(k.before, b, first), 0, (size_t)k.h * sizeof *k.value);
    for (int s = 0; s < r.frames; s++) {
        step(&k, nn_recurrent_frame(&r, s));
        nn_recurrent_emit(&r, s, k.value, a->y, k.before);
    }
}

/* One sample of a step backward, the first half: r, z, n become gradients (that of r with
 * reset_after only), dh becomes what goes to h directly, inner its own gradient. */
static void step_backward(const work *k, int b, int t, nn_real *dh)
{
    int h = k->h;
    nn_real *r = nn_history_row(k->gates, b, t), *z = r + h, *g = z + h;
    nn_real *q = nn_history_row(k->inner, b, t);
    const nn_real *from = nn_history_row(k->before, b, t);
    for (int j = 0; j < h; j++) {
        nn_real d = dh[j], dn = d * (1 - z[j]) * (1 - g[j] * g[j]);
        dh[j] = d * z[j];
        z[j] = d * (from[j] - g[j]) * z[j] * (1 - z[j]);
        g[j] = dn;
    }
    for (int j = 0; k->after && j < h; j++) {
        nn_real reset = r[j];
        r[j] = g[j] * q[j] * reset * (1 - reset);
        q[j] = g[j] * reset;
    }
}

/* reset_after=no: from the gradient of r h */
static void reset_backward(const work *k, int b, int t, const nn_real *dinner, nn_real *dh)
{
    nn_real *r = nn_history_row(k->gates, b, t);
    const nn_real *from = nn_history_row(k->before, b, t);
    for (int j = 0; j < k->h; j++) {
        dh[j] += dinner[j] * r[j];
        r[j] = dinner[j] * from[j] * r[j] * (1 - r[j]);
    }
}

/* dvalue [batch, H]: of the state after the step, then of the one before. ut: U transposed. */
static void steps_backward(const work *k, const nn_real *dy, nn_real *dvalue, nn_real *dinner,
                           const nn_real *ut)
{
    int batch = k->r.batch, h = k->h, gs = k->gates.sample;
    const nn_real *ut_n = ut + (ptrdiff_t)2 * h * h;
    for (int s = k->r.frames - 1; s >= 0; s--) {
        int t = nn_recurrent_frame(&k->r, s);
        nn_real *gates = nn_history_row(k->gates, 0, t);
        nn_recurrent_collect(&k->r, s, dy, dvalue);
        for (int b = 0; b < batch; b++) step_backward(k, b, t, dvalue + (ptrdiff_t)b * h);
        if (k->after) {
            nn_gemm(false, false, batch, h, h, nn_history_row(k->inner, 0, t), k->inner.sample,
                    ut_n, h, 1, dvalue, h);
        } else {
            nn_gemm(false, false, batch, h, h, gates + 2 * h, gs, ut_n, h, 0, dinner, h);
            for (int b = 0; b < batch; b++)
                reset_backward(k, b, t, dinner + (ptrdiff_t)b * h, dvalue + (ptrdiff_t)b * h);
        }
        nn_gemm(false, false, batch, h, 2 * h, gates, gs, ut, h, 1, dvalue, h);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_recurrent r = recurrent_of(n, a->batch);
    work k = work_of(&r, n, a, true);
    int h = k.h, rows = r.batch * r.frames;
    nn_real *dvalue = a->scratch, *dinner = dvalue + (ptrdiff_t)r.batch * h;
    nn_real *ut = dinner + (ptrdiff_t)r.batch * h, *dgates = k.gates.v, *du = a->dw[1];
    const nn_real *before = k.before.v, *inner = k.inner.v;
    nn_recurrent_transpose(k.u, h, 3 * h, ut);
    memset(dvalue, 0, (size_t)(r.batch * h) * sizeof *dvalue);
    steps_backward(&k, a->dy, dvalue, dinner, ut);
    nn_gemm(true, false, h, 2 * h, rows, before, h, dgates, 3 * h, 1, du, 3 * h);
    if (k.after) {
        nn_gemm(true, false, h, h, rows, before, h, inner, h, 1, du + 2 * h, 3 * h);
        nn_recurrent_sums(rows, 2 * h, dgates, 3 * h, a->dw[3]);
        nn_recurrent_sums(rows, h, inner, h, a->dw[3] + 2 * h);
    } else {
        nn_gemm(true, false, h, h, rows, inner, h, dgates + 2 * h, 3 * h, 1, du + 2 * h, 3 * h);
    }
    nn_recurrent_input_backward(&r, a->x[0], a->w[0], dgates, a->dx[0], a->dw[0], a->dw[2]);
}

static void cost(const nn_node *n, nn_cost *c)
{
    nn_recurrent r = recurrent_of(n, 1);
    c->weights = (int64_t)(r.in + r.out) * r.gates;
    c->macs = c->weights * r.frames;
    c->biases = (int64_t)(n->n_params - 2) * r.gates;
}

static size_t state(const nn_node *n)
{
    const gru *p = n->attrs;
    return p->sequence && !p->reverse ? (size_t)p->units : 0;
}

static void stream(const nn_node *n, const nn_args *a, nn_real *h)
{
    nn_recurrent r = recurrent_of(n, 1);
    r.frames = 1;
    work k = work_of(&r, n, a, false);
    k.before.v = h;
    nn_recurrent_input(&r, a->x[0], a->w[0], a->w[2], k.gates.v);
    step(&k, 0);
    nn_recurrent_emit(&r, 0, k.value, a->y, k.before);
}

NN_CASES("x = input 7x1x3; y = gru(x) units=5",
         "x = input 6x1x3; y = gru(x) units=5 reset_after=no",
         "x = input 5x2x2; y = gru(x) units=4 reverse=yes",
         "x = input 5x4; y = gru(x) units=3 reverse=yes reset_after=no",
         "x = input 6x1x2; y = gru(x) units=4 sequence=no",
         "x = input 6x1x2; y = gru(x) units=4 sequence=no reverse=yes reset_after=no",
         "x = input 1x1x3; y = gru(x) units=2", "x = input 4x1x2; y = gru(x) units=33",
         "x = input 4x1x1; y = gru(x) units=1 reset_after=no");

const nn_op nn_op_gru = {
    .name = "gru",
    .summary = "gated recurrent unit over time",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(gru),
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
