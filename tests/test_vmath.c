/* nn/vmath.h in float against libm in long double: bounds over the whole range of floats (every
 * 4099th bit pattern and those around the edges), and what NaN, infinities and zeros become. */
#include "tests/check.h"

#include "nn/vmath.h"

/* Calls visit for floats from -infinity to infinity in every binade, NaN left out. */
static void over_the_floats(void (*visit)(float x))
{
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 4099) {
        uint32_t u = (uint32_t)bits;
        float x;
        memcpy(&x, &u, sizeof x);
        if (!isnan(x)) visit(x);
    }
}

/* Calls visit for the float nearest to x and 2000 neighbours on both sides. */
static void around(float x, void (*visit)(float x))
{
    for (int i = 0; i < 2000; i++) x = nextafterf(x, -INFINITY);
    for (int i = 0; i < 4000; i++, x = nextafterf(x, INFINITY)) visit(x);
}

/* |is - expected| in distances of neighbouring floats at expected; denormals are 2^-149 apart. What
 * rounds to infinity must be infinite. */
static void within(const char *what, float x, float is, long double expected, double ulps)
{
    long double error = (long double)INFINITY;
    if (isinf((float)expected) && isinf(is)) return;
    if (!isinf((float)expected)) {
        int exponent = expected == 0 ? -126 : (int)fmaxl(logbl(expected), -126);
        error = fabsl((long double)is - expected) / scalbnl(1, exponent - 23);
    }
    if (!(error <= (long double)ulps))
        fail_msg("%s(%.9g) is %.9g, expected %.9Lg: %.3Lg ulp, allowed %g", what, (double)x,
                 (double)is, expected, error, ulps);
}

/* ---- exp ---- */

static void exp_at(float x)
{
    within("exp", x, nn_vexp(x), expl((long double)x), 1.1);
}

static void exp_is_within_1_1_ulp(void **state)
{
    (void)state;
    over_the_floats(exp_at);
    for (int n = -150; n < 128; n++)
        around((float)((n + 0.5) * log(2)), exp_at); /* where n steps */
    around(88.7228394f, exp_at);                     /* ln FLT_MAX */
    around(-87.3365448f, exp_at);
    around(-103.972077f, exp_at);
    around(89, exp_at);
    around(-104, exp_at);
}

static void exp_at_its_ends(void **state)
{
    (void)state;
    assert_true(nn_vexp(0.0f) == 1 && nn_vexp(-0.0f) == 1);
    assert_true(nn_vexp(88.7228317f) < INFINITY && nn_vexp(88.7228394f) == INFINITY);
    assert_true(nn_vexp(INFINITY) == INFINITY && nn_vexp(1e30f) == INFINITY);
    assert_true(nn_vexp(-103.9f) > 0 && nn_vexp(-104) == 0);
    assert_true(nn_vexp(-INFINITY) == 0 && nn_vexp(-1e30f) == 0);
    assert_true(isnan(nn_vexp(NAN)) && isnan(nn_vexp(-NAN)));
}

/* ---- logistic, tanh ---- */

/* Below -88.7 exp(-x) is infinite; what is then 0 should be less than 3e-39. */
static void logistic_at(float x)
{
    long double expected = 1 / (1 + expl(-(long double)x));
    float is = nn_vlogistic(x);
    if (expected < 3e-39L)
        assert_true(is >= 0 && is <= 3e-39f);
    else
        within("logistic", x, is, expected, 3);
}

static void tanh_at(float x)
{
    within("tanh", x, nn_vtanh(x), tanhl((long double)x), 3);
    assert_true(nn_vtanh(-x) == -nn_vtanh(x));
}

static void logistic_and_tanh_are_within_3_ulp(void **state)
{
    (void)state;
    over_the_floats(logistic_at);
    over_the_floats(tanh_at);
    for (float x = -12; x < 12; x += 0.37f) around(x, logistic_at), around(x, tanh_at);
    around(-88.7228394f, logistic_at);
}

static void logistic_and_tanh_at_their_ends(void **state)
{
    (void)state;
    assert_true(nn_vlogistic(0) == 0.5f);
    assert_true(nn_vlogistic(INFINITY) == 1 && nn_vlogistic(-INFINITY) == 0);
    assert_true(nn_vtanh(INFINITY) == 1 && nn_vtanh(-INFINITY) == -1);
    assert_true(nn_vtanh(0.0f) == 0 && !signbit(nn_vtanh(0.0f)) && signbit(nn_vtanh(-0.0f)));
    assert_true(isnan(nn_vlogistic(NAN)) && isnan(nn_vtanh(NAN)));
}

/* ---- the normal distribution ---- */

static void normal_at(float x)
{
    const long double wide = (long double)x, two_pi = 6.283185307179586477L;
    nn_normal_at p = nn_vnormal(x);
    long double below = erfcl(-wide / sqrtl(2)) / 2,
                density = expl(-wide * wide / 2) / sqrtl(two_pi);
    if (!(fabsl((long double)p.below - below) <= 3e-7L))
        fail_msg("the share below %.9g is %.9g, expected %.9Lg", (double)x, (double)p.below, below);
    if (!(fabsl((long double)p.density - density) <= 3e-7L))
        fail_msg("the density at %.9g is %.9g, expected %.9Lg", (double)x, (double)p.density,
                 density);
}

static void normal_is_within_3e_7(void **state)
{
    (void)state;
    over_the_floats(normal_at);
    for (float x = -14; x < 14; x += 0.37f) around(x, normal_at);
    assert_true(nn_vnormal(INFINITY).below == 1 && nn_vnormal(-INFINITY).below == 0);
    assert_true(nn_vnormal(INFINITY).density == 0 && nn_vnormal(-INFINITY).density == 0);
    assert_true(isnan(nn_vnormal(NAN).below) && isnan(nn_vnormal(NAN).density));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_1_1_ulp),
        cmocka_unit_test(exp_at_its_ends),
        cmocka_unit_test(logistic_and_tanh_are_within_3_ulp),
        cmocka_unit_test(logistic_and_tanh_at_their_ends),
        cmocka_unit_test(normal_is_within_3e_7),
    };
    return cmocka_run_group_tests_name("vmath", tests, NULL, NULL);
}
