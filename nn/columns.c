/* See nn/columns.h. */
#include "nn/columns.h"

#include "nn/vector.h"

#include <string.h>

enum { LANES = NN_LANES, OUTS = 8 };

typedef nn_vector vec;

/* A run of outputs or taps, lo .. hi-1. */
typedef struct range {
    int lo, hi;
} range;

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* The taps that hit the input at an output position. */
static range taps_at(const nn_window *w, int out)
{
    const int at = out * w->stride - w->before, d = w->dilation;
    const int lo = at < 0 ? (-at + d - 1) / d : 0, hi = at < w->in ? (w->in - at + d - 1) / d : 0;
    return (range){lo, most(lo, least(hi, w->kernel))};
}

/* The outputs at which a tap hits the input. */
static range outs_of(const nn_window *w, int tap)
{
    const int at = w->before - tap * w->dilation, last = w->in - 1 + at;
    const int lo = at > 0 ? (at + w->stride - 1) / w->stride : 0;
    const int hi = last < 0 ? 0 : least(last / w->stride + 1, w->out);
    return (range){lo, most(lo, hi)};
}

bool nn_columns_fit(int channels)
{
    return channels == LANES || channels >= 2 * LANES;
}

/* Lanes of the vector of channels from c on that the one before has done. */
static int overlap(int channels, int c)
{
    return c + LANES > channels ? c + LANES - channels : 0;
}

static inline void store(nn_real *y, const vec *v, int skip)
{
    if (skip == 0)
        *(vec *)y = *v;
    else
        for (int l = skip; l < LANES; l++) y[l] = (*v)[l];
}

/* ---- forward ---- */

/* A column of one vector of channels: steps in numbers of x and y. */
typedef struct column {
    ptrdiff_t out, in, down, right; /* y: to the next output; x: likewise, and to the next tap */
    ptrdiff_t channels;
    int kernel, skip;
    bool add; /* sums start from y */
    vec start;
    const nn_clamp *clamp;
} column;

/* `outs` outputs that have the taps of rows h and columns w; x and weight: those of the first such
 * tap. Outputs are addressed by threes, as the rows of a tile of nn/gemm.c. */
static inline __attribute__((always_inline)) void convolve(int outs, const column *k, int rows,
                                                           int columns, const nn_real *x,
                                                           const nn_real *weight, nn_real *y)
{
    vec sum[OUTS];
    const ptrdiff_t in = k->in, right = k->right, channels = k->channels;
    const ptrdiff_t to_row = k->down - columns * right,
                    to_weight = (k->kernel - columns) * channels;
    const nn_real *a[3] = {x, x + 3 * in, x + 6 * in};
#pragma GCC unroll 8
    for (int o = 0; o < outs; o++) sum[o] = k->add ? *(const vec *)(y + o * k->out) : k->start;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            const vec w = *(const vec *)weight;
#pragma GCC unroll 8
            for (int o = 0; o < outs; o++) sum[o] += w * *(const vec *)(a[o / 3] + o % 3 * in);
            for (int t = 0; t < 3; t++) a[t] += right;
            weight += channels;
        }
        for (int t = 0; t < 3; t++) a[t] += to_row;
        weight += to_weight;
    }
    const ptrdiff_t out = k->out;
    const int skip = k->skip;
    if (k->clamp) {
        const nn_clamp within = *k->clamp;
#pragma GCC unroll 8
        for (int o = 0; o < outs; o++) nn_vector_clamp(&sum[o], within.lo, within.hi);
    }
#pragma GCC unroll 8
    for (int o = 0; o < outs; o++) store(y + o * out, &sum[o], skip);
}

#define COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define KERNEL(n)                                                                                  \
    static void convolve_##n(const column *k, int rows, int columns, const nn_real *x,             \
                             const nn_real *weight, nn_real *y)                                    \
    {                                                                                              \
        convolve(n, k, rows, columns, x, weight, y);                                               \
    }
COUNTS(KERNEL)

typedef void (*kernel)(const column *k, int rows, int columns, const nn_real *x,
                       const nn_real *weight, nn_real *y);
#define NAME(n) convolve_##n,
static const kernel kernels[] = {COUNTS(NAME)};

/* Outputs are dealt out evenly to calls, OUTS at most. */
static int share_of(int outs)
{
    const int calls = (outs + OUTS - 1) / OUTS;
    return (outs + calls - 1) / calls;
}

