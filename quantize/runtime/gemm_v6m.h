/* gemm_v6m: gemm.h for Armv6-M and Armv8-M Baseline (Cortex-M0, M0+, M23), which multiply 32 bits
 * by 32 and load words only where they are aligned. Columns are [k][2] words: x0 + 2^16 x1 of two
 * columns, so that one multiplication gives two products, and the sum of two taps, at most 2 * 128
 * * 127 in size, still keeps them apart.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_V6M_H
#define SOTTO_GEMM_V6M_H

#include "quantize/runtime/gemm_t.h"

#ifdef SOTTO_V6M

static inline void sotto_gemm_put(const sotto_gemm_t *g, void *scratch, int32_t p, const int8_t *x)
{
    uint32_t *to = (uint32_t *)scratch + p / 2;
    if (p % 2)
        for (const int8_t *const end = x + g->k; x < end; x++, to += 2) *to += (uint32_t)*x << 16;
    else
        for (const int8_t *const end = x + g->k; x < end; x++, to += 2) *to = (uint32_t)*x;
}

/* Two taps, weights v and u, of two columns. */
#define SOTTO_GEMM_PAIR(x0, x1, s, t)                                                              \
    "ldr %[a], [%[x], #" #x0 "]\n\t"                                                               \
    "muls %[a], %[v], %[a]\n\t"                                                                    \
    "ldr %[b], [%[x], #" #x1 "]\n\t"                                                               \
    "muls %[b], %[u], %[b]\n\t"                                                                    \
    "adds %[a], %[a], %[b]\n\t"                                                                    \
    "sxth %[b], %[a]\n\t"                                                                          \
    "add %[" #s "], %[b]\n\t"                                                                      \
    "subs %[a], %[a], %[b]\n\t"                                                                    \
    "asrs %[a], %[a], #16\n\t"                                                                     \
    "add %[" #t "], %[a]\n\t"
#define SOTTO_GEMM_TWO(w0, w1, x0, x1, x2, x3)                                                     \
    "ldrb %[v], [%[w], #" #w0 "]\n\t"                                                              \
    "sxtb %[v], %[v]\n\t"                                                                          \
    "ldrb %[u], [%[w], #" #w1 "]\n\t"                                                              \
    "sxtb %[u], %[u]\n\t" SOTTO_GEMM_PAIR(x0, x2, s0, s1) SOTTO_GEMM_PAIR(x1, x3, s2, s3)

/* sum: [4], += the products of a row of n weights with the columns x; returns the next row */
SOTTO_INLINE const int8_t *sotto_gemm_dot(const int8_t *w, int32_t n, const void *x, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    uint32_t a, b, u, v;
    __asm__ volatile(".syntax unified\n\t"
                     "b 2f\n"
                     "1:\t" SOTTO_GEMM_TWO(0, 1, 0, 4, 8, 12)
                         SOTTO_GEMM_TWO(2, 3, 16, 20, 24, 28) "adds %[w], #4\n\t"
                                                              "adds %[x], #32\n"
                                                              "2:\tcmp %[w], %[end]\n\t"
                                                              "bne 1b"
                     : [s0] "+h"(s0), [s1] "+h"(s1), [s2] "+h"(s2), [s3] "+h"(s3), [w] "+l"(w),
                       [x] "+l"(x), [a] "=&l"(a), [b] "=&l"(b), [u] "=&l"(u), [v] "=&l"(v)
                     : [end] "h"(w + n)
                     : "cc", "memory");
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
    return w;
}

#endif
#endif
