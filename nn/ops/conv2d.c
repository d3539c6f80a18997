/* conv2d: x [H, W, I] -> y [H', W', O]
 *
 *   y[h,w,o] = b[o] + sum_{i,j,c} x[h s_h + i d_h - p_h, w s_w + j d_w - p_w, g I/G + c] W[i,j,c,o]
 *
 * where g = o / (O/G) is the group of o; outside of x is zero. W [kh, kw, I/G, O], b [O].
 * Computed as im2col (the patches of some lines of output as rows of a matrix small enough for the
 * L2 cache) and one matrix product a group; a 1x1 convolution is the product alone.
 */
#include "nn/blas.h"
#include "nn/lower.h"
#include "quantize/runtime/conv2d_i16.h"
#include "quantize/runtime/conv2d_w4.h"

#include <string.h>

typedef struct conv2d {
    int out, kernel[2], stride[2], dilation[2], groups;
    nn_pad pad;
    bool bias;
} conv2d;

static const nn_attr attrs[] = {
    {"out", NN_INT, offsetof(conv2d, out), NULL, 1, 65536, "output channels", false},
    {"kernel", NN_PAIR, offsetof(conv2d, kernel), NULL, 1, 4096, "time x frequency", false},
    {"stride", NN_PAIR, offsetof(conv2d, stride), "1", 1, 4096, "time x frequency", false},
    {"dilation", NN_PAIR, offsetof(conv2d, dilation), "1", 1, 4096, "time x frequency", false},
    {"groups", NN_INT, offsetof(conv2d, groups), "1", 1, 65536, "channel groups", false},
    {"pad", NN_PAD, offsetof(conv2d, pad), "same", 0, 4096, "padding", false},
    {"bias", NN_YESNO, offsetof(conv2d, bias), "yes", 0, 0, "add a bias per channel", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const conv2d *a = n->attrs;
    nn_window win[2];
    BASE_TRY(nn_windows(n, a->kernel, a->stride, a->dilation, a->pad, win, err));
    int in = n->in[0]->shape.d[2];
    if (in % a->groups || a->out % a->groups)
        return nn_op_fail(n, err, "groups=%d does not divide %d input and %d output channels",
                          a->groups, in, a->out);
    n->shape = (nn_shape){3, {win[0].out, win[1].out, a->out}};
    int taps = a->kernel[0] * a->kernel[1], per = in / a->groups;
    nn_declare(n, "weight", (nn_shape){4, {a->kernel[0], a->kernel[1], per, a->out}}, NN_WEIGHT,
               NN_HE_UNIFORM, taps * per, taps * (a->out / a->groups));
    if (a->bias)
        nn_declare(n, "bias", (nn_shape){1, {a->out}}, NN_BIAS, NN_ZEROS, taps * per, a->out);
    return BASE_OK;
}

/* What the loops need, worked out once a call. */
typedef struct geometry {
    nn_window h, w;
    int in, out, groups, gi, go; /* channels, and channels of a group */
    int k;                       /* columns of a patch row of one group */
    int lines;                   /* lines of output (w.out pixels) whose patches fit the scratch */
    bool direct;                 /* x itself is the patch matrix */
    int width, height;           /* padded: of a row, and of the rows under `lines` lines at most */
} geometry;

enum { PATCH_REALS = 1 << 16 };

/* Positions of the padded input under n outputs. */
static int under(const nn_window *w, int n)
{
    return (n - 1) * w->stride + (w->kernel - 1) * w->dilation + 1;
}

static geometry geometry_of(const nn_node *n)
{
    const conv2d *a = n->attrs;
    nn_window win[2];
    nn_windows(n, a->kernel, a->stride, a->dilation, a->pad, win, NULL);
    geometry g = {.h = win[0], .w = win[1], .in = n->in[0]->shape.d[2], .out = a->out};
    g.groups = a->groups;
    g.gi = g.in / g.groups;
    g.go = g.out / g.groups;
    g.k = a->kernel[0] * a->kernel[1] * g.gi;
    g.direct = g.groups == 1 && g.k == g.in && a->stride[0] == 1 && a->stride[1] == 1 &&
               g.h.out == g.h.in && g.w.out == g.w.in;
    int64_t lines = PATCH_REALS / ((int64_t)g.w.out * g.k);
    g.lines = lines < 1 ? 1 : (int)lines;
    if (lines > g.h.out) g.lines -= g.lines % g.h.out; /* whole samples where one fits */
    g.width = under(&g.w, g.w.out);
    g.height = under(&g.h, g.lines < g.h.out ? g.lines : g.h.out);
    return g;
}

static size_t scratch(const nn_node *n, int batch)
{
    geometry g = geometry_of(n);
    int all = batch * g.h.out, lines = g.lines < all ? g.lines : all;
    if (g.direct) return 0;
    return (size_t)lines * (size_t)g.w.out * (size_t)g.k +
           (size_t)g.height * (size_t)g.width * (size_t)g.gi;
}

/* The range of taps i for which at + i*dilation lies inside 0..in-1. */
static void tap_range(const nn_window *w, int at, int *lo, int *hi)
{
    int d = w->dilation;
    *lo = at < 0 ? (-at + d - 1) / d : 0;
    *hi = at >= w->in ? 0 : (w->in - at + d - 1) / d;
    if (*hi > w->kernel) *hi = w->kernel;
    if (*lo > *hi) *lo = *hi;
}

/* A call costs more than a handful of numbers. */
static inline void copy(nn_real *to, const nn_real *from, ptrdiff_t n)
{
    if (n == 4)
        memcpy(to, from, 4 * sizeof *to);
    else if (n > 16)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (ptrdiff_t i = 0; i < n; i++) to[i] = from[i];
}

/* The rows under lines oh .. oh+m-1 of a sample's group, with zeros around: map
 * [height][width][gi].
 */
static void copy_padded(const geometry *g, const nn_real *x, int oh, int m, nn_real *map)
{
    const int rows = under(&g->h, m), first = oh * g->h.stride - g->h.before;
    const int before = g->w.before, gi = g->gi;
    const int inside = g->width - before < g->w.in ? g->width - before : g->w.in;
    for (int i = 0; i < rows; i++, map += (ptrdiff_t)g->width * gi) {
        const int ih = first + i;
        if (ih < 0 || ih >= g->h.in) {
            memset(map, 0, (size_t)g->width * (size_t)gi * sizeof *map);
            continue;
        }
        const nn_real *from = x + (ptrdiff_t)ih * g->w.in * g->in;
        nn_real *to = map + (ptrdiff_t)before * gi;
        memset(map, 0, (size_t)(before * gi) * sizeof *map);
        if (g->groups == 1)
            memcpy(to, from, (size_t)(inside * gi) * sizeof *to);
        else
            for (int w = 0; w < inside; w++) copy(to + w * gi, from + (ptrdiff_t)w * g->in, gi);
        memset(to + (ptrdiff_t)inside * gi, 0,
               (size_t)((g->width - before - inside) * gi) * sizeof *map);
    }
}

/* Patches of one line of output from the padded rows under it: col [w.out, kh, kw, gi]. */
static void gather_line(const geometry *g, const nn_real *map, nn_real *col)
{
    const ptrdiff_t gi = g->gi, run = g->w.dilation == 1 ? g->w.kernel * gi : gi;
    const ptrdiff_t row = (ptrdiff_t)g->width * gi, taps = g->w.kernel * gi / run;
    for (int ow = 0; ow < g->w.out; ow++) {
        const nn_real *from = map + (ptrdiff_t)ow * g->w.stride * gi;
        for (int i = 0; i < g->h.kernel; i++, from += row * g->h.dilation)
            for (ptrdiff_t j = 0; j < taps; j++, col += run)
                copy(col, from + j * g->w.dilation * gi, run);
    }
}

/* The adjoint of gather_line: dx += patches. */
static void scatter_line(const geometry *g, const nn_real *col, int oh, nn_real *dx)
{
    size_t row = (size_t)g->w.kernel * (size_t)g->gi;
    for (int ow = 0; ow < g->w.out; ow++) {
        int at = ow * g->w.stride - g->w.before, lo, hi;
        tap_range(&g->w, at, &lo, &hi);
        for (int i = 0; i < g->h.kernel; i++, col += row) {
            int ih = oh * g->h.stride - g->h.before + i * g->h.dilation;
            if (ih < 0 || ih >= g->h.in) continue;
            for (int j = lo; j < hi; j++) {
                nn_real *to = dx + ((ptrdiff_t)ih * g->w.in + at + j * g->w.dilation) * g->in;
                for (int c = 0; c < g->gi; c++) to[c] += col[j * g->gi + c];
            }
        }
    }
}

static ptrdiff_t sample_of(const geometry *g)
{
    return (ptrdiff_t)g->h.in * g->w.in * g->in;
}

/* Lines first .. first+m-1 of the batch's output as patch rows of group q: x itself, or the scratch
 * filled. */
static const nn_real *patches(const geometry *g, const nn_args *a, int first, int m, int q)
{
    if (g->direct) return a->x[0] + (ptrdiff_t)first * g->w.in * g->in;
    const ptrdiff_t line = (ptrdiff_t)g->w.out * g->k;
    nn_real *col = a->scratch, *map = col + m * line;
    for (int l = first, n; l < first + m; l += n) {
        const int oh = l % g->h.out;
        n = g->h.out - oh < first + m - l ? g->h.out - oh : first + m - l;
        copy_padded(g, a->x[0] + l / g->h.out * sample_of(g) + q * g->gi, oh, n, map);
        for (int i = 0; i < n; i++, col += line)
            gather_line(g, map + (ptrdiff_t)i * g->h.stride * g->width * g->gi, col);
    }
    return a->scratch;
}

static int chunk_size(const geometry *g, int left)
{
    return g->direct || g->lines > left ? left : g->lines;
}

static void forward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n);
    const nn_real *bias = n->n_params > 1 ? a->w[1] : NULL;
    for (int l = 0, m, all = a->batch * g.h.out; l < all; l += m) {
        m = chunk_size(&g, all - l);
        nn_real *y = a->y + (ptrdiff_t)l * g.w.out * g.out;
        for (int q = 0; q < g.groups; q++)
            nn_gemm_layer(m * g.w.out, g.go, g.k, patches(&g, a, l, m, q), g.k, a->w[0] + q * g.go,
                          g.out, bias ? bias + q * g.go : NULL, a->clamp, y + q * g.go, g.out);
    }
}

