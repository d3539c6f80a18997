/* dot: sums of products of two rows, for dense and recurrent layers.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DOT_H
#define SOTTO_DOT_H

#include "quantize/runtime/isa.h"

/* sum of (x[i] + offset) * w[i]. The sum with offset fits 16 bits, so compilers may use 16-bit
 * multiply-accumulates. */
static inline int32_t sotto_dot(const int8_t *x, const int8_t *w, int32_t n, int16_t offset)
{
    int32_t sum = 0;
#ifdef SOTTO_MVE
    int32_t weights = 0;
    __asm__ volatile("wlstp.8 lr, %[n], 2f\n"
                     "1:\tvldrb.8 q0, [%[x]], #16\n\t"
                     "vldrb.8 q1, [%[w]], #16\n\t"
                     "vmladava.s8 %[sum], q0, q1\n\t"
                     "vaddva.s8 %[weights], q1\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [sum] "+Te"(sum), [weights] "+Te"(weights), [x] "+r"(x), [w] "+r"(w)
                     : [n] "r"(n)
                     : "lr", "q0", "q1", "memory");
    return sum + offset * weights;
#else
#ifdef SOTTO_DSP
    const uint32_t both = (uint16_t)offset * 0x10001u;
    for (; n >= 4; n -= 4, x += 4, w += 4) {
        const uint32_t x4 = sotto_word(x), w4 = sotto_word(w);
        sum = sotto_mac2(sotto_even_plus(both, x4), sotto_even(w4), sum);
        sum = sotto_mac2(sotto_odd_plus(both, x4), sotto_odd(w4), sum);
    }
#endif
    for (int32_t i = 0; i < n; i++) {
        const int16_t v = (int16_t)(x[i] + offset);
        sum += v * w[i];
    }
    return sum;
#endif
}

/* sum of x[i] * w[i] */
static inline int32_t sotto_dot_i16(const int16_t *x, const int8_t *w, int32_t n)
{
    int32_t sum = 0;
#ifdef SOTTO_MVE
    __asm__ volatile("wlstp.16 lr, %[n], 2f\n"
                     "1:\tvldrh.16 q0, [%[x]], #16\n\t"
                     "vldrb.s16 q1, [%[w]], #8\n\t"
                     "vmladava.s16 %[sum], q0, q1\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [sum] "+Te"(sum), [x] "+r"(x), [w] "+l"(w)
                     : [n] "r"(n)
                     : "lr", "q0", "q1", "memory");
#else
#ifdef SOTTO_DSP
    for (; n >= 4; n -= 4, x += 4, w += 4) {
        const uint32_t a = sotto_word(x), b = sotto_word(x + 2), w4 = sotto_word(w);
        sum = sotto_mac2(sotto_lows(a, b), sotto_even(w4), sum);
        sum = sotto_mac2(sotto_highs(a, b), sotto_odd(w4), sum);
    }
#endif
    for (int32_t i = 0; i < n; i++) sum += x[i] * w[i];
#endif
    return sum;
}

#endif
