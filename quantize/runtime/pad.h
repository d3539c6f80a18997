/* pad: an int8 map with a border of one value. Input and output share scale and zero point.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_PAD_H
#define SOTTO_PAD_H

#include "quantize/runtime/copy.h"
#include <string.h>

typedef struct sotto_pad_t {
    int32_t n, value;    /* elements of y, and what its border holds */
    int32_t pieces, run; /* x: so many runs of so many elements */
    int32_t begin, step; /* where the first lies in y, and from there to the next */
    int32_t lo, hi;
} sotto_pad_t;

static inline void sotto_pad(const sotto_pad_t *p, const int8_t *x, int8_t *y)
{
    memset(y, (int)p->value, (size_t)p->n);
    for (int32_t i = 0; i < p->pieces; i++)
        sotto_copy(x + i * p->run, y + p->begin + i * p->step, p->run, p->lo, p->hi);
}

#endif
