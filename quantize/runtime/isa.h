/* isa: the few instructions of Arm's DSP extension (Armv7E-M, Armv8-M) that the fast kernels use,
 * on a pair of 16-bit numbers in a 32-bit word; Arm v7-M Architecture Reference Manual, A7.
 * SOTTO_DSP says whether they are there. Also: how the compiler is told where to inline.
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

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define SOTTO_DSP
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
    for (int32_t i = 0; i < n; i += 4)
#ifdef __GNUC__
        __builtin_memcpy(__builtin_assume_aligned(y + i, 4), __builtin_assume_aligned(x + i, 4), 4);
#else
        memmove(y + i, x + i, 4);
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
/* sum + a.low b.low + a.high b.high */
SOTTO_INLINE int32_t sotto_mac2(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}
/* sum + a.low b.low; sum + a.high b.high */
SOTTO_INLINE int32_t sotto_mac_low(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}
SOTTO_INLINE int32_t sotto_mac_high(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}
#endif

#endif
