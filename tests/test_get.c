/* Downloads, from a folder through file:// URLs: what is complete appears whole, what broke off
 * goes on, what is wrong is refused and removed. Skipped where curl or tar is missing. */
#include "data/folder.h"
#include "data/get.h"
#include "data/process.h"
#include "tests/check.h"

#include <sys/types.h>

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with two archives, and a data set that consists of them. */
typedef struct mirror {
    char *dir, *url;
    char sums[2][2 * SHA256_DIGEST_SIZE + 1];
    char *bytes[2]; /* the archives */
    size_t size[2];
    data_dataset set;
} mirror;

static void shell(const char *fmt, const char *dir)
{
    base_str command = {0};
    base_str_add(&command, fmt, dir);
    if (system(command.s) != 0) fail_msg("failed: %s", command.s);
    base_str_free(&command);
}

static void learn(mirror *m, int i, const char *name)
{
    char *path = base_path(m->dir, name);
    base_err err = {0};
    assert_int_equal(base_read_file(path, 1 << 20, &m->bytes[i], &m->size[i], &err), BASE_OK);
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&ctx);
    sha256_update(&ctx, m->size[i], (const uint8_t *)m->bytes[i]);
    sha256_digest(&ctx, sizeof digest, digest);
    base_hex(digest, sizeof digest, m->sums[i]);
    free(path);
}

static bool missing_programs(void)
{
    return !data_process_found("curl") || !data_process_found("tar") || !data_process_found("gzip");
}

static int set_up(void **state)
{
    mirror *m = calloc(1, sizeof *m);
    base_str url = {0};
    *state = m;
    m->dir = base_strdup("/tmp/sotto-get-XXXXXX");
    if (!mkdtemp(m->dir)) return -1;
    base_str_add(&url, "file://%s", m->dir);
    m->url = url.s;
    if (missing_programs()) return 0;
    shell("cd %s && mkdir yes no inner inner/up && head -c 30000 /dev/urandom >yes/a.wav && "
          "echo n >no/b.wav && echo u >inner/up/c.wav && echo r >inner/up/.hidden && "
          "tar -czf one.tar.gz ./yes ./no && tar -czf two.tar.gz inner && rm -r yes no inner",
          m->dir);
    learn(m, 0, "one.tar.gz");
    learn(m, 1, "two.tar.gz");
    m->set = (data_dataset){
        .name = "test",
        .archives =
            {
                {.url = "https://invalid.invalid/x/one.tar.gz",
                 .size = (int64_t)m->size[0],
                 .sha256 = m->sums[0],
                 .to = "train"},
                {.url = "https://invalid.invalid/x/two.tar.gz",
                 .size = (int64_t)m->size[1],
                 .sha256 = m->sums[1],
                 .top = "inner",
                 .to = "test"},
            },
        .n_archives = 2,
    };
    return 0;
}

static int tear_down(void **state)
{
    mirror *m = *state;
    data_folder_remove(m->dir);
    for (int i = 0; i < 2; i++) free(m->bytes[i]);
    free(m->dir);
    free(m->url);
    free(m);
    return 0;
}

static bool there(const mirror *m, const char *name)
{
    char *path = base_path(m->dir, name);
    bool is = base_exists(path);
    free(path);
    return is;
}

static void put(const mirror *m, const char *name, const char *bytes, size_t n)
{
    char *path = base_path(m->dir, name);
    base_err err = {0};
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    *slash = '/';
    assert_int_equal(base_write_file(path, bytes, n, &err), BASE_OK);
    free(path);
}

static base_status run(const mirror *m, const data_dataset *set, const char *url, const char *name,
                       data_get_result *r, base_err *err)
{
    char *dir = base_path(m->dir, name);
    data_get get = {.dataset = set, .mirror = url, .connect_timeout = 2};
    *err = (base_err){0};
    base_status st = data_get_run(&get, dir, r, err);
    free(dir);
    return st;
}

static void assert_complete(const mirror *m)
{
    struct stat info;
    char *path = base_path(m->dir, "new/out/train/yes/a.wav");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 30000);
    free(path);
    assert_true(there(m, "new/out/train/no/b.wav"));
    assert_true(there(m, "new/out/test/up/c.wav"));
    assert_false(there(m, "new/out/test/inner"));
    assert_false(there(m, "new/out.part"));
    path = base_path(m->dir, "new");
    data_folder_remove(path);
    free(path);
}

