/* sotto bench infer: time of an inference on this machine, float or int8. */
#include "bench/measure.h"
#include "quantize/host.h"

#include <stdlib.h>
#include <string.h>

static const cli_spec spec = {
    .usage = "NAME|ARCH.net|MODEL.h5",
    .about =
        "A model of the zoo with random weights, or a trained one; batches of random features,\n"
        "the median of seven rounds. us_per_clip is the time of a batch over its clips.",
    .min_args = 1,
    .max_args = 1,
    .takes = CLI_OVERRIDES | CLI_THREADS,
};

enum { CALIBRATION = 8 };

typedef struct bench {
    base_pool *pool;
    int batch;
    nn_graph *graph; /* folded */
    nn_real *weights;
    nn_net *net;
    q8_model *q8;
    q8_host *host;
    nn_real *x, *y;
    int8_t *in, *out, *work; /* work: one for each thread */
} bench;

/* ---- the two kinds ---- */

static void run_float(void *ctx)
{
    const bench *b = ctx;
    nn_net_forward(b->net, (const nn_real *const[]){b->x}, b->batch, b->y);
}

/* Part `job` of a batch that is cut into one for each thread. */
static void run_part(void *ctx, int job)
{
    const bench *b = ctx;
    const int parts = base_pool_threads(b->pool);
    const size_t n_in = q8_input_size(b->q8), n_out = q8_output_size(b->q8);
    for (int i = b->batch * job / parts; i < b->batch * (job + 1) / parts; i++)
        q8_host_run(b->host, b->in + (size_t)i * n_in, b->out + (size_t)i * n_out,
                    b->work + (size_t)job * q8_host_work(b->host));
}

static void run_int8(void *ctx)
{
    const bench *b = ctx;
    base_pool_run(b->pool, base_pool_threads(b->pool), run_part, ctx);
}

/* ---- making them ---- */

static base_status open_float(bench *b, const nn_model *m, base_err *err)
{
    base_err unfoldable = {0};
    const nn_graph *g = m->graph;
    if (q8_fold(m->graph, m->weights, &b->graph, &b->weights, &unfoldable) == BASE_OK) g = b->graph;
    nn_net_options o = {.batch = b->batch, .pool = b->pool};
    BASE_TRY(nn_net_new(g, o, &b->net, err));
    memcpy(nn_net_weights(b->net), g == m->graph ? m->weights : b->weights,
           nn_graph_params(g) * sizeof(nn_real));
    const size_t batch = (size_t)b->batch;
    b->x = bench_noise(batch * (size_t)nn_count(nn_graph_input(g, 0)->shape));
    b->y = base_alloc(batch * (size_t)nn_count(nn_graph_output(g)->shape), sizeof *b->y);
    return b->x && b->y ? BASE_OK : base_nomem(err, batch * sizeof *b->x);
}

static base_status open_int8(bench *b, const nn_model *m, q8_level level, base_err *err)
{
    if (!b->q8) {
        b->x = bench_noise(CALIBRATION * (size_t)nn_count(nn_graph_input(m->graph, 0)->shape));
        if (!b->x) return base_nomem(err, 0);
        BASE_TRY(q8_quantize(m, b->x, CALIBRATION, (q8_options){.range = Q8_RANGE_MINMAX}, NULL,
                             &b->q8, err));
    }
    BASE_TRY(q8_host_new(b->q8, level, &b->host, err));
    const size_t n = (size_t)b->batch * q8_input_size(b->q8);
    b->in = base_alloc(n, 1);
    b->out = base_alloc((size_t)b->batch * q8_output_size(b->q8), 1);
    b->work = base_alloc((size_t)base_pool_threads(b->pool) * q8_host_work(b->host) + 1, 1);
    if (!b->in || !b->out || !b->work) return base_nomem(err, n);
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 1);
    for (size_t i = 0; i < n; i++) b->in[i] = (int8_t)((int)(base_rng_u32(&rng) >> 24) - 128);
    return BASE_OK;
}

static void close_bench(bench *b)
{
    nn_net_free(b->net);
    nn_graph_free(b->graph);
    base_free(b->weights);
    q8_host_free(b->host);
    q8_model_free(b->q8);
    base_pool_free(b->pool);
    base_free(b->x);
    base_free(b->y);
    base_free(b->in);
    base_free(b->out);
    base_free(b->work);
}

