/* A random forest on segments of time: their means, and what is largest in them (train.fit =
 * forest). One tree a round has leaves with the shares of all classes. Width is how many segments,
 * blocks how many trees.
 */
#include "train/models/segments.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return nn_trees(zoo_pooled(x, o), "y", "trees=%d leaves=%d out=%d", o->blocks, o->leaves,
                    o->classes);
}

const zoo_model zoo_forest = {
    .name = "forest",
    .summary = "a random forest on segments",
    .source = "classifiers of train.fit",
    .width = {5},
    .scales = "segments",
    .blocks = 50,
    .leaves = 64,
    .features = "mfcc_49x10",
    .build = build,
};
