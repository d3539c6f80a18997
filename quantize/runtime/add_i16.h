/* add_i16: sum of two maps of 16-bit values (i16.h) with scales of their own, in one rounding.
 *   y = round((x0 x0_multiplier + x1 x1_multiplier) / 2^shift), halves up, clamped
 * y may be x0 or x1.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_I16_H
#define SOTTO_ADD_I16_H

#include <stdint.h>

typedef struct sotto_add_i16_t {
    int32_t n;
    int32_t x0_multiplier, x1_multiplier, shift; /* shift in [24, 62] */
    int32_t lo, hi;
} sotto_add_i16_t;

static inline int16_t sotto_add_i16_one(const sotto_add_i16_t *p, int16_t x0, int16_t x1)
{
    const int64_t sum = (int64_t)x0 * p->x0_multiplier + (int64_t)x1 * p->x1_multiplier;
    const int64_t y = (sum + ((int64_t)1 << (p->shift - 1))) >> p->shift;
    return (int16_t)(y < p->lo ? p->lo : y > p->hi ? p->hi : y);
}

static inline void sotto_add_i16(const sotto_add_i16_t *p, const int16_t *x0, const int16_t *x1,
                                 int16_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = sotto_add_i16_one(p, x0[i], x1[i]);
}

#endif
