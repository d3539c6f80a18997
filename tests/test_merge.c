/* Parallel convolutions become one: the same values, the largest kernel, and nothing else touched.
 */
#include "tests/check.h"
#include "tests/q8_nets.h"
#include "train/zoo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 4 };

/* Outputs of SAMPLES samples, freed with base_free. */
static nn_real *evaluate(const nn_graph *g, const nn_real *weights, const nn_real *x)
{
    base_err err = {0};
    nn_net *net = NULL;
    const size_t out = (size_t)nn_count(nn_graph_output(g)->shape);
    assert_int_equal(nn_net_new(g, (nn_net_options){.batch = SAMPLES, .shards = 1}, &net, &err),
                     BASE_OK);
    memcpy(nn_net_weights(net), weights, nn_graph_params(g) * sizeof *weights);
    nn_real *y = base_alloc(SAMPLES * out, sizeof *y);
    assert_non_null(y);
    nn_net_forward(net, &x, SAMPLES, y);
    nn_net_free(net);
    return y;
}

/* Folds m and asserts equal values; the folded graph as text, freed with base_str_free, and its
 * number of parameters. */
static size_t fold(const nn_model *m, base_str *text)
{
    base_err err = {0};
    nn_graph *g = NULL;
    nn_real *w = NULL, *x = q8_random_inputs(m->graph, SAMPLES, 7);
    if (q8_fold(m->graph, m->weights, &g, &w, &err) != BASE_OK) fail_msg("%s", err.message);
    nn_real *a = evaluate(m->graph, m->weights, x), *b = evaluate(g, w, x);
    const size_t n = SAMPLES * (size_t)nn_count(nn_graph_output(g)->shape);
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)a[i]));
    assert_true(largest > 0.01);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)(a[i] - b[i])) <= 1e-5 * largest))
            fail_msg("value %zu: %g, folded %g", i, (double)a[i], (double)b[i]);
    nn_print(g, text);
    const size_t params = nn_graph_params(g);
    base_free(a);
    base_free(b);
    base_free(x);
    base_free(w);
    nn_graph_free(g);
    return params;
}

#define MTCONV(input, stride)                                                                      \
    "d3 = dwconv2d(" input ") kernel=3x1 bias=no stride=" stride "; b3 = batchnorm(d3);"           \
    "d5 = dwconv2d(" input ") kernel=5x1 bias=no stride=" stride "; b5 = batchnorm(d5);"           \
    "d7 = dwconv2d(" input ") kernel=7x1 bias=no stride=" stride "; b7 = batchnorm(d7) gamma=no;"  \
    "d9 = dwconv2d(" input ") kernel=9x1 bias=no stride=" stride "; b9 = batchnorm(d9);"           \
    "s5 = add(b3, b5); s7 = add(s5, b7); s9 = add(s7, b9);"

/* Graph and what is deployed of it. */
static const struct {
    const char *text, *folded;
} cases[] = {
    {"x = input 18x1x6;" MTCONV("x", "1") "y = relu(s9)",
     "x = input 18x1x6\nd9 = dwconv2d(x) kernel=9x1\ny = relu(d9)\n"},
    /* an even length and stride 2: branches begin at different positions */
    {"x = input 18x1x6;" MTCONV("x", "2x1") "y = relu(s9)",
     "x = input 18x1x6\nd9 = dwconv2d(x) kernel=9x1 stride=2x1\ny = relu(d9)\n"},
    {"x = input 17x1x6;" MTCONV("x", "3x1") "y = relu(s9)",
     "x = input 17x1x6\nd9 = dwconv2d(x) kernel=9x1 stride=3x1\ny = relu(d9)\n"},
    /* the sum is the output; the largest branch first; dilation; one bias of the two */
    {"x = input 20x3x4; a = dwconv2d(x) kernel=5x3 dilation=2x1 bias=no; b = dwconv2d(x) kernel=1x1"
     " dilation=2x1; y = add(a, b)",
     "x = input 20x3x4\na = dwconv2d(x) kernel=5x3 dilation=2x1\n"},
    /* no bias at all */
    {"x = input 9x4x4; a = dwconv2d(x) kernel=3 bias=no; b = dwconv2d(x) kernel=1x3 bias=no;"
     "s = add(b, a); y = relu(s)",
     "x = input 9x4x4\na = dwconv2d(x) kernel=3x3 bias=no\ny = relu(a)\n"},
    /* dense convolutions, groups, padding of their own */
    {"x = input 9x8x4; a = conv2d(x) out=6 kernel=3x3 groups=2 bias=no; n = batchnorm(a);"
     "b = conv2d(x) out=6 kernel=1x1 groups=2; s = add(n, b); y = relu(s)",
     "x = input 9x8x4\na = conv2d(x) out=6 kernel=3x3 groups=2\ny = relu(a)\n"},
    {"x = input 9x8x4; a = conv2d(x) out=5 kernel=4x3 pad=1,2,1,1; b = conv2d(x) out=5 kernel=2x1"
     " pad=0,1,0,0; s = add(a, b); y = relu(s)",
     "x = input 9x8x4\na = conv2d(x) out=5 kernel=4x3 pad=1,2,1,1\ny = relu(a)\n"},
    /* two of the three: the third is another operator, and stays added */
    {"x = input 9x8x4; a = dwconv2d(x) kernel=3; b = dwconv2d(x) kernel=5; c = conv2d(x) out=4 "
     "kernel=1; s = add(a, b); t = add(s, c); y = relu(t)",
     "x = input 9x8x4\nc = conv2d(x) out=4 kernel=1x1\nb = dwconv2d(x) kernel=5x5\nt = add(b, c)\n"
     "y = relu(t)\n"},
};

