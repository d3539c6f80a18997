/* prototype: a model whose last layer, dense or trees, is fitted (train/fit.h, fit_trees.h) instead
 * of led down a gradient. What lies before that layer stays as it is: nothing to learn in the
 * architectures linear, gmm, forest and boosting, the weights of train.init in others.
 */
#ifndef TRAIN_PROTOTYPE_H
#define TRAIN_PROTOTYPE_H

#include "train/session.h"

typedef struct prototype_result {
    int64_t seen, correct; /* training clips, and those that the model then classifies correctly */
    double loss;           /* their mean cross-entropy */
    double l2;             /* logistic, svm: as given, or chosen on the validation clips */
} prototype_result;

/* Whether train.fit suits the graph and the rest of the settings; BASE_USAGE when not. */
base_status prototype_check(const session *s, base_err *err);
/* Set the layer's weights, in session_trained, from train.epochs times through the training clips
 * as they are augmented. Its outputs are scaled so that their softmax fits the validation clips, or
 * without those the training clips. BASE_INTERRUPTED when asked to stop. */
base_status prototype_fit(session *s, const train_hooks *hooks, prototype_result *r, base_err *err);

#endif
