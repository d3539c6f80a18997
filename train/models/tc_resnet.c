/* See tc_resnet.h. */
#include "train/models/tc_resnet.h"

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

nn_node *tc_resnet_build(nn_node *x, const zoo_options *o, const int *channels, int n)
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