static void backward_bias(const geometry *g, const nn_args *a)
{
    int rows = a->batch * g->h.out * g->w.out;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < g->out; o++) a->dw[1][o] += a->dy[(ptrdiff_t)r * g->out + o];
}

/* dx of lines l .. l+m-1 and group q */
static void backward_input(const geometry *g, const nn_args *a, int l, int m, int q)
{
    const nn_real *dy = a->dy + (ptrdiff_t)l * g->w.out * g->out + q * g->go;
    nn_real *to = g->direct ? a->dx[0] + (ptrdiff_t)l * g->w.in * g->in : a->scratch;
    nn_gemm(false, true, m * g->w.out, g->k, g->go, dy, g->out, a->w[0] + q * g->go, g->out,
            g->direct && !nn_is_fresh(a, 0) ? 1 : 0, to, g->k);
    for (int i = l; i < l + m && !g->direct; i++)
        scatter_line(g, to + (ptrdiff_t)(i - l) * g->w.out * g->k, i % g->h.out,
                     a->dx[0] + i / g->h.out * sample_of(g) + q * g->gi);
}

static void backward(const nn_node *n, const nn_args *args)
{
    geometry g = geometry_of(n);
    nn_args copy = *args, *a = &copy;
    if (n->n_params > 1) backward_bias(&g, a);
    if (a->dx[0] && !g.direct) nn_begin(n, a, 0);
    for (int l = 0, m, all = a->batch * g.h.out; l < all; l += m) {
        m = chunk_size(&g, all - l);
        for (int q = 0; q < g.groups; q++) {
            const nn_real *dy = a->dy + (ptrdiff_t)l * g.w.out * g.out + q * g.go;
            nn_gemm(true, false, g.k, g.go, m * g.w.out, patches(&g, a, l, m, q), g.k, dy, g.out, 1,
                    a->dw[0] + q * g.go, g.out);
            if (a->dx[0]) backward_input(&g, a, l, m, q);
        }
    }
}

