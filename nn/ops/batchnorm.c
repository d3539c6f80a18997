/* batchnorm: x [..., C] -> y [..., C] (Ioffe and Szegedy, arXiv 1502.03167)
 *
 *   y = gamma (x - mu) / sqrt(var + eps) + beta, per channel C (the last dimension)
 *
 * With bands = S of a tensor [T, F, C] per channel and band: F is cut into S runs of F/S, each
 * normalized for itself (subspectral normalization, Chang et al., arXiv 2103.13620); parameters are
 * then [S, C]. gamma=no leaves gamma at 1 and beta=no leaves beta at 0, and are no parameters.
 *
 * Training: mu and (biased) var over samples and positions; the statistics' gradient slots get
 * what was observed, mean and unbiased variance, which the optimizer averages into the running
 * ones. Evaluation: running statistics. With N values a channel, xh = (x - mu) / sigma:
 *
 *   dbeta = sum dy,  dgamma = sum dy xh,  dx = gamma/sigma (dy - dbeta/N - xh dgamma/N)
 *
 * Keyword models have few channels, so all loops run over a stretch of the tensor after which the
 * parameters repeat: several positions long, or a whole frame with bands.
 */
#include "nn/op.h"

#include <math.h>
#include <string.h>

typedef struct batchnorm {
    double eps;
    int bands;
    bool gamma, beta;
} batchnorm;

