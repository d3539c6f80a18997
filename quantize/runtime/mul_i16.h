/* mul_i16: product of two maps of 16-bit values (i16.h) of which axes of length 1 are repeated.
 *   y = requant(x0 x1), clamped
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MUL_I16_H
#define SOTTO_MUL_I16_H

#include "quantize/runtime/i16.h"
#include "quantize/runtime/mul.h"

typedef sotto_mul_t sotto_mul_i16_t; /* zero points are 0 */

static inline void sotto_mul_i16_row(const sotto_mul_i16_t *p, const int16_t *a, const int16_t *b,
                                     int16_t *y)
{
    for (int32_t l = 0; l < p->length[3]; l++)
        y[l] = sotto_requant32_i16(a[l * p->step0[3]] * b[l * p->step1[3]], p->multiplier, p->shift,
                                   p->lo, p->hi);
}

static inline void sotto_mul_i16(const sotto_mul_i16_t *p, const int16_t *x0, const int16_t *x1,
                                 int16_t *y)
{
    for (int32_t i = 0; i < p->length[0]; i++)
        for (int32_t j = 0; j < p->length[1]; j++)
            for (int32_t k = 0; k < p->length[2]; k++, y += p->length[3])
                sotto_mul_i16_row(p, x0 + i * p->step0[0] + j * p->step0[1] + k * p->step0[2],
                                  x1 + i * p->step1[0] + j * p->step1[1] + k * p->step1[2], y);
}

#endif
