/* scale: sums of a layer become int8 outputs, as requant.h defines it, for layers of which is
 * known that
 *   |sum| < 2^30 and shift < 0
 * and whose channels hold bias, multiplier and shift side by side. The bias holds what the input's
 * zero point contributes, so that sums are of plain products x w.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SCALE_H
#define SOTTO_SCALE_H

#include "quantize/runtime/isa.h"
#include "quantize/runtime/requant.h"

typedef struct sotto_scale_t {
    int32_t zero, lo, hi, single; /* of the output, as in requant.h */
    const int32_t *channel;       /* [channels][3]: bias, multiplier, -1 - shift */
} sotto_scale_t;

/* floor((2 sum * multiplier + (single ? 0 : 2^31)) / 2^32) */
SOTTO_INLINE int32_t sotto_scale_high(int32_t sum, int32_t multiplier, int32_t single)
{
#ifdef SOTTO_DSP
    int32_t r;
    const int32_t twice = (int32_t)((uint32_t)sum << 1);
    if (single)
        __asm__("smmul %0, %1, %2" : "=r"(r) : "r"(twice), "r"(multiplier));
    else
        __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(twice), "r"(multiplier));
    return r;
#elif defined(SOTTO_V6M) /* by 16 bits: no product nor sum leaves 32 bits */
    const uint32_t twice = (uint32_t)sum << 1, low = twice & 0xFFFF;
    const uint32_t multiplier_low = (uint32_t)multiplier & 0xFFFF;
    const int32_t high = (int32_t)twice >> 16, multiplier_high = multiplier >> 16;
    const int32_t cross = (int32_t)low * multiplier_high + (int32_t)(low * multiplier_low >> 16) +
                          (single ? 0 : 0x8000);
    const int32_t other = high * (int32_t)multiplier_low + (cross & 0xFFFF);
    return high * multiplier_high + (cross >> 16) + (other >> 16);
#else
    const int64_t product = (int64_t)((int32_t)((uint32_t)sum << 1)) * multiplier;
    const int32_t high = (int32_t)(product >> 32);
    return single ? high : high + (int32_t)((uint32_t)product >> 31);
#endif
}

/* Twice the output without zero point and rounding; single is a constant where this is inlined. */
SOTTO_INLINE int32_t sotto_scaled(int32_t sum, int32_t multiplier, int32_t shift, int32_t single)
{
    const int32_t high = sotto_scale_high(sum, multiplier, single);
    return (single ? high : high + (high >> 31)) >> shift;
}

/* What the ends of sums share, looked up once. */
typedef struct sotto_end_t {
    int32_t round, lo, hi, whole, single; /* round: 2 zero + 1; whole: the range is that of int8 */
} sotto_end_t;

/* What layers of a shape share is read from s, a constant where this is inlined. */
SOTTO_INLINE sotto_end_t sotto_end_of(const sotto_scale_t *s, const sotto_scale_t *p)
{
    const int32_t whole = s->lo == -128 && s->hi == 127;
    const sotto_end_t e = {2 * p->zero + 1, s->lo, s->hi, whole, s->single};
    return e;
}

/* The output of what sotto_scaled gives. */
SOTTO_INLINE int8_t sotto_scale_end(sotto_end_t e, int32_t twice)
{
    int32_t v = twice + e.round;
    if (!e.whole) return sotto_clamp_i8(v >> 1, e.lo, e.hi);
#ifdef SOTTO_SAT
    __asm__("ssat %0, #8, %0, asr #1" : "+r"(v));
    return (int8_t)v;
#else
    return sotto_clamp_i8(v >> 1, -128, 127);
#endif
}

#endif
