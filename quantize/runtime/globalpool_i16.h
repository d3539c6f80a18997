/* globalpool_i16: mean over all positions of a map of 16-bit values (i16.h), by channel. Input and
 * output share their scale; halves round away from zero. At most 65536 positions.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GLOBALPOOL_I16_H
#define SOTTO_GLOBALPOOL_I16_H

#include "quantize/runtime/globalpool.h"
#include "quantize/runtime/i16.h"

typedef sotto_globalpool_t sotto_globalpool_i16_t;

static inline void sotto_globalpool_i16(const sotto_globalpool_i16_t *p, const int16_t *x,
                                        int16_t *y)
{
    const int32_t half = p->positions / 2;
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < p->positions; i++) sum += x[i * p->channels + c];
        const int32_t mean = (sum > 0 ? sum + half : sum - half) / p->positions;
        y[c] = sotto_bound_i16(mean, p->lo, p->hi);
    }
}

#endif
