/* What nn/product.h promises of int8 weights: sums of 32 bits never overflow, whatever the weights;
 * what they stand for is near the real product; the unit that is asked for is full; and what cannot
 * be done is refused by channel. Then whole layers at their ends: wide states, long memories.
 */
#include "nn/product.h"
#include "quantize/runtime/requant.h"
#include "tests/check.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAN = 3000, CHANNELS = 6 };

typedef struct fixture {
    nn_graph *g;
    nn_q8_context c;
    nn_real *w, bias[CHANNELS];
    nn_q8_weights to;
} fixture;

/* Channels: usual, all alike, tiny, with a bias that dwarfs them, all 0, all 0 but the bias. */
static int set_up(void **state)
{
    base_err err = {0};
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(nn_parse("x = input 1; y = dense(x) out=1", NULL, &f->g, &err), BASE_OK);
    f->c.arena = base_arena_new();
    f->w = base_alloc(FAN * CHANNELS, sizeof *f->w);
    assert_true(f->c.arena && f->w);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < FAN; i++) {
        f->w[i * CHANNELS + 0] = (nn_real)(0.1 * base_rng_normal(&r));
        f->w[i * CHANNELS + 1] = (nn_real)(i % 2 ? -0.3 : 0.3);
        f->w[i * CHANNELS + 2] = (nn_real)(1e-9 * base_rng_normal(&r));
        f->w[i * CHANNELS + 3] = (nn_real)(1e-3 * base_rng_normal(&r));
    }
    f->bias[0] = (nn_real)-0.4;
    f->bias[3] = f->bias[5] = (nn_real)700;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    nn_graph_free(f->g);
    base_arena_free(f->c.arena);
    base_free(f->w);
    free(f);
    return 0;
}

static nn_q8_product product_of(fixture *f, double in, double out)
{
    return (nn_q8_product){.fan = FAN,
                           .channels = CHANNELS,
                           .w = f->w,
                           .stride = CHANNELS,
                           .bias = f->bias,
                           .most = 32767,
                           .in = nn_q8_scales(&f->c, CHANNELS, in),
                           .out = nn_q8_scales(&f->c, CHANNELS, out)};
}

static base_status make(fixture *f, const nn_q8_product *p, base_err *err)
{
    assert_int_equal(nn_q8_product_room(&f->c, FAN, CHANNELS, CHANNELS, &f->to, err), BASE_OK);
    return nn_q8_product_make(nn_graph_node(f->g, 1), p, &f->to, err);
}

static void sums_fit_and_stand_for_the_product(void **state)
{
    fixture *f = *state;
    base_err err = {0};
    const nn_q8_product p = product_of(f, NN_Q8_STATE, NN_Q8_GATE);
    assert_int_equal(make(f, &p, &err), BASE_OK);
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (int o = 0; o < CHANNELS; o++) {
        int64_t most = llabs((long long)f->to.bias[o]), sum = f->to.bias[o];
        double real = (double)f->bias[o], weights = 0;
        for (int i = 0; i < FAN; i++) {
            const int q = f->to.weight[o * FAN + i], x = (int)base_rng_below(&r, 65535) - 32767;
            assert_in_range(q + 127, 0, 254);
            most += 32767 * (int64_t)abs(q);
            sum += (int64_t)q * x;
            real += (double)f->w[i * CHANNELS + o] * x / 32768;
            weights += fabs((double)f->w[i * CHANNELS + o]);
        }
        assert_true(most <= INT32_MAX);
        const double got =
            sotto_requant((int32_t)sum, f->to.multiplier[o], f->to.shift[o], 0) / 4096.0;
        /* steps of weights: 1/127 of the largest, or what lets 3000 and the bias fit 32 bits */
        const double room = 2147483647.0 - 32767.0 * FAN / 2, bias = fabs((double)f->bias[o]);
        const double step = fmax((weights + bias) * 32768 / room, weights / FAN * 4 / 127);
        assert_true(fabs(got - real) <= step * sqrt(FAN) + 2.0 / 4096);
    }
}

