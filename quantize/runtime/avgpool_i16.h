/* avgpool_i16: mean of the positions of a window that lie inside a map of 16-bit values (i16.h),
 * otherwise as sotto_avgpool. At most 65536 taps.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_AVGPOOL_I16_H
#define SOTTO_AVGPOOL_I16_H

#include "quantize/runtime/avgpool.h"
#include "quantize/runtime/i16.h"

typedef sotto_pool_t sotto_avgpool_i16_t;

static inline void sotto_avgpool_i16(const sotto_avgpool_i16_t *p, const int16_t *x, int16_t *y)
{
    for (int32_t h = 0; h < p->out_h; h++) {
        const int32_t top = h * p->stride_h - p->pad_top;
        int32_t ky0, ky1;
        sotto_taps(top, p->in_h, p->kernel_h, 1, &ky0, &ky1);
        for (int32_t w = 0; w < p->out_w; w++) {
            const int32_t left = w * p->stride_w - p->pad_left;
            int32_t kx0, kx1;
            sotto_taps(left, p->in_w, p->kernel_w, 1, &kx0, &kx1);
            const int32_t count = (ky1 - ky0) * (kx1 - kx0);
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t sum = 0;
                for (int32_t ky = top + ky0; ky < top + ky1; ky++)
                    for (int32_t kx = left + kx0; kx < left + kx1; kx++)
                        sum += x[(ky * p->in_w + kx) * p->channels + c];
                const int32_t mean = count > 0 ? sotto_mean(sum, count) : 0;
                *y++ = sotto_bound_i16(mean, p->lo, p->hi);
            }
        }
    }
}

#endif
