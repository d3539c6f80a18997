/* HDF5 files: what is written is read back and shown by h5dump; what is damaged, of another kind
 * or cannot be written is refused with a plain message and leaves nothing behind.
 */
#include "nn/h5.h"
#include "tests/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 100000 };

static char dir[] = "/tmp/sotto-h5-XXXXXX";

static const char *in_dir(char *out, const char *name)
{
    snprintf(out, 256, "%s/%s", dir, name);
    return out;
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) n++;
    closedir(d);
    return n;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

static base_status ok(base_status status, const base_err *err)
{
    if (status != BASE_OK) print_error("%s\n", err->message);
    return status;
}

/* A file with something of everything. */
static void write_sample(const char *path)
{
    base_err err = {0};
    h5_file *f;
    const int64_t dims[2] = {2, 3};
    const float matrix[6] = {0.5f, -1, 2, 3, 4, 1e-30f};
    const double pi = 3.14159265358979;
    const char *words[] = {"yes", "", "überlang"};
    int16_t a[3] = {-32768, 0, 32767};
    assert_int_equal(ok(h5_create(path, &f, &err), &err), BASE_OK);
    assert_int_equal(ok(h5_stamp(f, "model", 3, &err), &err), BASE_OK);
    assert_int_equal(h5_write(f, "weights/c1/weight", H5_F32, 2, dims, matrix, &err), BASE_OK);
    assert_int_equal(h5_write(f, "pi", H5_F64, 0, NULL, &pi, &err), BASE_OK);
    assert_int_equal(h5_reserve(f, "pcm", H5_I16, 6, &err), BASE_OK);
    assert_int_equal(h5_write_at(f, "pcm", H5_I16, 3, 3, a, &err), BASE_OK);
    assert_int_equal(h5_write_at(f, "pcm", H5_I16, 0, 3, a, &err), BASE_OK);
    assert_int_equal(h5_write_text(f, "graph", "x = input 2\ny = relu(x)\n", &err), BASE_OK);
    assert_int_equal(h5_write_text(f, "nothing", "", &err), BASE_OK);
    assert_int_equal(h5_write_list(f, "words", words, 3, &err), BASE_OK);
    assert_int_equal(h5_write_list(f, "none", words, 0, &err), BASE_OK);
    assert_int_equal(h5_set_int(f, "weights", "count", 5, &err), BASE_OK);
    assert_int_equal(h5_set_int(f, "weights", "count", 6, &err), BASE_OK);
    assert_int_equal(h5_set_real(f, "pcm", "scale", 0.25, &err), BASE_OK);
    assert_int_equal(h5_set_text(f, "/", "note", "", &err), BASE_OK);
    assert_int_equal(ok(h5_commit(f, &err), &err), BASE_OK);
}

static void test_numbers_round_trip(void **state)
{
    (void)state;
    char path[256];
    base_err err = {0};
    h5_file *f;
    write_sample(in_dir(path, "a.h5"));
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    float matrix[6];
    double pi, wide[6];
    int rank;
    int64_t dims[4], n;
    assert_int_equal(h5_shape(f, "weights/c1/weight", &rank, dims, &err), BASE_OK);
    assert_int_equal(rank, 2);
    assert_true(dims[0] == 2 && dims[1] == 3);
    assert_int_equal(h5_read(f, "weights/c1/weight", H5_F32, matrix, 6, &err), BASE_OK);
    assert_true(matrix[0] == 0.5f && matrix[5] == 1e-30f);
    assert_int_equal(h5_read(f, "weights/c1/weight", H5_F64, wide, 6, &err), BASE_OK);
    assert_true(wide[1] == -1.0);
    assert_int_equal(h5_read(f, "pi", H5_F64, &pi, 1, &err), BASE_OK);
    assert_true(pi == 3.14159265358979);
    assert_int_equal(h5_get_int(f, "weights", "count", &n, &err), BASE_OK);
    assert_int_equal(n, 6);
    assert_int_equal(h5_get_real(f, "pcm", "scale", &pi, &err), BASE_OK);
    assert_true(pi == 0.25);
    assert_true(h5_has(f, "weights/c1") && h5_has(f, "/pcm"));
    assert_false(h5_has(f, "weights/c2/weight"));
    h5_close(f);
}

