/* isa: the few instructions of Arm's DSP extension (Armv7E-M, Armv8-M) that the fast kernels use,
 * on a pair of 16-bit numbers in a 32-bit word; Arm v7-M Architecture Reference Manual, A7.
 * Which form of the kernels is compiled: SOTTO_MVE (Helium), SOTTO_DSP, SOTTO_V6M (Cortex-M0 and
 * its like) or SOTTO_PLAIN, which is C alone. Also: how the compiler is told where to inline.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ISA_H
#define SOTTO_ISA_H

#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define SOTTO_INLINE __attribute__((always_inline)) static inline
#else
#define SOTTO_INLINE static inline
#endif

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && defined(__GNUC__)
#define SOTTO_MVE
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define SOTTO_DSP
#elif (defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)) && defined(__GNUC__)
#define SOTTO_V6M
#else
#define SOTTO_PLAIN
#endif

#if defined(__ARM_FEATURE_SAT) && defined(__GNUC__)
#define SOTTO_SAT /* SSAT */
#endif

/* Four bytes as they lie in memory. */
SOTTO_INLINE uint32_t sotto_word(const void *p)
{
    uint32_t v;
#ifdef __GNUC__
    __builtin_memcpy(&v, p, sizeof v); /* no call, with -ffreestanding too */
#else
    memcpy(&v, p, sizeof v);
#endif
    return v;
}

/* n bytes from x to y, both aligned to 4; n is a multiple of 4. Where they overlap, y is before x.
 */
static inline void sotto_move(int8_t *y, const int8_t *x, int32_t n)
{
#ifdef SOTTO_MVE
    __asm__ volatile("wlstp.8 lr, %[n], 2f\n"
                     "1:\tvldrb.8 q0, [%[x]], #16\n\t"
                     "vstrb.8 q0, [%[y]], #16\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [x] "+r"(x), [y] "+r"(y)
                     : [n] "r"(n)
                     : "lr", "q0", "memory");
#else
    for (int32_t i = 0; i < n; i += 4)
#ifdef __GNUC__
        __builtin_memcpy(__builtin_assume_aligned(y + i, 4), __builtin_assume_aligned(x + i, 4), 4);
#else
        memmove(y + i, x + i, 4);
#endif
#endif
}

#ifdef SOTTO_DSP
/* Bytes 0 and 2 of v, sign extended; bytes 1 and 3. */
SOTTO_INLINE uint32_t sotto_even(uint32_t v)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(v));
    return r;
}
SOTTO_INLINE uint32_t sotto_odd(uint32_t v)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v));
    return r;
}
/* The same plus a pair of 16-bit numbers. */
SOTTO_INLINE uint32_t sotto_even_plus(uint32_t pair, uint32_t v)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(pair), "r"(v));
    return r;
}
SOTTO_INLINE uint32_t sotto_odd_plus(uint32_t pair, uint32_t v)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(pair), "r"(v));
    return r;
}
/* The pairs of the low and of the high halves of a and b. */
SOTTO_INLINE uint32_t sotto_lows(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
SOTTO_INLINE uint32_t sotto_highs(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
/* sum + a.low b.low + a.high b.high */
SOTTO_INLINE int32_t sotto_mac2(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}
#endif

#ifdef SOTTO_V6M
/* A function in assembly alone: a compiler that has no high registers to give, as at -Os, has
 * none for operands either. Four sums at r3 come into r8, r9, r6, r7, and go back there. */
#define SOTTO_NAKED __attribute__((naked, noinline, unused)) static
#define SOTTO_IN    __attribute__((unused))
#define SOTTO_SUMS_IN                                                                              \
    "push {r4, r5, r6, r7, lr}\n\t"                                                                \
    "mov r4, r8\n\t"                                                                               \
    "mov r5, r9\n\t"                                                                               \
    "push {r3, r4, r5}\n\t"                                                                        \
    "ldmia r3!, {r4, r5, r6, r7}\n\t"                                                              \
    "mov r8, r4\n\t"                                                                               \
    "mov r9, r5\n\t"
#define SOTTO_SUMS_OUT                                                                             \
    "pop {r3, r4, r5}\n\t"                                                                         \
    "mov r1, r8\n\t"                                                                               \
    "mov r2, r9\n\t"                                                                               \
    "stmia r3!, {r1, r2, r6, r7}\n\t"                                                              \
    "mov r8, r4\n\t"                                                                               \
    "mov r9, r5\n\t"                                                                               \
    "pop {r4, r5, r6, r7, pc}"
#endif

#endif
