/* Simulated quantization: values and weights on the grids of int8, nets that compute what the int8
 * model computes, ranges that go into a file and come out as they were trained.
 */
#include "quantize/internal.h"
#include "tests/q8_nets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void values_lie_on_the_grid(void **state)
{
    (void)state;
    const nn_quant q = {0.5, 10};
    nn_real v[] = {0, 0.24f, 0.25f, -0.25f, -0.26f, 0.74f, 58.4f, 58.6f, 1e30f, -1e30f, -69.1f};
    const nn_real want[] = {0, 0, 0.5f, -0.5f, -0.5f, 0.5f, 58.5f, 58.5f, 58.5f, -69, -69};
    nn_real broken[] = {NAN};
    nn_simulate(q, v, BASE_COUNT(v));
    for (size_t i = 0; i < BASE_COUNT(v); i++)
        if (v[i] < want[i] || v[i] > want[i]) fail_msg("%zu: %g", i, (double)v[i]);
    nn_simulate(q, broken, 1);
    assert_true(isnan(broken[0]));
}

/* Largest exact, all on its grid and no nearer point there; biases and other channels untouched. */
static void weights_lie_on_the_grid_of_their_channel(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 9x5x3; c = conv2d(x) out=4 kernel=3x2; "
                                  "d = dwconv2d(c) kernel=3x3; f = flatten(d); y = dense(f) out=6",
                                  5);
    const size_t n = nn_graph_params(m->graph);
    nn_real *to = base_alloc(n, sizeof *to);
    const double most = 127;
    nn_simulate_weights(m->graph, NULL, m->weights, to);
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *node = nn_graph_node(m->graph, i);
        for (int k = 0; k < node->n_params; k++) {
            const nn_param *p = &node->param[k];
            const nn_real *a = m->weights + p->offset, *b = to + p->offset;
            const size_t channels = (size_t)p->shape.d[p->shape.n - 1];
            if (p->role != NN_WEIGHT) assert_memory_equal(a, b, p->count * sizeof *a);
            for (size_t o = 0; p->role == NN_WEIGHT && o < channels; o++) {
                double largest = 0;
                for (size_t j = o; j < p->count; j += channels)
                    largest = fmax(largest, fabs((double)a[j]));
                for (size_t j = o; j < p->count; j += channels) {
                    const double code = (double)b[j] / largest * most;
                    assert_true(fabs(code - round(code)) < 1e-4);
                    assert_true(fabs((double)(a[j] - b[j])) <= largest / most * 0.50001);
                }
            }
        }
    }
    base_free(to);
    nn_model_free(m);
}

static nn_model *simulated(const nn_model *m, const nn_real *x, const char *bits)
{
    base_err err = {0};
    nn_model *start;
    const q8_options o = {.range = Q8_RANGE_MSE, .weight_bits = bits};
    if (q8_simulated(m, x, Q8_SAMPLES, o, &start, &err) != BASE_OK) fail_msg("%s", err.message);
    return start;
}

/* ---- a net against the int8 model, layer by layer ---- */

typedef struct trace {
    const q8_model *q8;
    int8_t *want[32]; /* of each layer, of one sample */
    int layers;
} trace;

static void keep(void *ctx, int layer, const int8_t *y)
{
    trace *t = ctx;
    memcpy(t->want[layer], y, t->q8->values[layer + 1].size);
}

/* What the net has at the end of a layer is that layer's integer, all of it and exactly. */
static void compare(void *ctx, const nn_node *n, const nn_real *v, int samples)
{
    trace *t = ctx;
    for (int k = 0; k < t->q8->n_layers; k++) {
        if (t->q8->layers[k].end != n->index) continue;
        const nn_quant q = t->q8->values[k + 1].quant;
        t->layers++;
        assert_int_equal(samples, 1);
        for (size_t i = 0; i < t->q8->values[k + 1].size; i++) {
            const nn_real want = (nn_real)q.scale * (nn_real)(t->want[k][i] - q.zero);
            if (v[i] < want || v[i] > want)
                fail_msg("%s[%zu] is %.9g, int8 gives %.9g", n->name, i, (double)v[i],
                         (double)want);
        }
    }
}

