/* gemm_dsp: gemm.h with the DSP extension. Columns are [k / 4][4][2] words: of four numbers 0 .. 3
 * the pairs (0, 2) and (1, 3), which is how SXTB16 unpacks a word of weights.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_DSP_H
#define SOTTO_GEMM_DSP_H

#include "quantize/runtime/gemm_t.h"

#ifdef SOTTO_DSP

static inline void sotto_gemm_put(const sotto_gemm_t *g, void *scratch, int32_t p, const int8_t *x)
{
    uint32_t *to = (uint32_t *)scratch + 2 * p;
    for (const int8_t *const end = x + g->k; x < end; x += 4, to += 8) {
        const uint32_t v = sotto_word(x);
        to[0] = sotto_even(v);
        to[1] = sotto_odd(v);
    }
}

/* Four taps of four columns. */
#define SOTTO_GEMM_STEP                                                                            \
    "ldmia %[x]!, {r2, r3, r4, r5}\n\t"                                                            \
    "ldr %[a], [%[w]], #4\n\t"                                                                     \
    "sxtb16 %[b], %[a], ror #8\n\t"                                                                \
    "sxtb16 %[a], %[a]\n\t"                                                                        \
    "smlad %[s0], %[a], r2, %[s0]\n\t"                                                             \
    "smlad %[s1], %[a], r4, %[s1]\n\t"                                                             \
    "smlad %[s0], %[b], r3, %[s0]\n\t"                                                             \
    "smlad %[s1], %[b], r5, %[s1]\n\t"                                                             \
    "ldmia %[x]!, {r2, r3, r4, r5}\n\t"                                                            \
    "smlad %[s2], %[a], r2, %[s2]\n\t"                                                             \
    "smlad %[s3], %[a], r4, %[s3]\n\t"                                                             \
    "smlad %[s2], %[b], r3, %[s2]\n\t"                                                             \
    "smlad %[s3], %[b], r5, %[s3]\n\t"

/* sum: [4], += the products of a row of n weights with the columns x; returns the next row */
SOTTO_INLINE const int8_t *sotto_gemm_dot(const int8_t *w, int32_t n, const void *x, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    uint32_t a, b;
    __asm__ volatile("sub %[a], %[end], %[w]\n\t"
                     "tst %[a], #4\n\t"
                     "beq 1f\n\t" SOTTO_GEMM_STEP "cmp %[w], %[end]\n\t"
                     "beq 2f\n"
                     "1:\t" SOTTO_GEMM_STEP SOTTO_GEMM_STEP "cmp %[w], %[end]\n\t"
                     "bne 1b\n"
                     "2:"
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [w] "+r"(w),
                       [x] "+r"(x), [a] "=&r"(a), [b] "=&r"(b)
                     : [end] "r"(w + n)
                     : "r2", "r3", "r4", "r5", "cc", "memory");
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
    return w;
}

#endif
#endif
