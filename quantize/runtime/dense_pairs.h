/* dense_pairs: dense.h faster, for inputs that are a multiple of 4: two outputs at a time, so that
 * an input is loaded once for both.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DENSE_PAIRS_H
#define SOTTO_DENSE_PAIRS_H

#include "quantize/runtime/gemm.h"

typedef struct sotto_dense_pairs_t {
    sotto_gemm_t gemm;
} sotto_dense_pairs_t;

/* *a and *b += the products of x with rows v and w of n weights */
SOTTO_INLINE void sotto_dense_dots(const int8_t *x, const int8_t *v, const int8_t *w, int32_t n,
                                   int32_t *a, int32_t *b)
{
    int32_t s = *a, t = *b;
#ifdef SOTTO_DSP
    for (int32_t i = 0; i < n; i += 4) {
        const uint32_t x4 = sotto_word(x + i), even = sotto_even(x4), odd = sotto_odd(x4);
        const uint32_t v4 = sotto_word(v + i), w4 = sotto_word(w + i);
        s = sotto_mac2(even, sotto_even(v4), s);
        t = sotto_mac2(even, sotto_even(w4), t);
        s = sotto_mac2(odd, sotto_odd(v4), s);
        t = sotto_mac2(odd, sotto_odd(w4), t);
    }
#else
    for (int32_t i = 0; i < n; i++) {
        s += x[i] * v[i];
        t += x[i] * w[i];
    }
#endif
    *a = s;
    *b = t;
}

static inline int8_t sotto_dense_end(const sotto_scale_t *s, int32_t sum, const int32_t *channel)
{
    const int32_t twice = s->single ? sotto_scaled(sum, channel[1], channel[2], 1)
                                    : sotto_scaled(sum, channel[1], channel[2], 0);
    return sotto_scale_end(sotto_end_of(s, s), twice);
}

static inline void sotto_dense_pairs(const sotto_dense_pairs_t *p, const int8_t *x, int8_t *y)
{
    const sotto_gemm_t *g = &p->gemm;
    const int32_t *channel = g->scale.channel;
    const int8_t *w = g->weight;
    for (int32_t o = 0; o < g->n; o += 2) {
        const int32_t other = o + 1 < g->n; /* the last one may be alone: it is computed twice */
        int32_t a = channel[0], b = channel[3 * other];
        sotto_dense_dots(x, w, w + other * g->k, g->k, &a, &b);
        y[o] = sotto_dense_end(&g->scale, a, channel);
        y[o + other] = sotto_dense_end(&g->scale, b, channel + 3 * other);
        channel += 6;
        w += 2 * g->k;
    }
}

#endif
