/* lanes (private to dsp/): sixteen floats that are computed side by side. SIMD file: uses the
 * vector extension of gcc and clang, which compiles to whatever the target has, plain scalar code
 * included, with the same result everywhere up to contraction of a * b + c. Vectors are passed by
 * pointer because their calling convention depends on the target.
 *
 * Logarithm: x = 2^e m with m in [sqrt(1/2), sqrt(2)); with s = (m - 1) / (m + 1),
 * ln x = e ln 2 + 2 (s + s^3/3 + s^5/5 + s^7/7 + s^9/9). |s| <= 0.172 leaves a relative error of
 * the series below 3e-9, so what remains is float rounding, below 1e-6 relative everywhere. ln 2
 * is split so that e * LN2_HI is exact.
 */
#ifndef DSP_LANES_H
#define DSP_LANES_H

#include <stdint.h>

enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES), may_alias));

/* *x = ln *x for normal numbers above 0; anything else gives an undefined number. */
static inline void lanes_log(lanes *x)
{
    const int32_t sqrt_half = 0x3f3504f3; /* bits of sqrt(1/2) */
    const float ln2_hi = 0x1.62ep-1f, ln2_lo = 0x1.0bfbe8p-15f;
    lanes_int bits = (lanes_int)*x, e = (bits - sqrt_half) >> 23;
    lanes m = (lanes)(bits - e * (1 << 23)), n = __builtin_convertvector(e, lanes);
    lanes s = (m - 1) / (m + 1), q = s * s;
    lanes tail = q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
    *x = n * ln2_hi + (n * ln2_lo + 2 * s * tail + 2 * s);
}

/* *x = the larger of *x and *y, lane by lane. */
static inline void lanes_max(lanes *x, const lanes *y)
{
    lanes_int take = *y > *x;
    *x = (lanes)(((lanes_int)*y & take) | ((lanes_int)*x & ~take));
}

/* *sum = sum over i < n of w[i] * x[i], added in the order of i in two interleaved chains. */
static inline void lanes_dot(lanes *sum, const float *w, const lanes *x, int n)
{
    lanes even = {0}, odd = {0};
    int i = 0;
    for (; i + 1 < n; i += 2) {
        even += w[i] * x[i];
        odd += w[i + 1] * x[i + 1];
    }
    if (i < n) even += w[i] * x[i];
    *sum = even + odd;
}

/* Eight complex numbers (re, im) become their conjugates, last first. */
static inline void lanes_conjugate_backwards(lanes *x)
{
    const lanes sign = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
    *x = sign *
         __builtin_shufflevector(*x, *x, 14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
}

/* Real and imaginary parts change places. */
static inline void lanes_swap_pairs(lanes *x)
{
    *x = __builtin_shufflevector(*x, *x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
}

/* to[i] lane j = from[j] lane i, of LANES each. Four times, rows i and i + 8 are interleaved into
 * rows 2 i and 2 i + 1: that turns the bits of (row, lane) round by one each time. */
static inline void lanes_transpose(lanes *to, const lanes *from)
{
    lanes x[LANES], y[LANES];
    for (int i = 0; i < LANES; i++) x[i] = from[i];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < LANES / 2; i++) {
            lanes a = x[i], b = x[i + LANES / 2];
            y[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                               22, 7, 23);
            y[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                   29, 14, 30, 15, 31);
        }
        for (int i = 0; i < LANES; i++) x[i] = y[i];
    }
    for (int i = 0; i < LANES; i++) to[i] = x[i];
}

#endif
