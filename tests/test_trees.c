/* Trees: grown ones as the operator reads them are those that were grown, forests and boosting do
 * what they say on data whose answer is known, and damaged int8 trees are refused.
 */
#include "tests/check.h"

#include "nn/op.h"
#include "quantize/internal.h"
#include "quantize/runtime/trees.h"
#include "tests/q8_nets.h"
#include "train/fit_trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- an operator whose parameters are written by hand or by a fit ---- */

typedef struct stand {
    nn_graph *g;
    nn_real *weights;
    fit_trees to;
} stand;

static stand open_stand(int in, int trees, int leaves, int out, bool shared)
{
    char text[160];
    stand s = {0};
    base_err err = {0};
    snprintf(text, sizeof text, "x = input %d; y = trees(x) trees=%d leaves=%d out=%d shared=%s",
             in, trees, leaves, out, shared ? "yes" : "no");
    if (nn_parse(text, NULL, &s.g, &err) != BASE_OK) fail_msg("%s", err.message);
    s.weights = calloc(nn_graph_params(s.g), sizeof *s.weights);
    assert_non_null(s.weights);
    nn_real *at[5];
    for (int k = 0; k < 5; k++) at[k] = s.weights + nn_graph_output(s.g)->param[k].offset;
    s.to = (fit_trees){trees, leaves, out, shared, at[0], at[1], at[2], at[3], at[4]};
    return s;
}

static void close_stand(stand *s)
{
    nn_graph_free(s->g);
    free(s->weights);
}

static void outputs(const stand *s, const nn_real *x, nn_real *y)
{
    const nn_node *n = nn_graph_output(s->g);
    nn_args a = {.batch = 1, .x = {x}, .y = y};
    for (int k = 0; k < n->n_params; k++) a.w[k] = s->weights + n->param[k].offset;
    n->op->forward(n, &a);
}

static int class_of(const stand *s, const nn_real *x)
{
    nn_real y[16];
    outputs(s, x, y);
    int best = 0;
    for (int k = 1; k < s->to.classes; k++)
        if (y[k] > y[best]) best = k;
    return best;
}

/* ---- trees in preorder ---- */

/* Random trees of any size within their places: a walk over children ends where the operator's
 * does. */
static void put_trees_are_walked_alike(void **state)
{
    (void)state;
    enum { IN = 6, LEAVES = 20, TREES = 50 };
    stand s = open_stand(IN, TREES, LEAVES, 1, true);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int t = 0; t < TREES; t++) {
        fit_node node[2 * LEAVES] = {{0}};
        int at[2 * LEAVES], nodes = 1;
        const int leaves = t == 0 ? 1 : t == 1 ? LEAVES : 1 + (int)base_rng_below(&r, LEAVES);
        for (int l = 1; l < leaves; l++) {
            int i = (int)base_rng_below(&r, (uint32_t)nodes);
            while (node[i].left) i = base_rng_below(&r, 2) ? node[i].left : node[i].right;
            node[i] = (fit_node){nodes, nodes + 1, (int)base_rng_below(&r, IN),
                                 2 * base_rng_uniform(&r) - 1};
            nodes += 2;
        }
        memset(s.to.leaf, 0, (size_t)TREES * LEAVES * sizeof *s.to.leaf);
        fit_trees_put(&s.to, t, node, at);
        for (int i = 0; i < nodes; i++)
            if (!node[i].left) s.to.leaf[t * LEAVES + at[i]] = (nn_real)(i + 1);
        for (int n = 0; n < 200; n++) {
            nn_real x[IN], y;
            for (int j = 0; j < IN; j++) x[j] = (nn_real)(2 * base_rng_uniform(&r) - 1);
            int i = 0;
            while (node[i].left)
                i = (double)x[node[i].feature] < (double)(nn_real)node[i].threshold ? node[i].left
                                                                                    : node[i].right;
            outputs(&s, x, &y);
            assert_true(y == (nn_real)(i + 1));
        }
    }
    close_stand(&s);
}

/* ---- fits ---- */

enum { N = 1200, D = 6, K = 3 };

