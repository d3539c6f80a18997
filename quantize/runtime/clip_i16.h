/* clip_i16: an activation y = min(hi, max(lo, x)) of 16-bit values (i16.h). y may be x.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CLIP_I16_H
#define SOTTO_CLIP_I16_H

#include "quantize/runtime/i16.h"

typedef struct sotto_clip_i16_t {
    int32_t n, lo, hi;
} sotto_clip_i16_t;

static inline void sotto_clip_i16(const sotto_clip_i16_t *p, const int16_t *x, int16_t *y)
{
    for (int32_t i = 0; i < p->n; i++) y[i] = sotto_bound_i16(x[i], p->lo, p->hi);
}

#endif
