/* conv2d: int8 convolution over H x W x C maps.
 *   y[h,w,o] = clamp(out_zero + requant(bias[o] + sum (x - in_zero) weight[o,ky,kx,i]))
 * Taps outside the map count as zero. With groups, output channel o sees the in_c / groups input
 * channels of its group.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CONV2D_H
#define SOTTO_CONV2D_H

#include "quantize/runtime/dot.h"
#include "quantize/runtime/requant.h"
#include "quantize/runtime/window.h"

typedef struct sotto_conv2d_t {
    int32_t in_h, in_w, in_c, out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, groups;
    int32_t in_zero, out_zero, lo, hi, single;
    const int8_t *weight;                     /* [out_c][kernel_h][kernel_w][in_c / groups] */
    const int32_t *bias, *multiplier, *shift; /* [out_c] */
} sotto_conv2d_t;

/* One row of taps: ntaps positions, `step` apart in x, each a dot product over n channels. */
static inline int32_t sotto_conv2d_row(const int8_t *x, const int8_t *w, int32_t ntaps,
                                       int32_t step, int32_t n, int16_t offset)
{
    if (step == n) return sotto_dot(x, w, ntaps * n, offset);
    int32_t sum = 0;
    for (int32_t k = 0; k < ntaps; k++) sum += sotto_dot(x + k * step, w + k * n, n, offset);
    return sum;
}

/* The window of one output: nrows rows of taps, x_row and w_row apart. Apart from the loops over
 * outputs, so that those over products have registers of their own. */
SOTTO_APART int32_t sotto_conv2d_sum(const int8_t *x, const int8_t *w, int32_t nrows, int32_t x_row,
                                     int32_t w_row, int32_t ntaps, int32_t step, int32_t n,
                                     int16_t offset)
{
    int32_t sum = 0;
    for (int32_t r = 0; r < nrows; r++)
        sum += sotto_conv2d_row(x + r * x_row, w + r * w_row, ntaps, step, n, offset);
    return sum;
}

/* Channels first .. first + n - 1 of all of y, with weights of these alone. */
static inline void sotto_conv2d_channels(const sotto_conv2d_t *p, const int8_t *weight,
                                         int32_t first, int32_t n, const int8_t *x, int8_t *y)
{
    const int32_t depth = p->in_c / p->groups, per_group = p->out_c / p->groups;
    const int32_t row = p->kernel_w * depth, step = p->dilation_w * p->in_c;
    const int32_t x_row = p->dilation_h * p->in_w * p->in_c;
    const int16_t offset = (int16_t)-p->in_zero;
    y += first;
    for (int32_t h = 0; h < p->out_h; h++) {
        const int32_t top = h * p->stride_h - p->pad_top;
        int32_t ky0, ky1;
        sotto_taps(top, p->in_h, p->kernel_h, p->dilation_h, &ky0, &ky1);
        for (int32_t w = 0; w < p->out_w; w++) {
            const int32_t left = w * p->stride_w - p->pad_left;
            int32_t kx0, kx1;
            sotto_taps(left, p->in_w, p->kernel_w, p->dilation_w, &kx0, &kx1);
            const int32_t column = left + kx0 * p->dilation_w, nrows = kx0 < kx1 ? ky1 - ky0 : 0;
            for (int32_t o = first; o < first + n; o++) {
                const int32_t at = ((top + ky0 * p->dilation_h) * p->in_w + column) * p->in_c;
                const int32_t k = ((o - first) * p->kernel_h + ky0) * row + kx0 * depth;
                int32_t sum = p->bias[o];
                if (nrows > 0)
                    sum += sotto_conv2d_sum(x + at + o / per_group * depth, weight + k, nrows,
                                            x_row, row, kx1 - kx0, step, depth, offset);
                sum = sotto_requant(sum, p->multiplier[o], p->shift[o], p->single) + p->out_zero;
                *y++ = sotto_clamp_i8(sum, p->lo, p->hi);
            }
            y += p->out_c - n;
        }
    }
}

static inline void sotto_conv2d(const sotto_conv2d_t *p, const int8_t *x, int8_t *y)
{
    sotto_conv2d_channels(p, p->weight, 0, p->out_c, x, y);
}

#endif
