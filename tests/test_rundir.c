/* Run directories: one writer, states, metrics that survive a crash. */
#include "train/rundir.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct place {
    char root[64], run[96];
} place;

static int make(void **state)
{
    place *p = calloc(1, sizeof *p);
    strcpy(p->root, "/tmp/sotto-run-XXXXXX");
    if (!mkdtemp(p->root)) return -1;
    snprintf(p->run, sizeof p->run, "%s/a/b", p->root);
    *state = p;
    return 0;
}

static int clean(void **state)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", ((place *)*state)->root);
    int bad = system(command);
    free(*state);
    return bad;
}

static rundir_state look(const place *p)
{
    char note[128];
    return rundir_look(p->run, note);
}

static char *metrics(const place *p)
{
    char *path = base_path(p->run, "metrics.jsonl"), *text = NULL;
    assert_int_equal(base_read_file(path, 1 << 20, &text, NULL, NULL), BASE_OK);
    free(path);
    return text;
}

static void test_states(void **state)
{
    const place *p = *state;
    rundir run;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(look(p), RUN_RUNNING);
    assert_int_equal(rundir_write(&run, "config.ini", "[train]\n", &err), BASE_OK);
    rundir_close(&run);
    assert_int_equal(look(p), RUN_INTERRUPTED); /* as after kill -9 */
    assert_int_equal(rundir_reopen(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_end(&run, RUN_FAILED, "why\n", &err), BASE_OK);
    rundir_close(&run);
    assert_int_equal(look(p), RUN_FAILED);
    assert_int_equal(rundir_reopen(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_end(&run, RUN_DONE, "ok\n", &err), BASE_OK);
    rundir_close(&run);
    assert_int_equal(look(p), RUN_DAMAGED); /* DONE without a model */
    assert_int_equal(rundir_reopen(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_write(&run, "model.h5", "x", &err), BASE_OK);
    rundir_close(&run);
    assert_int_equal(look(p), RUN_DONE);
}

static void test_one_writer(void **state)
{
    const place *p = *state;
    rundir run, other;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_write(&run, "config.ini", "", &err), BASE_OK);
    assert_int_equal(rundir_reopen(p->run, &other, &err), BASE_AGAIN);
    assert_non_null(strstr(err.message, p->run));
    assert_int_equal(rundir_create(p->run, &other, &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "--resume"));
    rundir_close(&run);
    assert_int_equal(rundir_reopen(p->run, &other, &err), BASE_OK);
    rundir_close(&other);
}

/* Killed before it had a config: it is begun again, by one process. */
static void test_begins_again(void **state)
{
    const place *p = *state;
    rundir run, other;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_create(p->run, &other, &err), BASE_AGAIN);
    assert_int_equal(rundir_write(&run, "manifest.json", "{}", &err), BASE_OK);
    rundir_close(&run);
    assert_true(rundir_is_run(p->run));
    assert_false(rundir_resumes(p->run));
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_write(&run, "config.ini", "", &err), BASE_OK);
    rundir_close(&run);
    assert_true(rundir_resumes(p->run));
    assert_int_equal(rundir_check_config(p->run, "", &err), BASE_OK);
    assert_int_equal(rundir_check_config(p->run, "[data]\n", &err), BASE_USAGE);
    assert_non_null(strstr(err.message, p->run));
    assert_int_equal(rundir_create(p->run, &other, &err), BASE_USAGE);
}

/* What was trained is not begun again because its config was lost. */
static void test_a_lost_config(void **state)
{
    const place *p = *state;
    rundir run;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_append(&run, "{}", &err), BASE_OK);
    rundir_close(&run);
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_USAGE);
    assert_null(strstr(err.hint, "--resume"));
    assert_int_equal(look(p), RUN_DAMAGED);
}

static void test_metrics_rewind(void **state)
{
    const place *p = *state;
    rundir run;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rundir_append(&run, i == 0 ? "{\"a\":1}" : "{}", &err), BASE_OK);
    assert_int_equal(rundir_rewind(&run, 1, &err), BASE_OK);
    char *text = metrics(p);
    assert_string_equal(text, "{\"a\":1}\n");
    free(text);
    /* a line cut by a crash goes as well */
    assert_int_equal(rundir_write(&run, "metrics.jsonl", "{\"a\":1}\n{\"b\":", &err), BASE_OK);
    assert_int_equal(rundir_rewind(&run, 2, &err), BASE_OK);
    text = metrics(p);
    assert_string_equal(text, "{\"a\":1}\n");
    free(text);
    rundir_close(&run);
}

static void test_discard_leaves_nothing(void **state)
{
    const place *p = *state;
    rundir run;
    base_err err = {0};
    assert_int_equal(rundir_create(p->run, &run, &err), BASE_OK);
    assert_int_equal(rundir_write(&run, "config.ini", "", &err), BASE_OK);
    rundir_discard(&run);
    assert_false(base_exists(p->run));
}

static void test_refusals(void **state)
{
    const place *p = *state;
    rundir run;
    base_err err = {0};
    assert_int_equal(rundir_reopen(p->run, &run, &err), BASE_DATA);
    assert_int_equal(rundir_create("/dev/null/x", &run, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "/dev/null"));
    assert_int_equal(look(p), RUN_DAMAGED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, clean)
    const struct CMUnitTest tests[] = {
        TEST(test_states),        TEST(test_one_writer),     TEST(test_begins_again),
        TEST(test_a_lost_config), TEST(test_metrics_rewind), TEST(test_discard_leaves_nothing),
        TEST(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
