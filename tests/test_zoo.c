/* The zoo: published sizes to the unit, and every architecture as text and back. */
#include "dsp/dsp.h"
#include "train/zoo.h"

#include "tests/check.h"

#include <math.h>
#include <string.h>

/* A size on the features it is meant for; width 0: its own. */
static nn_graph *build(const char *name, zoo_size size, double width, int classes)
{
    const zoo_model *m;
    dsp_config features;
    nn_graph *g;
    base_err err = {0};
    zoo_options o = {.classes = classes, .size = size, .width = width, .dropout = -1};
    assert_int_equal(zoo_find(name, &m, &err), BASE_OK);
    assert_int_equal(dsp_preset(zoo_features(m, size), &features, &err), BASE_OK);
    dsp_config_shape(&features, &o.frames, &o.bins);
    if (zoo_build(m, o, &g, &err) != BASE_OK) fail_msg("%s", err.message);
    return g;
}

/* 12 classes. parameters: trainable; macs 0: not published. */
static const struct {
    const char *name;
    zoo_size size;
    size_t parameters;
    int64_t macs;
} published[] = {
    /* Hello Edge, counted from its layers. DS-CNN: batchnorm gamma in place of convolution biases,
     * as many */
    {"dnn", ZOO_S, 79644, 0},
    {"dnn", ZOO_M, 198924, 0},
    {"dnn", ZOO_L, 495744, 0},
    {"ds_cnn", ZOO_S, 23180, 2656768},
    {"ds_cnn", ZOO_M, 136580, 9816384},  /* given as 9.816 M */
    {"ds_cnn", ZOO_L, 413736, 28327812}, /* given as 28.33 M */
    {"gru", ZOO_S, 78090, 0},
    {"gru", ZOO_M, 198762, 0},
    {"gru", ZOO_L, 498012, 0},
    /* MLPerf Tiny: trainable weights of its Keras model */
    {"ds_cnn_mlperf", ZOO_S, 23756, 2656768},
    /* TC-ResNet: layers of its repository */
    {"tc_resnet8", ZOO_S, 65168, 0},
    {"tc_resnet14", ZOO_S, 135856, 0},
    {"bc_resnet", ZOO_S, 9232, 0},
    /* kws_streaming: given as 354 k; 743,047 and 756,711 with 22 running statistics, MACs 20.5 M
     * and 42 M */
    {"svdf", ZOO_S, 354444, 0},
    {"mhatt_rnn", ZOO_S, 743047 - 22, 20548688},
    {"mhatt_rnn", ZOO_M, 756711 - 22, 42466880},
};

/* Widths; millions of MACs as published, at 12 classes. */
static const struct {
    const char *name;
    double width;
    int classes;
    size_t parameters;
    double macs;
} widths[] = {
    {"bc_resnet", 0.625, 12, 4585, 1.25},   {"bc_resnet", 1, 12, 9232, 2.48},
    {"bc_resnet", 1, 35, 9991, 0},          {"bc_resnet", 1.5, 12, 17154, 4.61},
    {"bc_resnet", 1.5, 35, 18281, 0},       {"bc_resnet", 2, 12, 27284, 7.32},
    {"bc_resnet", 2, 35, 28779, 0},         {"bc_resnet", 3, 12, 54168, 14.5},
    {"bc_resnet", 3, 35, 56399, 0},         {"bc_resnet", 6, 12, 187812, 50.3},
    {"bc_resnet", 6, 35, 192251, 0},        {"bc_resnet", 8, 12, 321068, 85.9},
    {"bc_resnet", 8, 35, 326979, 0},        {"tc_resnet8", 1, 12, 65168, 1.52},
    {"tc_resnet8", 1.5, 12, 144264, 3.28},  {"tc_resnet14", 1, 12, 135856, 3.03},
    {"tc_resnet14", 1.5, 12, 303000, 6.68},
};

static void test_widths(void **state)
{
    (void)state;
    for (size_t i = 0; i < BASE_COUNT(widths); i++) {
        nn_graph *g = build(widths[i].name, ZOO_S, widths[i].width, widths[i].classes);
        assert_int_equal(nn_graph_trainable(g), widths[i].parameters);
        double macs = 1e-6 * (double)nn_graph_cost(g).macs, given = widths[i].macs;
        if (given > 0 && fabs(macs - given) > (given > 10 ? 0.051 : 0.0051))
            fail_msg("%s at width %g: %g M MACs, published %g", widths[i].name, widths[i].width,
                     macs, given);
        nn_graph_free(g);
    }
}

