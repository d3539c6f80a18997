/* layernorm: int8 layer normalization of rows of n values. y may be x.
 *   y = clamp(out_zero + requant(h gamma + beta)),  h = (x - mean) / sqrt(variance + epsilon) in
 * 2^-12
 *
 * The input's scale and zero point cancel out: with D = n x - sum and Q = n sum of x^2 - sum^2 (n^2
 * times the variance), h = D / sqrt(Q + epsilon). The root has 30 bits or more of which none is
 * wrong, so what is rounded to 2^-12 (halves up) is within 2^-28 of itself.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_LAYERNORM_H
#define SOTTO_LAYERNORM_H

#include "quantize/runtime/requant.h"

typedef struct sotto_layernorm_t {
    int32_t rows, n; /* n <= 1024 */
    int32_t epsilon; /* n^2 in_scale^-2 times the real one */
    int32_t out_zero, multiplier, shift, lo, hi, single;
    const int32_t *gamma, *beta; /* [n]; gamma within -8191 .. 8191 */
} sotto_layernorm_t;

/* The largest whole number whose square is not above v. */
static inline uint32_t sotto_root(uint64_t v)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit > 0; bit >>= 2)
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    return (uint32_t)root;
}

static inline void sotto_layernorm_row(const sotto_layernorm_t *p, const int8_t *x, int8_t *y)
{
    int32_t sum = 0, squares = 0, up = 0;
    for (int32_t i = 0; i < p->n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    uint64_t q = (uint64_t)((int64_t)p->n * squares - (int64_t)sum * sum + p->epsilon);
    while (q > 0 && q >> 60 == 0) {
        q <<= 2; /* the root is shifted by 1 */
        up++;
    }
    /* 2^61 / root; 0 for a row of equal values */
    const int64_t inverse = q > 0 ? (int64_t)((UINT64_C(1) << 61) / sotto_root(q)) : 0;
    const int64_t half = (int64_t)1 << (48 - up);
    for (int32_t i = 0; i < p->n; i++) {
        const int64_t h = ((p->n * x[i] - sum) * inverse + half) >> (49 - up);
        const int32_t v = (int32_t)(h * p->gamma[i] + p->beta[i]);
        y[i] = sotto_clamp_i8(sotto_requant(v, p->multiplier, p->shift, p->single) + p->out_zero,
                              p->lo, p->hi);
    }
}

static inline void sotto_layernorm(const sotto_layernorm_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t r = 0; r < p->rows; r++, x += p->n, y += p->n) sotto_layernorm_row(p, x, y);
}

#endif
