/* CRNN: a convolution, two GRUs over its frames, a dense layer on their last state (Zhang et al.,
 * "Hello Edge", arXiv 1711.07128, after arXiv 1703.05390). By size: s 48 channels with stride 2x2,
 * 60 units a GRU, 84 hidden; m 128, 2x2, 76, 164; l 100, 2x1, 136, 188. Width is the channels, all
 * else follows them. The resetting of the GRUs is TensorFlow's GRUCell's.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const struct {
        int stride;           /* over frequency */
        double units, hidden; /* to one channel */
    } sizes[] = {[ZOO_S] = {2, 60 / 48.0, 84 / 48.0},
                 [ZOO_M] = {2, 76 / 128.0, 164 / 128.0},
                 [ZOO_L] = {1, 136 / 100.0, 188 / 100.0}};
    const int units = (int)(o->width * sizes[o->size].units + 0.5);
    const int hidden = (int)(o->width * sizes[o->size].hidden + 0.5);
    x = nn_conv2d(x, "conv", "out=%d kernel=10x4 stride=2x%d pad=valid", (int)o->width,
                  sizes[o->size].stride);
    x = nn_relu(x, "conv_relu");
    x = nn_gru(x, "gru1", "units=%d reset_after=no", units);
    x = nn_gru(x, "gru2", "units=%d reset_after=no sequence=no", units);
    x = nn_relu(nn_dense(x, "hidden", "out=%d", hidden), "hidden_relu");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_crnn = {
    .name = "crnn",
    .summary = "a convolution and two GRUs",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {48, 128, 100},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_49x10",
    .build = build,
};
