/* lstm: int8 long short-term memory over time: `units` cells c, and out_n numbers v that are put
 * out and fed back. With x_t a frame of in_n inputs and the rows of weights in the order i, f, g,
 * o,
 *
 *   gate(o) = requant(bias[o] + sum (x_t[i] - in_zero) weight[o,i])
 *           + requant(sum v[i] recurrent[o,i])                                          Q3.12
 *   i = sigmoid(gate + peephole c),  f likewise,  g = tanh(gate)                        Q0.15
 *   c = f c + i g,  o = sigmoid(gate + peephole c)                                      Q11.20
 *   m = o tanh(c)                                                                       Q0.15
 *   v = m, or with a projection requant(sum m[j] projection[k,j]), in 16 bits
 *   y = clamp(out_zero + requant(v))
 *
 * c and v begin at 0. A cell grows by less than 1 a frame, so its 32 bits saturate after 2047
 * frames at the earliest and it needs no calibration; tanh sees it rounded to Q3.12, saturating.
 * Peephole weights are Q15.16; their products have 64 bits and are rounded to Q3.12, within 2^29.
 * Sums in front of a function saturate at Q3.12, products by o round to Q0.15
 * (quantize/runtime/fixed.h). The unit of a projected v is chosen so that it cannot leave 16 bits:
 * the sum of a column's absolute weights is 32767. scratch: c in 4 bytes each, m and v in 2.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_LSTM_H
#define SOTTO_LSTM_H

#include "quantize/runtime/dot.h"
#include "quantize/runtime/fixed.h"

#include <string.h>

typedef struct sotto_lstm_t {
    int32_t frames, in_n, units, out_n; /* out_n: units, or those of the projection */
    int32_t reverse, sequence;          /* 0 or 1; reverse: from the last frame to the first */
    int32_t in_zero, out_zero, out_multiplier, out_shift, lo, hi, single;
    const int8_t *weight;                                    /* [4 units][in_n]: i, f, g, o */
    const int32_t *bias, *weight_multiplier, *weight_shift;  /* [4 units] */
    const int8_t *recurrent;                                 /* [4 units][out_n] */
    const int32_t *recurrent_multiplier, *recurrent_shift;   /* [4 units] */
    const int32_t *peephole;                                 /* [3 units]: i, f, o; or NULL */
    const int8_t *projection;                                /* [out_n][units]; or NULL */
    const int32_t *projection_multiplier, *projection_shift; /* [out_n] */
} sotto_lstm_t;

/* Row o of the gates. */
static inline int32_t sotto_lstm_gate(const sotto_lstm_t *p, const int8_t *x, const int16_t *v,
                                      int32_t o)
{
    const int16_t offset = (int16_t)-p->in_zero;
    const int32_t a = p->bias[o] + sotto_dot(x, p->weight + o * p->in_n, p->in_n, offset);
    const int32_t b = sotto_dot_i16(v, p->recurrent + o * p->out_n, p->out_n);
    return sotto_requant(a, p->weight_multiplier[o], p->weight_shift[o], p->single) +
           sotto_requant(b, p->recurrent_multiplier[o], p->recurrent_shift[o], p->single);
}

/* What weight k of the peepholes makes of a cell: Q15.16 and Q11.20 to Q3.12. */
static inline int32_t sotto_lstm_peep(const sotto_lstm_t *p, int32_t k, int32_t cell)
{
    const int64_t most = (int64_t)1 << 29;
    if (!p->peephole) return 0;
    const int64_t v = ((int64_t)p->peephole[k] * cell + (1 << 23)) >> 24;
    return (int32_t)(v < -most ? -most : v > most ? most : v);
}

static inline int32_t sotto_lstm_cell(int32_t cell, int32_t f, int32_t i, int32_t g)
{
    const int64_t c = ((int64_t)f * cell + (int64_t)(i * g) * 32 + (1 << 14)) >> 15;
    return (int32_t)(c < INT32_MIN ? INT32_MIN : c > INT32_MAX ? INT32_MAX : c);
}

/* A step up to m; c moves on. */
static inline void sotto_lstm_step(const sotto_lstm_t *p, const int8_t *x, const int16_t *v,
                                   int32_t *c, int16_t *m)
{
    const int32_t units = p->units;
    for (int32_t j = 0; j < units; j++) {
        int32_t i = sotto_lstm_gate(p, x, v, j) + sotto_lstm_peep(p, j, c[j]);
        int32_t f = sotto_lstm_gate(p, x, v, units + j) + sotto_lstm_peep(p, units + j, c[j]);
        const int32_t g = sotto_tanh(sotto_clamp_i16(sotto_lstm_gate(p, x, v, 2 * units + j)));
        i = sotto_sigmoid(sotto_clamp_i16(i));
        f = sotto_sigmoid(sotto_clamp_i16(f));
        c[j] = sotto_lstm_cell(c[j], f, i, g);
        int32_t o = sotto_lstm_gate(p, x, v, 3 * units + j);
        o = sotto_sigmoid(sotto_clamp_i16(o + sotto_lstm_peep(p, 2 * units + j, c[j])));
        const int32_t rounded = (c[j] >> 8) + (c[j] >> 7 & 1);
        m[j] = (int16_t)sotto_mul_q15(o, sotto_tanh(sotto_clamp_i16(rounded)));
    }
}

static inline void sotto_lstm_project(const sotto_lstm_t *p, const int16_t *m, int16_t *v)
{
    if (!p->projection) {
        memcpy(v, m, (size_t)p->units * sizeof *v);
        return;
    }
    for (int32_t k = 0; k < p->out_n; k++) {
        const int32_t sum = sotto_dot_i16(m, p->projection + k * p->units, p->units);
        v[k] = sotto_clamp_i16(
            sotto_requant(sum, p->projection_multiplier[k], p->projection_shift[k], p->single));
    }
}

/* From the c and v in scratch, which are left there. */
static inline void sotto_lstm_on(const sotto_lstm_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    int32_t *c = scratch;
    int16_t *m = (int16_t *)(c + p->units), *v = m + p->units;
    for (int32_t s = 0; s < p->frames; s++) {
        const int32_t t = p->reverse ? p->frames - 1 - s : s;
        sotto_lstm_step(p, x + t * p->in_n, v, c, m);
        sotto_lstm_project(p, m, v);
        if (!p->sequence && s + 1 < p->frames) continue;
        int8_t *to = p->sequence ? y + t * p->out_n : y;
        for (int32_t k = 0; k < p->out_n; k++) {
            const int32_t out = sotto_requant(v[k], p->out_multiplier, p->out_shift, p->single);
            to[k] = sotto_clamp_i8(out + p->out_zero, p->lo, p->hi);
        }
    }
}

static inline void sotto_lstm(const sotto_lstm_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    memset(scratch, 0, (size_t)p->units * 6 + (size_t)p->out_n * 2);
    sotto_lstm_on(p, x, y, scratch);
}

#endif
