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
} train_setup;

/* Defaults: SC-8's keywords, mfcc_49x10, ds_cnn. */
train_setup train_setup_default(void);
/* A config whose sections are s, which must outlive it. */
base_status train_config_new(train_setup *s, config **cfg, base_err *err);

/* The graph of [model] for [features] and a number of classes: from model.file or the zoo, ending
 * in the logits. BASE_USAGE when it does not take these features or give these classes. */
base_status train_graph_new(const train_setup *s, int classes, nn_graph **g, base_err *err);

#endif
