/* dtw: x [T, ...] -> y [K], T frames of F values against `each` templates m of as many for each of
 * K classes, by dynamic time warping (Sakoe and Chiba, IEEE Trans. ASSP 26, 1978):
 *   y_k = -scale / (2 T F) mean of the `nearest` least D(T-1, T-1) over templates m of class k
 *   D(i, j) = min(D(i-1, j-1) + 2 d, D(i-1, j) + d, D(i, j-1) + d), d = sum_f |x_if - m_jf|
 * for |i - j| <= band, D(-1, -1) = 0: the mean difference of the values along the best paths, with
 * the nearest templates of the class. A frame that is not a number makes all of y none.
 *
 * Gradients are those of the best paths with the nearest templates: zero elsewhere.
 */
#include "quantize/runtime/dtw.h"
#include "nn/lower.h"

#include <math.h>
#include <string.h>

typedef struct dtw {
    int out, each, nearest, band;
} dtw;

static const nn_attr attrs[] = {
    {"out", NN_INT, offsetof(dtw, out), NULL, 1, 4096, "classes", false},
    {"each", NN_INT, offsetof(dtw, each), "1", 1, 4096, "templates of a class", false},
    {"nearest", NN_INT, offsetof(dtw, nearest), "1", 1, 4096, "of them that count", false},
    {"band", NN_INT, offsetof(dtw, band), "5", 0, 1024, "most frames that one is ahead", false},
};

enum { VALUE, SCALE, MOST_VALUES = SOTTO_DTW_FAR / (4 * 255) };

static int frames_of(const nn_node *n)
{
    return n->in[0]->shape.d[0];
}

static int width_of(const nn_node *n)
{
    return (int)(nn_count(n->in[0]->shape) / frames_of(n));
}

static base_status shape(nn_node *n, base_err *err)
{
    const dtw *p = n->attrs;
    const int64_t all = nn_count(n->in[0]->shape);
    if (p->nearest > p->each)
        return nn_op_fail(n, err, "nearest=%d of each=%d templates", p->nearest, p->each);
    if (all > MOST_VALUES / p->nearest)
        return nn_op_fail(n, err, "%lld values, at most %d with nearest=%d", (long long)all,
                          MOST_VALUES / p->nearest, p->nearest);
    const int values = (int)all;
    n->shape = (nn_shape){1, {p->out}};
    nn_declare(n, "value", (nn_shape){4, {p->out, p->each, frames_of(n), width_of(n)}}, NN_WEIGHT,
               NN_GLOROT_UNIFORM, values, values);
    nn_declare(n, "scale", (nn_shape){1, {1}}, NN_GAIN, NN_ONES, values, values);
    return BASE_OK;
}

/* ---- distances ---- */

/* One number a frame of x and place in the band, and what lies before and beside them. */
static size_t row_of(const nn_node *n)
{
    return 2 * (size_t)((const dtw *)n->attrs)->band + 2;
}

static size_t table_of(const nn_node *n)
{
    return ((size_t)frames_of(n) + 1) * row_of(n);
}

/* The table, then how far each template of a class is. */
static size_t scratch(const nn_node *n, int batch)
{
    (void)batch;
    return table_of(n) + (size_t)((const dtw *)n->attrs)->each;
}

static nn_real least(nn_real a, nn_real b)
{
    return a < b || a != a ? a : b;
}

static nn_real apart(const nn_real *x, const nn_real *m, int width)
{
    nn_real sum = 0;
    for (int f = 0; f < width; f++) sum += (nn_real)fabs((double)(x[f] - m[f]));
    return sum;
}

/* D: row i + 1 holds D(i, i - band) .. D(i, i + band) and a place that is never reached. */
static nn_real distance(const nn_node *n, const nn_real *x, const nn_real *m, nn_real *table)
{
    const int frames = frames_of(n), width = width_of(n), band = ((const dtw *)n->attrs)->band;
    const size_t row = row_of(n);
    for (size_t k = 0; k < row; k++) table[k] = (nn_real)INFINITY;
    table[band] = 0;
    for (int i = 0; i < frames; i++) {
        const nn_real *before = table + (size_t)i * row;
        nn_real *now = table + (size_t)(i + 1) * row;
        for (int k = 0; k <= 2 * band; k++) {
            const int j = i + k - band;
            now[k] = (nn_real)INFINITY;
            if (j < 0 || j >= frames) continue;
            const nn_real d = apart(x + (ptrdiff_t)i * width, m + (ptrdiff_t)j * width, width);
            now[k] = least(before[k] + 2 * d, before[k + 1] + d);
            if (k > 0) now[k] = least(now[k], now[k - 1] + d);
        }
        now[2 * band + 1] = (nn_real)INFINITY;
    }
    return table[(size_t)frames * row + (size_t)band];
}

