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
    "ldrb r4, [r3, #" #i "]\n\t"                                                                   \
    "sxtb r4, r4\n\t"                                                                              \
    "ldrb r5, [r2, #" #j "]\n\t"                                                                   \
    "sxtb r5, r5\n\t"                                                                              \
    "muls r4, r5, r4\n\t"                                                                          \
    "add " #s ", r4\n\t"
#define SOTTO_DEPTHWISE_TAP(w0, w1, w2, w3)                                                        \
    "adds r3, r3, r1\n\t" SOTTO_DEPTHWISE_MAC(r8, 0, w0) SOTTO_DEPTHWISE_MAC(r9, 1, w1)            \
        SOTTO_DEPTHWISE_MAC(r6, 2, w2) SOTTO_DEPTHWISE_MAC(r7, 3, w3)

/* In registers: r0 tap, r1 c, r2 w, r8 r9 r6 r7 sums. */
SOTTO_NAKED const int8_t *sotto_depthwise_sums(SOTTO_IN const int8_t *const *tap,
                                               SOTTO_IN int32_t c, SOTTO_IN const int8_t *w,
                                               SOTTO_IN int32_t sum[4])
{
    __asm__(".syntax unified\n\t" SOTTO_SUMS_IN "ldr r3, [r0]\n"
            "1:\t" SOTTO_DEPTHWISE_TAP(0, 1, 4, 5) "ldr r3, [r0, #4]\n\t" SOTTO_DEPTHWISE_TAP(
                2, 3, 6, 7) "adds r2, #8\n\t"
                            "adds r0, #8\n\t"
                            "ldr r3, [r0]\n\t"
                            "cmp r3, #0\n\t"
                            "bne 1b\n\t"
                            "movs r0, r2\n\t" SOTTO_SUMS_OUT);
}

#endif
#endif
