/* See fuzz.h. */
#include "quantize/host.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WORK = 1 << 22 };

void fuzz_expect(bool holds, const char *what, const base_err *err)
{
    if (holds) return;
    fprintf(stderr, "%s: status %d, '%s'\n", what, err ? (int)err->status : 0,
            err ? err->message : "");
    abort();
}

void fuzz_refused(base_status status, const base_err *err)
{
    const bool right = status == BASE_DATA || status == BASE_MISMATCH || status == BASE_FAILED;
    fuzz_expect(right && err->message[0], "not refused as damaged", err);
}

static bool small(const nn_graph *g)
{
    int64_t work = nn_graph_cost(g).macs;
    for (int i = 0; i < nn_graph_nodes(g); i++) work += nn_count(nn_graph_node(g, i)->shape);
    return work < MOST_WORK;
}

int8_t *fuzz_int8(const q8_model *m)
{
    enum { INPUTS = 3 };
    base_err err = {0};
    q8_host *host = NULL;
    if (!small(m->folded.graph)) return NULL;
    const q8_level level = q8_level_best();
    if (q8_host_new(m, level, &host, &err) != BASE_OK) return NULL; /* no memory */
    const size_t in = q8_input_size(m), out = q8_output_size(m), plain = m->work;
    const size_t work = q8_host_work(host) > plain ? q8_host_work(host) : plain;
    int8_t *x = base_alloc(INPUTS * in, 1), *y = base_alloc(INPUTS * out, 1);
    int8_t *fast = base_alloc(out, 1), *buffer = base_alloc(work + 1, 1);
    base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, 0);
    fuzz_expect(x && y && fast && buffer, "no memory", NULL);
    for (size_t i = 0; i < INPUTS * in; i++)
        x[i] = (int8_t)(i < in ? (int)base_rng_below(&r, 256) - 128 : i < 2 * in ? -128 : 127);
    for (size_t i = 0; i < INPUTS; i++) {
        q8_run(m, x + i * in, y + i * out, buffer);
        q8_host_run(host, x + i * in, fast, buffer);
        fuzz_expect(memcmp(fast, y + i * out, out) == 0, q8_level_name(level), NULL);
    }
    base_free(x);
    base_free(fast);
    base_free(buffer);
    q8_host_free(host);
    return y;
}

void fuzz_float(const nn_model *m)
{
    base_err err = {0};
    nn_net *net = NULL;
    if (!nn_graph_input(m->graph, 0) || nn_graph_input(m->graph, 1) || !small(m->graph)) return;
    if (nn_net_new(m->graph, (nn_net_options){.batch = 1, .shards = 1}, &net, &err) != BASE_OK)
        return;
    nn_real *x = base_alloc((size_t)nn_count(nn_graph_input(m->graph, 0)->shape), sizeof *x);
    nn_real *y = base_alloc((size_t)nn_count(nn_graph_output(m->graph)->shape), sizeof *y);
    fuzz_expect(x && y, "no memory", NULL);
    memcpy(nn_net_weights(net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    nn_net_forward(net, (const nn_real *const *)&x, 1, y);
    base_free(x);
    base_free(y);
    nn_net_free(net);
}
