/* What TENet6 and 12 share. */
#ifndef TRAIN_MODELS_TENET_H
#define TRAIN_MODELS_TENET_H

#include "train/zoo.h"

/* Temporal efficient network: a convolution over 3 frames, then three stages of `depth` inverted
 * bottlenecks, the first of which halves time. Depthwise convolutions are MTConvs: kernels over 3,
 * 5, 7 and 9 frames, each normalized for itself, summed; one over 9 frames once deployed. */
nn_node *tenet_build(nn_node *x, const zoo_options *o, int depth);

#endif
