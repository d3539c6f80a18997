/* Costs: counts of MLPerf Tiny's DS-CNN against published ones, bytes and work buffer against those
 * of the int8 model and of what is exported, what fuses, kernels against counted instructions.
 */
#include "bench/csv.h"
#include "quantize/internal.h"
#include "tests/estimates.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Published: 2,656,768 MACs, 22,016 weights and 588 biases (mlcommons/tiny, the .tflite file). */
static void counts_of_ds_cnn(void **state)
{
    (void)state;
    quant_costs costs;
    int64_t macs[QUANT_KINDS] = {0}, weights = 0, channels = 0;
    costs_of(DS_CNN, &costs);
    assert_int_equal(costs.n, 12); /* the input, 9 convolutions, pool, dense: the rest is fused */
    for (int i = 0; i < costs.n; i++) {
        macs[costs.layer[i].kind] += costs.layer[i].macs;
        weights += costs.layer[i].weights;
        channels += costs.layer[i].channels;
    }
    assert_int_equal(macs[QUANT_CONV], 2368000);
    assert_int_equal(macs[QUANT_DEPTHWISE], 288000);
    assert_int_equal(macs[QUANT_DENSE], 768);
    assert_int_equal(macs[QUANT_POOL] + macs[QUANT_ADD] + macs[QUANT_OTHER], 0);
    assert_int_equal(weights, 22016);
    assert_int_equal(channels, 588);
    assert_int_equal(costs.layer[1].rows, 25 * 5 * 64 * 10);
    quant_costs_free(&costs);
}

static void memory_of_ds_cnn(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target target;
    quant_estimate e;
    costs_of(DS_CNN, &costs);
    load("nucleo-l4r5zi", &target);
    estimate(&costs, &target, &e);
    assert_int_equal(e.macs, 2656768);
    assert_int_equal(e.work, 16000); /* two maps of 25 x 5 x 64 */
    assert_true(e.ram.value == 16000 + 490 + 12 && e.ram.error == 0);
    assert_int_equal(e.ram.basis, QUANT_EXACT);
    assert_int_equal(e.layer[1].live, 490 + 8000);
    assert_int_equal(e.layer[2].live, 16000);
    assert_int_equal(e.layer[11].live, 64 + 12);
    assert_int_equal(e.weights, 22016);
    assert_true(e.tables > 588 * 12 && e.tables < 588 * 12 + 11 * 100);
    assert_true(e.flash.value == (double)(e.weights + e.tables + e.code));
    assert_int_equal(e.flash.basis, QUANT_MEASURED);
    assert_true(e.code > 1000 && e.code < 6000);
    quant_estimate_free(&e);
    quant_costs_free(&costs);
}

static size_t constants_of(const q8_model *m)
{
    size_t n = 0;
    for (int k = 0; k < m->n_layers; k++) n += 4 * (size_t)m->layers[k].l.kernel->n_fields;
    return n;
}

/* Layers, bytes and buffers as exported C has them. */
static void same_as_deployed(const quant_costs *costs, const q8_model *q8)
{
    base_err err = {0};
    base_arena *arena = base_arena_new();
    q8_model to;
    quant_costs deployed;
    quant_target target;
    quant_estimate e;
    size_t weights = 0, tables = 0;
    check(q8_deploy(q8, arena, &to, &err), &err);
    check(quant_costs_deploy(costs, &deployed, &err), &err);
    load("nucleo-l4r5zi", &target);
    estimate(&deployed, &target, &e);
    q8_table_bytes(&to, &weights, &tables);
    assert_int_equal(deployed.n - 1, to.n_layers);
    for (int k = 0; k < to.n_layers; k++) {
        const quant_layer_cost *c = &deployed.layer[k + 1];
        assert_string_equal(c->kernel, to.layers[k].l.kernel->name + strlen("sotto_"));
        assert_string_equal(c->name, to.layers[k].name);
        if (strcmp(c->kernel, "conv2d_gemm") == 0)
            assert_int_equal(c->flat, q8_layer_int(&to.layers[k].l, "flat"));
    }
    assert_int_equal(e.work, to.work);
    assert_int_equal(e.weights, weights);
    assert_int_equal(e.tables, tables + constants_of(&to));
    quant_estimate_free(&e);
    quant_costs_free(&deployed);
    base_arena_free(arena);
}

