/* See train/parent.h. */
#include "train/parent.h"

#include "train/filehash.h"

#include <stdlib.h>
#include <string.h>

base_status parent_open(parent *p, const char *path, base_err *err)
{
    *p = (parent){0};
    base_status status = nn_model_path(path, &p->path, err);
    if (status == BASE_OK) status = nn_model_load(p->path, &p->model, err);
    if (status == BASE_OK) status = filehash(p->path, p->sha256, err);
    if (status != BASE_OK) parent_close(p);
    return status;
}

void parent_close(parent *p)
{
    nn_model_free(p->model);
    free(p->path);
    *p = (parent){0};
}

static const nn_param *tensor_of(const nn_graph *g, const char *node, const nn_param *like)
{
    const nn_node *n = nn_graph_find(g, node);
    for (int k = 0; n && k < n->n_params; k++)
        if (strcmp(n->param[k].name, like->name) == 0 &&
            nn_same_shape(n->param[k].shape, like->shape))
            return &n->param[k];
    return NULL;
}

int parent_weights(const parent *p, const nn_graph *g, nn_real *weights, int *all)
{
    int found = 0;
    *all = 0;
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++, ++*all) {
            const nn_param *to = &n->param[k], *from = tensor_of(p->model->graph, n->name, to);
            if (!from) continue;
            memcpy(weights + to->offset, p->model->weights + from->offset,
                   to->count * sizeof *weights);
            found++;
        }
    }
    return found;
}
