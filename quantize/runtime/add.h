/* add: int8 sum of two maps with scales of their own. Both are brought to 2^-20 of twice the
 * larger scale, added, and requantized (TFLite's scheme for ADD). y may be x0 or x1.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_H
#define SOTTO_ADD_H

#include "quantize/runtime/requant.h"

typedef struct sotto_add_t {
    int32_t n;
    int32_t x0_zero, x0_multiplier, x0_shift; /* shifts <= 0 */
    int32_t x1_zero, x1_multiplier, x1_shift;
    int32_t out_zero, out_multiplier, out_shift, lo, hi, single;
} sotto_add_t;

static inline int8_t sotto_add_one(const sotto_add_t *p, int32_t x0, int32_t x1)
{
    const int32_t unit = (int32_t)1 << 20;
    const int32_t a = (x0 - p->x0_zero) * unit, b = (x1 - p->x1_zero) * unit;
    const int32_t sum = sotto_requant(a, p->x0_multiplier, p->x0_shift, p->single) +
                        sotto_requant(b, p->x1_multiplier, p->x1_shift, p->single);
    const int32_t v = sotto_requant(sum, p->out_multiplier, p->out_shift, p->single) + p->out_zero;
    return sotto_clamp_i8(v, p->lo, p->hi);
}

static inline void sotto_add(const sotto_add_t *p, const int8_t *x0, const int8_t *x1, int8_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = sotto_add_one(p, x0[i], x1[i]);
}

#endif
