/* int4: weights of -7 .. 7, two in a byte, the first in the lower half (TensorFlow Lite's int4).
 * Kernels for such weights unpack those of some output channels at a time and go on as the int8
 * kernels; dense unpacks as it multiplies.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_INT4_H
#define SOTTO_INT4_H

#include <stdint.h>

/* The two of a byte. */
static inline int32_t sotto_int4_low(int8_t pair)
{
    return (int8_t)((uint32_t)pair << 4) >> 4;
}

static inline int32_t sotto_int4_high(int8_t pair)
{
    return pair >> 4;
}

/* w[0..n-1]: number first and those behind it. */
static inline void sotto_int4_unpack(const int8_t *packed, int32_t first, int32_t n, int8_t *w)
{
    int32_t i = 0;
    packed += first >> 1;
    if ((first & 1) && n > 0) w[i++] = (int8_t)sotto_int4_high(*packed++);
    for (; i + 1 < n; i += 2, packed++) {
        w[i] = (int8_t)sotto_int4_low(*packed);
        w[i + 1] = (int8_t)sotto_int4_high(*packed);
    }
    if (i < n) w[i] = (int8_t)sotto_int4_low(*packed);
}

/* sum of (x[i] + offset) * w[i], as sotto_dot; w: number first and those behind it. */
static inline int32_t sotto_int4_dot(const int8_t *x, const int8_t *packed, int32_t first,
                                     int32_t n, int16_t offset)
{
    int32_t sum = 0, i = 0;
    packed += first >> 1;
    if ((first & 1) && n > 0) sum = (x[i++] + offset) * sotto_int4_high(*packed++);
    for (; i + 1 < n; i += 2, packed++) {
        sum += (x[i] + offset) * sotto_int4_low(*packed);
        sum += (x[i + 1] + offset) * sotto_int4_high(*packed);
    }
    if (i < n) sum += (x[i] + offset) * sotto_int4_low(*packed);
    return sum;
}

/* Bytes of unpacked weights at a time, where a channel has not more. */
#define SOTTO_INT4_BLOCK 256

/* How many channels of so many weights each are unpacked at a time. */
static inline int32_t sotto_int4_channels(int32_t weights, int32_t channels)
{
    const int32_t n = SOTTO_INT4_BLOCK / weights;
    return n < 1 ? 1 : n < channels ? n : channels;
}

#endif
