/* Int8 inference on the host at one thread: microseconds a clip at every level that is here, for
 * models of the zoo with random weights (best of many rounds of 10 clips).
 *
 * usage: build/release/bench/bench_host [MODEL ...]
 */
#include "quantize/host.h"
#include "train/zoo.h"

#include <stdio.h>
#include <string.h>

enum { CLIPS = 10, CLASSES = 10 };

static base_status quantized(const char *name, q8_model **q, base_err *err)
{
    const zoo_model *z;
    nn_model m = {0};
    BASE_TRY(zoo_find(name, &z, err));
    BASE_TRY(zoo_build_default(z, ZOO_S, CLASSES, &m.graph, err));
    const size_t n = CLIPS * (size_t)nn_count(nn_graph_input(m.graph, 0)->shape);
    nn_real *x = base_alloc(n, sizeof *x);
    m.weights = base_alloc(nn_graph_params(m.graph), sizeof *m.weights);
    base_status status = x && m.weights ? BASE_OK : base_nomem(err, n * sizeof *x);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; status == BASE_OK && i < n; i++) x[i] = (nn_real)base_rng_normal(&r);
    if (status == BASE_OK) {
        nn_init_weights(m.graph, 1, m.weights);
        status = q8_quantize(&m, x, CLIPS, Q8_RANGE_MINMAX, NULL, q, err);
    }
    base_free(x);
    nn_model_clear(&m);
    return status;
}

/* Seconds a clip: the best round of two seconds. */
static base_status measure(const q8_model *q, q8_level level, double *best, base_err *err)
{
    q8_host *plan;
    *best = 1;
    BASE_TRY(q8_host_new(q, level, &plan, err));
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *x = base_alloc(in, CLIPS), *y = base_alloc(out, CLIPS);
    int8_t *work = base_alloc(q8_host_work(plan), 1);
    const bool room = x && y && work;
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; room && i < in * CLIPS; i++) x[i] = (int8_t)(base_rng_below(&r, 256) - 128);
    for (double start = base_seconds(); room && base_seconds() - start < 2;) {
        const double from = base_seconds();
        for (size_t i = 0; i < CLIPS; i++) q8_host_run(plan, x + i * in, y + i * out, work);
        const double seconds = (base_seconds() - from) / CLIPS;
        if (seconds < *best) *best = seconds;
    }
    base_free(x);
    base_free(y);
    base_free(work);
    q8_host_free(plan);
    return room ? BASE_OK : base_nomem(err, in * CLIPS);
}

static base_status run_model(const char *name, base_err *err)
{
    q8_model *q;
    BASE_TRY(quantized(name, &q, err));
    base_status status = BASE_OK;
    for (int level = 0; level < Q8_LEVELS && status == BASE_OK; level++) {
        double seconds = 0;
        if (!q8_level_here((q8_level)level)) {
            printf("%-12s %-12s not here\n", name, q8_level_name((q8_level)level));
            continue;
        }
        status = measure(q, (q8_level)level, &seconds, err);
        printf("%-12s %-12s %10.2f\n", name, q8_level_name((q8_level)level), 1e6 * seconds);
    }
    q8_model_free(q);
    return status;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"ds_cnn", "tc_resnet8",  "cnn",
                                        "dnn",    "matchboxnet", "tenet6"};
    const int n = argc > 1 ? argc - 1 : (int)BASE_COUNT(usual);
    printf("%-12s %-12s %10s\n", "model", "level", "us/clip");
    for (int i = 0; i < n; i++) {
        base_err err = {0};
        if (run_model(argc > 1 ? argv[i + 1] : usual[i], &err) == BASE_OK) continue;
        fprintf(stderr, "bench_host: %s\n", err.message);
        return 1;
    }
    return 0;
}