/* What it was searched under: 20 kB of int8 weights, 1.5 M MACs. */
static void test_murmur_keeps_its_budget(void **state)
{
    (void)state;
    nn_graph *g = build("murmur", ZOO_S, 0, 12);
    nn_cost c = nn_graph_cost(g);
    assert_true(c.weights <= 20000);
    assert_true(c.macs <= 1500000);
    nn_graph_free(g);
}

static void test_published_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < BASE_COUNT(published); i++) {
        nn_graph *g = build(published[i].name, published[i].size, 0, 12);
        size_t parameters = nn_graph_trainable(g);
        int64_t macs = nn_graph_cost(g).macs;
        if (parameters != published[i].parameters ||
            (published[i].macs && macs != published[i].macs))
            fail_msg("%s %s: %zu parameters, %lld MACs", published[i].name,
                     zoo_sizes[published[i].size], parameters, (long long)macs);
        nn_graph_free(g);
    }
}

static void test_dropout_of_mlperf(void **state)
{
    (void)state;
    nn_graph *g = build("ds_cnn_mlperf", ZOO_S, 0, 12);
    base_str text = {0};
    nn_print(g, &text);
    assert_non_null(strstr(text.s, "= dropout(conv1.relu) rate=0.2\n"));
    assert_non_null(strstr(text.s, "= dropout(pw4.relu) rate=0.4\n"));
    base_str_free(&text);
    nn_graph_free(g);
}

static void test_width_scales(void **state)
{
    (void)state;
    nn_graph *a = build("ds_cnn", ZOO_S, 32, 10), *b = build("ds_cnn", ZOO_S, 64, 10);
    assert_int_equal(nn_graph_cost(a).weights, 40 * 32 + 4 * (9 * 32 + 32 * 32) + 32 * 10);
    assert_true(nn_graph_cost(b).weights > 3 * nn_graph_cost(a).weights);
    nn_graph_free(a);
    nn_graph_free(b);
}

static void test_every_model_is_text(void **state)
{
    (void)state;
    for (int i = 0; i < zoo_n_models * ZOO_SIZES; i++) {
        const zoo_model *m = zoo_models[i / ZOO_SIZES];
        zoo_size size = (zoo_size)(i % ZOO_SIZES);
        if (!zoo_has_size(m, size)) continue;
        nn_graph *g, *again;
        base_str first = {0}, second = {0};
        base_err err = {0};
        assert_int_equal(zoo_build_default(m, size, 10, &g, &err), BASE_OK);
        nn_print(g, &first);
        assert_int_equal(nn_parse(first.s, m->name, &again, &err), BASE_OK);
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
    assert_int_equal(zoo_find("ds_cnn_mlperf", &m, &err), BASE_OK);
    o = (zoo_options){.frames = 49, .bins = 10, .classes = 4, .size = ZOO_L, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "model.size = l: ds_cnn_mlperf comes in s"));
    assert_int_equal(zoo_find("ds_cnn", &m, &err), BASE_OK);
    o = (zoo_options){.frames = 49, .bins = 10, .classes = 4, .width = 8.5, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "8.5"));
    assert_int_equal(zoo_find("bc_resnet", &m, &err), BASE_OK);
    o = (zoo_options){.frames = 101, .bins = 40, .classes = 4, .width = 0.1, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "model.width is 0.1 (tau); its own is 1"));
    o = (zoo_options){.frames = 101, .bins = 40, .classes = 4, .nearest = 2, .dropout = -1};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "model.nearest = 2: bc_resnet has no templates"));
    assert_int_equal(zoo_find("dtw", &m, &err), BASE_OK);
    o = (zoo_options){.frames = 49, .bins = 10, .classes = 4, .blocks = 5, .nearest = 6};
    assert_int_equal(zoo_build(m, o, &g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "model.nearest = 6: a class has 5 templates"));
    assert_non_null(strstr(err.hint, "model.blocks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_counts),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_murmur_keeps_its_budget),
        cmocka_unit_test(test_dropout_of_mlperf),
        cmocka_unit_test(test_width_scales),
        cmocka_unit_test(test_every_model_is_text),
        cmocka_unit_test(test_errors_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
