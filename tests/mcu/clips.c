/* clips: what tests/mcu.sh gives to a firmware, and what the host computes of it.
 *   clips MODEL|ARCHITECTURE PACK|- CLIPS DIR
 * DIR/model.h5 is the int8 model: that of the file, or an architecture of the zoo with random
 * weights, calibrated on noise. DIR/pcm.bin holds the samples of so many test clips of the pack (-:
 * noise), one after another, DIR/want.bin what every inference gives, a second apart, by q8_run,
 * the plain kernels: its outputs, word and score. The settings of post-processing are those that
 * DIR/options has for `sotto export`.
 */
#include "quantize/evaluate.h"
#include "quantize/pipeline.h"
#include "quantize/runtime/listener.h"
#include "train/zoo.h"

#include <stdlib.h>
#include <string.h>

enum { CALIBRATION = 16 };
static const quant_posterior settings = {
    .hop_ms = 1000, .average_ms = 2000, .threshold = 0.3, .suppress_ms = 1000, .min_count = 1};
static const char options[] =
    "--hop-ms 1000 --average-ms 2000 --threshold 0.3 --suppress-ms 1000 --min-count 1\n";

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

/* Samples of *n clips of `samples` each, evenly over the pack's (*n becomes how many there are), or
 * noise that comes and goes. */
static base_status pack_pcm(const q8_model *q, const char *path, size_t samples, size_t *n,
                            int16_t **pcm, base_err *err)
{
    data_pack *pack = NULL;
    data_task *task = NULL;
    BASE_TRY(data_pack_open(path, &pack, err));
    BASE_TRY(quant_task(&q->folded, pack, &task, err));
    const size_t all = data_task_count(task, DATA_TEST, -1);
    data_sample *list = base_alloc(all + 1, sizeof *list);
    if (*n > all) *n = all;
    *pcm = base_alloc(*n * samples + 1, sizeof **pcm);
    if (!list || !*pcm) return base_nomem(err, *n * samples);
    data_task_evaluation(task, DATA_TEST, list);
    for (size_t i = 0; i < *n; i++) {
        const size_t at = i * all / *n;
        BASE_TRY(data_task_pcm(task, DATA_TEST, at, &list[at], samples, *pcm + i * samples, err));
    }
    base_free(list);
    data_task_free(task);
    data_pack_close(pack);
    return BASE_OK;
}

static base_status noise_pcm(size_t n, int16_t **pcm, base_err *err)
{
    base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    *pcm = base_alloc(n + 1, sizeof **pcm);
    for (size_t i = 0; *pcm && i < n; i++)
        (*pcm)[i] = (int16_t)(((int)base_rng_below(&r, 65536) - 32768) >> (i / 4000 % 16));
    return *pcm ? BASE_OK : base_nomem(err, n);
}

static base_status put(const char *dir, const char *name, const void *v, size_t n, base_err *err)
{
    char *path = base_path(dir, name);
    const base_status status = path ? base_write_file(path, v, n, err) : base_nomem(err, n);
    free(path);
    return status;
}

/* What a stream of samples gives. */
static base_status listen(const q8_model *q, const quant_pipeline *pl, const int16_t *x, size_t n,
                          base_str *want, base_err *err)
{
    const sotto_frontend_t *fe = dsp_fixed_frontend(pl->frontend);
    const sotto_posterior_t *t = &pl->posterior;
    const size_t size = (size_t)SOTTO_POSTERIOR_SIZE(t->softmax.n, t->window);
    sotto_listener listener;
    sotto_posterior_state hearing;
    int32_t *memory = base_alloc((size_t)sotto_frontend_memory(fe), sizeof *memory);
    int32_t *scratch = base_alloc((size_t)sotto_frontend_scratch(fe), sizeof *scratch);
    uint16_t *scores = base_alloc(size, sizeof *scores);
    int8_t *in = base_alloc(q8_input_size(q), 1), *work = base_alloc(q->work + 1, 1);
    int8_t *out = base_alloc(q8_output_size(q), 1);
    if (!memory || !scratch || !scores || !in || !work || !out) return base_nomem(err, size);
    sotto_listener_init(fe, &listener, pl->first_frame, memory, scratch);
    sotto_posterior_init(t, &hearing, scores);
    for (size_t at = 0; at < n;) {
        const size_t left = n - at, some = left < 512 ? left : 512;
        at += (size_t)sotto_listener_push(fe, &listener, pl->hop_frames, x + at, (int32_t)some, in);
        if (!listener.due) continue;
        q8_run(q, in, out, work);
        const sotto_detection d = sotto_posterior_push(t, &hearing, out);
        const int32_t said[] = {d.word, d.score}; /* little-endian, as all the machines are */
        base_str_add_n(want, (const char *)out, q8_output_size(q));
        base_str_add_n(want, (const char *)said, sizeof said);
    }
    base_free(memory);
    base_free(scratch);
    base_free(scores);
    base_free(in);
    base_free(work);
    base_free(out);
    return want->failed ? base_nomem(err, want->len) : BASE_OK;
}

static base_status make(char **argv, base_err *err)
{
    q8_model *q = NULL;
    int16_t *pcm = NULL;
    base_str want = {0};
    quant_pipeline pl;
    size_t n = strtoul(argv[3], NULL, 10);
    const char *dir = argv[4];
    const bool file = strstr(argv[1], ".h5") != NULL, pack = strcmp(argv[2], "-") != 0;
    BASE_TRY(file ? q8_load(argv[1], &q, err) : untrained(argv[1], &q, err));
    BASE_TRY(quant_pipeline_new(q, &settings, NULL, &pl, err));
    const size_t samples = (size_t)pl.features.samples;
    BASE_TRY(pack ? pack_pcm(q, argv[2], samples, &n, &pcm, err)
                  : noise_pcm(n * samples, &pcm, err));
    BASE_TRY(listen(q, &pl, pcm, n * samples, &want, err));
    BASE_TRY(put(dir, "pcm.bin", pcm, n * samples * sizeof *pcm, err));
    BASE_TRY(put(dir, "want.bin", want.s, want.len, err));
    BASE_TRY(put(dir, "options", options, sizeof options - 1, err));
    char *path = base_path(dir, "model.h5");
    const base_status status = path ? q8_save(q, path, err) : base_nomem(err, 0);
    free(path);
    base_free(pcm);
    base_str_free(&want);
    quant_pipeline_free(&pl);
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