/* A model file, or an architecture with random weights. m->graph stays NULL for an int8 file, which
 * becomes b->q8. */
static base_status load(cli *c, const char *what, bench *b, nn_model *m, base_err *err)
{
    const size_t n = strlen(what);
    const bool file = (n > 3 && strcmp(what + n - 3, ".h5") == 0) || base_is_dir(what);
    bool is_int8;
    char *path;
    if (!file) {
        BASE_TRY(cli_graph(c, what, 0, &m->graph, err));
        m->weights = base_alloc(nn_graph_params(m->graph), sizeof *m->weights);
        if (!m->weights) return base_nomem(err, nn_graph_params(m->graph));
        nn_init_weights(m->graph, 1, m->weights);
        return BASE_OK;
    }
    if (c->noverrides > 0)
        return base_fail(err, BASE_USAGE, "'%s' has no effect on '%s'", c->overrides[0], what);
    BASE_TRY(nn_model_path(what, &path, err));
    base_status status = q8_is_model(path, &is_int8, err);
    if (status == BASE_OK && is_int8) status = q8_load(path, &b->q8, err);
    nn_model *loaded = NULL;
    if (status == BASE_OK && !is_int8) status = nn_model_load(path, &loaded, err);
    free(path);
    if (!loaded) return status;
    *m = *loaded;
    free(loaded);
    return BASE_OK;
}

static void put(cli *c, const bench *b, q8_level level, double rate)
{
    const double clips = rate * b->batch;
    cli_put_text(c, "model", c->args[0]);
    cli_put_text(c, "kind", b->host ? "int8" : "float");
    if (b->host) cli_put_text(c, "level", q8_level_name(level));
    cli_put_int(c, "batch", b->batch);
    cli_put_int(c, "threads", c->threads);
    cli_put_real(c, "clips_per_s", clips, 0);
    cli_put_real(c, "us_per_clip", 1e6 / clips, 2);
}

/* The instruction set by name; NULL: the best. */
static base_status find_level(const char *name, q8_level *level, base_err *err)
{
    const char *names[Q8_LEVELS + 1] = {NULL};
    int at = (int)q8_level_best();
    for (int i = 0; i < Q8_LEVELS; i++) names[i] = q8_level_name((q8_level)i);
    if (name) BASE_TRY(cli_check_choice("--level", name, names, &at, err));
    *level = (q8_level)at;
    return BASE_OK;
}

base_status cmd_bench_infer(cli *c, int argc, char **argv, base_err *err)
{
    int batch = 100, int8 = 0;
    double seconds = 1;
    const char *level_name = NULL;
    const struct poptOption options[] = {
        {"batch", 0, POPT_ARG_INT, &batch, 0, "clips at a time", "N"},
        {"int8", 0, POPT_ARG_NONE, &int8, 0, "quantize it first", NULL},
        {"level", 0, POPT_ARG_STRING, &level_name, 0,
         "int8 kernels: plain, avx2, avx512vnni (default: the best that this processor has)",
         "NAME"},
        {"seconds", 0, POPT_ARG_DOUBLE, &seconds, 0, "how long to measure", "S"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    q8_level level;
    BASE_TRY(find_level(level_name, &level, err));
    BASE_TRY(cli_check_range("--batch", batch, 1, 65536, err));
    BASE_TRY(cli_check_range("--seconds", seconds, 0, 3600, err));
    bench b = {.batch = batch};
    nn_model m = {0};
    base_status status = load(c, c->args[0], &b, &m, err);
    const bool as_int8 = int8 || b.q8;
    if (status == BASE_OK && level_name && !as_int8)
        status = base_fail(err, BASE_USAGE, "--level %s has no effect on a float model: add --int8",
                           level_name);
    if (status == BASE_OK) status = base_pool_new(c->threads, &b.pool, err);
    if (status == BASE_OK)
        status = as_int8 ? open_int8(&b, &m, level, err) : open_float(&b, &m, err);
    if (status == BASE_OK)
        put(c, &b, level, bench_rate(as_int8 ? run_int8 : run_float, &b, seconds));
    close_bench(&b);
    nn_model_clear(&m);
    return status;
}
