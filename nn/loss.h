/* loss: what loss operators have in common: the shape of their inputs, and the softmax. */
#ifndef NN_LOSS_H
#define NN_LOSS_H

#include "nn/op.h"

#include <math.h>

/* All inputs must have the shape of the first; the output is one number a sample. */
base_status nn_loss_shape(nn_node *n, base_err *err);
/* nn_loss_shape for logits over classes: one dimension. */
base_status nn_logits_shape(nn_node *n, base_err *err);

/* log softmax(x / temperature) of k numbers without overflow: the largest is taken off before. A
 * NaN anywhere makes all of it NaN. */
typedef struct nn_softmax {
    double top, temperature, log_sum;
} nn_softmax;
nn_softmax nn_softmax_of(const nn_real *x, int k, double temperature);

/* Its value where x is. */
static inline double nn_log_softmax(const nn_softmax *s, nn_real x)
{
    return ((double)x - s->top) / s->temperature - s->log_sum;
}

/* q = (1 - smoothing) t + smoothing / k (Szegedy et al., arXiv 1512.00567) */
static inline double nn_smoothed(double smoothing, nn_real t, int k)
{
    return (1 - smoothing) * (double)t + smoothing / k;
}

#endif
