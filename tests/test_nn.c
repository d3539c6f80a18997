/* Whole nets in float: threads and shards, initial weights, the memory plan, optimizers against
 * their recurrences in double, schedules. Gradients of nets: double_net.c; model files:
 * test_model.c. */
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

/* ---- optimizers ---- */

typedef struct recurrence {
    double w, m, v;
} recurrence;

/* One step of one parameter, as the papers write it. t counts from 1. */
static void reference_step(recurrence *p, const nn_optim_options *o, nn_role role, double g,
                           double lr, int t)
{
    double decay = role == NN_WEIGHT ? o->weight_decay : 0;
    if (role == NN_STATISTIC) {
        p->w = (1 - o->statistics) * p->w + o->statistics * g;
        return;
    }
    if (o->kind == NN_ADAMW)
        p->w -= lr * decay * p->w;
    else
        g += decay * p->w;
    if (o->kind == NN_SGD) {
        p->m = o->momentum * p->m + g;
        p->w -= lr * p->m;
        return;
    }
    p->m = o->beta1 * p->m + (1 - o->beta1) * g;
    p->v = o->beta2 * p->v + (1 - o->beta2) * g * g;
    double mh = p->m / (1 - pow(o->beta1, t)), vh = p->v / (1 - pow(o->beta2, t));
    p->w -= lr * mh / (sqrt(vh) + o->epsilon);
}

static const char optim_net[] = "x = input 3; d = dense(x) out=4; b = batchnorm(d)";

static nn_role role_at(const nn_graph *g, size_t i)
{
    for (int k = 0; k < nn_graph_nodes(g); k++)
        for (int p = 0; p < nn_graph_node(g, k)->n_params; p++) {
            const nn_param *q = &nn_graph_node(g, k)->param[p];
            if (i >= q->offset && i < q->offset + q->count) return q->role;
        }
    fail_msg("no parameter at %zu", i);
    return NN_WEIGHT;
}

static void random_reals(nn_real *v, size_t n, uint32_t stream)
{
    base_rng r = base_rng_at(2, BASE_RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++) v[i] = (nn_real)base_rng_normal(&r);
}

static void follow_recurrence(nn_optim_options o)
{
    enum { STEPS = 8, MOST = 64 };
    base_err err = {0};
    nn_optim *optim = NULL;
    nn_graph *g = nets_parse(optim_net);
    size_t n = nn_graph_params(g);
    nn_real w[MOST], grads[MOST];
    recurrence p[MOST] = {{0}};
    assert_true(n <= MOST);
    assert_int_equal(nn_optim_new(g, o, &optim, &err), BASE_OK);
    random_reals(w, n, 0);
    for (size_t i = 0; i < n; i++) p[i].w = (double)w[i];
    for (int t = 1; t <= STEPS; t++) {
        double lr = 0.1 / t;
        random_reals(grads, n, (uint32_t)t);
        nn_optim_step(optim, w, grads, lr);
        for (size_t i = 0; i < n; i++) {
            reference_step(&p[i], &o, role_at(g, i), (double)grads[i], lr, t);
            if (!(fabs((double)w[i] - p[i].w) <= 2e-6 * (1 + fabs(p[i].w))))
                fail_msg("kind %d, step %d: w[%zu] is %.9g, expected %.9g", (int)o.kind, t, i,
                         (double)w[i], p[i].w);
        }
        assert_int_equal(nn_optim_steps(optim), t);
    }
    nn_optim_free(optim);
    nn_graph_free(g);
}

static void optimizers_follow_their_papers(void **state)
{
    (void)state;
    static const double decays[] = {0, 0.01, 0.3};
    for (int kind = NN_SGD; kind <= NN_ADAMW; kind++)
        for (size_t d = 0; d < BASE_COUNT(decays); d++) {
            nn_optim_options o = nn_optim_defaults((nn_optim_kind)kind);
            o.weight_decay = decays[d];
            follow_recurrence(o);
            o.momentum = 0, o.beta1 = 0.5, o.beta2 = 0.9, o.epsilon = 1e-3, o.statistics = 0.4;
            follow_recurrence(o);
        }
}

