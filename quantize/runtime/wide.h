/* wide: products of 32-bit data and 16-bit constants, of which the upper 32 of 48 bits are kept:
 * what SMULWB gives on cores with the DSP extension, and two 32-bit multiplies where there is no
 * longer one.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_WIDE_H
#define SOTTO_WIDE_H

#include <stdint.h>

/* a * w / 2^16, rounded down; -2^15 <= w < 2^15 */
static inline int32_t sotto_mul_w(int32_t a, int32_t w)
{
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    int32_t v;
    __asm__("smulwb %0, %1, %2" : "=r"(v) : "r"(a), "r"(w));
    return v;
#elif defined(__ARM_ARCH_6M__) || defined(__riscv)
    return (a >> 16) * w + ((int32_t)((uint32_t)a & 0xffffu) * w >> 16);
#else
    return (int32_t)((int64_t)a * w >> 16);
#endif
}

/* sum + a * w / 2^16 */
static inline int32_t sotto_add_w(int32_t sum, int32_t a, int32_t w)
{
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    int32_t v;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(v) : "r"(a), "r"(w), "r"(sum));
    return v;
#else
    return sum + sotto_mul_w(a, w);
#endif
}

/* A pair of 16-bit numbers in one, as those instructions take them. */
static inline int32_t sotto_pair(int32_t low, int32_t high)
{
    return (int32_t)(((uint32_t)high << 16) | ((uint32_t)low & 0xffffu));
}

/* a times the lower or the upper number of a pair / 2^16, rounded down; and added to a sum */
static inline int32_t sotto_mul_low(int32_t a, int32_t pair)
{
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    return sotto_mul_w(a, pair);
#else
    return sotto_mul_w(a, (int16_t)pair);
#endif
}

static inline int32_t sotto_mul_high(int32_t a, int32_t pair)
{
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    int32_t v;
    __asm__("smulwt %0, %1, %2" : "=r"(v) : "r"(a), "r"(pair));
    return v;
#else
    return sotto_mul_w(a, pair >> 16);
#endif
}

static inline int32_t sotto_add_high(int32_t sum, int32_t a, int32_t pair)
{
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    int32_t v;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(v) : "r"(a), "r"(pair), "r"(sum));
    return v;
#else
    return sum + sotto_mul_w(a, pair >> 16);
#endif
}

#endif
