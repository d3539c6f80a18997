/* Whole nets in double: the gradients of nn_net_step against central differences of its own loss,
 * through every operator of a small DS-CNN at once; shards, partial batches, input gradients,
 * observed statistics, dropout. */
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 6, PER_TENSOR = 24 };

typedef struct fixture {
    nn_graph *g;
    nn_net *net;
    nets_data data;
    int n;
} fixture;

static fixture fixture_new(const char *text, nn_net_options o, int n)
{
    fixture f = {.g = nets_parse(text), .n = n};
    o.batch = BATCH;
    o.training = true;
    f.net = nets_new(f.g, o);
    f.data = nets_data_new(f.g, BATCH);
    nets_weights(f.g, nn_net_weights(f.net));
    return f;
}

static void fixture_free(fixture *f)
{
    nets_data_free(&f->data);
    nn_net_free(f->net);
    nn_graph_free(f->g);
}

static double step(fixture *f)
{
    return nn_net_step(f->net, nets_in(&f->data), f->n, 3, 4);
}

/* The central difference of the loss in *p that comes nearest to `gradient`: a step that crosses a
 * kink of relu or maxpool is wrong at one width, a wrong gradient at all. */
static double difference(fixture *f, nn_real *p, double gradient)
{
    static const double widths[] = {1e-4, 1e-5, 1e-6};
    double best = (double)INFINITY;
    nn_real kept = *p;
    for (size_t i = 0; i < BASE_COUNT(widths); i++) {
        *p = (nn_real)((double)kept + widths[i]);
        double up = step(f);
        *p = (nn_real)((double)kept - widths[i]);
        double d = (up - step(f)) / (2 * widths[i]);
        if (fabs(d - gradient) < fabs(best - gradient)) best = d;
    }
    *p = kept;
    return best;
}

/* `n` values at p with their gradients g. */
static void check_tensor(fixture *f, const char *name, nn_real *p, const nn_real *g, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)g[i]));
    size_t stride = n <= PER_TENSOR ? 1 : n / PER_TENSOR;
    for (size_t i = 0; i < n; i += stride) {
        double is = (double)g[i], d = difference(f, &p[i], is);
        if (!(fabs(is - d) <= 1e-7 * (largest + 1e-3)))
            fail_msg("gradient of %s[%zu] is %.12g, differences say %.12g", name, i, is, d);
    }
}

static void check_gradients(fixture *f)
{
    size_t n = nn_graph_params(f->g);
    nn_real *grads = calloc(n, sizeof *grads);
    step(f);
    memcpy(grads, nn_net_grads(f->net), n * sizeof *grads);
    for (int i = 0; i < nn_graph_nodes(f->g); i++) {
        const nn_node *node = nn_graph_node(f->g, i);
        for (int k = 0; k < node->n_params; k++) {
            const nn_param *p = &node->param[k];
            char name[128];
            snprintf(name, sizeof name, "%s.%s", node->name, p->name);
            if (nn_role_trained(p->role))
                check_tensor(f, name, nn_net_weights(f->net) + p->offset, grads + p->offset,
                             p->count);
        }
    }
    free(grads);
}

static void gradients_of_a_small_ds_cnn(void **state)
{
    (void)state;
    fixture f = fixture_new(nets_ds_cnn, (nn_net_options){.shards = 1}, BATCH);
    check_gradients(&f);
    fixture_free(&f);
}

static void gradients_with_shards_and_a_partial_batch(void **state)
{
    (void)state;
    for (int n = 3; n <= BATCH; n++) {
        fixture f = fixture_new(nets_ds_cnn, (nn_net_options){.shards = 3}, n);
        check_gradients(&f);
        fixture_free(&f);
    }
}

/* A value used three times collects three gradients; a branch that leads nowhere gives none. */
static void gradients_where_paths_meet_and_end(void **state)
{
    (void)state;
    fixture f = fixture_new("x = input 5; t = input 3; a = dense(x) out=4; b = relu(a);"
                            "nowhere = dense(b) out=2; c = dense(b) out=4; d = add(b, c);"
                            "e = add(d, b); g = add(e, e); y = dense(g) out=3;"
                            "l = cross_entropy(y, t)",
                            (nn_net_options){.shards = 2}, BATCH);
    check_gradients(&f);
    const nn_param *p = &nn_graph_find(f.g, "nowhere")->param[0];
    step(&f);
    for (size_t i = 0; i < p->count; i++) assert_true(nn_net_grads(f.net)[p->offset + i] == 0);
    fixture_free(&f);
}

static void gradients_of_the_inputs(void **state)
{
    (void)state;
    nn_net_options o = {.shards = 2, .input_grads = true};
    fixture f = fixture_new(nets_ds_cnn, o, BATCH);
    for (int k = 0; k < 2; k++) {
        size_t n = BATCH * (size_t)nn_count(nn_graph_input(f.g, k)->shape);
        nn_real *g = calloc(n, sizeof *g);
        step(&f);
        memcpy(g, nn_net_input_grad(f.net, k), n * sizeof *g);
        check_tensor(&f, nn_graph_input(f.g, k)->name, f.data.x[k], g, n);
        free(g);
    }
    fixture_free(&f);
}