/* How far the templates m of a class are. */
static nn_real *measure(const nn_node *n, const nn_args *a, const nn_real *x, const nn_real *m)
{
    const int64_t size = nn_count(n->in[0]->shape);
    nn_real *far = a->scratch + table_of(n);
    for (int t = 0; t < ((const dtw *)n->attrs)->each; t++, m += size)
        far[t] = distance(n, x, m, a->scratch);
    return far;
}

/* The nearest of them, the first of equals, which is then out of reach. */
static int take_nearest(nn_real *far, int each, nn_real *d)
{
    int best = 0;
    for (int t = 1; t < each; t++)
        if (far[t] < far[best] || far[t] != far[t]) best = t;
    *d = far[best];
    far[best] = (nn_real)INFINITY;
    return best;
}

static void forward(const nn_node *n, const nn_args *a)
{
    const dtw *p = n->attrs;
    const int64_t size = nn_count(n->in[0]->shape);
    const nn_real factor = -a->w[SCALE][0] / (nn_real)(2 * size * p->nearest);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int b = 0; b < a->batch; b++, x += size)
        for (int k = 0; k < p->out; k++) {
            nn_real *far = measure(n, a, x, a->w[VALUE] + k * p->each * size), sum = 0, d;
            for (int i = 0; i < p->nearest; i++, sum += d) take_nearest(far, p->each, &d);
            *y++ = factor * sum;
        }
}

/* ---- gradients ---- */

/* g times the derivative of |x_if - m_jf| to dx (or NULL) and dm. */
static void pair(int width, nn_real g, const nn_real *x, const nn_real *m, nn_real *dx, nn_real *dm)
{
    for (int f = 0; f < width; f++) {
        const nn_real s = x[f] > m[f] ? g : x[f] < m[f] ? -g : 0;
        if (dx) dx[f] += s;
        dm[f] -= s;
    }
}

