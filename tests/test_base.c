/* nn/base.h: status, memory, strings, numbers, random numbers, threads. Files: test_files.c. */
#include "nn/base.h"
#include "tests/check.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

static void fail_keeps_status_message_and_hint(void **state)
{
    (void)state;
    base_err err = {0};
    assert_int_equal(base_fail(&err, BASE_DATA, "row %d of '%s'", 7, "a.csv"), BASE_DATA);
    assert_int_equal(base_hint(&err, "remove row %d", 7), BASE_DATA);
    assert_string_equal(err.message, "row 7 of 'a.csv'");
    assert_string_equal(err.hint, "remove row 7");
    assert_int_equal(base_fail(&err, BASE_GATE, "other"), BASE_GATE);
    assert_string_equal(err.hint, ""); /* the hint belonged to the error before */
    assert_int_equal(base_fail(NULL, BASE_USAGE, "nobody listens"), BASE_USAGE);
}

static void long_messages_are_cut_not_overrun(void **state)
{
    (void)state;
    base_err err = {0};
    base_fail(&err, BASE_FAILED, "%0600d", 1);
    base_hint(&err, "%0600d", 1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static base_status tries(base_status s, int *reached)
{
    BASE_TRY(s);
    (*reached)++;
    return BASE_OK;
}

static void try_returns_the_first_failure(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(tries(BASE_AGAIN, &reached), BASE_AGAIN);
    assert_int_equal(reached, 0);
    assert_int_equal(tries(BASE_OK, &reached), BASE_OK);
    assert_int_equal(reached, 1);
}

/* ---- memory ---- */

static void alloc_zeroes_aligns_and_refuses_overflow(void **state)
{
    (void)state;
    for (size_t n = 0; n < 200; n += 7) {
        unsigned char *p = base_alloc(n, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
        base_free(p);
    }
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(base_alloc(huge, 3));
    assert_null(base_alloc(huge, 1));
    base_free(NULL);
}

static void grow_keeps_and_zeroes(void **state)
{
    (void)state;
    void *items = NULL;
    size_t cap = 0;
    for (size_t want = 1; want < 1000; want += 13) {
        size_t before = cap;
        assert_true(base_grow(&items, &cap, want, sizeof(int)));
        assert_true(cap >= want);
        int *v = items;
        for (size_t i = 0; i < before; i++) assert_int_equal(v[i], 3);
        for (size_t i = before; i < cap; i++) {
            assert_int_equal(v[i], 0);
            v[i] = 3;
        }
    }
    void *kept = items;
    assert_false(base_grow(&items, &cap, SIZE_MAX / 2, sizeof(int)));
    assert_ptr_equal(items, kept);
    free(items);
}

static void arena_blocks_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    base_arena *a = base_arena_new();
    assert_non_null(a);
    unsigned char *block[40];
    for (size_t i = 0; i < BASE_COUNT(block); i++) {
        block[i] = base_arena_alloc(a, i + 1, 3);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        for (size_t k = 0; k < 3 * (i + 1); k++) assert_int_equal(block[i][k], 0);
        memset(block[i], (int)i + 1, 3 * (i + 1));
    }
    for (size_t i = 0; i < BASE_COUNT(block); i++) assert_int_equal(block[i][3 * i + 2], i + 1);
    assert_string_equal(base_arena_printf(a, "%s-%03d", "x", 5), "x-005");
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(base_arena_alloc(a, huge, 3));
    assert_non_null(base_arena_alloc(a, 1, 1)); /* still usable */
    base_arena_free(a);
    base_arena_free(NULL);
}

/* ---- strings ---- */

static void strings_grow(void **state)
{
    (void)state;
    base_str s = {0};
    char expected[40000] = "";
    size_t at = 0;
    for (int i = 0; i < 5000; i++) {
        base_str_add(&s, "%d,", i);
        at += (size_t)snprintf(expected + at, sizeof expected - at, "%d,", i);
    }
    assert_int_equal(s.len, at);
    assert_string_equal(s.s, expected);
    base_str_add_n(&s, "a\0b", 3);
    assert_int_equal(s.len, at + 3);
    assert_memory_equal(s.s + at, "a\0b", 4); /* and the NUL after it */
    assert_false(s.failed);
    base_str_free(&s);
    assert_null(s.s);
    base_str_add_n(&s, "", 0);
    assert_string_equal(s.s, "");
    base_str_free(&s);
}

static void nearest_finds_slips_only(void **state)
{
    (void)state;
    static const char *const keys[] = {"kernel", "stride", "pad", "bias", "dilation", "groups"};
    static const struct {
        const char *word, *near;
    } row[] = {
        {"kernal", "kernel"},
        {"strides", "stride"},
        {"biass", "bias"},
        {"kernel", "kernel"},
        {"dilaton", "dilation"},
        {"xylophone", NULL},
        {"gruops", "groups"},
        {"zzz", NULL},
        {"a word far longer than any of the keys in this list could ever be", NULL},
    };
    for (size_t i = 0; i < BASE_COUNT(row); i++) {
        const char *near = base_nearest(row[i].word, keys, BASE_COUNT(keys));
        if (row[i].near && near) assert_string_equal(near, row[i].near);
        if (!near != !row[i].near)
            fail_msg("nearest to '%s' is '%s'", row[i].word, near ? near : "nothing");
    }
    assert_null(base_nearest("kernel", keys, 0));
}

/* ---- numbers ---- */

static void integers_are_strict(void **state)
{
    (void)state;
    int64_t v = 99;
    assert_true(base_parse_int("0", -5, 5, &v) && v == 0);
    assert_true(base_parse_int("-5", -5, 5, &v) && v == -5);
    assert_true(base_parse_int("9223372036854775807", 0, INT64_MAX, &v) && v == INT64_MAX);
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "\t1",
                                      "\n1",
                                      "1x",
                                      "x",
                                      "1.0",
                                      "6",
                                      "-6",
                                      "--1",
                                      "0x3",
                                      "-",
                                      "1e0",
                                      "9223372036854775808",
                                      "99999999999999999999"};
    v = 99;
    for (size_t i = 0; i < BASE_COUNT(bad); i++)
        if (base_parse_int(bad[i], -5, 5, &v)) fail_msg("'%s' parses as %d", bad[i], (int)v);
    assert_int_equal(v, 99);
    assert_false(base_parse_int("9223372036854775808", INT64_MIN, INT64_MAX, &v));
}

static void reals_are_strict_and_finite(void **state)
{
    (void)state;
    double v = 99;
    assert_true(base_parse_double("0.1", &v) && v == 0.1);
    assert_true(base_parse_double("-1e-3", &v) && v == -1e-3);
    assert_true(base_parse_double("3", &v) && v == 3);
    static const char *const bad[] = {"",    " 1",   "1 ",    "\t1",   "1,5",  "x", "nan",
                                      "inf", "-inf", "1e999", "1.5.2", "0.1f", "-", "infinity"};
    v = 99;
    for (size_t i = 0; i < BASE_COUNT(bad); i++)
        if (base_parse_double(bad[i], &v)) fail_msg("'%s' parses as %g", bad[i], v);
    assert_true(v == 99);
}

/* ---- random numbers ---- */

/* The vectors for philox4x32 with 10 rounds of Random123's kat_vectors. */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } row[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < BASE_COUNT(row); i++) {
        base_rng r = {0};
        memcpy(r.counter, row[i].counter, sizeof r.counter);
        memcpy(r.key, row[i].key, sizeof r.key);
        base_rng_u32(&r);
        assert_memory_equal(r.out, row[i].out, sizeof r.out);
    }
}

