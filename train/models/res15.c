/* res15: a dilated two-dimensional residual network at full resolution (Tang and Lin, "Deep
 * residual learning for small-footprint keyword spotting", ICASSP 2018, arXiv 1710.10361). Width
 * 45, narrow 19: 237,882 and 42,648 parameters with 12 classes; 959 M MACs on 101x40. */
#include "train/models/res.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    return res_build(x, o, 13, NULL, true);
}

const zoo_model zoo_res15 = {
    .name = "res15",
    .summary = "dilated residual convolutions over time and frequency",
    .source = "Tang and Lin, arXiv 1710.10361",
    .width = {45},
    .scales = "channels",
    .dropout = 0,
    .features = "mfcc_40x101",
    .build = build,
};
