/* graph: the inside of nn_graph, for nn/ itself. */
#ifndef NN_GRAPH_H
#define NN_GRAPH_H

#include "nn/op.h"

struct nn_graph {
    base_arena *arena;
    nn_node **node;
    size_t n, cap;
    size_t n_params;
    int line; /* of the text being parsed, 0 otherwise */
    base_err err;
};

/* The one way a node comes to be. attrs is text; like (or NULL): start from its attributes. On
 * error sets g->err and returns NULL. */
nn_node *nn_graph_add(nn_graph *g, const char *op, const char *name, nn_node *const *in, int n_in,
                      const char *attrs, const nn_node *like);

const char *nn_op_nearest(const char *name); /* operator name near to it, or NULL */

#endif
