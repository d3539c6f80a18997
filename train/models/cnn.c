/* CNN: two plain convolutions, a linear layer and a hidden one (Zhang et al., "Hello Edge", arXiv
 * 1711.07128), VALID padding. Channels of the convolutions and units of the linear layer by size:
 * s 28, 30, 16; m 64, 48, 16; l 60, 76, 58; the hidden layer has 128 units. Width is the channels
 * of the first convolution, the second follows it.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const struct {
        double second; /* channels of the second convolution to one of the first */
        int linear;
    } sizes[] = {[ZOO_S] = {30 / 28.0, 16}, [ZOO_M] = {48 / 64.0, 16}, [ZOO_L] = {76 / 60.0, 58}};
    const int second = (int)(o->width * sizes[o->size].second + 0.5);
    x = nn_conv2d(x, "conv1", "out=%d kernel=10x4 pad=valid bias=no", (int)o->width);
    x = nn_relu(nn_batchnorm(x, "conv1_bn"), "conv1_relu");
    x = nn_conv2d(x, "conv2", "out=%d kernel=10x4 stride=2x1 pad=valid bias=no", second);
    x = nn_relu(nn_batchnorm(x, "conv2_bn"), "conv2_relu");
    x = nn_dense(nn_flatten(x, "flat"), "linear", "out=%d", sizes[o->size].linear);
    x = nn_dense(x, "hidden", "out=128 bias=no");
    x = nn_relu(nn_batchnorm(x, "hidden_bn"), "hidden_relu");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_cnn = {
    .name = "cnn",
    .summary = "two convolutions and two dense layers",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {28, 64, 60},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