/* Back along the best path, whose table is there. */
static void trace(const nn_node *n, const nn_real *table, nn_real g, const nn_real *x,
                  const nn_real *m, nn_real *dx, nn_real *dm)
{
    const int width = width_of(n), band = ((const dtw *)n->attrs)->band;
    const ptrdiff_t row = (ptrdiff_t)row_of(n);
    for (int i = frames_of(n) - 1, j = i; i >= 0 && j >= 0;) {
        const nn_real *before = table + i * row + (j - i + band), *now = before + row;
        const ptrdiff_t xi = (ptrdiff_t)i * width, mj = (ptrdiff_t)j * width;
        const nn_real d = apart(x + xi, m + mj, width), left = j > i - band ? now[-1] : *now + 1;
        const bool both = !(before[1] + d < before[0] + 2 * d) && !(left + d < before[0] + 2 * d);
        const bool down = !both && !(left < before[1]);
        pair(width, both ? 2 * g : g, x + xi, m + mj, dx ? dx + xi : NULL, dm + mj);
        i -= both || down;
        j -= both || !down;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const dtw *p = n->attrs;
    const int64_t size = nn_count(n->in[0]->shape);
    const nn_real *x = a->x[0], *dy = a->dy;
    nn_real *dx = a->dx[0];
    for (int b = 0; b < a->batch; b++, x += size, dx = dx ? dx + size : NULL)
        for (int k = 0; k < p->out; k++, dy++) {
            const ptrdiff_t first = k * p->each * size;
            const nn_real g = -*dy / (nn_real)(2 * size * p->nearest);
            nn_real *far = measure(n, a, x, a->w[VALUE] + first), d;
            for (int i = 0; i < p->nearest; i++) {
                const ptrdiff_t at = first + take_nearest(far, p->each, &d) * size;
                const nn_real *m = a->w[VALUE] + at;
                distance(n, x, m, a->scratch);
                a->dw[SCALE][0] += g * d;
                trace(n, a->scratch, g * a->w[SCALE][0], x, m, dx, a->dw[VALUE] + at);
            }
        }
}

/* One difference of a value for each frame pair in the band. */
static void cost(const nn_node *n, nn_cost *c)
{
    const dtw *p = n->attrs;
    const int frames = frames_of(n), reach = p->band < frames ? p->band : frames - 1;
    const int64_t pairs = (int64_t)frames * (2 * reach + 1) - (int64_t)reach * (reach + 1);
    c->macs = pairs * width_of(n) * p->out * p->each;
    c->weights = (int64_t)n->param[VALUE].count;
}

/* ---- int8 ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_dtw_t, classes),  NN_Q8_INT_OF(sotto_dtw_t, each),
    NN_Q8_INT_OF(sotto_dtw_t, nearest),  NN_Q8_INT_OF(sotto_dtw_t, frames),
    NN_Q8_INT_OF(sotto_dtw_t, width),    NN_Q8_INT_OF(sotto_dtw_t, band),
    NN_Q8_INT_OF(sotto_dtw_t, out_zero), NN_Q8_INT_OF(sotto_dtw_t, multiplier),
    NN_Q8_INT_OF(sotto_dtw_t, shift),    NN_Q8_INT_OF(sotto_dtw_t, lo),
    NN_Q8_INT_OF(sotto_dtw_t, hi),       NN_Q8_INT_OF(sotto_dtw_t, single),
    NN_Q8_I8S_OF(sotto_dtw_t, value),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y, void *work)
{
    sotto_dtw(p, x[0], y, work);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_dtw",
    .header = "dtw.h",
    .n_in = 1,
    .size = sizeof(sotto_dtw_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run_in = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const dtw *a = n->attrs;
    const size_t count = n->param[VALUE].count;
    const double scale = (double)c->w[SCALE][0];
    int32_t multiplier, shift;
    BASE_TRY(nn_q8_check(n, c, err));
    if (!(scale > 0) || !isfinite(scale))
        return nn_op_fail(n, err, "scale is %g, not above 0", scale);
    const double factor = scale * c->in[0].scale / c->out.scale;
    if (!nn_q8_multiplier(factor / (2.0 * (double)nn_count(n->in[0]->shape) * a->nearest),
                          &multiplier, &shift) ||
        shift > 2)
        return nn_op_fail(n, err, "cannot be requantized: scales %g to %g", c->in[0].scale,
                          c->out.scale);
    sotto_dtw_t *p = nn_q8_layer_new(&kernel, c, layer);
    int8_t *value = base_arena_alloc(c->arena, count, sizeof *value);
    if (!p || !value) return base_nomem(err, count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite((double)c->w[VALUE][i]))
            return nn_op_fail(n, err, "value %zu of a template is not finite", i);
        value[i] = nn_q8_value(c->in[0], (double)c->w[VALUE][i]);
    }
    *p = (sotto_dtw_t){a->out,  a->each,     a->nearest, frames_of(n), width_of(n),
                       a->band, c->out.zero, multiplier, shift,        c->lo,
                       c->hi,   c->single,   value};
    layer->count[0] = count;
    layer->scratch = (row_of(n) + (size_t)a->nearest) * sizeof(int32_t);
    return BASE_OK;
}

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    s->weights = (int64_t)n->param[VALUE].count;
    s->scratch = (row_of(n) + (size_t)((const dtw *)n->attrs)->nearest) * sizeof(int32_t);
}

NN_CASES("x = input 9x4x1; y = dtw(x) out=3 each=2 band=2", "x = input 12x5; y = dtw(x) out=2",
         "x = input 7x3; y = dtw(x) out=4 each=3 band=0", "x = input 5; y = dtw(x) out=2 band=30",
         "x = input 1x6; y = dtw(x) out=2 band=1",
         "x = input 6x3; y = dtw(x) out=3 each=5 nearest=3 band=2",
         "x = input 4x2; y = dtw(x) out=2 each=2 nearest=2 band=1");

const nn_op nn_op_dtw = {
    .name = "dtw",
    .summary = "distance to templates by dynamic time warping",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(dtw),
    .shape = shape,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .q8_size = q8_size,
    .cases = cases,
    .n_cases = N_CASES,
};
