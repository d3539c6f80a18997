/* Blocks of several nodes against their formulas, and what operators that move, search and
 * normalize do at their edges: ties, NaN, numbers near overflow. */
#include "tests/battery.h"
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- attention ---- */

typedef struct attention {
    int t, f, c, heads, dim;
} attention;

static nn_graph *attention_graph(const attention *s)
{
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_attention(nn_input(g, "%dx%dx%d", s->t, s->f, s->c), "att", s->heads, s->dim);
    if (nn_graph_check(g, &err) != BASE_OK) fail_msg("%s", err.message);
    return g;
}

static const nn_real *weights_of(const nn_graph *g, const nn_real *all, const char *node, int k)
{
    const nn_node *n = nn_graph_find(g, node);
    assert_non_null(n);
    assert_true(k < n->n_params);
    return all + n->param[k].offset;
}

/* [rows, in] times [in, out]. Freed with free(). */
static double *project(const double *x, int rows, int in, int out, const nn_real *w)
{
    double *y = calloc((size_t)(rows * out), sizeof *y);
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++)
            for (int i = 0; i < in; i++) y[r * out + o] += x[r * in + i] * (double)w[i * out + o];
    return y;
}

/* One head: mix [rows, width] at column `from` gets softmax(q k^T / sqrt(dim)) v. */
static void attend(const double *q, const double *k, const double *v, int rows, int width, int from,
                   int dim, double *mix)
{
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int j = 0; j < rows; j++) {
            double score = 0;
            for (int d = from; d < from + dim; d++) score += q[i * width + d] * k[j * width + d];
            double e = exp(score / sqrt(dim));
            sum += e;
            for (int d = from; d < from + dim; d++) mix[i * width + d] += e * v[j * width + d];
        }
        for (int d = from; d < from + dim; d++) mix[i * width + d] /= sum;
    }
}

/* The formula for one sample. Freed with free(). */
static double *attention_directly(const attention *s, const nn_graph *g, const nn_real *weights,
                                  const nn_real *input)
{
    int rows = s->t * s->f, width = s->heads * s->dim;
    double *x = calloc((size_t)(rows * s->c), sizeof *x);
    for (int i = 0; i < rows * s->c; i++) x[i] = (double)input[i];
    double *q = project(x, rows, s->c, width, weights_of(g, weights, "att.q", 0));
    double *k = project(x, rows, s->c, width, weights_of(g, weights, "att.k", 0));
    double *v = project(x, rows, s->c, width, weights_of(g, weights, "att.v", 0));
    double *mix = calloc((size_t)(rows * width), sizeof *mix);
    for (int h = 0; h < s->heads; h++) attend(q, k, v, rows, width, h * s->dim, s->dim, mix);
    double *y = project(mix, rows, width, s->c, weights_of(g, weights, "att.out", 0));
    const nn_real *bias = weights_of(g, weights, "att.out", 1);
    for (int i = 0; i < rows * s->c; i++) y[i] += (double)bias[i % s->c];
    free(x), free(q), free(k), free(v), free(mix);
    return y;
}

static void attention_is_its_formula(void **state)
{
    (void)state;
    enum { SAMPLES = 3 };
    static const attention shapes[] = {{7, 1, 6, 1, 4}, {11, 1, 8, 3, 5}, {4, 3, 5, 2, 1}};
    for (size_t i = 0; i < BASE_COUNT(shapes); i++) {
        const attention *s = &shapes[i];
        nn_graph *g = attention_graph(s);
        assert_true(nn_same_shape(nn_graph_output(g)->shape, (nn_shape){3, {s->t, s->f, s->c}}));
        nn_net *net = nets_new(g, (nn_net_options){.batch = SAMPLES});
        nets_data data = nets_data_new(g, SAMPLES);
        nets_weights(g, nn_net_weights(net));
        size_t count = (size_t)(s->t * s->f * s->c);
        nn_real *y = calloc(SAMPLES * count, sizeof *y);
        nn_net_forward(net, nets_in(&data), SAMPLES, y);
        for (size_t b = 0; b < SAMPLES; b++) {
            base_str why = {0};
            double *expected = attention_directly(s, g, nn_net_weights(net), data.x[0] + b * count);
            battery_compare("attention", y + b * count, expected, count, BATTERY_FORWARD_TOL, &why);
            if (why.len > 0) fail_msg("%s", why.s);
            free(expected);
        }
        free(y);
        nets_data_free(&data);
        nn_net_free(net);
        nn_graph_free(g);
    }
}

/* What a keyword transformer's layer has: no bias but that of the output. */
static void attention_has_the_published_parameters(void **state)
{
    (void)state;
    nn_graph *g = attention_graph(&(attention){99, 1, 64, 1, 64}); /* KWT-1 */
    assert_int_equal(nn_graph_params(g), 4 * 64 * 64 + 64);
    assert_int_equal(nn_graph_cost(g).macs, 4 * 99 * 64 * 64 + 2 * 99 * 99 * 64);
    nn_graph_free(g);
}

/* The first error of a graph that holds input `shape` and an attention. */
static void attention_is_refused(const char *shape, const char *name, int heads, int dim,
                                 const char *part)
{
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    assert_null(nn_attention(nn_input(g, "%s", shape), name, heads, dim));
    assert_int_equal(nn_graph_check(g, &err), BASE_USAGE);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    nn_graph_free(g);
}

