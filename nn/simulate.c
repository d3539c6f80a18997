/* simulate: see nn/nn.h. */
#include "nn/op.h"

#include <math.h>

void nn_simulate(nn_quant q, bool pooled, nn_real *v, size_t n)
{
    /* Means of whole numbers often lie half way: not to be missed for float rounding. */
    const nn_real scale = (nn_real)q.scale, half = (nn_real)(pooled ? 0.5001 : 0.5);
    const nn_real zero = (nn_real)(pooled ? 0 : q.zero), shift = (nn_real)(pooled ? q.zero : 0);
    const nn_real lo = -128 - zero, hi = 127 - zero;
    for (size_t i = 0; i < n; i++) {
        const nn_real x = v[i] / scale + shift, c = x > lo ? x < hi ? x : hi : lo;
        const nn_real r = scale * ((nn_real)(int32_t)(c + (c < 0 ? -half : half)) - shift);
        v[i] = isnan(x) ? x : r;
    }
}

/* w [fan][channels], channel o. */
static void simulate_channel(const nn_real *from, nn_real *to, size_t count, size_t channels,
                             size_t o, int bits)
{
    const double scale = nn_q8_weight_scale(from + o, count / channels, channels, bits);
    for (size_t i = o; i < count; i += channels)
        to[i] = scale > 0 ? (nn_real)(nn_q8_weight((double)from[i], scale, bits) * scale) : from[i];
}

void nn_simulate_weights(const nn_graph *g, const int *bits, const nn_real *from, nn_real *to)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++) {
            const nn_param *p = &n->param[k];
            const size_t channels = (size_t)p->shape.d[p->shape.n - 1];
            for (size_t o = 0; o < channels && p->role == NN_WEIGHT; o++)
                simulate_channel(from + p->offset, to + p->offset, p->count, channels, o,
                                 bits ? bits[i] : 8);
            for (size_t j = 0; j < p->count && p->role != NN_WEIGHT; j++)
                to[p->offset + j] = from[p->offset + j];
        }
    }
}
