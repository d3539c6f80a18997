/* Weights before training, by the operator's choice: uniform (He et al., arXiv 1502.01852; Glorot
 * and Bengio, AISTATS 2010), or normal without its tails (embeddings; Devlin et al., arXiv
 * 1810.04805). Each parameter draws from its own stream, so that a layer's start
 * does not depend on the layers around it. */
#include "nn/op.h"

#include <math.h>

static double within_two_sigma(base_rng *r)
{
    double v = base_rng_normal(r);
    while (fabs(v) > 2) v = base_rng_normal(r);
    return v;
}

static void fill(const nn_param *p, base_rng *r, nn_real *w)
{
    double limit = 0;
    if (p->init == NN_HE_UNIFORM) limit = sqrt(6.0 / p->fan_in);
    if (p->init == NN_GLOROT_UNIFORM) limit = sqrt(6.0 / (p->fan_in + p->fan_out));
    for (size_t i = 0; i < p->count; i++)
        w[i] = p->init == NN_ONES          ? 1
               : p->init == NN_ZEROS       ? 0
               : p->init == NN_FORGET_BIAS ? (nn_real)(i / (p->count / 4) == 1)
               : p->init == NN_NORMAL      ? (nn_real)(0.02 * within_two_sigma(r))
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
