/* slice: a run of positions of an axis of an int8 map. Input and output share scale and zero point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SLICE_H
#define SOTTO_SLICE_H

#include "quantize/runtime/copy.h"

typedef struct sotto_slice_t {
    int32_t pieces, run; /* what is copied: so many runs of so many elements */
    int32_t begin, step; /* where the first lies in x, and from there to the next */
    int32_t lo, hi;
} sotto_slice_t;

static inline void sotto_slice(const sotto_slice_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->pieces; i++)
        sotto_copy(x + p->begin + i * p->step, y + i * p->run, p->run, p->lo, p->hi);
}

#endif
