/* maxpool: int8 maximum over windows; taps outside the map do not count. Input and output share
 * scale and zero point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MAXPOOL_H
#define SOTTO_MAXPOOL_H

#include "quantize/runtime/pool.h"

typedef sotto_pool_t sotto_maxpool_t;

static inline void sotto_maxpool(const sotto_maxpool_t *p, const int8_t *x, int8_t *y)
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
                int32_t most = INT8_MIN;
                for (int32_t ky = top + ky0; ky < top + ky1; ky++)
                    for (int32_t kx = left + kx0; kx < left + kx1; kx++) {
                        const int32_t v = x[(ky * p->in_w + kx) * p->channels + c];
                        if (v > most) most = v;
                    }
                *y++ = sotto_clamp_i8(most, p->lo, p->hi);
            }
        }
    }
}

#endif
