/* conv2d_i16: convolution of 16-bit activations (i16.h), otherwise as sotto_conv2d.
 *   y[h,w,o] = requant(bias[o] + sum x weight[o,ky,kx,i]), clamped
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CONV2D_I16_H
#define SOTTO_CONV2D_I16_H

#include "quantize/runtime/conv2d.h"
#include "quantize/runtime/i16.h"

typedef sotto_conv2d_t sotto_conv2d_i16_t; /* zero points are 0 */

/* One row of taps: ntaps positions, `step` apart in x, each of n channels. */
static inline int64_t sotto_conv2d_i16_row(const int16_t *x, const int8_t *w, int32_t ntaps,
                                           int32_t step, int32_t n)
{
    if (step == n) return sotto_sum_i16(x, w, ntaps * n);
    int64_t sum = 0;
    for (int32_t k = 0; k < ntaps; k++) sum += sotto_sum_i16(x + k * step, w + k * n, n);
    return sum;
}

static inline void sotto_conv2d_i16(const sotto_conv2d_i16_t *p, const int16_t *x, int16_t *y)
{
    const int32_t depth = p->in_c / p->groups, per_group = p->out_c / p->groups;
    const int32_t row = p->kernel_w * depth;
    for (int32_t h = 0; h < p->out_h; h++) {
        const int32_t top = h * p->stride_h - p->pad_top;
        int32_t ky0, ky1;
        sotto_taps(top, p->in_h, p->kernel_h, p->dilation_h, &ky0, &ky1);
        for (int32_t w = 0; w < p->out_w; w++) {
            const int32_t left = w * p->stride_w - p->pad_left;
            int32_t kx0, kx1;
            sotto_taps(left, p->in_w, p->kernel_w, p->dilation_w, &kx0, &kx1);
            const int32_t first = left + kx0 * p->dilation_w, ky_end = kx0 < kx1 ? ky1 : ky0;
            for (int32_t o = 0; o < p->out_c; o++) {
                const int32_t channel = o / per_group * depth;
                int64_t sum = p->bias[o];
                for (int32_t ky = ky0; ky < ky_end; ky++) {
                    const int32_t at = (top + ky * p->dilation_h) * p->in_w + first;
                    const int8_t *k = p->weight + (o * p->kernel_h + ky) * row + kx0 * depth;
                    sum += sotto_conv2d_i16_row(x + at * p->in_c + channel, k, kx1 - kx0,
                                                p->dilation_w * p->in_c, depth);
                }
                *y++ = sotto_requant_i16(sum, p->multiplier[o], p->shift[o], p->lo, p->hi);
            }
        }
    }
}

#endif
