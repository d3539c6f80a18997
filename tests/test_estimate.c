/* Target profiles and the estimator: counts of MLPerf Tiny's DS-CNN against published ones, the
 * work buffer against the planner of the int8 model, times and arenas of TFLM with CMSIS-NN against
 * published ones that no coefficient was fitted to, instructions against counted ones, formulas by
 * hand, boards that are too small.
 */
#include "bench/csv.h"
#include "nn/embedded.h"
#include "quantize/estimate.h"
#include "quantize/q8.h"
#include "tests/check.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* MLPerf Tiny keyword spotting: mlcommons/tiny, benchmark/training/keyword_spotting. */
#define BLOCK(i, x)                                                                                \
    "d" i " = dwconv2d(" x ") kernel=3x3 pad=same bias=no\n"                                       \
    "e" i " = batchnorm(d" i ")\nf" i " = relu(e" i ")\n"                                          \
    "p" i " = conv2d(f" i ") out=64 kernel=1x1 bias=no\n"                                          \
    "g" i " = batchnorm(p" i ")\nh" i " = relu(g" i ")\n"
static const char DS_CNN[] =
    "x = input 49x10x1\n"
    "c0 = conv2d(x) out=64 kernel=10x4 stride=2x2 pad=same bias=no\n"
    "b0 = batchnorm(c0)\nr0 = relu(b0)\n" BLOCK("1", "r0") BLOCK("2", "h1") BLOCK("3", "h2")
        BLOCK("4", "h3") "a = globalpool(h4)\no = dropout(a) rate=0.2\ny = dense(o) out=12\n";

static void check(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s", err->message);
}

static void costs_of(const char *text, quant_costs *costs)
{
    base_err err = {0};
    nn_graph *g = NULL;
    check(nn_parse(text, "test", &g, &err), &err);
    check(quant_costs_of_graph(g, costs, &err), &err);
    nn_graph_free(g);
}

static void load(const char *name, quant_target *target)
{
    base_err err = {0};
    check(quant_target_load(name, target, &err), &err);
}

static void estimate_in(const quant_costs *costs, const quant_target *target, quant_runtime runtime,
                        quant_estimate *e)
{
    base_err err = {0};
    check(quant_estimate_run(costs, target, (quant_use){.runtime = runtime}, e, &err), &err);
}

static void estimate(const quant_costs *costs, const quant_target *target, quant_estimate *e)
{
    estimate_in(costs, target, QUANT_SOTTO, e);
}

/* ---- counts ---- */

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

