/* The list of many runs and its index: whatever happens to runs, index, folder and clock, the list
 * is what each run says by itself.
 */
#include "train/runindex.h"

#include "tests/check.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNS = 80 };

static void put(const char *dir, int run, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/run%d/%s", dir, run, name);
    assert_int_equal(base_write_file(path, text, strlen(text), NULL), BASE_OK);
}

static char *index_of(const char *dir)
{
    return base_path(dir, ".index.sqlite");
}

static int make(void **state)
{
    char *dir = base_strdup("/tmp/sotto-list-XXXXXX");
    *state = dir;
    if (!dir || !mkdtemp(dir)) return -1;
    for (int i = 0; i < RUNS; i++) {
        char path[256], text[256];
        snprintf(path, sizeof path, "%s/run%d", dir, i);
        mkdir(path, 0777);
        put(dir, i, "config.ini", "[train]\n");
        snprintf(text, sizeof text, "{\"model\":{\"arch\":\"net%d\"},\"started\":\"2026\"}", i);
        put(dir, i, "manifest.json", text);
        snprintf(text, sizeof text, "{\"epoch\":%d,\"loss\":0.1}\n", i + 1);
        put(dir, i, "metrics.jsonl", text);
        if (i % 3 == 0) put(dir, i, "DONE", "{}");
        if (i % 6 == 0) put(dir, i, "model.h5", "");
    }
    usleep(1100000); /* until they are no longer young */
    return 0;
}

