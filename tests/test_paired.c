/* Paired tests against published examples, and against counting all that can happen. */
#include "data/paired.h"
#include "nn/base.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fagerland, Lydersen and Laake (2013), table 2: airway hyper-responsiveness of 21 children before
 * and after a transplantation, 1 against 7 discordant. Their mid-p is 0.039 (exact: 0.0703). */
static void mcnemar_of_the_published_example(void **state)
{
    (void)state;
    assert_true(fabs(data_mcnemar(1, 7) - 0.039) < 0.0005);
    assert_true(fabs(data_mcnemar(7, 1) - (0.0703125 - 8.0 / 256)) < 1e-12);
}

/* All 2^n ways in which n fair coins fall: those further from even count, those as far count half.
 */
static void mcnemar_equals_counting_all_outcomes(void **state)
{
    (void)state;
    for (int n = 1; n <= 14; n++) {
        for (int k = 0; k <= n; k++) {
            long halves = 0;
            for (int outcome = 0; outcome < 1 << n; outcome++) {
                const int heads = __builtin_popcount((unsigned)outcome);
                const int far = abs(2 * heads - n), here = abs(2 * k - n);
                halves += far > here ? 2 : far == here;
            }
            const double wanted = 2 * k == n ? 1 : (double)halves / (double)(2L << n);
            assert_true(fabs(data_mcnemar(k, n - k) - wanted) < 1e-12);
        }
    }
}

static void mcnemar_of_none_and_of_many(void **state)
{
    (void)state;
    assert_true(data_mcnemar(0, 0) == 1);
    assert_true(data_mcnemar(0, 1) == 0.5);
    assert_true(data_mcnemar(5000, 0) >= 0 && data_mcnemar(5000, 0) < 1e-300);
    /* many: the normal approximation is as good, z = (b - c) / sqrt(b + c) */
    const double z = 300 / sqrt(120300.0), p = data_mcnemar(60000, 60300);
    assert_true(fabs(p - erfc(z / sqrt(2.0))) < 1e-3);
}

static double binomial(int n, int k, double p)
{
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) * pow(p, k) * pow(1 - p, n - k);
}

/* How often the interval holds the true difference: the sum over everything that n pairs can be. */
static double coverage(int n, double a, double b)
{
    double held = 0;
    for (int k = 0; k <= n; k++) {              /* discordant */
        for (int only = 0; only <= k; only++) { /* of them right by a */
            double lo, hi;
            data_paired_interval(only, k - only, n, &lo, &hi);
            if (lo <= a - b && a - b <= hi)
                held += binomial(n, k, a + b) * binomial(k, only, a / (a + b));
        }
    }
    return held;
}

static void intervals_hold_the_truth_as_often_as_they_say(void **state)
{
    (void)state;
    static const double cases[][3] = {
        {25, 0.2, 0.2}, {40, 0.15, 0.1}, {60, 0.05, 0.15}, {100, 0.1, 0.02}, {120, 0.04, 0.03}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double c = coverage((int)cases[i][0], cases[i][1], cases[i][2]);
        assert_true(c > 0.935 && c < 0.985);
    }
    double lo, hi;
    data_paired_interval(0, 0, 0, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
    data_paired_interval(3, 0, 3, &lo, &hi);
    assert_true(lo < 1 && hi <= 1);
}

/* What p.adjust(p, "holm") of R gives. */
static void holm_as_in_r(void **state)
{
    (void)state;
    double p[] = {0.01, 0.04, 0.03, 0.005}, more[] = {0.6, 0.9, 1e-20};
    static const double wanted[] = {0.03, 0.06, 0.06, 0.02}, wanted_more[] = {1, 1, 3e-20};
    data_holm(p, 4);
    data_holm(more, 3);
    for (int i = 0; i < 4; i++) assert_true(fabs(p[i] - wanted[i]) < 1e-15);
    for (int i = 0; i < 3; i++) assert_true(fabs(more[i] / wanted_more[i] - 1) < 1e-12);
    double zero[] = {0, 0.5, 0};
    data_holm(zero, 3);
    assert_true(zero[0] == 0 && zero[1] == 0.5 && zero[2] == 0);
}

/* One repeat is what the two functions for one say. */
static void one_repeat_is_the_plain_test(void **state)
{
    (void)state;
    enum { N = 40 };
    bool a[N], b[N];
    int64_t only_a = 0, only_b = 0;
    base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < N; i++) {
        a[i] = base_rng_uniform(&r) < 0.8;
        b[i] = base_rng_uniform(&r) < 0.6;
        only_a += a[i] && !b[i];
        only_b += b[i] && !a[i];
    }
    double lo, hi;
    const data_difference d = data_paired_repeats(a, b, N, 1);
    data_paired_interval(only_a, only_b, N, &lo, &hi);
    assert_true(fabs(d.value - (double)(only_a - only_b) / N) < 1e-12);
    assert_true(d.lo == lo && d.hi == hi && d.p == data_mcnemar(only_a, only_b));
    assert_true(isnan(data_paired_repeats(a, b, 0, 1).value));
    const data_difference none = data_paired_repeats(a, a, N / 4, 4);
    assert_true(none.value == 0 && none.p == 1 && none.lo < 0 && none.hi > 0);
}

