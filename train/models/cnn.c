/* CNN: two plain convolutions and two dense layers (Hello Edge, arXiv 1711.07128, size S: 28 and 30
 * channels, a linear layer of 16, a hidden layer of 128, VALID padding).
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    const int width = (int)o->width, second = width + (width + 13) / 14; /* 28 -> 30 */
    x = nn_conv2d(x, "conv1", "out=%d kernel=10x4 pad=valid bias=no", width);
    x = nn_relu(nn_batchnorm(x, "conv1_bn"), "conv1_relu");
    x = nn_conv2d(x, "conv2", "out=%d kernel=10x4 stride=2x1 pad=valid bias=no", second);
    x = nn_relu(nn_batchnorm(x, "conv2_bn"), "conv2_relu");
    x = nn_dense(nn_flatten(x, "flat"), "linear", "out=16");
    x = nn_dense(x, "hidden", "out=128 bias=no");
    x = nn_relu(nn_batchnorm(x, "hidden_bn"), "hidden_relu");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_cnn = {
    .name = "cnn",
    .summary = "two convolutions and two dense layers",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {28},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
