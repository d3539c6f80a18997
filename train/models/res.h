/* What res8 and res15 share. */
#ifndef TRAIN_MODELS_RES_H
#define TRAIN_MODELS_RES_H

#include "train/zoo.h"

/* Residual network of Tang and Lin: a 3x3 convolution, a mean over pool ("4x3"; NULL: none), then
 * `layers` 3x3 convolutions, every second of which adds what went in before it. With dilated,
 * layer i (from 0) has dilation 2^(i/3). Batchnorm without parameters follows activation and sum.
 */
nn_node *res_build(nn_node *x, const zoo_options *o, int layers, const char *pool, bool dilated);

#endif