/* The int8 model plans its own memory and has its own tables; any weights do. */
static void same_as_q8_model(const char *activations)
{
    static const char *const graphs[] = {
        DS_CNN,
        "x = input 20x10x1\nc = conv2d(x) out=8 kernel=3x3 pad=same\nr = relu(c)\n"
        "d = dwconv2d(r) kernel=3x3 pad=same\ns = add(r, d)\nt = relu(s)\n"
        "m = maxpool(t) kernel=2x2\nv = avgpool(m) kernel=5x5\nf = flatten(v)\n"
        "y = dense(f) out=10\n",
        "x = input 30x1x16\na = conv2d(x) out=24 kernel=9x1\nb = relu(a)\n"
        "c = conv2d(b) out=20 kernel=5x1 stride=2x1\nd = dwconv2d(c) kernel=7x1 stride=2x1\n"
        "e = conv2d(d) out=12 kernel=1x1\nf = dwconv2d(e) kernel=5x1 dilation=2x1\n"
        "g = conv2d(f) out=12 kernel=1x1\nh = conv2d(g) out=8 kernel=1x1\n"
        "i = conv2d(h) out=6 kernel=3x1 pad=valid\nj = flatten(i)\ny = dense(j) out=5\n",
        "x = input 490\na = dense(x) out=144\nb = relu6(a)\nc = dense(b) out=144\nd = relu(c)\n"
        "y = dense(d) out=12\n",
        "x = input 25x10x1\na = lstm(x) units=24 peephole=yes projection=10\n"
        "b = svdf(a) units=12 memory=4\nr = relu(b)\nc = gru(r) units=14\n"
        "d = gru(c) units=9 reset_after=no sequence=no\ny = dense(d) out=10\n",
        "x = input 20x6x1\nm = avgpool(x) kernel=5x1 stride=5x1\nf = flatten(m)\n"
        "t = trees(f) trees=9 leaves=12 out=8\nr = relu(t)\n"
        "y = trees(r) trees=4 leaves=5 out=6 shared=no\n",
        "x = input 20x6x1\nm = avgpool(x) kernel=2x1 stride=2x1\n"
        "y = dtw(m) out=6 each=3 nearest=2 band=2\n",
    };
    for (size_t i = 0; i < BASE_COUNT(graphs) + Q8_NETS; i++) {
        const char *text = i < Q8_NETS ? q8_nets[i] : graphs[i - Q8_NETS];
        base_err err = {0};
        nn_model m = {.features = (char *)(uintptr_t) ""};
        q8_model *q8 = NULL;
        quant_costs costs;
        quant_target target;
        quant_estimate e;
        size_t weights = 0, tables = 0;
        check(nn_parse(text, "test", &m.graph, &err), &err);
        m.weights = base_alloc(nn_graph_params(m.graph), sizeof *m.weights);
        nn_init_weights(m.graph, 1, m.weights);
        size_t n = (size_t)nn_count(nn_graph_input(m.graph, 0)->shape);
        nn_real *x = base_alloc(n, sizeof *x);
        for (size_t k = 0; k < n; k++) x[k] = (nn_real)((int)(k * 7 % 13) - 6);
        const char *bits = i % 2 && (strstr(text, "conv") || strstr(text, "dense")) ? "4" : NULL;
        const q8_options how = {.range = Q8_RANGE_MINMAX,
                                .activations = activations,
                                .weight_bits = activations ? NULL : bits};
        check(q8_quantize(&m, x, 1, how, NULL, &q8, &err), &err);
        check(activations ? quant_costs_of_q8(q8, &costs, &err)
                          : quant_costs_of_graph(m.graph, &costs, &err),
              &err);
        m.weight_bits = base_alloc((size_t)nn_graph_nodes(m.graph), sizeof(int));
        for (int k = 0; q8->folded.weight_bits && k < nn_graph_nodes(m.graph); k++) {
            const nn_node *of = nn_graph_find(q8->folded.graph, nn_graph_node(m.graph, k)->name);
            m.weight_bits[k] = of ? q8->folded.weight_bits[of->index] : 8;
        }
        quant_costs_pack(&costs, &m);
        load("nucleo-l4r5zi", &target);
        estimate(&costs, &target, &e);
        q8_table_bytes(q8, &weights, &tables);
        assert_int_equal(costs.n - 1, q8->n_layers);
        assert_int_equal(e.work, q8->work);
        assert_true(e.ram.value == (double)(q8->work + q8_input_size(q8) + q8_output_size(q8)));
        assert_int_equal(e.weights, weights);
        assert_int_equal(e.tables, tables + constants_of(q8));
        same_as_deployed(&costs, q8);
        quant_estimate_free(&e);
        quant_costs_free(&costs);
        q8_model_free(q8);
        base_free(x);
        base_free(m.weights);
        base_free(m.weight_bits);
        nn_graph_free(m.graph);
    }
}