/* Clips of their own difficulty, which both share in part, and runs of their own luck: how often
 * the interval holds the difference that many clips and runs would show, and how often a difference
 * that is not there is called one. Never much more often wrong than one in twenty. */
static void repeats_hold_the_truth_as_often_as_they_say(void **state)
{
    (void)state;
    enum { N = 60, REPEATS = 3, TRIALS = 1500 };
    static const double luck[] = {0, 0.05, 0.15};
    bool a[N * REPEATS], b[N * REPEATS];
    for (size_t k = 0; k < sizeof luck / sizeof *luck; k++) {
        int held = 0, false_alarms = 0;
        for (uint32_t t = 0; t < TRIALS; t++) {
            base_rng r = base_rng_at(k, BASE_RNG_TEST, t, 0);
            double hard[N];
            for (int i = 0; i < N; i++) hard[i] = base_rng_uniform(&r);
            for (int s = 0; s < REPEATS; s++) {
                const double shift_a = luck[k] * base_rng_normal(&r);
                const double shift_b = luck[k] * base_rng_normal(&r);
                for (int i = 0; i < N; i++) {
                    a[s * N + i] = hard[i] + 0.3 * base_rng_normal(&r) < 0.5 + shift_a;
                    b[s * N + i] = hard[i] + 0.3 * base_rng_normal(&r) < 0.5 + shift_b;
                }
            }
            const data_difference d = data_paired_repeats(a, b, N, REPEATS);
            held += d.lo <= 0 && 0 <= d.hi;
            false_alarms += d.p < 0.05;
        }
        print_message("luck %.2f: held %.3f, false alarms %.3f\n", luck[k], (double)held / TRIALS,
                      (double)false_alarms / TRIALS);
        assert_true(held > 0.93 * TRIALS);
        assert_true(false_alarms < 0.07 * TRIALS);
    }
}

/* A difference that is there is found. */
static void repeats_find_a_difference(void **state)
{
    (void)state;
    enum { N = 400, REPEATS = 3 };
    bool a[N * REPEATS], b[N * REPEATS];
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < N * REPEATS; i++) {
        a[i] = base_rng_uniform(&r) < 0.9;
        b[i] = base_rng_uniform(&r) < 0.6;
    }
    const data_difference d = data_paired_repeats(a, b, N, REPEATS);
    assert_true(d.p < 0.01 && d.lo > 0.1 && d.hi < 0.5);
    const data_difference turned = data_paired_repeats(b, a, N, REPEATS);
    assert_true(fabs(turned.value + d.value) < 1e-12 && fabs(turned.lo + d.hi) < 1e-12);
}

/* Groups of unequal size, of clips that both share in part and of runs of their own luck, which is
 * not the same in both: no more often wrong than they say. A single run on one side too. */
