/* The estimator: times and arenas of TFLM with CMSIS-NN against published ones that no coefficient
 * was fitted to, instructions against counted ones, formulas by hand, boards that are too small.
 */
#include "bench/csv.h"
#include "tests/estimates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* DS-CNN as exported takes the instructions counted, on every core, layer by layer within the
 * residuals of the rules and 5 % as a whole. */
static void layers_as_counted(void **state)
{
    (void)state;
    static const char *const isas[] = {"armv6-m", "armv7-m", "armv7e-m", "rv32imc"};
    quant_costs costs, deployed;
    bench_csv counted;
    base_err err = {0};
    char net[sizeof DS_CNN];
    memcpy(net, DS_CNN, sizeof net);
    strstr(net, "out=12")[5] = '0'; /* of ten classes */
    costs_of(net, &costs);
    check(quant_costs_deploy(&costs, &deployed, &err), &err);
    assert_int_equal(deployed.n, 8); /* 4 times depthwise and pointwise in one */
    check(bench_csv_read("bench/stage_instructions.csv", &counted, &err), &err);
    for (size_t i = 0; i < BASE_COUNT(isas); i++) {
        quant_table table;
        double sum = 0, all = 0;
        int k = 1;
        check(quant_table_load("sotto", isas[i], &table, &err), &err);
        for (size_t r = 1; r < counted.rows; r++) {
            if (strcmp(bench_csv_get(&counted, r, "isa"), isas[i]) != 0 ||
                strcmp(bench_csv_get(&counted, r, "net"), "ds_cnn") != 0)
                continue;
            const double one = atof(bench_csv_get(&counted, r, "instructions"));
            const double ours = quant_layer_instructions(&deployed.layer[k], &table, QUANT_SOTTO);
            char variant[32];
            quant_layer_variant(&deployed.layer[k], variant);
            const quant_rule *rule = quant_rule_of(&table, deployed.layer[k].kernel, variant);
            if (!(100 * fabs(ours / one - 1) <= rule->worst + 0.1))
                fail_msg("%s %s: %g of those counted", isas[i], rule->kernel, ours / one);
            k++;
            sum += ours;
            all += one;
        }
        assert_int_equal(k, deployed.n);
        assert_true(fabs(sum / all - 1) < 0.05);
    }
    bench_csv_free(&counted);
    quant_costs_free(&costs);
    quant_costs_free(&deployed);
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
    quant_target t = {.mhz = 10,
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
    assert_true(fabs(e.energy.error - sqrt(30 * 30 + 15 * 15 + 40 * 40)) < 1e-9);
    assert_true(e.flash.value == 90 + 2 * 12 + 84 + 16 + 10 + 100 + 50);
    assert_true(fabs(e.flash.error - 50.0 * 160 / e.flash.value) < 1e-9);
    assert_int_equal(e.work, 200);
    assert_true(e.ram.value == 302);
    assert_true(e.fits && isnan(e.duty.value) && isnan(e.frontend.value));
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

/* A frame of mfcc_49x10 and an inference in 20 ms. */
static void duty_of_a_hop(void **state)
{
    (void)state;
    quant_costs costs;
    quant_target t;
    quant_estimate e;
    dsp_config features;
    base_err err = {0};
    costs_of(DS_CNN, &costs);
    load("nucleo-l4r5zi", &t);
    t.core.frontend = (quant_table){.rule = {{"frame", {1, 2, 3, 4, 5, 6}, 1, 0, 0}}, .n = 1};
    check(dsp_preset("mfcc_49x10", &features, &err), &err);
    check(quant_estimate_run(&costs, &t, (quant_use){.features = &features}, &e, &err), &err);
    /* 512 points are 256 complex ones in four stages of radix 4, of 16 additions a butterfly, and
     * but in the first of 3 legs more, each with 4 products and 2 sums */
    const double fft = 4 * 64 * 16 + 3 * 64 * 3 * 6, lines = (4000 - 20) * 512 / 16000.;
    const double frame = fft + 2 * 40 + 3 * lines + 4 * 480 + 5 * 400 + 6 * lines;
    assert_true(fabs(e.frontend.value / (t.cpi * frame / 120e3) - 1) < 1e-9);
    assert_true(e.frontend.basis == QUANT_INFERRED && e.frontend.error >= 15); /* nobody timed it */
    assert_true(fabs(e.duty.value - (e.latency.value + e.frontend.value) / 20) < 1e-12);
    assert_true(e.hop_ms == 20);
    quant_estimate_free(&e);
    features.fft = 490; /* integers have no such transform */
    check(quant_estimate_run(&costs, &t, (quant_use){.features = &features}, &e, &err), &err);
    assert_true(isnan(e.frontend.value) && fabs(e.duty.value - e.latency.value / 20) < 1e-12);
    quant_estimate_free(&e);
    t.core.frontend.n = 0; /* not known: of the network alone */
    check(quant_estimate_run(&costs, &t, (quant_use){.features = &features}, &e, &err), &err);
    assert_true(isnan(e.frontend.value) && fabs(e.duty.value - e.latency.value / 20) < 1e-12);
    quant_estimate_free(&e);
    quant_costs_free(&costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_times_within_the_stated_error),
        cmocka_unit_test(tflm_as_published),
        cmocka_unit_test(layers_as_counted),
        cmocka_unit_test(uncounted_kernels_are_guesses),
        cmocka_unit_test(formulas_by_hand),
        cmocka_unit_test(too_large_says_why),
        cmocka_unit_test(duty_of_a_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
