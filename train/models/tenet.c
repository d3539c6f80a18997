/* See tenet.h. Nothing but the two inner activations of a block is nonlinear, and batchnorms have
 * no gamma, as in the authors' code. */
#include "train/models/tenet.h"

static nn_node *norm(nn_node *x, const char *stem)
{
    return nn_append1("batchnorm", x, zoo_named("%s.bn", stem).s, "gamma=no");
}

static nn_node *pointwise(nn_node *x, const char *stem, int out, int stride)
{
    x = nn_conv1d(x, stem, "out=%d kernel=1x1 stride=%dx1 bias=no", out, stride);
    return norm(x, stem);
}

static nn_node *mtconv(nn_node *x, const char *stem, int stride)
{
    nn_node *sum = NULL;
    for (int kernel = 3; kernel <= 9; kernel += 2) {
        const zoo_name branch = zoo_named("%s%d", stem, kernel);
        nn_node *y = nn_dwconv2d(x, branch.s, "kernel=%dx1 stride=%dx1 bias=no", kernel, stride);
        y = norm(y, branch.s);
        sum = kernel == 3 ? y : nn_add(sum, y, zoo_named("%s.add%d", stem, kernel).s);
    }
    return sum;
}

static nn_node *block(nn_node *x, const char *stem, int width, int stride)
{
    enum { EXPANSION = 3 };
    nn_node *skip = x;
    if (stride > 1) skip = pointwise(x, zoo_named("%s.skip", stem).s, width, stride);
    x = pointwise(x, zoo_named("%s.in", stem).s, EXPANSION * width, 1);
    x = nn_relu(x, zoo_named("%s.in.relu", stem).s);
    x = nn_relu(mtconv(x, zoo_named("%s.dw", stem).s, stride), zoo_named("%s.dw.relu", stem).s);
    x = pointwise(x, zoo_named("%s.out", stem).s, width, 1);
    return nn_add(x, skip, zoo_named("%s.add", stem).s);
}

nn_node *tenet_build(nn_node *x, const zoo_options *o, int depth)
{
    enum { STAGES = 3 };
    const int width = (int)o->width;
    x = norm(nn_conv1d(x, "conv1", "out=%d kernel=3x1 bias=no", width), "conv1");
    x = nn_relu(x, "conv1.relu");
    for (int s = 1; s <= STAGES; s++)
        for (int i = 1; i <= depth; i++)
            x = block(x, zoo_named("s%d.%d", s, i).s, width, i == 1 ? 2 : 1);
    x = nn_globalpool(x, "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}