static void cost(const nn_node *n, nn_cost *c)
{
    const conv2d *a = n->attrs;
    c->weights = (int64_t)n->param[0].count;
    c->biases = a->bias ? a->out : 0;
    c->macs = c->pixels * c->weights;
}

#define FIELDS(WEIGHTS_OF)                                                                         \
    NN_Q8_INT_OF(sotto_conv2d_t, in_h), NN_Q8_INT_OF(sotto_conv2d_t, in_w),                        \
        NN_Q8_INT_OF(sotto_conv2d_t, in_c), NN_Q8_INT_OF(sotto_conv2d_t, out_h),                   \
        NN_Q8_INT_OF(sotto_conv2d_t, out_w), NN_Q8_INT_OF(sotto_conv2d_t, out_c),                  \
        NN_Q8_INT_OF(sotto_conv2d_t, kernel_h), NN_Q8_INT_OF(sotto_conv2d_t, kernel_w),            \
        NN_Q8_INT_OF(sotto_conv2d_t, stride_h), NN_Q8_INT_OF(sotto_conv2d_t, stride_w),            \
        NN_Q8_INT_OF(sotto_conv2d_t, dilation_h), NN_Q8_INT_OF(sotto_conv2d_t, dilation_w),        \
        NN_Q8_INT_OF(sotto_conv2d_t, pad_top), NN_Q8_INT_OF(sotto_conv2d_t, pad_left),             \
        NN_Q8_INT_OF(sotto_conv2d_t, groups), NN_Q8_INT_OF(sotto_conv2d_t, in_zero),               \
        NN_Q8_INT_OF(sotto_conv2d_t, out_zero), NN_Q8_INT_OF(sotto_conv2d_t, lo),                  \
        NN_Q8_INT_OF(sotto_conv2d_t, hi), NN_Q8_INT_OF(sotto_conv2d_t, single),                    \
        WEIGHTS_OF(sotto_conv2d_t, weight), NN_Q8_I32S_OF(sotto_conv2d_t, bias),                   \
        NN_Q8_I32S_OF(sotto_conv2d_t, multiplier), NN_Q8_I32S_OF(sotto_conv2d_t, shift)

