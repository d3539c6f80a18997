/* See res.h. */
#include "train/models/res.h"

nn_node *res_build(nn_node *x, const zoo_options *o, int layers, const char *pool, bool dilated)
{
    const int width = (int)o->width;
    x = nn_conv2d(x, "conv0", "out=%d kernel=3x3 bias=no", width);
    x = nn_relu(x, "conv0.relu");
    if (pool) x = nn_avgpool(x, "conv0.pool", "kernel=%s stride=%s pad=valid", pool, pool);
    nn_node *skip = x;
    for (int i = 1; i <= layers; i++) {
        const zoo_name stem = zoo_named("conv%d", i);
        x = nn_conv2d(x, stem.s, "out=%d kernel=3x3 dilation=%d bias=no", width,
                      dilated ? 1 << (i - 1) / 3 : 1);
        x = nn_relu(x, zoo_named("%s.relu", stem.s).s);
        if (i % 2 == 0) skip = x = nn_add(x, skip, zoo_named("%s.add", stem.s).s);
        x = nn_append1("batchnorm", x, zoo_named("%s.bn", stem.s).s, "gamma=no beta=no");
    }
    x = nn_globalpool(x, "pool");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}
