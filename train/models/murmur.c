/* Murmur: sotto's own, found by bench/search.sh (record: bench/search.tsv) for the best validation
 * accuracy under 20 kB of int8 weights and 1.5 M MACs. A BC-ResNet (arXiv 2106.04140) that spends
 * otherwise: the stem halves time as well as frequency, a block narrows frequency before it changes
 * the channels, and the third stage halves time again, which pays for wider channels.
 */
#include "train/zoo.h"

typedef struct stage {
    int blocks;
    double width;   /* channels, in units of the base */
    int time, freq; /* strides of its first block */
    int dilation;   /* of its convolutions over time */
} stage;

/* Twice over frequency (a), once over time (y): out = a + y broadcast [+ x], then relu. */
static nn_node *block(nn_node *x, const char *stem, int in, int out, const stage *s, bool first,
                      double dropout)
{
    const int time = first ? s->time : 1, freq = first ? s->freq : 1;
    nn_node *a = nn_dwconv2d(x, zoo_named("%s.freq", stem).s,
                             "kernel=%dx3 stride=%dx%d pad=%d,%d,1,1 bias=no", time > 1 ? 3 : 1,
                             time, freq, time > 1, time > 1);
    if (in != out) {
        a = nn_batchnorm(a, zoo_named("%s.bn", stem).s);
        a = nn_conv2d(a, zoo_named("%s.in", stem).s, "out=%d kernel=1x1 bias=no", out);
    }
    a = nn_subspectral(a, zoo_named("%s.ssn", stem).s, 5);
    nn_node *y = nn_mean(a, zoo_named("%s.mean", stem).s, "axes=1");
    y = nn_dwconv2d(y, zoo_named("%s.time", stem).s, "kernel=3x1 dilation=%dx1 bias=no",
                    s->dilation);
    y = nn_silu(nn_batchnorm(y, zoo_named("%s.time.bn", stem).s), zoo_named("%s.silu", stem).s);
    y = nn_conv2d(y, zoo_named("%s.out", stem).s, "out=%d kernel=1x1 bias=no", out);
    if (dropout > 0)
        y = nn_dropout(y, zoo_named("%s.drop", stem).s, "rate=%g channels=yes", dropout);
    a = nn_add(a, y, zoo_named("%s.cast", stem).s);
    if (in == out && time * freq == 1) a = nn_add(a, x, zoo_named("%s.skip", stem).s);
    return nn_relu(a, zoo_named("%s.relu", stem).s);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    static const stage stages[] = {
        {1, 2, 1, 1, 1}, {2, 3, 1, 2, 2}, {3, 4, 2, 2, 4}, {3, 5, 1, 1, 8}};
    int in = (int)(2 * o->width);
    x = nn_conv2d(x, "stem", "out=%d kernel=5x5 stride=2x2 pad=2,2,2,2 bias=no", in);
    x = zoo_norm_relu(x, "stem");
    for (int s = 0; s < (int)BASE_COUNT(stages); s++)
        for (int i = 0; i < stages[s].blocks; i++) {
            const int out = (int)(o->width * stages[s].width);
            x = block(x, zoo_named("s%d.%d", s + 1, i + 1).s, in, out, &stages[s], i == 0,
                      o->dropout);
            in = out;
        }
    x = nn_dwconv2d(x, "head.dw", "kernel=5x5 pad=2,2,0,0 bias=no");
    x = nn_conv2d(x, "head", "out=%d kernel=1x1 bias=no", (int)(6 * o->width));
    x = nn_globalpool(zoo_norm_relu(x, "head"), "pool");
    return nn_dense(x, "y", "out=%d", o->classes);
}

const zoo_model zoo_murmur = {
    .name = "murmur",
    .summary = "broadcasted residuals under 20 kB and 1.5 M MACs",
    .source = "bench/search.tsv",
    .width = {8},
    .scales = "a half of the stem's channels",
    .dropout = 0.1,
    .features = "logmel_40x101",
    .build = build,
};