static const nn_q8_field fields[] = {FIELDS(NN_Q8_I8S_OF)};
static const nn_q8_field packed_fields[] = {FIELDS(NN_Q8_I4S_OF)};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_conv2d(p, x[0], y);
}

static void run_packed(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_conv2d_w4(p, x[0], y, scratch);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_conv2d",
    .header = "conv2d.h",
    .n_in = 1,
    .size = sizeof(sotto_conv2d_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_conv2d_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_conv2d_i16",
    .header = "conv2d_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_conv2d_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static const nn_q8_kernel packed = {
    .name = "sotto_conv2d_w4",
    .header = "conv2d_w4.h",
    .n_in = 1,
    .size = sizeof(sotto_conv2d_t),
    .fields = packed_fields,
    .n_fields = BASE_COUNT(packed_fields),
    .run_in = run_packed,
    .unpacked = &kernel,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const geometry g = geometry_of(n);
    const size_t out = (size_t)g.out, fan = (size_t)g.k;
    nn_q8_weights w;
    BASE_TRY(nn_q8_quantize(n, c, fan, out, true, &w, err));
    const bool packs = c->weight_bits == 4;
    sotto_conv2d_t *p = nn_q8_layer_new(c->wide ? &wide_kernel
                                        : packs ? &packed
                                                : &kernel,
                                        c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_conv2d_t){.in_h = g.h.in,
                          .in_w = g.w.in,
                          .in_c = g.in,
                          .out_h = g.h.out,
                          .out_w = g.w.out,
                          .out_c = g.out,
                          .kernel_h = g.h.kernel,
                          .kernel_w = g.w.kernel,
                          .stride_h = g.h.stride,
                          .stride_w = g.w.stride,
                          .dilation_h = g.h.dilation,
                          .dilation_w = g.w.dilation,
                          .pad_top = g.h.before,
                          .pad_left = g.w.before,
                          .groups = g.groups,
                          .in_zero = c->in[0].zero,
                          .out_zero = c->out.zero,
                          .lo = c->lo,
                          .hi = c->hi,
                          .single = c->single,
                          .weight = w.weight,
                          .bias = w.bias,
                          .multiplier = w.multiplier,
                          .shift = w.shift};
    memcpy(layer->count, (const size_t[]){fan * out, out, out, out}, 4 * sizeof(size_t));
    if (packs) layer->scratch = fan * (size_t)sotto_int4_channels(g.k, g.out);
    return BASE_OK;
}

NN_CASES("x = input 9x7x3; y = conv2d(x) out=4 kernel=3x3",
         "x = input 49x10x1; y = conv2d(x) out=8 kernel=10x4 stride=2x2 bias=no",
         "x = input 6x5x4; y = conv2d(x) out=6 kernel=1x1",
         "x = input 6x5x4; y = conv2d(x) out=6 kernel=1x1 stride=2x3 pad=valid",
         "x = input 11x4x2; y = conv2d(x) out=3 kernel=3x2 dilation=3x1 pad=valid",
         "x = input 8x9x4; y = conv2d(x) out=6 kernel=3x3 groups=2 stride=2x1",
         "x = input 8x6x3; y = conv2d(x) out=9 kernel=2x3 groups=3 dilation=2x2",
         "x = input 5x6x2; y = conv2d(x) out=2 kernel=4x3 pad=3,0,1,2 bias=no",
         "x = input 12x1x5; y = conv2d(x) out=4 kernel=9x1 stride=2x1",
         "x = input 2x2x2; y = conv2d(x) out=3 kernel=5x5 pad=2,2,2,2",
         "x = input 30x20x8; y = conv2d(x) out=4 kernel=5x5 dilation=2x1",
         "x = input 29x23x12; y = conv2d(x) out=3 kernel=5x5"); /* more than one chunk a sample */

const nn_op nn_op_conv2d = {
    .name = "conv2d",
    .summary = "two-dimensional convolution with stride, dilation and groups",
    .n_in = 1,
    .flags = NN_KEEP_X | NN_FRESH | NN_CLAMPS_FORWARD | NN_WIDE | NN_PACKS,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(conv2d),
    .shape = shape,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
