/* roots: square root and natural logarithm without division, from tables between whose points a
 * straight line runs; and numbers m 2^x, which they are taken of.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ROOTS_H
#define SOTTO_ROOTS_H

#include "quantize/runtime/wide.h"

/* Leading zeros; v > 0. */
static inline int32_t sotto_zeros(uint32_t v)
{
#if defined(__GNUC__) && !defined(__ARM_ARCH_6M__) && (!defined(__riscv) || defined(__riscv_zbb))
    return __builtin_clz(v);
#else
    int32_t n = 0;
    if (v < UINT32_C(1) << 16) n = 16, v <<= 16;
    if (v < UINT32_C(1) << 24) n += 8, v <<= 8;
    if (v < UINT32_C(1) << 28) n += 4, v <<= 4;
    if (v < UINT32_C(1) << 30) n += 2, v <<= 2;
    return n + (v < UINT32_C(1) << 31 ? 1 : 0);
#endif
}

/* sqrt(v), v < 2^31: 3.1e-5 of it too small at most, then rounded down. */
static inline uint32_t sotto_sqrt(uint32_t v)
{
    static const uint16_t table[97] = {
        /* 2^16 sqrt(i / 128), i = 32 .. 128 */
        32768, 33276, 33776, 34270, 34756, 35235, 35708, 36175, 36636, 37091, 37540, 37985, 38424,
        38858, 39287, 39712, 40132, 40548, 40960, 41368, 41771, 42171, 42567, 42959, 43348, 43733,
        44115, 44494, 44869, 45242, 45611, 45977, 46341, 46702, 47059, 47415, 47767, 48117, 48465,
        48809, 49152, 49492, 49830, 50166, 50499, 50830, 51159, 51486, 51811, 52134, 52454, 52773,
        53090, 53405, 53719, 54030, 54340, 54647, 54954, 55258, 55561, 55862, 56162, 56459, 56756,
        57051, 57344, 57636, 57926, 58215, 58503, 58789, 59073, 59357, 59639, 59919, 60199, 60477,
        60753, 61029, 61303, 61576, 61848, 62119, 62388, 62657, 62924, 63190, 63455, 63719, 63982,
        64243, 64504, 64763, 65022, 65279, 65535,
    };
    if (v == 0) return 0;
    const int32_t even = sotto_zeros(v) & ~1;
    const uint32_t x = v << even, at = (x >> 25) - 32, rest = (x >> 9) & 0xffffu;
    const uint32_t root = table[at] + ((table[at + 1] - table[at]) * rest >> 16);
    return root >> (even >> 1);
}

/* m 2^x; 2^30 <= m < 2^31, or 0 with x far below all others */
typedef struct sotto_scaled_t {
    uint32_t m;
    int32_t x;
} sotto_scaled_t;

#define SOTTO_SCALED_ZERO (-4096)

/* m < 2^31 */
static inline sotto_scaled_t sotto_normalized(uint32_t m, int32_t x)
{
    sotto_scaled_t v = {0, SOTTO_SCALED_ZERO};
    if (m == 0) return v;
    const int32_t up = sotto_zeros(m) - 1;
    v.m = m << up;
    v.x = x - up;
    return v;
}

static inline sotto_scaled_t sotto_scaled_add(sotto_scaled_t a, sotto_scaled_t b)
{
    const sotto_scaled_t *big = a.x < b.x ? &b : &a, *small = a.x < b.x ? &a : &b;
    const int32_t down = big->x - small->x;
    sotto_scaled_t v = {big->m + (down < 31 ? small->m >> down : 0), big->x};
    if (v.m >> 31) v.m >>= 1, v.x++;
    return v;
}

static inline sotto_scaled_t sotto_scaled_max(sotto_scaled_t a, sotto_scaled_t b)
{
    const int32_t bigger = a.x == b.x ? a.m > b.m : a.x > b.x;
    return bigger ? a : b;
}

/* ln(v) in Q15.16, v not 0: at most 4e-5 too small; |log2(v)| < 16384. */
static inline int32_t sotto_ln(sotto_scaled_t v)
{
    static const uint16_t table[65] = {
        /* 2^15 log2(1 + i / 64) */
        0,     733,   1455,  2166,  2866,  3556,  4236,  4907,  5568,  6220,  6863,  7498,  8124,
        8742,  9352,  9954,  10549, 11136, 11716, 12289, 12855, 13415, 13968, 14514, 15055, 15589,
        16117, 16639, 17156, 17667, 18173, 18673, 19168, 19658, 20143, 20623, 21098, 21568, 22034,
        22495, 22952, 23404, 23852, 24296, 24736, 25172, 25604, 26031, 26455, 26876, 27292, 27705,
        28114, 28520, 28922, 29321, 29717, 30109, 30498, 30884, 31267, 31647, 32024, 32397, 32768,
    };
    const uint32_t at = (v.m >> 24) - 64, rest = (v.m >> 8) & 0xffffu;
    const uint32_t part = ((uint32_t)table[at] << 1) + ((table[at + 1] - table[at]) * rest >> 15);
    const int32_t log2 = (v.x + 30) * 65536 + (int32_t)part;
    return sotto_mul_w(log2 * 2, 22713); /* 2^15 ln 2 */
}

#endif
