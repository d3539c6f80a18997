/* svdf: x [T, rest...] -> y [T, 1, U], or [T-M+1, 1, U] with causal=no; a fully connected layer
 * over the last M frames whose weights are of rank 1: a filter over the values of a frame, then one
 * over time (Nakkiran et al., Interspeech 2015, "Compressing deep neural networks using a
 * rank-constrained topology"). With x_t as a row of I numbers,
 *
 *   f_t = x_t F,   y[t,u] = b[u] + sum_{k<M} V[k,u] f[t - (M-1) + k, u]
 *
 * F [I, U] "feature", V [M, U] "time" (its last row meets the present frame), b [U] "bias". causal:
 * frames before the first are zeros; else y begins with the first frame that has M-1 before it.
 *
 *   dV[k,u] = sum_t dy[t,u] f[..],  df[..] = sum dy[t,u] V[k,u],  dF = x^T df,  dx = df F^T
 */
#include "quantize/runtime/svdf.h"
#include "nn/blas.h"
#include "nn/op.h"
#include "nn/product.h"

#include <string.h>

typedef struct svdf {
    int units, memory;
    bool causal;
} svdf;

static const nn_attr attrs[] = {
    {"units", NN_INT, offsetof(svdf, units), NULL, 1, 65536, "outputs a frame", false},
    {"memory", NN_INT, offsetof(svdf, memory), NULL, 1, 4096, "frames that one output sees", false},
    {"causal", NN_YESNO, offsetof(svdf, causal), "yes", 0, 0,
     "zeros before the first frame, no: only where all frames are there", false},
};

/* x [frames, in] -> f [frames, units] -> y [out, units]; y[t] begins with f[t - before]. */
typedef struct geometry {
    int frames, in, units, memory, out, before;
} geometry;

static geometry geometry_of(const nn_node *n)
{
    const svdf *p = n->attrs;
    nn_shape x = n->in[0]->shape;
    geometry g = {.frames = x.d[0], .units = p->units, .memory = p->memory};
    g.in = (int)(nn_count(x) / x.d[0]);
    g.before = p->causal ? p->memory - 1 : 0;
    g.out = g.frames + g.before - (p->memory - 1);
    return g;
}

static base_status shape(nn_node *n, base_err *err)
{
    char buf[64];
    geometry g = geometry_of(n);
    nn_shape x = n->in[0]->shape, unit = {1, {g.units}};
    if (x.n < 2)
        return nn_op_fail(n, err, "input '%s' has shape %s, time and values are needed",
                          n->in[0]->name, nn_shape_text(x, buf));
    if (g.out < 1) {
        base_status s = nn_op_fail(n, err, "memory=%d is longer than the input's %d frames",
                                   g.memory, g.frames);
        base_hint(err, "causal=yes puts zeros before the first frame");
        return s;
    }
    n->shape = (nn_shape){3, {g.out, 1, g.units}};
    nn_declare(n, "feature", (nn_shape){2, {g.in, g.units}}, NN_WEIGHT, NN_GLOROT_UNIFORM, g.in,
               g.units);
    nn_declare(n, "time", (nn_shape){2, {g.memory, g.units}}, NN_WEIGHT, NN_HE_UNIFORM, g.memory,
               g.memory);
    nn_declare(n, "bias", unit, NN_BIAS, NN_ZEROS, g.memory, g.units);
    return BASE_OK;
}

/* f, in training kept for the gradient of the filter over time */
static size_t features(const nn_node *n, int batch)
{
    geometry g = geometry_of(n);
    return (size_t)batch * (size_t)g.frames * (size_t)g.units;
}

static void multiply_add(int n, const nn_real *restrict x, const nn_real *restrict w,
                         nn_real *restrict y)
{
    for (int i = 0; i < n; i++) y[i] += x[i] * w[i];
}

/* One output: rows first .. memory-1 of the filter meet f. */
static void filter(const geometry *g, int first, const nn_real *f, const nn_real *time,
                   const nn_real *bias, nn_real *y)
{
    memcpy(y, bias, (size_t)g->units * sizeof *y);
    for (int k = first; k < g->memory; k++, f += g->units)
        multiply_add(g->units, f, time + (ptrdiff_t)k * g->units, y);
}

/* The first row of the filter that meets a frame at output t. */
static int first_row(const geometry *g, int t)
{
    return t < g->before ? g->before - t : 0;
}

static void forward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n);
    nn_real *f = a->training ? a->saved : a->scratch, *y = a->y;
    nn_gemm(false, false, a->batch * g.frames, g.units, g.in, a->x[0], g.in, a->w[0], g.units, 0, f,
            g.units);
    for (int b = 0; b < a->batch; b++, f += (ptrdiff_t)g.frames * g.units)
        for (int t = 0; t < g.out; t++, y += g.units) {
            int first = first_row(&g, t);
            filter(&g, first, f + (ptrdiff_t)(t - g.before + first) * g.units, a->w[1], a->w[2], y);
        }
}

/* One sample; df starts at zero. */
static void filter_backward(const geometry *g, const nn_real *dy, const nn_real *f,
                            const nn_real *time, nn_real *df, const nn_args *a)
{
    for (int t = 0; t < g->out; t++, dy += g->units) {
        for (int j = 0; j < g->units; j++) a->dw[2][j] += dy[j];
        for (int k = first_row(g, t); k < g->memory; k++) {
            ptrdiff_t at = (ptrdiff_t)(t - g->before + k) * g->units, row = (ptrdiff_t)k * g->units;
            multiply_add(g->units, dy, f + at, a->dw[1] + row);
            multiply_add(g->units, dy, time + row, df + at);
        }
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n);
    int rows = a->batch * g.frames;
    nn_real *df = a->scratch;
    memset(df, 0, features(n, a->batch) * sizeof *df);
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t at = (ptrdiff_t)b * g.frames * g.units;
        filter_backward(&g, a->dy + (ptrdiff_t)b * g.out * g.units, a->saved + at, a->w[1], df + at,
                        a);
    }
    nn_gemm(true, false, g.in, g.units, rows, a->x[0], g.in, df, g.units, 1, a->dw[0], g.units);
    if (a->dx[0])
        nn_gemm(false, true, rows, g.in, g.units, df, g.units, a->w[0], g.units, 1, a->dx[0], g.in);
}

