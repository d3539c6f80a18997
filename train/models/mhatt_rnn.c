/* MHAtt-RNN: two small convolutions over time, two bidirectional GRUs, and attention in four heads
 * whose queries are made of the middle frame (Rybakov et al., arXiv 2005.06720, after Att-RNN,
 * arXiv 1808.08929). Size s is the paper's, on 49x20 features with a linear layer of 32 at the end:
 * 743,047 parameters at 12 classes; m is that of the repository's later log and of KWT's teacher
 * (arXiv 2104.00769), on 98x40 without that layer: 756,711. Both figures count the 22 running means
 * and variances of the batchnorms, which no gradient changes. Width is the units of a GRU.
 */
#include "train/zoo.h"

enum { HEADS = 4 };

/* x [T, 1, D] -> HEADS weighted sums of its frames. */
static nn_node *attend(nn_node *x)
{
    if (!x) return NULL;
    const int frames = x->shape.d[0], dim = x->shape.d[2];
    nn_node *middle = nn_slice(x, "middle", "axis=0 begin=%d size=1", frames / 2);
    nn_node *queries = nn_dense(nn_flatten(middle, "middle_flat"), "query", "out=%d", HEADS * dim);
    queries = nn_reshape(queries, "queries", "shape=%dx%d", HEADS, dim);
    x = nn_reshape(x, "frames", "shape=%dx%d", frames, dim);
    nn_node *scores = nn_matmul(queries, x, "scores", "transpose=yes");
    return nn_flatten(nn_matmul(nn_softmax(scores, "weights"), x, "attended", " "), "heads");
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const int channels[] = {10, 1};
    for (int i = 0; i < 2; i++) {
        x = nn_conv2d(x, zoo_named("conv%d", i + 1).s, "out=%d kernel=5x1", channels[i]);
        x = zoo_norm_relu(x, zoo_named("conv%d", i + 1).s);
    }
    x = nn_bidirectional(x, "gru1", "gru", "units=%d", (int)o->width);
    x = nn_bidirectional(x, "gru2", "gru", "units=%d", (int)o->width);
    x = attend(x);
    if (o->dropout > 0) x = nn_dropout(x, "drop", "rate=%g", o->dropout);
    x = nn_relu(nn_dense(x, "hidden", "out=64"), "hidden_relu");
    if (o->size == ZOO_S) x = nn_dense(x, "linear", "out=32");
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_mhatt_rnn = {
    .name = "mhatt_rnn",
    .summary = "bidirectional GRUs and attention",
    .source = "Rybakov et al., arXiv 2005.06720",
    .width = {128, 128},
    .scales = "units",
    .dropout = 0.2,
    .features = "mfcc_20x49",
    .features_of = {[ZOO_M] = "mfcc_40x98"},
    .build = build,
};
