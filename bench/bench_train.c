/* Training steps alone: forward, backward and Adam on random features, batch 100, for each model of
 * the zoo at one thread and at all. Prints samples a second (median of some rounds), multiply-adds
 * a second (three passes of the forward MACs), and the speed-up.
 *
 * usage: build/release/bench/bench_train [MODEL ...]
 */
#include "train/zoo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 100, SHARDS = 4, CLASSES = 12, ROUNDS = 7 };

typedef struct bench {
    nn_graph *graph;
    nn_net *net;
    nn_optim *optim;
    nn_real *x, *t;
} bench;

static base_status with_loss(const nn_graph *model, nn_graph **g, base_err *err)
{
    base_str text = {0};
    nn_print(model, &text);
    base_str_add(&text, "target. = input %d\nloss. = cross_entropy(y, target.)\n", CLASSES);
    base_status s = nn_parse(text.s, "model", g, err);
    base_str_free(&text);
    return s;
}

static base_status bench_open(bench *b, const nn_graph *model, base_pool *pool, base_err *err)
{
    BASE_TRY(with_loss(model, &b->graph, err));
    nn_net_options o = {.batch = BATCH, .shards = SHARDS, .training = true, .pool = pool};
    BASE_TRY(nn_net_new(b->graph, o, &b->net, err));
    BASE_TRY(nn_optim_new(b->graph, nn_optim_defaults(NN_ADAM), &b->optim, err));
    nn_init_weights(b->graph, 1, nn_net_weights(b->net));
    size_t n = (size_t)nn_count(nn_graph_input(b->graph, 0)->shape) * BATCH;
    b->x = base_alloc(n, sizeof *b->x);
    b->t = base_alloc(BATCH * CLASSES, sizeof *b->t);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) b->x[i] = (nn_real)base_rng_normal(&r);
    for (int i = 0; i < BATCH; i++) b->t[i * CLASSES + i % CLASSES] = 1;
    return BASE_OK;
}

static void bench_close(bench *b)
{
    nn_optim_free(b->optim);
    nn_net_free(b->net);
    nn_graph_free(b->graph);
    base_free(b->x);
    base_free(b->t);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Samples a second: the median of rounds of half a second. */
static double measure(bench *b)
{
    double rate[ROUNDS];
    uint32_t step = 0;
    for (int r = -1; r < ROUNDS; r++) { /* the first warms up */
        double start = base_seconds(), seconds;
        int steps = 0;
        do {
            nn_net_step(b->net, (const nn_real *const[]){b->x, b->t}, BATCH, 1, step++);
            nn_optim_step(b->optim, nn_net_weights(b->net), nn_net_grads(b->net), 1e-4);
            steps++;
        } while ((seconds = base_seconds() - start) < 0.5);
        if (r >= 0) rate[r] = steps * BATCH / seconds;
    }
    qsort(rate, ROUNDS, sizeof *rate, by_value);
    return rate[ROUNDS / 2];
}

static base_status run_model(const zoo_model *m, base_err *err)
{
    nn_graph *g;
    double rate[2] = {0};
    BASE_TRY(zoo_build_default(m, ZOO_S, CLASSES, &g, err));
    for (int i = 0; i < 2; i++) {
        base_pool *pool;
        bench b = {0};
        BASE_TRY(base_pool_new(i == 0 ? 1 : base_cores(), &pool, err));
        BASE_TRY(bench_open(&b, g, pool, err));
        rate[i] = measure(&b);
        bench_close(&b);
        base_pool_free(pool);
    }
    double macs = (double)nn_graph_cost(g).macs;
    printf("%-12s %8.3f %12.0f %12.0f %8.2f %10.1f\n", m->name, 1e-6 * macs, rate[0], rate[1],
           rate[1] / rate[0], 3e-9 * macs * rate[0]);
    nn_graph_free(g);
    return BASE_OK;
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    printf("training step, batch %d, %d shards\n", BATCH, SHARDS);
    printf("%-12s %8s %12s %9s %2d t %8s %10s\n", "model", "M MACs", "samples/s 1t", "",
           base_cores(), "ratio", "GMAC/s 1t");
    for (int i = 0; i < zoo_n_models; i++) {
        base_err err = {0};
        if (!wanted(zoo_models[i]->name, argc, argv)) continue;
        if (run_model(zoo_models[i], &err) != BASE_OK) {
            fprintf(stderr, "bench_train: %s\n", err.message);
            return 1;
        }
    }
    return 0;
}
