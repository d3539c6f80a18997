/* fuzz_hdf5: damaged model files and packs. An input that begins as HDF5 files do is a file; any
 * other is the number of a sound file made here (with its form in the upper half of the byte) and
 * changes to be made to it (edit.h), 12 bytes each. What can be loaded runs.
 */
#include "data/data.h"
#include "nn/h5.h"
#include "tests/corpus.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/q8_nets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLOATS = 2, FILES = Q8_NETS + FLOATS + 1, FORMS = 3, MOST_EDITS = 16 };

/* ---- files ---- */

typedef struct sound {
    char *bytes;
    size_t n;
    edit_list items;
} sound;

static void sound_of(const char *path, sound *s)
{
    base_err err = {0};
    const base_status status = base_read_file(path, 1 << 24, &s->bytes, &s->n, &err);
    fuzz_expect(status == BASE_OK, "cannot read what was made", &err);
    edit_find(path, &s->items);
}

/* An int8 model in a form: 8 bits, rounded once with packed weights where there can be some, or
 * with 16-bit activations. */
static q8_model *int8_model(const nn_model *m, const nn_real *x, const char *net, int form)
{
    const bool packs = strstr(net, "conv") || strstr(net, "dense");
    q8_options how = {.range = Q8_RANGE_MINMAX};
    if (form == 1) how.rounding = Q8_SINGLE;
    if (form == 1 && packs) how.weight_bits = "4";
    if (form == 2) how.activations = "16";
    return q8_quantized_as(m, x, how);
}

/* An int8 model, or one that is trained with simulated quantization. */
static void make_model(const char *path, const char *net, bool int8, int form)
{
    base_err err = {0};
    nn_model *m = q8_random_model(net, 1), *start = NULL;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = int8 ? int8_model(m, x, net, form) : NULL;
    base_status status = BASE_OK;
    if (!q) status = q8_simulated(m, x, Q8_SAMPLES, (q8_options){0}, &start, &err);
    if (status == BASE_OK) status = q ? q8_save(q, path, &err) : nn_model_save(start, path, &err);
    fuzz_expect(status == BASE_OK, "cannot make a model", &err);
    q8_model_free(q);
    nn_model_free(start);
    nn_model_free(m);
    base_free(x);
}

static void make_pack(const char *dir)
{
    enum { SAMPLES = 1600 };
    char name[16], path[256];
    base_err err = {0};
    for (int w = 0; w < 2; w++)
        for (int s = 0; s < DATA_SPLITS; s++)
            corpus_clip(dir, w ? "yes" : "no", corpus_speaker((data_split)s, 0, name), 0, DATA_RATE,
                        SAMPLES);
    corpus_clip(dir, DATA_NOISE, "noise", 0, DATA_RATE, SAMPLES);
    data_import_result result;
    const data_import what = {.dir = dir, .max_seconds = 1, .threads = 1};
    snprintf(path, sizeof path, "%s/file", dir);
    const base_status status = data_import_run(&what, path, &result, &err);
    fuzz_expect(status == BASE_OK, "cannot make a pack", &err);
}

static void make_all(sound s[FILES], int form)
{
    char dir[64], path[128];
    corpus_folder(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    for (int i = 0; i < FILES; i++) {
        if (i < FILES - 1)
            make_model(path, q8_nets[i < Q8_NETS ? i : i - Q8_NETS], i < Q8_NETS, form);
        else
            make_pack(dir);
        sound_of(path, &s[i]);
        unlink(path);
    }
    corpus_remove(dir);
}

static const sound *sound_files(int form)
{
    static sound s[FORMS][FILES]; /* made once for all inputs */
    if (!s[form][0].bytes) make_all(s[form], form);
    return s[form];
}

/* ---- readers ---- */

static void read_int8(const char *path)
{
    base_err err = {0};
    q8_model *m = NULL;
    const base_status status = q8_load(path, &m, &err);
    if (status == BASE_OK)
        base_free(fuzz_int8(m));
    else
        fuzz_refused(status, &err);
    q8_model_free(m);
}

static void read_float(const char *path)
{
    base_err err = {0};
    nn_model *m = NULL;
    const base_status status = nn_model_load(path, &m, &err);
    if (status == BASE_OK)
        fuzz_float(m);
    else
        fuzz_refused(status, &err);
    nn_model_free(m);
}

static void read_pack(const char *path)
{
    enum { SAMPLES = 800 };
    base_err err = {0};
    data_pack *p = NULL;
    int16_t pcm[SAMPLES];
    const base_status status = data_pack_open(path, &p, &err);
    if (status != BASE_OK) fuzz_refused(status, &err);
    for (size_t i = 0; p && i < data_pack_clips(p); i++) {
        const base_status read = data_pack_read_clip(p, i, SAMPLES, pcm, &err);
        if (read != BASE_OK) fuzz_refused(read, &err);
    }
    data_pack_close(p);
}

/* A new file, in memory where there is such a place. */
static void write_all(char path[64], const void *bytes, size_t n)
{
    snprintf(path, 64, "%s/sotto-fuzz-XXXXXX", base_is_dir("/dev/shm") ? "/dev/shm" : "/tmp");
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char signature[] = "\x89HDF";
    char path[64];
    if (size == 0) return 0;
    const sound *files = sound_files(data[0] / 16 % FORMS);
    const bool raw = size > 4 && memcmp(data, signature, 4) == 0;
    const int kind = raw ? FILES : data[0] % FILES;
    if (raw) {
        write_all(path, data, size);
    } else {
        edit e[MOST_EDITS];
        const size_t n = (size - 1) / sizeof *e < MOST_EDITS ? (size - 1) / sizeof *e : MOST_EDITS;
        memcpy(e, data + 1, n * sizeof *e);
        write_all(path, files[kind].bytes, files[kind].n);
        edit_apply(path, &files[kind].items, e, n);
    }
    if (raw || kind < Q8_NETS) read_int8(path);
    if (raw || (kind >= Q8_NETS && kind < FILES - 1)) read_float(path);
    if (raw || kind == FILES - 1) read_pack(path);
    unlink(path);
    return 0;
}