static void streams_are_pure_and_different(void **state)
{
    (void)state;
    base_rng a = base_rng_at(1, BASE_RNG_TEST, 2, 3), b = base_rng_at(1, BASE_RNG_TEST, 2, 3);
    base_rng other[] = {base_rng_at(2, BASE_RNG_TEST, 2, 3),
                        base_rng_at(1, BASE_RNG_INIT, 2, 3),
                        base_rng_at(1, BASE_RNG_TEST, 3, 3),
                        base_rng_at(1, BASE_RNG_TEST, 2, 4),
                        base_rng_at(1, BASE_RNG_TEST, 2, 3 + ((uint64_t)1 << 32)),
                        base_rng_at(1 + ((uint64_t)1 << 32), BASE_RNG_TEST, 2, 3)};
    uint32_t draw[16];
    for (int i = 0; i < 16; i++) {
        draw[i] = base_rng_u32(&a);
        assert_int_equal(draw[i], base_rng_u32(&b));
    }
    for (size_t s = 0; s < BASE_COUNT(other); s++) {
        int same = 0;
        for (int i = 0; i < 16; i++) same += base_rng_u32(&other[s]) == draw[i];
        assert_int_equal(same, 0);
    }
    for (int i = 0; i < 16; i++) /* no two draws of one stream alike */
        for (int k = 0; k < i; k++) assert_int_not_equal(draw[i], draw[k]);
}

