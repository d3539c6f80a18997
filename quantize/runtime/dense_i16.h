/* dense_i16: fully connected layer of 16-bit activations (i16.h).
 *   y[o] = requant(bias[o] + sum x[i] weight[o,i]), clamped
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DENSE_I16_H
#define SOTTO_DENSE_I16_H

#include "quantize/runtime/dense.h"
#include "quantize/runtime/i16.h"

typedef sotto_dense_t sotto_dense_i16_t; /* zero points are 0 */

static inline void sotto_dense_i16(const sotto_dense_i16_t *p, const int16_t *x, int16_t *y)
{
    for (int32_t o = 0; o < p->out_n; o++) {
        const int64_t sum = p->bias[o] + sotto_sum_i16(x, p->weight + o * p->in_n, p->in_n);
        y[o] = sotto_requant_i16(sum, p->multiplier[o], p->shift[o], p->lo, p->hi);
    }
}

#endif
