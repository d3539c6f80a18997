/* A mixture of Gaussians with diagonal covariances for each class, on means over segments of time
 * (train.fit = gmm). The log-likelihood of a component is linear in the numbers and their squares:
 * one dense layer, which a relu keeps above where no class is likely (int8 would spend its values
 * there); a class is scored by its most likely component, which differs from the sum over all by at
 * most the logarithm of their number. Width is how many segments, blocks how many components a
 * class has.
 */
#include "train/models/segments.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = zoo_segments(x, o);
    nn_node *const both[] = {x, nn_mul(x, x, "squares")};
    x = nn_concat(x ? x->graph : NULL, both, 2, "both", "axis=0");
    x = nn_dense(x, "components", "out=%d", o->classes * o->blocks);
    x = nn_relu(x, "likely");
    x = nn_reshape(x, "classes", "shape=%dx%d", o->classes, o->blocks);
    return nn_max(x, "y", "axes=1 keep=no");
}

const zoo_model zoo_gmm = {
    .name = "gmm",
    .summary = "Gaussian mixtures on segments",
    .source = "classifiers of train.fit",
    .width = {5},
    .scales = "segments",
    .blocks = 4,
    .features = "mfcc_49x10",
    .build = build,
};
