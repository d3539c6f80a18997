/* dwconv2d: x [H, W, C] -> y [H', W', C], each channel with its own kernel
 *
 *   y[h,w,c] = b[c] + sum_{i,j} x[h s_h + i d_h - p_h, w s_w + j d_w - p_w, c] W[i,j,c]
 *
 * W [kh, kw, C], b [C]. Many channels are taken by vectors down the columns (nn/columns.c), few
 * with stride 1 as products of long rows (nn/rows.c), all else by direct loops with the channel
 * innermost.
 */
#include "nn/columns.h"
#include "nn/lower.h"
#include "nn/rows.h"

#include <string.h>

typedef struct dwconv2d {
    int kernel[2], stride[2], dilation[2];
    nn_pad pad;
    bool bias;
} dwconv2d;

static const nn_attr attrs[] = {
    {"kernel", NN_PAIR, offsetof(dwconv2d, kernel), NULL, 1, 4096, "time x frequency", false},
    {"stride", NN_PAIR, offsetof(dwconv2d, stride), "1", 1, 4096, "time x frequency", false},
    {"dilation", NN_PAIR, offsetof(dwconv2d, dilation), "1", 1, 4096, "time x frequency", false},
    {"pad", NN_PAD, offsetof(dwconv2d, pad), "same", 0, 4096, "padding", false},
    {"bias", NN_YESNO, offsetof(dwconv2d, bias), "yes", 0, 0, "add a bias per channel", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const dwconv2d *a = n->attrs;
    nn_window win[2];
    BASE_TRY(nn_windows(n, a->kernel, a->stride, a->dilation, a->pad, win, err));
    int c = n->in[0]->shape.d[2], taps = a->kernel[0] * a->kernel[1];
    n->shape = (nn_shape){3, {win[0].out, win[1].out, c}};
    nn_declare(n, "weight", (nn_shape){3, {a->kernel[0], a->kernel[1], c}}, NN_WEIGHT,
               NN_HE_UNIFORM, taps, taps);
    if (a->bias) nn_declare(n, "bias", (nn_shape){1, {c}}, NN_BIAS, NN_ZEROS, taps, c);
    return BASE_OK;
}

/* Taps lo .. hi-1 at an output position hit the input; tap 0 lies at input position `at`. */
typedef struct taps {
    int lo, hi, at;
} taps;

static taps taps_at(const nn_window *w, int out)
{
    taps t = {.at = out * w->stride - w->before};
    int d = w->dilation;
    t.lo = t.at < 0 ? (-t.at + d - 1) / d : 0;
    t.hi = t.at >= w->in ? 0 : (w->in - t.at + d - 1) / d;
    if (t.hi > w->kernel) t.hi = w->kernel;
    return t;
}

static void multiply_add(int n, const nn_real *restrict x, const nn_real *restrict w,
                         nn_real *restrict y)
{
    for (int c = 0; c < n; c++) y[c] += x[c] * w[c];
}

static void multiply_add2(int n, const nn_real *restrict dy, const nn_real *restrict x,
                          const nn_real *restrict w, nn_real *restrict dx, nn_real *restrict dw)
{
    for (int c = 0; c < n; c++) {
        dw[c] += dy[c] * x[c];
        dx[c] += dy[c] * w[c];
    }
}

static void forward_direct(const nn_node *n, const nn_args *a)
{
    const dwconv2d *p = n->attrs;
    nn_window w[2];
    nn_windows(n, p->kernel, p->stride, p->dilation, p->pad, w, NULL);
    int ch = n->shape.d[2];
    nn_real *y = a->y;
    for (int b = 0; b < a->batch; b++) {
        const nn_real *x = a->x[0] + (ptrdiff_t)b * w[0].in * w[1].in * ch;
        for (int oh = 0; oh < w[0].out; oh++) {
            taps th = taps_at(&w[0], oh);
            for (int ow = 0; ow < w[1].out; ow++, y += ch) {
                taps tw = taps_at(&w[1], ow);
                if (p->bias)
                    memcpy(y, a->w[1], (size_t)ch * sizeof *y);
                else
                    memset(y, 0, (size_t)ch * sizeof *y);
                for (int i = th.lo; i < th.hi; i++) {
                    const nn_real *row = x + (ptrdiff_t)(th.at + i * w[0].dilation) * w[1].in * ch;
                    for (int j = tw.lo; j < tw.hi; j++)
                        multiply_add(ch, row + (ptrdiff_t)(tw.at + j * w[1].dilation) * ch,
                                     a->w[0] + (ptrdiff_t)(i * w[1].kernel + j) * ch, y);
                }
                for (int c = 0; a->clamp && c < ch; c++) y[c] = nn_clamped(*a->clamp, y[c]);
            }
        }
    }
}

static void backward_sample(const nn_window w[2], int ch, const nn_args *a, int b)
{
    ptrdiff_t sample = (ptrdiff_t)b * w[0].in * w[1].in * ch;
    const nn_real *dy = a->dy + (ptrdiff_t)b * w[0].out * w[1].out * ch;
    for (int oh = 0; oh < w[0].out; oh++) {
        taps th = taps_at(&w[0], oh);
        for (int ow = 0; ow < w[1].out; ow++, dy += ch) {
            taps tw = taps_at(&w[1], ow);
            for (int i = th.lo; i < th.hi; i++) {
                for (int j = tw.lo; j < tw.hi; j++) {
                    int ih = th.at + i * w[0].dilation, iw = tw.at + j * w[1].dilation;
                    ptrdiff_t at = sample + ((ptrdiff_t)ih * w[1].in + iw) * ch;
                    ptrdiff_t tap = (ptrdiff_t)(i * w[1].kernel + j) * ch;
                    if (a->dx[0])
                        multiply_add2(ch, dy, a->x[0] + at, a->w[0] + tap, a->dx[0] + at,
                                      a->dw[0] + tap);
                    else
                        multiply_add(ch, dy, a->x[0] + at, a->dw[0] + tap);
                }
            }
        }
    }
}

static void backward_direct(const nn_node *n, const nn_args *a)
{
    const dwconv2d *p = n->attrs;
    nn_window w[2];
    nn_windows(n, p->kernel, p->stride, p->dilation, p->pad, w, NULL);
    for (int b = 0; b < a->batch; b++) backward_sample(w, n->shape.d[2], a, b);
}

/* What the loops need, worked out once a call. */
typedef struct geometry {
    nn_window win[2];
    int channels;
    bool by_columns, by_rows; /* which of them can do it */
    nn_rows rows;
} geometry;

static geometry geometry_of(const nn_node *n)
{
    const dwconv2d *p = n->attrs;
    geometry g = {.channels = n->shape.d[2]};
    nn_windows(n, p->kernel, p->stride, p->dilation, p->pad, g.win, NULL);
    g.by_columns = nn_columns_fit(g.channels);
    g.by_rows = nn_rows_of(g.win, g.channels, &g.rows);
    return g;
}

static size_t scratch(const nn_node *n, int batch)
{
    geometry g = geometry_of(n);
    (void)batch;
    return g.by_rows ? nn_rows_scratch(&g.rows) : 0;
}

static void forward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n);
    const nn_real *bias = n->n_params > 1 ? a->w[1] : NULL;
    if (g.by_columns)
        nn_columns_forward(g.win, g.channels, a->batch, a->x[0], a->w[0], bias, a->clamp, a->y);
    else if (g.by_rows)
        nn_rows_forward(&g.rows, a->batch, a->x[0], a->w[0], bias, a->clamp, a->y, a->scratch);
    else
        forward_direct(n, a);
}

