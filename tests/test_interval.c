/* Intervals against published tables, and against another way to the same figure. */
#include "data/interval.h"
#include "data/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Garwood's limits as statistical tables print them (for example Hollander & Wolfe). */
static void poisson_limits_are_those_of_the_tables(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        double lo, hi;
    } table[] = {{0, 0, 3.689},        {1, 0.0253, 5.572},   {2, 0.242, 7.225},
                 {3, 0.619, 8.767},    {5, 1.623, 11.668},   {10, 4.795, 18.390},
                 {20, 12.217, 30.888}, {50, 37.111, 65.919}, {100, 81.364, 121.627}};
    for (size_t i = 0; i < BASE_COUNT(table); i++) {
        double lo, hi;
        data_poisson(table[i].count, &lo, &hi);
        assert_true(fabs(lo - table[i].lo) < 6e-4);
        assert_true(fabs(hi - table[i].hi) < 6e-4);
    }
    double lo, hi;
    data_poisson(10000, &lo, &hi); /* near the normal one: n +- 1.96 sqrt(n), + 1.5 or so */
    assert_true(fabs(lo - (10000 - 196 + 1)) < 2 && fabs(hi - (10000 + 196 + 2)) < 2);
}

/* Where both classes are as large and as often mistaken, macro F1 is the accuracy. */
static void macro_f1_of_two_like_classes_is_as_sure_as_accuracy(void **state)
{
    (void)state;
    static const int64_t confusion[4] = {450, 50, 50, 450};
    double lo, hi, w_lo, w_hi;
    assert_int_equal(data_macro_f1_interval(confusion, 2, &lo, &hi, NULL), BASE_OK);
    data_wilson(900, 1000, &w_lo, &w_hi);
    assert_true(fabs(lo - w_lo) < 0.004 && fabs(hi - w_hi) < 0.004);
}

static void macro_f1_narrows_with_the_clips(void **state)
{
    (void)state;
    static const int64_t few[9] = {40, 5, 5, 2, 30, 8, 0, 1, 9};
    int64_t many[9];
    double lo, hi, lo16, hi16, again;
    for (int i = 0; i < 9; i++) many[i] = 16 * few[i];
    assert_int_equal(data_macro_f1_interval(few, 3, &lo, &hi, NULL), BASE_OK);
    assert_int_equal(data_macro_f1_interval(many, 3, &lo16, &hi16, NULL), BASE_OK);
    const double ratio = (hi - lo) / (hi16 - lo16), f1 = data_score_all(few, 3).macro_f1;
    assert_true(ratio > 3.4 && ratio < 4.6);
    assert_true(lo < f1 && f1 < hi && lo16 < f1 && f1 < hi16);
    assert_int_equal(data_macro_f1_interval(few, 3, &again, &hi16, NULL), BASE_OK);
    assert_true(again == lo && hi16 == hi);
    static const int64_t no_clips[9];
    assert_int_equal(data_macro_f1_interval(no_clips, 3, &lo, &hi, NULL), BASE_OK);
    assert_true(isnan(lo) && isnan(hi));
}

/* Student's quantiles as statistical tables print them; two values, whose interval is theirs. */
static void a_mean_has_students_interval(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        double t;
    } table[] = {{2, 12.706205}, {3, 4.302653},  {4, 3.182446},  {5, 2.776445},
                 {6, 2.570582},  {10, 2.262157}, {31, 2.042272}, {101, 1.983972}};
    for (size_t k = 0; k < BASE_COUNT(table); k++) {
        double v[101];
        for (size_t i = 0; i < table[k].n; i++) v[i] = 3 + 0.5 * (double)(i * 7 % 5);
        const data_spread s = data_mean_interval(v, table[k].n);
        assert_true(fabs((s.hi - s.mean) * sqrt((double)table[k].n) / s.sd - table[k].t) < 1e-6);
        assert_true(fabs(s.hi + s.lo - 2 * s.mean) < 1e-12);
    }
    const data_spread two = data_mean_interval((const double[]){0.25, 0.75}, 2);
    assert_true(two.mean == 0.5 && fabs(two.sd - sqrt(0.125)) < 1e-15);
    const data_spread same = data_mean_interval((const double[]){0.5, 0.5, 0.5}, 3);
    assert_true(same.lo == 0.5 && same.hi == 0.5 && same.sd == 0);
    const data_spread one = data_mean_interval((const double[]){0.5}, 1);
    assert_true(one.mean == 0.5 && isnan(one.sd) && isnan(one.lo));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisson_limits_are_those_of_the_tables),
        cmocka_unit_test(macro_f1_of_two_like_classes_is_as_sure_as_accuracy),
        cmocka_unit_test(macro_f1_narrows_with_the_clips),
        cmocka_unit_test(a_mean_has_students_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
