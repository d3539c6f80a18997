/* mul: int8 product of two maps of which axes of length 1 are repeated (TFLite's scheme for MUL).
 *   y = clamp(out_zero + requant((x0 - x0_zero) (x1 - x1_zero)))
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MUL_H
#define SOTTO_MUL_H

#include "quantize/runtime/requant.h"

typedef struct sotto_mul_t {
    int32_t length[4];          /* of y, the last axis runs fastest; 1 where it has fewer */
    int32_t step0[4], step1[4]; /* of x0 and x1 along these axes, 0 where they are repeated */
    int32_t x0_zero, x1_zero, out_zero, multiplier, shift, lo, hi, single;
} sotto_mul_t;

static inline void sotto_mul_row(const sotto_mul_t *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t l = 0; l < p->length[3]; l++) {
        const int32_t v = (a[l * p->step0[3]] - p->x0_zero) * (b[l * p->step1[3]] - p->x1_zero);
        y[l] = sotto_clamp_i8(sotto_requant(v, p->multiplier, p->shift, p->single) + p->out_zero,
                              p->lo, p->hi);
    }
}

static inline void sotto_mul(const sotto_mul_t *p, const int8_t *x0, const int8_t *x1, int8_t *y)
{
    for (int32_t i = 0; i < p->length[0]; i++)
        for (int32_t j = 0; j < p->length[1]; j++)
            for (int32_t k = 0; k < p->length[2]; k++, y += p->length[3])
                sotto_mul_row(p, x0 + i * p->step0[0] + j * p->step0[1] + k * p->step0[2],
                              x1 + i * p->step1[0] + j * p->step1[1] + k * p->step1[2], y);
}

#endif
