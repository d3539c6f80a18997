/* DNN: three dense layers (Zhang et al., "Hello Edge", arXiv 1711.07128). Sizes s, m, l have 144,
 * 256 and 436 units a layer; on 25x10 features and 12 classes 79,644, 198,924 and 495,744
 * parameters.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = nn_flatten(x, "flat");
    for (int i = 1; i <= 3; i++) {
        x = nn_dense(x, zoo_named("fc%d", i).s, "out=%d", (int)o->width);
        x = nn_relu(x, zoo_named("fc%d_relu", i).s);
        if (o->dropout > 0) x = nn_dropout(x, zoo_named("drop%d", i).s, "rate=%g", o->dropout);
    }
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_dnn = {
    .name = "dnn",
    .summary = "three dense layers",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {144, 256, 436},
    .scales = "units",
    .dropout = 0,
    .features = "mfcc_25x10",
    .build = build,
};
