/* dwconv2d_bands_i16: depthwise convolution of 16-bit activations (i16.h) whose biases and
 * multipliers differ between bands, otherwise as sotto_dwconv2d_bands. At most 512 taps, whose
 * products 32 bits hold.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DWCONV2D_BANDS_I16_H
#define SOTTO_DWCONV2D_BANDS_I16_H

#include "quantize/runtime/dwconv2d_bands.h"
#include "quantize/runtime/i16.h"

typedef sotto_dwconv2d_bands_t sotto_dwconv2d_bands_i16_t; /* zero points are 0 */

/* One position: the taps [ky0, ky1) x [kx0, kx1) of the window that begins at (top, left). */
static inline void sotto_dwconv2d_bands_i16_at(const sotto_dwconv2d_bands_i16_t *p,
                                               const int16_t *x, int32_t top, int32_t left,
                                               int32_t ky0, int32_t ky1, int32_t kx0, int32_t kx1,
                                               int32_t band, int16_t *y)
{
    const int32_t channels = p->channels, step = p->dilation_w * channels;
    const int32_t first = left + kx0 * p->dilation_w, ky_end = kx0 < kx1 ? ky1 : ky0;
    for (int32_t c = 0; c < channels; c++) {
        const int32_t at = band * channels + c;
        int32_t sum = 0;
        for (int32_t ky = ky0; ky < ky_end; ky++) {
            const int16_t *v = x + ((top + ky * p->dilation_h) * p->in_w + first) * channels + c;
            const int8_t *k = p->weight + (ky * p->kernel_w + kx0) * channels + c;
            for (int32_t i = 0; i < kx1 - kx0; i++) sum += v[i * step] * k[i * channels];
        }
        y[c] = sotto_requant_i16((int64_t)p->bias[at] + sum, p->multiplier[at], p->shift[at], p->lo,
                                 p->hi);
    }
}

static inline void sotto_dwconv2d_bands_i16(const sotto_dwconv2d_bands_i16_t *p, const int16_t *x,
                                            int16_t *y)
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
                sotto_dwconv2d_bands_i16_at(p, x, top, left, ky0, ky1, kx0, kx1, band, y);
            }
    }
}

#endif
