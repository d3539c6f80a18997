/* Templates of words, compared by dynamic time warping: a recording is what its nearest ones are
 * (train.fit = dtw keeps training clips). Width is how many frames the features become by
 * averaging, blocks how many templates a class has, nearest how many of them its score is the mean
 * of; paths are within a tenth of the frames.
 */
#include "train/models/segments.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    const int each = (o->frames + (int)o->width - 1) / (int)o->width;
    if (each > 1) x = nn_avgpool(x, "frames", "kernel=%dx1 stride=%dx1 pad=same", each, each);
    return nn_dtw(x, "y", "out=%d each=%d nearest=%d band=%d", o->classes, o->blocks, o->nearest,
                  (int)o->width / 10 > 1 ? (int)o->width / 10 : 1);
}

const zoo_model zoo_dtw = {
    .name = "dtw",
    .summary = "nearest templates by time warping",
    .source = "classifiers of train.fit",
    .width = {25},
    .scales = "frames",
    .blocks = 10,
    .nearest = 1,
    .features = "mfcc_49x10",
    .build = build,
};
