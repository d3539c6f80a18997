/* gemm_plain: gemm.h in plain C. Columns are [k][4] bytes; two rows of weights at a time.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_PLAIN_H
#define SOTTO_GEMM_PLAIN_H

#include "quantize/runtime/gemm_t.h"

#ifdef SOTTO_PLAIN

static inline void sotto_gemm_put(const sotto_gemm_t *g, void *scratch, int32_t p, const int8_t *x)
{
    int8_t *to = (int8_t *)scratch + p;
    for (int32_t k = 0; k < g->k; k++, to += 4) *to = x[k];
}

#define SOTTO_GEMM_TAP(i)                                                                          \
    do {                                                                                           \
        const int32_t a = w[i], b = v[i];                                                          \
        int32_t t = x[4 * i];                                                                      \
        s0 += a * t, t0 += b * t, t = x[4 * i + 1];                                                \
        s1 += a * t, t1 += b * t, t = x[4 * i + 2];                                                \
        s2 += a * t, t2 += b * t, t = x[4 * i + 3];                                                \
        s3 += a * t, t3 += b * t;                                                                  \
    } while (0)

/* sum and tum: [4], += the products of rows w and v of n weights with the columns x */
SOTTO_INLINE void sotto_gemm_dots(const int8_t *w, const int8_t *v, int32_t n, const int8_t *x,
                                  int32_t sum[4], int32_t tum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    int32_t t0 = tum[0], t1 = tum[1], t2 = tum[2], t3 = tum[3];
    for (const int8_t *const end = w + n; w < end; x += 16, w += 4, v += 4) {
        SOTTO_GEMM_TAP(0);
        SOTTO_GEMM_TAP(1);
        SOTTO_GEMM_TAP(2);
        SOTTO_GEMM_TAP(3);
    }
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
    tum[0] = t0, tum[1] = t1, tum[2] = t2, tum[3] = t3;
}

/* A last row of an odd number is computed twice. */
SOTTO_INLINE void sotto_gemm_all(const sotto_gemm_t *s, const sotto_gemm_t *g, const void *columns,
                                 const int32_t apart[4], int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &g->scale);
    const int32_t k = s->k;
    const int32_t *channel = g->scale.channel;
    const int8_t *w = g->weight;
    for (int8_t *const end = y + s->n; y < end; y += 2, channel += 6, w += 2 * k) {
        const int32_t other = y + 1 < end;
        const int32_t *const next = channel + 3 * other;
        int32_t sum[4] = {channel[0], channel[0], channel[0], channel[0]};
        int32_t tum[4] = {next[0], next[0], next[0], next[0]};
        sotto_gemm_dots(w, w + k * other, k, columns, sum, tum);
        sotto_gemm_end(e, channel, sum, y, apart);
        sotto_gemm_end(e, next, tum, y + other, apart);
    }
}

#endif
#endif
