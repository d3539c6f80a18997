/* gemm: the multiplication at the heart of the fast layers: four columns (the taps under four
 * output positions) times a matrix of weights, and the sums made int8 at once.
 *
 *   y[p][o] = clamp(zero + scale(bias[o] + sum over k of weight[o][k] x[p][k]))     p < 4
 *
 * A weight is loaded once for four products. How columns are kept and multiplied is of the machine:
 * gemm_plain.h, gemm_v6m.h, gemm_dsp.h, gemm_mve.h.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_H
#define SOTTO_GEMM_H

#include "quantize/runtime/gemm_dsp.h"
#include "quantize/runtime/gemm_mve.h"
#include "quantize/runtime/gemm_plain.h"
#include "quantize/runtime/gemm_v6m.h"

/* Bytes of scratch, aligned to 4: columns, then a row of k bytes to gather one in. */
#define SOTTO_GEMM_SCRATCH(k) (SOTTO_GEMM_COLUMNS * 2 * (k) + (k))

/* Where the taps of column p may be gathered, k bytes; sotto_gemm_put then takes them, or others.
 */
static inline int8_t *sotto_gemm_row(const sotto_gemm_t *g, void *scratch, int32_t p)
{
#ifdef SOTTO_MVE
    return (int8_t *)scratch + p * g->k;
#else
    (void)p;
    return (int8_t *)scratch + SOTTO_GEMM_COLUMNS * 2 * g->k;
#endif
}

#if defined(SOTTO_DSP) || defined(SOTTO_V6M)
/* All rows, one at a time. */
SOTTO_INLINE void sotto_gemm_all(const sotto_gemm_t *s, const sotto_gemm_t *g, const void *columns,
                                 const int32_t apart[4], int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &g->scale);
    const int32_t k = s->k;
    const int32_t *channel = g->scale.channel;
    const int8_t *w = g->weight;
    for (int8_t *const end = y + s->n; y < end; y++, channel += 3) {
        int32_t sum[4] = {channel[0], channel[0], channel[0], channel[0]};
        w = sotto_gemm_dot(w, k, columns, sum);
        sotto_gemm_end(e, channel, sum, y, apart);
    }
}
#endif

#ifndef SOTTO_MVE
/* count columns, 1 .. 4; y: [count][n]. Columns that are not there write where the last one does,
 * before it. Numbers but zero points are read from s, arrays from g: of layers of one shape, s may
 * be the first, which a compiler then sees as constants. */
SOTTO_INLINE void sotto_gemm(const sotto_gemm_t *s, const sotto_gemm_t *g, const void *columns,
                             int32_t count, int8_t *y)
{
    const int32_t y1 = count > 1 ? s->n : 0, y2 = count > 2 ? 2 * y1 : y1;
    const int32_t apart[4] = {0, y1, y2, count > 3 ? 3 * y1 : y2};
    sotto_gemm_all(s, g, columns, apart, y);
}
#endif

#endif
