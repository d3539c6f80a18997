/* softmax: int8 softmax over rows; the output has scale 1/256 and zero point -128 (TFLite's). y may
 * be x.
 *
 * With d = max - x in 0 .. 255, exp(-scale d) is the product of two table entries, exp of
 * 16 (d / 16) and of d % 16 steps (exp(a + b) = exp(a) exp(b)), rounded to 2^-31 each and once more
 * together: off by less than 2^-30. The reciprocal of their sum loses 3 2^-30 of itself. So what is
 * rounded to 1/256 (halves up) is within (n + 8) 2^-30 of the softmax of the int8 inputs, and y off
 * by no more than 1/2 + (n + 8) 2^-22 steps; but 255/256 also stands for 1.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SOFTMAX_H
#define SOTTO_SOFTMAX_H

#include "quantize/runtime/requant.h"

typedef struct sotto_softmax_t {
    int32_t rows, n; /* n <= 1024 */
    int32_t lo, hi;
    const int32_t *coarse, *fine; /* [16] each, of 2^-31 */
} sotto_softmax_t;

static inline uint32_t sotto_softmax_exp(const sotto_softmax_t *p, int32_t d)
{
    return (uint32_t)sotto_high_mul(p->coarse[d >> 4], p->fine[d & 15]) & INT32_MAX;
}

static inline void sotto_softmax_row(const sotto_softmax_t *p, const int8_t *x, int8_t *y)
{
    int32_t most = INT8_MIN, drop = 0;
    uint64_t sum = 0;
    for (int32_t i = 0; i < p->n; i++)
        if (x[i] > most) most = x[i];
    for (int32_t i = 0; i < p->n; i++) sum += sotto_softmax_exp(p, most - x[i]);
    while (sum >> drop > INT32_MAX) drop++;
    /* 2^61 / sum; the last bit is set so that it is never 0 */
    const uint32_t inverse = (uint32_t)((UINT64_C(1) << 61) / ((sum >> drop) | 1));
    const uint64_t half = UINT64_C(1) << (52 + drop);
    for (int32_t i = 0; i < p->n; i++) {
        const uint64_t share = (uint64_t)sotto_softmax_exp(p, most - x[i]) * inverse;
        y[i] = sotto_clamp_i8((int32_t)((share + half) >> (53 + drop)) - 128, p->lo, p->hi);
    }
}

static inline void sotto_softmax(const sotto_softmax_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t r = 0; r < p->rows; r++, x += p->n, y += p->n) sotto_softmax_row(p, x, y);
}

#endif