/* An attention of two heads between an embedding and a classifier, its nodes as text. */
static void gradients_of_attention(void **state)
{
    (void)state;
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "7x1x5"), *t = nn_append(g, "input", "t", NULL, 0, "3");
    nn_node *e = nn_conv2d(x, "e", "out=4 kernel=1x1");
    nn_node *s = nn_add(nn_attention(e, "att", 2, 3), e, "s");
    nn_node *y = nn_dense(nn_globalpool(s, "p"), "y", "out=3");
    assert_non_null(nn_cross_entropy(y, t, "l", " "));
    base_str text = {0};
    nn_print(g, &text);
    nn_graph_free(g);
    fixture f = fixture_new(text.s, (nn_net_options){.shards = 2}, BATCH);
    base_str_free(&text);
    check_gradients(&f);
    fixture_free(&f);
}

/* ---- statistics ---- */

/* Mean and unbiased variance of channel c in rows [from, to) of v. */
static void moments(const nn_real *v, size_t from, size_t to, size_t c, size_t channels,
                    double *mean, double *var)
{
    *mean = *var = 0;
    for (size_t i = from; i < to; i++) *mean += (double)v[i * channels + c];
    *mean /= (double)(to - from);
    for (size_t i = from; i < to; i++) {
        double d = (double)v[i * channels + c] - *mean;
        *var += d * d;
    }
    *var /= (double)(to - from - 1);
}

/* What batchnorm saw, averaged over the shards, stands in the slots of its statistics. */
static void statistics_are_those_of_the_shards(void **state)
{
    (void)state;
    enum { SHARDS = 2 };
    nn_graph *g = nets_parse(nets_ds_cnn);
    nn_net_options o = {
        .batch = BATCH, .shards = SHARDS, .training = true, .watch = nn_graph_find(g, "c0")};
    nn_net *net = nets_new(g, o);
    nets_data data = nets_data_new(g, BATCH);
    nets_weights(g, nn_net_weights(net));
    nn_net_step(net, nets_in(&data), BATCH, 3, 4);
    const nn_node *b0 = nn_graph_find(g, "b0");
    size_t channels = 6, rows = BATCH * (size_t)nn_count(o.watch->shape) / channels;
    for (size_t c = 0; c < channels; c++) {
        double mean = 0, var = 0, m, v;
        for (size_t s = 0; s < SHARDS; s++) {
            moments(nn_net_watched(net), s * rows / SHARDS, (s + 1) * rows / SHARDS, c, channels,
                    &m, &v);
            mean += m / SHARDS, var += v / SHARDS;
        }
        assert_true(fabs((double)nn_net_grads(net)[b0->param[2].offset + c] - mean) < 1e-12);
        assert_true(fabs((double)nn_net_grads(net)[b0->param[3].offset + c] - var) < 1e-12);
    }
    nets_data_free(&data);
    nn_net_free(net);
    nn_graph_free(g);
}

/* ---- loss ---- */

static double loss_at(uint64_t seed, uint32_t step_number)
{
    fixture f = fixture_new(nets_ds_cnn, (nn_net_options){.shards = 2}, BATCH);
    double loss = nn_net_step(f.net, nets_in(&f.data), BATCH, seed, step_number);
    fixture_free(&f);
    return loss;
}

static void dropout_is_a_function_of_seed_and_step(void **state)
{
    (void)state;
    assert_true(loss_at(1, 1) == loss_at(1, 1));
    assert_true(loss_at(1, 1) != loss_at(2, 1));
    assert_true(loss_at(1, 1) != loss_at(1, 2));
}

/* Without batch statistics a batch is the mean of its samples. */
static void the_loss_is_a_mean(void **state)
{
    (void)state;
    fixture f = fixture_new("x = input 5; t = input 3; y = dense(x) out=3; l = cross_entropy(y, t)",
                            (nn_net_options){.shards = 4}, BATCH);
    double all = step(&f), sum = 0;
    for (int b = 0; b < BATCH; b++) {
        const nn_real *in[] = {f.data.x[0] + 5 * b, f.data.x[1] + 3 * b};
        sum += nn_net_step(f.net, in, 1, 3, 4);
    }
    assert_true(fabs(all - sum / BATCH) < 1e-13);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_a_small_ds_cnn),
        cmocka_unit_test(gradients_with_shards_and_a_partial_batch),
        cmocka_unit_test(gradients_where_paths_meet_and_end),
        cmocka_unit_test(gradients_of_the_inputs),
        cmocka_unit_test(gradients_of_attention),
        cmocka_unit_test(statistics_are_those_of_the_shards),
        cmocka_unit_test(dropout_is_a_function_of_seed_and_step),
        cmocka_unit_test(the_loss_is_a_mean),
    };
    return cmocka_run_group_tests_name("nets in double", tests, NULL, NULL);
}
