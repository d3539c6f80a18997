/* part: some nodes of a graph as a net of their own; what they read from outside is its input. */
#include "quantize/internal.h"

#include <string.h>

static base_status copy_inside(const nn_graph *g, const bool *inside, q8_part *p, int *source,
                               nn_node **node, base_err *err)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        nn_node *in[NN_MAX_IN] = {0};
        if (!inside[i]) continue;
        for (int k = 0; k < n->n_in; k++) {
            const nn_node *from = n->in[k];
            char shape[64];
            if (!node[from->index]) {
                p->from[p->n_in++] = from->index;
                node[from->index] = nn_append(p->graph, "input", from->name, NULL, 0, "%s",
                                              nn_shape_text(from->shape, shape));
            }
            in[k] = node[from->index];
        }
        nn_node *copy = nn_copy(p->graph, n, in, "");
        if (!copy) return q8_no_copy(n, p->graph, err);
        node[i] = copy;
        source[copy->index] = i;
    }
    return nn_graph_check(p->graph, err);
}

static base_status make(const nn_graph *g, const nn_real *weights, const bool *inside, int batch,
                        base_arena *arena, q8_part *p, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(g);
    int *source = base_arena_alloc(arena, 2 * n, sizeof *source);
    nn_node **node = base_arena_alloc(arena, n, sizeof(nn_node *));
    p->from = base_arena_alloc(arena, n, sizeof *p->from);
    p->graph = nn_graph_new();
    if (!source || !node || !p->from || !p->graph) return base_nomem(err, n);
    BASE_TRY(copy_inside(g, inside, p, source, node, err));
    BASE_TRY(nn_net_new(p->graph, (nn_net_options){.batch = batch, .shards = 1}, &p->net, err));
    nn_real *own = nn_net_weights(p->net);
    for (int i = 0; i < nn_graph_nodes(p->graph); i++) {
        const nn_node *to = nn_graph_node(p->graph, i), *from = nn_graph_node(g, source[i]);
        for (int k = 0; k < to->n_params; k++)
            memcpy(own + to->param[k].offset, weights + from->param[k].offset,
                   to->param[k].count * sizeof *own);
    }
    return BASE_OK;
}

base_status q8_part_new(const nn_graph *g, const nn_real *weights, const bool *inside, int batch,
                        base_arena *arena, q8_part *p, base_err *err)
{
    *p = (q8_part){0};
    const base_status status = make(g, weights, inside, batch, arena, p, err);
    if (status != BASE_OK) q8_part_free(p);
    return status;
}

void q8_part_free(q8_part *p)
{
    nn_net_free(p->net);
    nn_graph_free(p->graph);
    *p = (q8_part){0};
}
