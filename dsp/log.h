/* log (private to dsp/): natural logarithm of many floats, written so that compilers vectorise it.
 *
 * x = 2^e m with m in [sqrt(1/2), sqrt(2)); with s = (m - 1) / (m + 1),
 * ln x = e ln 2 + 2 (s + s^3/3 + s^5/5 + s^7/7 + s^9/9), and |s| <= 0.172 leaves a relative error
 * of the series below 3e-9: what remains is float rounding, below 1e-6 relative everywhere. ln 2 is
 * split so that e * LN2_HI is exact.
 */
#ifndef DSP_LOG_H
#define DSP_LOG_H

#include <stdint.h>
#include <string.h>

/* ln x for a normal x > 0; anything else gives an undefined number. */
static inline float dsp_log(float x)
{
    const uint32_t sqrt_half = 0x3f3504f3; /* bits of sqrt(1/2) */
    const float ln2_hi = 0x1.62ep-1f, ln2_lo = 0x1.0bfbe8p-15f;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t e = (int32_t)(bits - sqrt_half) >> 23;
    bits -= (uint32_t)e << 23;
    float m;
    memcpy(&m, &bits, sizeof m);
    float s = (m - 1) / (m + 1), q = s * s, n = (float)e;
    float tail = q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
    return n * ln2_hi + (n * ln2_lo + 2 * s * tail + 2 * s);
}

#endif