static void test_pieces_round_trip(void **state)
{
    (void)state;
    char path[256];
    base_err err = {0};
    h5_file *f;
    int64_t offset;
    int16_t pcm[6];
    const int16_t want[6] = {-32768, 0, 32767, -32768, 0, 32767};
    write_sample(in_dir(path, "b.h5"));
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    assert_int_equal(h5_offset(f, "pcm", &offset, &err), BASE_OK);
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, pcm, sizeof pcm, offset), sizeof pcm);
    close(fd);
    assert_memory_equal(pcm, want, sizeof want);
    h5_close(f);
}

/* Bytes written before there is a dataset become the first one; what follows does not touch them.
 */
static void test_ahead(void **state)
{
    (void)state;
    enum { N = H5_AHEAD / 2 + 1 };
    char path[256];
    base_err err = {0};
    h5_file *f;
    int fd;
    int64_t offset, n = N;
    int16_t pcm[N], got[N];
    for (int i = 0; i < N; i++) pcm[i] = (int16_t)(i * 7 - 3000);
    assert_int_equal(h5_create(in_dir(path, "ahead.h5"), &f, &err), BASE_OK);
    assert_int_equal(h5_ahead(f, &fd, &err), BASE_OK);
    assert_int_equal(pwrite(fd, pcm, sizeof pcm, H5_AHEAD), sizeof pcm);
    close(fd);
    assert_int_equal(h5_reserve(f, "sub/pcm", H5_I16, N, &err), BASE_OK);
    assert_int_equal(h5_offset(f, "sub/pcm", &offset, &err), BASE_OK);
    assert_int_equal(offset, H5_AHEAD);
    for (int i = 0; i < 40; i++) {
        char name[40];
        snprintf(name, sizeof name, "more%d/values", i);
        assert_int_equal(h5_write(f, name, H5_I16, 1, &n, pcm, &err), BASE_OK);
        n = 1 + i * 60 % (N - 1);
    }
    assert_int_equal(h5_commit(f, &err), BASE_OK);
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    assert_int_equal(h5_offset(f, "sub/pcm", &offset, &err), BASE_OK);
    assert_int_equal(h5_read(f, "sub/pcm", H5_I16, got, N, &err), BASE_OK);
    assert_memory_equal(got, pcm, sizeof pcm);
    h5_close(f);
}

static void test_text_round_trip(void **state)
{
    (void)state;
    char path[256], *text, **list;
    size_t n;
    base_err err = {0};
    h5_file *f;
    write_sample(in_dir(path, "c.h5"));
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    assert_int_equal(h5_read_text(f, "graph", &text, &err), BASE_OK);
    assert_string_equal(text, "x = input 2\ny = relu(x)\n");
    free(text);
    assert_int_equal(h5_read_text(f, "nothing", &text, &err), BASE_OK);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(h5_get_text(f, "/", "note", &text, &err), BASE_OK);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(h5_read_list(f, "words", &list, &n, &err), BASE_OK);
    assert_int_equal(n, 3);
    assert_string_equal(list[0], "yes");
    assert_string_equal(list[1], "");
    assert_string_equal(list[2], "überlang");
    free(list);
    assert_int_equal(h5_read_list(f, "none", &list, &n, &err), BASE_OK);
    assert_int_equal(n, 0);
    free(list);
    h5_close(f);
}

