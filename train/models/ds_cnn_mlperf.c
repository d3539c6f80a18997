/* DS-CNN of MLPerf Tiny's keyword spotting benchmark (Banbury et al., arXiv 2106.07597): the small
 * one of Hello Edge with convolution biases, batchnorm gamma and dropout after the first
 * convolution and before the pool. On 49x10 features and 12 classes: 23,756 trainable parameters,
 * 22,604 once batchnorm is folded, 2,656,768 MACs.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = nn_conv2d(x, "conv1", "out=%d kernel=10x4 stride=2x2", (int)o->width);
    x = zoo_norm_relu(x, "conv1");
    if (o->dropout > 0) x = nn_dropout(x, "conv1.drop", "rate=%g", o->dropout / 2);
    for (int i = 1; i <= 4; i++) {
        x = nn_dwconv2d(x, zoo_named("dw%d", i).s, "kernel=3x3");
        x = zoo_norm_relu(x, zoo_named("dw%d", i).s);
        x = nn_conv2d(x, zoo_named("pw%d", i).s, "out=%d kernel=1x1", (int)o->width);
        x = zoo_norm_relu(x, zoo_named("pw%d", i).s);
    }
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(nn_globalpool(x, "pool"), "y", "out=%d", o->classes);
}

const zoo_model zoo_ds_cnn_mlperf = {
    .name = "ds_cnn_mlperf",
    .summary = "depthwise separable convolutions",
    .source = "MLPerf Tiny, arXiv 2106.07597",
    .width = {64},
    .scales = "channels",
    .dropout = 0.4,
    .features = "mfcc_49x10",
    .build = build,
};