/* The int8 model plans its own memory and has its own tables; any weights do. */
static void same_as_q8_model(const char *activations)
{
    static const char *const graphs[] = {
        DS_CNN,
        "x = input 20x10x1\nc = conv2d(x) out=8 kernel=3x3 pad=same\nr = relu(c)\n"
        "d = dwconv2d(r) kernel=3x3 pad=same\ns = add(r, d)\nt = relu(s)\n"
        "m = maxpool(t) kernel=2x2\nv = avgpool(m) kernel=5x5\nf = flatten(v)\n"
        "y = dense(f) out=10\n",
        "x = input 490\na = dense(x) out=144\nb = relu6(a)\nc = dense(b) out=144\nd = relu(c)\n"
        "y = dense(d) out=12\n",
        "x = input 25x10x1\na = lstm(x) units=24 peephole=yes projection=10\n"
        "b = svdf(a) units=12 memory=4\nr = relu(b)\nc = gru(r) units=14\n"
        "d = gru(c) units=9 reset_after=no sequence=no\ny = dense(d) out=10\n",
    };
    for (size_t i = 0; i < BASE_COUNT(graphs) + Q8_NETS; i++) {
        const char *text = i < Q8_NETS ? q8_nets[i] : graphs[i - Q8_NETS];
        base_err err = {0};
        nn_model m = {.features = (char *)(uintptr_t) ""};
        q8_model *q8 = NULL;
        quant_costs costs;
        quant_target target;
        quant_estimate e;
        size_t weights = 0, tables = 0, constants = 0;
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
        for (int k = 0; k < q8->n_layers; k++)
            constants += 4 * (size_t)q8->layers[k].l.kernel->n_fields;
        assert_int_equal(costs.n - 1, q8->n_layers);
        assert_int_equal(e.work, q8->work);
        assert_true(e.ram.value == (double)(q8->work + q8_input_size(q8) + q8_output_size(q8)));
        assert_int_equal(e.weights, weights);
        assert_int_equal(e.tables, tables + constants);
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

/* GCC 12 makes 3.1, 2.7 and 0.6 kB of them for a Cortex-M4 with -O2, each once in a model. */
static void code_of_recurrent_kernels(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        int64_t least, most;
    } rows[] = {
        {"x = input 9x4\na = gru(x) units=8\nb = gru(a) units=8\n", 2800, 3600},
        {"x = input 9x4\na = lstm(x) units=8\n", 2450, 3200},
        {"x = input 9x4\na = svdf(x) units=8 memory=2\nb = svdf(a) units=8 memory=3\n", 540, 830},
        {"x = input 9x4\na = lstm(x) units=8\nb = gru(a) units=8\n", 5200, 6700},
    };
    for (size_t i = 0; i < BASE_COUNT(rows); i++) {
        quant_costs costs;
        quant_target target;
        quant_estimate e;
        costs_of(rows[i].net, &costs);
        load("nucleo-l4r5zi", &target);
        estimate(&costs, &target, &e);
        assert_in_range(e.code, rows[i].least, rows[i].most);
        quant_estimate_free(&e);
        quant_costs_free(&costs);
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

/* What a kernel takes on its shape in bench/device/count.c is what was counted, on all cores. */
static void kernels_as_counted(void **state)
{
    (void)state;
    static const struct {
        const char *kernel, *net;
    } rows[] = {
        {"mul", "x = input 25x10x16\nr = relu(x)\ny = mul(r, x)\n"},
        {"mean", "x = input 25x10x16\ny = mean(x) axes=1\n"},
        {"max", "x = input 25x10x16\ny = max(x) axes=1\n"},
        {"lut", "x = input 25x10x16\ny = silu(x)\n"},
        {"transpose", "x = input 25x10x16\ny = transpose(x) order=1,0,2\n"},
        {"slice", "x = input 25x10x16\ny = slice(x) axis=1 size=5\n"},
        {"softmax", "x = input 50x50\ny = softmax(x)\n"},
        {"layernorm", "x = input 50x64\ny = layernorm(x)\n"},
        {"globalpool", "x = input 25x5x64\ny = globalpool(x)\n"},
        {"add", "x = input 16000\nr = relu(x)\ny = add(r, x)\n"},
    };
    static const char *const isas[] = {"armv6-m", "armv7-m", "armv7e-m"};
    bench_csv counted;
    base_err err = {0};
    int n = 0;
    check(bench_csv_read("bench/kernel_instructions.csv", &counted, &err), &err);
    for (size_t i = 0; i < BASE_COUNT(rows) * BASE_COUNT(isas); i++) {
        const char *isa = isas[i % BASE_COUNT(isas)], *kernel = rows[i / BASE_COUNT(isas)].kernel;
        quant_costs costs;
        quant_table table;
        check(quant_table_load("sotto", isa, &table, &err), &err);
        costs_of(rows[i / BASE_COUNT(isas)].net, &costs);
        const quant_layer_cost *l = &costs.layer[costs.n - 1];
        assert_string_equal(l->kernel, kernel);
        for (size_t r = 1; r < counted.rows; r++) {
            if (strcmp(bench_csv_get(&counted, r, "isa"), isa) != 0 ||
                strcmp(bench_csv_get(&counted, r, "op"), kernel) != 0 ||
                atoll(bench_csv_get(&counted, r, "out")) != l->outputs ||
                (l->kind == QUANT_POOL && atoll(bench_csv_get(&counted, r, "macs")) != l->inputs))
                continue;
            const double ratio = quant_layer_instructions(l, &table, QUANT_SOTTO) /
                                 atof(bench_csv_get(&counted, r, "instructions"));
            if (!(fabs(ratio - 1) < 0.04))
                fail_msg("%s %s: %g of the instructions counted", isa, kernel, ratio);
            n++;
        }
        quant_costs_free(&costs);
    }
    assert_int_equal(n, BASE_COUNT(rows) * BASE_COUNT(isas));
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

/* ---- time and energy ---- */

/* MLPerf Tiny v1.1, ONNC with CMSIS-NN, and pico-tflmicro on RP2350 (gnotu/pico2-benchmark): no
 * coefficient comes from these rows. */
static void published_times_within_the_stated_error(void **state)
{
    (void)state;
    static const struct {
        const char *board;
        double ms;
    } rows[] = {{"nucleo-l4r5zi", 93.6417}, {"rp2350-pico2", 60.4}};
    quant_costs costs;
    costs_of(DS_CNN, &costs);
    for (size_t i = 0; i < BASE_COUNT(rows); i++) {
        quant_target target;
        quant_estimate e;
        load(rows[i].board, &target);
        estimate_in(&costs, &target, QUANT_CMSIS_NN, &e);
        double factor = 1 + e.latency.error / 100;
        if (!(e.latency.value / factor <= rows[i].ms && rows[i].ms <= e.latency.value * factor))
            fail_msg("%s: %g ms published, %g ms within %g %% estimated", rows[i].board, rows[i].ms,
                     e.latency.value, e.latency.error);
        quant_estimate_free(&e);
    }
    quant_costs_free(&costs);
}

/* Arenas: DS-CNN as TFLM uses it here on a Cortex-M4 and with Helium; person_detect in the README
 * of tflite-micro's benchmarks. Energy and time of DS-CNN on Apollo510 (neuralSPOT). */
static void tflm_as_published(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target target;
    quant_estimate e;
    char *text = NULL;
    base_err err = {0};
    costs_of(DS_CNN, &costs);
    load("nucleo-l4r5zi", &target);
    estimate_in(&costs, &target, QUANT_CMSIS_NN, &e);
    assert_true(fabs(e.ram.value / 22820 - 1) < 0.03);
    assert_int_equal(e.ram.basis, QUANT_INFERRED);
    assert_true(fabs(e.flash.value / (105000 + 46381) - 1) < 0.02); /* file: ds_cnn of 12 classes */
    assert_int_equal(e.latency.basis, QUANT_PUBLISHED);
    quant_estimate_free(&e);
    load("apollo510-evb", &target);
    estimate_in(&costs, &target, QUANT_CMSIS_NN, &e);
    assert_true(fabs(e.ram.value / 27348 - 1) < 0.03);
    assert_true(fabs(e.latency.value / 7.856 - 1) < 0.03 &&
                fabs(e.energy.value / 219.5 - 1) < 0.03);
    quant_estimate_free(&e);
    quant_costs_free(&costs);

    check(base_read_file("bench/nets/person_detect.net", 1 << 20, &text, NULL, &err), &err);
    costs_of(text, &costs);
    free(text);
    load("nucleo-f413zh", &target);
    estimate_in(&costs, &target, QUANT_CMSIS_NN, &e);
    assert_true(fabs(e.ram.value / 84436 - 1) < 0.03);
    quant_estimate_free(&e);
    load("esp32-devkit", &target); /* no CMSIS-NN */
    estimate_in(&costs, &target, QUANT_CMSIS_NN, &e);
    assert_true(isnan(e.flash.value) && isnan(e.latency.value) && isnan(e.energy.value));
    assert_false(e.fits);
    assert_non_null(strstr(e.why, "CMSIS-NN"));
    quant_estimate_free(&e);
    quant_costs_free(&costs);
}

/* Every convolution of DS-CNN takes the instructions counted, within the residuals of the rules. */
static void layers_as_counted(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target target;
    bench_csv counted;
    base_err err = {0};
    int n = 0;
    costs_of(DS_CNN, &costs);
    load("nucleo-l4r5zi", &target);
    check(bench_csv_read("bench/kernel_instructions.csv", &counted, &err), &err);
    for (int i = 1; i < costs.n; i++) {
        const quant_layer_cost *l = &costs.layer[i];
        for (size_t r = 1; r < counted.rows && l->macs > 10000; r++) {
            if (strcmp(bench_csv_get(&counted, r, "isa"), "armv7e-m") ||
                strcmp(bench_csv_get(&counted, r, "op"), l->kernel) ||
                atoll(bench_csv_get(&counted, r, "macs")) != l->macs ||
                atoll(bench_csv_get(&counted, r, "rows")) != l->rows)
                continue;
            const double ratio = quant_layer_instructions(l, &target.core.own, QUANT_SOTTO) /
                                 atof(bench_csv_get(&counted, r, "instructions"));
            if (!(fabs(ratio - 1) < 0.07)) fail_msg("%s: %g of those counted", l->name, ratio);
            n++;
        }
    }
    assert_int_equal(n, 9); /* every convolution */
    bench_csv_free(&counted);
    quant_costs_free(&costs);
}

/* A kernel that was never counted is guessed, and the figure says so. */
static void uncounted_kernels_are_guesses(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target t;
    quant_estimate e;
    load("nucleo-l4r5zi", &t);
    t.core.own = (quant_table){
        .rule = {{"dense", {3}, 1, 0, 0}, {"add", {[QUANT_OUT] = 5}, 1, 0, 0}}, .n = 2};
    costs_of("x = input 25x10x1\ny = gru(x) units=8 sequence=no\n", &costs);
    estimate(&costs, &t, &e);
    assert_true(e.layer[1].instructions == 3 * 25 * 18 * 24 + 5 * 11 * 8);
    assert_true(e.latency.error > 100);
    assert_int_equal(e.latency.basis, QUANT_INFERRED);
    quant_estimate_free(&e);
    quant_costs_free(&costs);
}

static void formulas_by_hand(void **state)
{
    (void)state;
    quant_layer_cost layer[] = {
        {.name = "x", .is_input = true, .outputs = 100, .kind = QUANT_OTHER},
        {.name = "c",
         .kind = QUANT_CONV,
         .size = 1,
         .kernel = "conv2d",
         .n_in = 1,
         .in = {0},
         .macs = 1000,
         .rows = 300,
         .pixels = 100,
         .kernel_h = 3,
         .kernel_w = 2,
         .inputs = 100,
         .outputs = 200,
         .weights = 90,
         .channels = 2,
         .constants = 84},
        {.name = "p",
         .kind = QUANT_POOL,
         .size = 1,
         .kernel = "globalpool",
         .n_in = 1,
         .in = {1},
         .inputs = 200,
         .outputs = 2,
         .constants = 16},
    };
    quant_costs costs = {layer, 3};
    quant_target t = {
        .mhz = 10,
        .flash = 1000,
        .ram = 302,
        .cpi = 2,
        .weight_cycles = 0.5,
        .mw_per_mhz = 0.5,
        .latency_error = 30,
        .power_error = 40,
        .basis = QUANT_PUBLISHED,
        .core = {.cpi = 100,
                 .own = {.rule = {{"conv2d.3x2", {3, 5, 7, 11, 13, 17}, 1, 0, 0},
                                  {"conv2d", {1e9}, 1, 0, 0},
                                  {"globalpool", {11}, 1, 0, 0}},
                         .n = 3},
                 .frontend = {.rule = {{"frame", {1, 2, 3, 4, 5, 6}, 1, 0, 0}}, .n = 1},
                 .code = {[QUANT_CONV] = 100, [QUANT_POOL] = 50, [QUANT_ADD] = 999},
                 .code_base = 10,
                 .code_error = 50}};
    quant_estimate e;
    estimate(&costs, &t, &e);
    const double conv = 3 * 1000 + 5 * 300 + 7 * 200 + 11 * 100 + 13 * (1000 * 100 / 200) + 17;
    const double pool = 11 * 200, cycles = 2 * (conv + pool) + 0.5 * 90;
    assert_true(fabs(e.layer[1].instructions - conv) < 1e-9);
    assert_true(fabs(e.layer[2].instructions - pool) < 1e-9);
    assert_true(fabs(e.latency.value - cycles / 10e3) < 1e-12);
    /* power 10 MHz * 0.5 mW/MHz = 5 mW; ms * mW = uJ */
    assert_true(fabs(e.energy.value - e.latency.value * 5) < 1e-9);
    assert_true(fabs(e.energy.error - 50) < 1e-9);
    assert_true(e.flash.value == 90 + 2 * 12 + 84 + 16 + 10 + 100 + 50);
    assert_true(fabs(e.flash.error - 50.0 * 160 / e.flash.value) < 1e-9);
    assert_int_equal(e.work, 200);
    assert_true(e.ram.value == 302);
    assert_true(e.fits && isnan(e.duty.value) && isnan(e.frontend.value));
    quant_estimate_free(&e);

    /* duty: a frame of mfcc_49x10 and an inference in 20 ms */
    dsp_config features;
    base_err err = {0};
    check(dsp_preset("mfcc_49x10", &features, &err), &err);
    check(quant_estimate_run(&costs, &t, (quant_use){.features = &features}, &e, &err), &err);
    const double n = features.fft * log2(features.fft);
    const double frame = n + 2 * 40 + 3 * 10 + 4 * 480 + 5 * 400 + 6;
    assert_true(fabs(e.frontend.value - 2 * frame / 10e3) < 1e-9);
    assert_true(fabs(e.duty.value - (e.latency.value + e.frontend.value) / 20) < 1e-12);
    quant_estimate_free(&e);

    t.mw_per_mhz = 0;
    estimate(&costs, &t, &e);
    assert_true(isnan(e.energy.value) && isnan(e.energy.error));
    quant_estimate_free(&e);
    t.ua_per_mhz = 100, t.volts = 3; /* 0.3 mW/MHz */
    estimate(&costs, &t, &e);
    assert_true(fabs(e.energy.value - e.latency.value * 3) < 1e-9);
    assert_int_equal(e.energy.basis, QUANT_INFERRED);
    quant_estimate_free(&e);
}

static void too_large_says_why(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target board;
    quant_estimate e;
    costs_of(DS_CNN, &costs);
    load("bluepill", &board);
    board.ram = 16501;
    estimate(&costs, &board, &e);
    assert_false(e.fits);
    assert_non_null(strstr(e.why, "RAM"));
    assert_null(strstr(e.why, "flash"));
    board.flash = (int64_t)e.flash.value - 1;
    quant_estimate_free(&e);
    estimate(&costs, &board, &e);
    assert_non_null(strstr(e.why, "RAM"));
    assert_non_null(strstr(e.why, "flash"));
    quant_estimate_free(&e);
    quant_costs_free(&costs);

    costs_of("x = input 100x100x1\nc = conv2d(x) out=64 kernel=3x3 pad=same\ny = globalpool(c)\n",
             &costs);
    load("bluepill", &board);
    estimate(&costs, &board, &e);
    assert_false(e.fits);
    quant_estimate_free(&e);
    load("nucleo-h7a3zi-q", &board);
    estimate(&costs, &board, &e);
    assert_true(e.fits);
    assert_string_equal(e.why, "");
    quant_estimate_free(&e);
    quant_costs_free(&costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_ds_cnn),
        cmocka_unit_test(memory_of_ds_cnn),
        cmocka_unit_test(same_as_int8_model),
        cmocka_unit_test(code_of_recurrent_kernels),
        cmocka_unit_test(loss_is_left_out),
        cmocka_unit_test(shared_activation_is_a_layer),
        cmocka_unit_test(other_operators),
        cmocka_unit_test(kernels_as_counted),
        cmocka_unit_test(graph_without_layers),
        cmocka_unit_test(published_times_within_the_stated_error),
        cmocka_unit_test(tflm_as_published),
        cmocka_unit_test(layers_as_counted),
        cmocka_unit_test(uncounted_kernels_are_guesses),
        cmocka_unit_test(formulas_by_hand),
        cmocka_unit_test(too_large_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
