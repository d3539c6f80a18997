/* DS-CNN: depthwise separable convolutions (Zhang et al., "Hello Edge", arXiv 1711.07128), in the
 * form of MLPerf Tiny's keyword spotting benchmark: with batchnorm gamma, dropout before the pool.
 * Width 64 on 49x10 features and 12 classes: 22,604 folded parameters, 2,656,768 MACs.
 */
#include "train/zoo.h"

static nn_node *norm_relu(nn_node *x, const char *stem, int i)
{
    char name[NN_MAX_NAME];
    snprintf(name, sizeof name, "%s%d_bn", stem, i);
    x = nn_batchnorm(x, name);
    snprintf(name, sizeof name, "%s%d_relu", stem, i);
    return nn_relu(x, name);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    char name[NN_MAX_NAME];
    x = nn_conv2d(x, "conv1", "out=%d kernel=10x4 stride=2x2 bias=no", (int)o->width);
    x = norm_relu(x, "conv", 1);
    for (int i = 2; i <= 5; i++) {
        snprintf(name, sizeof name, "dw%d", i);
        x = norm_relu(nn_dwconv2d(x, name, "kernel=3x3 bias=no"), "dw", i);
        snprintf(name, sizeof name, "pw%d", i);
        x = norm_relu(nn_conv2d(x, name, "out=%d kernel=1x1 bias=no", (int)o->width), "pw", i);
    }
    x = nn_globalpool(x, "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_ds_cnn = {
    .name = "ds_cnn",
    .summary = "depthwise separable convolutions",
    .source = "MLPerf Tiny; Hello Edge, arXiv 1711.07128",
    .width = {64},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