static void a_download_appears_whole(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    data_get_result r;
    base_err err;
    if (run(m, &m->set, m->url, "new/out", &r, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(r.bytes, m->size[0] + m->size[1]);
    assert_int_equal(r.resumed, 0);
    assert_complete(m);
}

static void a_download_goes_on(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    data_get_result r;
    base_err err;
    put(m, "new/out.part/one.tar.gz", m->bytes[0], 12345);
    put(m, "new/out.part/two.tar.gz", m->bytes[1], m->size[1]);
    if (run(m, &m->set, m->url, "new/out", &r, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(r.resumed, 12345 + m->size[1]);
    assert_complete(m);
}

static void what_is_too_long_is_fetched_anew(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    data_get_result r;
    base_err err;
    char *longer = calloc(1, m->size[0] + 1);
    put(m, "new/out.part/one.tar.gz", longer, m->size[0] + 1);
    if (run(m, &m->set, m->url, "new/out", &r, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(r.resumed, 0);
    assert_complete(m);
    free(longer);
}

static void wrong_bytes_are_refused_and_removed(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    data_get_result r;
    base_err err;
    /* The part is not the beginning of the archive: size is right in the end, SHA-256 is not. */
    put(m, "new/out.part/one.tar.gz", "something else", 14);
    assert_int_equal(run(m, &m->set, m->url, "new/out", &r, &err), BASE_DATA);
    assert_non_null(strstr(err.message, m->sums[0]));
    assert_false(there(m, "new/out.part/one.tar.gz"));
    assert_false(there(m, "new/out"));
    /* A mirror with another version. */
    data_dataset other = m->set;
    other.archives[1].size += 1;
    assert_int_equal(run(m, &other, m->url, "new/out", &r, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "two.tar.gz has"));
    assert_false(there(m, "new/out.part/two.tar.gz"));
    assert_true(there(m, "new/out.part/one.tar.gz")); /* was right: not again */
    assert_false(there(m, "new/out"));
    other = m->set;
    other.archives[1].top = "elsewhere";
    assert_int_equal(run(m, &other, m->url, "new/out", &r, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "no folder elsewhere"));
    assert_int_equal(run(m, &m->set, m->url, "new/out", &r, &err), BASE_OK);
    assert_int_equal(r.resumed, m->size[0]);
    assert_complete(m);
}

static void what_cannot_be_reached_leaves_nothing(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    data_get_result r;
    base_err err;
    base_str url = {0};
    base_str_add(&url, "%s/nowhere", m->url);
    assert_int_equal(run(m, &m->set, url.s, "new/out", &r, &err), BASE_AGAIN);
    assert_true(err.hint[0]);
    assert_false(there(m, "new"));
    assert_int_equal(run(m, &m->set, "http://127.0.0.1:9", "new/out", &r, &err), BASE_AGAIN);
    assert_false(there(m, "new"));
    /* What an earlier try received stays, and the hint says so. */
    put(m, "new/out.part/one.tar.gz", m->bytes[0], 100);
    assert_int_equal(run(m, &m->set, url.s, "new/out", &r, &err), BASE_AGAIN);
    assert_non_null(strstr(err.hint, "byte 100"));
    assert_true(there(m, "new/out.part/one.tar.gz"));
    assert_int_equal(run(m, &m->set, m->url, "new/out", &r, &err), BASE_OK);
    assert_int_equal(r.resumed, 100);
    assert_complete(m);
    base_str_free(&url);
}

static void refusals(void **state)
{
    const mirror *m = *state;
    data_get_result r;
    base_err err;
    put(m, "full/file", "x", 1);
    assert_int_equal(run(m, &m->set, m->url, "full", &r, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "not empty"));
    assert_int_equal(run(m, &m->set, m->url, "full/file", &r, &err), BASE_USAGE);
    char *path = base_strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    base_status st = run(m, &m->set, m->url, "new/out", &r, &err);
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(st, BASE_FAILED);
    assert_non_null(strstr(err.message, "curl"));
    assert_false(there(m, "new"));
}

static void an_interrupt_keeps_the_part_only(void **state)
{
    const mirror *m = *state;
    if (missing_programs()) skip();
    const volatile int stop = 1;
    base_err err = {0};
    data_get_result r;
    char *dir = base_path(m->dir, "new/out");
    data_get get = {.dataset = &m->set, .mirror = m->url, .connect_timeout = 2, .stop = &stop};
    put(m, "new/out.part/one.tar.gz", m->bytes[0], 100);
    assert_int_equal(data_get_run(&get, dir, &r, &err), BASE_INTERRUPTED);
    assert_true(there(m, "new/out.part/one.tar.gz"));
    assert_false(there(m, "new/out"));
    assert_false(there(m, "new/out.part/unpacked"));
    free(dir);
}

static void zips_are_unpacked(void **state)
{
    mirror *m = *state;
    bool unzip = data_process_found("unzip") || data_process_found("bsdtar");
    if (!data_process_found("curl") || !unzip || !data_process_found("python3")) skip();
    data_get_result r;
    base_err err;
    shell("cd %s && mkdir -p top/go && echo g >top/go/d.wav && "
          "python3 -m zipfile -c three.zip top && rm -r top",
          m->dir);
    free(m->bytes[1]);
    learn(m, 1, "three.zip");
    data_dataset set = {.name = "zip",
                        .archives = {{.url = "https://invalid.invalid/three.zip",
                                      .size = (int64_t)m->size[1],
                                      .sha256 = m->sums[1],
                                      .top = "top"}},
                        .n_archives = 1};
    if (run(m, &set, m->url, "new", &r, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_true(there(m, "new/go/d.wav"));
    assert_false(there(m, "new.part"));
}

/* ---- what is known of the real ones ---- */

static void known_data_sets_are_complete(void **state)
{
    (void)state;
    size_t n;
    const data_dataset *all = data_datasets(&n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < all[i].n_archives; k++) {
            const data_archive *a = &all[i].archives[k];
            assert_int_equal(strlen(a->sha256), 64);
            assert_int_equal(strspn(a->sha256, "0123456789abcdef"), 64);
            assert_true(a->size > 100000000);
            assert_int_equal(strncmp(a->url, "https://", 8), 0);
            assert_true(all[i].n_archives == 1 || a->to != NULL);
        }
}

/* ---- programs ---- */

static void programs_run(void **state)
{
    (void)state;
    base_err err = {0};
    base_str out = {0}, errors = {0};
    int code = -1;
    const char *const say[] = {"sh", "-c", "echo out; echo first >&2; echo last >&2; exit 7", NULL};
    data_process p = {.argv = say, .out = &out, .errors = &errors};
    assert_int_equal(data_process_run(&p, &code, &err), BASE_OK);
    assert_int_equal(code, 7);
    assert_string_equal(out.s, "out\n");
    assert_string_equal(data_process_last_line(&errors), "last");
    base_str_free(&out);
    base_str_free(&errors);
    /* More than a pipe holds, on both. */
    const char *const much[] = {"sh", "-c",
                                "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", NULL};
    p.argv = much;
    assert_int_equal(data_process_run(&p, &code, &err), BASE_OK);
    assert_int_equal(out.len, 300000);
    assert_int_equal(errors.len, 300000);
    base_str_free(&out);
    base_str_free(&errors);
    const char *const none[] = {"no-such-program-here", NULL};
    p.argv = none;
    assert_int_equal(data_process_run(&p, &code, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "no-such-program-here"));
    assert_false(data_process_found("no-such-program-here"));
    assert_true(data_process_found("sh"));
}

static void set_flag(void *ctx)
{
    *(volatile int *)ctx = 1;
}

static void programs_are_stopped(void **state)
{
    (void)state;
    base_err err = {0};
    int code = -1;
    volatile int stop = 0;
    const char *const wait[] = {"sleep", "60", NULL};
    data_process p = {
        .argv = wait, .stop = &stop, .tick = set_flag, .ctx = (void *)(uintptr_t)&stop};
    double start = base_seconds();
    assert_int_equal(data_process_run(&p, &code, &err), BASE_INTERRUPTED);
    assert_true(base_seconds() - start < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_download_appears_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_download_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_fetched_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_bytes_are_refused_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_reached_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupt_keeps_the_part_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(zips_are_unpacked, set_up, tear_down),
        cmocka_unit_test(known_data_sets_are_complete),
        cmocka_unit_test(programs_run),
        cmocka_unit_test(programs_are_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
