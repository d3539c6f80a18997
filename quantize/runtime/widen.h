/* widen: int8 values in 16 bits (i16.h), exactly: of 1/128 of the scale.
 *   y = (x - zero) 128
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_WIDEN_H
#define SOTTO_WIDEN_H

#include <stdint.h>

typedef struct sotto_widen_t {
    int32_t n, zero;
} sotto_widen_t;

static inline void sotto_widen(const sotto_widen_t *p, const int8_t *x, int16_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = (int16_t)((x[i] - p->zero) * 128);
}

#endif
