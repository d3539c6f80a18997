/* rfft: the discrete Fourier transform of real numbers in 32-bit integers with 16-bit twiddle
 * factors, in place: n reals are a transform of n/2 complex numbers, decimated in time, in stages
 * of radix 4, 2, 3 and 5, then its two halves are taken apart (Sorensen et al., IEEE Trans. ASSP
 * 35(6), 1987). Every stage but the first halves what it reads, so that with |x| < 2^bits (host:
 * fixed tables) nothing overflows and results keep some 30 bits.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_RFFT_H
#define SOTTO_RFFT_H

#include "quantize/runtime/wide.h"

typedef struct sotto_rfft_t {
    int32_t n;            /* real points: a multiple of 4, n/2 without other factors than 2, 3, 5 */
    int32_t stages;       /* of the complex transform */
    const uint8_t *radix; /* [stages] the first is 4 or 2 */
    const uint16_t *turn; /* [stages] angle between neighbours in a stage, in 2 pi / n */
    const uint16_t *order; /* [n/2] where complex input i belongs */
    const int16_t *cosine; /* [n/4 + 1] 2^15 cos(2 pi i / n), 2^15 - 1 for 2^15 */
} sotto_rfft_t;

typedef struct sotto_complex_t {
    int32_t re, im;
} sotto_complex_t;

/* The pair of 2^15 cos and sin of 2 pi i / n, 0 <= i < n */
static inline int32_t sotto_twiddle(const sotto_rfft_t *p, int32_t i)
{
    const int16_t *c = p->cosine;
    const int32_t quarter = p->n >> 2, half = p->n >> 1;
    if (i <= quarter) return sotto_pair(c[i], c[quarter - i]);
    if (i <= half) return sotto_pair(-c[half - i], c[i - quarter]);
    if (i <= half + quarter) return sotto_pair(-c[i - half], -c[half + quarter - i]);
    return sotto_pair(c[p->n - i], -c[i - half - quarter]);
}

/* x / (2 w), |w| = 1: a leg of a butterfly */
static inline sotto_complex_t sotto_leg(const int32_t *x, int32_t w)
{
    const int32_t re = x[0], im = x[1];
    const sotto_complex_t y = {sotto_add_high(sotto_mul_low(re, w), im, w),
                               sotto_mul_low(im, w) - sotto_mul_high(re, w)};
    return y;
}

static inline sotto_complex_t sotto_half(const int32_t *x)
{
    const sotto_complex_t y = {x[0] >> 1, x[1] >> 1};
    return y;
}

static inline sotto_complex_t sotto_whole(const int32_t *x)
{
    const sotto_complex_t y = {x[0], x[1]};
    return y;
}

static inline void sotto_butterfly2(int32_t *x, int32_t step, sotto_complex_t a, sotto_complex_t b)
{
    x[0] = a.re + b.re;
    x[1] = a.im + b.im;
    x[step] = a.re - b.re;
    x[step + 1] = a.im - b.im;
}

static inline void sotto_butterfly4(int32_t *x, int32_t step, sotto_complex_t a, sotto_complex_t b,
                                    sotto_complex_t c, sotto_complex_t d)
{
    const sotto_complex_t even = {a.re + c.re, a.im + c.im}, odd = {a.re - c.re, a.im - c.im};
    const sotto_complex_t sum = {b.re + d.re, b.im + d.im}, rest = {b.re - d.re, b.im - d.im};
    x[0] = even.re + sum.re;
    x[1] = even.im + sum.im;
    x[step] = odd.re + rest.im;
    x[step + 1] = odd.im - rest.re;
    x[2 * step] = even.re - sum.re;
    x[2 * step + 1] = even.im - sum.im;
    x[3 * step] = odd.re - rest.im;
    x[3 * step + 1] = odd.im + rest.re;
}

