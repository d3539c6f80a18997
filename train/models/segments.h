/* segments: features averaged over segments of time, for the architectures that begin so. */
#ifndef TRAIN_MODELS_SEGMENTS_H
#define TRAIN_MODELS_SEGMENTS_H

#include "train/zoo.h"

/* x [frames, bins, 1] to [o->width * bins]: the means of segments of equal length, the last one as
 * long as what is left; fewer segments where whole frames give no more. */
nn_node *zoo_segments(nn_node *x, const zoo_options *o);
/* The same, and then the maxima of the segments: twice as many. */
nn_node *zoo_pooled(nn_node *x, const zoo_options *o);

#endif
