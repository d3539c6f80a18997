/* lower: the layers of an int8 model from a folded graph, each made by its operator's lowering,
 * and the places of their values in one work buffer.
 */
#include "quantize/internal.h"
#include "quantize/runtime/clamp.h"

#include <math.h>
#include <string.h>

typedef struct lowering {
    q8_model *m;
    q8_chains chains;
    int *value; /* of each node */
} lowering;

int q8_bound(nn_quant q, double v)
{
    if (isinf(v)) return v < 0.0 ? -128 : 127;
    const double r = round((double)((float)v / (float)q.scale)) + q.zero;
    return (int)fmax(-128.0, fmin(127.0, r));
}

/* The clamp of all activations in the chain of head i; returns whether there is one. */
static bool chain_clamp(const lowering *w, int i, int *lo, int *hi)
{
    bool any = false;
    *lo = -128;
    *hi = 127;
    for (int at = i;; at = w->chains.only[at]) {
        const nn_node *n = nn_graph_node(w->m->folded.graph, at);
        double a, b;
        if (n->op->clamp && n->op->clamp(n, &a, &b)) {
            const int qa = q8_bound(w->m->quant[i], a), qb = q8_bound(w->m->quant[i], b);
            any = true;
            *lo = *lo < qa ? qa : *lo > qb ? qb : *lo; /* what the clamp makes of the ends, also */
            *hi = *hi < qa ? qa : *hi > qb ? qb : *hi; /* where its range lies beside theirs */
        }
        if (at == w->chains.tail[i]) return any;
    }
}

/* The batchnorm by bands of the chain of head i, if there is one. */
static base_status chain_affine(const lowering *w, int i, nn_q8_context *c, base_err *err)
{
    const nn_real *params[NN_MAX_PARAMS] = {0};
    if (w->chains.affine[i] < 0) return BASE_OK;
    const nn_node *n = nn_graph_node(w->m->folded.graph, w->chains.affine[i]);
    c->bands = n->op->affine(n, NULL, NULL, NULL);
    const size_t count = (size_t)c->bands * (size_t)n->shape.d[n->shape.n - 1];
    double *mul = base_arena_alloc(c->arena, count, sizeof *mul);
    double *add = base_arena_alloc(c->arena, count, sizeof *add);
    if (!mul || !add) return base_nomem(err, count * sizeof *mul);
    for (int k = 0; k < n->n_params; k++) params[k] = w->m->folded.weights + n->param[k].offset;
    n->op->affine(n, params, mul, add);
    c->mul = mul;
    c->add = add;
    return BASE_OK;
}

static base_status lower_clamp(const nn_node *n, nn_q8_context *c, nn_q8_layer *l, base_err *err)
{
    sotto_clamp_t *p = nn_q8_layer_new(&q8_clamp_kernel, c, l);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_clamp_t){(int32_t)nn_count(n->shape), c->lo, c->hi};
    return BASE_OK;
}

static base_status no_int8(const nn_node *n, base_err *err)
{
    base_str line = {0};
    nn_print_node(n, &line);
    base_status status = nn_op_fail(n, err, "there is no int8 form of this operator");
    base_hint(err, "the node is: %s", line.failed ? "?" : line.s);
    base_str_free(&line);
    return status;
}

static base_status lower_head(lowering *w, const nn_node *n, base_err *err)
{
    q8_model *m = w->m;
    nn_q8_context c = {.out = w->m->quant[n->index], .arena = m->arena};
    const bool clamped = chain_clamp(w, n->index, &c.lo, &c.hi);
    BASE_TRY(chain_affine(w, n->index, &c, err));
    const int tail = w->chains.tail[n->index];
    int value = m->n_layers + 1;
    const bool passes = n->op->clamp || (n->op->flags & NN_IDENTITY);
    if (!n->op->lower && !passes) return no_int8(n, err);
    if (!n->op->lower && !clamped) {
        value = w->value[n->in[0]->index];
    } else {
        q8_layer *l = &m->layers[m->n_layers++];
        *l = (q8_layer){.node = n->index, .end = tail, .n_in = n->n_in};
        memcpy(l->name, n->name, sizeof l->name);
        for (int k = 0; k < n->n_in; k++) {
            c.in[k] = w->m->quant[n->in[k]->index];
            l->in[k] = w->value[n->in[k]->index];
        }
        for (int k = 0; k < n->n_params; k++) c.w[k] = m->folded.weights + n->param[k].offset;
        BASE_TRY((n->op->lower ? n->op->lower : lower_clamp)(n, &c, &l->l, err));
        if (n->op->q8_size) {
            nn_q8_size size = {0};
            n->op->q8_size(n, &size);
            l->l.scratch = size.scratch;
        }
        m->values[value] =
            (q8_value){.shape = n->shape, .size = (size_t)nn_count(n->shape), .quant = c.out};
    }
    for (int at = n->index;; at = w->chains.only[at]) {
        w->value[at] = value;
        if (at == tail) return BASE_OK;
    }
}

