/* dense: int8 fully connected layer.
 *   y[o] = clamp(out_zero + requant(bias[o] + sum (x[i] - in_zero) weight[o,i]))
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DENSE_H
#define SOTTO_DENSE_H

#include "quantize/runtime/dot.h"
#include "quantize/runtime/requant.h"

typedef struct sotto_dense_t {
    int32_t in_n, out_n;
    int32_t in_zero, out_zero, lo, hi, single;
    const int8_t *weight;                     /* [out_n][in_n] */
    const int32_t *bias, *multiplier, *shift; /* [out_n] */
} sotto_dense_t;

static inline void sotto_dense(const sotto_dense_t *p, const int8_t *x, int8_t *y)
{
    const int16_t offset = (int16_t)-p->in_zero;
    for (int32_t o = 0; o < p->out_n; o++) {
        int32_t sum = p->bias[o] + sotto_dot(x, p->weight + o * p->in_n, p->in_n, offset);
        sum = sotto_requant(sum, p->multiplier[o], p->shift[o], p->single) + p->out_zero;
        y[o] = sotto_clamp_i8(sum, p->lo, p->hi);
    }
}

#endif
