/* matmul: int8 products of pairs of matrices, both activations.
 *   y[i,m,n] = clamp(out_zero + requant(sum over k of (a[i,m,k] - a_zero) (b[i,k,n] - b_zero)))
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MATMUL_H
#define SOTTO_MATMUL_H

#include "quantize/runtime/requant.h"

typedef struct sotto_matmul_t {
    int32_t count, m, n, k; /* pairs; a is m x k, y is m x n */
    int32_t b_row, b_col;   /* steps in b along k and n */
    int32_t a_zero, b_zero, out_zero, multiplier, shift, lo, hi, single;
} sotto_matmul_t;

static inline void sotto_matmul(const sotto_matmul_t *p, const int8_t *a, const int8_t *b,
                                int8_t *y)
{
    for (int32_t i = 0; i < p->count; i++, b += p->k * p->n)
        for (int32_t m = 0; m < p->m; m++, a += p->k)
            for (int32_t n = 0; n < p->n; n++) {
                const int8_t *column = b + n * p->b_col;
                int32_t sum = 0;
                for (int32_t k = 0; k < p->k; k++)
                    sum += (a[k] - p->a_zero) * (column[k * p->b_row] - p->b_zero);
                sum = sotto_requant(sum, p->multiplier, p->shift, p->single) + p->out_zero;
                *y++ = sotto_clamp_i8(sum, p->lo, p->hi);
            }
}

#endif