base_status q8_lower(q8_model *m, base_err *err)
{
    const int n = nn_graph_nodes(m->folded.graph);
    lowering w = {.m = m};
    BASE_TRY(q8_chains_make(m->folded.graph, m->arena, &w.chains, err));
    w.value = base_arena_alloc(m->arena, (size_t)n, sizeof *w.value);
    m->layers = base_arena_alloc(m->arena, (size_t)n, sizeof *m->layers);
    m->values = base_arena_alloc(m->arena, (size_t)n + 1, sizeof *m->values);
    if (!w.value || !m->layers || !m->values) return base_nomem(err, (size_t)n);
    for (int i = 0; i < n; i++) {
        const nn_node *node = nn_graph_node(m->folded.graph, i);
        if (!w.chains.live[i] || w.chains.head[i] != i) continue;
        if (node->n_in == 0)
            m->values[0] = (q8_value){
                .shape = node->shape, .size = (size_t)nn_count(node->shape), .quant = m->quant[i]};
        else
            BASE_TRY(lower_head(&w, node, err));
    }
    if (m->n_layers == 0)
        return base_fail(err, BASE_USAGE, "the graph computes nothing: there is no layer");
    return q8_place(m, err);
}

/* ---- places ---- */

static void find_lifetimes(q8_model *m)
{
    for (int v = 0; v <= m->n_layers; v++) {
        m->values[v].first = v > 0 ? v - 1 : 0;
        m->values[v].last = v == m->n_layers ? m->n_layers - 1 : m->values[v].first;
    }
    for (int k = 0; k < m->n_layers; k++)
        for (int j = 0; j < m->layers[k].n_in; j++) m->values[m->layers[k].in[j]].last = k;
}

/* Spans of values between layers first, then of the scratch of layers that have some. */
base_status q8_place(q8_model *m, base_err *err)
{
    find_lifetimes(m);
    const size_t n = (size_t)m->n_layers + 1;
    nn_span *span = base_arena_alloc(m->arena, 2 * n, sizeof *span);
    int *slot = base_arena_alloc(m->arena, n, sizeof *slot); /* span of each value between */
    if (!span || !slot) return base_nomem(err, n);
    int spans = 0;
    for (int v = 1; v < m->n_layers; v++) {
        const q8_layer *l = &m->layers[v - 1];
        const int x = l->in[0];
        const bool shared = l->l.kernel->in_place && x > 0 && m->values[x].last == v - 1;
        slot[v] = shared ? slot[x] : spans++;
        if (!shared) span[slot[v]] = (nn_span){.size = m->values[v].size, .first = v - 1};
        span[slot[v]].last = m->values[v].last;
    }
    const int values = spans;
    for (int k = 0; k < m->n_layers; k++)
        if (m->layers[k].l.scratch > 0)
            span[spans++] = (nn_span){.size = m->layers[k].l.scratch, .first = k, .last = k};
    m->work = spans ? nn_plan(span, spans, 4) : 0;
    for (int v = 1; v < m->n_layers; v++) m->values[v].offset = span[slot[v]].offset;
    for (int k = 0, s = values; k < m->n_layers; k++)
        if (m->layers[k].l.scratch > 0) m->layers[k].scratch = span[s++].offset;
    return BASE_OK;
}
