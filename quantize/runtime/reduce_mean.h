/* reduce_mean: int8 mean over some axes (TFLite's MEAN): the sum is requantized once, by in_scale /
 * (out_scale * count).
 *   y = clamp(out_zero + requant(sum of (x - in_zero)))
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REDUCE_MEAN_H
#define SOTTO_REDUCE_MEAN_H

#include "quantize/runtime/reduce.h"
#include "quantize/runtime/requant.h"

typedef struct sotto_reduce_mean_t {
    sotto_reduce_t axes;
    int32_t in_zero, out_zero, multiplier, shift, lo, hi, single;
} sotto_reduce_mean_t;

static inline void sotto_reduce_mean(const sotto_reduce_mean_t *p, const int8_t *x, int8_t *y)
{
    const sotto_reduce_t *a = &p->axes;
    const int32_t zeros = a->reduced[0] * a->reduced[1] * p->in_zero;
    for (int32_t i = 0; i < a->kept[0]; i++)
        for (int32_t j = 0; j < a->kept[1]; j++) {
            const int8_t *from = x + i * a->kept_step[0] + j * a->kept_step[1];
            int32_t sum = -zeros;
            for (int32_t k = 0; k < a->reduced[0]; k++, from += a->reduced_step[0])
                for (int32_t l = 0; l < a->reduced[1]; l++) sum += from[l * a->reduced_step[1]];
            sum = sotto_requant(sum, p->multiplier, p->shift, p->single) + p->out_zero;
            *y++ = sotto_clamp_i8(sum, p->lo, p->hi);
        }
}

#endif
