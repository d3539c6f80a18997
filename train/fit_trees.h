/* fit_trees: forests of decision trees from samples, written as the operator trees has them
 * (nn/ops/trees.c).
 */
#ifndef TRAIN_FIT_TREES_H
#define TRAIN_FIT_TREES_H

#include "train/fit.h"

#include <signal.h>

/* Parameters of the operator; borrowed. A tree has leaves - 1 places for nodes, any of which may
 * stay empty. */
typedef struct fit_trees {
    int trees, leaves, classes;
    bool shared;                         /* one tree a round for all classes, else one for each */
    nn_real *feature, *threshold, *left; /* [trees, 1 or classes, leaves - 1] */
    nn_real *leaf;                       /* [trees, leaves, classes] */
    nn_real *bias;                       /* [classes] */
} fit_trees;

/* A random forest (Breiman, "Random forests", Machine Learning 45, 2001) of shared trees: each
 * grows on as many samples as there are, drawn with replacement, by splits of the largest decrease
 * of the Gini impurity among sqrt(dims) features drawn for each node, most of all leaves first,
 * until it has `leaves` leaves or all are pure; thresholds are among 255 quantiles of a feature. A
 * leaf has the shares of the classes in it by the number of trees, so that outputs are
 * probabilities. */
base_status fit_forest(const fit_samples *s, uint64_t seed, base_pool *pool, const fit_trees *to,
                       base_err *err);

/* Whether XGBoost is there to boost with. */
bool fit_can_boost(void);
/* Gradient boosting (Friedman, Annals of Statistics 29, 2001) of trees that are not shared, by
 * XGBoost (Chen and Guestrin, KDD 2016): softmax, histograms, best leaf first, each round on 0.8 of
 * the samples and 0.3 of the features a node, what a tree says multiplied by `rate`; one thread,
 * as sums depend on their number. BASE_FAILED with what XGBoost says. */
base_status fit_boosting(const fit_samples *s, double rate, uint64_t seed,
                         const volatile sig_atomic_t *stop, const fit_trees *to, base_err *err);

/* ---- for the fits ---- */

/* A node of a tree that grows: x[feature] < threshold goes to node `left`, else to `right`; left
 * is 0 for a leaf. Node 0 is the root. */
typedef struct fit_node {
    int left, right, feature;
    double threshold;
} fit_node;
/* Write the tree as tree k (counted over all rounds) of `to`; at[i] becomes which leaf node i is,
 * of leaves. It has `leaves` leaves at most. */
void fit_trees_put(const fit_trees *to, int k, const fit_node *node, int *at);

#endif
