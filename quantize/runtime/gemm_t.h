/* gemm_t: what gemm.h multiplies with.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_T_H
#define SOTTO_GEMM_T_H

#include "quantize/runtime/scale.h"

typedef struct sotto_gemm_t {
    int32_t n, k;         /* outputs, taps; k is a multiple of 4, what is beyond has weight 0 */
    const int8_t *weight; /* [n][k], aligned to 4 */
    sotto_scale_t scale;
} sotto_gemm_t;

#define SOTTO_GEMM_COLUMNS 4

/* Sums of four columns made outputs, y[0], y[apart[1]] .. y[apart[3]], the last one first. */
SOTTO_INLINE void sotto_gemm_end(sotto_end_t e, const int32_t *channel, const int32_t sum[4],
                                 int8_t *y, const int32_t apart[4])
{
    const int32_t multiplier = channel[1], shift = channel[2];
    const int32_t s3 = sotto_scaled(sum[3], multiplier, shift, e.single);
    const int32_t s2 = sotto_scaled(sum[2], multiplier, shift, e.single);
    const int32_t s1 = sotto_scaled(sum[1], multiplier, shift, e.single);
    const int32_t s0 = sotto_scaled(sum[0], multiplier, shift, e.single);
    y[apart[3]] = sotto_scale_end(e, s3);
    y[apart[2]] = sotto_scale_end(e, s2);
    y[apart[1]] = sotto_scale_end(e, s1);
    y[0] = sotto_scale_end(e, s0);
}

#endif
