/* copy: int8 values to another place, as they are or brought to another scale and zero point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_COPY_H
#define SOTTO_COPY_H

#include "quantize/runtime/requant.h"

/* y = clamp(x) */
static inline void sotto_copy(const int8_t *x, int8_t *y, int32_t n, int32_t lo, int32_t hi)
{
    for (int32_t i = 0; i < n; i++) y[i] = sotto_clamp_i8(x[i], lo, hi);
}

/* From one quantization to another. multiplier 0: they are the same. */
typedef struct sotto_rescale_t {
    int32_t in_zero, out_zero, multiplier, shift, lo, hi, single;
} sotto_rescale_t;

/* y = clamp(out_zero + requant(x - in_zero)) */
static inline void sotto_rescale(const sotto_rescale_t *p, const int8_t *x, int8_t *y, int32_t n)
{
    if (p->multiplier == 0) {
        sotto_copy(x, y, n, p->lo, p->hi);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t v = sotto_requant(x[i] - p->in_zero, p->multiplier, p->shift, p->single);
        y[i] = sotto_clamp_i8(v + p->out_zero, p->lo, p->hi);
    }
}

#endif
