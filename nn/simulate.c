/* simulate: see nn/nn.h. */
#include "nn/op.h"

#include <math.h>

void nn_simulate(nn_quant q, nn_real *v, size_t n)
{
    const nn_real scale = (nn_real)q.scale, lo = (nn_real)(-128 - q.zero),
                  hi = (nn_real)(127 - q.zero);
    for (size_t i = 0; i < n; i++) {
        const nn_real x = (nn_real)round((double)(v[i] / scale));
        v[i] = scale * (x < lo ? lo : x > hi ? hi : x);
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
