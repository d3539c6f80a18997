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
    nn_real broken[] = {NAN}, pooled[] = {0.25f, -0.25f, -5.25f, -5.75f};
    const nn_real want_pooled[] = {0.5f, 0, -5.5f, -6};
    nn_simulate(q, false, v, BASE_COUNT(v));
    for (size_t i = 0; i < BASE_COUNT(v); i++)
        if (v[i] < want[i] || v[i] > want[i]) fail_msg("%zu: %g", i, (double)v[i]);
    nn_simulate(q, false, broken, 1);
    assert_true(isnan(broken[0]));
    nn_simulate(q, true, pooled, BASE_COUNT(pooled)); /* 10.5, 9.5, -0.5, -1.5 in integers */
    for (size_t i = 0; i < BASE_COUNT(pooled); i++)
        if (pooled[i] < want_pooled[i] || pooled[i] > want_pooled[i])
            fail_msg("pooled %zu: %g", i, (double)pooled[i]);
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

static nn_model *simulated(const nn_model *m, const nn_real *x)
{
    base_err err = {0};
    nn_model *start;
    if (q8_simulated(m, x, Q8_SAMPLES, (q8_options){.range = Q8_RANGE_MSE}, &start, &err) !=
        BASE_OK)
        fail_msg("%s", err.message);
    return start;
}

/* ---- a net against the int8 model, layer by layer ---- */

typedef struct trace {
    int8_t *value[32]; /* of each node: one sample as integers; NULL: not rounded */
    const nn_quant *quant;
} trace;

static void keep(void *ctx, const nn_node *n, const nn_real *v, int samples)
{
    trace *t = ctx;
    const nn_quant q = t->quant[n->index];
    const size_t count = (size_t)samples * (size_t)nn_count(n->shape);
    base_free(t->value[n->index]);
    t->value[n->index] = NULL;
    if (!(q.scale > 0)) return;
    t->value[n->index] = base_alloc(count, 1);
    for (size_t i = 0; i < count; i++) {
        const double code = (double)v[i] / q.scale + q.zero;
        assert_true(fabs(code - round(code)) < 1e-2);
        t->value[n->index][i] = (int8_t)lrint(code);
    }
}

/* Values of a layer alone that differ; by more than one fails. */
static size_t layer_differences(const q8_model *q8, int k, const trace *t, int8_t *out,
                                int32_t *scratch)
{
    const q8_layer *l = &q8->layers[k];
    const int8_t *in[NN_MAX_IN] = {0};
    size_t differ = 0;
    for (int j = 0; j < l->n_in; j++) in[j] = t->value[l->in[j] ? q8->layers[l->in[j] - 1].end : 0];
    q8_layer_run(&l->l, in, out, scratch);
    for (size_t i = 0; i < q8->values[k + 1].size; i++) {
        assert_in_range(abs(out[i] - t->value[l->end][i]), 0, 1);
        differ += out[i] != t->value[l->end][i];
    }
    return differ;
}

/* The kernels round twice where the net rounds once, which moves one value in some hundred by one.
 */
static void every_layer_computes_what_int8_computes(void **state)
{
    (void)state;
    for (int k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_net *net;
        nn_model *m = q8_random_model(q8_nets[k], (uint64_t)k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
        nn_model *start = simulated(m, x);
        q8_model *q8 = q8_quantized(start, x, Q8_RANGE_MINMAX);
        trace t = {.quant = start->quant};
        const size_t ins = q8_input_size(q8);
        int8_t *out = base_alloc(65536, 1);
        int32_t *scratch = base_alloc(q8->work / 4 + 1, sizeof *scratch);
        const nn_net_options o = {.batch = 1, .shards = 1, .quant = start->quant};
        assert_int_equal(nn_net_new(start->graph, o, &net, &err), BASE_OK);
        nn_simulate_weights(start->graph, NULL, start->weights, nn_net_weights(net));
        nn_simulate(start->quant[0], false, x, Q8_SAMPLES * ins);
        for (int l = 0; l < q8->n_layers; l++) {
            size_t differ = 0, all = Q8_SAMPLES * q8->values[l + 1].size;
            for (size_t s = 0; s < Q8_SAMPLES; s++) {
                nn_net_observe(net, &(const nn_real *){x + s * ins}, 1, NULL, keep, &t);
                differ += layer_differences(q8, l, &t, out, scratch);
            }
            print_message("net %d, %s: %.2f %% equal\n", k, q8->layers[l].name,
                          100.0 * (double)(all - differ) / (double)all);
            assert_true(differ * 10 <= all);
        }
        for (size_t i = 0; i < BASE_COUNT(t.value); i++) base_free(t.value[i]);
        nn_net_free(net);
        base_free(x);
        base_free(out);
        base_free(scratch);
        q8_model_free(q8);
        nn_model_free(start);
        nn_model_free(m);
    }
}

static void trained_ranges_are_kept(void **state)
{
    (void)state;
    base_err err = {0};
    char path[] = "/tmp/sotto-simulate-XXXXXX";
    close(mkstemp(path));
    nn_model *m = q8_random_model(q8_nets[1], 1), *again;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    nn_model *start = simulated(m, x);
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
        cmocka_unit_test(trained_ranges_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
