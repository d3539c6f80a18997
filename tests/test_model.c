/* Model files: everything comes back, and what is damaged, missing or not a model is said. */
#include "nn/h5.h"
#include "tests/check.h"
#include "tests/nets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(void **state)
{
    char *dir = base_strdup("/tmp/sotto-model-XXXXXX");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"m.h5", "model.h5"};
    for (size_t i = 0; i < BASE_COUNT(names); i++) {
        char *path = base_path(*state, names[i]);
        unlink(path);
        free(path);
    }
    int left = rmdir(*state); /* fails when a test left something else behind */
    free(*state);
    return left;
}

static char label_yes[] = "yes", label_no[] = "no", label_odd[] = "\xc3\xa4 _x_", label_go[] = "go";

/* Borrows everything but graph and weights. */
static nn_model model_new(char **labels, float *stats)
{
    static char features[] = "preset = mfcc_49x10\n", provenance[] = "seed = 7\nlr = 0.1\n";
    char text[1024];
    snprintf(text, sizeof text, "%s", nets_ds_cnn);
    *strstr(text, "; l = ") = '\0';
    labels[0] = label_yes, labels[1] = label_no, labels[2] = label_odd, labels[3] = label_go;
    for (int i = 0; i < 16; i++) stats[i] = 0.1f * (float)(i + 1);
    nn_model m = {.graph = nets_parse(text), .labels = labels, .n_labels = 4, .n_stats = 8};
    m.features = features, m.provenance = provenance, m.mean = stats, m.std = stats + 8;
    m.weights = base_alloc(nn_graph_params(m.graph), sizeof *m.weights);
    nets_weights(m.graph, m.weights);
    return m;
}

static void model_done(nn_model *m)
{
    nn_graph_free(m->graph);
    base_free(m->weights);
}

static void everything_comes_back(void **state)
{
    char *labels[4], *path = base_path(*state, "m.h5");
    float stats[16];
    base_err err = {0};
    nn_model m = model_new(labels, stats), *back = NULL;
    assert_int_equal(nn_model_save(&m, path, &err), BASE_OK);
    assert_int_equal(nn_model_load(path, &back, &err), BASE_OK);
    base_str a = {0}, b = {0};
    nn_print(m.graph, &a);
    nn_print(back->graph, &b);
    assert_string_equal(a.s, b.s);
    assert_memory_equal(m.weights, back->weights, nn_graph_params(m.graph) * sizeof *m.weights);
    assert_int_equal(back->n_labels, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(back->labels[i], labels[i]);
    assert_int_equal(back->n_stats, 8);
    assert_memory_equal(back->mean, m.mean, 8 * sizeof(float));
    assert_memory_equal(back->std, m.std, 8 * sizeof(float));
    assert_string_equal(back->features, m.features);
    assert_string_equal(back->provenance, m.provenance);
    base_str_free(&a);
    base_str_free(&b);
    nn_model_free(back);
    model_done(&m);
    free(path);
}

static void what_a_model_lacks_is_absent_again(void **state)
{
    char *path = base_path(*state, "m.h5");
    base_err err = {0};
    nn_model *m = calloc(1, sizeof *m), *back = NULL;
    m->graph = nets_parse("x = input 5; y = relu(x)"); /* not even weights */
    m->weights = base_alloc(0, sizeof *m->weights);
    m->features = base_strdup("");
    m->provenance = base_strdup("");
    if (nn_model_save(m, path, &err) != BASE_OK) fail_msg("%s", err.message);
    if (nn_model_load(path, &back, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(back->n_labels, 0);
    assert_int_equal(back->n_stats, 0);
    assert_null(back->mean);
    assert_int_equal(nn_graph_params(back->graph), 0);
    nn_model_free(back);
    nn_model_free(m);
    nn_model_free(NULL);
    free(path);
}

/* Saves a good model at path and returns its bytes. */
static char *saved_bytes(const char *path, size_t *n)
{
    char *labels[4], *bytes = NULL;
    float stats[16];
    base_err err = {0};
    nn_model m = model_new(labels, stats);
    assert_int_equal(nn_model_save(&m, path, &err), BASE_OK);
    assert_int_equal(base_read_file(path, 1 << 24, &bytes, n, &err), BASE_OK);
    model_done(&m);
    return bytes;
}

static void refused(const char *path)
{
    base_err err = {0};
    nn_model *back = NULL;
    base_status status = nn_model_load(path, &back, &err);
    if (status != BASE_DATA) fail_msg("status %d: %s", (int)status, err.message);
    assert_null(back);
    if (!strstr(err.message, path)) fail_msg("does not name the file: %s", err.message);
}

static void damaged_files_are_refused(void **state)
{
    char *path = base_path(*state, "m.h5");
    base_err err = {0};
    size_t n;
    char *bytes = saved_bytes(path, &n);
    for (size_t cut = 0; cut < n; cut += n / 9 + 1) { /* truncated at several places */
        assert_int_equal(base_write_file(path, bytes, cut, &err), BASE_OK);
        refused(path);
    }
    assert_int_equal(base_write_file(path, "not a model\n", 12, &err), BASE_OK);
    refused(path);
    unlink(path);
    refused(path);
    free(bytes);
    free(path);
}

/* A flipped byte is found or changes the model; it never crashes the reader. */
static void flipped_bytes_never_crash(void **state)
{
    char *path = base_path(*state, "m.h5");
    base_err err = {0};
    size_t n;
    char *bytes = saved_bytes(path, &n);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 60; i++) {
        size_t at = base_rng_below(&r, (uint32_t)n);
        nn_model *back = NULL;
        bytes[at] = (char)(bytes[at] ^ 0x15);
        assert_int_equal(base_write_file(path, bytes, n, &err), BASE_OK);
        if (nn_model_load(path, &back, &err) != BASE_OK) assert_true(err.message[0] != '\0');
        nn_model_free(back);
        bytes[at] = (char)(bytes[at] ^ 0x15);
    }
    free(bytes);
    free(path);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    char *labels[4];
    float stats[16];
    base_err err = {0};
    nn_model m = model_new(labels, stats);
    assert_int_equal(nn_model_save(&m, "/dev/full", &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "/dev/full"));
    struct stat st;
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_not_equal(nn_model_save(&m, "/no/such/folder/m.h5", &err), BASE_OK);
    assert_non_null(strstr(err.message, "/no/such/folder/m.h5"));
    model_done(&m);
}

static void a_run_folder_stands_for_its_model(void **state)
{
    base_err err = {0};
    char *path = base_path(*state, "model.h5"), *found = NULL;
    assert_int_equal(nn_model_path(*state, &found, &err), BASE_DATA); /* not there yet */
    assert_non_null(strstr(err.message, path));
    free(found);
    size_t n;
    free(saved_bytes(path, &n));
    assert_int_equal(nn_model_path(*state, &found, &err), BASE_OK);
    assert_string_equal(found, path);
    free(found);
    assert_int_equal(nn_model_path(path, &found, &err), BASE_OK);
    assert_string_equal(found, path);
    free(found);
    free(path);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(everything_comes_back),     IN_FOLDER(what_a_model_lacks_is_absent_again),
        IN_FOLDER(damaged_files_are_refused), IN_FOLDER(flipped_bytes_never_crash),
        IN_FOLDER(a_full_disk_is_said),       IN_FOLDER(a_run_folder_stands_for_its_model),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