static inline void sotto_butterfly3(int32_t *x, int32_t step, sotto_complex_t a, sotto_complex_t b,
                                    sotto_complex_t c)
{
    const sotto_complex_t sum = {b.re + c.re, b.im + c.im};
    const sotto_complex_t mid = {a.re - (sum.re >> 1), a.im - (sum.im >> 1)};
    const int32_t sine = 28378; /* 2^15 sin(2 pi / 3) */
    const int32_t re = 2 * sotto_mul_w(b.im - c.im, sine), im = 2 * sotto_mul_w(c.re - b.re, sine);
    x[0] = a.re + sum.re;
    x[1] = a.im + sum.im;
    x[step] = mid.re + re;
    x[step + 1] = mid.im + im;
    x[2 * step] = mid.re - re;
    x[2 * step + 1] = mid.im - im;
}

/* Outputs near and 5 - near of five: a + near' s1 + far' s2 -+ j (d1 sine1 + d2 sine2). */
static inline void sotto_butterfly5_pair(int32_t *y, int32_t *z, sotto_complex_t a,
                                         sotto_complex_t s1, sotto_complex_t s2, sotto_complex_t d1,
                                         sotto_complex_t d2, const int32_t w[4])
{
    const int32_t re = a.re + 2 * sotto_add_w(sotto_mul_w(s1.re, w[0]), s2.re, w[1]);
    const int32_t im = a.im + 2 * sotto_add_w(sotto_mul_w(s1.im, w[0]), s2.im, w[1]);
    const int32_t turned_re = 2 * sotto_add_w(sotto_mul_w(d1.im, w[2]), d2.im, w[3]);
    const int32_t turned_im = 2 * sotto_add_w(sotto_mul_w(d1.re, w[2]), d2.re, w[3]);
    y[0] = re + turned_re;
    y[1] = im - turned_im;
    z[0] = re - turned_re;
    z[1] = im + turned_im;
}

static inline void sotto_butterfly5(int32_t *x, int32_t step, sotto_complex_t a, sotto_complex_t b,
                                    sotto_complex_t c, sotto_complex_t d, sotto_complex_t e)
{
    /* 2^15 times cos and sin of 72 and 144 degrees */
    static const int32_t first[4] = {10126, -26510, 31164, 19261};
    static const int32_t second[4] = {-26510, 10126, 19261, -31164};
    const sotto_complex_t s1 = {b.re + e.re, b.im + e.im}, d1 = {b.re - e.re, b.im - e.im};
    const sotto_complex_t s2 = {c.re + d.re, c.im + d.im}, d2 = {c.re - d.re, c.im - d.im};
    x[0] = a.re + s1.re + s2.re;
    x[1] = a.im + s1.im + s2.im;
    sotto_butterfly5_pair(x + step, x + 4 * step, a, s1, s2, d1, d2, first);
    sotto_butterfly5_pair(x + 2 * step, x + 3 * step, a, s1, s2, d1, d2, second);
}

/* The first stage: neighbours, without twiddle factors and without halving. */
static inline void sotto_rfft_first(const sotto_rfft_t *p, int32_t *x)
{
    const int32_t *end = x + p->n;
    if (p->radix[0] == 4)
        for (; x < end; x += 8)
            sotto_butterfly4(x, 2, sotto_whole(x), sotto_whole(x + 2), sotto_whole(x + 4),
                             sotto_whole(x + 6));
    else
        for (; x < end; x += 4) sotto_butterfly2(x, 2, sotto_whole(x), sotto_whole(x + 2));
}

/* Butterflies at x, x + radix step, ... below end; legs are `step` apart. All with the angle 0. */
static inline void sotto_rfft_plain(int32_t radix, int32_t *x, const int32_t *end, int32_t step)
{
    for (; x < end; x += radix * step) {
        const sotto_complex_t a = sotto_half(x), b = sotto_half(x + step);
        if (radix == 2) {
            sotto_butterfly2(x, step, a, b);
            continue;
        }
        const sotto_complex_t c = sotto_half(x + 2 * step);
        if (radix == 3) {
            sotto_butterfly3(x, step, a, b, c);
            continue;
        }
        const sotto_complex_t d = sotto_half(x + 3 * step);
        if (radix == 4)
            sotto_butterfly4(x, step, a, b, c, d);
        else
            sotto_butterfly5(x, step, a, b, c, d, sotto_half(x + 4 * step));
    }
}

