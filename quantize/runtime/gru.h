/* gru: int8 gated recurrent unit over time, of `units` numbers h. With x_t a frame of in_n inputs,
 *
 *   input(o)        = requant(bias[o] + sum (x_t[i] - in_zero) weight[o,i])             Q3.12
 *   recurrent(v, o) = requant(sum v[i] recurrent[o,i])                                  Q3.12
 *   r = sigmoid(input + recurrent(h)),  z likewise, each by rows of its own             Q0.15
 *   n = tanh(input + recurrent(r h))                      reset_after = 0               Q0.15
 *   n = tanh(input + r (recurrent(h) + recurrent_bias))   reset_after = 1
 *   h = n + z (h - n)                                                                   Q0.15
 *   y = clamp(out_zero + requant(h))
 *
 * h begins at 0 and is within -1 .. 1, as tanh is. Sums in front of a function, and what r is
 * multiplied with, saturate at Q3.12; products by r and z round to Q0.15
 * (quantize/runtime/fixed.h). Sums of products have 32 bits; recurrent_bias is in the unit of the
 * sum it is added to, before requantization. scratch: h, the next h and, with reset_after = 0, r h:
 * 2 bytes each.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GRU_H
#define SOTTO_GRU_H

#include "quantize/runtime/dot.h"
#include "quantize/runtime/fixed.h"

#include <string.h>

typedef struct sotto_gru_t {
    int32_t frames, in_n, units;
    int32_t reset_after, reverse, sequence; /* 0 or 1; reverse: from the last frame to the first */
    int32_t in_zero, out_zero, out_multiplier, out_shift, lo, hi, single;
    const int8_t *weight;                                   /* [3 units][in_n]: r, z, n */
    const int32_t *bias, *weight_multiplier, *weight_shift; /* [3 units] */
    const int8_t *recurrent;                                /* [3 units][units] */
    const int32_t *recurrent_bias;                          /* [units]; reset_after = 0: NULL */
    const int32_t *recurrent_multiplier, *recurrent_shift;  /* [3 units] */
} sotto_gru_t;

static inline int32_t sotto_gru_input(const sotto_gru_t *p, const int8_t *x, int32_t o)
{
    const int16_t offset = (int16_t)-p->in_zero;
    const int32_t sum = p->bias[o] + sotto_dot(x, p->weight + o * p->in_n, p->in_n, offset);
    return sotto_requant(sum, p->weight_multiplier[o], p->weight_shift[o], p->single);
}

static inline int32_t sotto_gru_recurrent(const sotto_gru_t *p, const int16_t *v, int32_t o,
                                          int32_t bias)
{
    const int32_t sum = bias + sotto_dot_i16(v, p->recurrent + o * p->units, p->units);
    return sotto_requant(sum, p->recurrent_multiplier[o], p->recurrent_shift[o], p->single);
}

/* Row o: r or z. */
static inline int32_t sotto_gru_gate(const sotto_gru_t *p, const int8_t *x, const int16_t *h,
                                     int32_t o)
{
    const int32_t sum = sotto_gru_input(p, x, o) + sotto_gru_recurrent(p, h, o, 0);
    return sotto_sigmoid(sotto_clamp_i16(sum));
}

SOTTO_APART void sotto_gru_step(const sotto_gru_t *p, const int8_t *x, const int16_t *h,
                                int16_t *next, int16_t *reset)
{
    const int32_t units = p->units;
    for (int32_t j = 0; !p->reset_after && j < units; j++)
        reset[j] = (int16_t)sotto_mul_q15(sotto_gru_gate(p, x, h, j), h[j]);
    for (int32_t j = 0; j < units; j++) {
        const int32_t z = sotto_gru_gate(p, x, h, units + j), o = 2 * units + j;
        int32_t sum;
        if (p->reset_after) {
            sum = sotto_clamp_i16(sotto_gru_recurrent(p, h, o, p->recurrent_bias[j]));
            sum = sotto_mul_q15(sotto_gru_gate(p, x, h, j), sum);
        } else {
            sum = sotto_gru_recurrent(p, reset, o, 0);
        }
        const int32_t n = sotto_tanh(sotto_clamp_i16(sotto_gru_input(p, x, o) + sum));
        next[j] = (int16_t)(n + sotto_mul_q15(z, h[j] - n));
    }
}

/* From the h at the start of scratch, which is left there. */
static inline void sotto_gru_on(const sotto_gru_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    int16_t *h = scratch, *next = h + p->units, *reset = next + p->units;
    const size_t bytes = (size_t)p->units * sizeof *h;
    for (int32_t s = 0; s < p->frames; s++) {
        const int32_t t = p->reverse ? p->frames - 1 - s : s;
        sotto_gru_step(p, x + t * p->in_n, h, next, reset);
        memcpy(h, next, bytes);
        if (!p->sequence && s + 1 < p->frames) continue;
        int8_t *to = p->sequence ? y + t * p->units : y;
        for (int32_t j = 0; j < p->units; j++) {
            const int32_t v = sotto_requant(h[j], p->out_multiplier, p->out_shift, p->single);
            to[j] = sotto_clamp_i8(v + p->out_zero, p->lo, p->hi);
        }
    }
}

static inline void sotto_gru(const sotto_gru_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    memset(scratch, 0, (size_t)p->units * sizeof(int16_t));
    sotto_gru_on(p, x, y, scratch);
}

#endif
