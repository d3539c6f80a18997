/* Blocks that are several nodes: see nn/nn.h. */
#include "nn/nn.h"

#include <math.h>

/* "name.part" in buf, long enough to be refused rather than cut when the name is; NULL without a
 * name: the node then gets one made up. */
typedef struct part_name {
    char text[2 * NN_MAX_NAME];
} part_name;

static const char *part(const char *name, const char *part, part_name *buf)
{
    if (!name || !*name) return NULL;
    snprintf(buf->text, sizeof buf->text, "%.*s.%s", NN_MAX_NAME, name, part);
    return buf->text;
}

/* One of q, k, v: x [T, F, C] projected and cut into heads [heads, T F, head_dim]. */
static nn_node *heads_of(nn_node *x, const char *name, const char *which, int heads, int head_dim)
{
    char split[16], order[16];
    part_name buf;
    snprintf(split, sizeof split, "%s_split", which);
    snprintf(order, sizeof order, "%s_heads", which);
    nn_node *n = nn_conv2d(x, part(name, which, &buf), "out=%lld kernel=1x1 bias=no",
                           (long long)heads * head_dim);
    if (!n) return NULL;
    n = nn_reshape(n, part(name, split, &buf), "shape=%dx%dx%d", n->shape.d[0] * n->shape.d[1],
                   heads, head_dim);
    return nn_transpose(n, part(name, order, &buf), "order=1,0,2");
}

nn_node *nn_attention(nn_node *x, const char *name, int heads, int head_dim)
{
    part_name buf;
    nn_node *q = heads_of(x, name, "q", heads, head_dim);
    nn_node *k = heads_of(x, name, "k", heads, head_dim);
    nn_node *v = heads_of(x, name, "v", heads, head_dim);
    nn_node *n = nn_matmul(q, k, part(name, "scores", &buf), "transpose=yes scale=%.17g",
                           1 / sqrt((double)head_dim));
    n = nn_softmax(n, part(name, "weights", &buf));
    n = nn_matmul(n, v, part(name, "mix", &buf), " ");
    n = nn_transpose(n, part(name, "mix_order", &buf), "order=1,0,2");
    if (!n) return NULL;
    const int *in = x->shape.d;
    n = nn_reshape(n, part(name, "join", &buf), "shape=%dx%dx%d", in[0], in[1], heads * head_dim);
    return nn_conv2d(n, part(name, "out", &buf), "out=%d kernel=1x1", in[2]);
}