/* Moments and a chi-square of 64 cells; the bounds are five sigma. */
static void uniform_is_uniform(void **state)
{
    (void)state;
    enum { N = 64000, CELLS = 64 };
    base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, 0);
    double sum = 0, squares = 0, chi = 0;
    int cell[CELLS] = {0};
    for (int i = 0; i < N; i++) {
        double u = base_rng_uniform(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
        cell[(int)(u * CELLS)]++;
    }
    for (int i = 0; i < CELLS; i++) {
        double d = cell[i] - (double)N / CELLS;
        chi += d * d / ((double)N / CELLS);
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(squares / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    assert_true(fabs(chi - (CELLS - 1)) < 5 * sqrt(2.0 * (CELLS - 1)));
}

static void normal_is_normal(void **state)
{
    (void)state;
    enum { N = 50000 };
    base_rng r = base_rng_at(8, BASE_RNG_TEST, 0, 0);
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    for (int i = 0; i < N; i++) {
        double v = base_rng_normal(&r);
        assert_true(isfinite(v));
        m1 += v, m2 += v * v, m3 += v * v * v, m4 += v * v * v * v;
    }
    assert_true(fabs(m1 / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m3 / N) < 5 * sqrt(15.0 / N));
    assert_true(fabs(m4 / N - 3) < 5 * sqrt(96.0 / N));
}

/* n = 3 * 2^30: taking the remainder would draw the lower third twice as often as the rest. */
static void below_is_unbiased(void **state)
{
    (void)state;
    enum { N = 30000 };
    base_rng r = base_rng_at(9, BASE_RNG_TEST, 0, 0);
    uint32_t n = 3u << 30;
    int third[3] = {0};
    for (int i = 0; i < N; i++) {
        uint32_t v = base_rng_below(&r, n);
        assert_true(v < n);
        third[v >> 30]++;
    }
    for (int i = 0; i < 3; i++) assert_true(abs(third[i] - N / 3) < 5 * sqrt(N * 2.0 / 9));
    for (int i = 0; i < 100; i++) assert_int_equal(base_rng_below(&r, 1), 0);
}

static void shuffle_is_a_fair_permutation(void **state)
{
    (void)state;
    enum { N = 5, TRIALS = 10000 };
    base_rng r = base_rng_at(10, BASE_RNG_TEST, 0, 0);
    int at[N][N] = {{0}};
    for (int t = 0; t < TRIALS; t++) {
        uint32_t v[N] = {0, 1, 2, 3, 4}, seen = 0;
        base_shuffle(&r, v, N);
        for (int i = 0; i < N; i++) {
            assert_true(v[i] < N);
            seen |= 1u << v[i];
            at[i][v[i]]++;
        }
        assert_int_equal(seen, (1u << N) - 1);
    }
    for (int i = 0; i < N * N; i++)
        assert_true(abs(at[i / N][i % N] - TRIALS / N) < 5 * sqrt(TRIALS * 0.2 * 0.8));
    base_shuffle(&r, NULL, 0);
}

/* ---- threads ---- */

enum { MAX_JOBS = 1000 };
typedef struct tally {
    atomic_int done[MAX_JOBS];
} tally;

static void count_job(void *ctx, int job)
{
    tally *t = ctx;
    atomic_fetch_add(&t->done[job], 1);
}

static void run_jobs(base_pool *pool, int jobs)
{
    tally *t = calloc(1, sizeof *t);
    base_pool_run(pool, jobs, count_job, t);
    for (int i = 0; i < MAX_JOBS; i++) assert_int_equal(atomic_load(&t->done[i]), i < jobs);
    free(t);
}

static void pool_runs_every_job_once(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8}, jobs[] = {0, 1, 2, 3, 7, 64, MAX_JOBS};
    for (size_t t = 0; t < BASE_COUNT(threads); t++) {
        base_err err = {0};
        base_pool *pool = NULL;
        assert_int_equal(base_pool_new(threads[t], &pool, &err), BASE_OK);
        assert_int_equal(base_pool_threads(pool), threads[t]);
        for (int again = 0; again < 20; again++)
            for (size_t j = 0; j < BASE_COUNT(jobs); j++) run_jobs(pool, jobs[j]);
        base_pool_free(pool);
    }
    run_jobs(NULL, 5);
    assert_int_equal(base_pool_threads(NULL), 1);
    base_pool_free(NULL);
    assert_true(base_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_keeps_status_message_and_hint),
        cmocka_unit_test(long_messages_are_cut_not_overrun),
        cmocka_unit_test(try_returns_the_first_failure),
        cmocka_unit_test(alloc_zeroes_aligns_and_refuses_overflow),
        cmocka_unit_test(grow_keeps_and_zeroes),
        cmocka_unit_test(arena_blocks_are_zeroed_aligned_and_apart),
        cmocka_unit_test(strings_grow),
        cmocka_unit_test(nearest_finds_slips_only),
        cmocka_unit_test(integers_are_strict),
        cmocka_unit_test(reals_are_strict_and_finite),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(streams_are_pure_and_different),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_is_normal),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(shuffle_is_a_fair_permutation),
        cmocka_unit_test(pool_runs_every_job_once),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
