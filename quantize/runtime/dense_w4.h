/* dense_w4: sotto_dense with weights in 4 bits (quantize/runtime/int4.h).
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DENSE_W4_H
#define SOTTO_DENSE_W4_H

#include "quantize/runtime/dense.h"
#include "quantize/runtime/int4.h"

typedef sotto_dense_t sotto_dense_w4_t; /* weight: packed */

static inline void sotto_dense_w4(const sotto_dense_w4_t *p, const int8_t *x, int8_t *y)
{
    const int16_t offset = (int16_t)-p->in_zero;
    for (int32_t o = 0; o < p->out_n; o++) {
        int32_t sum = p->bias[o] + sotto_int4_dot(x, p->weight, o * p->in_n, p->in_n, offset);
        sum = sotto_requant(sum, p->multiplier[o], p->shift[o], p->single) + p->out_zero;
        y[o] = sotto_clamp_i8(sum, p->lo, p->hi);
    }
}

#endif
