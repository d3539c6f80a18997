/* What TC-ResNet8 and 14 share. */
#ifndef TRAIN_MODELS_TC_RESNET_H
#define TRAIN_MODELS_TC_RESNET_H

#include "train/zoo.h"

/* Temporal convolution residual network: a convolution over 3 frames to channels[0], then a block
 * for each of the n - 1 further entries, which halves time where the channels change. */
nn_node *tc_resnet_build(nn_node *x, const zoo_options *o, const int *channels, int n);

#endif
