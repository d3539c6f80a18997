/* See nn/rows.h. */
#include "nn/rows.h"

#include "nn/vector.h"

#include <string.h>

bool nn_rows_of(const nn_window win[2], int channels, nn_rows *r)
{
    bool column = win[1].in == 1 && win[1].kernel == 1 && win[1].out == 1;
    const nn_window *h = &win[column], *w = &win[!column];
    if (win[0].stride != 1 || win[1].stride != 1) return false;
    *r = (nn_rows){{h->in, h->out, h->kernel, h->dilation, h->before},
                   {w->in, w->out, w->kernel, w->dilation, w->before},
                   channels};
    return true;
}

static ptrdiff_t padded(const nn_axis *a)
{
    return a->out + (ptrdiff_t)(a->kernel - 1) * a->dilation;
}

static ptrdiff_t row_of(const nn_rows *r)
{
    return (ptrdiff_t)r->w.out * r->channels;
}

/* The same convolution seen from its output. */
static nn_rows turned(const nn_rows *r)
{
    nn_rows t = *r;
    nn_axis *axis[] = {&t.h, &t.w};
    for (int i = 0; i < 2; i++) {
        nn_axis *a = axis[i];
        *a = (nn_axis){a->out, a->in, a->kernel, a->dilation,
                       (a->kernel - 1) * a->dilation - a->before};
    }
    return t;
}

/* Scratch: a padded map, then one row a tap, then one row. */
static size_t map_size(const nn_rows *r)
{
    return (size_t)(padded(&r->h) * padded(&r->w) * r->channels);
}

size_t nn_rows_scratch(const nn_rows *r)
{
    nn_rows t = turned(r);
    size_t map = map_size(r) > map_size(&t) ? map_size(r) : map_size(&t);
    ptrdiff_t row = row_of(r) > row_of(&t) ? row_of(r) : row_of(&t);
    return map + (size_t)((r->h.kernel * r->w.kernel + 1) * row);
}

/* One sample into the padded map, whose border is zero and stays so. */
static void copy_map(const nn_rows *r, const nn_real *x, nn_real *map)
{
    ptrdiff_t width = padded(&r->w) * r->channels, left = (ptrdiff_t)r->w.before * r->channels;
    ptrdiff_t n = (ptrdiff_t)r->w.in * r->channels;
    if (left + n > width) n = width - left;
    for (int i = 0; i < r->h.in && i + r->h.before < padded(&r->h); i++)
        memcpy(map + (i + r->h.before) * width + left, x + (ptrdiff_t)i * r->w.in * r->channels,
               (size_t)n * sizeof *map);
}

/* v [channels] along a whole row */
static void repeat(const nn_rows *r, const nn_real *v, nn_real *row)
{
    for (int w = 0; w < r->w.out; w++)
        memcpy(row + (ptrdiff_t)w * r->channels, v, (size_t)r->channels * sizeof *row);
}

/* How far tap t lies from the first, in the padded map. */
static ptrdiff_t tap_offset(const nn_rows *r, int t)
{
    ptrdiff_t i = (ptrdiff_t)(t / r->w.kernel) * r->h.dilation;
    ptrdiff_t j = (ptrdiff_t)(t % r->w.kernel) * r->w.dilation;
    return (i * padded(&r->w) + j) * r->channels;
}

/* `vectors` vectors of y = start + sum over taps of x[tap] weights[tap]; weights of a tap are `row`
 * apart. */