static void bad_attention_is_refused(void **state)
{
    (void)state;
    attention_is_refused("9x1x4", "att", 0, 4, "conv2d 'att.q': out=0");
    attention_is_refused("9x1x4", "att", -2, -2, "reshape 'att.q_split': shape=9x-2x-2");
    attention_is_refused("9x1x4", "att", 1 << 20, 1 << 20, "conv2d 'att.q': out=1099511627776");
    attention_is_refused("36", "att", 2, 2, "conv2d 'att.q'");
    attention_is_refused("9x1x4", "a_name_with_which_no_part_of_it_fits_into_48", 2, 2,
                         "node name");
    attention_is_refused("0x1x4", "att", 2, 2, "input 'x'");
}

/* Blocks without a name do not collide. */
static void attention_without_a_name(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "5x1x4");
    assert_non_null(nn_attention(nn_attention(x, NULL, 1, 2), "", 2, 2));
    assert_int_equal(nn_graph_check(g, &err), BASE_OK);
    nn_graph_free(g);
}

/* ---- edges ---- */

/* The operator at the end of `text` run on x; training, so that backward may follow. */
static rig ran(const char *text, const double *x)
{
    rig r;
    base_str why = {0};
    if (!rig_open(&r, &(battery_case){.text = text}, 1, true, &why)) fail_msg("%s", why.s);
    memcpy(r.x[0], x, r.nx[0] * sizeof *x);
    rig_forward(&r);
    return r;
}

static void the_gradient_of_max_goes_to_the_first(void **state)
{
    (void)state;
    static const double inf = (double)INFINITY;
    const double x[] = {1, 3, 3, 2, -inf, -inf, -inf, -inf, 4, (double)NAN, 9, (double)NAN};
    const int where[] = {1, 4, 9};
    rig r = ran("x = input 3x4; y = max(x) axes=1 keep=no", x);
    assert_true(r.a.y[0] == 3);
    assert_true(isinf((double)r.a.y[1]) && r.a.y[1] < 0);
    assert_true(isnan((double)r.a.y[2]));
    rig_backward(&r);
    for (int i = 0; i < 12; i++)
        for (int row = 0; row < 3; row++)
            if (i / 4 == row)
                assert_true(r.a.dx[0][i] == (i == where[row] ? (nn_real)r.dy[row] : 0));
    rig_close(&r);
}

/* Along the first axis the ties of one result do not lie side by side. */
static void ties_of_max_along_time(void **state)
{
    (void)state;
    const double x[] = {1, 7, 5, 7, 5, 2};
    rig r = ran("x = input 3x2; y = max(x) axes=0", x);
    assert_true(r.a.y[0] == 5 && r.a.y[1] == 7);
    rig_backward(&r);
    const double expected[] = {0, r.dy[1], r.dy[0], 0, 0, 0};
    for (int i = 0; i < 6; i++) assert_true(r.a.dx[0][i] == (nn_real)expected[i]);
    rig_close(&r);
}

static void softmax_neither_overflows_nor_hides(void **state)
{
    (void)state;
    static const double inf = (double)INFINITY;
    const double x[] = {1e30, 1e30, -1e30, 800,         801,  -inf, -1e4, -1e4,
                        -1e4, 1,    2,     (double)NAN, -inf, -inf, -inf};
    const double expected[] = {0.5, 0.5, 0, 1 / (1 + exp(1)), 1 / (1 + exp(-1)), 0};
    rig r = ran("x = input 5x3; y = softmax(x)", x);
    for (int i = 0; i < 6; i++) assert_true(fabs((double)r.a.y[i] - expected[i]) < 1e-6);
    for (int i = 6; i < 9; i++) assert_true(fabs((double)r.a.y[i] - 1.0 / 3) < 1e-6);
    for (int i = 9; i < 15; i++) assert_true(isnan((double)r.a.y[i]));
    rig_close(&r);
}

/* What is put around is the value, whatever lies inside. */
static void padding_is_not_touched_by_the_data(void **state)
{
    (void)state;
    rig r = ran("x = input 1x1x1; y = pad(x) pad=1,0,0,1 value=-1.5", &(double){(double)NAN});
    assert_true(r.a.y[0] == (nn_real)-1.5 && r.a.y[1] == (nn_real)-1.5);
    assert_true(isnan((double)r.a.y[2]) && r.a.y[3] == (nn_real)-1.5);
    rig_close(&r);
}

/* split and slice undo concat. */
static void parts_come_back_from_concat(void **state)
{
    (void)state;
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "4x3x2"), *three[] = {x, nn_relu(x, "r"), x};
    nn_node *all = nn_concat(g, three, 3, "all", "axis=%d", 1);
    nn_node *last = nn_split(all, "last", "axis=1 parts=3 part=2");
    nn_node *first = nn_slice(all, "first", "axis=1 size=3");
    nn_node *y = nn_add(last, first, "y");
    assert_non_null(y);
    assert_null(nn_concat(g, ((nn_node *[]){x, NULL}), 2, "none", "axis=0"));
    nn_net *net = nets_new(g, (nn_net_options){.batch = 2});
    nets_data data = nets_data_new(g, 2);
    nn_real out[48];
    nn_net_forward(net, nets_in(&data), 2, out);
    for (int i = 0; i < 48; i++) assert_true(out[i] == 2 * data.x[0][i]);
    nets_data_free(&data);
    nn_net_free(net);
    nn_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_its_formula),
        cmocka_unit_test(attention_has_the_published_parameters),
        cmocka_unit_test(bad_attention_is_refused),
        cmocka_unit_test(attention_without_a_name),
        cmocka_unit_test(the_gradient_of_max_goes_to_the_first),
        cmocka_unit_test(ties_of_max_along_time),
        cmocka_unit_test(softmax_neither_overflows_nor_hides),
        cmocka_unit_test(padding_is_not_touched_by_the_data),
        cmocka_unit_test(parts_come_back_from_concat),
    };
    return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