static void groups_hold_the_truth_as_often_as_they_say(void **state)
{
    (void)state;
    enum { N = 60, MOST = 6, TRIALS = 1500 };
    static const struct {
        size_t a, b;
        double luck_a, luck_b;
    } cases[] = {
        {5, 5, 0, 0}, {5, 3, 0.05, 0.05}, {2, 6, 0.02, 0.1}, {4, 4, 0.15, 0}, {1, 5, 0.1, 0.1}};
    bool a[N * MOST], b[N * MOST];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int held = 0, false_alarms = 0;
        for (uint32_t t = 0; t < TRIALS; t++) {
            base_rng r = base_rng_at(10 + k, BASE_RNG_TEST, t, 0);
            double hard[N];
            for (int i = 0; i < N; i++) hard[i] = base_rng_uniform(&r);
            for (size_t s = 0; s < cases[k].a + cases[k].b; s++) {
                const bool of_a = s < cases[k].a;
                const double shift =
                    (of_a ? cases[k].luck_a : cases[k].luck_b) * base_rng_normal(&r);
                bool *right = of_a ? a + s * N : b + (s - cases[k].a) * N;
                for (int i = 0; i < N; i++)
                    right[i] = hard[i] + 0.3 * base_rng_normal(&r) < 0.5 + shift;
            }
            const data_difference d = data_paired_groups(a, cases[k].a, b, cases[k].b, N);
            held += d.lo <= 0 && 0 <= d.hi;
            false_alarms += d.p < DATA_PAIRED_LEVEL;
        }
        print_message("%zu against %zu: held %.3f, false alarms %.3f\n", cases[k].a, cases[k].b,
                      (double)held / TRIALS, (double)false_alarms / TRIALS);
        assert_true(held > 0.93 * TRIALS);
        assert_true(false_alarms < 0.07 * TRIALS);
    }
}

static void groups_find_a_difference_and_one_each_is_the_plain_test(void **state)
{
    (void)state;
    enum { N = 400, A = 3, B = 5 };
    bool a[N * A], b[N * B];
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < N * A; i++) a[i] = base_rng_uniform(&r) < 0.9;
    for (int i = 0; i < N * B; i++) b[i] = base_rng_uniform(&r) < 0.75;
    const data_difference d = data_paired_groups(a, A, b, B, N);
    double shares[2] = {0};
    for (int i = 0; i < N * A; i++) shares[0] += a[i] / (double)(N * A);
    for (int i = 0; i < N * B; i++) shares[1] += b[i] / (double)(N * B);
    assert_true(fabs(d.value - (shares[0] - shares[1])) < 1e-12);
    assert_true(d.p < 0.01 && d.lo > 0.05 && d.hi < 0.25 && d.only_a == -1 && d.only_b == -1);
    const data_difference turned = data_paired_groups(b, B, a, A, N);
    assert_true(fabs(turned.value + d.value) < 1e-12 && fabs(turned.lo + d.hi) < 1e-12 &&
                fabs(turned.p / d.p - 1) < 1e-9);
    const data_difference one = data_paired_groups(a, 1, b, 1, N),
                          plain = data_paired_test(a, b, N);
    assert_true(one.only_a == plain.only_a && one.only_b == plain.only_b && one.p == plain.p);
    /* what does not vary at all: only the two clips that the interval adds are left */
    const data_difference same = data_paired_groups(a, 1, a, 1, N);
    assert_true(same.value == 0 && same.p == 1);
    memset(a, 1, sizeof a);
    const data_difference flat = data_paired_groups(a, A, a, 2, N);
    assert_true(flat.value == 0 && flat.p == 1 && flat.lo < 0 && flat.hi > 0);
}

/* One degree of freedom, where Student's p at t = 1 is 0.5: no difference is made of two runs. */
static void few_repeats_are_taken_with_care(void **state)
{
    (void)state;
    enum { N = 4000 };
    static bool a[N * 2], b[N * 2];
    memset(a, 1, sizeof a);
    memset(b, 1, sizeof b);
    /* two runs of b that differ by 200 clips, and by 100 from all right in the mean: t = 1 of one
     * degree, p = 0.5, but for the chance of clips */
    memset(b, 0, 200);
    const data_difference d = data_paired_groups(a, 2, b, 2, N);
    assert_true(fabs(d.value - 0.025) < 1e-12);
    assert_true(d.p > 0.45 && d.p < 0.62);
    assert_true(d.lo < 0 && d.hi > 0.025);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mcnemar_of_the_published_example),
        cmocka_unit_test(mcnemar_equals_counting_all_outcomes),
        cmocka_unit_test(mcnemar_of_none_and_of_many),
        cmocka_unit_test(intervals_hold_the_truth_as_often_as_they_say),
        cmocka_unit_test(one_repeat_is_the_plain_test),
        cmocka_unit_test(repeats_hold_the_truth_as_often_as_they_say),
        cmocka_unit_test(repeats_find_a_difference),
        cmocka_unit_test(groups_hold_the_truth_as_often_as_they_say),
        cmocka_unit_test(groups_find_a_difference_and_one_each_is_the_plain_test),
        cmocka_unit_test(few_repeats_are_taken_with_care),
        cmocka_unit_test(holm_as_in_r),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
