/* Files of nn/base.h: whole or not at all, devices stay devices, errors name path and reason. Every
 * test works in a folder of its own under /tmp. */
#include "nn/base.h"
#include "tests/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_folder(void **state)
{
    char *dir = base_strdup("/tmp/sotto-files-XXXXXX");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

/* How many entries a folder has; removes them when asked. */
static int entries(const char *dir, bool unlink_them)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        n++;
        char *path = base_path(dir, e->d_name);
        if (unlink_them && unlink(path) != 0) {
            entries(path, true);
            rmdir(path);
        }
        free(path);
    }
    closedir(d);
    return n;
}

static int remove_folder(void **state)
{
    chmod(*state, 0700);
    entries(*state, true);
    rmdir(*state);
    free(*state);
    return 0;
}

static void content_is(const char *path, const char *expected)
{
    base_err err = {0};
    char *text = NULL;
    size_t n = 0;
    if (base_read_file(path, 1 << 20, &text, &n, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
    free(text);
}

static void write_text(const char *path, const char *text)
{
    base_err err = {0};
    if (base_write_file(path, text, strlen(text), &err) != BASE_OK) fail_msg("%s", err.message);
}

static void abort_leaves_nothing(void **state)
{
    char *path = base_path(*state, "a.txt");
    base_file f;
    base_err err = {0};
    assert_int_equal(base_file_create(&f, path, &err), BASE_OK);
    fprintf(f.f, "half of it");
    assert_false(base_exists(path));
    base_file_abort(&f);
    base_file_abort(&f); /* safe twice */
    assert_int_equal(entries(*state, false), 0);
    write_text(path, "old");
    assert_int_equal(base_file_create(&f, path, &err), BASE_OK);
    fprintf(f.f, "new");
    base_file_abort(&f);
    content_is(path, "old");
    assert_int_equal(entries(*state, false), 1);
    free(path);
}

static void commit_replaces(void **state)
{
    char *path = base_path(*state, "a.txt");
    base_file f;
    base_err err = {0};
    write_text(path, "old, and longer than what comes");
    assert_int_equal(base_file_create(&f, path, &err), BASE_OK);
    fprintf(f.f, "new");
    fflush(f.f);
    content_is(path, "old, and longer than what comes");
    assert_int_equal(base_file_commit(&f, &err), BASE_OK);
    content_is(path, "new");
    assert_int_equal(entries(*state, false), 1);
    free(path);
}

/* The new file has the permissions that open() would give, not those of a temporary file. */
static void permissions_follow_umask(void **state)
{
    char *path = base_path(*state, "a.txt");
    mode_t old = umask(027);
    write_text(path, "x");
    umask(old);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    free(path);
}

static void a_name_without_folder_works(void **state)
{
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(*state), 0);
    base_err err = {0};
    base_status status = base_write_file("plain", "x", 1, &err);
    assert_int_equal(entries(".", false), 1);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(status, BASE_OK);
}

static bool is_device(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISCHR(st.st_mode);
}

static void full_disk_is_said_and_the_device_stays(void **state)
{
    (void)state;
    base_err err = {0};
    char big[100000];
    memset(big, 'x', sizeof big);
    assert_int_equal(base_write_file("/dev/full", "x", 1, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "/dev/full"));
    assert_non_null(strstr(err.message, "No space left"));
    assert_true(strlen(err.hint) > 0);
    assert_int_equal(base_write_file("/dev/full", big, sizeof big, &err), BASE_FAILED);
    assert_true(is_device("/dev/full"));
    base_file f;
    assert_int_equal(base_file_create(&f, "/dev/full", &err), BASE_OK);
    fprintf(f.f, "x");
    assert_int_equal(base_file_commit(&f, &err), BASE_FAILED);
    assert_true(is_device("/dev/full"));
    assert_int_equal(base_write_file("/dev/null", big, sizeof big, &err), BASE_OK);
    assert_true(is_device("/dev/null"));
}

/* The halves for libraries that write by name: a device gets the bytes, the temporary goes. */
static void replace_onto_a_device_copies(void **state)
{
    (void)state;
    base_err err = {0};
    char *temp = NULL;
    assert_int_equal(base_temp_name("/dev/full", &temp, &err), BASE_OK);
    assert_true(base_exists(temp));
    write_text(temp, "bytes");
    assert_int_equal(base_replace(temp, "/dev/full", &err), BASE_FAILED);
    assert_false(base_exists(temp));
    assert_true(is_device("/dev/full"));
    free(temp);
}

static void replace_renames(void **state)
{
    base_err err = {0};
    char *temp = NULL, *path = base_path(*state, "m.h5");
    assert_int_equal(base_temp_name(path, &temp, &err), BASE_OK);
    write_text(temp, "bytes");
    assert_int_equal(base_replace(temp, path, &err), BASE_OK);
    content_is(path, "bytes");
    assert_int_equal(entries(*state, false), 1);
    free(temp);
    free(path);
}

/* Root may write everywhere, so the child gives that up first. */
static void no_permission_is_said(void **state)
{
    char *path = base_path(*state, "a.txt");
    assert_int_equal(chmod(*state, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        base_err err = {0};
        if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
        base_status status = base_write_file(path, "x", 1, &err);
        bool said = strstr(err.message, path) && strstr(err.message, "ermission") && err.hint[0];
        _exit(status == BASE_FAILED && said ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_int_equal(entries(*state, false), 0);
    free(path);
}

static void bad_places_are_refused(void **state)
{
    base_err err = {0};
    char *missing = base_path(*state, "no/such/a.txt");
    assert_int_not_equal(base_write_file(missing, "x", 1, &err), BASE_OK);
    assert_non_null(strstr(err.message, missing));
    assert_int_equal(base_write_file(*state, "x", 1, &err), BASE_USAGE); /* a folder */
    assert_non_null(strstr(err.message, *state));
    assert_int_equal(entries(*state, false), 0);
    free(missing);
}

static void reading_has_a_limit(void **state)
{
    base_err err = {0};
    char *path = base_path(*state, "a.txt"), *text = NULL;
    size_t n = 0;
    write_text(path, "12345");
    assert_int_equal(base_read_file(path, 4, &text, &n, &err), BASE_DATA);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "4"));
    assert_null(text);
    assert_int_equal(base_read_file(path, 5, &text, &n, &err), BASE_OK);
    assert_int_equal(n, 5);
    free(text);
    assert_int_equal(base_read_file("/dev/zero", 100000, &text, &n, &err), BASE_DATA);
    assert_int_equal(base_read_file(*state, 100, &text, &n, &err), BASE_DATA);
    char *missing = base_path(*state, "none");
    assert_int_equal(base_read_file(missing, 100, &text, NULL, &err), BASE_DATA);
    assert_non_null(strstr(err.message, missing));
    write_text(path, "");
    content_is(path, "");
    free(missing);
    free(path);
}

static void mkdirs_makes_all(void **state)
{
    base_err err = {0};
    char *deep = base_path(*state, "a/b/c"), *file = base_path(*state, "f");
    assert_int_equal(base_mkdirs(deep, &err), BASE_OK);
    assert_true(base_is_dir(deep));
    assert_int_equal(base_mkdirs(deep, &err), BASE_OK); /* again */
    write_text(file, "x");
    char *under = base_path(file, "d");
    assert_int_equal(base_mkdirs(under, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, under));
    assert_int_equal(base_mkdirs(file, &err), BASE_FAILED);
    assert_false(base_is_dir(file));
    free(under);
    free(file);
    free(deep);
}

static void paths_join(void **state)
{
    (void)state;
    char *a = base_path("a", "b"), *b = base_path("a/", "b"), *c = base_path("/", "b");
    assert_string_equal(a, "a/b");
    assert_string_equal(b, "a/b");
    assert_string_equal(c, "/b");
    free(a);
    free(b);
    free(c);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(abort_leaves_nothing),
        IN_FOLDER(commit_replaces),
        IN_FOLDER(permissions_follow_umask),
        IN_FOLDER(a_name_without_folder_works),
        cmocka_unit_test(full_disk_is_said_and_the_device_stays),
        cmocka_unit_test(replace_onto_a_device_copies),
        IN_FOLDER(replace_renames),
        IN_FOLDER(no_permission_is_said),
        IN_FOLDER(bad_places_are_refused),
        IN_FOLDER(reading_has_a_limit),
        IN_FOLDER(mkdirs_makes_all),
        cmocka_unit_test(paths_join),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
