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
#include "quantize/runtime/gru.h"
#include "nn/blas.h"
#include "nn/op.h"
#include "nn/product.h"
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

/* As in work_of for evaluation; backward needs less. */
static size_t scratch(const nn_node *n, int batch)
{
    nn_recurrent r = recurrent_of(n, batch);
    return (size_t)batch * (size_t)r.out * (3 * (size_t)r.frames + 3);
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

/* dvalue [batch, H]: of the state after the step, then of the one before. */
static void steps_backward(const work *k, const nn_real *dy, nn_real *dvalue, nn_real *dinner)
{
    int batch = k->r.batch, h = k->h, gs = k->gates.sample;
    const nn_real *un = k->u + 2 * h;
    for (int s = k->r.frames - 1; s >= 0; s--) {
        int t = nn_recurrent_frame(&k->r, s);
        nn_real *gates = nn_history_row(k->gates, 0, t);
        nn_recurrent_collect(&k->r, s, dy, dvalue);
        for (int b = 0; b < batch; b++) step_backward(k, b, t, dvalue + (ptrdiff_t)b * h);
        if (k->after) {
            nn_gemm(false, true, batch, h, h, nn_history_row(k->inner, 0, t), k->inner.sample, un,
                    3 * h, 1, dvalue, h);
        } else {
            nn_gemm(false, true, batch, h, h, gates + 2 * h, gs, un, 3 * h, 0, dinner, h);
            for (int b = 0; b < batch; b++)
                reset_backward(k, b, t, dinner + (ptrdiff_t)b * h, dvalue + (ptrdiff_t)b * h);
        }
        nn_gemm(false, true, batch, h, 2 * h, gates, gs, k->u, 3 * h, 1, dvalue, h);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_recurrent r = recurrent_of(n, a->batch);
    work k = work_of(&r, n, a, true);
    int h = k.h, rows = r.batch * r.frames;
    nn_real *dvalue = a->scratch, *dinner = dvalue + (ptrdiff_t)r.batch * h;
    nn_real *dgates = k.gates.v, *du = a->dw[1];
    const nn_real *before = k.before.v, *inner = k.inner.v;
    memset(dvalue, 0, (size_t)(r.batch * h) * sizeof *dvalue);
    steps_backward(&k, a->dy, dvalue, dinner);
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

/* ---- int8 ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_gru_t, frames),
    NN_Q8_INT_OF(sotto_gru_t, in_n),
    NN_Q8_INT_OF(sotto_gru_t, units),
    NN_Q8_INT_OF(sotto_gru_t, reset_after),
    NN_Q8_INT_OF(sotto_gru_t, reverse),
    NN_Q8_INT_OF(sotto_gru_t, sequence),
    NN_Q8_INT_OF(sotto_gru_t, in_zero),
    NN_Q8_INT_OF(sotto_gru_t, out_zero),
    NN_Q8_INT_OF(sotto_gru_t, out_multiplier),
    NN_Q8_INT_OF(sotto_gru_t, out_shift),
    NN_Q8_INT_OF(sotto_gru_t, lo),
    NN_Q8_INT_OF(sotto_gru_t, hi),
    NN_Q8_INT_OF(sotto_gru_t, single),
    NN_Q8_I8S_OF(sotto_gru_t, weight),
    NN_Q8_I32S_OF(sotto_gru_t, bias),
    NN_Q8_I32S_OF(sotto_gru_t, weight_multiplier),
    NN_Q8_I32S_OF(sotto_gru_t, weight_shift),
    NN_Q8_I8S_OF(sotto_gru_t, recurrent),
    NN_Q8_I32S_OF(sotto_gru_t, recurrent_bias),
    NN_Q8_I32S_OF(sotto_gru_t, recurrent_multiplier),
    NN_Q8_I32S_OF(sotto_gru_t, recurrent_shift),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_gru(p, x[0], y, scratch);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_gru",
    .header = "gru.h",
    .n_in = 1,
    .size = sizeof(sotto_gru_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run_in = run_q8,
};

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    const gru *p = n->attrs;
    nn_recurrent r = recurrent_of(n, 1);
    s->weights = (int64_t)(r.in + r.out) * r.gates;
    s->tables = 20 * (int64_t)r.gates + (p->reset_after ? 4 * (int64_t)r.out : 0);
    s->scratch = (size_t)(p->reset_after ? 4 : 6) * (size_t)r.out;
}

/* Weights of the input, with all biases that are added to their sums. */
static base_status lower_input(const nn_node *n, const nn_q8_context *c, nn_q8_weights *w,
                               base_err *err)
{
    const nn_recurrent r = recurrent_of(n, 1);
    const size_t in = (size_t)r.in, h = (size_t)r.out, gates = 3 * h;
    nn_real *bias = base_arena_alloc(c->arena, gates, sizeof *bias);
    double *unit = nn_q8_scales(c, gates, c->in[0].scale);
    double *gate = nn_q8_scales(c, gates, NN_Q8_GATE);
    if (!bias || !unit || !gate) return base_nomem(err, gates);
    for (size_t o = 0; o < gates; o++)
        bias[o] = c->w[2][o] + (c->w[3] && o < 2 * h ? c->w[3][o] : 0);
    BASE_TRY(nn_q8_product_room(c, in, gates, gates, w, err));
    const nn_q8_product p = {in, gates, c->w[0], gates, bias, 255, unit, gate};
    return nn_q8_product_make(n, &p, w, err);
}

/* Weights of the state: of r and z, then of n, which with reset_after have their biases, as r
 * multiplies both. */
static base_status lower_state(const nn_node *n, const nn_q8_context *c, nn_q8_weights *u,
                               base_err *err)
{
    const size_t h = (size_t)recurrent_of(n, 1).out, two = 2 * h;
    double *unit = nn_q8_scales(c, two, NN_Q8_STATE), *gate = nn_q8_scales(c, two, NN_Q8_GATE);
    if (!unit || !gate) return base_nomem(err, two);
    BASE_TRY(nn_q8_product_room(c, h, 3 * h, c->w[3] ? h : 0, u, err));
    const nn_q8_weights last = {.weight = u->weight + two * h,
                                .bias = u->bias,
                                .multiplier = u->multiplier + two,
                                .shift = u->shift + two};
    const nn_real *bias = c->w[3] ? c->w[3] + two : NULL;
    const nn_q8_product first = {h, two, c->w[1], 3 * h, NULL, 32767, unit, gate};
    const nn_q8_product rest = {h, h, c->w[1] + two, 3 * h, bias, 32767, unit, gate};
    BASE_TRY(nn_q8_product_make(n, &first, u, err));
    return nn_q8_product_make(n, &rest, &last, err);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const gru *a = n->attrs;
    const nn_recurrent r = recurrent_of(n, 1);
    nn_q8_weights w, u;
    BASE_TRY(nn_q8_check(n, c, err));
    BASE_TRY(lower_input(n, c, &w, err));
    BASE_TRY(lower_state(n, c, &u, err));
    sotto_gru_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_gru_t){.frames = r.frames,
                       .in_n = r.in,
                       .units = r.out,
                       .reset_after = a->reset_after,
                       .reverse = a->reverse,
                       .sequence = a->sequence,
                       .in_zero = c->in[0].zero,
                       .out_zero = c->out.zero,
                       .lo = c->lo,
                       .hi = c->hi,
                       .single = c->single,
                       .weight = w.weight,
                       .bias = w.bias,
                       .weight_multiplier = w.multiplier,
                       .weight_shift = w.shift,
                       .recurrent = u.weight,
                       .recurrent_bias = u.bias,
                       .recurrent_multiplier = u.multiplier,
                       .recurrent_shift = u.shift};
    const size_t h = (size_t)r.out, gates = 3 * h, in = (size_t)r.in;
    const size_t count[] = {in * gates, gates,          gates, gates,
                            h * gates,  u.bias ? h : 0, gates, gates};
    memcpy(layer->count, count, sizeof count);
    return nn_q8_state_rescale(n, c, NN_Q8_STATE, &p->out_multiplier, &p->out_shift, err);
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
    .lower = lower,
    .q8_size = q8_size,
    .cases = cases,
    .n_cases = N_CASES,
};
