/* reduce_mean_i16: mean over some axes of 16-bit values (i16.h): the sum is requantized once, by
 * in_scale / (out_scale * count).
 *   y = requant(sum of x), clamped
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REDUCE_MEAN_I16_H
#define SOTTO_REDUCE_MEAN_I16_H

#include "quantize/runtime/i16.h"
#include "quantize/runtime/reduce_mean.h"

typedef sotto_reduce_mean_t sotto_reduce_mean_i16_t; /* zero points are 0 */

static inline void sotto_reduce_mean_i16(const sotto_reduce_mean_i16_t *p, const int16_t *x,
                                         int16_t *y)
{
    const sotto_reduce_t *a = &p->axes;
    for (int32_t i = 0; i < a->kept[0]; i++)
        for (int32_t j = 0; j < a->kept[1]; j++) {
            const int16_t *from = x + i * a->kept_step[0] + j * a->kept_step[1];
            int64_t sum = 0;
            for (int32_t k = 0; k < a->reduced[0]; k++, from += a->reduced_step[0])
                for (int32_t l = 0; l < a->reduced[1]; l++) sum += from[l * a->reduced_step[1]];
            *y++ = sotto_requant_i16(sum, p->multiplier, p->shift, p->lo, p->hi);
        }
}

#endif
