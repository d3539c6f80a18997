/* KWT-1, the keyword transformer: a frame is a token, a learned token is classified (Berg et al.,
 * "Keyword Transformer: a self-attention model for keyword spotting", Interspeech 2021, arXiv
 * 2104.00769). Layers are post-norm; a head has 64 numbers, so width 128 and 192 are KWT-2 and 3.
 * On 98x40 features and 12 classes 607,308 parameters (2,394,252 and 5,360,844), 73.7 M MACs.
 */
#include "train/zoo.h"

static nn_node *drop(nn_node *x, const char *stem, double rate)
{
    return rate > 0 ? nn_dropout(x, zoo_named("%s.drop", stem).s, "rate=%g", rate) : x;
}

/* y = norm(x + attention(x)); norm(y + mlp(y)) */
static nn_node *layer(nn_node *x, const char *stem, const zoo_options *o)
{
    enum { HEAD = 64, EXPANSION = 4 };
    const int width = (int)o->width, heads = width < HEAD ? 1 : width / HEAD;
    const zoo_name at = zoo_named("%s.at", stem), mlp = zoo_named("%s.mlp", stem);
    nn_node *y = drop(nn_attention(x, at.s, heads, width / heads), at.s, o->dropout);
    x = nn_layernorm(nn_add(x, y, zoo_named("%s.add", at.s).s), zoo_named("%s.norm", at.s).s);
    y = nn_conv1d(x, zoo_named("%s.in", mlp.s).s, "out=%d kernel=1x1", EXPANSION * width);
    y = nn_gelu(y, zoo_named("%s.gelu", mlp.s).s);
    y = nn_conv1d(y, zoo_named("%s.out", mlp.s).s, "out=%d kernel=1x1", width);
    y = drop(y, mlp.s, o->dropout);
    return nn_layernorm(nn_add(x, y, zoo_named("%s.add", mlp.s).s), zoo_named("%s.norm", mlp.s).s);
}

static nn_node *build(nn_node *x, const zoo_options *o)
{
    x = nn_conv1d(x, "embed", "out=%d kernel=1x1", (int)o->width);
    x = nn_position(nn_class_token(x, "token"), "position");
    x = drop(x, "position", o->dropout);
    for (int i = 1; i <= o->blocks; i++) x = layer(x, zoo_named("l%d", i).s, o);
    x = nn_slice(x, "class", "axis=0 begin=0 size=1");
    return nn_dense(nn_flatten(x, "flat"), "y", "out=%d", o->classes);
}

const zoo_model zoo_kwt1 = {
    .name = "kwt1",
    .summary = "keyword transformer",
    .source = "Berg et al., arXiv 2104.00769",
    .width = {64},
    .scales = "channels",
    .blocks = 12,
    .dropout = 0,
    .features = "mfcc_40x98",
    .temporal = true,
    .build = build,
};