static int clean(void **state)
{
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Reads the list and holds every row against its run. */
static void check(const char *dir, size_t runs)
{
    runlist list;
    assert_int_equal(runlist_read(dir, &list, NULL), BASE_OK);
    assert_int_equal(list.n, runs);
    for (size_t i = 0; i < list.n; i++) {
        const run_row *r = &list.rows[i];
        char *path = base_path(dir, r->name), note[128];
        run_summary s;
        assert_int_equal(r->state, rundir_look(path, note));
        assert_string_equal(r->note, note);
        run_summarize(path, &s);
        assert_string_equal(r->summary.model, s.model);
        assert_string_equal(r->summary.started, s.started);
        assert_int_equal(r->summary.epoch, s.epoch);
        assert_true(same(r->summary.loss, s.loss));
        assert_true(same(r->summary.val_accuracy, s.val_accuracy));
        assert_true(i == 0 || strcmp(list.rows[i - 1].name, r->name) < 0);
        free(path);
    }
    runlist_free(&list);
}

static size_t indexed(const char *dir)
{
    runlist rows;
    runindex_read(dir, &rows);
    const size_t n = rows.n;
    runlist_free(&rows);
    return n;
}

static void unchanged_runs_come_from_the_index(void **state)
{
    const char *dir = *state;
    check(dir, RUNS);
    assert_int_equal(indexed(dir), RUNS);
    runlist rows;
    runindex_read(dir, &rows);
    strcpy(rows.rows[5].summary.model, "of the index");
    runindex_write(dir, &rows);
    runlist_free(&rows);
    assert_int_equal(runlist_read(dir, &rows, NULL), BASE_OK);
    assert_string_equal(rows.rows[5].summary.model, "of the index");
    runlist_free(&rows);
}

static void what_changes_is_read_again(void **state)
{
    const char *dir = *state;
    char path[256];
    check(dir, RUNS);
    put(dir, 1, "DONE", "{}");
    put(dir, 1, "model.h5", "");
    put(dir, 2, "FAILED", "no");
    put(dir, 4, "metrics.jsonl", "{\"epoch\":5,\"loss\":0.2}\n"); /* the same size */
    put(dir, 5, "manifest.json", "{\"model\":{\"arch\":\"net7\"},\"started\":\"2026\"}");
    put(dir, 0, "lock", "");
    snprintf(path, sizeof path, "%s/run0/config.ini", dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "rm -r %s/run3", dir);
    assert_int_equal(system(path), 0);
    check(dir, RUNS - 1);
    snprintf(path, sizeof path, "%s/run7/lock", dir);
    const int fd = open(path, O_RDWR | O_CREAT, 0666);
    assert_int_equal(lockf(fd, F_TLOCK, 0), 0); /* of another kind: no writer */
    check(dir, RUNS - 1);
    close(fd);
}

/* Runs from a clock that was ahead: their changes have older stamps. */
static void a_clock_set_back_hides_nothing(void **state)
{
    const char *dir = *state;
    char path[256];
    const struct timespec future[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    for (int i = 0; i < RUNS; i++) {
        snprintf(path, sizeof path, "%s/run%d/metrics.jsonl", dir, i);
        assert_int_equal(utimensat(AT_FDCWD, path, future, 0), 0);
        snprintf(path, sizeof path, "%s/run%d", dir, i);
        assert_int_equal(utimensat(AT_FDCWD, path, future, 0), 0);
    }
    usleep(1100000);
    check(dir, RUNS);
    assert_int_equal(indexed(dir), RUNS);
    for (int i = 0; i < RUNS; i += 2) put(dir, i, "metrics.jsonl", "{\"epoch\":9,\"loss\":0.3}\n");
    put(dir, 5, "DONE", "{}");
    check(dir, RUNS);
}

/* A young change can be followed by another with the same stamp. */
static void what_is_young_is_not_indexed(void **state)
{
    const char *dir = *state;
    put(dir, 4, "metrics.jsonl", "{\"epoch\":6,\"loss\":0.2}\n");
    check(dir, RUNS);
    assert_int_equal(indexed(dir), RUNS - 1);
}

static void a_damaged_index_is_rebuilt(void **state)
{
    const char *dir = *state;
    char *path = index_of(dir), *whole;
    size_t n;
    check(dir, RUNS);
    assert_int_equal(base_read_file(path, 1 << 28, &whole, &n, NULL), BASE_OK);
    char *bad = malloc(n);
    for (uint32_t k = 0; k < 300; k++) {
        base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, k);
        const uint32_t cut = base_rng_below(&r, (uint32_t)n), kind = k % 4;
        memcpy(bad, whole, n);
        if (kind == 0) memset(bad + cut, 0, n - cut < 512 ? n - cut : 512);
        for (int i = 0; i < (kind == 1 ? 1 : 40) && kind < 3; i++) /* in the header, too */
            bad[base_rng_below(&r, kind == 1 ? 200 : (uint32_t)n)] = (char)base_rng_u32(&r);
        assert_int_equal(base_write_file(path, bad, kind == 3 ? cut : n, NULL), BASE_OK);
        check(dir, RUNS);
    }
    assert_int_equal(base_write_file(path, "", 0, NULL), BASE_OK);
    check(dir, RUNS);
    assert_int_equal(indexed(dir), RUNS);
    unlink(path);
    mkdir(path, 0777); /* cannot be replaced */
    check(dir, RUNS);
    rmdir(path);
    free(bad);
    free(whole);
    free(path);
}

static void few_runs_have_no_index(void **state)
{
    const char *dir = *state;
    char command[256], *path = index_of(dir);
    snprintf(command, sizeof command, "rm -r %s/run[2-9]*", dir);
    assert_int_equal(system(command), 0);
    check(dir, 12);
    assert_false(base_exists(path));
    free(path);
    runlist list;
    base_err err = {0};
    assert_int_equal(runlist_read("/nowhere/at/all", &list, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
}

/* Check values of the CRC catalogue ("123456789"). */
static void checksums_are_the_standard_ones(void **state)
{
    (void)state;
    assert_int_equal(base_crc32("123456789", 9), 0xcbf43926);
    assert_int_equal(base_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(base_crc32c("", 0), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, clean)
    const struct CMUnitTest tests[] = {
        TEST(unchanged_runs_come_from_the_index),
        TEST(what_changes_is_read_again),
        TEST(a_clock_set_back_hides_nothing),
        TEST(what_is_young_is_not_indexed),
        TEST(a_damaged_index_is_rebuilt),
        TEST(few_runs_have_no_index),
        cmocka_unit_test(checksums_are_the_standard_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