static void test_reading_refuses(void **state)
{
    (void)state;
    char path[256], *text;
    base_err err = {0};
    h5_file *f;
    float matrix[6];
    int64_t v;
    write_sample(in_dir(path, "d.h5"));
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    assert_int_equal(h5_read(f, "weights/c1/weight", H5_F32, matrix, 5, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "has 6 values, 5 are wanted"));
    assert_int_equal(h5_read(f, "weights/c9/weight", H5_F32, matrix, 6, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "there is no 'weights/c9/weight'"));
    assert_int_equal(h5_read(f, "graph", H5_F32, matrix, 1, &err), BASE_DATA);
    assert_int_equal(h5_read_text(f, "pi", &text, &err), BASE_DATA);
    assert_int_equal(h5_read_text(f, "words", &text, &err), BASE_DATA);
    assert_int_equal(h5_get_int(f, "/", "kind", &v, &err), BASE_DATA);
    assert_int_equal(h5_get_text(f, "/", "version", &text, &err), BASE_DATA);
    assert_int_equal(h5_get_int(f, "/", "speed", &v, &err), BASE_DATA);
    assert_int_equal(h5_get_int(f, "nowhere", "speed", &v, &err), BASE_DATA);
    h5_close(f);
}

static void test_kind_and_version(void **state)
{
    (void)state;
    char path[256];
    base_err err = {0};
    h5_file *f;
    write_sample(in_dir(path, "e.h5"));
    assert_int_equal(ok(h5_open(path, &f, &err), &err), BASE_OK);
    assert_int_equal(h5_check(f, "model", 3, &err), BASE_OK);
    assert_int_equal(h5_check(f, "pack", 3, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "is a model, a pack is wanted"));
    assert_int_equal(h5_check(f, "model", 2, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "version 3, this program reads version 2"));
    h5_close(f);
    assert_int_equal(h5_create(path, &f, &err), BASE_OK);
    assert_int_equal(h5_commit(f, &err), BASE_OK);
    assert_int_equal(h5_open(path, &f, &err), BASE_OK);
    assert_int_equal(h5_check(f, "model", 3, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "not one of sotto's"));
    h5_close(f);
}