/* The same with legs turned back by w[0], w[1] ... */
static inline void sotto_rfft_turned(int32_t radix, int32_t *x, const int32_t *end, int32_t step,
                                     const int32_t w[4])
{
    for (; x < end; x += radix * step) {
        const sotto_complex_t a = sotto_half(x), b = sotto_leg(x + step, w[0]);
        if (radix == 2) {
            sotto_butterfly2(x, step, a, b);
            continue;
        }
        const sotto_complex_t c = sotto_leg(x + 2 * step, w[1]);
        if (radix == 3) {
            sotto_butterfly3(x, step, a, b, c);
            continue;
        }
        const sotto_complex_t d = sotto_leg(x + 3 * step, w[2]);
        if (radix == 4)
            sotto_butterfly4(x, step, a, b, c, d);
        else
            sotto_butterfly5(x, step, a, b, c, d, sotto_leg(x + 4 * step, w[3]));
    }
}

static inline void sotto_rfft_stage(const sotto_rfft_t *p, int32_t radix, int32_t turn, int32_t *x,
                                    int32_t step)
{
    const int32_t *end = x + p->n;
    sotto_rfft_plain(radix, x, end, step);
    for (int32_t k = 2, angle = turn; k < step; k += 2, angle += turn) {
        int32_t w[4];
        for (int32_t leg = 0, at = angle; leg < radix - 1; leg++, at += angle)
            w[leg] = sotto_twiddle(p, at);
        sotto_rfft_turned(radix, x + k, end, step, w);
    }
}

/* The complex transform: x holds inputs (real, imaginary) in the order of p->order. */
static inline void sotto_rfft_complex(const sotto_rfft_t *p, int32_t *x)
{
    int32_t step = 2 * p->radix[0];
    sotto_rfft_first(p, x);
    for (int32_t s = 1; s < p->stages; s++) {
        const int32_t radix = p->radix[s], turn = p->turn[s];
        if (radix == 4)
            sotto_rfft_stage(p, 4, turn, x, step);
        else if (radix == 2)
            sotto_rfft_stage(p, 2, turn, x, step);
        else if (radix == 3)
            sotto_rfft_stage(p, 3, turn, x, step);
        else
            sotto_rfft_stage(p, 5, turn, x, step);
        step *= radix;
    }
}

/* From the transform of n/2 complex numbers to bins lo .. hi - 1 of that of n reals, at x[2k] and
 * x[2k + 1]; 1 <= lo, hi <= n/2. Other bins are lost. */
static inline void sotto_rfft_split(const sotto_rfft_t *p, int32_t *x, int32_t lo, int32_t hi)
{
    const int32_t half = p->n >> 1, quarter = p->n >> 2;
    const int32_t last = hi <= quarter ? hi - 1 : quarter;
    int32_t k = half - hi + 1; /* the first of which bin half - k is wanted */
    if (k > lo) k = lo;
    for (; k <= last; k++) {
        int32_t *near = x + 2 * k, *far = x + 2 * (half - k);
        const sotto_complex_t sum = {(near[0] + far[0]) >> 1, (near[1] - far[1]) >> 1};
        const sotto_complex_t rest = {near[0] - far[0], near[1] + far[1]};
        const int32_t c = p->cosine[k], s = p->cosine[quarter - k];
        /* rest / (2j w) */
        const int32_t re = sotto_mul_w(rest.im, c) - sotto_mul_w(rest.re, s);
        const int32_t im = sotto_add_w(sotto_mul_w(rest.re, c), rest.im, s);
        near[0] = sum.re + re;
        near[1] = sum.im - im;
        if (half - k >= hi) continue;
        far[0] = sum.re - re;
        far[1] = -sum.im - im;
    }
}

#endif
