/* res8: a small two-dimensional residual network (Tang and Lin, "Deep residual learning for
 * small-footprint keyword spotting", ICASSP 2018, arXiv 1710.10361). Width 45, narrow 19: 110,307
 * and 19,905 parameters with 12 classes. */
#include "train/models/res.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return res_build(x, o, 6, "4x3", false);
}

const zoo_model zoo_res8 = {
    .name = "res8",
    .summary = "residual convolutions over time and frequency",
    .source = "Tang and Lin, arXiv 1710.10361",
    .width = {45},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_40x101",
    .build = build,
};
