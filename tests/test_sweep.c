/* sweep: the space, TPE against random search, the journal under a crash and under 8 workers that
 * are killed. */
#include "train/sweep.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static sweep_space space_of(const char *const *lines)
{
    sweep_space s = sweep_space_default();
    config_section section = sweep_section(&s);
    base_err err = {0};
    for (; lines[0]; lines += 2)
        if (section.set(&s, lines[0], lines[1], &err) != BASE_OK) fail_msg("%s", err.message);
    return s;
}

static void values_and_places(void **state)
{
    (void)state;
    const char *lines[] = {"train.lr",     "log 1e-4 1e-1", "model.width", "int 4 6", "x",
                           "uniform -1 1", "features",      "a bc",        NULL};
    sweep_space s = space_of(lines);
    assert_int_equal(s.n, 4);
    assert_string_equal(s.params[3].key, "features.preset");
    int seen[3] = {0};
    double below = 0;
    for (int64_t id = 1; id <= 3000; id++) {
        double at[SWEEP_PARAMS], back;
        sweep_random(&s, id, at);
        for (int k = 0; k < s.n; k++) {
            base_str text = {0};
            sweep_value(&s.params[k], at[k], &text);
            assert_true(sweep_place(&s.params[k], text.s, &back));
            if (k == 1) seen[atoi(text.s) - 4]++;
            if (k == 0) below += atof(text.s) < 1e-3;
            if (k != 1) assert_true(fabs(back - at[k]) < 1e-9);
            base_str_free(&text);
        }
    }
    for (int i = 0; i < 3; i++) assert_in_range(seen[i], 900, 1100);
    assert_true(fabs(below / 3000 - 1.0 / 3) < 0.04); /* a decade of three */
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"log 0 1", "log 1", "uniform 2 1", "int 1.5 3", "log 1 2 3",
                                        "int a b", " "};
    for (size_t i = 0; i < BASE_COUNT(wrong); i++) {
        sweep_space s = sweep_space_default();
        base_err err = {0};
        assert_int_equal(sweep_section(&s).set(&s, "train.lr", wrong[i], &err), BASE_USAGE);
        assert_non_null(strstr(err.message, "train.lr"));
        assert_int_equal(s.n, 0);
    }
}

static void grid_has_every_point_once(void **state)
{
    (void)state;
    const char *lines[] = {"a", "1 2 3", "b", "x y", NULL};
    sweep_space s = space_of(lines);
    assert_int_equal(sweep_grid_size(&s), 6);
    int seen[6] = {0};
    for (int i = 0; i < 6; i++) {
        double at[SWEEP_PARAMS];
        sweep_grid(&s, i, at);
        seen[(int)at[0] * 2 + (int)at[1]]++;
    }
    for (int i = 0; i < 6; i++) assert_int_equal(seen[i], 1);
}

/* Highest, 0, at lr = 3e-3, x = 0.7, the second choice. */
static double objective(const double *at)
{
    double lr = at[0] - log(30) / log(1000), x = at[1] - 0.7;
    return -(lr * lr + x * x + (at[2] == 1 ? 0 : 0.2));
}

/* The best of 60 trials. */
static double best_of(sweep_space s, bool tpe)
{
    double points[60 * 3], scores[60], best = -HUGE_VAL;
    for (size_t i = 0; i < 60; i++) {
        base_err err = {0};
        double *at = points + i * 3;
        if (tpe)
            assert_int_equal(sweep_tpe(&s, (int64_t)i + 1, points, scores, i, at, &err), BASE_OK);
        else
            sweep_random(&s, (int64_t)i + 1, at);
        scores[i] = objective(at);
        best = fmax(best, scores[i]);
    }
    return best;
}

/* Sign test over 40 seeds: if both were equally good, 29 wins or more had a chance of 0.3 %. */
static void tpe_beats_random(void **state)
{
    (void)state;
    const char *lines[] = {"lr", "log 1e-4 1e-1", "x", "uniform 0 1", "c", "p q r s", NULL};
    sweep_space s = space_of(lines);
    int wins = 0;
    for (s.seed = 0; s.seed < 40; s.seed++) wins += best_of(s, true) > best_of(s, false);
    print_message("TPE is better for %d of 40 seeds\n", wins);
    assert_true(wins >= 29);
}

static const char plain[] = "[sweep]\ntrials = 40\nmaximize = y\nx = uniform 0 1\n";
static const char asha[] = "[train]\nepochs = 4\n[sweep]\ntrials = 20\nmaximize = y\n"
                           "stopping = asha\nreduction = 2\nx = uniform 0 1\n";

