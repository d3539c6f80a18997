/* gru, lstm, svdf as layers of a net: numbers of parameters of published models, initial weights,
 * both directions of time. What they compute: the battery; what is refused: test_graph.c. */
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

/* Zhang et al., "Hello Edge" (arXiv 1711.07128): its small GRU and LSTM, 12 classes. */
static void hello_edge_has_its_parameters(void **state)
{
    (void)state;
    nn_graph *g = nets_parse("x = input 25x1x10; h = gru(x) units=154 reset_after=no sequence=no;"
                             "y = dense(h) out=12");
    assert_int_equal(nn_graph_trainable(g), 78090);
    assert_int_equal(nn_graph_cost(g).macs, 25 * 3 * 154 * (10 + 154) + 154 * 12);
    nn_graph_free(g);
    g = nets_parse(
        "x = input 25x1x10; h = lstm(x) units=144 peephole=yes projection=98 sequence=no;"
        "y = dense(h) out=12");
    assert_int_equal(nn_graph_trainable(g), 78516);
    nn_graph_free(g);
}

/* A layer of rank 1 against the full one over as many frames: Nakkiran et al. 2015. */
static void svdf_has_its_parameters(void **state)
{
    (void)state;
    nn_graph *g = nets_parse("x = input 40x1x30; y = svdf(x) units=256 memory=10");
    assert_int_equal(nn_graph_trainable(g), 256 * (30 + 10 + 1));
    nn_graph_free(g);
}

/* Forget gates start open, all else at the value of a new layer. */
static void forget_gates_start_open(void **state)
{
    (void)state;
    enum { UNITS = 5 };
    nn_graph *g = nets_parse("x = input 6x1x3; y = lstm(x) units=5 peephole=yes projection=2");
    nn_real *w = calloc(nn_graph_params(g), sizeof *w);
    nn_init_weights(g, 1, w);
    const nn_node *n = nn_graph_find(g, "y");
    for (int k = 0; k < n->n_params; k++) {
        const nn_param *p = &n->param[k];
        bool bias = strcmp(p->name, "bias") == 0, peephole = strcmp(p->name, "peephole") == 0;
        for (size_t i = 0; i < p->count; i++) {
            double v = (double)w[p->offset + i];
            if (bias && i / UNITS == 1)
                assert_true(v == 1);
            else if (bias || peephole)
                assert_true(v == 0);
            else
                assert_true(v != 0 && fabs(v) < 1);
        }
    }
    free(w);
    nn_graph_free(g);
}

/* ---- both directions ---- */

enum { FRAMES = 7, VALUES = 3, UNITS = 4 };

/* Two directions over x; the output of each on [FRAMES, VALUES] of x with equal weights. */
typedef struct both {
    nn_graph *g;
    nn_net *net;
    nn_real x[FRAMES * VALUES];
    nn_shape shape;
} both;

static both both_new(const char *op, const char *attrs)
{
    both t = {.g = nn_graph_new()};
    base_err err = {0};
    base_rng rng = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    nn_node *x = nn_input(t.g, "%dx1x%d", FRAMES, VALUES);
    nn_node *y = nn_bidirectional(x, "y", op, "units=%d %s", UNITS, attrs);
    if (nn_graph_check(t.g, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_ptr_equal(y, nn_graph_output(t.g));
    t.shape = y->shape;
    t.net = nets_new(t.g, (nn_net_options){.batch = 1});
    nn_real *w = nn_net_weights(t.net);
    size_t half = nn_graph_params(t.g) / 2;
    for (size_t i = 0; i < half; i++) w[i] = w[half + i] = (nn_real)base_rng_normal(&rng);
    for (int i = 0; i < FRAMES * VALUES; i++) t.x[i] = (nn_real)base_rng_normal(&rng);
    return t;
}

static void both_free(both *t)
{
    nn_net_free(t->net);
    nn_graph_free(t->g);
}

static void turn_round(both *t)
{
    for (int a = 0, b = FRAMES - 1; a < b; a++, b--)
        for (int i = 0; i < VALUES; i++) {
            nn_real v = t->x[a * VALUES + i];
            t->x[a * VALUES + i] = t->x[b * VALUES + i];
            t->x[b * VALUES + i] = v;
        }
}

/* With equal weights the two directions change places when time is turned round. */
static void directions_mirror_each_other(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"gru", ""}, {"gru", "reset_after=no"}, {"lstm", "peephole=yes"}, {"lstm", "sequence=no"}};
    for (size_t k = 0; k < BASE_COUNT(forms); k++) {
        both t = both_new(forms[k][0], forms[k][1]);
        bool sequence = t.shape.n == 3;
        int frames = sequence ? FRAMES : 1;
        nn_real y[FRAMES * 2 * UNITS], turned[FRAMES * 2 * UNITS];
        assert_int_equal(nn_count(t.shape), frames * 2 * UNITS);
        nn_net_forward(t.net, (const nn_real *const[]){t.x}, 1, y);
        turn_round(&t);
        nn_net_forward(t.net, (const nn_real *const[]){t.x}, 1, turned);
        for (int f = 0; f < frames; f++)
            for (int u = 0; u < UNITS; u++) {
                double ahead = (double)y[f * 2 * UNITS + u];
                double back = (double)turned[((frames - 1 - f) * 2 + 1) * UNITS + u];
                assert_true(fabs(ahead - back) < 1e-6 && ahead != 0);
            }
        assert_memory_not_equal(y, turned, sizeof *y * (size_t)(frames * 2 * UNITS));
        both_free(&t);
    }
}

static void refuse(const char *op, const char *attrs)
{
    nn_graph *g = nn_graph_new();
    assert_null(nn_bidirectional(nn_input(g, "4x1x3"), "y", op, "%s", attrs));
    assert_int_equal(nn_graph_check(g, NULL), BASE_USAGE);
    nn_graph_free(g);
}

static void bad_directions_are_refused(void **state)
{
    (void)state;
    char blanks[700];
    snprintf(blanks, sizeof blanks, "units=4 %650s", "");
    refuse("gru", "");
    refuse("gru", "units=0");
    refuse("gru", "units=4 reverse=yes");
    refuse("gruu", "units=4");
    refuse("relu", "");
    refuse("gru", blanks);
    assert_null(nn_bidirectional(NULL, "y", "gru", "units=4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_edge_has_its_parameters),
        cmocka_unit_test(svdf_has_its_parameters),
        cmocka_unit_test(forget_gates_start_open),
        cmocka_unit_test(directions_mirror_each_other),
        cmocka_unit_test(bad_directions_are_refused),
    };
    return cmocka_run_group_tests_name("recurrent", tests, NULL, NULL);
}
