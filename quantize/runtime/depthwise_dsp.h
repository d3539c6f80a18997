/* depthwise_dsp: the sums of depthwise.h with the DSP extension, two products an instruction.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_DSP_H
#define SOTTO_DEPTHWISE_DSP_H

#include "quantize/runtime/depthwise_t.h"

#ifdef SOTTO_DSP

SOTTO_INLINE const int8_t *sotto_depthwise_sums(const int8_t *const *tap, int32_t c,
                                                const int8_t *w, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    uint32_t a, b, t, u, v;
    __asm__ volatile(
        "ldrd %[a], %[b], [%[tap]], #8\n"
        "1:\tldr %[a], [%[a], %[c]]\n\t"
        "ldr %[b], [%[b], %[c]]\n\t"
        "ldr %[v], [%[w]], #4\n\t"
        "pkhbt %[t], %[a], %[b], lsl #16\n\t" /* a0 a1 b0 b1 */
        "pkhtb %[b], %[b], %[a], asr #16\n\t" /* a2 a3 b2 b3 */
        "sxtb16 %[u], %[v]\n\t"
        "sxtb16 %[a], %[t]\n\t"
        "smlad %[s0], %[a], %[u], %[s0]\n\t"
        "sxtb16 %[v], %[v], ror #8\n\t"
        "sxtb16 %[t], %[t], ror #8\n\t"
        "smlad %[s1], %[t], %[v], %[s1]\n\t"
        "ldr %[v], [%[w]], #4\n\t"
        "sxtb16 %[a], %[b]\n\t"
        "sxtb16 %[b], %[b], ror #8\n\t"
        "sxtb16 %[u], %[v]\n\t"
        "sxtb16 %[v], %[v], ror #8\n\t"
        "smlad %[s2], %[a], %[u], %[s2]\n\t"
        "smlad %[s3], %[b], %[v], %[s3]\n\t"
        "ldrd %[a], %[b], [%[tap]], #8\n\t"
        "cmp %[a], #0\n\t"
        "bne 1b"
        : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [w] "+r"(w), [tap] "+r"(tap),
          [a] "=&r"(a), [b] "=&r"(b), [t] "=&r"(t), [u] "=&r"(u), [v] "=&r"(v)
        : [c] "r"(c)
        : "cc", "memory");
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
    return w;
}

#endif
#endif
