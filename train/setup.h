/* setup: all settings of a training run, as a config over them and as the graph they ask for. */
#ifndef TRAIN_SETUP_H
#define TRAIN_SETUP_H

#include "data/data.h"
#include "train/settings.h"

typedef struct train_setup {
    data_config data;
    dsp_config features;
    data_augment augment;
    model_settings model;
    train_settings train;
    const nn_model *start; /* train.qat: what train.init is as int8, folded and with quantization
                            * (q8_simulated); borrowed */
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

/* The graph of [model] for [features] and a number of classes: from model.file or the zoo, ending
 * in the logits. BASE_USAGE when it does not take these features or give these classes. */
base_status train_graph_new(const train_setup *s, int classes, nn_graph **g, base_err *err);

#endif
