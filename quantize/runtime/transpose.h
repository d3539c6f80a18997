/* transpose: an int8 map with its axes in another order. Input and output share scale and zero
 * point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_TRANSPOSE_H
#define SOTTO_TRANSPOSE_H

#include "quantize/runtime/requant.h"

typedef struct sotto_transpose_t {
    int32_t length[4], step[4]; /* of y, 1 where it has fewer axes, and steps in x along them */
    int32_t lo, hi;
} sotto_transpose_t;

static inline void sotto_transpose(const sotto_transpose_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->length[0]; i++)
        for (int32_t j = 0; j < p->length[1]; j++)
            for (int32_t k = 0; k < p->length[2]; k++) {
                const int8_t *from = x + i * p->step[0] + j * p->step[1] + k * p->step[2];
                for (int32_t l = 0; l < p->length[3]; l++)
                    *y++ = sotto_clamp_i8(from[l * p->step[3]], p->lo, p->hi);
            }
}

#endif
