/* setup: all settings of a training run, as a config over them and as the graph they ask for. */
#ifndef TRAIN_SETUP_H
#define TRAIN_SETUP_H

#include "data/data.h"
#include "train/gates.h"
#include "train/pipeline.h"
#include "train/problem.h"
#include "train/settings.h"
#include "train/space.h"

/* Int8 as a run simulates it, which quantize/ makes; train/ does not know how. */
typedef struct train_int8 {
    void *ctx;
    const nn_model *start; /* what train.init is as int8: folded, with quantization of the nodes at
                            * which int8 rounds */
    const nn_twin *twin;   /* its integers */
    /* The twin becomes that of these weights and ranges. */
    base_status (*set)(void *ctx, const nn_real *weights, const nn_quant *quant, base_err *err);
    /* Ranges moved a share of the way to those that these weights want. */
    base_status (*move)(void *ctx, const nn_real *weights, double share, nn_quant *quant,
                        base_err *err);
} train_int8;

typedef struct train_setup {
    problem_settings problem;
    data_config data;
    dsp_config features;
    data_augment augment;
    model_settings model;
    train_settings train;
    quantize_settings quantize;
    target_settings target;
    gate_settings gates;
    pipeline_settings pipeline; /* what `sotto pipeline` does; a run does not look at it */
    sweep_space sweep;          /* what `sotto sweep` varies; a run does not look at it */
    const train_int8 *int8; /* train.qat: of train.init, borrowed, set by train_run; NULL: float */
} train_setup;

/* Defaults: SC-8's keywords, mfcc_49x10, ds_cnn. */
train_setup train_setup_default(void);
/* A config whose sections are s, which must outlive it. */
base_status train_config_new(train_setup *s, config **cfg, base_err *err);
/* An architecture by name: its recipe (train/recipes/<name>.ini), or without one the defaults on
 * the features that it is meant for; then the overrides, n of "section.key=value". model.size among
 * them brings the features of that size unless features.preset is there too. Afterwards s holds it
 * all, unchecked. BASE_USAGE when the name is none of the zoo's. */
base_status train_config_named(config *cfg, train_setup *s, const char *name,
                               char *const *overrides, int n, base_err *err);

/* Files by their full paths, so that a run can be resumed from anywhere; a path that config.ini
 * cannot hold stays as it is. */
void train_config_absolute(config *cfg, const train_setup *s);

/* Keywords and the two classes that come with them. */
base_status train_setup_classes(const train_setup *s, int *classes, base_err *err);
/* Epochs of the whole run, those in float and those with simulated int8. */
int64_t train_setup_epochs(const train_setup *s);

/* The graph of [model] for [features] and a number of classes: from model.file or the zoo, ending
 * in the logits. BASE_USAGE when it does not take these features or give these classes. */
base_status train_graph_new(const train_setup *s, int classes, nn_graph **g, base_err *err);

/* That of [model] in the zoo, for features of another shape. */
base_status train_graph_zoo(const train_setup *s, int frames, int bins, int classes, nn_graph **g,
                            base_err *err);

#endif
