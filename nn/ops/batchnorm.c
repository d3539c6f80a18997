/* batchnorm: x [..., C] -> y [..., C] (Ioffe and Szegedy, arXiv 1502.03167)
 *
 *   y = gamma (x - mu) / sqrt(var + eps) + beta, per channel C (the last dimension)
 *
 * Training: mu and (biased) var over samples and positions; the statistics' gradient slots get
 * what was observed, mean and unbiased variance, which the optimizer averages into the running
 * ones. Evaluation: running statistics. With N values a channel, xh = (x - mu) / sigma:
 *
 *   dbeta = sum dy,  dgamma = sum dy xh,  dx = gamma/sigma (dy - dbeta/N - xh dgamma/N)
 */
#include "nn/op.h"

#include <math.h>
#include <string.h>

typedef struct batchnorm {
    double eps;
} batchnorm;

static const nn_attr attrs[] = {
    {"eps", NN_REAL, offsetof(batchnorm, eps), "1e-05", 1e-12, 1, "added to the variance", false},
};

enum { GAMMA, BETA, MEAN, VAR };

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    nn_shape c = {1, {n->shape.d[n->shape.n - 1]}};
    nn_declare(n, "gamma", c, NN_GAIN, NN_ONES, 1, 1);
    nn_declare(n, "beta", c, NN_BIAS, NN_ZEROS, 1, 1);
    nn_declare(n, "mean", c, NN_STATISTIC, NN_ZEROS, 1, 1);
    nn_declare(n, "var", c, NN_STATISTIC, NN_ONES, 1, 1);
    return BASE_OK;
}

static int channels_of(const nn_node *n)
{
    return n->shape.d[n->shape.n - 1];
}

static int rows_of(const nn_node *n, int batch)
{
    return (int)(batch * nn_count(n->shape) / channels_of(n));
}

/* saved: mu and 1/sigma; scratch: factors of the passes. */
static size_t saved(const nn_node *n, int batch)
{
    (void)batch;
    return 2 * (size_t)channels_of(n);
}

static size_t scratch(const nn_node *n, int batch)
{
    (void)batch;
    return 3 * (size_t)channels_of(n);
}

/* mu and var of rows x ch values; two passes, so that nothing cancels. */
static void moments(const nn_real *x, int rows, int ch, nn_real *mu, nn_real *var)
{
    memset(mu, 0, (size_t)ch * sizeof *mu);
    memset(var, 0, (size_t)ch * sizeof *var);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < ch; c++) mu[c] += x[(ptrdiff_t)r * ch + c];
    for (int c = 0; c < ch; c++) mu[c] /= (nn_real)rows;
    for (int r = 0; r < rows; r++) {
        const nn_real *v = x + (ptrdiff_t)r * ch;
        for (int c = 0; c < ch; c++) var[c] += (v[c] - mu[c]) * (v[c] - mu[c]);
    }
    for (int c = 0; c < ch; c++) var[c] /= (nn_real)rows;
}

/* Batch moments into saved, and to the statistics' slots. */
static void use_batch(const nn_node *n, const nn_args *a, int rows)
{
    const batchnorm *p = n->attrs;
    int ch = channels_of(n);
    nn_real *mu = a->saved, *inv = mu + ch, unbias = (nn_real)rows / (nn_real)(rows - 1);
    moments(a->x[0], rows, ch, mu, inv);
    for (int c = 0; c < ch; c++) {
        a->dw[MEAN][c] = mu[c];
        a->dw[VAR][c] = rows > 1 ? inv[c] * unbias : inv[c];
        inv[c] = (nn_real)(1 / sqrt((double)inv[c] + p->eps));
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    const batchnorm *p = n->attrs;
    int ch = channels_of(n), rows = rows_of(n, a->batch);
    nn_real *restrict scale = a->scratch, *restrict shift = scale + ch;
    if (a->training) use_batch(n, a, rows);
    for (int c = 0; c < ch; c++) {
        nn_real mu = a->training ? a->saved[c] : a->w[MEAN][c];
        nn_real inv =
            a->training ? a->saved[ch + c] : (nn_real)(1 / sqrt((double)a->w[VAR][c] + p->eps));
        scale[c] = a->w[GAMMA][c] * inv;
        shift[c] = a->w[BETA][c] - mu * scale[c];
    }
    for (int r = 0; r < rows; r++) {
        const nn_real *x = a->x[0] + (ptrdiff_t)r * ch;
        nn_real *restrict y = a->y + (ptrdiff_t)r * ch;
        for (int c = 0; c < ch; c++) y[c] = x[c] * scale[c] + shift[c];
    }
}

/* sum = sum of dy, dot = sum of dy xh, per channel. */
static void backward_sums(const nn_args *a, int rows, int ch, nn_real *restrict sum,
                          nn_real *restrict dot)
{
    const nn_real *mu = a->saved, *inv = mu + ch;
    memset(sum, 0, (size_t)ch * sizeof *sum);
    memset(dot, 0, (size_t)ch * sizeof *dot);
    for (int r = 0; r < rows; r++) {
        const nn_real *dy = a->dy + (ptrdiff_t)r * ch, *x = a->x[0] + (ptrdiff_t)r * ch;
        for (int c = 0; c < ch; c++) {
            sum[c] += dy[c];
            dot[c] += dy[c] * (x[c] - mu[c]);
        }
    }
    for (int c = 0; c < ch; c++) dot[c] *= inv[c];
}

static void backward(const nn_node *n, const nn_args *a)
{
    int ch = channels_of(n), rows = rows_of(n, a->batch);
    const nn_real *mu = a->saved, *inv = mu + ch;
    nn_real *restrict sum = a->scratch, *restrict dot = sum + ch, *restrict k = dot + ch;
    backward_sums(a, rows, ch, sum, dot);
    for (int c = 0; c < ch; c++) {
        a->dw[BETA][c] += sum[c];
        a->dw[GAMMA][c] += dot[c];
    }
    if (!a->dx[0]) return;
    /* dx as k dy + m x + t: m goes to dot, t to sum */
    for (int c = 0; c < ch; c++) {
        k[c] = a->w[GAMMA][c] * inv[c];
        dot[c] *= -k[c] * inv[c] / (nn_real)rows;
        sum[c] = -k[c] * sum[c] / (nn_real)rows - dot[c] * mu[c];
    }
    for (int r = 0; r < rows; r++) {
        const nn_real *dy = a->dy + (ptrdiff_t)r * ch, *x = a->x[0] + (ptrdiff_t)r * ch;
        nn_real *restrict dx = a->dx[0] + (ptrdiff_t)r * ch;
        for (int c = 0; c < ch; c++) dx[c] += k[c] * dy[c] + dot[c] * x[c] + sum[c];
    }
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->biases = 2 * channels_of(n);
}

static void affine(const nn_node *n, const nn_real *const *w, double *mul, double *add)
{
    const batchnorm *p = n->attrs;
    for (int c = 0; c < channels_of(n); c++) {
        mul[c] = (double)w[GAMMA][c] / sqrt((double)w[VAR][c] + p->eps);
        add[c] = (double)w[BETA][c] - (double)w[MEAN][c] * mul[c];
    }
}

NN_CASES("x = input 5x4x6; y = batchnorm(x)", "x = input 9; y = batchnorm(x) eps=0.001",
         "x = input 3x1x17; y = batchnorm(x)");

const nn_op nn_op_batchnorm = {
    .name = "batchnorm",
    .summary = "batch normalization per channel",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(batchnorm),
    .shape = shape,
    .saved = saved,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .affine = affine,
    .cases = cases,
    .n_cases = N_CASES,
};
