/* melbands: from the samples of a frame to the logarithms of its mel bands, in integers.
 *
 *     samples -> [pre-emphasis] -> window -> FFT -> |X| or |X|^2 -> triangles -> ln(x + floor)
 *
 * A frame is scaled by a power of two to what the FFT takes, so that quiet and loud ones are as
 * exact. Triangles overlap: the bins between two neighbouring edges count with u in the band that
 * rises there and with 1 - u in the one that falls, so that one weight and two sums do. The bins of
 * such a segment are scaled to 16 bits before they are squared.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_MELBANDS_H
#define SOTTO_MELBANDS_H

#include "quantize/runtime/rfft.h"
#include "quantize/runtime/roots.h"

#define SOTTO_FINE 6

typedef struct sotto_melbands_t {
    sotto_rfft_t fft;
    int32_t window;           /* samples, at most fft.n */
    int32_t ascending;        /* the first so many, an even number, read `shape` forwards, */
    int32_t mirror;           /* sample i after them shape[mirror - i] */
    const int16_t *shape;     /* the window function, Q15 */
    int32_t ends;             /* an even number: where the window is below 2^-SOTTO_FINE, or 0 */
    const int16_t *end_shape; /* [ends + 2] the window's start times 2^(15 + SOTTO_FINE) */
    int32_t preemphasis;      /* Q15; 0: none */
    int32_t bits;             /* windowed samples are below 2^bits */
    int32_t power;            /* 1: |X|^2, 0: |X| */
    int32_t mels;             /* bands */
    int32_t unit;             /* exponent of X for samples in [-1, 1) that were not scaled up */
    const uint16_t *edge;     /* [mels + 2] segment s holds bins edge[s] .. edge[s + 1] - 1 */
    const uint16_t *rise;     /* [edge[mels + 1] - edge[0]] u, Q15 */
    int32_t own;              /* 1: floor and gain for every band, 0: one for all */
    int32_t floor_max;        /* 1: ln(max(x, floor)), 0: ln(x + floor) */
    int32_t floor_exponent;
    const int32_t *floor; /* [mels or 1] times 2^floor_exponent, over the band's gain */
    const int32_t *gain;  /* [mels or 1] ln of the band's gain, Q15.16 */
} sotto_melbands_t;

/* v * 2^up */
static inline int32_t sotto_shifted(int32_t v, int32_t up)
{
    return up >= 0 ? (int32_t)((uint32_t)v << up) : v >> -up;
}

/* Sample i with pre-emphasis, times 2^14. */
static inline int32_t sotto_emphasized(const int16_t *x, int32_t i, int32_t a)
{
    return ((int32_t)x[i] * 32768 - x[i - 1] * a) >> 1;
}

/* All bits of the magnitudes of samples from .. to - 1, of which -1 - x is that of x < 0; 0 when
 * all are 0. */
static inline uint32_t sotto_frame_or(const sotto_melbands_t *p, const int16_t *x, int32_t from,
                                      int32_t to)
{
    uint32_t all = 0;
    int32_t some = 0;
    if (p->preemphasis)
        for (int32_t i = from; i < to; i++) {
            const int32_t v = sotto_emphasized(x, i, p->preemphasis);
            all |= (uint32_t)(v ^ (v >> 31));
            some |= v;
        }
    else
        for (int32_t i = from; i < to; i++) {
            const int32_t v = x[i];
            all |= (uint32_t)(v ^ (v >> 15));
            some |= v;
        }
    return all | (some != 0 ? 1u : 0u);
}

#define SOTTO_SILENT (-32)

/* The bits of the largest magnitude, where the window is small less by SOTTO_FINE; SOTTO_SILENT:
 * all samples are 0. */
static inline int32_t sotto_frame_bits(const sotto_melbands_t *p, const int16_t *x)
{
    const int32_t n = p->window, end = p->ends > 0 ? n - p->ends + 2 : n;
    const uint32_t middle = sotto_frame_or(p, x, p->ends, end);
    const uint32_t ends = sotto_frame_or(p, x, 0, p->ends) | sotto_frame_or(p, x, end, n);
    const int32_t bits = middle == 0 ? SOTTO_SILENT : 32 - sotto_zeros(middle);
    const int32_t fine = ends == 0 ? SOTTO_SILENT : 32 - sotto_zeros(ends) - SOTTO_FINE;
    return bits > fine ? bits : fine;
}

/* Sample i under weight w / 2^(15 + fine), times 2^(up + bits - 15) (with pre-emphasis
 * 2^(up + bits - 16)): below 2^bits. */
static inline int32_t sotto_weighted(const sotto_melbands_t *p, const int16_t *x, int32_t i,
                                     int32_t w, int32_t up, int32_t fine)
{
    if (p->preemphasis) {
        const int32_t v = sotto_emphasized(x, i, p->preemphasis);
        return sotto_mul_w(sotto_shifted(v, up - fine), w) >> (29 - p->bits);
    }
    const int32_t shift = up + p->bits - 30 - fine;
    const int32_t left = shift > 0 ? shift : 0, right = shift < 0 ? -shift : 0;
    return (int32_t)((uint32_t)(x[i] * w) << left) >> right;
}

/* Samples from .. to - 1, an even number of them, weighted by w[0], w[step] ... */
static inline void sotto_weigh(const sotto_melbands_t *p, const int16_t *x, int32_t from,
                               int32_t to, const int16_t *w, int32_t step, int32_t up, int32_t fine,
                               int32_t *y)
{
    const uint16_t *order = p->fft.order + (from >> 1);
    for (int32_t i = from; i < to; i += 2, w += 2 * step) {
        int32_t *at = y + 2 * *order++;
        at[0] = sotto_weighted(p, x, i, w[0], up, fine);
        at[1] = sotto_weighted(p, x, i + 1, w[step], up, fine);
    }
}

