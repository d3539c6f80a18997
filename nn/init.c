/* Weights before training. Uniform, by the operator's choice (He et al., arXiv 1502.01852; Glorot
 * and Bengio, AISTATS 2010). Each parameter draws from its own stream, so that a layer's start
 * does not depend on the layers around it. */
#include "nn/op.h"

#include <math.h>

static void fill(const nn_param *p, base_rng *r, nn_real *w)
{
    double limit = 0;
    if (p->init == NN_HE_UNIFORM) limit = sqrt(6.0 / p->fan_in);
    if (p->init == NN_GLOROT_UNIFORM) limit = sqrt(6.0 / (p->fan_in + p->fan_out));
    for (size_t i = 0; i < p->count; i++)
        w[i] = p->init == NN_ONES          ? 1
               : p->init == NN_ZEROS       ? 0
               : p->init == NN_FORGET_BIAS ? (nn_real)(i / (p->count / 4) == 1)
                                           : (nn_real)(limit * (2 * base_rng_uniform(r) - 1));
}

void nn_init_weights(const nn_graph *g, uint64_t seed, nn_real *weights)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++) {
            base_rng r = base_rng_at(seed, BASE_RNG_INIT, (uint32_t)k, (uint64_t)i);
            fill(&n->param[k], &r, weights + n->param[k].offset);
        }
    }
}
