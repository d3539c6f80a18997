/* clamp: an activation that could not be fused into the layer before it, because others read that
 * layer too. Input and output share scale and zero point. y may be x.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CLAMP_H
#define SOTTO_CLAMP_H

#include "quantize/runtime/requant.h"

typedef struct sotto_clamp_t {
    int32_t n, lo, hi;
} sotto_clamp_t;

static inline void sotto_clamp(const sotto_clamp_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = sotto_clamp_i8(x[i], p->lo, p->hi);
}

#endif
