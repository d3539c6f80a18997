/* TC-ResNet8: convolutions over time alone, features as channels (Choi et al., "Temporal
 * convolution for real-time keyword spotting on mobile devices", Interspeech 2019, arXiv
 * 1904.03814). Width is a factor on the channels (1.5: TC-ResNet8-1.5). */
#include "train/models/tc_resnet.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const int channels[] = {16, 24, 32, 48};
    return tc_resnet_build(x, o, channels, BASE_COUNT(channels));
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
    .build = build,
};
