/* Whole nets in float: threads and shards, initial weights, the memory plan. Gradients of nets:
 * double_net.c; what follows them: test_optim.c; model files: test_model.c. */
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- threads ---- */

enum { BATCH = 7 };

/* Weights after three steps of SGD with so many threads. Freed with free(). */
static nn_real *trained(int threads, int shards)
{
    base_err err = {0};
    base_pool *pool = NULL;
    nn_optim *optim = NULL;
    nn_graph *g = nets_parse(nets_ds_cnn);
    nets_data data = nets_data_new(g, BATCH);
    assert_int_equal(base_pool_new(threads, &pool, &err), BASE_OK);
    assert_int_equal(nn_optim_new(g, nn_optim_defaults(NN_SGD), &optim, &err), BASE_OK);
    nn_net_options o = {.batch = BATCH, .shards = shards, .training = true, .pool = pool};
    nn_net *net = nets_new(g, o);
    nn_init_weights(g, 1, nn_net_weights(net));
    for (uint32_t s = 0; s < 3; s++) {
        double loss = nn_net_step(net, nets_in(&data), BATCH - (int)s, 5, s);
        assert_true(isfinite(loss) && loss > 0);
        nn_optim_step(optim, nn_net_weights(net), nn_net_grads(net), 0.1);
    }
    nn_real *w = malloc(nn_graph_params(g) * sizeof *w);
    memcpy(w, nn_net_weights(net), nn_graph_params(g) * sizeof *w);
    nn_optim_free(optim);
    nn_net_free(net);
    base_pool_free(pool);
    nets_data_free(&data);
    nn_graph_free(g);
    return w;
}

static size_t ds_cnn_params(void)
{
    nn_graph *g = nets_parse(nets_ds_cnn);
    size_t n = nn_graph_params(g);
    nn_graph_free(g);
    return n;
}

static void weights_do_not_depend_on_threads(void **state)
{
    (void)state;
    size_t bytes = ds_cnn_params() * sizeof(nn_real);
    for (int shards = 1; shards <= BATCH; shards += 3) {
        nn_real *one = trained(1, shards);
        for (int threads = 2; threads <= 5; threads++) {
            nn_real *many = trained(threads, shards);
            assert_memory_equal(one, many, bytes);
            free(many);
        }
        free(one);
    }
}

/* Logits of the real DS-CNN. Freed with free(). */
static nn_real *evaluated(int threads, int batch, size_t *count)
{
    enum { SAMPLES = 23 };
    base_err err = {0};
    base_pool *pool = NULL;
    nn_graph *g = nets_parse(nets_kws);
    nets_data data = nets_data_new(g, SAMPLES);
    assert_int_equal(base_pool_new(threads, &pool, &err), BASE_OK);
    nn_net *net = nets_new(g, (nn_net_options){.batch = batch, .pool = pool});
    nets_weights(g, nn_net_weights(net));
    *count = SAMPLES * (size_t)nn_count(nn_graph_output(g)->shape);
    nn_real *out = calloc(*count, sizeof *out);
    nn_net_forward(net, nets_in(&data), SAMPLES, out);
    nn_net_free(net);
    base_pool_free(pool);
    nets_data_free(&data);
    nn_graph_free(g);
    return out;
}

/* Not even where all samples fit into one chunk: the bits of a matrix product depend on the number
 * of its rows, so how samples are cut must not depend on who computes them. */
static void evaluation_does_not_depend_on_threads(void **state)
{
    (void)state;
    static const int batches[] = {1, 8, 20, 23, 100};
    size_t n;
    for (size_t b = 0; b < BASE_COUNT(batches); b++) {
        nn_real *one = evaluated(1, batches[b], &n);
        for (int threads = 2; threads <= 4; threads++) {
            nn_real *many = evaluated(threads, batches[b], &n);
            assert_memory_equal(one, many, n * sizeof *one);
            free(many);
        }
        free(one);
    }
}

/* Another batch size gives the same values, up to rounding. */
static void evaluation_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    size_t n;
    nn_real *one = evaluated(1, 23, &n);
    for (int batch = 1; batch < 23; batch += 5) {
        nn_real *many = evaluated(2, batch, &n);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs((double)(one[i] - many[i])) <= 1e-5 * (1 + fabs((double)one[i])));
        free(many);
    }
    free(one);
}

