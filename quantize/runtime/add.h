/* add: int8 sum of two maps with scales of their own. Both are brought to 2^-20 of twice the
 * larger scale, added, and requantized (TFLite's scheme for ADD). y may be x0 or x1.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_H
#define SOTTO_ADD_H

#include "quantize/runtime/scale.h"

typedef struct sotto_add_t {
    int32_t n;
    int32_t x0_zero, x0_multiplier, x0_shift; /* all shifts <= 0 */
    int32_t x1_zero, x1_multiplier, x1_shift;
    int32_t out_zero, out_multiplier, out_shift, lo, hi, single;
} sotto_add_t;

/* sotto_requant with a shift <= 0 of |x| < 2^29, decided beforehand what every x needs. */
typedef struct sotto_factor_t {
    int32_t multiplier, right, half;
    int32_t away; /* all bits where halves go away from 0, or none */
    int32_t left; /* 1: of single rounding, what is not shifted to the right is first doubled */
} sotto_factor_t;

static inline sotto_factor_t sotto_factor(int32_t multiplier, int32_t shift, int32_t single)
{
    const int32_t left = single && shift == 0, right = shift < 0 ? -shift : left;
    const int32_t half = right > 0 ? (int32_t)1 << (right - 1) : 0;
    const sotto_factor_t f = {multiplier, right, half, right > 0 ? -1 : 0, left};
    return f;
}

/* single is a constant where this is inlined. */
SOTTO_INLINE int32_t sotto_times(const sotto_factor_t *f, int32_t x, int32_t single)
{
    const int32_t v = single ? (int32_t)((uint32_t)x << f->left) : x;
    const int32_t high = sotto_scale_high(v, f->multiplier, single);
    return (high + f->half + (single ? 0 : high >> 31 & f->away)) >> f->right;
}

/* What the sums of a layer share, looked up once. */
typedef struct sotto_adder_t {
    sotto_factor_t x0, x1, out;
    int32_t x0_zero, x1_zero, out_zero, lo, hi, single;
} sotto_adder_t;

static inline sotto_adder_t sotto_adder(const sotto_add_t *p)
{
    const sotto_adder_t a = {sotto_factor(p->x0_multiplier, p->x0_shift, p->single),
                             sotto_factor(p->x1_multiplier, p->x1_shift, p->single),
                             sotto_factor(p->out_multiplier, p->out_shift, p->single),
                             p->x0_zero,
                             p->x1_zero,
                             p->out_zero,
                             p->lo,
                             p->hi,
                             p->single};
    return a;
}

SOTTO_INLINE int8_t sotto_add_one(const sotto_adder_t *a, int32_t x0, int32_t x1, int32_t single)
{
    const int32_t unit = (int32_t)1 << 20;
    const int32_t sum = sotto_times(&a->x0, (x0 - a->x0_zero) * unit, single) +
                        sotto_times(&a->x1, (x1 - a->x1_zero) * unit, single);
    return sotto_clamp_i8(sotto_times(&a->out, sum, single) + a->out_zero, a->lo, a->hi);
}

/* n sums, of every step0-th x0 and every step1-th x1. */
static inline void sotto_add_row(const sotto_adder_t *adder, int32_t n, const int8_t *x0,
                                 int32_t step0, const int8_t *x1, int32_t step1, int8_t *y)
{
    const sotto_adder_t a = *adder; /* which no y overwrites */
    const int8_t *const end = y + n;
    if (a.single)
        for (; y < end; x0 += step0, x1 += step1) *y++ = sotto_add_one(&a, *x0, *x1, 1);
    else
        for (; y < end; x0 += step0, x1 += step1) *y++ = sotto_add_one(&a, *x0, *x1, 0);
}

static inline void sotto_add(const sotto_add_t *p, const int8_t *x0, const int8_t *x1, int8_t *y)
{
    const sotto_adder_t a = sotto_adder(p);
    sotto_add_row(&a, p->n, x0, 1, x1, 1, y);
}

#endif