/* Three steps, state and count into a new optimizer, three more: the bits of six steps. */
static void optimizers_resume(void **state)
{
    (void)state;
    enum { MOST = 64 };
    for (int kind = NN_SGD; kind <= NN_ADAMW; kind++) {
        base_err err = {0};
        nn_optim *whole = NULL, *part = NULL;
        nn_graph *g = nets_parse(optim_net);
        nn_optim_options o = nn_optim_defaults((nn_optim_kind)kind);
        size_t n = nn_graph_params(g), count, again;
        nn_real w[MOST], v[MOST], grads[MOST];
        assert_int_equal(nn_optim_new(g, o, &whole, &err), BASE_OK);
        assert_int_equal(nn_optim_new(g, o, &part, &err), BASE_OK);
        random_reals(w, n, 0);
        for (uint32_t t = 1; t <= 6; t++) {
            random_reals(grads, n, t);
            nn_optim_step(whole, w, grads, 0.01);
            if (t > 3) nn_optim_step(part, v, grads, 0.01);
            if (t != 3) continue;
            memcpy(v, w, sizeof v);
            nn_real *from = nn_optim_state(whole, &count), *to = nn_optim_state(part, &again);
            assert_int_equal(count, again);
            memcpy(to, from, count * sizeof *to);
            nn_optim_set_steps(part, nn_optim_steps(whole));
        }
        assert_memory_equal(w, v, n * sizeof *w);
        nn_optim_free(whole);
        nn_optim_free(part);
        nn_graph_free(g);
    }
}

/* ---- schedules ---- */

static void lr_is(const nn_schedule *s, double epoch, double expected)
{
    double lr = nn_schedule_lr(s, epoch);
    if (!(fabs(lr - expected) <= 1e-12))
        fail_msg("kind %d at epoch %g: %.15g, expected %.15g", (int)s->kind, epoch, lr, expected);
}

static void schedules_at_chosen_points(void **state)
{
    (void)state;
    nn_schedule s = {.kind = NN_CONSTANT, .lr = 0.4, .final_lr = 0.1, .warmup = 4, .total = 24};
    for (int kind = NN_CONSTANT; kind <= NN_COSINE; kind++) {
        s.kind = (nn_schedule_kind)kind;
        s.step_epochs = 10, s.step_factor = 0.5;
        lr_is(&s, 0, 0);
        lr_is(&s, 1, 0.1); /* warm-up is a line */
        lr_is(&s, 3, 0.3);
        lr_is(&s, 4, 0.4);
    }
    s.kind = NN_CONSTANT;
    lr_is(&s, 23.9, 0.4);
    s.kind = NN_STEPS;
    lr_is(&s, 9.99, 0.4);
    lr_is(&s, 10, 0.2);
    lr_is(&s, 19.99, 0.2);
    lr_is(&s, 20, 0.1);
    s.kind = NN_EXPONENTIAL;
    lr_is(&s, 14, 0.2); /* geometric mean of 0.4 and 0.1 */
    lr_is(&s, 24, 0.1);
    lr_is(&s, 99, 0.1);
    s.kind = NN_COSINE;
    lr_is(&s, 14, 0.25);
    lr_is(&s, 9, 0.25 + 0.15 * sqrt(0.5));
    lr_is(&s, 24, 0.1);
    lr_is(&s, 99, 0.1);
}

static void schedules_fall_and_never_jump_up(void **state)
{
    (void)state;
    for (int kind = NN_STEPS; kind <= NN_COSINE; kind++) {
        nn_schedule s = {.kind = (nn_schedule_kind)kind,
                         .lr = 1,
                         .final_lr = 1e-3,
                         .total = 30,
                         .step_epochs = 7,
                         .step_factor = 0.3};
        double before = nn_schedule_lr(&s, 0);
        assert_true(before == 1);
        for (double e = 0.05; e < 31; e += 0.05) {
            double lr = nn_schedule_lr(&s, e);
            assert_true(lr <= before && lr > 0);
            before = lr;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_do_not_depend_on_threads),
        cmocka_unit_test(evaluation_does_not_depend_on_threads),
        cmocka_unit_test(evaluation_does_not_depend_on_the_batch),
        cmocka_unit_test(bad_nets_are_refused),
        cmocka_unit_test(initial_weights_have_the_right_spread),
        cmocka_unit_test(plans_are_valid),
        cmocka_unit_test(a_chain_shares_memory),
        cmocka_unit_test(optimizers_follow_their_papers),
        cmocka_unit_test(optimizers_resume),
        cmocka_unit_test(schedules_at_chosen_points),
        cmocka_unit_test(schedules_fall_and_never_jump_up),
    };
    return cmocka_run_group_tests_name("nn", tests, NULL, NULL);
}
