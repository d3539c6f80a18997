/* Linear classifiers on means over segments of time: the graph of what train.fit finds without
 * descent (nearest centroid, LDA, logistic regression, linear SVM). Width is how many segments; the
 * last one is shorter where they do not come out even. On 49x10 features and 12 classes 612
 * parameters; mixtures of Gaussians (gmm) begin alike.
 */
#include "train/models/segments.h"

#include "train/zoo.h"

/* Frames of a segment. */
static int frames_of(const zoo_options *o)
{
    return (o->frames + (int)o->width - 1) / (int)o->width;
}

nn_node *zoo_segments(nn_node *x, const zoo_options *o)
{
    const int frames = frames_of(o);
    x = nn_avgpool(x, "segments", "kernel=%dx1 stride=%dx1 pad=same", frames, frames);
    return nn_flatten(x, "flat");
}

nn_node *zoo_pooled(nn_node *x, const zoo_options *o)
{
    const int frames = frames_of(o);
    nn_node *most = nn_maxpool(x, "peaks", "kernel=%dx1 stride=%dx1 pad=same", frames, frames);
    nn_node *const both[] = {zoo_segments(x, o), nn_flatten(most, "tall")};
    return nn_concat(x ? x->graph : NULL, both, 2, "both", "axis=0");
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return nn_dense(zoo_segments(x, o), "y", "out=%d", o->classes);
}

const zoo_model zoo_linear = {
    .name = "linear",
    .summary = "one dense layer on segments",
    .source = "classifiers of train.fit",
    .width = {5},
    .scales = "segments",
    .features = "mfcc_49x10",
    .build = build,
};