static void test_opening_refuses(void **state)
{
    (void)state;
    char path[256];
    base_err err = {0};
    h5_file *f;
    assert_int_equal(h5_open(in_dir(path, "missing.h5"), &f, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(h5_open(dir, &f, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(base_write_file(in_dir(path, "text.h5"), "hello\n", 6, &err), BASE_OK);
    assert_int_equal(h5_open(path, &f, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "is not an HDF5 file"));
    assert_int_equal(base_write_file(in_dir(path, "empty.h5"), "", 0, &err), BASE_OK);
    assert_int_equal(h5_open(path, &f, &err), BASE_DATA);
    write_sample(in_dir(path, "cut.h5"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size > 0; size = size * 2 / 3) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(h5_open(path, &f, &err), BASE_DATA);
        assert_null(f);
        assert_non_null(strstr(err.message, path));
    }
}

static void test_nothing_before_commit(void **state)
{
    (void)state;
    char path[256];
    base_err err = {0};
    h5_file *f;
    int before = count_files();
    int16_t v = 1;
    assert_int_equal(h5_create(in_dir(path, "never.h5"), &f, &err), BASE_OK);
    assert_int_equal(h5_write(f, "v", H5_I16, 0, NULL, &v, &err), BASE_OK);
    assert_false(base_exists(path));
    h5_close(f);
    assert_int_equal(count_files(), before);
}

static void test_bad_targets(void **state)
{
    (void)state;
    char path[256], below[256];
    base_err err = {0};
    h5_file *f;
    int before = count_files();
    assert_int_equal(h5_create(in_dir(path, "no/such/dir.h5"), &f, &err), BASE_FAILED);
    assert_null(f);
    assert_non_null(strstr(err.message, "No such file or directory"));
    assert_int_equal(base_write_file(in_dir(path, "plain"), "x", 1, &err), BASE_OK);
    assert_int_equal(h5_create(in_dir(below, "plain/a.h5"), &f, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "Not a directory"));
    assert_int_equal(h5_create(dir, &f, &err), BASE_USAGE);
    assert_int_equal(h5_create("/dev/full", &f, &err), BASE_OK);
    assert_int_equal(h5_commit(f, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "No space left on device"));
    unlink(path);
    assert_int_equal(count_files(), before);
}

/* Write MANY values piece by piece, then much metadata, until something fails. */
static base_status fill(const char *path, base_err *err)
{
    h5_file *f;
    int16_t piece[1000] = {0};
    BASE_TRY(h5_create(path, &f, err));
    base_status status = h5_reserve(f, "pcm", H5_I16, MANY, err);
    for (int64_t i = 0; i < MANY && status == BASE_OK; i += 1000)
        status = h5_write_at(f, "pcm", H5_I16, i, 1000, piece, err);
    for (int i = 0; i < 500 && status == BASE_OK; i++) {
        char name[40];
        snprintf(name, sizeof name, "group%d/value", i);
        status = h5_write(f, name, H5_I16, 0, NULL, piece, err);
    }
    if (status == BASE_OK) return h5_commit(f, err);
    h5_close(f);
    return status;
}

/* A disk that is full after `limit` bytes, as far as this process is concerned. */
static int fill_limited(rlim_t limit)
{
    struct rlimit r = {limit, limit};
    char path[256];
    base_err err = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &r) != 0) return 9;
    base_status status = fill(in_dir(path, "full.h5"), &err);
    if (status == BASE_OK) return base_exists(path) ? 0 : 8;
    if (base_exists(path) || !strstr(err.message, "File too large")) return 7;
    return status == BASE_FAILED ? 1 : 6;
}

static void test_full_disk(void **state)
{
    (void)state;
    const rlim_t limits[] = {0, 100, 3000, 50000, 199000, 202000, 210000, 300000, 1 << 20};
    int before = count_files(), failures = 0;
    for (size_t i = 0; i < BASE_COUNT(limits); i++) {
        pid_t pid = fork();
        if (pid == 0) exit(fill_limited(limits[i]));
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 0, 1);
        failures += WEXITSTATUS(status);
        assert_int_equal(count_files(), before + (WEXITSTATUS(status) == 0));
    }
    assert_int_equal(failures, (int)BASE_COUNT(limits) - 1);
}

static void test_h5dump(void **state)
{
    (void)state;
    char path[256], command[300], text[20000];
    if (system("command -v h5dump >/dev/null") != 0) {
        print_message("h5dump is not installed (hdf5-tools)\n");
        skip();
    }
    write_sample(in_dir(path, "dump.h5"));
    snprintf(command, sizeof command, "h5dump '%s' 2>&1", path);
    FILE *p = popen(command, "r");
    size_t n = fread(text, 1, sizeof text - 1, p);
    text[n] = '\0';
    assert_int_equal(pclose(p), 0);
    const char *const wanted[] = {
        "ATTRIBUTE \"kind\"", "\"model\"", "\"yes\"", "y = relu(x)", "berlang",
        "DATASET \"weight\"", "3.14159",   "-32768"};
    for (size_t i = 0; i < BASE_COUNT(wanted); i++) {
        if (!strstr(text, wanted[i]))
            print_error("h5dump does not show %s:\n%s\n", wanted[i], text);
        assert_non_null(strstr(text, wanted[i]));
    }
}

static void *hammer(void *arg)
{
    char path[256], name[32];
    base_err err = {0};
    snprintf(name, sizeof name, "thread%d.h5", *(int *)arg);
    for (int i = 0; i < 5; i++) {
        h5_file *f;
        write_sample(in_dir(path, name));
        if (h5_open(path, &f, &err) != BASE_OK) return NULL;
        if (h5_check(f, "model", 3, &err) != BASE_OK) return NULL;
        h5_close(f);
    }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[3];
    int number[3];
    for (int i = 0; i < 3; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, &number[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &number[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk), /* first: it forks before there are threads */
        cmocka_unit_test(test_numbers_round_trip),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_pieces_round_trip),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_reading_refuses),
        cmocka_unit_test(test_kind_and_version),
        cmocka_unit_test(test_opening_refuses),
        cmocka_unit_test(test_nothing_before_commit),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_h5dump),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
