/* dwconv2d_bands: int8 depthwise convolution whose biases and multipliers differ between bands,
 * equal runs of the columns of its output: a batchnorm by bands (subspectral normalization) is part
 * of it. Otherwise as sotto_dwconv2d; multipliers may be negative.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DWCONV2D_BANDS_H
#define SOTTO_DWCONV2D_BANDS_H

#include "quantize/runtime/requant.h"
#include "quantize/runtime/window.h"

typedef struct sotto_dwconv2d_bands_t {
    int32_t in_h, in_w, channels, out_h, out_w, bands;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t in_zero, out_zero, lo, hi, single;
    const int8_t *weight;                     /* [kernel_h][kernel_w][channels] */
    const int32_t *bias, *multiplier, *shift; /* [bands][channels] */
} sotto_dwconv2d_bands_t;

/* Channels first .. first + n - 1 of one position, with weights of these alone: the taps
 * [ky0, ky1) x [kx0, kx1) of the window that begins at (top, left). */
static inline void sotto_dwconv2d_bands_at(const sotto_dwconv2d_bands_t *p, const int8_t *weight,
                                           int32_t first, int32_t n, const int8_t *x, int32_t top,
                                           int32_t left, int32_t ky0, int32_t ky1, int32_t kx0,
                                           int32_t kx1, int32_t band, int8_t *y)
{
    const int32_t channels = p->channels, step = p->dilation_w * channels;
    const int32_t column = left + kx0 * p->dilation_w, ky_end = kx0 < kx1 ? ky1 : ky0;
    for (int32_t c = first; c < first + n; c++) {
        const int32_t at = band * channels + c;
        int32_t sum = p->bias[at];
        for (int32_t ky = ky0; ky < ky_end; ky++) {
            const int8_t *v = x + ((top + ky * p->dilation_h) * p->in_w + column) * channels + c;
            const int8_t *k = weight + (ky * p->kernel_w + kx0) * n + c - first;
            for (int32_t i = 0; i < kx1 - kx0; i++) sum += (v[i * step] - p->in_zero) * k[i * n];
        }
        sum = sotto_requant(sum, p->multiplier[at], p->shift[at], p->single) + p->out_zero;
        y[c] = sotto_clamp_i8(sum, p->lo, p->hi);
    }
}

static inline void sotto_dwconv2d_bands_channels(const sotto_dwconv2d_bands_t *p,
                                                 const int8_t *weight, int32_t first, int32_t n,
                                                 const int8_t *x, int8_t *y)
{
    const int32_t width = p->out_w / p->bands;
    for (int32_t h = 0; h < p->out_h; h++) {
        const int32_t top = h * p->stride_h - p->pad_top;
        int32_t ky0, ky1;
        sotto_taps(top, p->in_h, p->kernel_h, p->dilation_h, &ky0, &ky1);
        for (int32_t band = 0; band < p->bands; band++)
            for (int32_t w = band * width; w < (band + 1) * width; w++, y += p->channels) {
                const int32_t left = w * p->stride_w - p->pad_left;
                int32_t kx0, kx1;
                sotto_taps(left, p->in_w, p->kernel_w, p->dilation_w, &kx0, &kx1);
                sotto_dwconv2d_bands_at(p, weight, first, n, x, top, left, ky0, ky1, kx0, kx1, band,
                                        y);
            }
    }
}

static inline void sotto_dwconv2d_bands(const sotto_dwconv2d_bands_t *p, const int8_t *x, int8_t *y)
{
    sotto_dwconv2d_bands_channels(p, p->weight, 0, p->channels, x, y);
}

#endif
