/* dtw: int8 templates of words, compared by dynamic time warping within a band.
 *   y[k] = clamp(out_zero + requant(-sum of the `nearest` least D(x, template) of class k))
 * where D is the least sum, over paths of frame pairs (i, j) from (0, 0) to the last, of
 * |x[i] - template[j]|, twice where both go on (Sakoe and Chiba, IEEE Trans. ASSP 26, 1978).
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DTW_H
#define SOTTO_DTW_H

#include "quantize/runtime/requant.h"

/* Beyond any distance: nearest * 2 * 255 * frames * width is below half of it. */
#define SOTTO_DTW_FAR 0x20000000

typedef struct sotto_dtw_t {
    int32_t classes, each, nearest; /* each: templates of a class, of which `nearest` count */
    int32_t frames, width, band;    /* band: |i - j| at most */
    int32_t out_zero, multiplier, shift, lo, hi, single;
    const int8_t *value; /* [classes][each][frames][width], quantized as x is */
} sotto_dtw_t;

static inline int32_t sotto_dtw_least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* sum: 2 band + 2 numbers. Before frame i number k is D(i - 1, i - 1 + k - band); the others are
 * written over it one by one. */
static inline int32_t sotto_dtw_distance(const sotto_dtw_t *p, const int8_t *x, const int8_t *value,
                                         int32_t *sum)
{
    const int32_t band = p->band;
    for (int32_t k = 0; k < 2 * band + 2; k++) sum[k] = SOTTO_DTW_FAR;
    sum[band] = 0;
    for (int32_t i = 0; i < p->frames; i++, x += p->width) {
        int32_t before = SOTTO_DTW_FAR; /* D(i, j - 1) */
        for (int32_t k = 0; k <= 2 * band; k++) {
            const int32_t j = i + k - band;
            int32_t best = SOTTO_DTW_FAR;
            if (j >= 0 && j < p->frames) {
                const int8_t *v = value + j * p->width;
                int32_t d = 0;
                for (int32_t f = 0; f < p->width; f++) d += x[f] < v[f] ? v[f] - x[f] : x[f] - v[f];
                best = sotto_dtw_least(sum[k] + 2 * d, sotto_dtw_least(sum[k + 1], before) + d);
            }
            sum[k] = before = best;
        }
    }
    return sum[band];
}

/* Keeps the n least, in rising order, of which d may be one. */
static inline void sotto_dtw_keep(int32_t *least, int32_t n, int32_t d)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t v = least[i];
        least[i] = sotto_dtw_least(v, d);
        if (v > d) d = v;
    }
}

/* scratch: 2 band + 2 + nearest numbers of 32 bits. */
static inline void sotto_dtw(const sotto_dtw_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    const int8_t *value = p->value;
    int32_t *sum = (int32_t *)scratch, *least = sum + 2 * p->band + 2;
    for (int32_t k = 0; k < p->classes; k++) {
        int32_t far = 0;
        for (int32_t i = 0; i < p->nearest; i++) least[i] = SOTTO_DTW_FAR;
        for (int32_t t = 0; t < p->each; t++, value += p->frames * p->width)
            sotto_dtw_keep(least, p->nearest, sotto_dtw_distance(p, x, value, sum));
        for (int32_t i = 0; i < p->nearest; i++) far += least[i];
        const int32_t v = sotto_requant(-far, p->multiplier, p->shift, p->single);
        y[k] = sotto_clamp_i8(v + p->out_zero, p->lo, p->hi);
    }
}

#endif
