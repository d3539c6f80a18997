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
 * parameters repeat: several positions long, or some frames with bands. Sums go down the columns of
 * such stretches, some vectors of them at a time, in registers.
 *
 * An activation that bounds y is done in the same pass; its backward lets through the dy of those y
 * that lie strictly between the bounds.
 */
#include "nn/lower.h"
#include "nn/vector.h"

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
    int period, run;         /* elements until the parameters repeat; of those, of one band */
    int stretch;             /* some periods: whole vectors */
    int64_t total;           /* elements of the batch */
    nn_real per;             /* values of a channel in it */
    int shift, mean, var;    /* parameter numbers of beta and the statistics; gamma's is 0 */
    bool gamma, beta;        /* whether there is one */
} geometry;

static geometry geometry_of(const nn_node *n, int batch)
{
    const batchnorm *p = n->attrs;
    geometry g = {
        .ch = n->shape.d[n->shape.n - 1], .bands = p->bands, .gamma = p->gamma, .beta = p->beta};
    g.channels = g.ch * g.bands;
    g.period = p->bands > 1 ? n->shape.d[1] * g.ch : g.ch;
    g.run = g.period / g.bands;
    g.stretch = g.period;
    while (g.stretch % NN_LANES || g.stretch < 4 * NN_LANES) g.stretch += g.period;
    g.total = batch * nn_count(n->shape);
    g.per = (nn_real)(g.total / g.channels);
    g.shift = p->gamma ? 1 : 0;
    g.mean = g.shift + (p->beta ? 1 : 0);
    g.var = g.mean + 1;
    return g;
}

/* saved: mu and 1/sigma; scratch: stretches of the passes, then two sets of channels. */
static size_t saved(const nn_node *n, int batch)
{
    return 2 * (size_t)geometry_of(n, batch).channels;
}

static size_t scratch(const nn_node *n, int batch)
{
    geometry g = geometry_of(n, batch);
    return 3 * (size_t)g.stretch + 2 * (size_t)g.channels;
}

/* from [channels] repeated along a stretch */
static void spread(const geometry *g, const nn_real *from, nn_real *to)
{
    for (int at = 0; at < g->stretch; at += g->period)
        for (int b = 0; b < g->bands; b++)
            for (int i = 0; i < g->run; i += g->ch, to += g->ch)
                memcpy(to, from + b * g->ch, (size_t)g->ch * sizeof *to);
}

/* The reverse: to [channels] gets the sums of what lies along a stretch. */
static void gather(const geometry *g, const nn_real *from, nn_real *to)
{
    memset(to, 0, (size_t)g->channels * sizeof *to);
    for (int at = 0; at < g->stretch; at += g->period)
        for (int b = 0; b < g->bands; b++)
            for (int i = 0; i < g->run; i += g->ch, from += g->ch)
                for (int c = 0; c < g->ch; c++) to[b * g->ch + c] += from[c];
}

static int length_at(const geometry *g, int64_t at)
{
    return g->total - at < g->stretch ? (int)(g->total - at) : g->stretch;
}

/* ---- forward ---- */

/* sum = sum of x - near, square = sum of (x - near)^2, down `vectors` vectors of columns. */
static inline __attribute__((always_inline)) void
moment_columns(int vectors, int64_t rows, ptrdiff_t stretch, const nn_real *x, const nn_real *near,
               nn_real *sum, nn_real *square)
{
    nn_vector s[4], q[4], k[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        s[v] = q[v] = (nn_vector){0};
        k[v] = ((const nn_vector *)near)[v];
    }
    for (; rows > 0; rows--, x += stretch) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            nn_vector d = ((const nn_vector *)x)[v] - k[v];
            s[v] += d;
            q[v] += d * d;
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        ((nn_vector *)sum)[v] = s[v];
        ((nn_vector *)square)[v] = q[v];
    }
}

