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

/* Two taps, weights r1 and r3, of two columns into sums s and t. */
#define SOTTO_GEMM_PAIR(x0, x1, s, t)                                                              \
    "ldr r4, [r2, #" #x0 "]\n\t"                                                                   \
    "muls r4, r1, r4\n\t"                                                                          \
    "ldr r5, [r2, #" #x1 "]\n\t"                                                                   \
    "muls r5, r3, r5\n\t"                                                                          \
    "adds r4, r4, r5\n\t"                                                                          \
    "sxth r5, r4\n\t"                                                                              \
    "add " #s ", r5\n\t"                                                                           \
    "subs r4, r4, r5\n\t"                                                                          \
    "asrs r4, r4, #16\n\t"                                                                         \
    "add " #t ", r4\n\t"
#define SOTTO_GEMM_TWO(w0, w1, x0, x1, x2, x3)                                                     \
    "ldrb r1, [r0, #" #w0 "]\n\t"                                                                  \
    "sxtb r1, r1\n\t"                                                                              \
    "ldrb r3, [r0, #" #w1 "]\n\t"                                                                  \
    "sxtb r3, r3\n\t" SOTTO_GEMM_PAIR(x0, x2, r8, r9) SOTTO_GEMM_PAIR(x1, x3, r6, r7)

/* sum: [4], += the products of a row of n weights with the columns x; returns the next row. In
 * registers: r0 w, r12 its end, r2 x, r8 r9 r6 r7 sums. */
SOTTO_NAKED const int8_t *sotto_gemm_dot(SOTTO_IN const int8_t *w, SOTTO_IN int32_t n,
                                         SOTTO_IN const void *x, SOTTO_IN int32_t sum[4])
{
    __asm__(".syntax unified\n\t" SOTTO_SUMS_IN "adds r1, r0, r1\n\t"
            "mov r12, r1\n\t"
            "b 2f\n"
            "1:\t" SOTTO_GEMM_TWO(0, 1, 0, 4, 8, 12)
                SOTTO_GEMM_TWO(2, 3, 16, 20, 24, 28) "adds r0, #4\n\t"
                                                     "adds r2, #32\n"
                                                     "2:\tcmp r0, r12\n\t"
                                                     "bne 1b\n\t" SOTTO_SUMS_OUT);
}

#endif
#endif
