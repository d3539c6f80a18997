/* add_broadcast_i16: sum of two maps of 16-bit values of which axes of length 1 are repeated,
 * otherwise as sotto_add_i16.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_BROADCAST_I16_H
#define SOTTO_ADD_BROADCAST_I16_H

#include "quantize/runtime/add_i16.h"

typedef struct sotto_add_broadcast_i16_t {
    int32_t length[4];          /* of y, the last axis runs fastest; 1 where it has fewer */
    int32_t step0[4], step1[4]; /* of x0 and x1 along these axes, 0 where they are repeated */
    sotto_add_i16_t sum;
} sotto_add_broadcast_i16_t;

static inline void sotto_add_broadcast_i16(const sotto_add_broadcast_i16_t *p, const int16_t *x0,
                                           const int16_t *x1, int16_t *y)
{
    for (int32_t i = 0; i < p->length[0]; i++)
        for (int32_t j = 0; j < p->length[1]; j++)
            for (int32_t k = 0; k < p->length[2]; k++) {
                const int16_t *a = x0 + i * p->step0[0] + j * p->step0[1] + k * p->step0[2];
                const int16_t *b = x1 + i * p->step1[0] + j * p->step1[1] + k * p->step1[2];
                for (int32_t l = 0; l < p->length[3]; l++)
                    *y++ = sotto_add_i16_one(&p->sum, a[l * p->step0[3]], b[l * p->step1[3]]);
            }
}

#endif
