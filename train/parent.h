/* parent: a trained model on disk that a run builds on: the weights that it starts from
 * (train.init), the teacher that it listens to (teacher.h). */
#ifndef TRAIN_PARENT_H
#define TRAIN_PARENT_H

#include "nn/nn.h"

typedef struct parent {
    nn_model *model; /* NULL: none */
    char *path;      /* of the model file */
    char sha256[65]; /* of its bytes, in hex */
} parent;

/* path: a model file or the directory of a finished run. On failure nothing is left open. */
base_status parent_open(parent *p, const char *path, base_err *err);
void parent_close(parent *p); /* a zeroed one is fine */

/* Copies what fits: tensors of p whose node, name and shape are found in g. weights: of g. Returns
 * how many of *all tensors of g that were. */
int parent_weights(const parent *p, const nn_graph *g, nn_real *weights, int *all);

#endif