/* Stride 1. Where kernels are one column wide, rows have more sums in registers. */
static void backward_dense(const geometry *g, const nn_args *a)
{
    if (g->by_columns && g->win[1].kernel > 1)
        nn_columns_backward_weight(g->win, g->channels, a->batch, a->x[0], a->dy, a->dw[0]);
    else
        nn_rows_backward_weight(&g->rows, a->batch, a->x[0], a->dy, a->dw[0], a->scratch);
    if (!a->dx[0]) return;
    if (g->by_columns)
        nn_columns_backward_x(g->win, g->channels, a->batch, a->dy, a->w[0], a->dx[0],
                              nn_is_fresh(a, 0), a->scratch);
    else
        nn_rows_backward_x(&g->rows, a->batch, a->dy, a->w[0], a->dx[0], nn_is_fresh(a, 0),
                           a->scratch);
}

static void backward(const nn_node *n, const nn_args *a)
{
    geometry g = geometry_of(n);
    int ch = g.channels;
    int64_t pixels = n->n_params > 1 ? a->batch * nn_count(n->shape) / ch : 0;
    if (g.by_rows) {
        backward_dense(&g, a);
    } else {
        nn_args copy = *a;
        nn_begin(n, &copy, 0);
        backward_direct(n, &copy);
    }
    for (int64_t i = 0; i < pixels; i++)
        for (int c = 0; c < ch; c++) a->dw[1][c] += a->dy[i * ch + c];
}

