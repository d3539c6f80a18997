/* SVDF: six layers of rank-1 filters over time (Nakkiran et al., Interspeech 2015) with linear
 * bottlenecks between them, as in streaming keyword spotting (Rybakov et al., arXiv 2005.06720).
 * The filters see 4 and then 10 frames, only where all are there: of 49 frames one is left. 256
 * units and bottlenecks of 128; on 49x30 features and 12 classes 354,444 parameters, published as
 * 354 k. Width is a factor on both.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    enum { LAYERS = 6 };
    const int units = (int)(256 * o->width), bottleneck = (int)(128 * o->width);
    for (int i = 1; i <= LAYERS; i++) {
        x = nn_svdf(x, zoo_named("svdf%d", i).s, "units=%d memory=%d causal=no", units,
                    i == 1 ? 4 : 10);
        x = nn_relu(x, zoo_named("svdf%d.relu", i).s);
        if (i < LAYERS)
            x = nn_conv2d(x, zoo_named("linear%d", i).s, "out=%d kernel=1x1", bottleneck);
    }
    x = nn_flatten(x, "flat");
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_svdf = {
    .name = "svdf",
    .summary = "rank-1 filters over time with bottlenecks",
    .source = "Rybakov et al., arXiv 2005.06720",
    .width = {1},
    .scales = "times the units",
    .dropout = 0,
    .features = "mfcc_30x49",
    .build = build,
};
