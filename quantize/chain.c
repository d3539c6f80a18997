/* chain: which nodes of a folded graph one int8 layer computes. */
#include "quantize/internal.h"

/* Whether node n, behind what the chain of head i has so far, is part of that layer. */
static bool joins(const nn_graph *g, const q8_chains *c, int i, const nn_node *n)
{
    if (n->op->clamp || (n->op->flags & NN_IDENTITY)) return true;
    const bool first = c->range[i] == i && c->affine[i] < 0;
    return first && (nn_graph_node(g, i)->op->flags & NN_BANDS) && n->op->affine;
}

static void find_readers(const nn_graph *g, q8_chains *c)
{
    const int n = nn_graph_nodes(g);
    c->live[n - 1] = true;
    for (int i = n - 1; i >= 0; i--) {
        if (!c->live[i]) continue;
        const nn_node *node = nn_graph_node(g, i);
        for (int k = 0; k < node->n_in; k++) {
            const int from = node->in[k]->index;
            c->live[from] = true;
            c->readers[from]++;
            c->only[from] = i;
        }
    }
}

base_status q8_chains_make(const nn_graph *g, base_arena *arena, q8_chains *c, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(g);
    c->readers = base_arena_alloc(arena, n, sizeof *c->readers);
    c->only = base_arena_alloc(arena, n, sizeof *c->only);
    c->live = base_arena_alloc(arena, n, sizeof *c->live);
    c->head = base_arena_alloc(arena, n, sizeof *c->head);
    c->tail = base_arena_alloc(arena, n, sizeof *c->tail);
    c->range = base_arena_alloc(arena, n, sizeof *c->range);
    c->affine = base_arena_alloc(arena, n, sizeof *c->affine);
    if (!c->readers || !c->only || !c->live || !c->head || !c->tail || !c->range || !c->affine)
        return base_nomem(err, n);
    find_readers(g, c);
    for (int i = 0; i < (int)n; i++) {
        c->head[i] = c->tail[i] = c->range[i] = i;
        c->affine[i] = -1;
    }
    for (int i = 0; i < (int)n; i++) {
        const nn_node *node = nn_graph_node(g, i);
        if (!c->live[i] || c->head[i] != i || node->n_in == 0) continue;
        for (int at = i; c->readers[at] == 1 && joins(g, c, i, nn_graph_node(g, c->only[at]));) {
            at = c->only[at];
            c->head[at] = i;
            c->tail[i] = at;
            const nn_op *op = nn_graph_node(g, at)->op;
            if (op->affine) c->affine[i] = at;
            if (op->affine || op->clamp) c->range[i] = at;
        }
    }
    return BASE_OK;
}