/* The twin of a net is the int8 model that the quantizer makes of it, from first layer to last. */
static void a_net_computes_what_int8_computes(const char *text, uint64_t seed, const char *bits)
{
    base_err err = {0};
    nn_net *net;
    q8_twin *twin;
    nn_model *m = q8_random_model(text, seed);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
    nn_model *start = simulated(m, x, bits);
    q8_model *q8 = q8_quantized(start, x, Q8_RANGE_MINMAX);
    trace t = {.q8 = q8};
    const size_t ins = q8_input_size(q8);
    int8_t *in = base_alloc(ins, 1), *out = base_alloc(q8_output_size(q8), 1);
    int8_t *work = base_alloc(q8->work + 1, 1);
    for (int k = 0; k < q8->n_layers; k++) t.want[k] = base_alloc(q8->values[k + 1].size, 1);
    assert_int_equal(q8_twin_new(start, &twin, &err), BASE_OK);
    const nn_net_options o = {.batch = 1, .shards = 1, .twin = q8_twin_net(twin)};
    assert_int_equal(nn_net_new(start->graph, o, &net, &err), BASE_OK);
    nn_simulate_weights(start->graph, start->weight_bits, start->weights, nn_net_weights(net));
    for (size_t s = 0; s < Q8_SAMPLES; s++) {
        float real[4096];
        for (size_t i = 0; i < ins; i++) real[i] = (float)x[s * ins + i];
        q8_quantize_input(q8, real, in);
        q8_observe(q8, in, out, work, keep, &t);
        nn_simulate(start->quant[0], x + s * ins, ins);
        nn_net_observe(net, &(const nn_real *){x + s * ins}, 1, NULL, compare, &t);
    }
    assert_int_equal(t.layers, Q8_SAMPLES * (size_t)q8->n_layers);
    for (int k = 0; k < q8->n_layers; k++) base_free(t.want[k]);
    q8_twin_free(twin);
    nn_net_free(net);
    base_free(x);
    base_free(in);
    base_free(out);
    base_free(work);
    q8_model_free(q8);
    nn_model_free(start);
    nn_model_free(m);
}

static void every_layer_computes_what_int8_computes(void **state)
{
    (void)state;
    for (int k = 0; k < Q8_NETS; k++) {
        a_net_computes_what_int8_computes(q8_nets[k], (uint64_t)k, NULL);
        if (strstr(q8_nets[k], "conv") || strstr(q8_nets[k], "dense"))
            a_net_computes_what_int8_computes(q8_nets[k], (uint64_t)k, "4");
    }
}

/* In training too: the loss is that of the int8 model's outputs, in shards and threads, and moves
 * with the weights that the twin is set to. */
