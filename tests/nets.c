/* Small networks and their data (nets.h). */
#include "tests/nets.h"

#include "tests/check.h"

#include <stdlib.h>

const char nets_ds_cnn[] = "x = input 12x8x1; t = input 4;"
                           "c0 = conv2d(x) out=6 kernel=4x3 stride=2x2 bias=no;"
                           "b0 = batchnorm(c0); r0 = relu(b0);"
                           "d1 = dwconv2d(r0) kernel=3x3; e1 = batchnorm(d1); f1 = relu(e1);"
                           "c1 = conv2d(f1) out=6 kernel=1x1 bias=no; b1 = batchnorm(c1);"
                           "s1 = add(b1, r0); r1 = relu6(s1); m1 = maxpool(r1) kernel=2x1;"
                           "p1 = globalpool(m1); q1 = dropout(p1) rate=0.3;"
                           "y = dense(q1) out=4; l = cross_entropy(y, t) smoothing=0.1";

#define BLOCK(from, i)                                                                             \
    "d" i " = dwconv2d(" from ") kernel=3x3; e" i " = relu(d" i ");"                               \
    "c" i " = conv2d(e" i ") out=64 kernel=1x1; a" i " = relu(c" i ");"

const char nets_kws[] =
    "x = input 49x10x1;"
    "c0 = conv2d(x) out=64 kernel=10x4 stride=2x2; a0 = relu(c0);" BLOCK("a0", "1") BLOCK("a1", "2")
        BLOCK("a2", "3")
            BLOCK("a3", "4") "p = avgpool(a4) kernel=25x5; f = flatten(p); y = dense(f) out=12";

nn_graph *nets_parse(const char *text)
{
    base_err err = {0};
    nn_graph *g = NULL;
    if (nn_parse(text, NULL, &g, &err) != BASE_OK) fail_msg("%s: %s", text, err.message);
    return g;
}

nn_net *nets_new(const nn_graph *g, nn_net_options o)
{
    base_err err = {0};
    nn_net *net = NULL;
    if (nn_net_new(g, o, &net, &err) != BASE_OK) fail_msg("%s", err.message);
    return net;
}

/* Is this the target of a loss? */
static bool is_target(const nn_graph *g, const nn_node *in)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (n->op->flags & NN_LOSS && n->in[1] == in) return true;
    }
    return false;
}

nets_data nets_data_new(const nn_graph *g, int n)
{
    nets_data d = {.n = n};
    base_rng r = base_rng_at(11, BASE_RNG_TEST, 0, 0);
    for (int k = 0; k < NN_MAX_IN && nn_graph_input(g, k); k++) {
        const nn_node *in = nn_graph_input(g, k);
        size_t count = (size_t)nn_count(in->shape);
        d.x[k] = calloc((size_t)n * count, sizeof(nn_real));
        for (size_t i = 0; i < (size_t)n * count; i++)
            if (!is_target(g, in)) d.x[k][i] = (nn_real)base_rng_normal(&r);
        for (size_t b = 0; b < (size_t)n && is_target(g, in); b++)
            d.x[k][b * count + base_rng_below(&r, (uint32_t)count)] = 1;
    }
    return d;
}

void nets_data_free(nets_data *d)
{
    for (int k = 0; k < NN_MAX_IN; k++) free(d->x[k]);
}

const nn_real *const *nets_in(const nets_data *d)
{
    return (const nn_real *const *)d->x;
}

void nets_weights(const nn_graph *g, nn_real *weights)
{
    base_rng r = base_rng_at(12, BASE_RNG_TEST, 0, 0);
    nn_init_weights(g, 1, weights);
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++)
            for (size_t j = 0; n->param[k].role != NN_WEIGHT && j < n->param[k].count; j++)
                weights[n->param[k].offset + j] += (nn_real)(0.5 * base_rng_uniform(&r));
    }
}