/* Whole numbers of 0 .. 9: the class is 2 where x0 + x1 is odd in its tens place of a board of two
 * by two, else whether x2 is above 4; a line tells none of it. One label in `noise` is another. */
typedef struct world {
    nn_real x[N * D];
    int label[N];
    fit_samples s;
} world;

static void make(world *w, uint32_t seed, int noise)
{
    base_rng r = base_rng_at(3, BASE_RNG_TEST, seed, 0);
    for (int i = 0; i < N; i++) {
        nn_real *x = w->x + (size_t)i * D;
        for (int j = 0; j < D; j++) x[j] = (nn_real)base_rng_below(&r, 10);
        w->label[i] = (x[0] > 4) != (x[1] > 4) ? 2 : x[2] > 4;
        if (noise && base_rng_below(&r, (uint32_t)noise) == 0)
            w->label[i] = (int)base_rng_below(&r, K);
    }
    w->s = (fit_samples){.x = w->x, .label = w->label, .n = N, .dims = D, .classes = K};
}

static double accuracy(const stand *s, const world *w)
{
    int correct = 0;
    for (int i = 0; i < N; i++) correct += class_of(s, w->x + (size_t)i * D) == w->label[i];
    return (double)correct / N;
}

/* Two leaves on one feature: the split with the least impurity, which no sample drawn with
 * replacement moves, and in the leaves the classes' shares. */
static void stump_is_the_best_split(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static nn_real x[MANY];
    static int label[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = (nn_real)(i % 10);
        label[i] = i % 10 < 3 ? 0 : i % 10 < 4 ? i / 10 % 2 : 1 + (i / 10 % 10 == 0);
    }
    const fit_samples s = {x, label, MANY, 1, 3};
    stand t = open_stand(1, 40, 2, 3, true);
    assert_int_equal(fit_forest(&s, 5, NULL, &t.to, NULL), BASE_OK);
    for (int k = 0; k < 40; k++) {
        assert_true(t.to.threshold[k] > 2 && t.to.threshold[k] <= 4);
        const nn_real *leaf = t.to.leaf + (size_t)k * 6;
        for (int l = 0; l < 2; l++) {
            const double sum = (double)(leaf[3 * l] + leaf[3 * l + 1] + leaf[3 * l + 2]);
            assert_true(fabs(40 * sum - 1) < 1e-5);
        }
        assert_true(leaf[0] > leaf[1] && leaf[4] > leaf[3]);
    }
    nn_real y[3];
    outputs(&t, (nn_real[]){8}, y); /* 3000 / 10 * 6.5 on the right or less, 180 of which are 2 */
    assert_true(fabs((double)y[2] - 0.09) < 0.03 && fabs((double)(y[0] + y[1] + y[2]) - 1) < 1e-5);
    close_stand(&t);
}

/* What a line cannot tell, on samples that were not seen; the same bits for any threads, others for
 * another seed. */
static void forest_learns(void **state)
{
    (void)state;
    static world w, other;
    make(&w, 0, 10);
    make(&other, 1, 0);
    stand s = open_stand(D, 60, 24, K, true), t = open_stand(D, 60, 24, K, true);
    const size_t bytes = nn_graph_params(s.g) * sizeof *s.weights;
    base_pool *pool;
    assert_int_equal(base_pool_new(3, &pool, NULL), BASE_OK);
    assert_int_equal(fit_forest(&w.s, 7, NULL, &s.to, NULL), BASE_OK);
    assert_int_equal(fit_forest(&w.s, 7, pool, &t.to, NULL), BASE_OK);
    assert_memory_equal(s.weights, t.weights, bytes);
    if (!(accuracy(&s, &other) > 0.97)) fail_msg("accuracy %g", accuracy(&s, &other));
    assert_int_equal(fit_forest(&w.s, 8, pool, &t.to, NULL), BASE_OK);
    assert_true(memcmp(s.weights, t.weights, bytes) != 0);
    base_pool_free(pool);
    close_stand(&s);
    close_stand(&t);
}

