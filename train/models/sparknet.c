/* SparkNet: a few separable convolutions over time and 32 stochastic gates whose mean over time is
 * classified (Svirsky et al., "SparkNet", Interspeech 2024; github.com/jsvir/sparknet). Width C has
 * 6 C^2 + 141 C + 844 parameters with 12 classes: 4,636 for 16, 11,500 for 32.
 *
 * A gate is clip(mu + 1/2 + noise, 0, 1), mu in -1 .. 1, with noise in training alone, as in
 * Yamada et al., "Feature selection using stochastic gates" (arXiv 1810.04247), whence sigma. Here
 * it is 1/2 less, which the classifier's bias makes up for. No loss asks that gates be closed.
 */
#include "train/zoo.h"

/* With a shortcut but for the first. */
static nn_node *block(nn_node *x, const char *stem, int kernel, int width, bool residual)
{
    nn_node *skip = x;
    x = nn_dwconv2d(x, zoo_named("%s.dw", stem).s, "kernel=%dx1 bias=no", kernel);
    x = nn_conv1d(x, zoo_named("%s.pw", stem).s, "out=%d kernel=1x1 bias=no", width);
    x = nn_batchnorm(x, zoo_named("%s.bn", stem).s);
    if (residual) {
        skip = nn_conv1d(skip, zoo_named("%s.skip", stem).s, "out=%d kernel=1x1 bias=no", width);
        skip = nn_batchnorm(skip, zoo_named("%s.skip.bn", stem).s);
        x = nn_add(x, skip, zoo_named("%s.add", stem).s);
    }
    return nn_relu(x, zoo_named("%s.relu", stem).s);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    enum { GATES = 32 };
    static const int kernels[] = {11, 15, 19, 29};
    for (int i = 0; i < (int)BASE_COUNT(kernels); i++)
        x = block(x, zoo_named("block%d", i + 1).s, kernels[i], (int)o->width, i > 0);
    x = nn_batchnorm(nn_conv1d(x, "mu", "out=%d kernel=1x1", GATES), "mu.bn");
    x = nn_noise(nn_tanh(x, "mu.tanh"), "noise", "sigma=0.5");
    x = nn_globalpool(nn_clip(x, "gates", "lo=-0.5 hi=0.5"), "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_sparknet = {
    .name = "sparknet",
    .summary = "separable convolutions over time, stochastic gates",
    .source = "Svirsky et al., Interspeech 2024",
    .width = {32},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_32x101",
    .temporal = true,
    .build = build,
};
