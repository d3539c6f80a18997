/* seeds: what the fuzzers start from: tests/q8_nets.c and tests/tflite_nets.c as .tflite files,
 * those of tests/vectors/tflite_ops.h5, an HDF5 file as it is, and the HDF5 files of fuzz_hdf5.c,
 * sound ones and some with random changes.
 *
 * usage: build/san/tests/fuzz/seeds TFLITE_FOLDER HDF5_FOLDER
 */
#include "nn/h5.h"
#include "quantize/tflite.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/q8_nets.h"
#include "tests/tflite_nets.h"

#include <stdlib.h>

enum { HDF5_SOUND = 16, HDF5_SEEDS = 64 }; /* the first ones unchanged */

static void write_file(const char *dir, const char *name, int i, const void *bytes, size_t n)
{
    char path[512];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s%02d", dir, name, i);
    fuzz_expect(base_write_file(path, bytes, n, &err) == BASE_OK, "cannot write", &err);
}

/* A net whose operators have no .tflite form gives none. */
static void write_net(const char *dir, const char *net, const char *name, int i, bool int8)
{
    base_str bytes = {0};
    nn_model *m = q8_random_model(net, 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = int8 ? q8_quantized(m, x, Q8_RANGE_MSE) : NULL;
    if ((q ? tflite_export_q8(q, &bytes, NULL) : tflite_export_float(m, &bytes, NULL)) == BASE_OK)
        write_file(dir, name, i, bytes.s, bytes.len);
    base_str_free(&bytes);
    q8_model_free(q);
    nn_model_free(m);
    base_free(x);
}

/* The files of single operators that tests/test_tflite.c reads. */
static void write_operators(const char *dir)
{
    base_err err = {0};
    h5_file *f = NULL;
    int64_t n = 0, dims[4];
    base_status status = h5_open("tests/vectors/tflite_ops.h5", &f, &err);
    if (status == BASE_OK) status = h5_get_int(f, "/", "operators", &n, &err);
    for (int i = 0; status == BASE_OK && i < (int)n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%d/file", i);
        status = h5_shape(f, name, NULL, dims, &err);
        int8_t *bytes = status == BASE_OK ? base_alloc((size_t)dims[0], 1) : NULL;
        if (bytes) status = h5_read(f, name, H5_I8, bytes, (size_t)dims[0], &err);
        if (bytes && status == BASE_OK) write_file(dir, "operator_", i, bytes, (size_t)dims[0]);
        base_free(bytes);
    }
    fuzz_expect(status == BASE_OK, "cannot read vectors", &err);
    h5_close(f);
}

/* An HDF5 file itself, as small as one can be. */
static void write_model(const char *dir)
{
    char path[512];
    base_err err = {0};
    nn_model *m = q8_random_model("x = input 4; y = dense(x) out=2", 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    snprintf(path, sizeof path, "%s/file", dir);
    fuzz_expect(q8_save(q, path, &err) == BASE_OK, "cannot write", &err);
    q8_model_free(q);
    nn_model_free(m);
    base_free(x);
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    for (int i = 0; i < Q8_NETS; i++) write_net(argv[1], q8_nets[i], "int8_", i, true);
    for (int i = 0; i < 6; i++) write_net(argv[1], q8_nets[i], "plain_", i, false);
    for (int i = 0; i < TFL_FLOAT_NETS; i++)
        write_net(argv[1], tfl_float_nets[i], "float_", i, false);
    write_operators(argv[1]);
    write_model(argv[2]);
    for (int i = 0; i < HDF5_SEEDS; i++) {
        uint8_t bytes[1 + 4 * sizeof(edit)] = {(uint8_t)i};
        base_rng r = base_rng_at((uint64_t)i, BASE_RNG_TEST, 0, 0);
        for (size_t k = 1; i >= HDF5_SOUND && k < sizeof bytes; k++)
            bytes[k] = (uint8_t)base_rng_below(&r, 256);
        write_file(argv[2], "edits_", i, bytes, i < HDF5_SOUND ? 1 : sizeof bytes);
    }
    return 0;
}
