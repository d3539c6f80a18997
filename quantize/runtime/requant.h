/* requant: from 32-bit accumulators to int8, as TensorFlow Lite for Microcontrollers computes it:
 * in rounding profile "tflm" with gemmlowp's double rounding (Jacob et al., arXiv 1712.05877), a
 * rounding high multiply, then a rounding shift to the right; in profile "single" with one rounding
 * of the 64-bit product, as its builds with TFLITE_SINGLE_ROUNDING do. Freestanding C99; signed
 * right shifts are taken to be arithmetic, which every compiler for the targets does.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REQUANT_H
#define SOTTO_REQUANT_H

#include <stdint.h>

/* Counts up whenever a struct or a result of the runtime changes; exported models compare it, as
 * several of them may share one copy of the runtime in one translation unit. */
#define SOTTO_RUNTIME_VERSION 3

/* A function that is called, where the compiler can be told. */
#ifdef __GNUC__
#define SOTTO_APART __attribute__((noinline, unused)) static
#else
#define SOTTO_APART static inline
#endif

/* Tables of bytes that are read word by word. */
#ifdef __GNUC__
#define SOTTO_ALIGNED __attribute__((aligned(4)))
#else
#define SOTTO_ALIGNED
#endif

/* (a * b + nudge) / 2^31, rounded down. */
static inline int32_t sotto_high(int32_t a, int32_t b, int32_t nudge)
{
    return (int32_t)(((int64_t)a * b + nudge) >> 31);
}

/* round(a * b / 2^31), halves up; the one overflow saturates. */
static inline int32_t sotto_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
    return sotto_high(a, b, (int32_t)1 << 30);
}

/* round(x / 2^n), halves away from zero; 0 <= n <= 31. */
static inline int32_t sotto_round_shift(int32_t x, int32_t n)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << n) - 1u);
    const int32_t rest = x & mask;
    const int32_t half = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> n) + (rest > half ? 1 : 0);
}

/* x * multiplier / 2^31 * 2^shift; multiplier in [2^30, 2^31), the negative of such, or 0;
 * shift in [-31, 30]. A left shift happens first and wraps; models are made so that it does not.
 * single, a field of every struct whose kernel requantizes: 1: a shift to the right rounds once,
 * halves up; 0: twice, the high half halves up, then the result halves away from zero. */
static inline int32_t sotto_requant(int32_t x, int32_t multiplier, int32_t shift, int32_t single)
{
    const int32_t unit = (int32_t)1 << 30;
    if (shift >= 0) return sotto_high((int32_t)((uint32_t)x << shift), multiplier, unit);
    const int32_t twice = single - 1; /* all bits or none */
    const int32_t high = sotto_high(x, multiplier, twice & unit);
    const int32_t more = (high + (twice & (high >> 31))) >> ~shift; /* one bit more: -shift - 1 */
    return (more >> 1) + (more & 1);
}

static inline int8_t sotto_clamp_i8(int32_t v, int32_t lo, int32_t hi)
{
    return (int8_t)(v < lo ? lo : v > hi ? hi : v);
}

#endif
