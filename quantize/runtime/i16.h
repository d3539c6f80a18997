/* i16: what the kernels of 16-bit activations share. Such a value is scale * q, q in -32767 ..
 * 32767, without a zero point (as in TFLite's 16x8 scheme); weights are those of int8 kernels.
 * Sums are exact: products of 16 and 8 bits are added up in 32 bits as long as these hold them,
 * then in 64. They are requantized in one exact rounding, where TFLite takes only 16 bits of the
 * multiplier; that costs two multiplications of 32 by 32 bits.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_I16_H
#define SOTTO_I16_H

#include <stdint.h>

#define SOTTO_I16_RUN 512 /* products of 32767 and 127 that 32 bits hold */

/* round(x * multiplier * 2^(shift - 31)), halves up, within lo .. hi. shift in [-31, 30];
 * |x * 2^shift| < 2^47, which models are made to keep. */
static inline int16_t sotto_requant_i16(int64_t x, int32_t multiplier, int32_t shift, int32_t lo,
                                        int32_t hi)
{
    const int32_t right = shift > 0 ? 31 : 31 - shift;
    const int64_t v = (int64_t)((uint64_t)x << (shift > 0 ? shift : 0));
    const int32_t high = (int32_t)(v >> 16), low = (int32_t)(v & 65535); /* v = 2^16 high + low */
    const int64_t half = (int64_t)1 << (right - 1);
    const int64_t rest = ((int64_t)low * multiplier + half) >> 16;
    const int64_t y = ((int64_t)high * multiplier + rest) >> (right - 16);
    return (int16_t)(y < lo ? lo : y > hi ? hi : y);
}

/* The same for an x of 32 bits. */
static inline int16_t sotto_requant32_i16(int32_t x, int32_t multiplier, int32_t shift, int32_t lo,
                                          int32_t hi)
{
    const int32_t right = 31 - shift;
    const int64_t y = ((int64_t)x * multiplier + ((int64_t)1 << (right - 1))) >> right;
    return (int16_t)(y < lo ? lo : y > hi ? hi : y);
}

static inline int16_t sotto_bound_i16(int32_t v, int32_t lo, int32_t hi)
{
    return (int16_t)(v < lo ? lo : v > hi ? hi : v);
}

/* sum of x[i] * w[i] */
static inline int64_t sotto_sum_i16(const int16_t *x, const int8_t *w, int32_t n)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < n;) {
        const int32_t end = n - i < SOTTO_I16_RUN ? n : i + SOTTO_I16_RUN;
        int32_t part = 0;
        for (; i < end; i++) part += x[i] * w[i];
        sum += part;
    }
    return sum;
}

#endif
