/* twin: the int8 model of a net in training, lowered again whenever the weights have changed, and
 * run layer by layer on the values of the net. Those lie on the grids of int8, so nothing is lost
 * on the way there and back.
 */
#include "quantize/host.h"
#include "quantize/internal.h"

#include <stdlib.h>

struct q8_twin {
    nn_twin net;
    nn_graph *graph; /* borrowed */
    q8_rounding rounding;
    int *weight_bits; /* likewise */
    q8_model *now;    /* graph, weights and their bits are not its own */
    q8_host *plan;
    int *head, *layer; /* of every node; -1: no layer ends there */
    size_t in, out;    /* most bytes that a layer reads and writes, each in multiples of 64 */
};

static void drop(q8_twin *t)
{
    q8_host_free(t->plan);
    if (t->now) {
        t->now->folded.graph = NULL;
        t->now->folded.weights = NULL;
        t->now->folded.weight_bits = NULL;
    }
    q8_model_free(t->now);
    t->plan = NULL;
    t->now = NULL;
}

void q8_twin_free(q8_twin *t)
{
    if (!t) return;
    drop(t);
    base_free(t->head);
    base_free(t->layer);
    free(t);
}

static base_status lower(q8_twin *t, const nn_real *weights, const nn_quant *quant, base_err *err)
{
    q8_model *m = t->now = calloc(1, sizeof *m);
    if (!m) return base_nomem(err, sizeof *m);
    const size_t nodes = (size_t)nn_graph_nodes(t->graph);
    m->folded.graph = t->graph;
    m->folded.weights = (nn_real *)(uintptr_t)weights;
    m->folded.weight_bits = t->weight_bits;
    m->arena = base_arena_new();
    m->quant = m->arena ? base_arena_alloc(m->arena, nodes, sizeof *m->quant) : NULL;
    m->rounding = t->rounding;
    if (!m->quant) return base_nomem(err, nodes * sizeof *m->quant);
    BASE_TRY(q8_quant_of_ends(t->graph, quant, m->quant, err));
    BASE_TRY(q8_lower(m, err));
    return q8_host_new(m, q8_level_best(), &t->plan, err);
}

base_status q8_twin_set(q8_twin *t, const nn_real *weights, const nn_quant *quant, base_err *err)
{
    drop(t);
    const base_status status = lower(t, weights, quant, err);
    if (t->now) t->now->folded.weights = NULL; /* only lowering reads them */
    return status;
}

/* ---- running ---- */

static void to_int8(nn_quant q, const nn_real *x, int8_t *to, size_t n)
{
    const nn_real per = (nn_real)(1 / q.scale), half = (nn_real)0.5;
    for (size_t i = 0; i < n; i++) {
        const nn_real v = x[i] * per;
        to[i] = (int8_t)((int32_t)(v + (v < 0 ? -half : half)) + q.zero);
    }
}

static void from_int8(nn_quant q, const int8_t *from, nn_real *y, size_t n)
{
    const nn_real scale = (nn_real)q.scale;
    for (size_t i = 0; i < n; i++) y[i] = scale * (nn_real)(from[i] - q.zero);
}

static void compute(void *ctx, int node, int batch, const nn_real *const *x, nn_real *y,
                    int8_t *work)
{
    const q8_twin *t = ctx;
    const int k = t->layer[node];
    const q8_layer *l = &t->now->layers[k];
    const q8_value *to = &t->now->values[k + 1];
    int8_t *out = work + NN_MAX_IN * t->in, *own = out + t->out;
    for (int b = 0; b < batch; b++) {
        const int8_t *in[NN_MAX_IN] = {0};
        for (int j = 0; j < l->n_in; j++) {
            const q8_value *v = &t->now->values[l->in[j]];
            int8_t *at = work + (size_t)j * t->in;
            to_int8(v->quant, x[j] + (size_t)b * v->size, at, v->size);
            in[j] = at;
        }
        q8_host_layer(t->plan, k, in, out, own);
        from_int8(to->quant, out, y + (size_t)b * to->size, to->size);
    }
}

/* ---- making one ---- */

static void measure(q8_twin *t)
{
    const q8_model *m = t->now;
    size_t in = 1, out = 1;
    for (int i = 0; i < t->net.nodes; i++) t->head[i] = t->layer[i] = -1;
    for (int k = 0; k < m->n_layers; k++) {
        const q8_layer *l = &m->layers[k];
        t->head[l->end] = l->node;
        t->layer[l->end] = k;
        for (int j = 0; j < l->n_in; j++)
            if (m->values[l->in[j]].size > in) in = m->values[l->in[j]].size;
        if (m->values[k + 1].size > out) out = m->values[k + 1].size;
    }
    t->in = (in + 63) / 64 * 64;
    t->out = (out + 63) / 64 * 64;
    t->net.work = NN_MAX_IN * t->in + t->out + q8_host_work(t->plan);
}

base_status q8_twin_new(const nn_model *start, q8_twin **twin, base_err *err)
{
    *twin = NULL;
    q8_twin *t = calloc(1, sizeof *t);
    if (!t) return base_nomem(err, sizeof *t);
    const int nodes = nn_graph_nodes(start->graph);
    t->graph = start->graph;
    t->rounding = start->rounds_once ? Q8_SINGLE : Q8_TFLM;
    t->weight_bits = start->weight_bits;
    t->head = base_alloc((size_t)nodes, sizeof *t->head);
    t->layer = base_alloc((size_t)nodes, sizeof *t->layer);
    t->net = (nn_twin){.ctx = t, .nodes = nodes, .head = t->head, .compute = compute};
    base_status status =
        t->head && t->layer ? BASE_OK : base_nomem(err, (size_t)nodes * sizeof *t->head);
    if (status == BASE_OK) status = q8_twin_set(t, start->weights, start->quant, err);
    if (status == BASE_OK) {
        measure(t);
        *twin = t;
    } else {
        q8_twin_free(t);
    }
    return status;
}

const nn_twin *q8_twin_net(const q8_twin *t)
{
    return &t->net;
}