static void cost(const nn_node *n, nn_cost *c)
{
    const dwconv2d *a = n->attrs;
    c->weights = (int64_t)n->param[0].count;
    c->biases = a->bias ? n->shape.d[2] : 0;
    c->macs = c->pixels * c->weights;
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const dwconv2d *a = n->attrs;
    nn_window win[2];
    BASE_TRY(nn_windows(n, a->kernel, a->stride, a->dilation, a->pad, win, err));
    return nn_q8_depthwise(n, c, win, n->shape.d[2], layer, err);
}

NN_CASES("x = input 6x5x7; y = dwconv2d(x) kernel=3x3 bias=no",
         "x = input 9x8x4; y = dwconv2d(x) kernel=3x3 stride=2x2",
         "x = input 20x1x5; y = dwconv2d(x) kernel=9x1 dilation=2x1",
         "x = input 7x6x3; y = dwconv2d(x) kernel=3x2 pad=valid",
         "x = input 5x5x2; y = dwconv2d(x) kernel=4x4 pad=3,1,0,2 stride=1x2",
         "x = input 2x2x3; y = dwconv2d(x) kernel=5x5 pad=2,2,2,2",
         "x = input 6x20x8; y = dwconv2d(x) kernel=1x3 bias=no",
         "x = input 40x1x8; y = dwconv2d(x) kernel=3x1 dilation=4x1 bias=no",
         "x = input 7x9x16; y = dwconv2d(x) kernel=5x5 pad=valid dilation=1x2",
         "x = input 25x5x32; y = dwconv2d(x) kernel=3x3",
         "x = input 12x6x37; y = dwconv2d(x) kernel=3x4 bias=no",
         "x = input 11x9x35; y = dwconv2d(x) kernel=4x3 stride=2x3 dilation=1x2",
         "x = input 14x7x33; y = dwconv2d(x) kernel=7x5 dilation=2x1 pad=3,1,4,2",
         "x = input 23x1x48; y = dwconv2d(x) kernel=9x1 dilation=2x1",
         "x = input 2x2x32; y = dwconv2d(x) kernel=5x5 pad=4,4,4,4");

const nn_op nn_op_dwconv2d = {
    .name = "dwconv2d",
    .summary = "depthwise two-dimensional convolution",
    .n_in = 1,
    .flags = NN_KEEP_X | NN_FRESH | NN_CLAMPS_FORWARD | NN_BANDS | NN_WIDE | NN_PACKS,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(dwconv2d),
    .shape = shape,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