static void training_steps_see_the_integers(void **state)
{
    (void)state;
    enum { BATCH = 6, CLASSES = 4 };
    base_err err = {0};
    base_pool *pool;
    nn_net *net;
    q8_twin *twin;
    nn_model *m = q8_random_model("x = input 9x5x1; c = conv2d(x) out=8 kernel=3x3; "
                                  "b = batchnorm(c); r = relu(b); d = dwconv2d(r) kernel=3x3 "
                                  "pad=same; e = relu(d); p = globalpool(e); y = dense(p) out=4",
                                  11);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 5), target[BATCH * CLASSES] = {0};
    nn_model *start = simulated(m, x, NULL);
    base_str text = {0};
    nn_graph *losses;
    nn_print(start->graph, &text);
    base_str_add(&text, "t = input 4\nl = cross_entropy(y, t)\n");
    assert_int_equal(nn_parse(text.s, "losses", &losses, &err), BASE_OK);
    assert_int_equal(q8_twin_new(start, &twin, &err), BASE_OK);
    assert_int_equal(base_pool_new(2, &pool, &err), BASE_OK);
    const nn_net_options o = {.batch = BATCH,
                              .shards = 3,
                              .training = true,
                              .twin = q8_twin_net(twin),
                              .watch = nn_graph_find(losses, "y"),
                              .pool = pool};
    assert_int_equal(nn_net_new(losses, o, &net, &err), BASE_OK);
    for (int i = 0; i < BATCH; i++) target[i * CLASSES + i % CLASSES] = 1;
    nn_simulate(start->quant[0], x, BATCH * 45);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(q8_twin_set(twin, start->weights, start->quant, &err), BASE_OK);
        nn_simulate_weights(start->graph, start->weight_bits, start->weights, nn_net_weights(net));
        q8_model *q8 = q8_quantized(start, x, Q8_RANGE_MINMAX);
        int8_t in[45], out[CLASSES], *work = base_alloc(q8->work + 1, 1);
        nn_net_step(net, (const nn_real *const[]){x, target}, BATCH, 1, (uint32_t)round);
        const nn_quant q = q8->values[q8->n_layers].quant;
        for (size_t s = 0; s < BATCH; s++) {
            float real[45];
            for (size_t i = 0; i < 45; i++) real[i] = (float)x[s * 45 + i];
            q8_quantize_input(q8, real, in);
            q8_run(q8, in, out, work);
            for (size_t i = 0; i < CLASSES; i++) {
                const nn_real got = nn_net_watched(net)[s * CLASSES + i];
                const nn_real want = (nn_real)q.scale * (nn_real)(out[i] - q.zero);
                assert_true(got >= want && got <= want);
            }
        }
        double slope = 0;
        for (size_t i = 0; i < nn_graph_params(start->graph); i++) {
            slope += fabs((double)nn_net_grads(net)[i]);
            start->weights[i] -= nn_net_grads(net)[i];
        }
        assert_true(slope > 1e-3);
        base_free(work);
        q8_model_free(q8);
    }
    nn_net_free(net);
    base_pool_free(pool);
    q8_twin_free(twin);
    nn_graph_free(losses);
    base_str_free(&text);
    base_free(x);
    nn_model_free(start);
    nn_model_free(m);
}

static void trained_ranges_are_kept(void **state)
{
    (void)state;
    base_err err = {0};
    char path[] = "/tmp/sotto-simulate-XXXXXX";
    close(mkstemp(path));
    nn_model *m = q8_random_model(q8_nets[1], 1), *again;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    nn_model *start = simulated(m, x, NULL);
    assert_int_equal(nn_model_save(start, path, &err), BASE_OK);
    assert_int_equal(nn_model_load(path, &again, &err), BASE_OK);
    const size_t nodes = (size_t)nn_graph_nodes(start->graph);
    assert_memory_equal(again->quant, start->quant, nodes * sizeof *start->quant);
    /* Inputs ten times as large would have given other ranges. */
    for (size_t i = 0; i < Q8_SAMPLES * (size_t)nn_count(nn_graph_input(m->graph, 0)->shape); i++)
        x[i] *= 10;
    q8_model *q8 = q8_quantized(again, x, Q8_RANGE_MINMAX);
    int ends = 0;
    for (size_t i = 0; i < nodes; i++) {
        const nn_quant was = start->quant[i], is = q8->quant[i];
        if (!(was.scale > 0)) continue;
        ends++;
        assert_true(!(is.scale < was.scale || is.scale > was.scale) && is.zero == was.zero);
    }
    assert_true(ends >= 6);
    q8_model_free(q8);
    unlink(path);
    base_free(x);
    nn_model_free(again);
    nn_model_free(start);
    nn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_on_the_grid),
        cmocka_unit_test(weights_lie_on_the_grid_of_their_channel),
        cmocka_unit_test(every_layer_computes_what_int8_computes),
        cmocka_unit_test(training_steps_see_the_integers),
        cmocka_unit_test(trained_ranges_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
