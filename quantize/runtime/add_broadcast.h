/* add_broadcast: int8 sum of two maps of which axes of length 1 are repeated; arithmetic of
 * sotto_add.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_BROADCAST_H
#define SOTTO_ADD_BROADCAST_H

#include "quantize/runtime/add.h"

typedef struct sotto_add_broadcast_t {
    int32_t length[4];          /* of y, the last axis runs fastest; 1 where it has fewer */
    int32_t step0[4], step1[4]; /* of x0 and x1 along these axes, 0 where they are repeated */
    sotto_add_t sum;
} sotto_add_broadcast_t;

static inline void sotto_add_broadcast(const sotto_add_broadcast_t *p, const int8_t *x0,
                                       const int8_t *x1, int8_t *y)
{
    const sotto_adder_t sum = sotto_adder(&p->sum);
    const int32_t n = p->length[3];
    for (int32_t i = 0; i < p->length[0]; i++)
        for (int32_t j = 0; j < p->length[1]; j++)
            for (int32_t k = 0; k < p->length[2]; k++, y += n) {
                const int8_t *a = x0 + i * p->step0[0] + j * p->step0[1] + k * p->step0[2];
                const int8_t *b = x1 + i * p->step1[0] + j * p->step1[1] + k * p->step1[2];
                sotto_add_row(&sum, n, a, p->step0[3], b, p->step1[3], y);
            }
}

#endif
