/* merge: parallel linear branches as one. Convolutions of the same input with equal stride and
 * dilation whose outputs are added (and read by nobody else) are one convolution with the largest
 * kernel: the others, padded with zeros where the largest reaches further, add to its weights, and
 * biases add up. Exact; multi-scale temporal convolution (Li et al., arXiv 2010.09960) and
 * structural re-parameterization (Ding et al., RepVGG, arXiv 2101.03697) are trained in branches
 * and deployed so. Works on a folded graph, and on any operator whose weights are
 * [kh, kw, ...] for an attribute `kernel`.
 */
#include "quantize/internal.h"

#include <string.h>

typedef struct merging {
    const nn_graph *from;
    const nn_real *weights;
    q8_chains c;
    int *widest;    /* of each old node that is such a sum or branch: its largest branch; or -1 */
    bool *absorbed; /* part of a larger sum */
    nn_node **node; /* old node to new */
    int *source;    /* new node to the old one it stands for */
    nn_graph *to;
    base_arena *arena;
} merging;

const void *q8_attribute(const nn_node *n, const char *key, nn_attr_type type)
{
    for (int i = 0; i < n->op->n_attrs; i++)
        if (n->op->attrs[i].type == type && strcmp(n->op->attrs[i].key, key) == 0)
            return (const char *)n->attrs + n->op->attrs[i].offset;
    return NULL;
}

const nn_real *q8_param(const nn_node *n, const nn_real *weights, const char *name)
{
    for (int k = 0; k < n->n_params; k++)
        if (strcmp(n->param[k].name, name) == 0) return weights + n->param[k].offset;
    return NULL;
}

/* False when n is no convolution. */
static bool windows_of(const nn_node *n, nn_window win[2])
{
    const int *kernel = q8_attribute(n, "kernel", NN_PAIR),
              *stride = q8_attribute(n, "stride", NN_PAIR);
    const int *dilation = q8_attribute(n, "dilation", NN_PAIR);
    const nn_pad *pad = q8_attribute(n, "pad", NN_PAD);
    if (!kernel || !stride || !dilation || !pad || !q8_attribute(n, "bias", NN_YESNO)) return false;
    if (n->n_params == 0 || n->param[0].role != NN_WEIGHT) return false;
    return nn_windows(n, kernel, stride, dilation, *pad, win, NULL) == BASE_OK;
}

/* Whether all attributes agree but those that branches have of their own. */
static bool same_attributes(const nn_node *a, const nn_node *b)
{
    static const char *const own[] = {"kernel", "pad", "bias"};
    bool same = a->op == b->op;
    for (int i = 0; same && i < a->op->n_attrs; i++) {
        const char *key = a->op->attrs[i].key;
        bool geometry = false;
        for (size_t k = 0; k < BASE_COUNT(own); k++) geometry |= strcmp(key, own[k]) == 0;
        if (geometry) continue;
        base_str x = {0}, y = {0};
        same = nn_attr_get(a, key, &x) && nn_attr_get(b, key, &y) && !x.failed && !y.failed &&
               strcmp(x.s, y.s) == 0;
        base_str_free(&x);
        base_str_free(&y);
    }
    return same;
}

/* Where the kernel of branch `a` lies within that of `in`; false when it does not. */
static bool place_in(const nn_node *a, const nn_node *in, int at[2])
{
    nn_window wa[2], wb[2];
    if (a->in[0] != in->in[0] || !same_attributes(a, in) || !nn_same_shape(a->shape, in->shape) ||
        !windows_of(a, wa) || !windows_of(in, wb))
        return false;
    for (int i = 0; i < 2; i++) {
        const int shift = wb[i].before - wa[i].before; /* in positions of the input */
        if (shift < 0 || shift % wa[i].dilation) return false;
        at[i] = shift / wa[i].dilation;
        if (at[i] + wa[i].kernel > wb[i].kernel) return false;
    }
    return true;
}

/* The larger of two branches when the other fits in it, else -1. */
static int larger(const merging *m, int a, int b)
{
    const nn_node *x = nn_graph_node(m->from, a), *y = nn_graph_node(m->from, b);
    int at[2];
    return place_in(x, y, at) ? b : place_in(y, x, at) ? a : -1;
}

/* Fills widest and absorbed; true when there is a sum. */
static bool find_sums(merging *m)
{
    const nn_op *add = nn_op_find("add");
    bool any = false;
    for (int i = 0; i < nn_graph_nodes(m->from); i++) {
        const nn_node *n = nn_graph_node(m->from, i);
        nn_window win[2];
        m->widest[i] = n->op->lower && windows_of(n, win) ? i : -1;
        if (n->op != add || n->n_in != 2 || !m->c.live[i]) continue;
        const int a = n->in[0]->index, b = n->in[1]->index;
        if (m->c.readers[a] != 1 || m->c.readers[b] != 1) continue;
        if (m->widest[a] < 0 || m->widest[b] < 0) continue;
        m->widest[i] = larger(m, m->widest[a], m->widest[b]);
        if (m->widest[i] >= 0) m->absorbed[a] = m->absorbed[b] = any = true;
    }
    return any;
}