/* The same for the first `total` elements of x. */
static void moment_sums(const geometry *g, int64_t total, const nn_real *x, const nn_real *near,
                        nn_real *sum, nn_real *square)
{
    const int64_t rows = total / g->stretch, rest = rows * g->stretch;
    int j = 0;
    for (; j + 4 * NN_LANES <= g->stretch; j += 4 * NN_LANES)
        moment_columns(4, rows, g->stretch, x + j, near + j, sum + j, square + j);
    for (; j < g->stretch; j += NN_LANES)
        moment_columns(1, rows, g->stretch, x + j, near + j, sum + j, square + j);
    for (int64_t i = rest; i < total; i++) {
        const nn_real d = x[i] - near[i - rest];
        sum[i - rest] += d;
        square[i - rest] += d * d;
    }
}

/* Mean and biased variance in one pass, by differences to a mean of some first values, so that
 * nothing cancels. */
static void moments(const geometry *g, const nn_real *x, nn_real *mean, nn_real *var,
                    nn_real *scratch)
{
    enum { SOME = 8 };
    nn_real *near = scratch, *sum = near + g->stretch, *square = sum + g->stretch;
    const int64_t first = g->total < SOME * (int64_t)g->stretch ? g->total : SOME * g->stretch;
    memset(near, 0, (size_t)g->stretch * sizeof *near);
    moment_sums(g, first, x, near, sum, square);
    gather(g, sum, mean);
    for (int c = 0; c < g->channels; c++) mean[c] *= (nn_real)g->channels / (nn_real)first;
    spread(g, mean, near);
    moment_sums(g, g->total, x, near, sum, square);
    gather(g, square, var);
    gather(g, sum, square);
    for (int c = 0; c < g->channels; c++) {
        const nn_real d = square[c] / g->per, v = var[c] / g->per - d * d;
        mean[c] += d;
        var[c] = v < 0 ? 0 : v;
    }
}

/* Batch moments into saved, and to the statistics' slots. */
static void use_batch(const nn_node *n, const geometry *g, const nn_args *a)
{
    const batchnorm *p = n->attrs;
    nn_real *mu = a->saved, *inv = mu + g->channels, unbias = g->per / (g->per - 1);
    moments(g, a->x[0], mu, inv, a->scratch);
    for (int c = 0; c < g->channels; c++) {
        a->dw[g->mean][c] = mu[c];
        a->dw[g->var][c] = g->per > 1 ? inv[c] * unbias : inv[c];
        inv[c] = (nn_real)(1 / sqrt((double)inv[c] + p->eps));
    }
}

