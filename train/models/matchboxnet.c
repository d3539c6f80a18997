/* MatchboxNet-BxRxC: B residual blocks of R time-channel separable convolutions with C channels,
 * features as channels (Majumdar and Ginsburg, "MatchboxNet: 1D time-channel separable
 * convolutional neural network architecture for speech commands recognition", Interspeech 2020,
 * arXiv 2004.08531). Stride 1 throughout and SAME padding, as in the authors' configuration; the
 * classifier follows the mean over time. On 64 coefficients and 35 classes 3x1x64 has 77,859 and
 * 3x2x64 93,411 parameters; on 128 frames 9.20 M and 11.1 M MACs.
 */
#include "train/zoo.h"

/* Depthwise over time, pointwise, batchnorm. */
static nn_node *separable(nn_node *x, const char *stem, int kernel, int dilation, int out)
{
    x = nn_dwconv2d(x, zoo_named("%s.dw", stem).s, "kernel=%dx1 dilation=%dx1 bias=no", kernel,
                    dilation);
    x = nn_conv1d(x, zoo_named("%s.pw", stem).s, "out=%d kernel=1x1 bias=no", out);
    return nn_batchnorm(x, zoo_named("%s.bn", stem).s);
}

static nn_node *relu_drop(nn_node *x, const char *stem, double dropout)
{
    x = nn_relu(x, zoo_named("%s.relu", stem).s);
    return dropout > 0 ? nn_dropout(x, zoo_named("%s.drop", stem).s, "rate=%g", dropout) : x;
}

/* The block's input, through a pointwise convolution, joins before the last activation. */
static nn_node *block(nn_node *x, const char *stem, int kernel, const zoo_options *o)
{
    const int width = (int)o->width;
    nn_node *skip = nn_conv1d(x, zoo_named("%s.skip", stem).s, "out=%d kernel=1x1 bias=no", width);
    skip = nn_batchnorm(skip, zoo_named("%s.skip.bn", stem).s);
    for (int i = 1; i <= o->repeats; i++) {
        const zoo_name layer = zoo_named("%s.%d", stem, i);
        x = separable(x, layer.s, kernel, 1, width);
        if (i == o->repeats) x = nn_add(x, skip, zoo_named("%s.add", stem).s);
        x = relu_drop(x, layer.s, o->dropout);
    }
    return x;
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    enum { ENDS = 128 }; /* channels before and behind the blocks */
    x = relu_drop(separable(x, "conv1", 11, 1, ENDS), "conv1", o->dropout);
    for (int b = 1; b <= o->blocks; b++) x = block(x, zoo_named("block%d", b).s, 11 + 2 * b, o);
    x = relu_drop(separable(x, "conv2", 29, 2, ENDS), "conv2", o->dropout);
    x = nn_conv1d(x, "conv3", "out=%d kernel=1x1 bias=no", ENDS);
    x = relu_drop(nn_batchnorm(x, "conv3.bn"), "conv3", o->dropout);
    return nn_dense(nn_globalpool(x, "pool"), "y", "out=%d", o->classes);
}

const zoo_model zoo_matchboxnet = {
    .name = "matchboxnet",
    .summary = "residual separable convolutions over time",
    .source = "Majumdar and Ginsburg, arXiv 2004.08531",
    .width = {64},
    .scales = "channels",
    .blocks = 3,
    .repeats = 1,
    .dropout = 0,
    .features = "mfcc_64x98",
    .temporal = true,
    .build = build,
};
