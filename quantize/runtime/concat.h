/* concat: int8 maps joined along an axis, each brought to the scale and zero point of the output.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CONCAT_H
#define SOTTO_CONCAT_H

#include "quantize/runtime/copy.h"

typedef struct sotto_concat_t {
    int32_t n, pieces;       /* inputs; runs that each is cut into */
    int32_t run[8];          /* elements of a run, of each input */
    sotto_rescale_t from[8]; /* of each input */
} sotto_concat_t;

static inline void sotto_concat(const sotto_concat_t *p, const int8_t *const *x, int8_t *y)
{
    for (int32_t i = 0; i < p->pieces; i++)
        for (int32_t k = 0; k < p->n; k++) {
            sotto_rescale(&p->from[k], x[k] + i * p->run[k], y, p->run[k]);
            y += p->run[k];
        }
}

#endif