/* y = scale x + shift, within bounds if there are some, along a stretch */
static void apply(const geometry *g, const nn_args *a, const nn_real *restrict scale,
                  const nn_real *restrict shift)
{
    for (int64_t at = 0; at < g->total; at += g->stretch) {
        const nn_real *x = a->x[0] + at;
        nn_real *restrict y = a->y + at;
        const int m = length_at(g, at);
        if (!a->clamp) {
            for (int i = 0; i < m; i++) y[i] = x[i] * scale[i] + shift[i];
            continue;
        }
        const nn_clamp c = *a->clamp;
        for (int i = 0; i < m; i++) y[i] = nn_clamped(c, x[i] * scale[i] + shift[i]);
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    const batchnorm *p = n->attrs;
    geometry g = geometry_of(n, a->batch);
    nn_real *scales = a->scratch, *shifts = scales + g.stretch;
    nn_real *scale = shifts + g.stretch, *shift = scale + g.channels;
    if (a->training) use_batch(n, &g, a);
    for (int c = 0; c < g.channels; c++) {
        nn_real inv = a->training ? a->saved[g.channels + c]
                                  : (nn_real)(1 / sqrt((double)a->w[g.var][c] + p->eps));
        nn_real mu = a->training ? a->saved[c] : a->w[g.mean][c];
        scale[c] = g.gamma ? a->w[0][c] * inv : inv;
        shift[c] = (g.beta ? a->w[g.shift][c] : 0) - mu * scale[c];
    }
    spread(&g, scale, scales);
    spread(&g, shift, shifts);
    apply(&g, a, scales, shifts);
}

/* ---- backward ---- */

/* sum = sum of dy, dot = sum of dy (x - mu), down `vectors` vectors of columns from `at`; of dy
 * counts what belongs to a y strictly within the bounds. */
static inline __attribute__((always_inline)) void
gradient_columns(int vectors, bool bounded, const geometry *g, const nn_args *a, ptrdiff_t at,
                 const nn_real *mu, nn_real *sum, nn_real *dot)
{
    const nn_real *x = a->x[0] + at, *dy = a->dy + at, *y = a->y + at;
    const nn_real lo = bounded ? a->clamp->lo : 0, hi = bounded ? a->clamp->hi : 0;
    nn_vector s[4], d[4], k[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        s[v] = d[v] = (nn_vector){0};
        k[v] = ((const nn_vector *)mu)[v];
    }
    for (int64_t r = g->total / g->stretch; r > 0; r--) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            nn_vector in = ((const nn_vector *)dy)[v];
            if (bounded) {
                const nn_vector out = ((const nn_vector *)y)[v];
                in = (nn_vector)((nn_mask)in & (out > lo) & (out < hi));
            }
            s[v] += in;
            d[v] += in * (((const nn_vector *)x)[v] - k[v]);
        }
        x += g->stretch, dy += g->stretch, y += g->stretch;
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        ((nn_vector *)sum)[v] = s[v];
        ((nn_vector *)dot)[v] = d[v];
    }
}

static void gradient_sums(const geometry *g, const nn_args *a, const nn_real *mu, nn_real *sum,
                          nn_real *dot)
{
    const int64_t rest = g->total / g->stretch * g->stretch;
    int j = 0;
    for (; j + 4 * NN_LANES <= g->stretch; j += 4 * NN_LANES)
        if (a->clamp)
            gradient_columns(4, true, g, a, j, mu + j, sum + j, dot + j);
        else
            gradient_columns(4, false, g, a, j, mu + j, sum + j, dot + j);
    for (; j < g->stretch; j += NN_LANES)
        if (a->clamp)
            gradient_columns(1, true, g, a, j, mu + j, sum + j, dot + j);
        else
            gradient_columns(1, false, g, a, j, mu + j, sum + j, dot + j);
    for (int64_t i = rest; i < g->total; i++) {
        const nn_real in = a->clamp ? nn_passed(*a->clamp, a->y[i], a->dy[i]) : a->dy[i];
        sum[i - rest] += in;
        dot[i - rest] += in * (a->x[0][i] - mu[i - rest]);
    }
}

/* dx (+)= k dy + m x + t along a stretch, from element `at` on */
static inline __attribute__((always_inline)) void
input_stretch(bool bounded, bool fresh, const nn_args *a, int64_t at, int n,
              const nn_real *restrict k, const nn_real *restrict m, const nn_real *restrict t)
{
    const nn_real *dy = a->dy + at, *x = a->x[0] + at, *y = a->y + at;
    const nn_real lo = bounded ? a->clamp->lo : 0, hi = bounded ? a->clamp->hi : 0;
    nn_real *restrict dx = a->dx[0] + at;
    for (int i = 0; i < n; i++) {
        const nn_real in = !bounded || (y[i] > lo && y[i] < hi) ? dy[i] : 0;
        const nn_real v = k[i] * in + m[i] * x[i] + t[i];
        dx[i] = fresh ? v : dx[i] + v;
    }
}

