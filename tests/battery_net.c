/* Checks of an operator inside a whole net: saving and loading, threads. */
#include "tests/battery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 6, SHARDS = 3, STEPS = 2 };

/* The case with a loss at its end: flatten, dense, cross_entropy against a second input. */
static nn_graph *with_loss(const battery_case *c, base_str *why)
{
    base_err err = {0};
    nn_graph *g = NULL;
    if (nn_parse(c->text, "case", &g, &err) == BASE_OK) {
        nn_node *n = nn_graph_output(g);
        if (!(n->op->flags & NN_LOSS)) {
            nn_node *t = nn_append(g, "input", "battery_t", NULL, 0, "3");
            n = nn_dense(nn_flatten(n, "battery_f"), "battery_d", "out=3");
            nn_cross_entropy(n, t, "battery_l", " ");
        }
        if (nn_graph_check(g, &err) == BASE_OK) return g;
    }
    base_str_add(why, "with a loss: %s\n", err.message);
    nn_graph_free(g);
    return NULL;
}

/* Data for every input node; the input of a loss's target is a distribution near enough: any
 * positive numbers will do where only bits are compared. */
typedef struct feed {
    nn_real *x[8];
    int n;
} feed;

static feed feed_new(const nn_graph *g)
{
    feed f = {0};
    base_rng rng = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    for (nn_node *in; f.n < 8 && (in = nn_graph_input(g, f.n)); f.n++) {
        size_t n = SAMPLES * (size_t)nn_count(in->shape);
        f.x[f.n] = calloc(n, sizeof(nn_real));
        for (size_t i = 0; i < n; i++) f.x[f.n][i] = (nn_real)base_rng_uniform(&rng);
    }
    return f;
}

static void feed_free(feed *f)
{
    for (int k = 0; k < f->n; k++) free(f->x[k]);
}

/* Every parameter different from its neighbours, variances positive. */
static void fill_weights(const nn_graph *g, nn_real *w)
{
    base_rng rng = base_rng_at(6, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++)
            for (size_t j = 0; j < n->param[k].count; j++)
                w[n->param[k].offset + j] = (nn_real)(0.1 + base_rng_uniform(&rng));
    }
}

/* ---- saving ---- */

static nn_real *evaluate(const nn_model *m, const feed *f, size_t *n, base_str *why)
{
    base_err err = {0};
    nn_net *net = NULL;
    if (nn_net_new(m->graph, (nn_net_options){.batch = SAMPLES}, &net, &err) != BASE_OK) {
        base_str_add(why, "net: %s\n", err.message);
        return NULL;
    }
    memcpy(nn_net_weights(net), m->weights, nn_graph_params(m->graph) * sizeof(nn_real));
    *n = SAMPLES * (size_t)nn_count(nn_graph_output(m->graph)->shape);
    nn_real *out = calloc(*n, sizeof *out);
    nn_net_forward(net, (const nn_real *const *)f->x, SAMPLES, out);
    nn_net_free(net);
    return out;
}

static void save_and_load(nn_model *m, const char *path, base_str *why)
{
    base_err err = {0};
    nn_model *back = NULL;
    if (nn_model_save(m, path, &err) != BASE_OK || nn_model_load(path, &back, &err) != BASE_OK) {
        base_str_add(why, "model file: %s\n", err.message);
        return;
    }
    base_str a = {0}, b = {0};
    nn_print(m->graph, &a);
    nn_print(back->graph, &b);
    if (strcmp(a.s, b.s) != 0) base_str_add(why, "graph came back as:\n%s", b.s);
    base_str_free(&a);
    base_str_free(&b);
    if (nn_graph_params(m->graph) == nn_graph_params(back->graph)) {
        size_t n = 0;
        feed f = feed_new(m->graph);
        nn_real *y = evaluate(m, &f, &n, why), *z = evaluate(back, &f, &n, why);
        battery_same("weights from the file", back->weights, m->weights, nn_graph_params(m->graph),
                     why);
        if (y && z) battery_same("y of the loaded model", z, y, n, why);
        free(y);
        free(z);
        feed_free(&f);
    } else {
        base_str_add(why, "the number of parameters changed\n");
    }
    nn_model_free(back);
}

/* One label for each element of the output, in one block as h5_read_list makes it. */
static char **labels_new(size_t n)
{
    enum { TEXT = 32 };
    char **labels = calloc(n, sizeof *labels + TEXT);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (char *)(labels + n) + i * TEXT;
        snprintf(labels[i], TEXT, "label %zu", i);
    }
    return labels;
}

void battery_saved_model(const battery_case *c, base_str *why)
{
    char path[] = "/tmp/sotto-battery-XXXXXX";
    int fd = mkstemp(path);
    nn_model *m = calloc(1, sizeof *m);
    base_err err = {0};
    if (fd >= 0) close(fd);
    if (nn_parse(c->text, "case", &m->graph, &err) != BASE_OK) {
        base_str_add(why, "does not parse: %s\n", err.message);
        free(m);
        return;
    }
    m->weights = base_alloc(nn_graph_params(m->graph), sizeof(nn_real));
    fill_weights(m->graph, m->weights);
    m->n_labels = (size_t)nn_count(nn_graph_output(m->graph)->shape);
    m->labels = labels_new(m->n_labels);
    m->features = base_strdup("");
    m->provenance = base_strdup("made = by the battery\n");
    save_and_load(m, path, why);
    unlink(path);
    nn_model_free(m);
}

/* ---- threads ---- */

/* Gradients and losses of STEPS steps with so many threads; NULL when that failed. */
static nn_real *steps(const nn_graph *g, int threads, const feed *f, double loss[STEPS],
                      base_str *why)
{
    base_err err = {0};
    base_pool *pool = NULL;
    nn_net *net = NULL;
    size_t n = nn_graph_params(g);
    nn_real *grads = NULL;
    if (base_pool_new(threads, &pool, &err) == BASE_OK) {
        nn_net_options o = {.batch = SAMPLES, .shards = SHARDS, .training = true, .pool = pool};
        if (nn_net_new(g, o, &net, &err) == BASE_OK) {
            grads = calloc(STEPS * n + 1, sizeof *grads);
            fill_weights(g, nn_net_weights(net));
            for (int s = 0; s < STEPS; s++) {
                loss[s] = nn_net_step(net, (const nn_real *const *)f->x, SAMPLES, 9, (uint32_t)s);
                memcpy(grads + (size_t)s * n, nn_net_grads(net), n * sizeof *grads);
            }
        }
    }
    if (!grads) base_str_add(why, "%d threads: %s\n", threads, err.message);
    nn_net_free(net);
    base_pool_free(pool);
    return grads;
}

/* One thread and three give the same bits. */
void battery_threads(const battery_case *c, base_str *why)
{
    nn_graph *g = with_loss(c, why);
    if (!g) return;
    double one_loss[STEPS], three_loss[STEPS];
    feed f = feed_new(g);
    nn_real *one = steps(g, 1, &f, one_loss, why), *three = steps(g, 3, &f, three_loss, why);
    if (one && three) {
        battery_same("gradients of 3 threads", three, one, STEPS * nn_graph_params(g), why);
        if (memcmp(one_loss, three_loss, sizeof one_loss) != 0)
            base_str_add(why, "loss of 1 thread %.17g, of 3 %.17g\n", one_loss[0], three_loss[0]);
        if (!isfinite(one_loss[0])) base_str_add(why, "loss is %g\n", one_loss[0]);
    }
    free(one);
    free(three);
    feed_free(&f);
    nn_graph_free(g);
}