static const nn_attr attrs[] = {
    {"eps", NN_REAL, offsetof(batchnorm, eps), "1e-05", 1e-12, 1, "added to the variance", false},
    {"bands", NN_INT, offsetof(batchnorm, bands), "1", 1, 4096, "runs of frequency apart", false},
    {"gamma", NN_YESNO, offsetof(batchnorm, gamma), "yes", 0, 0, "scale the result", false},
    {"beta", NN_YESNO, offsetof(batchnorm, beta), "yes", 0, 0, "add to the result", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const batchnorm *p = n->attrs;
    n->shape = n->in[0]->shape;
    nn_shape c = {1, {n->shape.d[n->shape.n - 1]}};
    if (p->bands > 1) {
        BASE_TRY(nn_need_dims(n, 0, 3, err));
        if (n->shape.d[1] % p->bands)
            return nn_op_fail(n, err, "bands=%d does not divide the input's %d in frequency",
                              p->bands, n->shape.d[1]);
        c = (nn_shape){2, {p->bands, n->shape.d[2]}};
    }
    if (p->gamma) nn_declare(n, "gamma", c, NN_GAIN, NN_ONES, 1, 1);
    if (p->beta) nn_declare(n, "beta", c, NN_BIAS, NN_ZEROS, 1, 1);
    nn_declare(n, "mean", c, NN_STATISTIC, NN_ZEROS, 1, 1);
    nn_declare(n, "var", c, NN_STATISTIC, NN_ONES, 1, 1);
    return BASE_OK;
}

/* How the tensor is walked, and where the parameters are. */
typedef struct geometry {
    int ch, bands, channels; /* channels: ch * bands, the length of a parameter */
    int run;                 /* elements of a stretch that share a band */
    int stretch;             /* after so many elements the parameters repeat */
    int64_t total;           /* elements of the batch */
    nn_real per;             /* values of a channel in it */
    int shift, mean, var;    /* parameter numbers of beta and the statistics; gamma's is 0 */
    bool gamma, beta;        /* whether there is one */
} geometry;

static geometry geometry_of(const nn_node *n, int batch)
{
    enum { LONG = 64 };
    const batchnorm *p = n->attrs;
    geometry g = {
        .ch = n->shape.d[n->shape.n - 1], .bands = p->bands, .gamma = p->gamma, .beta = p->beta};
    g.channels = g.ch * g.bands;
    g.stretch = p->bands > 1 ? n->shape.d[1] * g.ch : (LONG + g.ch - 1) / g.ch * g.ch;
    g.run = g.stretch / g.bands;
    g.total = batch * nn_count(n->shape);
    g.per = (nn_real)(g.total / g.channels);
    g.shift = p->gamma ? 1 : 0;
    g.mean = g.shift + (p->beta ? 1 : 0);
    g.var = g.mean + 1;
    return g;
}

/* saved: mu and 1/sigma; scratch: stretches of the passes. */
static size_t saved(const nn_node *n, int batch)
{
    return 2 * (size_t)geometry_of(n, batch).channels;
}

static size_t scratch(const nn_node *n, int batch)
{
    return 3 * (size_t)geometry_of(n, batch).stretch;
}

/* from [channels] repeated along a stretch */
static void spread(const geometry *g, const nn_real *from, nn_real *to)
{
    for (int b = 0; b < g->bands; b++)
        for (int i = 0; i < g->run; i += g->ch, to += g->ch)
            memcpy(to, from + b * g->ch, (size_t)g->ch * sizeof *to);
}

/* The same within one stretch, whose first elements are the channels. From the back, so that
 * nothing is overwritten before it is read. */
static void spread_within(const geometry *g, nn_real *v)
{
    for (int b = g->bands - 1; b >= 0; b--)
        for (int i = g->run - g->ch; i >= 0; i -= g->ch)
            memmove(v + b * g->run + i, v + b * g->ch, (size_t)g->ch * sizeof *v);
}

/* The reverse: to [channels] gets the sums of what lies along a stretch. */
static void gather(const geometry *g, const nn_real *from, nn_real *to)
{
    memset(to, 0, (size_t)g->channels * sizeof *to);
    for (int b = 0; b < g->bands; b++)
        for (int i = 0; i < g->run; i += g->ch, from += g->ch)
            for (int c = 0; c < g->ch; c++) to[b * g->ch + c] += from[c];
}

static int length_at(const geometry *g, int64_t at)
{
    return g->total - at < g->stretch ? (int)(g->total - at) : g->stretch;
}

/* Mean and biased variance; two passes, so that nothing cancels. */
static void moments(const geometry *g, const nn_real *x, nn_real *mean, nn_real *var,
                    nn_real *restrict sum, nn_real *restrict mu)
{
    memset(sum, 0, (size_t)g->stretch * sizeof *sum);
    for (int64_t at = 0; at < g->total; at += g->stretch)
        for (int i = 0, n = length_at(g, at); i < n; i++) sum[i] += x[at + i];
    gather(g, sum, mean);
    for (int c = 0; c < g->channels; c++) mean[c] /= g->per;
    spread(g, mean, mu);
    memset(sum, 0, (size_t)g->stretch * sizeof *sum);
    for (int64_t at = 0; at < g->total; at += g->stretch)
        for (int i = 0, n = length_at(g, at); i < n; i++)
            sum[i] += (x[at + i] - mu[i]) * (x[at + i] - mu[i]);
    gather(g, sum, var);
    for (int c = 0; c < g->channels; c++) var[c] /= g->per;
}

/* Batch moments into saved, and to the statistics' slots. */
static void use_batch(const nn_node *n, const geometry *g, const nn_args *a)
{
    const batchnorm *p = n->attrs;
    nn_real *mu = a->saved, *inv = mu + g->channels, unbias = g->per / (g->per - 1);
    moments(g, a->x[0], mu, inv, a->scratch, a->scratch + g->stretch);
    for (int c = 0; c < g->channels; c++) {
        a->dw[g->mean][c] = mu[c];
        a->dw[g->var][c] = g->per > 1 ? inv[c] * unbias : inv[c];
        inv[c] = (nn_real)(1 / sqrt((double)inv[c] + p->eps));
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    const batchnorm *p = n->attrs;
    geometry g = geometry_of(n, a->batch);
    nn_real *restrict scale = a->scratch, *restrict shift = scale + g.stretch;
    if (a->training) use_batch(n, &g, a);
    for (int c = 0; c < g.channels; c++) {
        nn_real inv = a->training ? a->saved[g.channels + c]
                                  : (nn_real)(1 / sqrt((double)a->w[g.var][c] + p->eps));
        nn_real mu = a->training ? a->saved[c] : a->w[g.mean][c];
        scale[c] = g.gamma ? a->w[0][c] * inv : inv;
        shift[c] = (g.beta ? a->w[g.shift][c] : 0) - mu * scale[c];
    }
    spread_within(&g, scale);
    spread_within(&g, shift);
    for (int64_t at = 0; at < g.total; at += g.stretch) {
        const nn_real *x = a->x[0] + at;
        nn_real *restrict y = a->y + at;
        for (int i = 0, m = length_at(&g, at); i < m; i++) y[i] = x[i] * scale[i] + shift[i];
    }
}

/* sum = sum of dy, dot = sum of dy (x - mu), along a stretch; mu is one. */
static void backward_sums(const geometry *g, const nn_args *a, const nn_real *restrict mu,
                          nn_real *restrict sum, nn_real *restrict dot)
{
    memset(sum, 0, (size_t)g->stretch * sizeof *sum);
    memset(dot, 0, (size_t)g->stretch * sizeof *dot);
    for (int64_t at = 0; at < g->total; at += g->stretch) {
        const nn_real *dy = a->dy + at, *x = a->x[0] + at;
        for (int i = 0, m = length_at(g, at); i < m; i++) {
            sum[i] += dy[i];
            dot[i] += dy[i] * (x[i] - mu[i]);
        }
    }
}

/* dx += k dy + m x + t, along a stretch */
static void backward_input(const geometry *g, const nn_args *a, const nn_real *restrict k,
                           const nn_real *restrict m, const nn_real *restrict t)
{
    for (int64_t at = 0; at < g->total; at += g->stretch) {
        const nn_real *dy = a->dy + at, *x = a->x[0] + at;
        nn_real *restrict dx = a->dx[0] + at;
        for (int i = 0, n = length_at(g, at); i < n; i++)
            dx[i] += k[i] * dy[i] + m[i] * x[i] + t[i];
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n, a->batch);
    const nn_real *mu = a->saved, *inv = mu + g.channels;
    nn_real *k = a->scratch, *sum = k + g.stretch, *dot = sum + g.stretch;
    spread(&g, mu, k);
    backward_sums(&g, a, k, sum, dot);
    gather(&g, sum, k);
    memcpy(sum, k, (size_t)g.channels * sizeof *sum);
    gather(&g, dot, k);
    for (int c = 0; c < g.channels; c++) {
        dot[c] = k[c] * inv[c];
        if (g.beta) a->dw[g.shift][c] += sum[c];
        if (g.gamma) a->dw[0][c] += dot[c];
    }
    if (!a->dx[0]) return;
    for (int c = 0; c < g.channels; c++) {
        k[c] = g.gamma ? a->w[0][c] * inv[c] : inv[c];
        dot[c] *= -k[c] * inv[c] / g.per;
        sum[c] = -k[c] * sum[c] / g.per - dot[c] * mu[c];
    }
    spread_within(&g, k);
    spread_within(&g, dot);
    spread_within(&g, sum);
    backward_input(&g, a, k, dot, sum);
}

static void cost(const nn_node *n, nn_cost *c)
{
    geometry g = geometry_of(n, 1);
    c->biases = ((g.gamma ? 1 : 0) + (g.beta ? 1 : 0)) * g.channels;
}

/* Bands have no one factor a channel. */
static bool affine(const nn_node *n, const nn_real *const *w, double *mul, double *add)
{
    const batchnorm *p = n->attrs;
    geometry g = geometry_of(n, 1);
    for (int c = 0; w && g.bands == 1 && c < g.channels; c++) {
        mul[c] = (g.gamma ? (double)w[0][c] : 1) / sqrt((double)w[g.var][c] + p->eps);
        add[c] = (g.beta ? (double)w[g.shift][c] : 0) - (double)w[g.mean][c] * mul[c];
    }
    return g.bands == 1;
}

NN_CASES("x = input 5x4x6; y = batchnorm(x)", "x = input 9; y = batchnorm(x) eps=0.001",
         "x = input 3x1x17; y = batchnorm(x)", "x = input 5x4x6; y = batchnorm(x) gamma=no",
         "x = input 4x10x3; y = batchnorm(x) bands=5", "x = input 7x5x8; y = batchnorm(x) bands=5",
         "x = input 3x8x5; y = batchnorm(x) bands=2 gamma=no",
         "x = input 2x3x130; y = batchnorm(x)", "x = input 6x5x7; y = batchnorm(x) beta=no",
         "x = input 6x5x7; y = batchnorm(x) gamma=no beta=no",
         "x = input 3x8x5; y = batchnorm(x) bands=4 gamma=no beta=no",
         "x = input 13x3x6; y = batchnorm(x)");

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
