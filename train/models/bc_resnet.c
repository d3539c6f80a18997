/* BC-ResNet-tau: residual blocks in which a cheap branch without frequency is broadcast over a
 * two-dimensional one (Kim et al., "Broadcasted residual learning for efficient keyword spotting",
 * Interspeech 2021, arXiv 2106.04140). Width is tau; b = int(8 tau). On 101x40 log-mel and 12
 * classes tau = 1 has 9,232 parameters.
 */
#include "train/zoo.h"

/* Twice over frequency (a), once over time (y): out = a + y broadcast [+ x], then relu. */
static nn_node *block(nn_node *x, const char *stem, int in, int out, int stride, int dilation,
                      double dropout)
{
    nn_node *a = x, *y;
    if (in != out) {
        a = nn_conv2d(a, zoo_named("%s.in", stem).s, "out=%d kernel=1x1 bias=no", out);
        a = zoo_norm_relu(a, zoo_named("%s.in", stem).s);
    }
    a = nn_dwconv2d(a, zoo_named("%s.freq", stem).s, "kernel=1x3 stride=1x%d pad=0,0,1,1 bias=no",
                    stride);
    a = nn_subspectral(a, zoo_named("%s.ssn", stem).s, 5);
    y = nn_mean(a, zoo_named("%s.mean", stem).s, "axes=1");
    y = nn_dwconv2d(y, zoo_named("%s.time", stem).s,
                    "kernel=3x1 dilation=%dx1 pad=%d,%d,0,0 bias=no", dilation, dilation, dilation);
    y = nn_silu(nn_batchnorm(y, zoo_named("%s.time.bn", stem).s), zoo_named("%s.silu", stem).s);
    y = nn_conv2d(y, zoo_named("%s.out", stem).s, "out=%d kernel=1x1 bias=no", out);
    if (dropout > 0)
        y = nn_dropout(y, zoo_named("%s.drop", stem).s, "rate=%g channels=yes", dropout);
    a = nn_add(a, y, zoo_named("%s.cast", stem).s);
    if (in == out) a = nn_add(a, x, zoo_named("%s.skip", stem).s);
    return nn_relu(a, zoo_named("%s.relu", stem).s);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const int blocks[] = {2, 2, 4, 4}, strides[] = {1, 2, 2, 1};
    static const double widths[] = {1, 1.5, 2, 2.5};
    const int base = (int)(8 * o->width);
    int in = 2 * base;
    x = nn_conv2d(x, "stem", "out=%d kernel=5x5 stride=1x2 pad=2,2,2,2 bias=no", in);
    x = zoo_norm_relu(x, "stem");
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < blocks[s]; i++) {
            const int out = (int)(base * widths[s]);
            x = block(x, zoo_named("s%d.%d", s + 1, i + 1).s, in, out, i ? 1 : strides[s], 1 << s,
                      o->dropout);
            in = out;
        }
    x = nn_dwconv2d(x, "head.dw", "kernel=5x5 pad=2,2,0,0 bias=no");
    x = nn_conv2d(x, "head", "out=%d kernel=1x1 bias=no", 4 * base);
    x = nn_globalpool(zoo_norm_relu(x, "head"), "pool");
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_bc_resnet = {
    .name = "bc_resnet",
    .summary = "broadcasted residual learning",
    .source = "Kim et al., arXiv 2106.04140",
    .width = {1},
    .scales = "tau",
    .dropout = 0.1,
    .features = "logmel_40x101",
    .build = build,
};
