/* DS-CNN: depthwise separable convolutions (Zhang et al., "Hello Edge", arXiv 1711.07128). The
 * paper has convolution biases and no batchnorm gamma, here it is the other way round: as many
 * parameters. Sizes s, m, l on 49x10 features and 12 classes: 64, 172, 276 channels; 4, 4, 5
 * blocks; 23,180, 136,580, 413,736 parameters; 2.657, 9.816, 28.33 M MACs.
 */
#include "train/zoo.h"

static nn_node *norm_relu(nn_node *x, const char *stem, int i)
{
    x = nn_batchnorm(x, zoo_named("%s%d_bn", stem, i).s);
    return nn_relu(x, zoo_named("%s%d_relu", stem, i).s);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    /* m and l halve the frequencies only in the first block */
    const bool late = o->size != ZOO_S;
    x = nn_conv2d(x, "conv1", "out=%d kernel=10x4 stride=2x%d bias=no", (int)o->width,
                  late ? 1 : 2);
    x = norm_relu(x, "conv", 1);
    for (int i = 2; i <= (o->size == ZOO_L ? 6 : 5); i++) {
        x = nn_dwconv2d(x, zoo_named("dw%d", i).s, "kernel=3x3 stride=%d bias=no",
                        late && i == 2 ? 2 : 1);
        x = norm_relu(x, "dw", i);
        x = nn_conv2d(x, zoo_named("pw%d", i).s, "out=%d kernel=1x1 bias=no", (int)o->width);
        x = norm_relu(x, "pw", i);
    }
    x = nn_globalpool(x, "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_ds_cnn = {
    .name = "ds_cnn",
    .summary = "depthwise separable convolutions",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {64, 172, 276},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
