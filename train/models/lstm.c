/* LSTM: the last output of one LSTM with peepholes and a projection (Zhang et al., "Hello Edge",
 * arXiv 1711.07128, after arXiv 1705.02411). Cells and projection by size: s 144, 98; m 280, 130;
 * l 500, 188. Width is the cells, the projection follows them. s sees frames of 40 ms without
 * overlap, m and l twice as many.
 */
#include "train/zoo.h"

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const double projected[] = {
        [ZOO_S] = 98 / 144.0, [ZOO_M] = 130 / 280.0, [ZOO_L] = 188 / 500.0};
    const int projection = (int)(o->width * projected[o->size] + 0.5);
    x = nn_lstm(x, "lstm", "units=%d peephole=yes projection=%d sequence=no", (int)o->width,
                projection > 0 ? projection : 1);
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_lstm = {
    .name = "lstm",
    .summary = "an LSTM with peepholes and a projection",
    .source = "Hello Edge, arXiv 1711.07128",
    .width = {144, 280, 500},
    .scales = "cells",
    .dropout = 0,
    .features = "mfcc_25x10",
    .features_of = {[ZOO_M] = "mfcc_49x10", [ZOO_L] = "mfcc_49x10"},
    .build = build,
};