static bool has_bias(const merging *m, const nn_node *n)
{
    if (n->n_in == 2) return has_bias(m, n->in[0]) || has_bias(m, n->in[1]);
    return *(const bool *)q8_attribute(n, "bias", NN_YESNO);
}

static base_status copy_graph(merging *m, base_err *err)
{
    for (int i = 0; i < nn_graph_nodes(m->from); i++) {
        const nn_node *n = nn_graph_node(m->from, i);
        if (m->absorbed[i] || !m->c.live[i]) continue;
        const bool sum = m->widest[i] >= 0 && m->widest[i] != i;
        const nn_node *as = sum ? nn_graph_node(m->from, m->widest[i]) : n;
        nn_node *in[NN_MAX_IN] = {0};
        for (int k = 0; k < as->n_in; k++) in[k] = m->node[as->in[k]->index];
        nn_node *copy = nn_copy(m->to, as, in, sum && has_bias(m, n) ? "bias=yes" : "");
        if (!copy) return q8_no_copy(n, m->to, err);
        m->node[i] = copy;
        m->source[copy->index] = i;
    }
    return nn_graph_check(m->to, err);
}

/* Adds the branches under old node n to the weights of the one they became. */
static void add_branches(const merging *m, const nn_node *n, const nn_node *widest,
                         const nn_node *to, nn_real *weights)
{
    if (n->n_in == 2) {
        add_branches(m, n->in[0], widest, to, weights);
        add_branches(m, n->in[1], widest, to, weights);
        return;
    }
    int at[2];
    place_in(n, widest, at);
    const int *small = n->param[0].shape.d, *large = to->param[0].shape.d;
    const size_t inner = n->param[0].count / (size_t)(small[0] * small[1]);
    for (int i = 0; i < small[0]; i++)
        for (int j = 0; j < small[1]; j++) {
            const nn_real *w = m->weights + n->param[0].offset + (size_t)(i * small[1] + j) * inner;
            nn_real *y = weights + to->param[0].offset +
                         (size_t)((i + at[0]) * large[1] + j + at[1]) * inner;
            for (size_t k = 0; k < inner; k++) y[k] += w[k];
        }
    if (n->n_params < 2) return;
    const nn_real *b = m->weights + n->param[1].offset;
    for (size_t k = 0; k < n->param[1].count; k++) weights[to->param[1].offset + k] += b[k];
}

static void merge_weights(const merging *m, nn_real *weights)
{
    memset(weights, 0, nn_graph_params(m->to) * sizeof *weights);
    for (int i = 0; i < nn_graph_nodes(m->to); i++) {
        const nn_node *n = nn_graph_node(m->to, i);
        const nn_node *old = nn_graph_node(m->from, m->source[i]);
        if (m->widest[old->index] >= 0) {
            add_branches(m, old, nn_graph_node(m->from, m->widest[old->index]), n, weights);
            continue;
        }
        for (int k = 0; k < n->n_params; k++)
            memcpy(weights + n->param[k].offset, m->weights + old->param[k].offset,
                   n->param[k].count * sizeof *weights);
    }
}

/* m->to stays NULL when there is nothing to merge. */
static base_status merge(merging *m, nn_real **weights, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(m->from);
    m->arena = base_arena_new();
    if (!m->arena) return base_nomem(err, n);
    m->widest = base_arena_alloc(m->arena, n, sizeof *m->widest);
    m->absorbed = base_arena_alloc(m->arena, n, sizeof *m->absorbed);
    m->node = base_arena_alloc(m->arena, n, sizeof *m->node);
    m->source = base_arena_alloc(m->arena, n, sizeof *m->source);
    if (!m->widest || !m->absorbed || !m->node || !m->source) return base_nomem(err, n);
    BASE_TRY(q8_chains_make(m->from, m->arena, &m->c, err));
    if (!find_sums(m)) return BASE_OK;
    m->to = nn_graph_new();
    if (!m->to) return base_nomem(err, n);
    BASE_TRY(copy_graph(m, err));
    const size_t count = nn_graph_params(m->to);
    *weights = base_alloc(count, sizeof **weights);
    if (!*weights) return base_nomem(err, count * sizeof **weights);
    merge_weights(m, *weights);
    return BASE_OK;
}

base_status q8_merge(nn_graph **g, nn_real **weights, base_err *err)
{
    merging m = {.from = *g, .weights = *weights};
    nn_real *merged = NULL;
    const base_status status = merge(&m, &merged, err);
    if (status != BASE_OK) {
        nn_graph_free(m.to);
    } else if (m.to) {
        base_free(*weights);
        nn_graph_free(*g);
        *g = m.to;
        *weights = merged;
    }
    base_arena_free(m.arena);
    return status;
}