static void same_as_int8_model(void **state)
{
    (void)state;
    same_as_q8_model(NULL);
    same_as_q8_model("16");
}

/* Code of whole exports, compiled by GCC 12 with -O2 for a Cortex-M4, within the stated error. */
static void code_as_compiled(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        double bytes;
    } rows[] = {
        {DS_CNN, 2252},
        {"x = input 25x10\na = gru(x) units=154 sequence=no\ny = dense(a) out=10\n", 1940},
        {"x = input 25x10\na = lstm(x) units=144 projection=98 sequence=no\n"
         "y = dense(a) out=10\n",
         1752},
        {"x = input 49x10x1\nc = conv2d(x) out=48 kernel=10x4 stride=2x2 bias=no\nr = relu(c)\n"
         "a = gru(r) units=60\nb = gru(a) units=60 sequence=no\nd = dense(b) out=84\n"
         "e = relu(d)\ny = dense(e) out=10\n",
         4408},
    };
    for (size_t i = 0; i < BASE_COUNT(rows); i++) {
        quant_costs costs, deployed;
        quant_target target;
        quant_estimate e;
        base_err err = {0};
        costs_of(rows[i].net, &costs);
        check(quant_costs_deploy(&costs, &deployed, &err), &err);
        load("nucleo-l4r5zi", &target);
        estimate(&deployed, &target, &e);
        const double factor = 1 + target.core.code_error / 100;
        if (!((double)e.code < rows[i].bytes * factor && (double)e.code > rows[i].bytes / factor))
            fail_msg("%d bytes of code estimated, %g compiled", (int)e.code, rows[i].bytes);
        quant_estimate_free(&e);
        quant_costs_free(&costs);
        quant_costs_free(&deployed);
    }
}

/* What only a loss needs, and the loss, cost nothing on a device. */
static void loss_is_left_out(void **state)
{
    (void)state;
    quant_costs costs;
    costs_of("x = input 20\nt = input 4\ny = dense(x) out=4\nl = cross_entropy(y, t)\n", &costs);
    assert_int_equal(costs.n, 2);
    assert_string_equal(costs.layer[1].name, "y");
    assert_int_equal(costs.layer[1].macs, 80);
    quant_costs_free(&costs);
}

/* An activation whose input others read too is a layer of its own. */
static void shared_activation_is_a_layer(void **state)
{
    (void)state;
    quant_costs costs;
    costs_of("x = input 4x4x2\nc = conv2d(x) out=2 kernel=1x1\nr = relu(c)\ny = add(c, r)\n",
             &costs);
    assert_int_equal(costs.n, 4);
    assert_string_equal(costs.layer[2].op, "relu");
    assert_int_equal(costs.layer[2].kind, QUANT_OTHER);
    quant_costs_free(&costs);
}

