/* vmath: exponential functions as straight lines of arithmetic, so that gcc and clang make vector
 * code of a loop over them. In the double build they are libm's. NaN gives NaN. The bounds are
 * those that tests/test_vmath.c checks; one ulp is the distance of two neighbouring floats. */
#ifndef NN_VMATH_H
#define NN_VMATH_H

#include "nn/nn.h"

#include <math.h>
#include <string.h>

/* The normal distribution at x: the share of it below x, and its density. */
typedef struct nn_normal_at {
    nn_real below, density;
} nn_normal_at;

#ifdef NN_DOUBLE

static inline nn_real nn_vexp(nn_real x)
{
    return exp(x);
}

static inline nn_real nn_vtanh(nn_real x)
{
    return tanh(x);
}

static inline nn_normal_at nn_vnormal(nn_real x)
{
    const double root_half = 0.70710678118654752, root_two_pi = 2.5066282746310005;
    return (nn_normal_at){erfc(-x * root_half) / 2, exp(-x * x / 2) / root_two_pi};
}

#else

/* exp(x) = 2^n (1 + m) with n whole and |m| <= 0.42, 2^n as the product of low and high: one number
 * cannot hold 2^128 or 2^-150. */
typedef struct nn_exp_parts {
    float m, low, high;
} nn_exp_parts;

/* x must be NaN or in [-104, 89]. x = n ln 2 + r (Cody and Waite, "Software Manual for the
 * Elementary Functions", 1980): adding 1.5 * 2^23 leaves n in the last bits, and the first part of
 * ln 2 is short enough for n times it to be exact. exp(r) - 1 is Taylor's sum up to r^7/7!, which
 * for |r| <= ln(2)/2 is off by 5e-9 of exp(r). */
static inline nn_exp_parts nn_exp_split(float x)
{
    const float to_whole = 12582912, ln2_first = 0.693359375f, ln2_rest = -2.12194440e-4f;
    float shifted = x * 1.44269504f + to_whole, n = shifted - to_whole;
    float r = x - n * ln2_first - n * ln2_rest;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    uint32_t bits, low, high;
    memcpy(&bits, &shifted, sizeof bits);
    bits += 256 - 0x4b400000u; /* n + 256; 0x4b400000 is to_whole. Unsigned, for NaN may wrap */
    low = ((bits >> 1) - 1) << 23;
    high = (bits - (bits >> 1) - 1) << 23;
    nn_exp_parts e = {.m = p * r * r + r};
    memcpy(&e.low, &low, sizeof low);
    memcpy(&e.high, &high, sizeof high);
    return e;
}

/* exp(x), within 1.1 ulp; infinite above ln FLT_MAX, through the denormals to 0. */
static inline nn_real nn_vexp(nn_real x)
{
    x = x > 89 ? 89 : x;
    x = x < -104 ? -104 : x;
    nn_exp_parts e = nn_exp_split(x);
    return (1 + e.m) * e.low * e.high;
}

/* tanh(x) = k / (k + 2), k = exp(2 |x|) - 1 without cancellation, with the sign of x; within 3 ulp.
 * From 10 on it is 1. */
static inline nn_real nn_vtanh(nn_real x)
{
    float size = fabsf(x);
    nn_exp_parts e = nn_exp_split(2 * (size > 10 ? 10 : size));
    float power = e.low * e.high, k = power * e.m + (power - 1);
    return copysignf(k / (k + 2), x);
}

/* Both within 3e-7. The share beyond z = |x| is t exp(-z^2 / 2) p(u) with t = 4 / (4 + z) and
 * u = 2t - 1, which takes [0, infinity) to (-1, 1]: what is left for p is smooth. p interpolates it
 * at the Chebyshev points of degree 9; its error is 4e-8 of the share. */
static inline nn_normal_at nn_vnormal(nn_real x)
{
    float z = fabsf(x), t = 4 / (4 + z), u = 2 * t - 1, e = nn_vexp(-0.5f * z * z);
    float p = 3.93301419e-05f;
    p = p * u + 3.23314205e-05f;
    p = p * u - 3.90946724e-04f;
    p = p * u - 8.69041974e-04f;
    p = p * u + 1.87805784e-03f;
    p = p * u + 1.50988240e-02f;
    p = p * u + 4.66316777e-02f;
    p = p * u + 9.67843907e-02f;
    p = p * u + 1.51974101e-01f;
    p = p * u + 1.88821282e-01f;
    float beyond = t * e * p;
    return (nn_normal_at){x < 0 ? beyond : 1 - beyond, e * 0.398942280f};
}

#endif

/* The logistic function 1 / (1 + exp(-x)), in float within 3 ulp and 0 below -88.7. */
static inline nn_real nn_vlogistic(nn_real x)
{
    return 1 / (1 + nn_vexp(-x));
}

#endif
