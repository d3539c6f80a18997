/* Trees that have grown as nodes in preorder. See train/fit_trees.h. */
#include "train/fit_trees.h"

#include <float.h>
#include <string.h>

typedef struct writing {
    const fit_trees *to;
    const fit_node *node;
    int *at;
    size_t first; /* place of the tree's first node */
    int nodes, leaves;
} writing;

static int count_nodes(const fit_node *node, int i)
{
    if (node[i].left == 0) return 0;
    return 1 + count_nodes(node, node[i].left) + count_nodes(node, node[i].right);
}

static void put(writing *w, int i)
{
    const fit_node *n = &w->node[i];
    if (n->left == 0) {
        w->at[i] = w->leaves++;
        return;
    }
    const size_t place = w->first + (size_t)w->nodes++;
    w->to->feature[place] = (nn_real)n->feature;
    w->to->threshold[place] = (nn_real)n->threshold;
    w->to->left[place] = (nn_real)count_nodes(w->node, n->left);
    put(w, n->left);
    put(w, n->right);
}

/* A tree with places to spare has them all left of a node in front, where no x goes. */
void fit_trees_put(const fit_trees *to, int k, const fit_node *node, int *at)
{
    const int places = to->leaves - 1, spare = places - count_nodes(node, 0);
    const size_t first = (size_t)k * (size_t)places;
    writing w = {to, node, at, first, spare, spare};
    for (int i = 0; i < spare; i++) {
        to->feature[first + (size_t)i] = to->left[first + (size_t)i] = 0;
        to->threshold[first + (size_t)i] = -FLT_MAX;
    }
    if (spare > 0) to->left[first] = (nn_real)(spare - 1);
    put(&w, 0);
}