/* Layers beside convolutions: where they may work, what folds, what their products cost. */
static void other_operators(void **state)
{
    (void)state;
    quant_costs costs;
    quant_memory memory;
    base_err err = {0};
    /* a map of 10x8x4, its mean of 10x4 beside it; broadcasting back needs both and a place */
    costs_of("x = input 10x8x1\nc = conv2d(x) out=4 kernel=1x1\nm = mean(c) axes=1\n"
             "a = add(m, c)\ny = conv2d(a) out=1 kernel=1x1\n",
             &costs);
    check(quant_memory_of(&costs, 1, &memory, &err), &err);
    assert_int_equal(memory.work, 320 + 40 + 320);
    assert_int_equal(memory.ram, memory.work + 80 + 80);
    check(quant_memory_of(&costs, 4, &memory, &err), &err);
    assert_int_equal(memory.work, 4 * (320 + 40 + 320));
    assert_int_equal(memory.ram, memory.work + 4 * (80 + 80));
    quant_costs_free(&costs);

    costs_of("x = input 4x10x2\nc = conv2d(x) out=3 kernel=1x1\ns = batchnorm(c) bands=5\n"
             "d = conv2d(s) out=3 kernel=1x1\ny = batchnorm(d)\n",
             &costs);
    assert_int_equal(costs.n, 4); /* the subspectral norm stays, the plain one is folded */
    assert_string_equal(costs.layer[2].name, "s");
    assert_string_equal(costs.layer[2].kernel, "dwconv2d_bands");
    assert_int_equal(costs.layer[2].channels, 15);
    quant_costs_free(&costs);

    costs_of("x = input 25x10x1\ny = gru(x) units=8 sequence=no\n", &costs);
    assert_string_equal(costs.layer[1].kernel, "gru");
    assert_int_equal(costs.layer[1].macs, 25 * (10 + 8) * 3 * 8);
    quant_costs_free(&costs);
}

static bool in_exports(const bench_csv *t, const char *isa, const char *kernel)
{
    for (size_t r = 1; r < t->rows; r++)
        if (strcmp(bench_csv_get(t, r, "isa"), isa) == 0 &&
            strcmp(bench_csv_get(t, r, "op"), kernel) == 0)
            return true;
    return false;
}

/* What a kernel takes on its shape in bench/device/count.c is what was counted, on all cores,
 * within the residual that its rule states; kernels of exported models are fitted to those. */
static void kernels_as_counted(void **state)
{
    (void)state;
    static const struct {
        const char *kernel, *net;
    } rows[] = {
        {"mul", "x = input 25x10x16\nr = relu(x)\ny = mul(r, x)\n"},
        {"reduce_mean", "x = input 25x10x16\ny = mean(x) axes=1\n"},
        {"reduce_max", "x = input 25x10x16\ny = max(x) axes=1\n"},
        {"lut", "x = input 25x10x16\ny = silu(x)\n"},
        {"transpose", "x = input 25x10x16\ny = transpose(x) order=1,0,2\n"},
        {"slice", "x = input 25x10x16\ny = slice(x) axis=1 size=5\n"},
        {"softmax", "x = input 50x50\ny = softmax(x)\n"},
        {"layernorm", "x = input 50x64\ny = layernorm(x)\n"},
        {"globalpool", "x = input 25x5x64\ny = globalpool(x)\n"},
        {"add", "x = input 16000\nr = relu(x)\ny = add(r, x)\n"},
    };
    static const char *const isas[] = {"armv6-m", "armv7-m", "armv7e-m"};
    bench_csv counted, exported;
    base_err err = {0};
    int n = 0;
    check(bench_csv_read("bench/kernel_instructions.csv", &counted, &err), &err);
    check(bench_csv_read("bench/stage_instructions.csv", &exported, &err), &err);
    for (size_t i = 0; i < BASE_COUNT(rows) * BASE_COUNT(isas); i++) {
        const char *isa = isas[i % BASE_COUNT(isas)], *kernel = rows[i / BASE_COUNT(isas)].kernel;
        quant_costs costs;
        quant_table table;
        check(quant_table_load("sotto", isa, &table, &err), &err);
        costs_of(rows[i / BASE_COUNT(isas)].net, &costs);
        const quant_layer_cost *l = &costs.layer[costs.n - 1];
        assert_string_equal(l->kernel, kernel);
        if (in_exports(&exported, isa, kernel)) {
            quant_costs_free(&costs);
            continue;
        }
        for (size_t r = 1; r < counted.rows; r++) {
            if (strcmp(bench_csv_get(&counted, r, "isa"), isa) != 0 ||
                strcmp(bench_csv_get(&counted, r, "op"), kernel) != 0 ||
                atoll(bench_csv_get(&counted, r, "out")) != l->outputs ||
                (l->kind == QUANT_POOL && atoll(bench_csv_get(&counted, r, "macs")) != l->inputs))
                continue;
            const double ratio = quant_layer_instructions(l, &table, QUANT_SOTTO) /
                                 atof(bench_csv_get(&counted, r, "instructions"));
            const double stated = quant_rule_of(&table, kernel, "")->worst / 100;
            if (!(fabs(ratio - 1) < fmin(stated, 0.3) + 0.01))
                fail_msg("%s %s: %g of the instructions counted", isa, kernel, ratio);
            n++;
        }
        quant_costs_free(&costs);
    }
    assert_true(n >= 6);
    bench_csv_free(&counted);
    bench_csv_free(&exported);
}