/* The windowed frame into y, in the order that the FFT wants. */
static inline void sotto_window_frame(const sotto_melbands_t *p, const int16_t *x, int32_t up,
                                      int32_t *y)
{
    const int32_t n = p->window, even = n & ~1, half = p->ascending;
    const int32_t end = p->ends > 0 ? (p->mirror - p->ends) & ~1 : even; /* small again from here */
    sotto_weigh(p, x, p->ends, half, p->shape + p->ends, 1, up, 0, y);
    sotto_weigh(p, x, half, end, p->shape + (p->mirror - half), -1, up, 0, y);
    if (p->ends > 0) {
        sotto_weigh(p, x, 0, p->ends, p->end_shape, 1, up, SOTTO_FINE, y);
        sotto_weigh(p, x, end, even, p->end_shape + (p->mirror - end), -1, up, SOTTO_FINE, y);
    }
    for (int32_t i = even; i < p->fft.n; i += 2) {
        int32_t *at = y + 2 * p->fft.order[i >> 1];
        at[0] = at[1] = 0;
    }
    if (even < n) {
        const int32_t fine = p->ends > 0 ? SOTTO_FINE : 0;
        const int16_t *w = p->ends > 0 ? p->end_shape : p->shape;
        y[2 * p->fft.order[even >> 1]] = sotto_weighted(p, x, even, w[p->mirror - even], up, fine);
    }
}

/* ---- spectrum ---- */

/* Sums over a segment, times 2^exponent: of the bins that rise and of those that fall. */
typedef struct sotto_segment_t {
    sotto_scaled_t rise, fall;
} sotto_segment_t;

/* |x|^2 / 2^15 of a bin scaled to 16 bits by 2^(left - right), or |x| */
static inline uint32_t sotto_bin(const int32_t *x, int32_t left, int32_t right, int32_t power)
{
    const int32_t re = (int32_t)((uint32_t)x[0] << left) >> right;
    const int32_t im = (int32_t)((uint32_t)x[1] << left) >> right;
    const uint32_t square = (uint32_t)(re * re) + (uint32_t)(im * im);
    return power ? (square + (1u << 14)) >> 15 : sotto_sqrt(square);
}

/* n bins from x on; bins mean 2^exponent. At most 512 of them, or sums overflow. */
static inline sotto_segment_t sotto_segment(const sotto_melbands_t *p, const int32_t *x,
                                            const uint16_t *u, int32_t n, int32_t exponent)
{
    uint32_t all = 0, sum = 0, rise = 0;
    for (int32_t i = 0; i < 2 * n; i++) all |= (uint32_t)(x[i] ^ (x[i] >> 31));
    const int32_t up = all == 0 ? 0 : sotto_zeros(all) - 17;
    const int32_t left = up > 0 ? up : 0, right = up < 0 ? -up : 0;
    for (int32_t i = 0; i < n; i++) {
        const uint32_t v = sotto_bin(x + 2 * i, left, right, p->power);
        sum += v;
        rise += v * u[i] >> 9;
    }
    sotto_segment_t s;
    const int32_t unit = p->power ? 2 * (exponent - up) + 15 - 6 : exponent - up - 6;
    s.rise = sotto_normalized(rise, unit);
    s.fall = sotto_normalized((sum << 6) - rise, unit);
    return s;
}

/* ln of every band from the spectrum, into y, which may be the spectrum's own memory. */
static inline void sotto_bands(const sotto_melbands_t *p, const int32_t *x, int32_t exponent,
                               int32_t *y)
{
    sotto_scaled_t rise = {0, SOTTO_SCALED_ZERO};
    const uint16_t *u = p->rise, *edge = p->edge;
    for (int32_t s = 0; s <= p->mels; s++) {
        const int32_t n = edge[s + 1] - edge[s];
        const sotto_segment_t segment = sotto_segment(p, x + 2 * edge[s], u, n, exponent);
        if (s > 0) {
            const int32_t at = p->own ? s - 1 : 0;
            const sotto_scaled_t sum = sotto_scaled_add(rise, segment.fall);
            const sotto_scaled_t least =
                sotto_normalized((uint32_t)p->floor[at], p->floor_exponent);
            const sotto_scaled_t v =
                p->floor_max ? sotto_scaled_max(sum, least) : sotto_scaled_add(sum, least);
            y[s - 1] = sotto_ln(v) + p->gain[at];
        }
        rise = segment.rise;
        u += n;
    }
}

/* Logarithms of the mel bands of a frame, Q15.16, into y[0 .. mels - 1]. y: fft.n numbers, more
 * than there are bands. 0 when all samples were 0, else 1. x[-1] is read with pre-emphasis only. */
static inline int32_t sotto_melbands(const sotto_melbands_t *p, const int16_t *x, int32_t *y)
{
    const int32_t bits = sotto_frame_bits(p, x), most = p->preemphasis ? 30 : 15;
    const int32_t up = bits == SOTTO_SILENT ? 0 : most - bits;
    sotto_window_frame(p, x, up, y);
    sotto_rfft_complex(&p->fft, y);
    sotto_rfft_split(&p->fft, y, p->edge[0], p->edge[p->mels + 1]);
    sotto_bands(p, y, p->unit - up, y);
    return bits > SOTTO_SILENT;
}

#endif
