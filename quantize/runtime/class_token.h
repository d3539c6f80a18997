/* class_token: a constant row of int8 before those of a map, which is brought to the scale and zero
 * point of the output.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CLASS_TOKEN_H
#define SOTTO_CLASS_TOKEN_H

#include "quantize/runtime/copy.h"

typedef struct sotto_class_token_t {
    int32_t n, row_n; /* elements of x and of the row */
    sotto_rescale_t from;
    const int8_t *row; /* [row_n] */
} sotto_class_token_t;

static inline void sotto_class_token(const sotto_class_token_t *p, const int8_t *x, int8_t *y)
{
    sotto_copy(p->row, y, p->row_n, p->from.lo, p->from.hi);
    sotto_rescale(&p->from, x, y + p->row_n, p->n);
}

#endif