static void input_gradient(const geometry *g, const nn_args *a, const nn_real *k, const nn_real *m,
                           const nn_real *t)
{
    const int kind = (a->clamp ? 2 : 0) + (nn_is_fresh(a, 0) ? 1 : 0);
    for (int64_t at = 0; at < g->total; at += g->stretch) {
        const int n = length_at(g, at);
        switch (kind) {
        case 0: input_stretch(false, false, a, at, n, k, m, t); break;
        case 1: input_stretch(false, true, a, at, n, k, m, t); break;
        case 2: input_stretch(true, false, a, at, n, k, m, t); break;
        case 3: input_stretch(true, true, a, at, n, k, m, t); break;
        }
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n, a->batch);
    const nn_real *mu = a->saved, *inv = mu + g.channels;
    nn_real *k = a->scratch, *m = k + g.stretch, *t = m + g.stretch;
    nn_real *sum = t + g.stretch, *dot = sum + g.channels;
    spread(&g, mu, k);
    gradient_sums(&g, a, k, m, t);
    gather(&g, m, sum);
    gather(&g, t, dot);
    for (int c = 0; c < g.channels; c++) {
        dot[c] *= inv[c];
        if (g.beta) a->dw[g.shift][c] += sum[c];
        if (g.gamma) a->dw[0][c] += dot[c];
    }
    if (!a->dx[0]) return;

    for (int c = 0; c < g.channels; c++) {
        const nn_real f = g.gamma ? a->w[0][c] * inv[c] : inv[c];
        dot[c] *= -f * inv[c] / g.per;
        sum[c] = -f * sum[c] / g.per - dot[c] * mu[c];
    }
    spread(&g, dot, m);
    spread(&g, sum, t);
    for (int c = 0; c < g.channels; c++) dot[c] = g.gamma ? a->w[0][c] * inv[c] : inv[c];
    spread(&g, dot, k);
    input_gradient(&g, a, k, m, t);
}

static void cost(const nn_node *n, nn_cost *c)
{
    geometry g = geometry_of(n, 1);
    c->biases = ((g.gamma ? 1 : 0) + (g.beta ? 1 : 0)) * g.channels;
}

static int affine(const nn_node *n, const nn_real *const *w, double *mul, double *add)
{
    const batchnorm *p = n->attrs;
    geometry g = geometry_of(n, 1);
    for (int c = 0; w && c < g.channels; c++) {
        mul[c] = (g.gamma ? (double)w[0][c] : 1) / sqrt((double)w[g.var][c] + p->eps);
        add[c] = (g.beta ? (double)w[g.shift][c] : 0) - (double)w[g.mean][c] * mul[c];
    }
    return g.bands;
}

/* Behind no convolution: a depthwise one of one tap. */
static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const geometry g = geometry_of(n, 1);
    const int width = g.period / g.ch, height = (int)(g.total / g.period);
    const nn_window win[2] = {{height, height, 1, 1, 1, 0}, {width, width, 1, 1, 1, 0}};
    nn_real *weight = base_arena_alloc(c->arena, (size_t)g.channels, sizeof *weight);
    nn_real *bias = base_arena_alloc(c->arena, (size_t)g.channels, sizeof *bias);
    double *mul = base_arena_alloc(c->arena, (size_t)g.channels, sizeof *mul);
    double *add = base_arena_alloc(c->arena, (size_t)g.channels, sizeof *add);
    if (!weight || !bias || !mul || !add) return base_nomem(err, (size_t)g.channels * sizeof *mul);
    nn_q8_context own = *c;
    own.bands = affine(n, c->w, mul, add);
    for (int k = 0; k < g.channels; k++) {
        weight[k] = g.bands > 1 ? 1 : (nn_real)mul[k];
        bias[k] = (nn_real)add[k];
    }
    own.w[0] = weight;
    own.w[1] = g.bands > 1 ? NULL : bias;
    own.mul = g.bands > 1 ? mul : NULL;
    own.add = add;
    return nn_q8_depthwise(n, &own, win, g.ch, layer, err);
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
    .flags = NN_KEEP_X | NN_FRESH | NN_CLAMPS | NN_WIDE,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(batchnorm),
    .shape = shape,
    .saved = saved,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .affine = affine,
    .cases = cases,
    .n_cases = N_CASES,
};