static void branches_become_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < BASE_COUNT(cases); k++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            nn_model *m = q8_random_model(cases[k].text, seed);
            base_str text = {0};
            fold(m, &text);
            assert_string_equal(text.s, cases[k].folded);
            base_str_free(&text);
            nn_model_free(m);
        }
}

/* Each differs from a mergeable one in one respect; written as folded text, so nothing changes. */
static const char *const kept[] = {
    /* read by another */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x3\nb = dwconv2d(x) kernel=5x5\ns = add(a, b)\n"
    "y = add(s, a)\n",
    /* the sum itself is read by nobody */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x3\nb = dwconv2d(x) kernel=5x5\ns = add(a, b)\n"
    "r = relu(a)\nt = relu(b)\ny = add(r, t)\n",
    /* nonlinear in between */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x3\nr = relu(a)\nb = dwconv2d(x) kernel=5x5\n"
    "y = add(r, b)\n",
    /* of another input */
    "x = input 9x8x4\nz = relu(x)\na = dwconv2d(x) kernel=3x3\nb = dwconv2d(z) kernel=3x3\n"
    "y = add(a, b)\n",
    /* other dilation; other stride with the same shape */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x3 dilation=2x1\nb = dwconv2d(x) kernel=3x3\n"
    "y = add(a, b)\n",
    "x = input 1x8x4\na = dwconv2d(x) kernel=1x3 stride=2x1\nb = dwconv2d(x) kernel=1x3\n"
    "y = add(a, b)\n",
    /* neither kernel holds the other */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x1\nb = dwconv2d(x) kernel=1x3\ny = add(a, b)\n",
    /* padding puts one half out of the other, and between its dilated taps */
    "x = input 9x8x4\na = dwconv2d(x) kernel=3x1 pad=2,0,0,0\nb = dwconv2d(x) kernel=3x1\n"
    "y = add(a, b)\n",
    "x = input 9x8x4\na = dwconv2d(x) kernel=5x1 dilation=2x1 pad=4,4,0,0\n"
    "b = dwconv2d(x) kernel=2x1 dilation=2x1 pad=1,1,0,0\ny = add(a, b)\n",
    /* pooling is no convolution */
    "x = input 9x8x4\na = avgpool(x) kernel=3x3 pad=same\nb = avgpool(x) kernel=1x1\ny = add(a, "
    "b)\n",
};

static void others_stay_as_they_are(void **state)
{
    (void)state;
    for (size_t k = 0; k < BASE_COUNT(kept); k++) {
        nn_model *m = q8_random_model(kept[k], 1);
        base_str text = {0};
        fold(m, &text);
        assert_string_equal(text.s, kept[k]);
        base_str_free(&text);
        nn_model_free(m);
    }
}

/* The authors count weights, and mean, variance and beta of one batchnorm a convolution (17 k, 54
 * k, 31 k, 100 k); deployed, one bias stands for the three. */
static void tenet_is_as_small_as_published(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int width, blocks;
        size_t published;
    } nets[] = {{"tenet6", 16, 6, 16908},
                {"tenet6", 32, 6, 53772},
                {"tenet12", 16, 12, 30732},
                {"tenet12", 32, 12, 99852}};
    for (size_t i = 0; i < BASE_COUNT(nets); i++) {
        const zoo_model *z;
        nn_graph *g;
        base_err err = {0};
        assert_int_equal(zoo_find(nets[i].name, &z, &err), BASE_OK);
        zoo_options o = {
            .frames = 98, .bins = 40, .classes = 12, .width = nets[i].width, .dropout = -1};
        assert_int_equal(zoo_build(z, o, &g, &err), BASE_OK);
        base_str trained = {0}, text = {0};
        nn_print(g, &trained);
        nn_graph_free(g);
        nn_model *m = q8_random_model(trained.s, i);
        const size_t channels = /* with a batchnorm: the first, three shortcuts, the blocks */
            (size_t)(nets[i].width * (1 + 3 + nets[i].blocks * (3 + 3 + 1)));
        assert_int_equal(fold(m, &text) + 2 * channels, nets[i].published);
        assert_null(strstr(text.s, "kernel=7x1"));
        base_str_free(&trained);
        base_str_free(&text);
        nn_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_become_one),
        cmocka_unit_test(others_stay_as_they_are),
        cmocka_unit_test(tenet_is_as_small_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
