/* asha: rungs, ranks against their definition, a sweep of known curves, limits that reject, and
 * journals of before there were any. */
#include "train/sweep.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void wants_rungs(int64_t least, int64_t reduction, int64_t epochs, const int64_t *wanted,
                        int n)
{
    sweep_space s = sweep_space_default();
    int64_t at[SWEEP_RUNGS];
    assert_int_equal(sweep_rungs(&s, epochs, at), 1);
    assert_int_equal(at[0], epochs);
    s.stopping = SWEEP_STOP_ASHA;
    s.min_epochs = least;
    s.reduction = reduction;
    assert_int_equal(sweep_rungs(&s, epochs, at), n);
    for (int i = 0; i < n; i++) assert_int_equal(at[i], wanted[i]);
}

static void rungs(void **state)
{
    (void)state;
    wants_rungs(2, 3, 18, (int64_t[]){2, 6, 18}, 3);
    wants_rungs(1, 2, 10, (int64_t[]){1, 2, 4, 8, 10}, 5);
    wants_rungs(30, 3, 30, (int64_t[]){30}, 1);
    wants_rungs(40, 3, 30, (int64_t[]){30}, 1);
    int64_t powers[SWEEP_RUNGS];
    for (int i = 0; i < SWEEP_RUNGS; i++) powers[i] = 1 << i;
    powers[SWEEP_RUNGS - 1] = 100000;
    wants_rungs(1, 2, 100000, powers, SWEEP_RUNGS);
}

/* ---- ranks ---- */

static bool beats(const double *a, const double *b, size_t m)
{
    bool better = false;
    for (size_t k = 0; k < m; k++) {
        if (a[k] < b[k]) return false;
        better |= a[k] > b[k];
    }
    return better;
}

/* The front of a point: one more than the longest chain of points, each beaten by the next. */
static int front_of(const double *points, size_t n, size_t m, size_t i)
{
    int longest = 0;
    for (size_t j = 0; j < n; j++) {
        if (!beats(points + j * m, points + i * m, m)) continue;
        const int f = front_of(points, n, m, j);
        if (f > longest) longest = f;
    }
    return longest + 1;
}

/* Least distance of point i to those of its front that come before place `place`. */
static double gap(const double *points, const size_t *order, const int *front, size_t m,
                  size_t place, size_t i)
{
    double least = HUGE_VAL;
    for (size_t p = 0; p < place; p++) {
        double sum = 0;
        if (front[order[p]] != front[i]) continue;
        for (size_t k = 0; k < m; k++) sum += pow(points[order[p] * m + k] - points[i * m + k], 2);
        least = fmin(least, sum);
    }
    return least;
}

/* Points whose values go from 0 to 1 in every dimension, so that scaling changes nothing. */
static void check_ranks(base_rng *r, size_t n, size_t m)
{
    double points[40 * 3];
    size_t order[40];
    int front[40];
    bool seen[40] = {false};
    base_err err = {0};
    for (size_t i = 0; i < n * m; i++) points[i] = base_rng_uniform(r);
    for (size_t k = 0; k < m; k++) points[k] = 0, points[m + k] = k == 0 ? 1 : points[m + k];
    for (size_t k = 1; k < m; k++) points[(k + 1) * m + k] = 1;
    for (size_t i = 0; i < n; i++) front[i] = front_of(points, n, m, i);
    assert_int_equal(sweep_rank(points, n, m, order, &err), BASE_OK);
    for (size_t p = 0; p < n; p++) {
        assert_false(seen[order[p]]);
        seen[order[p]] = true;
        const bool first = p == 0 || front[order[p - 1]] < front[order[p]];
        if (p > 0) assert_true(front[order[p - 1]] <= front[order[p]]);
        for (size_t q = p; q < n; q++) {
            if (front[order[q]] != front[order[p]]) continue;
            if (first)
                assert_true(points[order[p] * m] >= points[order[q] * m]);
            else
                assert_true(gap(points, order, front, m, p, order[p]) >=
                            gap(points, order, front, m, p, order[q]) - 1e-12);
        }
    }
}

static void ranks_are_fronts_then_gaps(void **state)
{
    (void)state;
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    for (int k = 0; k < 50; k++)
        for (size_t m = 1; m <= 3; m++) check_ranks(&r, 5 + base_rng_below(&r, 20), m);
    size_t order[3];
    const double none[3] = {(double)NAN, 2, 1};
    assert_int_equal(sweep_rank(none, 3, 1, order, NULL), BASE_OK);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[2], 0);
}

/* ---- sweeps ---- */

static void make(char dir[64], const char *text)
{
    base_err err = {0};
    snprintf(dir, 64, "/tmp/test_asha.XXXXXX");
    assert_non_null(mkdtemp(dir));
    if (sweep_create(dir, text, &err) != BASE_OK) fail_msg("%s", err.message);
}