/* Column w of a sample: x, weight and y are moved to their channels. */
static void convolve_column(const nn_window win[2], const column *k, int w, const nn_real *x,
                            const nn_real *weight, nn_real *y)
{
    const nn_window *h = &win[0];
    const range across = taps_at(&win[1], w);
    const int columns = across.hi - across.lo;
    const int lo = outs_of(h, 0).lo, hi = outs_of(h, h->kernel - 1).hi; /* all taps hit */
    x += ((ptrdiff_t)w * win[1].stride - win[1].before + across.lo * win[1].dilation) * k->channels;
    weight += across.lo * k->channels;
    y += w * k->channels;
    for (int o = 0, n; o < h->out; o += n) {
        const range down = taps_at(h, o);
        const ptrdiff_t row = (ptrdiff_t)o * h->stride - h->before + down.lo * h->dilation;
        n = o >= lo && o < hi ? share_of(hi - o) : 1;
        kernels[n - 1](k, down.hi - down.lo, columns, x + row * win[1].in * k->channels,
                       weight + (ptrdiff_t)down.lo * k->kernel * k->channels, y + o * k->out);
    }
}

/* All samples; add: y starts from itself, else from bias or 0. */
static void convolve_all(const nn_window win[2], int channels, int batch, const nn_real *x,
                         const nn_real *weight, const nn_real *bias, const nn_clamp *clamp,
                         bool add, nn_real *y)
{
    const ptrdiff_t in_row = (ptrdiff_t)win[1].in * channels,
                    out_row = (ptrdiff_t)win[1].out * channels;
    column k = {.out = out_row,
                .in = in_row * win[0].stride,
                .down = in_row * win[0].dilation,
                .right = (ptrdiff_t)channels * win[1].dilation,
                .channels = channels,
                .kernel = win[1].kernel,
                .add = add,
                .clamp = clamp};
    for (int b = 0; b < batch; b++, x += win[0].in * in_row, y += win[0].out * out_row) {
        for (int c = 0; c < channels; c += LANES) {
            k.skip = overlap(channels, c);
            const int from = c - k.skip;
            k.start = bias ? *(const vec *)(bias + from) : (vec){0};
            for (int w = 0; w < win[1].out; w++)
                convolve_column(win, &k, w, x + from, weight + from, y + from);
        }
    }
}

void nn_columns_forward(const nn_window win[2], int channels, int batch, const nn_real *x,
                        const nn_real *weight, const nn_real *bias, const nn_clamp *clamp,
                        nn_real *y)
{
    convolve_all(win, channels, batch, x, weight, bias, clamp, false, y);
}

/* ---- backward ---- */

void nn_columns_backward_x(const nn_window win[2], int channels, int batch, const nn_real *dy,
                           const nn_real *weight, nn_real *dx, bool fresh, nn_real *scratch)
{
    const int taps = win[0].kernel * win[1].kernel;
    nn_window back[2];
    for (int i = 0; i < 2; i++) {
        const nn_window *w = &win[i];
        back[i] = (nn_window){.in = w->out,
                              .out = w->in,
                              .kernel = w->kernel,
                              .stride = 1,
                              .dilation = w->dilation,
                              .before = (w->kernel - 1) * w->dilation - w->before};
    }
    for (int t = 0; t < taps; t++)
        memcpy(scratch + (ptrdiff_t)t * channels, weight + (ptrdiff_t)(taps - 1 - t) * channels,
               (size_t)channels * sizeof *scratch);
    convolve_all(back, channels, batch, dy, scratch, NULL, NULL, !fresh, dx);
}

/* What the gradient of a few weights is summed over. */
typedef struct gradient {
    ptrdiff_t out, in, down, right, channels; /* as in a column */
    int kernel, skip;
} gradient;

/* dweight += sum over `outs` outputs of dy x, for taps of `rows` rows and `columns` columns; x,
 * dweight: those of the first tap. */
