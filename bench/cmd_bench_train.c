/* sotto bench train: training steps alone, on random features. */
#include "bench/measure.h"

static const cli_spec spec = {
    .usage = "NAME|ARCH.net",
    .about = "Forward, backward and Adam on batches of random features, without a loader; the\n"
             "median of seven rounds. gmac_per_s counts three passes of the forward MACs.",
    .min_args = 1,
    .max_args = 1,
    .takes = CLI_OVERRIDES | CLI_THREADS,
};

typedef struct bench {
    nn_graph *graph;
    base_pool *pool;
    nn_net *net;
    nn_optim *optim;
    nn_real *x, *t;
    int batch;
    uint32_t step;
} bench;

/* The model with the loss that its training has. */
static base_status with_loss(const nn_graph *model, nn_graph **g, base_err *err)
{
    base_str text = {0};
    const nn_node *y = nn_graph_output(model);
    nn_print(model, &text);
    base_str_add(&text, "target. = input %d\nloss. = cross_entropy(%s, target.)\n",
                 (int)nn_count(y->shape), y->name);
    base_status s = text.s ? nn_parse(text.s, "model", g, err) : base_nomem(err, 0);
    base_str_free(&text);
    return s;
}

static base_status open_bench(bench *b, int shards, int threads, base_err *err)
{
    BASE_TRY(base_pool_new(threads, &b->pool, err));
    nn_net_options o = {.batch = b->batch, .shards = shards, .training = true, .pool = b->pool};
    BASE_TRY(nn_net_new(b->graph, o, &b->net, err));
    BASE_TRY(nn_optim_new(b->graph, nn_optim_defaults(NN_ADAM), &b->optim, err));
    nn_init_weights(b->graph, 1, nn_net_weights(b->net));
    const int64_t classes = nn_count(nn_graph_input(b->graph, 1)->shape);
    b->x = bench_noise((size_t)(nn_count(nn_graph_input(b->graph, 0)->shape) * b->batch));
    b->t = base_alloc((size_t)(b->batch * classes), sizeof *b->t);
    if (!b->x || !b->t) return base_nomem(err, 0);
    for (int i = 0; i < b->batch; i++) b->t[i * classes + i % classes] = 1;
    return BASE_OK;
}

static void close_bench(bench *b)
{
    nn_optim_free(b->optim);
    nn_net_free(b->net);
    nn_graph_free(b->graph);
    base_pool_free(b->pool);
    base_free(b->x);
    base_free(b->t);
}

static void step(void *ctx)
{
    bench *b = ctx;
    nn_net_step(b->net, (const nn_real *const[]){b->x, b->t}, b->batch, 1, b->step++);
    nn_optim_step(b->optim, nn_net_weights(b->net), nn_net_grads(b->net), 1e-4);
}

base_status cmd_bench_train(cli *c, int argc, char **argv, base_err *err)
{
    int batch = 100, shards = 10;
    double seconds = 3.5;
    const struct poptOption options[] = {
        {"batch", 0, POPT_ARG_INT, &batch, 0, "samples of a step", "N"},
        {"shards", 0, POPT_ARG_INT, &shards, 0, "parts of a batch (train.shards)", "N"},
        {"seconds", 0, POPT_ARG_DOUBLE, &seconds, 0, "how long to measure", "S"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--batch", batch, 1, 65536, err));
    BASE_TRY(cli_check_range("--shards", shards, 1, batch, err));
    BASE_TRY(cli_check_range("--seconds", seconds, 0, 3600, err));
    nn_graph *model;
    BASE_TRY(cli_graph(c, c->args[0], 0, &model, err));
    bench b = {.batch = batch};
    const double macs = (double)nn_graph_cost(model).macs;
    base_status status = with_loss(model, &b.graph, err);
    nn_graph_free(model);
    if (status == BASE_OK) status = open_bench(&b, shards, c->threads, err);
    if (status == BASE_OK) {
        const double rate = bench_rate(step, &b, seconds) * batch;
        cli_put_text(c, "model", c->args[0]);
        cli_put_int(c, "parameters", (int64_t)nn_graph_trainable(b.graph));
        cli_put_int(c, "macs", (int64_t)macs);
        cli_put_int(c, "batch", batch);
        cli_put_int(c, "shards", shards);
        cli_put_int(c, "threads", c->threads);
        cli_put_real(c, "samples_per_s", rate, 0);
        cli_put_real(c, "us_per_sample", 1e6 / rate, 1);
        cli_put_real(c, "gmac_per_s", 3e-9 * macs * rate, 1);
        cli_put_bytes(c, "net_bytes", (int64_t)nn_net_bytes(b.net));
    }
    close_bench(&b);
    return status;
}
