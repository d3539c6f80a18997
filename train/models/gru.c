/* GRU: the last state of one GRU (Zhang et al., "Hello Edge", arXiv 1711.07128). Sizes s, m, l have
 * 154, 250 and 400 units; with 12 classes 78,090, 198,762 and 498,012 parameters. s sees frames of
 * 40 ms without overlap, m and l twice as many. The resetting is TensorFlow's GRUCell's.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = nn_gru(x, "gru", "units=%d reset_after=no sequence=no", (int)o->width);
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_gru = {
    .name = "gru",
    .summary = "a gated recurrent unit",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {154, 250, 400},
    .scales = "units",
    .dropout = 0,
    .features = "mfcc_25x10",
    .features_of = {[ZOO_M] = "mfcc_49x10", [ZOO_L] = "mfcc_49x10"},
    .build = build,
};
