/* zoo: architectures by name. One file train/models/<name>.c builds the graph for an input of
 * frames x bins x 1 and a number of classes; one line in train/models.def lists it.
 */
#ifndef TRAIN_ZOO_H
#define TRAIN_ZOO_H

#include "nn/nn.h"

typedef struct zoo_options {
    int frames, bins, classes;
    int width;      /* channels of the body; the architecture's own when 0 */
    double dropout; /* share dropped before the classifier; the architecture's own when negative */
} zoo_options;

typedef struct zoo_model {
    const char *name, *summary, *source; /* source: the paper or benchmark */
    int width;                           /* what width = 0 means */
    double dropout;
    const char *features; /* preset it is meant for */
    /* Adds the body to x [frames, bins, 1] and returns the logits; options are resolved. */
    nn_node *(*build)(nn_node *x, const zoo_options *o);
} zoo_model;

extern const zoo_model *const zoo_models[];
extern const int zoo_n_models;

/* BASE_USAGE with the nearest name when unknown. */
base_status zoo_find(const char *name, const zoo_model **model, base_err *err);
/* The graph, ending in the logits "y". BASE_USAGE when the options do not fit together. */
base_status zoo_build(const zoo_model *model, zoo_options o, nn_graph **g, base_err *err);

/* The same at its own width, on the features it is meant for. */
base_status zoo_build_default(const zoo_model *model, int classes, nn_graph **g, base_err *err);

#endif
