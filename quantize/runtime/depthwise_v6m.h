/* depthwise_v6m: the sums of depthwise.h for Armv6-M, whose eight registers compilers run out of.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_V6M_H
#define SOTTO_DEPTHWISE_V6M_H

#include "quantize/runtime/depthwise_t.h"

#ifdef SOTTO_V6M

/* s += x[i] * w[j] */
#define SOTTO_DEPTHWISE_MAC(s, i, j)                                                               \
    "ldrb %[t], [%[a], #" #i "]\n\t"                                                               \
    "sxtb %[t], %[t]\n\t"                                                                          \
    "ldrb %[u], [%[w], #" #j "]\n\t"                                                               \
    "sxtb %[u], %[u]\n\t"                                                                          \
    "muls %[t], %[u], %[t]\n\t"                                                                    \
    "add %[" #s "], %[t]\n\t"
#define SOTTO_DEPTHWISE_TAP(w0, w1, w2, w3)                                                        \
    SOTTO_DEPTHWISE_MAC(s0, 0, w0)                                                                 \
    SOTTO_DEPTHWISE_MAC(s1, 1, w1)                                                                 \
    SOTTO_DEPTHWISE_MAC(s2, 2, w2)                                                                 \
    SOTTO_DEPTHWISE_MAC(s3, 3, w3)

SOTTO_INLINE const int8_t *sotto_depthwise_sums(const int8_t *const *tap, int32_t c,
                                                const int8_t *w, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    const int8_t *a;
    int32_t t, u;
    __asm__ volatile(".syntax unified\n\t"
                     "ldr %[a], [%[tap]]\n"
                     "1:\tadd %[a], %[c]\n\t" SOTTO_DEPTHWISE_TAP(
                         0, 1, 4, 5) "ldr %[a], [%[tap], #4]\n\t"
                                     "add %[a], %[c]\n\t" SOTTO_DEPTHWISE_TAP(
                                         2, 3, 6, 7) "adds %[w], #8\n\t"
                                                     "adds %[tap], #8\n\t"
                                                     "ldr %[a], [%[tap]]\n\t"
                                                     "cmp %[a], #0\n\t"
                                                     "bne 1b"
                     : [s0] "+h"(s0), [s1] "+h"(s1), [s2] "+h"(s2), [s3] "+h"(s3), [w] "+l"(w),
                       [tap] "+l"(tap), [a] "=&l"(a), [t] "=&l"(t), [u] "=&l"(u)
                     : [c] "h"(c)
                     : "cc", "memory");
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
    return w;
}

#endif
#endif