/* Layers that the loss does not depend on change no gradient and get none. */
static void dead_layers_have_no_gradient(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "x = input 6; t = input 3; h = dense(x) out=5; r = add(h, h); s = add(r, r);"
        "y = dense(s) out=3; loss = mean_squared_error(y, t)",
        "x = input 6; t = input 3; h = dense(x) out=5; r = add(h, h); s = add(r, r);"
        "y = dense(s) out=3; d = dense(s) out=4; f = dense(d) out=5;"
        "loss = mean_squared_error(y, t)"};
    nn_real grads[2][64] = {{0}};
    size_t live = 0;
    for (int k = 0; k < 2; k++) {
        nn_graph *g = nets_parse(texts[k]);
        nets_data data = nets_data_new(g, BATCH);
        nn_net *net = nets_new(g, (nn_net_options){.batch = BATCH, .shards = 2, .training = true});
        nn_init_weights(g, 1, nn_net_weights(net));
        for (uint32_t s = 0; s < 2; s++) nn_net_step(net, nets_in(&data), BATCH, 5, s);
        const nn_real *all = nn_net_grads(net);
        if (k == 0) live = nn_graph_params(g);
        assert_true(live <= BASE_COUNT(grads[k]));
        memcpy(grads[k], all, live * sizeof *all);
        for (size_t i = live; i < nn_graph_params(g); i++) assert_true(all[i] == 0);
        nn_net_free(net);
        nets_data_free(&data);
        nn_graph_free(g);
    }
    assert_memory_equal(grads[0], grads[1], live * sizeof grads[0][0]);
}

static void bad_nets_are_refused(void **state)
{
    (void)state;
    static const nn_net_options bad[] = {{.batch = 0},
                                         {.batch = -1},
                                         {.batch = 4, .shards = 5, .training = true},
                                         {.batch = 4, .shards = -1, .training = true}};
    base_err err = {0};
    nn_net *net = NULL;
    nn_graph *g = nets_parse(nets_ds_cnn), *h = nets_parse("x = input 4; lonely = relu(x)");
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        assert_int_equal(nn_net_new(g, bad[i], &net, &err), BASE_USAGE);
        assert_null(net);
    }
    nn_net_options training = {.batch = 4, .shards = 1, .training = true};
    assert_int_equal(nn_net_new(h, training, &net, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "'lonely'"));
    nn_graph_free(g);
    nn_graph_free(h);
}

/* ---- initial weights ---- */

/* A parameter by "node.name" in w. */
static const nn_real *param(const nn_graph *g, const char *node, int k, const nn_real *w, size_t *n)
{
    const nn_param *p = &nn_graph_find(g, node)->param[k];
    *n = p->count;
    return w + p->offset;
}

static void all_are(const nn_real *v, size_t n, double expected)
{
    for (size_t i = 0; i < n; i++) assert_true((double)v[i] == expected);
}

/* Uniform in +-bound: the largest comes near the bound, the variance is bound^2 / 3. */
static void is_uniform(const nn_real *v, size_t n, double bound)
{
    double squares = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        squares += (double)v[i] * (double)v[i];
        largest = fmax(largest, fabs((double)v[i]));
    }
    double variance = bound * bound / 3;
    assert_true(largest <= bound * (1 + 1e-6) && largest > 0.9 * bound);
    assert_true(fabs(squares / (double)n - variance) < 5 * variance * sqrt(0.8 / (double)n));
}

/* Normal of deviation 0.02 cut at two of them, which leaves a variance of 0.774 of that. */
static void is_cut_normal(const nn_real *v, size_t n)
{
    double sum = 0, squares = 0, largest = 0, inside = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)v[i] / 0.02;
        squares += (double)v[i] * (double)v[i] / (0.02 * 0.02);
        largest = fmax(largest, fabs((double)v[i]));
        inside += fabs((double)v[i]) < 0.02;
    }
    double within_two = erf(sqrt(2.0)), share = erf(sqrt(0.5)) / within_two;
    double variance = 1 - 4 * exp(-2.0) / sqrt(2 * acos(-1.0)) / within_two;
    assert_true(largest <= 0.04 * (1 + 1e-6) && largest > 0.039);
    assert_true(fabs(sum / (double)n) < 5 * sqrt(variance / (double)n));
    assert_true(fabs(squares / (double)n - variance) < 5 * sqrt(2 / (double)n));
    assert_true(fabs(inside / (double)n - share) < 5 * sqrt(share * (1 - share) / (double)n));
}