static void unit_is_full(void **state)
{
    fixture *f = *state;
    base_err err = {0};
    nn_q8_product p = product_of(f, 0.02, 0);
    p.bias = NULL;
    p.most = 255;
    assert_int_equal(make(f, &p, &err), BASE_OK);
    for (int o = 0; o < CHANNELS; o++) {
        int32_t sum = 0;
        for (int i = 0; i < FAN; i++) sum += 255 * abs(f->to.weight[o * FAN + i]);
        const int32_t v = sotto_requant(sum, f->to.multiplier[o], f->to.shift[o], 0);
        if (sum > 0) assert_in_range(v, 32766, 32767);
        assert_true(p.out[o] > 0);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    fixture *f = *state;
    base_err err = {0};
    nn_q8_product p = product_of(f, NN_Q8_STATE, NN_Q8_GATE);
    f->w[4] = (nn_real)1e6;
    assert_int_equal(make(f, &p, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "channel 4 gives up to"));
    f->w[4] = (nn_real)NAN;
    assert_int_equal(make(f, &p, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "channel 4 is not finite"));
    p.fan = 200000;
    p.channels = 1;
    assert_int_equal(nn_q8_product_make(nn_graph_node(f->g, 1), &p, &f->to, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "200000 inputs"));
}

/* ---- layers ---- */

/* Signal to noise in dB of the int8 model of a net with weights times `gain`. The 8 bits of the
 * output alone leave about 40. */
static double follows(const char *net, double gain)
{
    base_err err = {0};
    nn_model *m = q8_random_model(net, 3);
    for (size_t i = 0; i < nn_graph_params(m->graph); i++) m->weights[i] *= (nn_real)gain;
    const size_t in = (size_t)nn_count(nn_graph_input(m->graph, 0)->shape);
    const size_t out = (size_t)nn_count(nn_graph_output(m->graph)->shape);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
    nn_real *y = base_alloc(Q8_SAMPLES * out, sizeof *y);
    nn_net *n = NULL;
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    int8_t *qx = base_alloc(in, 1), *qy = base_alloc(out, 1), *work = base_alloc(q->work, 1);
    float *fx = base_alloc(in, sizeof *fx);
    assert_true(y && qx && qy && work && fx);
    assert_int_equal(
        nn_net_new(m->graph, (nn_net_options){.batch = Q8_SAMPLES, .shards = 1}, &n, &err),
        BASE_OK);
    memcpy(nn_net_weights(n), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    nn_net_forward(n, (const nn_real *const[]){x}, Q8_SAMPLES, y);
    const nn_quant quant = q->values[q->n_layers].quant;
    double signal = 0, noise = 0;
    for (size_t s = 0; s < Q8_SAMPLES; s++) {
        for (size_t i = 0; i < in; i++) fx[i] = (float)x[s * in + i];
        q8_quantize_input(q, fx, qx);
        q8_run(q, qx, qy, work);
        for (size_t o = 0; o < out; o++) {
            const double v = (double)y[s * out + o];
            signal += v * v;
            noise += pow(quant.scale * (qy[o] - quant.zero) - v, 2);
        }
    }
    base_free(fx);
    base_free(qx);
    base_free(qy);
    base_free(work);
    base_free(x);
    base_free(y);
    nn_net_free(n);
    q8_model_free(q);
    nn_model_free(m);
    return 10 * log10(signal / noise);
}

static void layers_follow_at_their_ends(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        double gain, db;
    } rows[] = {
        {"x = input 9x4; y = gru(x) units=200", 1, 39},
        {"x = input 9x4; y = gru(x) units=40 reset_after=no", 1, 38},
        {"x = input 9x4; y = lstm(x) units=150 peephole=yes projection=80", 1, 36},
        {"x = input 400x3; y = lstm(x) units=12 peephole=yes", 1, 34}, /* long */
        {"x = input 60x3; y = lstm(x) units=12", 3, 33}, /* gates at their ends, large cells */
        {"x = input 20x3; y = gru(x) units=12", 3, 32},
        {"x = input 20x300; y = svdf(x) units=9 memory=20", 1, 33},
        {"x = input 20x3; y = svdf(x) units=9 memory=600", 1e-4, 45},
    };
    for (size_t i = 0; i < BASE_COUNT(rows); i++) {
        const double db = follows(rows[i].net, rows[i].gain);
        printf("%5.1f dB %s\n", db, rows[i].net);
        if (!(db > rows[i].db)) fail_msg("%s: %.1f dB", rows[i].net, db);
    }
}

/* A shift or multiplier that the kernels do not take never reaches them. */
static void refused_in_a_file(const char *name, int32_t value, const char *part)
{
    char path[] = "/tmp/sotto_product_XXXXXX";
    const int fd = mkstemp(path);
    base_err err = {0};
    assert_true(fd >= 0);
    close(fd);
    nn_model *m = q8_random_model("x = input 4x3; y = gru(x) units=2", 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE), *back = NULL;
    const nn_q8_layer *l = &q->layers[0].l;
    q->n_golden = 0; /* nothing is run while it is saved */
    for (int i = 0; i < l->kernel->n_fields; i++)
        if (strcmp(l->kernel->fields[i].name, name) == 0) {
            int32_t *v;
            memcpy(&v, (char *)l->p + l->kernel->fields[i].offset, sizeof v);
            v[1] = value;
        }
    if (q8_save(q, path, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
    assert_non_null(strstr(err.message, part));
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
    unlink(path);
}

static void factors_in_files_are_checked(void **state)
{
    (void)state;
    refused_in_a_file("recurrent_shift", 31, "recurrent_shift 1 is 31: it must be within");
    refused_in_a_file("weight_shift", -32, "weight_shift 1 is -32: it must be within");
    refused_in_a_file("recurrent_multiplier", INT32_MIN,
                      "recurrent_multiplier 1 is -2147483648: neither");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_fit_and_stand_for_the_product, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unit_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, set_up, tear_down),
        cmocka_unit_test(layers_follow_at_their_ends),
        cmocka_unit_test(factors_in_files_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
