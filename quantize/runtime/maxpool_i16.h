/* maxpool_i16: largest of the positions of a window that lie inside a map of 16-bit values
 * (i16.h), otherwise as sotto_maxpool.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MAXPOOL_I16_H
#define SOTTO_MAXPOOL_I16_H

#include "quantize/runtime/i16.h"
#include "quantize/runtime/pool.h"

typedef sotto_pool_t sotto_maxpool_i16_t;

static inline void sotto_maxpool_i16(const sotto_maxpool_i16_t *p, const int16_t *x, int16_t *y)
{
    for (int32_t h = 0; h < p->out_h; h++) {
        const int32_t top = h * p->stride_h - p->pad_top;
        int32_t ky0, ky1;
        sotto_taps(top, p->in_h, p->kernel_h, 1, &ky0, &ky1);
        for (int32_t w = 0; w < p->out_w; w++) {
            const int32_t left = w * p->stride_w - p->pad_left;
            int32_t kx0, kx1;
            sotto_taps(left, p->in_w, p->kernel_w, 1, &kx0, &kx1);
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t most = -32767;
                for (int32_t ky = top + ky0; ky < top + ky1; ky++)
                    for (int32_t kx = left + kx0; kx < left + kx1; kx++) {
                        const int32_t v = x[(ky * p->in_w + kx) * p->channels + c];
                        if (v > most) most = v;
                    }
                *y++ = sotto_bound_i16(most, p->lo, p->hi);
            }
        }
    }
}

#endif
