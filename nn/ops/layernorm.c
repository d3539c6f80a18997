/* layernorm: x [..., C] -> y [..., C] (Ba et al., arXiv 1607.06450). Each row, the C values along
 * the last axis, for itself:
 *
 *   y = gamma (x - mu) / sigma + beta,  sigma^2 = var + eps, var biased
 *
 * With xh = (x - mu) / sigma and g = gamma dy:
 *
 *   dbeta = sum dy,  dgamma = sum dy xh,  dx = (g - mean(g) - xh mean(g xh)) / sigma
 *
 * where the sums go over rows and the means along one.
 */
#include "quantize/runtime/layernorm.h"
#include "nn/lower.h"
#include "nn/vector.h"

#include <math.h>

typedef struct layernorm {
    double eps;
} layernorm;

static const nn_attr attrs[] = {
    {"eps", NN_REAL, offsetof(layernorm, eps), "1e-06", 1e-12, 1, "added to the variance", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    nn_shape c = {1, {n->shape.d[n->shape.n - 1]}};
    nn_declare(n, "gamma", c, NN_GAIN, NN_ONES, 1, 1);
    nn_declare(n, "beta", c, NN_BIAS, NN_ZEROS, 1, 1);
    return BASE_OK;
}

static int length_of(const nn_node *n)
{
    return n->shape.d[n->shape.n - 1];
}

static int64_t rows_of(const nn_node *n, int batch)
{
    return batch * nn_count(n->shape) / length_of(n);
}

/* mu and 1/sigma of each row */
static size_t saved(const nn_node *n, int batch)
{
    return 2 * (size_t)rows_of(n, batch);
}

/* xh and g of one row */
static size_t scratch(const nn_node *n, int batch)
{
    (void)batch;
    return 2 * (size_t)length_of(n);
}

static nn_real lanes(nn_vector v)
{
    nn_real sum = 0;
    for (int i = 0; i < NN_LANES; i++) sum += v[i];
    return sum;
}

static nn_real total(const nn_real *v, int n)
{
    nn_vector sums = {0};
    nn_real rest = 0;
    int i = 0;
    for (; i + NN_LANES <= n; i += NN_LANES) sums += *(const nn_vector *)(v + i);
    for (; i < n; i++) rest += v[i];
    return lanes(sums) + rest;
}

static nn_real dot(const nn_real *v, const nn_real *w, int n)
{
    nn_vector sums = {0};
    nn_real rest = 0;
    int i = 0;
    for (; i + NN_LANES <= n; i += NN_LANES)
        sums += *(const nn_vector *)(v + i) * *(const nn_vector *)(w + i);
    for (; i < n; i++) rest += v[i] * w[i];
    return lanes(sums) + rest;
}

/* Two passes, so that nothing cancels. */
static void forward(const nn_node *n, const nn_args *a)
{
    const layernorm *p = n->attrs;
    const int length = length_of(n);
    const nn_real *gamma = a->w[0], *beta = a->w[1];
    for (int64_t row = 0, rows = rows_of(n, a->batch); row < rows; row++) {
        const nn_real *x = a->x[0] + row * length;
        nn_real *restrict y = a->y + row * length;
        nn_real mu = total(x, length) / (nn_real)length;
        for (int i = 0; i < length; i++) y[i] = x[i] - mu;
        double var = (double)(dot(y, y, length) / (nn_real)length);
        nn_real inv = (nn_real)(1 / sqrt(var + p->eps));
        for (int i = 0; i < length; i++) y[i] = y[i] * inv * gamma[i] + beta[i];
        if (a->training) a->saved[2 * row] = mu, a->saved[2 * row + 1] = inv;
    }
}

/* xh, g and the parameters' gradients of one row */
static void backward_row(int length, const nn_real *x, const nn_real *dy, nn_real mu, nn_real inv,
                         const nn_real *gamma, nn_real *restrict xh, nn_real *restrict g,
                         nn_real *restrict dgamma, nn_real *restrict dbeta)
{
    for (int i = 0; i < length; i++) {
        xh[i] = (x[i] - mu) * inv;
        g[i] = gamma[i] * dy[i];
        dgamma[i] += dy[i] * xh[i];
        dbeta[i] += dy[i];
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const int length = length_of(n);
    nn_real *restrict xh = a->scratch, *restrict g = xh + length;
    for (int64_t row = 0, rows = rows_of(n, a->batch); row < rows; row++) {
        const int64_t at = row * length;
        nn_real inv = a->saved[2 * row + 1];
        backward_row(length, a->x[0] + at, a->dy + at, a->saved[2 * row], inv, a->w[0], xh, g,
                     a->dw[0], a->dw[1]);
        if (!a->dx[0]) continue;
        nn_real *restrict dx = a->dx[0] + at;
        nn_real mean = total(g, length) / (nn_real)length;
        nn_real slope = dot(g, xh, length) / (nn_real)length;
        for (int i = 0; i < length; i++) dx[i] += inv * (g[i] - mean - xh[i] * slope);
    }
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->biases = 2 * length_of(n);
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_layernorm_t, rows),       NN_Q8_INT_OF(sotto_layernorm_t, n),
    NN_Q8_INT_OF(sotto_layernorm_t, epsilon),    NN_Q8_INT_OF(sotto_layernorm_t, out_zero),
    NN_Q8_INT_OF(sotto_layernorm_t, multiplier), NN_Q8_INT_OF(sotto_layernorm_t, shift),
    NN_Q8_INT_OF(sotto_layernorm_t, lo),         NN_Q8_INT_OF(sotto_layernorm_t, hi),
    NN_Q8_INT_OF(sotto_layernorm_t, single),     NN_Q8_I32S_OF(sotto_layernorm_t, gamma),
    NN_Q8_I32S_OF(sotto_layernorm_t, beta),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_layernorm(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_layernorm",
    .header = "layernorm.h",
    .n_in = 1,
    .size = sizeof(sotto_layernorm_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
    .in_place = true,
};

/* The scale of gamma: 14 bits with the sign, or what beta needs to stay below 2^30. */
static double gain_scale(const nn_q8_context *c, int length)
{
    double gamma = 0, beta = 0;
    for (int i = 0; i < length; i++) {
        gamma = fmax(gamma, fabs((double)c->w[0][i]));
        beta = fmax(beta, fabs((double)c->w[1][i]));
    }
    const double scale = fmax(gamma / 8191, beta / (1 << 30) * (1 << 12));
    return scale > 0 ? scale : c->out.scale;
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    enum { MOST = 1024 };
    BASE_TRY(nn_q8_check(n, c, err));
    const int length = length_of(n);
    const double steps = length / c->in[0].scale, scale = gain_scale(c, length);
    const double epsilon = ((const layernorm *)n->attrs)->eps * steps * steps;
    sotto_layernorm_t *p = nn_q8_layer_new(&kernel, c, layer);
    int32_t *gamma = base_arena_alloc(c->arena, (size_t)length, sizeof *gamma);
    int32_t *beta = base_arena_alloc(c->arena, (size_t)length, sizeof *beta);
    if (!p || !gamma || !beta) return base_nomem(err, (size_t)length * sizeof *gamma);
    for (int i = 0; i < length; i++) {
        const double g = (double)c->w[0][i] / scale, b = (double)c->w[1][i] / scale * (1 << 12);
        gamma[i] = (int32_t)fmax(-8191, fmin(8191, round(g)));
        beta[i] = (int32_t)fmax(-(1 << 30), fmin(1 << 30, round(b)));
    }
    *p = (sotto_layernorm_t){.rows = (int32_t)rows_of(n, 1),
                             .n = length,
                             .epsilon = (int32_t)fmin(round(epsilon), INT32_MAX),
                             .out_zero = c->out.zero,
                             .lo = c->lo,
                             .hi = c->hi,
                             .single = c->single,
                             .gamma = gamma,
                             .beta = beta};
    layer->count[0] = layer->count[1] = (size_t)length;
    const double factor = scale / (1 << 12) / c->out.scale;
    if (length > MOST || epsilon >= INT32_MAX || !(factor < 1) ||
        !nn_q8_multiplier(factor, &p->multiplier, &p->shift))
        return nn_op_fail(n, err, "no int8 form: rows of %d, eps %g, scales %g to %g", length,
                          ((const layernorm *)n->attrs)->eps, c->in[0].scale, c->out.scale);
    return BASE_OK;
}

NN_CASES("x = input 5x4x6; y = layernorm(x)", "x = input 9; y = layernorm(x) eps=0.01",
         "x = input 7x1x32; y = layernorm(x)", "x = input 3x83; y = layernorm(x) eps=1e-05",
         "x = input 11x2; y = layernorm(x) eps=1", "x = input 4x1; y = layernorm(x)");

const nn_op nn_op_layernorm = {
    .name = "layernorm",
    .summary = "layer normalization over the last axis",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(layernorm),
    .shape = shape,
    .saved = saved,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
