/* The zoo: published sizes to the unit, and every architecture as text and back. */
#include "train/zoo.h"

#include "tests/check.h"

#include <string.h>

static nn_graph *build(const char *name, int width, int classes)
{
    const zoo_model *m;
    nn_graph *g;
    base_err err = {0};
    assert_int_equal(zoo_find(name, &m, &err), BASE_OK);
    zoo_options o = {.frames = 49, .bins = 10, .classes = classes, .width = width, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_OK);
    return g;
}

/* MLPerf Tiny: 23,756 trainable with conv biases that batchnorm makes void (576); 22,016 weights.
 */
static void test_ds_cnn_is_mlperfs(void **state)
{
    (void)state;
    nn_graph *g = build("ds_cnn", 0, 12);
    assert_int_equal(nn_graph_trainable(g), 23756 - 576);
    assert_int_equal(nn_graph_cost(g).macs, 2656768);
    assert_int_equal(nn_graph_cost(g).weights, 22016);
    nn_graph_free(g);
}

/* Hello Edge, size S: 3 x 144 units on 250 inputs has 79,644 parameters; on 490 inputs the first
 * layer has 240 * 144 more. */
static void test_dnn_is_hello_edges(void **state)
{
    (void)state;
    nn_graph *g = build("dnn", 144, 12);
    assert_int_equal(nn_graph_trainable(g), 79644 + 240 * 144);
    nn_graph_free(g);
}

static void test_width_scales(void **state)
{
    (void)state;
    nn_graph *a = build("ds_cnn", 32, 10), *b = build("ds_cnn", 64, 10);
    assert_int_equal(nn_graph_cost(a).weights, 40 * 32 + 4 * (9 * 32 + 32 * 32) + 32 * 10);
    assert_true(nn_graph_cost(b).weights > 3 * nn_graph_cost(a).weights);
    nn_graph_free(a);
    nn_graph_free(b);
}

static void test_every_model_is_text(void **state)
{
    (void)state;
    for (int i = 0; i < zoo_n_models; i++) {
        nn_graph *g, *again;
        base_str first = {0}, second = {0};
        base_err err = {0};
        assert_int_equal(zoo_build_default(zoo_models[i], 10, &g, &err), BASE_OK);
        nn_print(g, &first);
        assert_int_equal(nn_parse(first.s, zoo_models[i]->name, &again, &err), BASE_OK);
        nn_print(again, &second);
        assert_string_equal(first.s, second.s);
        assert_int_equal(nn_graph_output(again)->shape.d[0], 10);
        base_str_free(&first);
        base_str_free(&second);
        nn_graph_free(g);
        nn_graph_free(again);
    }
}

static void test_errors_name_what_is_wrong(void **state)
{
    (void)state;
    const zoo_model *m;
    nn_graph *g;
    base_err err = {0};
    assert_int_equal(zoo_find("ds_cn", &m, &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "ds_cnn"));
    assert_int_equal(zoo_find("cnn", &m, &err), BASE_OK);
    zoo_options o = {.frames = 9, .bins = 3, .classes = 4, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_null(g);
    assert_non_null(strstr(err.message, "conv1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ds_cnn_is_mlperfs),
        cmocka_unit_test(test_dnn_is_hello_edges),
        cmocka_unit_test(test_width_scales),
        cmocka_unit_test(test_every_model_is_text),
        cmocka_unit_test(test_errors_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
