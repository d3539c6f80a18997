/* lower: the layers of an int8 model from a folded graph, each made by its operator's lowering,
 * and the places of their values in one work buffer.
 */
#include "quantize/internal.h"
#include "quantize/runtime/clamp.h"
#include "quantize/runtime/clip_i16.h"

#include <math.h>
#include <string.h>

typedef struct lowering {
    q8_model *m;
    q8_chains chains;
    int *value; /* of each node */
    int *other; /* of each value: the same in the other width, 0: there is none yet */
} lowering;

int q8_bound(nn_quant q, bool wide, double v)
{
    const double lo = wide ? -32767.0 : -128.0, hi = wide ? 32767.0 : 127.0;
    if (isinf(v)) return (int)(v < 0.0 ? lo : hi);
    const double r = round((double)((float)v / (float)q.scale)) + q.zero;
    return (int)fmax(lo, fmin(hi, r));
}

/* The clamp of all activations in the chain of head i. */
static void chain_clamp(const lowering *w, int i, nn_q8_context *c)
{
    c->lo = c->wide ? -32767 : -128;
    c->hi = c->wide ? 32767 : 127;
    for (int at = i;; at = w->chains.only[at]) {
        const nn_node *n = nn_graph_node(w->m->folded.graph, at);
        double a, b;
        if (n->op->clamp && n->op->clamp(n, &a, &b)) {
            const int qa = q8_bound(c->out, c->wide, a), qb = q8_bound(c->out, c->wide, b);
            /* what the clamp makes of the ends, also where its range lies beside theirs */
            c->lo = c->lo < qa ? qa : c->lo > qb ? qb : c->lo;
            c->hi = c->hi < qa ? qa : c->hi > qb ? qb : c->hi;
        }
        if (at == w->chains.tail[i]) return;
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

/* Whether the chain of head i computes something. */
static bool computes(const lowering *w, int i)
{
    for (int at = i;; at = w->chains.only[at]) {
        const nn_node *n = nn_graph_node(w->m->folded.graph, at);
        double lo, hi;
        if (n->op->lower || (n->op->clamp && n->op->clamp(n, &lo, &hi))) return true;
        if (at == w->chains.tail[i]) return false;
    }
}

static base_status lower_clamp(const nn_node *n, nn_q8_context *c, nn_q8_layer *l, base_err *err)
{
    const int32_t count = (int32_t)nn_count(n->shape);
    void *p = nn_q8_layer_new(c->wide ? &q8_clip_i16_kernel : &q8_clamp_kernel, c, l);
    if (!p) return base_nomem(err, l->kernel->size);
    if (c->wide)
        *(sotto_clip_i16_t *)p = (sotto_clip_i16_t){count, c->lo, c->hi};
    else
        *(sotto_clamp_t *)p = (sotto_clamp_t){count, c->lo, c->hi};
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

/* A layer more, whose value has the shape of node n. */
static q8_layer *layer_new(lowering *w, const nn_node *n, const nn_q8_context *c, bool wide)
{
    q8_model *m = w->m;
    q8_layer *l = &m->layers[m->n_layers++];
    m->values[m->n_layers] = (q8_value){.shape = n->shape,
                                        .size = (size_t)nn_count(n->shape) * (wide ? 2 : 1),
                                        .wide = wide,
                                        .quant = c->out};
    *l = (q8_layer){.node = n->index, .end = n->index};
    return l;
}

/* Value v, which node n computes, in the other width; narrow, it is quantized as out. */
static base_status convert(lowering *w, const nn_node *n, int v, nn_quant out, base_err *err)
{
    q8_model *m = w->m;
    const bool widen = !m->values[v].wide;
    nn_q8_context c = {.arena = m->arena, .in = {m->values[v].quant}};
    c.out = widen ? (nn_quant){.scale = c.in[0].scale / 128.0} : out;
    q8_layer *l = layer_new(w, n, &c, widen);
    l->converts = true;
    l->n_in = 1;
    l->in[0] = v;
    snprintf(l->name, sizeof l->name, "%.*s:%s", NN_MAX_NAME,
             v > 0 ? m->layers[v - 1].name : n->name, widen ? "widen" : "narrow");
    w->other[v] = m->n_layers;
    return (widen ? q8_lower_widen : q8_lower_narrow)(n, &c, &l->l, err);
}

/* The value of node n in this width. */
static base_status value_of(lowering *w, const nn_node *n, bool wide, int *v, base_err *err)
{
    *v = w->value[n->index];
    if (w->m->values[*v].wide == wide) return BASE_OK;
    if (!w->other[*v]) BASE_TRY(convert(w, n, *v, w->m->quant[n->index], err));
    *v = w->other[*v];
    return BASE_OK;
}

static base_status make_layer(lowering *w, const nn_node *n, base_err *err)
{
    q8_model *m = w->m;
    nn_q8_context c = {.arena = m->arena, .single = m->rounding == Q8_SINGLE};
    int in[NN_MAX_IN] = {0};
    c.weight_bits = m->folded.weight_bits ? m->folded.weight_bits[n->index] : 8;
    c.wide = m->wide && m->wide[n->index] != 0.0;
    if (c.wide && !q8_has_wide(n)) return q8_no_wide(n, err);
    for (int k = 0; k < n->n_in; k++) {
        BASE_TRY(value_of(w, n->in[k], c.wide, &in[k], err));
        c.in[k] = m->values[in[k]].quant;
    }
    const bool same = !n->op->lower || (n->op->flags & NN_SAME_QUANT);
    c.out = !c.wide ? m->quant[n->index] : same ? c.in[0] : (nn_quant){.scale = m->wide[n->index]};
    chain_clamp(w, n->index, &c);
    BASE_TRY(chain_affine(w, n->index, &c, err));
    q8_layer *l = layer_new(w, n, &c, c.wide);
    l->end = w->chains.tail[n->index];
    l->n_in = n->n_in;
    memcpy(l->in, in, sizeof in);
    snprintf(l->name, sizeof l->name, "%s", n->name);
    for (int k = 0; k < n->n_params; k++) c.w[k] = m->folded.weights + n->param[k].offset;
    BASE_TRY((n->op->lower ? n->op->lower : lower_clamp)(n, &c, &l->l, err));
    if (n->op->q8_size) {
        nn_q8_size size = {0};
        n->op->q8_size(n, &size);
        l->l.scratch = size.scratch;
    }
    return BASE_OK;
}

static base_status lower_head(lowering *w, const nn_node *n, base_err *err)
{
    const int tail = w->chains.tail[n->index];
    const bool passes = n->op->clamp || (n->op->flags & NN_IDENTITY);
    int value = w->value[n->in[0]->index];
    if (!n->op->lower && !passes) return no_int8(n, err);
    if (computes(w, n->index)) {
        BASE_TRY(make_layer(w, n, err));
        value = w->m->n_layers;
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
    const size_t most = 2 * (size_t)n + 1; /* values: a conversion of each */
    w.value = base_arena_alloc(m->arena, (size_t)n, sizeof *w.value);
    w.other = base_arena_alloc(m->arena, most, sizeof *w.other);
    m->layers = base_arena_alloc(m->arena, most, sizeof *m->layers);
    m->values = base_arena_alloc(m->arena, most, sizeof *m->values);
    if (!w.value || !w.other || !m->layers || !m->values) return base_nomem(err, most);
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
    int out;
    BASE_TRY(value_of(&w, nn_graph_output(m->folded.graph), false, &out, err));
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

/* Spans of values between layers first, then of the scratch of layers that have some. What is kept
 * is alive all the time, and alone in its place. */
base_status q8_place(q8_model *m, base_err *err)
{
    find_lifetimes(m);
    const size_t n = (size_t)m->n_layers + 1;
    nn_span *span = base_arena_alloc(m->arena, 2 * n, sizeof *span);
    int *slot = base_arena_alloc(m->arena, n, sizeof *slot); /* span of each value between */
    if (!span || !slot) return base_nomem(err, n);
    int spans = 0;
    if (m->values[0].kept) {
        slot[0] = spans;
        span[spans++] = (nn_span){.size = m->values[0].size, .last = m->n_layers};
    }
    for (int v = 1; v < m->n_layers; v++) {
        const q8_layer *l = &m->layers[v - 1];
        const int x = l->in[0];
        if (m->values[v].kept) {
            slot[v] = spans;
            span[spans++] = (nn_span){.size = m->values[v].size, .last = m->n_layers};
            continue;
        }
        const bool shared =
            l->l.kernel->in_place && x > 0 && m->values[x].last == v - 1 && !m->values[x].kept;
        slot[v] = shared ? slot[x] : spans++;
        if (!shared) span[slot[v]] = (nn_span){.size = m->values[v].size, .first = v - 1};
        span[slot[v]].last = m->values[v].last;
    }
    const int values = spans;
    for (int k = 0; k < m->n_layers; k++)
        if (m->layers[k].l.scratch > 0)
            span[spans++] = (nn_span){.size = m->layers[k].l.scratch,
                                      .first = m->layers[k].kept ? 0 : k,
                                      .last = m->layers[k].kept ? m->n_layers : k};
    m->work = spans ? nn_plan(span, spans, 4) : 0;
    if (m->values[0].kept) m->values[0].offset = span[slot[0]].offset;
    for (int v = 1; v < m->n_layers; v++) m->values[v].offset = span[slot[v]].offset;
    for (int k = 0, s = values; k < m->n_layers; k++)
        if (m->layers[k].l.scratch > 0) m->layers[k].scratch = span[s++].offset;
    return BASE_OK;
}
