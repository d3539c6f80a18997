/* clips: what tests/mcu.sh gives to a firmware, and what the host computes of it.
 *   clips MODEL|ARCHITECTURE PACK|- CLIPS DIR
 * DIR/model.h5 is the int8 model: that of the file, or an architecture of the zoo with random
 * weights, calibrated on noise. DIR/in.bin holds the int8 inputs of so many test clips of the pack
 * (-: noise), DIR/want.bin the outputs of q8_run, the plain kernels, in a row.
 */
#include "dsp/dsp.h"
#include "quantize/evaluate.h"
#include "train/zoo.h"

#include <stdlib.h>
#include <string.h>

enum { CALIBRATION = 16 };

static nn_real *noise(size_t n)
{
    nn_real *x = base_alloc(n, sizeof *x);
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; x && i < n; i++) x[i] = (nn_real)base_rng_normal(&r);
    return x;
}

static base_status set_labels(nn_model *m)
{
    static const char *const words[] = {"yes",   "no", "up",   "down",      "left",
                                        "right", "go", "stop", "_unknown_", "_silence_"};
    m->n_labels = BASE_COUNT(words);
    m->labels = calloc(1, sizeof words + 200);
    if (!m->labels) return BASE_FAILED;
    char *at = (char *)(m->labels + m->n_labels);
    for (size_t i = 0; i < m->n_labels; i++) {
        m->labels[i] = strcpy(at, words[i]);
        at += strlen(words[i]) + 1;
    }
    return BASE_OK;
}

/* An architecture that nobody trained. */
static base_status untrained(const char *name, q8_model **q, base_err *err)
{
    const zoo_model *zoo;
    nn_model m = {0};
    dsp_config features;
    base_str text = {0};
    BASE_TRY(zoo_find(name, &zoo, err));
    BASE_TRY(dsp_preset(zoo_features(zoo, ZOO_S), &features, err));
    BASE_TRY(zoo_build_default(zoo, ZOO_S, 10, &m.graph, err));
    dsp_config_print(&features, &text);
    m.features = text.s;
    BASE_TRY(set_labels(&m));
    m.weights = base_alloc(nn_graph_params(m.graph), sizeof *m.weights);
    nn_real *x = noise(CALIBRATION * (size_t)nn_count(nn_graph_input(m.graph, 0)->shape));
    if (!m.weights || !x) return base_nomem(err, 0);
    nn_init_weights(m.graph, 1, m.weights);
    const q8_options o = {.range = Q8_RANGE_MINMAX};
    const base_status status = q8_quantize(&m, x, CALIBRATION, o, NULL, q, err);
    base_free(x);
    base_free(m.weights);
    nn_graph_free(m.graph);
    free(m.labels);
    base_str_free(&text);
    return status;
}

/* Features of n clips of the pack (n becomes how many there are), or noise. */
static base_status inputs(const q8_model *q, const char *pack_path, size_t *n, nn_real **x,
                          base_err *err)
{
    data_pack *pack = NULL;
    data_task *task = NULL;
    if (strcmp(pack_path, "-") == 0) {
        *x = noise(*n * q8_input_size(q));
        return *x ? BASE_OK : base_nomem(err, *n);
    }
    BASE_TRY(data_pack_open(pack_path, &pack, err));
    BASE_TRY(quant_task(&q->folded, pack, &task, err));
    const quant_source source = {
        .model = &q->folded, .task = task, .split = DATA_TEST, .threads = 1};
    const base_status status = quant_inputs(&source, 1, n, x, err);
    data_task_free(task);
    data_pack_close(pack);
    return status;
}

static base_status put(const char *dir, const char *name, const int8_t *v, size_t n, base_err *err)
{
    char *path = base_path(dir, name);
    const base_status status =
        path ? base_write_file(path, (const char *)v, n, err) : base_nomem(err, n);
    free(path);
    return status;
}

static base_status put_vectors(const q8_model *q, const nn_real *x, size_t n, const char *dir,
                               base_err *err)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *qx = base_alloc(n * in, 1), *qy = base_alloc(n * out, 1);
    int8_t *work = base_alloc(q->work + 1, 1);
    float *row = base_alloc(in, sizeof *row);
    if (!qx || !qy || !work || !row) return base_nomem(err, n * in);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < in; k++) row[k] = (float)x[i * in + k];
        q8_quantize_input(q, row, qx + i * in);
        q8_run(q, qx + i * in, qy + i * out, work);
    }
    BASE_TRY(put(dir, "in.bin", qx, n * in, err));
    BASE_TRY(put(dir, "want.bin", qy, n * out, err));
    base_free(qx);
    base_free(qy);
    base_free(work);
    base_free(row);
    return BASE_OK;
}

static base_status make(char **argv, base_err *err)
{
    q8_model *q = NULL;
    nn_real *x = NULL;
    size_t n = strtoul(argv[3], NULL, 10);
    const bool file = strstr(argv[1], ".h5") != NULL;
    BASE_TRY(file ? q8_load(argv[1], &q, err) : untrained(argv[1], &q, err));
    BASE_TRY(inputs(q, argv[2], &n, &x, err));
    BASE_TRY(put_vectors(q, x, n, argv[4], err));
    char *path = base_path(argv[4], "model.h5");
    const base_status status = path ? q8_save(q, path, err) : base_nomem(err, 0);
    free(path);
    base_free(x);
    q8_model_free(q);
    return status;
}

int main(int argc, char **argv)
{
    base_err err = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: clips MODEL|ARCHITECTURE PACK|- CLIPS DIR\n");
        return 2;
    }
    if (make(argv, &err) == BASE_OK) return 0;
    fprintf(stderr, "clips: %s\n", err.message);
    return 1;
}