static inline __attribute__((always_inline)) void
convolve_vectors(const nn_rows *r, int vectors, const nn_real *x, const nn_real *weights,
                 const nn_real *start, const nn_clamp *clamp, nn_real *y)
{
    ptrdiff_t row = row_of(r), down = (ptrdiff_t)r->h.dilation * padded(&r->w) * r->channels;
    ptrdiff_t right = (ptrdiff_t)r->w.dilation * r->channels;
    nn_vector sum[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[v] = ((const nn_vector *)start)[v];
    for (int i = 0; i < r->h.kernel; i++, x += down) {
        const nn_real *at = x;
        for (int j = 0; j < r->w.kernel; j++, at += right, weights += row) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[v] += ((const nn_vector *)at)[v] * ((const nn_vector *)weights)[v];
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        if (clamp) nn_vector_clamp(&sum[v], clamp->lo, clamp->hi);
        ((nn_vector *)y)[v] = sum[v];
    }
}

/* One row of y = start + sum over taps; start may be y. */
static void convolve_row(const nn_rows *r, const nn_real *x, const nn_real *weights,
                         const nn_real *start, const nn_clamp *clamp, nn_real *y)
{
    int taps = r->h.kernel * r->w.kernel;
    ptrdiff_t row = row_of(r), k = 0;
    for (; k + 4 * NN_LANES <= row; k += 4 * NN_LANES)
        convolve_vectors(r, 4, x + k, weights + k, start + k, clamp, y + k);
    for (; k + NN_LANES <= row; k += NN_LANES)
        convolve_vectors(r, 1, x + k, weights + k, start + k, clamp, y + k);
    for (; k < row; k++) {
        nn_real a = start[k];
        for (int t = 0; t < taps; t++) a += x[tap_offset(r, t) + k] * weights[t * row + k];
        y[k] = clamp ? nn_clamped(*clamp, a) : a;
    }
}

/* All samples; accumulate: y starts from itself, else from bias or 0. */
static void convolve(const nn_rows *r, int batch, const nn_real *x, const nn_real *weights,
                     const nn_real *bias, bool accumulate, const nn_clamp *clamp, nn_real *y,
                     nn_real *map, nn_real *first)
{
    ptrdiff_t row = row_of(r), width = padded(&r->w) * r->channels;
    memset(map, 0, map_size(r) * sizeof *map);
    memset(first, 0, (size_t)row * sizeof *first);
    if (bias) repeat(r, bias, first);
    for (int b = 0; b < batch; b++) {
        copy_map(r, x + (ptrdiff_t)b * r->h.in * r->w.in * r->channels, map);
        for (int h = 0; h < r->h.out; h++, y += row)
            convolve_row(r, map + h * width, weights, accumulate ? y : first, clamp, y);
    }
}

void nn_rows_forward(const nn_rows *r, int batch, const nn_real *x, const nn_real *weight,
                     const nn_real *bias, const nn_clamp *clamp, nn_real *y, nn_real *scratch)
{
    int taps = r->h.kernel * r->w.kernel;
    nn_real *weights = scratch + map_size(r), *first = weights + taps * row_of(r);
    for (int t = 0; t < taps; t++)
        repeat(r, weight + (ptrdiff_t)t * r->channels, weights + t * row_of(r));
    convolve(r, batch, x, weights, bias, false, clamp, y, scratch, first);
}

void nn_rows_backward_x(const nn_rows *r, int batch, const nn_real *dy, const nn_real *weight,
                        nn_real *dx, bool fresh, nn_real *scratch)
{
    nn_rows back = turned(r);
    int taps = r->h.kernel * r->w.kernel;
    nn_real *weights = scratch + map_size(&back), *first = weights + taps * row_of(&back);
    for (int t = 0; t < taps; t++)
        repeat(&back, weight + (ptrdiff_t)(taps - 1 - t) * r->channels,
               weights + t * row_of(&back));
    convolve(&back, batch, dy, weights, NULL, !fresh, NULL, dx, scratch, first);
}

/* sums[tap][k .. k+LANES) += over rows of dy[h][k] x[h][offset + k], for up to GROUP taps. */
enum { GROUP = 8 };

static inline __attribute__((always_inline)) void sum_taps(const nn_rows *r, int group, int tap,
                                                           ptrdiff_t k, const nn_real *map,
                                                           const nn_real *dy, nn_real *sums)
{
    ptrdiff_t row = row_of(r), width = padded(&r->w) * r->channels, offset[GROUP];
    nn_vector sum[GROUP];
#pragma GCC unroll 8
    for (int g = 0; g < group; g++) {
        sum[g] = *(nn_vector *)(sums + (tap + g) * row + k);
        offset[g] = tap_offset(r, tap + g) + k;
    }
    for (int h = 0; h < r->h.out; h++) {
        nn_vector d = *(const nn_vector *)(dy + h * row + k);
#pragma GCC unroll 8
        for (int g = 0; g < group; g++)
            sum[g] += d * *(const nn_vector *)(map + h * width + offset[g]);
    }
#pragma GCC unroll 8
    for (int g = 0; g < group; g++) *(nn_vector *)(sums + (tap + g) * row + k) = sum[g];
}

static void sum_sample(const nn_rows *r, const nn_real *map, const nn_real *dy, nn_real *sums)
{
    int taps = r->h.kernel * r->w.kernel;
    ptrdiff_t row = row_of(r), width = padded(&r->w) * r->channels, k = 0;
    for (; k + NN_LANES <= row; k += NN_LANES) {
        int t = 0;
        for (; t + GROUP <= taps; t += GROUP) sum_taps(r, GROUP, t, k, map, dy, sums);
        for (; t + 3 <= taps; t += 3) sum_taps(r, 3, t, k, map, dy, sums);
        for (; t < taps; t++) sum_taps(r, 1, t, k, map, dy, sums);
    }
    for (; k < row; k++)
        for (int t = 0; t < taps; t++)
            for (int h = 0; h < r->h.out; h++)
                sums[t * row + k] += dy[h * row + k] * map[h * width + tap_offset(r, t) + k];
}

void nn_rows_backward_weight(const nn_rows *r, int batch, const nn_real *x, const nn_real *dy,
                             nn_real *dweight, nn_real *scratch)
{
    int taps = r->h.kernel * r->w.kernel;
    ptrdiff_t row = row_of(r);
    nn_real *map = scratch, *sums = scratch + map_size(r);
    memset(map, 0, map_size(r) * sizeof *map);
    memset(sums, 0, (size_t)(taps * row) * sizeof *sums);
    for (int b = 0; b < batch; b++) {
        copy_map(r, x + (ptrdiff_t)b * r->h.in * r->w.in * r->channels, map);
        sum_sample(r, map, dy + b * r->h.out * row, sums);
    }
    for (int t = 0; t < taps; t++)
        for (int w = 0; w < r->w.out; w++)
            for (int c = 0; c < r->channels; c++)
                dweight[(ptrdiff_t)t * r->channels + c] +=
                    sums[t * row + (ptrdiff_t)w * r->channels + c];
}