static void drop(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void open_sweep(const char *dir, sweep *s)
{
    base_err err = {0};
    if (sweep_open(dir, s, &err) != BASE_OK) fail_msg("%s", err.message);
}

/* What trial id is worth after so many epochs: curves do not cross. */
static double curve(int64_t id, int64_t epochs)
{
    return (double)((id * 37) % 101) * (1 - exp(-(double)epochs / 5));
}

/* Ask and tell until nothing is left; the number of tells. */
static int play(const char *dir)
{
    int told = 0;
    for (;; told++) {
        sweep s;
        base_err err = {0};
        int64_t id;
        open_sweep(dir, &s);
        if (sweep_ask(&s, "w", NULL, &id, &err) != BASE_OK) fail_msg("%s", err.message);
        if (id == 0) {
            assert_int_equal(s.busy, 0);
            sweep_close(&s);
            return told;
        }
        const double y = curve(id, s.rungs[s.trials[id - 1].rung]);
        assert_int_equal(sweep_tell(&s, id, json_pack("{s:f}", "y", y), &err), BASE_OK);
        sweep_close(&s);
    }
}

/* Of 27 trials with rungs 1, 3, 9: the best third goes on from each, in whatever order they came;
 * who was the best of fewer may have gone on as well. */
static void the_best_of_each_rung_go_on(void **state)
{
    (void)state;
    char dir[64];
    make(dir, "[train]\nepochs = 9\n[sweep]\ntrials = 27\nmaximize = y\nstopping = asha\n"
              "x = uniform 0 1\n");
    play(dir);
    sweep s;
    open_sweep(dir, &s);
    assert_int_equal(s.n, 27);
    assert_int_equal(s.n_rungs, 3);
    int64_t epochs = 0;
    for (int rung = 0; rung < 2; rung++) {
        int here = 0, further = 0;
        for (size_t i = 0; i < s.n; i++) {
            here += s.trials[i].told[rung] != NULL;
            further += s.trials[i].told[rung + 1] != NULL;
        }
        assert_true(further >= here / 3 && further < here);
        for (size_t i = 0; i < s.n; i++) {
            int better = 0;
            if (!s.trials[i].told[rung]) continue;
            for (size_t j = 0; j < s.n; j++)
                better +=
                    s.trials[j].told[rung] && curve((int64_t)j + 1, 1) > curve((int64_t)i + 1, 1);
            if (better < here / 3) assert_non_null(s.trials[i].told[rung + 1]);
        }
    }
    size_t best = 0;
    for (size_t i = 0; i < s.n; i++) {
        epochs += sweep_epochs(&s, &s.trials[i]);
        if (curve((int64_t)i + 1, 9) > curve((int64_t)best + 1, 9)) best = i;
        assert_int_equal(s.trials[i].state,
                         sweep_epochs(&s, &s.trials[i]) == 9 ? SWEEP_TOLD : SWEEP_PAUSED);
    }
    assert_true(sweep_on_front(&s, best));
    assert_true(sweep_result(&s.trials[best], "y") == curve((int64_t)best + 1, 9));
    print_message("%lld epochs instead of %d\n", (long long)epochs, 27 * 9);
    assert_true(epochs < 27 * 9 / 2);
    sweep_close(&s);
    drop(dir);
}

/* x above 0.1 costs too much. */
static base_status too_much(const sweep *s, const json_t *values, json_t **costs,
                            char reason[SWEEP_TEXT], base_err *err)
{
    (void)s;
    (void)err;
    const double x = atof(json_string_value(json_object_get(values, "x")));
    *costs = json_pack("{s:f}", "ram_kb", 100 * x);
    if (x > 0.1) snprintf(reason, SWEEP_TEXT, "ram_kb %g > 10", 100 * x);
    return BASE_OK;
}

/* Trials asked for and told of, judged; y is best where x is highest. Returns how many were
 * rejected. */
static size_t play_judged(const char *dir)
{
    for (;;) {
        sweep s;
        base_err err = {0};
        int64_t id;
        open_sweep(dir, &s);
        s.judge = too_much;
        assert_int_equal(sweep_ask(&s, "w", NULL, &id, &err), BASE_OK);
        const size_t rejected = sweep_count(&s, SWEEP_REJECTED);
        if (id > 0) {
            const double x = sweep_result(&s.trials[id - 1], "ram_kb") / 100;
            assert_true(x <= 0.1);
            assert_int_equal(sweep_tell(&s, id, json_pack("{s:f}", "y", x), &err), BASE_OK);
        }
        sweep_close(&s);
        if (id == 0) return rejected;
    }
}

static void what_is_over_a_limit_is_rejected(void **state)
{
    (void)state;
    char dir[64];
    make(dir, "[sweep]\ntrials = 20\nmaximize = y\nminimize = ram_kb\nx = uniform 0 1\n");
    const size_t rejected = play_judged(dir);
    sweep s;
    open_sweep(dir, &s);
    assert_int_equal(s.damaged, 0);
    assert_int_equal(sweep_count(&s, SWEEP_TOLD), 20);
    assert_int_equal(sweep_count(&s, SWEEP_FAILED), 0);
    assert_int_equal(s.n, 20 + rejected);
    for (size_t i = 0; i < s.n; i++) {
        const sweep_trial *t = &s.trials[i];
        assert_int_equal(sweep_result(t, "ram_kb") > 10, t->state == SWEEP_REJECTED);
        assert_int_equal(t->ended && json_object_get(t->ended, "reason"),
                         t->state == SWEEP_REJECTED);
        if (t->state == SWEEP_REJECTED) assert_false(sweep_on_front(&s, i));
    }
    sweep_close(&s);
    drop(dir);
}

static base_status nothing_fits(const sweep *s, const json_t *values, json_t **costs,
                                char reason[SWEEP_TEXT], base_err *err)
{
    (void)s;
    (void)values;
    (void)costs;
    (void)err;
    snprintf(reason, SWEEP_TEXT, "no");
    return BASE_OK;
}

static void a_sweep_in_which_nothing_fits_ends(void **state)
{
    (void)state;
    char dir[64];
    sweep s;
    int64_t id = -1;
    base_err err = {0};
    make(dir, "[sweep]\ntrials = 3\nx = uniform 0 1\n");
    open_sweep(dir, &s);
    s.judge = nothing_fits;
    assert_int_equal(sweep_ask(&s, "w", NULL, &id, &err), BASE_OK);
    assert_int_equal(id, 0);
    assert_int_equal(s.n, 30);
    sweep_close(&s);
    drop(dir);
}

/* Random values are within the limit one time in ten; TPE learns where that is. */
static void tpe_learns_the_limit(void **state)
{
    (void)state;
    size_t rejected[2];
    for (int tpe = 0; tpe < 2; tpe++) {
        char dir[64];
        make(dir, tpe ? "[sweep]\ntrials = 40\nmethod = tpe\nmaximize = y\nx = uniform 0 1\n"
                      : "[sweep]\ntrials = 40\nmaximize = y\nx = uniform 0 1\n");
        rejected[tpe] = play_judged(dir);
        drop(dir);
    }
    print_message("%zu rejected at random, %zu by TPE\n", rejected[0], rejected[1]);
    assert_true(rejected[1] < rejected[0] / 2);
}

static void journals_of_before_are_read(void **state)
{
    (void)state;
    static const char before[] =
        "{\"event\":\"ask\",\"id\":1,\"worker\":\"w\",\"locked\":false,\"values\":{\"x\":\"0.5\"}}"
        "\n"
        "{\"event\":\"ask\",\"id\":2,\"worker\":\"w\",\"locked\":true,\"values\":{\"x\":\"0.7\"}}\n"
        "{\"event\":\"tell\",\"id\":1,\"results\":{\"y\":0.25}}\n"
        "{\"event\":\"take\",\"id\":2,\"worker\":\"v\"}\n"
        "{\"event\":\"fail\",\"id\":2,\"reason\":\"exit code 1\"}\n";
    char dir[64], path[96];
    base_err err = {0};
    make(dir, "[sweep]\ntrials = 3\nmaximize = y\nx = uniform 0 1\n");
    snprintf(path, sizeof path, "%s/journal.jsonl", dir);
    assert_int_equal(base_write_file(path, before, strlen(before), &err), BASE_OK);
    sweep s;
    int64_t id;
    open_sweep(dir, &s);
    assert_int_equal(s.damaged, 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.trials[0].state, SWEEP_TOLD);
    assert_int_equal(s.trials[1].state, SWEEP_FAILED);
    assert_int_equal(s.trials[1].takes, 2);
    assert_true(sweep_result(&s.trials[0], "y") == 0.25);
    assert_true(sweep_on_front(&s, 0));
    assert_int_equal(sweep_ask(&s, "w", NULL, &id, &err), BASE_OK);
    assert_int_equal(id, 3);
    sweep_close(&s);
    drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rungs),
        cmocka_unit_test(ranks_are_fronts_then_gaps),
        cmocka_unit_test(the_best_of_each_rung_go_on),
        cmocka_unit_test(what_is_over_a_limit_is_rejected),
        cmocka_unit_test(a_sweep_in_which_nothing_fits_ends),
        cmocka_unit_test(tpe_learns_the_limit),
        cmocka_unit_test(journals_of_before_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
