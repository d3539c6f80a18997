/* svdf: int8 layer over the last frames with weights of rank 1. With x_t a frame of in_n inputs,
 *
 *   f[t]   = requant(sum (x_t[i] - in_zero) feature[u,i]), in 16 bits; 0 before the first frame
 *   y[t,u] = clamp(out_zero + requant(bias[u] + sum f[t - before + k] time[u,k])), k < memory
 *
 * The unit of f is chosen for each u so that the largest sum that inputs can give is 32767: it
 * cannot saturate and needs no calibration. One u after another, so that scratch holds the f of
 * one: 2 bytes for each of before + frames.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SVDF_H
#define SOTTO_SVDF_H

#include "quantize/runtime/dot.h"
#include "quantize/runtime/fixed.h"

#include <string.h>

typedef struct sotto_svdf_t {
    int32_t frames, in_n, units, memory;
    int32_t before; /* frames of zeros: memory - 1 when causal, else 0 */
    int32_t in_zero, out_zero, lo, hi, single;
    const int8_t *feature;                              /* [units][in_n] */
    const int32_t *feature_multiplier, *feature_shift;  /* [units] */
    const int8_t *time;                                 /* [units][memory] */
    const int32_t *bias, *time_multiplier, *time_shift; /* [units] */
} sotto_svdf_t;

/* Unit u: its f of the frames of x behind those of `before` frames in padded, and outputs. */
static inline void sotto_svdf_unit(const sotto_svdf_t *p, int32_t u, const int8_t *x, int8_t *y,
                                   int16_t *padded)
{
    const int16_t offset = (int16_t)-p->in_zero;
    const int32_t frames_out = p->before + p->frames - p->memory + 1;
    for (int32_t t = 0; t < p->frames; t++) {
        const int32_t sum = sotto_dot(x + t * p->in_n, p->feature + u * p->in_n, p->in_n, offset);
        padded[p->before + t] = sotto_clamp_i16(
            sotto_requant(sum, p->feature_multiplier[u], p->feature_shift[u], p->single));
    }
    for (int32_t t = 0; t < frames_out; t++) {
        int32_t sum = sotto_dot_i16(padded + t, p->time + u * p->memory, p->memory);
        sum = sotto_requant(p->bias[u] + sum, p->time_multiplier[u], p->time_shift[u], p->single);
        y[t * p->units + u] = sotto_clamp_i8(sum + p->out_zero, p->lo, p->hi);
    }
}

static inline void sotto_svdf(const sotto_svdf_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    memset(scratch, 0, (size_t)p->before * sizeof(int16_t));
    for (int32_t u = 0; u < p->units; u++) sotto_svdf_unit(p, u, x, y, scratch);
}

/* From the last `before` f of every unit, which lie in scratch behind what sotto_svdf needs and are
 * left there for the next frames: 2 * before * units bytes more. */
static inline void sotto_svdf_on(const sotto_svdf_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    int16_t *padded = scratch, *kept = padded + p->before + p->frames;
    const size_t bytes = (size_t)p->before * sizeof *kept;
    for (int32_t u = 0; u < p->units; u++, kept += p->before) {
        memcpy(padded, kept, bytes);
        sotto_svdf_unit(p, u, x, y, padded);
        memcpy(kept, padded + p->frames, bytes);
    }
}

#endif