static void initial_weights_have_the_right_spread(void **state)
{
    (void)state;
    nn_graph *g = nets_parse("x = input 20x20x4; p = position(x);"
                             "c = conv2d(p) out=16 kernel=5x4;"
                             "d = dwconv2d(c) kernel=7x7; b = batchnorm(d); f = globalpool(b);"
                             "y = dense(f) out=300");
    size_t n;
    nn_real *w = calloc(nn_graph_params(g), sizeof *w), *v = calloc(nn_graph_params(g), sizeof *v);
    nn_init_weights(g, 1, w);
    const nn_real *p = param(g, "c", 0, w, &n);
    is_uniform(p, n, sqrt(6.0 / 80)); /* He: fan-in 5 * 4 * 4 */
    p = param(g, "p", 0, w, &n);
    is_cut_normal(p, n);
    p = param(g, "d", 0, w, &n);
    is_uniform(p, n, sqrt(6.0 / 49));
    for (int k = 0; k < 4; k++) {
        p = param(g, "b", k, w, &n);
        all_are(p, n, k == 0 || k == 3); /* gamma and var 1, beta and mean 0 */
    }
    p = param(g, "c", 1, w, &n);
    all_are(p, n, 0);
    nn_init_weights(g, 1, v);
    assert_memory_equal(w, v, nn_graph_params(g) * sizeof *w);
    nn_init_weights(g, 2, v);
    p = param(g, "y", 0, w, &n);
    const nn_real *q = param(g, "y", 0, v, &n);
    size_t same = 0;
    for (size_t i = 0; i < n; i++) same += p[i] == q[i];
    assert_true(same < n / 100);
    free(v);
    free(w);
    nn_graph_free(g);
}

/* ---- memory plan ---- */

/* At every time the living spans lie apart; returns the most that lives at one time. */
static size_t check_plan(const nn_span *s, int n, size_t block, size_t align)
{
    size_t most = 0;
    for (int a = 0; a < n; a++) {
        size_t alive = 0;
        assert_int_equal(s[a].offset % align, 0);
        assert_true(s[a].offset + s[a].size <= block);
        for (int b = 0; b < n; b++) {
            if (s[b].first > s[a].first || s[b].last < s[a].first) continue;
            alive += s[b].size;
            bool apart =
                s[a].offset + s[a].size <= s[b].offset || s[b].offset + s[b].size <= s[a].offset;
            if (a != b && s[a].size && s[b].size && !apart)
                fail_msg("spans %d and %d of %d overlap", a, b, n);
        }
        if (alive > most) most = alive;
    }
    return most;
}

static void plans_are_valid(void **state)
{
    (void)state;
    enum { MOST = 40 };
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int trial = 0; trial < 500; trial++) {
        nn_span s[MOST];
        size_t wanted[MOST], sum = 0;
        int n = (int)base_rng_below(&r, MOST + 1);
        size_t align = (size_t)1 << base_rng_below(&r, 6);
        for (int i = 0; i < n; i++) {
            int first = (int)base_rng_below(&r, 20), length = (int)base_rng_below(&r, 8);
            wanted[i] = base_rng_below(&r, 4) ? base_rng_below(&r, 1000) : 0;
            s[i] = (nn_span){.size = wanted[i], .offset = 77, .first = first};
            s[i].last = first + length;
            sum += (wanted[i] + align - 1) / align * align;
        }
        size_t block = nn_plan(s, n, align);
        for (int i = 0; i < n; i++) assert_true(s[i].size >= wanted[i]);
        assert_true(block >= check_plan(s, n, block, align));
        assert_true(block <= sum);
    }
}

/* A chain needs the largest two neighbours, not their sum. */
static void a_chain_shares_memory(void **state)
{
    (void)state;
    nn_span s[] = {{100, 0, 0, 1}, {300, 0, 1, 2}, {200, 0, 2, 3}, {50, 0, 3, 4}, {40, 0, 4, 5}};
    assert_int_equal(nn_plan(s, BASE_COUNT(s), 1), 500);
    assert_int_equal(nn_plan(NULL, 0, 64), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_do_not_depend_on_threads),
        cmocka_unit_test(evaluation_does_not_depend_on_threads),
        cmocka_unit_test(evaluation_does_not_depend_on_the_batch),
        cmocka_unit_test(dead_layers_have_no_gradient),
        cmocka_unit_test(bad_nets_are_refused),
        cmocka_unit_test(initial_weights_have_the_right_spread),
        cmocka_unit_test(plans_are_valid),
        cmocka_unit_test(a_chain_shares_memory),
    };
    return cmocka_run_group_tests_name("nn", tests, NULL, NULL);
}
