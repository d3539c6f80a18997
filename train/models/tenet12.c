/* TENet12: inverted bottlenecks over time with multi-scale depthwise convolutions (Li, Wei and Qin,
 * "Small-footprint keyword spotting with multi-scale temporal convolution", Interspeech 2020, arXiv
 * 2010.09960). Width 32, narrow 16: 100 k and 31 k parameters published, which count mean, variance
 * and beta of one batchnorm a convolution, and MTConvs merged (quantize/merge.c). */
#include "train/models/tenet.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return tenet_build(x, o, 4);
}

const zoo_model zoo_tenet12 = {
    .name = "tenet12",
    .summary = "inverted bottlenecks over time",
    .source = "Li et al., arXiv 2010.09960",
    .width = {32},
    .scales = "channels",
    .dropout = 0.2,
    .features = "mfcc_40x98",
    .temporal = true,
    .build = build,
};
