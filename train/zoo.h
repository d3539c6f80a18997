/* zoo: architectures by name. One file train/models/<name>.c builds the graph for features of
 * frames x bins and a number of classes; one line in train/models.def lists it.
 */
#ifndef TRAIN_ZOO_H
#define TRAIN_ZOO_H

#include "nn/nn.h"

typedef enum zoo_size { ZOO_S, ZOO_M, ZOO_L, ZOO_SIZES } zoo_size;

typedef struct zoo_options {
    int frames, bins, classes;
    zoo_size size;
    double width;   /* channels of the body, or what the architecture's `scales` says; 0: its own */
    int blocks;     /* how many, where the architecture takes that; 0: its own */
    int repeats;    /* layers of a block, likewise */
    int leaves;     /* of a tree, likewise */
    int nearest;    /* templates of a class that count, likewise */
    double dropout; /* share dropped before the classifier; negative: its own */
} zoo_options;

typedef struct zoo_model {
    const char *name, *summary, *source;  /* source: the paper or benchmark */
    double width[ZOO_SIZES];              /* its own, by size; 0 where there is no such size */
    const char *scales;                   /* what width counts: "channels", "tau", "times" */
    int blocks, repeats, leaves, nearest; /* its own; 0: not taken */
    double dropout;
    const char *features;               /* preset it is meant for, */
    const char *features_of[ZOO_SIZES]; /* and by size where that differs; NULL: features */
    bool temporal;                      /* bins are channels: the input is frames x 1 x bins */
    /* Adds the body to x [frames, bins, 1] (temporal: [frames, 1, bins]), ending in the logits "y";
     * options are resolved. */
    nn_node *(*build)(nn_node *x, const zoo_options *o);
} zoo_model;

extern const zoo_model *const zoo_models[];
extern const int zoo_n_models;

/* BASE_USAGE with the nearest name when unknown. */
base_status zoo_find(const char *name, const zoo_model **model, base_err *err);
/* The graph. BASE_USAGE when the options do not fit the architecture or each other. */
base_status zoo_build(const zoo_model *model, zoo_options o, nn_graph **g, base_err *err);

bool zoo_has_size(const zoo_model *model, zoo_size size);
/* The preset that this size is meant for. */
const char *zoo_features(const zoo_model *model, zoo_size size);
/* A size at its own width, on the features it is meant for. */
base_status zoo_build_default(const zoo_model *model, zoo_size size, int classes, nn_graph **g,
                              base_err *err);
extern const char *const zoo_sizes[]; /* "s", "m", "l", NULL */

/* ---- for the architectures' files ---- */

/* "stem7" + ".bn" and the like: the name of a node, good until the end of the full expression. */
typedef struct zoo_name {
    char s[NN_MAX_NAME];
} zoo_name;
zoo_name zoo_named(const char *fmt, ...) BASE_PRINTF(1, 2);

/* batchnorm "<stem>.bn", then relu "<stem>.relu". */
nn_node *zoo_norm_relu(nn_node *x, const char *stem);

#endif