static void make(char dir[64], const char *config_text)
{
    base_err err = {0};
    snprintf(dir, 64, "/tmp/test_sweep.XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(sweep_create(dir, config_text, &err), BASE_OK);
    assert_int_equal(sweep_create(dir, config_text, &err), BASE_USAGE);
}

static void drop(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void a_torn_line_is_named_and_survived(void **state)
{
    (void)state;
    char dir[64], path[96];
    make(dir, plain);
    base_err err = {0};
    sweep s;
    int64_t id;
    assert_int_equal(sweep_open(dir, &s, &err), BASE_OK);
    assert_int_equal(sweep_ask(&s, "w", NULL, &id, &err), BASE_OK);
    sweep_close(&s);
    snprintf(path, sizeof path, "%s/journal.jsonl", dir);
    FILE *f = fopen(path, "a");
    fputs("{\"event\":\"tell\",\"id\":1,\"resu", f);
    fclose(f);
    assert_int_equal(sweep_open(dir, &s, &err), BASE_OK);
    assert_int_equal(s.damaged, 2);
    assert_int_equal(sweep_tell(&s, 1, json_pack("{s:f}", "y", 0.5), &err), BASE_OK);
    assert_int_equal(sweep_tell(&s, 1, json_object(), &err), BASE_USAGE);
    assert_int_equal(sweep_tell(&s, 2, json_object(), &err), BASE_USAGE);
    sweep_close(&s);
    assert_int_equal(sweep_open(dir, &s, &err), BASE_OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.damaged, 2);
    assert_true(sweep_result(&s.trials[0], "y") == 0.5);
    sweep_close(&s);
    drop(dir);
}

/* A worker of a fake objective, until nothing is left. */
static void fake_worker(const char *dir)
{
    for (;;) {
        base_err err = {0};
        sweep s;
        int lock;
        int64_t id;
        if (sweep_open(dir, &s, &err) != BASE_OK) _exit(1);
        if (sweep_ask(&s, "fake", &lock, &id, &err) != BASE_OK) _exit(2);
        const int64_t busy = s.busy;
        sweep_close(&s);
        if (id == 0 && busy == 0) _exit(0);
        if (id == 0) {
            if (sweep_wait(dir, busy, &err) != BASE_OK) _exit(5);
            continue;
        }
        usleep(20000);
        if (sweep_open(dir, &s, &err) != BASE_OK) _exit(3);
        if (sweep_tell(&s, id, json_pack("{s:f}", "y", (double)id), &err) != BASE_OK) _exit(4);
        sweep_close(&s);
        close(lock);
    }
}

static pid_t start(const char *dir)
{
    pid_t pid = fork();
    if (pid == 0) fake_worker(dir);
    return pid;
}

/* Lines of the journal that end a trial, or its share up to a rung. */
static int count_ends(const char *dir)
{
    char path[96], *text;
    int n = 0;
    base_err err = {0};
    snprintf(path, sizeof path, "%s/journal.jsonl", dir);
    assert_int_equal(base_read_file(path, 1 << 20, &text, NULL, &err), BASE_OK);
    static const char *const ends[] = {"\"tell\"", "\"report\""};
    for (int e = 0; e < 2; e++)
        for (const char *at = text; (at = strstr(at, ends[e])); at++) n++;
    free(text);
    return n;
}

/* 8 workers; 30 times one of them is killed and another one started. Every trial of n is told of
 * once at every rung it came to. */
static void kill_workers(const char *text, size_t n)
{
    char dir[64];
    make(dir, text);
    pid_t pid[8];
    int status, killed = 0;
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 8; i++) pid[i] = start(dir);
    for (int k = 0; k < 30; k++) {
        usleep(base_rng_below(&r, 8000));
        uint32_t i = base_rng_below(&r, 8);
        kill(pid[i], SIGKILL);
        waitpid(pid[i], &status, 0);
        killed += WIFSIGNALED(status);
        pid[i] = start(dir);
    }
    for (int i = 0; i < 8; i++) {
        waitpid(pid[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    waitpid(start(dir), &status, 0); /* takes up what the last one killed had */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    base_err err = {0};
    sweep s;
    assert_int_equal(sweep_open(dir, &s, &err), BASE_OK);
    int takes = 0, told = 0;
    assert_int_equal(s.n, n);
    for (size_t i = 0; i < s.n; i++) {
        const sweep_trial *t = &s.trials[i];
        assert_true(t->state == SWEEP_TOLD || (t->state == SWEEP_PAUSED && s.n_rungs > 1));
        assert_true(sweep_result(t, "y") == (double)i + 1);
        for (int k = 0; k < s.n_rungs; k++) told += t->told[k] != NULL;
        takes += t->takes - 1;
    }
    assert_int_equal(count_ends(dir), told);
    print_message("%d workers killed, %d trials begun again, %d told of\n", killed, takes, told);
    assert_true(killed > 0 && takes > 0);
    sweep_close(&s);
    drop(dir);
}

static void killed_workers_lose_nothing(void **state)
{
    (void)state;
    kill_workers(plain, 40);
    kill_workers(asha, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_places),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(grid_has_every_point_once),
        cmocka_unit_test(tpe_beats_random),
        cmocka_unit_test(a_torn_line_is_named_and_survived),
        cmocka_unit_test(killed_workers_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