/* Samples that are all alike have no split: trees of one leaf. */
static void nothing_to_split(void **state)
{
    (void)state;
    nn_real x[8] = {0};
    const int label[8] = {0, 1, 0, 1, 0, 1, 0, 1};
    const fit_samples s = {x, label, 8, 1, 2};
    stand t = open_stand(1, 200, 4, 2, true);
    assert_int_equal(fit_forest(&s, 1, NULL, &t.to, NULL), BASE_OK);
    for (int i = -1; i <= 1; i++) {
        nn_real y[2];
        outputs(&t, (nn_real[]){(nn_real)i}, y);
        assert_true(fabs((double)y[0] - 0.5) < 0.1 && fabs((double)(y[0] + y[1]) - 1) < 1e-4);
    }
    close_stand(&t);
}

/* Features are whole numbers, so that a threshold met exactly is told from one that is not; a round
 * more has a lower loss; the sums of a sample are those of XGBoost's trees, whose first round is
 * about rate (1 - 1/K) by what Newton's step makes of a pure leaf. */
static void boosting_learns(void **state)
{
    (void)state;
    static world w, other;
    if (!fit_can_boost()) {
        print_message("XGBoost is not there: boosting is not tested\n");
        skip();
    }
    make(&w, 0, 0);
    make(&other, 1, 0);
    stand s = open_stand(D, 30, 8, K, false), t = open_stand(D, 30, 8, K, false);
    base_err err = {0};
    if (fit_boosting(&w.s, 0.3, 7, NULL, &s.to, &err) != BASE_OK) fail_msg("%s", err.message);
    if (!(accuracy(&s, &other) > 0.98)) fail_msg("accuracy %g", accuracy(&s, &other));
    assert_int_equal(fit_boosting(&w.s, 0.3, 7, NULL, &t.to, NULL), BASE_OK);
    assert_memory_equal(s.weights, t.weights, nn_graph_params(s.g) * sizeof *s.weights);
    close_stand(&t);
    t = open_stand(D, 1, 8, K, false);
    assert_int_equal(fit_boosting(&w.s, 0.3, 7, NULL, &t.to, NULL), BASE_OK);
    double most = 0;
    for (int i = 0; i < 8 * K; i++) most = fmax(most, fabs((double)t.to.leaf[i]));
    /* g = 1 - 1/K, h = 2/K (1 - 1/K) each: K / 2 of a leaf that is large */
    assert_true(most > 0.3 * 0.9 * K / 2 && most <= 0.3 * K / 2 + 1e-6);
    assert_true(accuracy(&t, &other) < accuracy(&s, &other));
    const volatile sig_atomic_t stop = 1;
    assert_int_equal(fit_boosting(&w.s, 0.3, 7, &stop, &t.to, NULL), BASE_INTERRUPTED);
    close_stand(&s);
    close_stand(&t);
}

/* ---- int8 ---- */

static void damaged_trees_are_refused(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 30; y = trees(x) trees=5 leaves=9 out=4", 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 2);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    base_err err = {0};
    assert_int_equal(q8_check(q, "'m'", &err), BASE_OK);
    const sotto_trees_t *p = q->layers[0].l.p;
    int8_t *node = (int8_t *)(uintptr_t)p->node; /* the arena's memory */
    for (int i = 0; i < 5 * 8; i++)
        for (int k = 0; k < SOTTO_TREES_NODE; k++) {
            int8_t *byte = &node[i * SOTTO_TREES_NODE + k];
            const int8_t kept = *byte;
            *byte = (int8_t)(k == 0 ? 30 : k == 3 ? 8 : 127);
            const base_status wanted = k == 2 ? BASE_OK : BASE_DATA;
            assert_int_equal(q8_check(q, "'m'", &err), wanted);
            if (k != 2) assert_non_null(strstr(err.message, "layer 'y': a tree has a node"));
            *byte = kept;
        }
    q8_model_free(q);
    nn_model_free(m);
    base_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_trees_are_walked_alike),
        cmocka_unit_test(stump_is_the_best_split),
        cmocka_unit_test(forest_learns),
        cmocka_unit_test(nothing_to_split),
        cmocka_unit_test(boosting_learns),
        cmocka_unit_test(damaged_trees_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