static void cost(const nn_node *n, nn_cost *c)
{
    geometry g = geometry_of(n);
    int64_t feature = (int64_t)g.in * g.units, time = (int64_t)g.memory * g.units;
    c->weights = feature + time;
    c->macs = feature * g.frames + time * g.out;
    c->biases = g.units;
}

/* state: the last M rows of f, the oldest first */
static size_t state(const nn_node *n)
{
    const svdf *p = n->attrs;
    return p->causal ? (size_t)p->memory * (size_t)p->units : 0;
}

static void stream(const nn_node *n, const nn_args *a, nn_real *f)
{
    geometry g = geometry_of(n);
    size_t older = (size_t)(g.memory - 1) * (size_t)g.units;
    memmove(f, f + g.units, older * sizeof *f);
    nn_gemm(false, false, 1, g.units, g.in, a->x[0], g.in, a->w[0], g.units, 0, f + older, g.units);
    filter(&g, 0, f, a->w[1], a->w[2], a->y);
}

/* ---- int8 ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_svdf_t, frames),
    NN_Q8_INT_OF(sotto_svdf_t, in_n),
    NN_Q8_INT_OF(sotto_svdf_t, units),
    NN_Q8_INT_OF(sotto_svdf_t, memory),
    NN_Q8_INT_OF(sotto_svdf_t, before),
    NN_Q8_INT_OF(sotto_svdf_t, in_zero),
    NN_Q8_INT_OF(sotto_svdf_t, out_zero),
    NN_Q8_INT_OF(sotto_svdf_t, lo),
    NN_Q8_INT_OF(sotto_svdf_t, hi),
    NN_Q8_INT_OF(sotto_svdf_t, single),
    NN_Q8_I8S_OF(sotto_svdf_t, feature),
    NN_Q8_I32S_OF(sotto_svdf_t, feature_multiplier),
    NN_Q8_I32S_OF(sotto_svdf_t, feature_shift),
    NN_Q8_I8S_OF(sotto_svdf_t, time),
    NN_Q8_I32S_OF(sotto_svdf_t, bias),
    NN_Q8_I32S_OF(sotto_svdf_t, time_multiplier),
    NN_Q8_I32S_OF(sotto_svdf_t, time_shift),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_svdf(p, x[0], y, scratch);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_svdf",
    .header = "svdf.h",
    .n_in = 1,
    .size = sizeof(sotto_svdf_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run_in = run_q8,
};

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    geometry g = geometry_of(n);
    s->weights = (int64_t)(g.in + g.memory) * g.units;
    s->tables = 20 * (int64_t)g.units;
    s->scratch = 2 * (size_t)(g.before + g.frames);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const geometry g = geometry_of(n);
    const size_t in = (size_t)g.in, units = (size_t)g.units, memory = (size_t)g.memory;
    const int zero = c->in[0].zero, most = zero > 0 ? zero + 128 : 127 - zero;
    nn_q8_weights w, t;
    BASE_TRY(nn_q8_check(n, c, err));
    double *x = nn_q8_scales(c, units, c->in[0].scale), *f = nn_q8_scales(c, units, 0);
    double *y = nn_q8_scales(c, units, c->out.scale);
    sotto_svdf_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!x || !f || !y || !p) return base_nomem(err, units);
    const nn_q8_product feature = {in, units, c->w[0], units, NULL, most, x, f};
    const nn_q8_product time = {memory, units, c->w[1], units, c->w[2], 32767, f, y};
    BASE_TRY(nn_q8_product_room(c, in, units, 0, &w, err));
    BASE_TRY(nn_q8_product_make(n, &feature, &w, err));
    BASE_TRY(nn_q8_product_room(c, memory, units, units, &t, err));
    BASE_TRY(nn_q8_product_make(n, &time, &t, err));
    *p = (sotto_svdf_t){.frames = g.frames,
                        .in_n = g.in,
                        .units = g.units,
                        .memory = g.memory,
                        .before = g.before,
                        .in_zero = zero,
                        .out_zero = c->out.zero,
                        .lo = c->lo,
                        .hi = c->hi,
                        .single = c->single,
                        .feature = w.weight,
                        .feature_multiplier = w.multiplier,
                        .feature_shift = w.shift,
                        .time = t.weight,
                        .bias = t.bias,
                        .time_multiplier = t.multiplier,
                        .time_shift = t.shift};
    const size_t count[] = {in * units, units, units, memory * units, units, units, units};
    memcpy(layer->count, count, sizeof count);
    return BASE_OK;
}

NN_CASES("x = input 7x1x3; y = svdf(x) units=5 memory=3",
         "x = input 7x1x3; y = svdf(x) units=5 memory=3 causal=no",
         "x = input 4x2x3; y = svdf(x) units=4 memory=6",
         "x = input 6x4; y = svdf(x) units=3 memory=6 causal=no",
         "x = input 5x3; y = svdf(x) units=2 memory=1",
         "x = input 9x1x10; y = svdf(x) units=33 memory=4");

const nn_op nn_op_svdf = {
    .name = "svdf",
    .summary = "layer over the last frames with weights of rank 1",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(svdf),
    .shape = shape,
    .saved = features,
    .scratch = features,
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