static inline __attribute__((always_inline)) void sum_block(int rows, int columns,
                                                            const gradient *g, int outs,
                                                            const nn_real *x, const nn_real *dy,
                                                            nn_real *dweight)
{
    vec sum[3][3];
    const ptrdiff_t down = g->down, right = g->right, in = g->in, out = g->out;
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < columns; j++) sum[i][j] = (vec){0};
    for (; outs > 0; outs--, x += in, dy += out) {
        const vec d = *(const vec *)dy;
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
            for (int j = 0; j < columns; j++)
                sum[i][j] += d * *(const vec *)(x + i * down + j * right);
    }
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 3
        for (int j = 0; j < columns; j++) {
            nn_real *to = dweight + (i * g->kernel + j) * g->channels;
            sum[i][j] += *(const vec *)to;
            store(to, &sum[i][j], g->skip);
        }
    }
}

#define BLOCKS(X) X(1, 1) X(1, 2) X(1, 3) X(3, 1) X(3, 2) X(3, 3)
#define BLOCK(m, n)                                                                                \
    static void sum_##m##_##n(const gradient *g, int outs, const nn_real *x, const nn_real *dy,    \
                              nn_real *dweight)                                                    \
    {                                                                                              \
        sum_block(m, n, g, outs, x, dy, dweight);                                                  \
    }
BLOCKS(BLOCK)

typedef void (*summer)(const gradient *g, int outs, const nn_real *x, const nn_real *dy,
                       nn_real *dweight);
#define BLOCK_NAME(m, n) sum_##m##_##n,
static const summer summers[] = {BLOCKS(BLOCK_NAME)};

/* Taps of rows i .. i+rows-1 and columns j .. j+columns-1 over the outputs in `over` of column w.
 */
static void sum_outs(const nn_window win[2], const gradient *g, int rows, int columns, int i, int j,
                     int w, range over, const nn_real *x, const nn_real *dy, nn_real *dweight)
{
    if (over.lo >= over.hi) return;
    const ptrdiff_t h = (ptrdiff_t)over.lo * win[0].stride - win[0].before + i * win[0].dilation;
    const ptrdiff_t at = (ptrdiff_t)w * win[1].stride - win[1].before + j * win[1].dilation;
    summers[(rows == 3 ? 3 : 0) + columns - 1](
        g, over.hi - over.lo, x + (h * win[1].in + at) * g->channels,
        dy + over.lo * g->out + w * g->channels,
        dweight + ((ptrdiff_t)i * g->kernel + j) * g->channels);
}

/* Column w: three rows of taps at once where all of them hit, the rest row by row. */
static void sum_column(const nn_window win[2], const gradient *g, int w, const nn_real *x,
                       const nn_real *dy, nn_real *dweight)
{
    const range across = taps_at(&win[1], w);
    for (int j = across.lo, n; j < across.hi; j += n) {
        n = least(across.hi - j, 3);
        for (int i = 0, m; i < win[0].kernel; i += m) {
            m = win[0].kernel - i >= 3 ? 3 : 1;
            range all = {outs_of(&win[0], i).lo, outs_of(&win[0], i + m - 1).hi};
            if (all.lo > all.hi) all.hi = all.lo;
            sum_outs(win, g, m, n, i, j, w, all, x, dy, dweight);
            for (int r = i; m > 1 && r < i + m; r++) {
                const range own = outs_of(&win[0], r);
                sum_outs(win, g, 1, n, r, j, w, (range){own.lo, least(own.hi, all.lo)}, x, dy,
                         dweight);
                sum_outs(win, g, 1, n, r, j, w, (range){most(own.lo, all.hi), own.hi}, x, dy,
                         dweight);
            }
        }
    }
}

void nn_columns_backward_weight(const nn_window win[2], int channels, int batch, const nn_real *x,
                                const nn_real *dy, nn_real *dweight)
{
    const ptrdiff_t in_row = (ptrdiff_t)win[1].in * channels,
                    out_row = (ptrdiff_t)win[1].out * channels;
    gradient g = {.out = out_row,
                  .in = in_row * win[0].stride,
                  .down = in_row * win[0].dilation,
                  .right = (ptrdiff_t)channels * win[1].dilation,
                  .channels = channels,
                  .kernel = win[1].kernel};
    for (int b = 0; b < batch; b++, x += win[0].in * in_row, dy += win[0].out * out_row) {
        for (int c = 0; c < channels; c += LANES) {
            g.skip = overlap(channels, c);
            const int from = c - g.skip;
            for (int w = 0; w < win[1].out; w++)
                sum_column(win, &g, w, x + from, dy + from, dweight + from);
        }
    }
}
