/* narrow: 16-bit values (i16.h) as int8 ones.
 *   y = zero + requant(x), clamped to int8
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_NARROW_H
#define SOTTO_NARROW_H

#include "quantize/runtime/i16.h"

typedef struct sotto_narrow_t {
    int32_t n, zero, multiplier, shift;
} sotto_narrow_t;

static inline void sotto_narrow(const sotto_narrow_t *p, const int16_t *x, int8_t *y)
{
    const int32_t lo = -128 - p->zero, hi = 127 - p->zero;
    for (int32_t i = 0; i < p->n; i++)
        y[i] = (int8_t)(sotto_requant32_i16(x[i], p->multiplier, p->shift, lo, hi) + p->zero);
}

#endif
