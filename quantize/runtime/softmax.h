/* softmax: int8 exponentials that sum to one along the last axis, in 32-bit fixed point (TFLite's
 * SOFTMAX, bit for bit; its arithmetic is gemmlowp's, Jacob et al., arXiv 1712.05877). The output
 * has scale 1/256 and zero point -128. y may be x.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SOFTMAX_H
#define SOTTO_SOFTMAX_H

#include "quantize/runtime/requant.h"

typedef struct sotto_softmax_t {
    int32_t rows, n;           /* n numbers a row, below 4096 */
    int32_t multiplier, shift; /* of differences, to 5 bits before the point */
    int32_t least;             /* below this difference the result is 0 */
    int32_t lo, hi;
} sotto_softmax_t;

/* x * 2^n, saturating. */
static inline int32_t sotto_raise(int32_t x, int32_t n)
{
    const int32_t most = INT32_MAX >> n;
    return x > most ? INT32_MAX : x < -most - 1 ? INT32_MIN : (int32_t)((uint32_t)x << n);
}

/* exp(x) for x <= 0 with 5 bits before the point; the result has none. */
static inline int32_t sotto_exp(int32_t x)
{
    static const int32_t factor[] = {1672461947, 1302514674, 790015084, 290630308,
                                     39332535,   720401,     242}; /* exp(-2^k), k = -2 .. 4 */
    const int32_t quarter = (int32_t)1 << 24;
    const int32_t rest = (x & (quarter - 1)) - quarter; /* in [-1/4, 0) */
    const int32_t whole = rest - x;
    /* exp(-1/8) times the series of exp around -1/8 */
    const int32_t a = (int32_t)((uint32_t)rest << 5) + ((int32_t)1 << 28);
    const int32_t a2 = sotto_high_mul(a, a), a3 = sotto_high_mul(a2, a);
    const int32_t a4 = sotto_round_shift(sotto_high_mul(a2, a2), 2);
    const int32_t tail = sotto_round_shift(sotto_high_mul(a4 + a3, 715827883) + a2, 1);
    int32_t y = 1895147668 + sotto_high_mul(1895147668, a + tail);
    for (int32_t k = 0; k < 7; k++)
        if (whole & (quarter << k)) y = sotto_high_mul(y, factor[k]);
    return x == 0 ? INT32_MAX : y;
}

/* 1 / (1 + x) for x in [0, 1), no bits before the point: Newton's steps from 48/17 - 32/17 d for
 * half the denominator. */
static inline int32_t sotto_reciprocal(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + sotto_high_mul(half, -1010580540); /* 2 bits before the point */
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = ((int32_t)1 << 29) - sotto_high_mul(half, y);
        y += sotto_raise(sotto_high_mul(y, error), 2);
    }
    return sotto_raise(y, 1);
}

static inline int32_t sotto_softmax_exp(const sotto_softmax_t *p, int32_t difference)
{
    const int32_t x = (int32_t)((uint32_t)difference << p->shift);
    return sotto_exp(sotto_high_mul(x, p->multiplier));
}

static inline void sotto_softmax(const sotto_softmax_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t r = 0; r < p->rows; r++, x += p->n, y += p->n) {
        int32_t most = x[0], sum = 0, zeros = 0; /* sum has 12 bits before the point */
        for (int32_t i = 1; i < p->n; i++)
            if (x[i] > most) most = x[i];
        for (int32_t i = 0; i < p->n; i++)
            if (x[i] - most >= p->least)
                sum += sotto_round_shift(sotto_softmax_exp(p, x[i] - most), 12);
        while (!(((uint32_t)sum << zeros) & 0x80000000U)) zeros++;
        const int32_t scale = sotto_reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000U));
        const int32_t bits = 12 - zeros + 31 - 8; /* more than 31: all are less than half a step */
        for (int32_t i = 0; i < p->n; i++) {
            int32_t v = -128;
            if (x[i] - most >= p->least && bits < 32)
                v += sotto_round_shift(sotto_high_mul(scale, sotto_softmax_exp(p, x[i] - most)),
                                       bits);
            y[i] = sotto_clamp_i8(v, p->lo, p->hi);
        }
    }
}

#endif