/* Depthwise layers of long kernels over channels that are no multiple of 4, which no other kernel
 * takes, as counted in exported models (a SparkNet of 27 channels): within 10 % each. */
static void long_depthwise_kernels_as_counted(void **state)
{
    (void)state;
    static const char *const isas[] = {"armv6-m", "armv7-m", "armv7e-m", "armv8.1-m.mve",
                                       "rv32imc"};
    static const int lengths[] = {15, 19, 29};
    bench_csv counted;
    base_err err = {0};
    check(bench_csv_read("bench/stage_instructions.csv", &counted, &err), &err);
    for (size_t i = 0; i < BASE_COUNT(isas) * BASE_COUNT(lengths); i++) {
        const char *isa = isas[i % BASE_COUNT(isas)];
        char net[128];
        quant_costs costs;
        quant_table table;
        int n = 0;
        check(quant_table_load("sotto", isa, &table, &err), &err);
        snprintf(net, sizeof net, "x = input 101x1x27\ny = dwconv2d(x) kernel=%dx1 pad=same\n",
                 lengths[i / BASE_COUNT(isas)]);
        costs_of(net, &costs);
        const quant_layer_cost *l = &costs.layer[1];
        assert_string_equal(l->kernel, "dwconv2d");
        for (size_t r = 1; r < counted.rows; r++) {
            if (strcmp(bench_csv_get(&counted, r, "isa"), isa) != 0 ||
                strcmp(bench_csv_get(&counted, r, "op"), "dwconv2d") != 0 ||
                atoll(bench_csv_get(&counted, r, "macs")) != l->macs)
                continue;
            const double ratio = quant_layer_instructions(l, &table, QUANT_SOTTO) /
                                 atof(bench_csv_get(&counted, r, "instructions"));
            if (!(fabs(ratio - 1) < 0.1)) fail_msg("%s %s: %g of those counted", isa, net, ratio);
            n++;
        }
        assert_int_equal(n, 1);
        quant_costs_free(&costs);
    }
    bench_csv_free(&counted);
}

static void graph_without_layers(void **state)
{
    (void)state;
    base_err err = {0};
    quant_costs costs;
    nn_graph *g = NULL;
    check(nn_parse("x = input 20\n", "test", &g, &err), &err);
    assert_int_equal(quant_costs_of_graph(g, &costs, &err), BASE_USAGE);
    nn_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_ds_cnn),
        cmocka_unit_test(memory_of_ds_cnn),
        cmocka_unit_test(same_as_int8_model),
        cmocka_unit_test(code_as_compiled),
        cmocka_unit_test(loss_is_left_out),
        cmocka_unit_test(shared_activation_is_a_layer),
        cmocka_unit_test(other_operators),
        cmocka_unit_test(kernels_as_counted),
        cmocka_unit_test(long_depthwise_kernels_as_counted),
        cmocka_unit_test(graph_without_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
