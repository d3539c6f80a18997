/* Requantization in both rounding profiles, against its definition and against gemmlowp's form. */
#include "nn/base.h"
#include "quantize/runtime/requant.h"
#include "tests/wanted.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* The same twice rounded as gemmlowp has it: a saturating high multiply with a nudge by sign, and a
 * division by a power of two by what is cut off. */
static int32_t gemmlowp_requant(int32_t x, int32_t multiplier, int shift)
{
    const int32_t a = (int32_t)((uint32_t)x << (shift > 0 ? shift : 0)), b = multiplier;
    const int n = shift > 0 ? 0 : -shift;
    const int64_t ab = (int64_t)a * b;
    const int64_t nudge = ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);
    const int32_t high =
        a == INT32_MIN && b == INT32_MIN ? INT32_MAX : (int32_t)((ab + nudge) / ((int64_t)1 << 31));
    const int32_t mask = (int32_t)(((uint32_t)1 << n) - 1u);
    return (high >> n) + ((high & mask) > (mask >> 1) + (high < 0 ? 1 : 0) ? 1 : 0);
}

static void requant_is_the_definition(void **state)
{
    (void)state;
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 200000; i++) {
        const int bits = between(&r, 1, 29);
        const int32_t x = (int32_t)base_rng_below(&r, 1u << bits) - (1 << (bits - 1));
        const int32_t m = (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30);
        const int shift = between(&r, -31, 30 - bits);
        for (int single = 0; single <= 1; single++)
            assert_int_equal(sotto_requant(x, m, shift, single),
                             wanted_requant(x, m, shift, single));
    }
}

/* What quantize/host_isa.h says of a product and its shift n to the right. */
static int32_t by_addend(int32_t x, int32_t multiplier, int n, int single)
{
    const int64_t ab = (int64_t)x * multiplier;
    int64_t add = (int64_t)1 << (30 + n);
    if (n > 0 && !single) add += ((int64_t)1 << 30) - (ab < 0 ? (int64_t)1 << 31 : 0);
    return (int32_t)((ab + add) >> (31 + n));
}

/* One x against all ways; returns whether the profiles differ. */
static bool agrees(int32_t x, int32_t m, int shift)
{
    const int32_t twice = sotto_requant(x, m, shift, 0), once = sotto_requant(x, m, shift, 1);
    bool good = twice == gemmlowp_requant(x, m, shift) && twice == wanted_requant(x, m, shift, 0) &&
                once == wanted_requant(x, m, shift, 1);
    if (shift <= 0)
        good &= twice == by_addend(x, m, -shift, 0) && once == by_addend(x, m, -shift, 1);
    if (!good) fail_msg("%d * %d, shift %d: twice %d, once %d", x, m, shift, twice, once);
    return once != twice;
}

/* All small x, those around what gives every half and every boundary of the high half, and the
 * largest; multipliers of both signs, at their ends, in the middle, and random. */
static void both_profiles_are_exact_everywhere(void **state)
{
    (void)state;
    enum { SMALL = 2500, STEPS = 200 };
    base_rng r = base_rng_at(8, BASE_RNG_TEST, 0, 0);
    for (int shift = -31; shift <= 12; shift++) {
        const int32_t most = INT32_MAX >> (shift > 0 ? shift : 0);
        int differ = 0;
        for (int k = 0; k < 12; k++) {
            const int32_t ends[] = {1 << 30, (1 << 30) + 1, INT32_MAX, INT32_MAX - 1, 3 << 29};
            int32_t m = k / 2 < 5 ? ends[k / 2] : (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30);
            if (k % 2) m = -m;
            for (int32_t x = -SMALL; x <= SMALL; x++) differ += agrees(x, m, shift);
            for (int i = 0; i <= 8; i++) {
                differ += agrees(most - i, m, shift);
                differ += agrees(-most - (shift < 0) + i, m, shift);
            }
            for (int i = 0; i < STEPS; i++) { /* (v + 1/2) 2^(31 - shift) / m, v any */
                const double one = (31 - shift > 61 ? 1.0 : 2.0) * (double)most;
                const double v = floor((base_rng_uniform(&r) - 0.5) * one * fabs((double)m) /
                                       ldexp(1, 31 - shift)) +
                                 0.5;
                const double at = v * ldexp(1, 31 - shift) / m;
                for (int d = -3; d <= 3; d++)
                    if (fabs(at) < most - 4.0) differ += agrees((int32_t)floor(at) + d, m, shift);
            }
        }
        if (shift < 0)
            assert_true(differ > 0);
        else
            assert_int_equal(differ, 0);
    }
}

static void rounding_of_halves(void **state)
{
    (void)state;
    assert_int_equal(sotto_high_mul(INT32_MIN, INT32_MIN), INT32_MAX);
    assert_int_equal(sotto_high_mul(1, 1 << 30), 1);   /* 0.5 up */
    assert_int_equal(sotto_high_mul(-1, 1 << 30), 0);  /* -0.5 up */
    assert_int_equal(sotto_high_mul(-3, 1 << 30), -1); /* -1.5 up */
    assert_int_equal(sotto_round_shift(3, 1), 2);      /* 1.5 away from zero */
    assert_int_equal(sotto_round_shift(-3, 1), -2);
    assert_int_equal(sotto_round_shift(-1, 1), -1);
    assert_int_equal(sotto_round_shift(INT32_MAX, 31), 1);
    assert_int_equal(sotto_round_shift(INT32_MIN, 31), -1);
    assert_int_equal(sotto_round_shift(-7, 0), -7);
    /* twice rounded: 0.4999 of 3 bits becomes a half, then 1 */
    assert_int_equal(sotto_requant(1, INT32_MAX, -1, 0), 1);
    assert_int_equal(sotto_requant(1, INT32_MAX, -1, 1), 0);
    assert_int_equal(sotto_requant(-6, 1 << 30, -1, 0), -2); /* -1.5 away from zero */
    assert_int_equal(sotto_requant(-6, 1 << 30, -1, 1), -1); /* up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requant_is_the_definition),
        cmocka_unit_test(both_profiles_are_exact_everywhere),
        cmocka_unit_test(rounding_of_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
