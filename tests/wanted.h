/* wanted: requantization from its definition, for tests of kernels. */
#ifndef TESTS_WANTED_H
#define TESTS_WANTED_H

#include <stdint.h>

static inline int64_t floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* round(a / b), halves away from zero; b > 0 */
static inline int64_t away_div(int64_t a, int64_t b)
{
    const int64_t whole = (a < 0 ? -a : a) / b, rest = (a < 0 ? -a : a) % b;
    const int64_t rounded = whole + (2 * rest >= b ? 1 : 0);
    return a < 0 ? -rounded : rounded;
}

static inline int64_t wanted_requant(int64_t x, int64_t multiplier, int shift, int single)
{
    if (single) { /* halves up */
        const int64_t one = (int64_t)1 << (31 - shift), product = x * multiplier;
        const int64_t whole = floor_div(product, one);
        return whole + (product - whole * one >= one / 2 ? 1 : 0);
    }
    if (shift > 0) x *= (int64_t)1 << shift;
    /* halves up: floor(ab / 2^31 + 1/2) */
    const int64_t high = floor_div(x * multiplier + ((int64_t)1 << 30), (int64_t)1 << 31);
    return shift < 0 ? away_div(high, (int64_t)1 << -shift) : high;
}

#endif
