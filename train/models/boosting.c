/* Boosted trees on what a random forest sees (train.fit = boosting, by XGBoost). A round has a tree
 * for each class, with one number a leaf. Width is how many segments, blocks how many rounds.
 */
#include "train/models/segments.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return nn_trees(zoo_pooled(x, o), "y", "trees=%d leaves=%d out=%d shared=no", o->blocks,
                    o->leaves, o->classes);
}

const zoo_model zoo_boosting = {
    .name = "boosting",
    .summary = "gradient-boosted trees on segments",
    .source = "classifiers of train.fit",
    .width = {5},
    .scales = "segments",
    .blocks = 32,
    .leaves = 16,
    .features = "mfcc_49x10",
    .build = build,
};
