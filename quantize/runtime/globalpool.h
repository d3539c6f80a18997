/* globalpool: int8 mean over all positions of a map, by channel. Input and output share scale and
 * zero point; halves round away from zero (TFLite's AVERAGE_POOL_2D over the whole map).
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GLOBALPOOL_H
#define SOTTO_GLOBALPOOL_H

#include "quantize/runtime/requant.h"

typedef struct sotto_globalpool_t {
    int32_t positions, channels, lo, hi;
} sotto_globalpool_t;

static inline void sotto_globalpool(const sotto_globalpool_t *p, const int8_t *x, int8_t *y)
{
    const int32_t half = p->positions / 2;
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < p->positions; i++) sum += x[i * p->channels + c];
        const int32_t mean = (sum > 0 ? sum + half : sum - half) / p->positions;
        y[c] = sotto_clamp_i8(mean, p->lo, p->hi);
    }
}

#endif
