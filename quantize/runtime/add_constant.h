/* add_constant: int8 sum of a map and a constant one; arithmetic of sotto_add. y may be x.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_ADD_CONSTANT_H
#define SOTTO_ADD_CONSTANT_H

#include "quantize/runtime/add.h"

typedef struct sotto_add_constant_t {
    sotto_add_t sum;
    const int8_t *value; /* [sum.n] */
} sotto_add_constant_t;

static inline void sotto_add_constant(const sotto_add_constant_t *p, const int8_t *x, int8_t *y)
{
    sotto_add(&p->sum, x, p->value, y);
}

#endif
