/* lut: an int8 function of each value by itself, from a table of all 256: y = table[x + 128]. y may
 * be x.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_LUT_H
#define SOTTO_LUT_H

#include <stdint.h>

typedef struct sotto_lut_t {
    int32_t n;
    const int8_t *table; /* [256]; output for -128, -127, .. 127 */
} sotto_lut_t;

static inline void sotto_lut(const sotto_lut_t *p, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = p->table[x[i] + 128];
}

#endif
