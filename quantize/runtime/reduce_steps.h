/* reduce_steps: int8 mean over some axes, rounded in whatever way: of the sum of x it is known from
 * where on the result is more.
 *   y = clamp(-128 + how many of least are not above the sum)
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REDUCE_STEPS_H
#define SOTTO_REDUCE_STEPS_H

#include "quantize/runtime/reduce.h"
#include "quantize/runtime/requant.h"

typedef struct sotto_reduce_steps_t {
    sotto_reduce_t axes;
    int32_t lo, hi;
    const int32_t *least; /* [255], ascending: the least sum that gives -127, -126 ... 127 */
} sotto_reduce_steps_t;

static inline void sotto_reduce_steps(const sotto_reduce_steps_t *p, const int8_t *x, int8_t *y)
{
    const sotto_reduce_t *a = &p->axes;
    for (int32_t i = 0; i < a->kept[0]; i++)
        for (int32_t j = 0; j < a->kept[1]; j++) {
            const int8_t *from = x + i * a->kept_step[0] + j * a->kept_step[1];
            int32_t sum = 0, steps = 0;
            for (int32_t k = 0; k < a->reduced[0]; k++, from += a->reduced_step[0])
                for (int32_t l = 0; l < a->reduced[1]; l++) sum += from[l * a->reduced_step[1]];
            for (int32_t half = 128; half > 0; half >>= 1)
                if (sum >= p->least[steps + half - 1]) steps += half;
            *y++ = sotto_clamp_i8(steps - 128, p->lo, p->hi);
        }
}

#endif
