/* reduce_max: int8 maximum over some axes. Input and output share scale and zero point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REDUCE_MAX_H
#define SOTTO_REDUCE_MAX_H

#include "quantize/runtime/reduce.h"
#include "quantize/runtime/requant.h"

typedef struct sotto_reduce_max_t {
    sotto_reduce_t axes;
    int32_t lo, hi;
} sotto_reduce_max_t;

static inline void sotto_reduce_max(const sotto_reduce_max_t *p, const int8_t *x, int8_t *y)
{
    const sotto_reduce_t *a = &p->axes;
    for (int32_t i = 0; i < a->kept[0]; i++)
        for (int32_t j = 0; j < a->kept[1]; j++) {
            const int8_t *from = x + i * a->kept_step[0] + j * a->kept_step[1];
            int32_t most = INT8_MIN;
            for (int32_t k = 0; k < a->reduced[0]; k++, from += a->reduced_step[0])
                for (int32_t l = 0; l < a->reduced[1]; l++) {
                    const int32_t v = from[l * a->reduced_step[1]];
                    if (v > most) most = v;
                }
            *y++ = sotto_clamp_i8(most, p->lo, p->hi);
        }
}

#endif
