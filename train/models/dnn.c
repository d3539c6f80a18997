/* DNN: three dense layers (Hello Edge, arXiv 1711.07128, size S: 144 units each). */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = nn_flatten(x, "flat");
    for (int i = 1; i <= 3; i++) {
        char name[NN_MAX_NAME];
        snprintf(name, sizeof name, "fc%d", i);
        x = nn_dense(x, name, "out=%d", (int)o->width);
        snprintf(name, sizeof name, "fc%d_relu", i);
        x = nn_relu(x, name);
        snprintf(name, sizeof name, "drop%d", i);
        if (o->dropout > 0) x = nn_dropout(x, name, "rate=%g", o->dropout);
    }
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_dnn = {
    .name = "dnn",
    .summary = "three dense layers",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {144},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
