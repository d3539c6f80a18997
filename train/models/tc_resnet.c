/* TC-ResNet8 and 14: residual convolutions over time alone, features as channels (Choi et al.,
 * "Temporal convolution for real-time keyword spotting on mobile devices", Interspeech 2019, arXiv
 * 1904.03814). Width is a factor on the channels (1.5: TC-ResNet8-1.5). On 98x40 MFCC and 12
 * classes 65,168 and 135,856 parameters.
 */
#include "train/zoo.h"

/* Halves time where the channels change. */
static nn_node *block(nn_node *x, const char *stem, int in, int out)
{
    nn_node *skip = x;
    x = nn_conv1d(x, zoo_named("%s.a", stem).s, "out=%d kernel=9x1 stride=%dx1 bias=no", out,
                  in == out ? 1 : 2);
    x = zoo_norm_relu(x, zoo_named("%s.a", stem).s);
    x = nn_conv1d(x, zoo_named("%s.b", stem).s, "out=%d kernel=9x1 bias=no", out);
    x = nn_batchnorm(x, zoo_named("%s.b.bn", stem).s);
    if (in != out) {
        skip = nn_conv1d(skip, zoo_named("%s.skip", stem).s, "out=%d kernel=1x1 stride=2x1 bias=no",
                         out);
        skip = zoo_norm_relu(skip, zoo_named("%s.skip", stem).s);
    }
    return nn_relu(nn_add(x, skip, zoo_named("%s.add", stem).s), zoo_named("%s.relu", stem).s);
}

/* A convolution over 3 frames to channels[0], then a block for each further entry. */
static nn_node *body(nn_node *x, const zoo_options *o, const int *channels, int n)
{
    int in = (int)(channels[0] * o->width);
    x = nn_conv1d(x, "conv1", "out=%d kernel=3x1 bias=no", in);
    x = zoo_norm_relu(x, "conv1");
    for (int i = 1; i < n; i++) {
        const int out = (int)(channels[i] * o->width);
        x = block(x, zoo_named("block%d", i).s, in, out);
        in = out;
    }
    x = nn_globalpool(x, "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d bias=no", o->classes);
}

static nn_node *build_8(nn_node *x, const zoo_options *o)
{
    static const int channels[] = {16, 24, 32, 48};
    return body(x, o, channels, BASE_COUNT(channels));
}

const zoo_model zoo_tc_resnet8 = {
    .name = "tc_resnet8",
    .summary = "residual convolutions over time",
    .source = "Choi et al., arXiv 1904.03814",
    .width = {1},
    .scales = "times the channels",
    .dropout = 0.5,
    .features = "mfcc_40x98",
    .temporal = true,
    .build = build_8,
};

static nn_node *build_14(nn_node *x, const zoo_options *o)
{
    static const int channels[] = {16, 24, 24, 32, 32, 48, 48};
    return body(x, o, channels, BASE_COUNT(channels));
}

const zoo_model zoo_tc_resnet14 = {
    .name = "tc_resnet14",
    .summary = "residual convolutions over time",
    .source = "Choi et al., arXiv 1904.03814",
    .width = {1},
    .scales = "times the channels",
    .dropout = 0.5,
    .features = "mfcc_40x98",
    .temporal = true,
    .build = build_14,
};
