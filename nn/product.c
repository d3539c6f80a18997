/* See nn/product.h. */
#include "nn/product.h"

#include <math.h>

static const double MOST = 536870912.0; /* 2^29 */

typedef struct channel {
    double largest, sum; /* of absolute weights */
    double bias;
    double scale; /* of the int8 weights */
    double bound; /* of absolute sums of products with bias */
} channel;

static base_status see(const nn_node *n, const nn_q8_product *p, size_t o, channel *k,
                       base_err *err)
{
    *k = (channel){.bias = p->bias ? (double)p->bias[o] : 0.0};
    for (size_t i = 0; i < p->fan; i++) {
        const double w = fabs((double)p->w[i * p->stride + o]);
        k->sum += w;
        k->largest = fmax(k->largest, w);
    }
    if (isfinite(k->sum) && isfinite(k->bias)) return BASE_OK;
    return nn_op_fail(n, err, "a weight or bias of channel %zu is not finite", o);
}

/* The largest weight is 127, unless the sums need a larger scale to fit `room`. */
static void choose(const nn_q8_product *p, size_t o, double room, channel *k)
{
    k->scale = fmax(k->largest / 127.0, (k->sum * p->most + fabs(k->bias) / p->in[o]) / room);
    if (!(k->scale > 0.0)) k->scale = 1.0; /* all is 0 */
}

static void put(const nn_q8_product *p, size_t o, channel *k, const nn_q8_weights *to)
{
    double sum = 0.0;
    for (size_t i = 0; i < p->fan; i++) {
        const double q = round((double)p->w[i * p->stride + o] / k->scale);
        to->weight[o * p->fan + i] = (int8_t)q;
        sum += fabs(q);
    }
    const double bias = round(k->bias / (p->in[o] * k->scale));
    if (p->bias) to->bias[o] = (int32_t)bias;
    k->bound = sum * p->most + fabs(bias);
}

static base_status rescale(const nn_node *n, const nn_q8_product *p, size_t o, const channel *k,
                           const nn_q8_weights *to, base_err *err)
{
    const double unit = p->in[o] * k->scale;
    to->multiplier[o] = to->shift[o] = 0;
    if (p->out[o] == 0.0) p->out[o] = unit * fmax(k->bound, 1.0) / 32767.0;
    const double real = unit / p->out[o];
    if (k->bound == 0.0) return BASE_OK;
    if (k->bound * real < MOST && nn_q8_multiplier(real, &to->multiplier[o], &to->shift[o]))
        return BASE_OK;
    return nn_op_fail(n, err, "channel %zu gives up to %g, more than fixed point can hold", o,
                      k->bound * unit);
}

base_status nn_q8_product_room(const nn_q8_context *c, size_t fan, size_t channels, size_t biases,
                               nn_q8_weights *to, base_err *err)
{
    *to =
        (nn_q8_weights){.weight = base_arena_alloc(c->arena, fan * channels, sizeof *to->weight),
                        .multiplier = base_arena_alloc(c->arena, channels, sizeof *to->multiplier),
                        .shift = base_arena_alloc(c->arena, channels, sizeof *to->shift)};
    if (biases > 0) to->bias = base_arena_alloc(c->arena, biases, sizeof *to->bias);
    const bool enough = to->weight && to->multiplier && to->shift && (biases == 0 || to->bias);
    return enough ? BASE_OK : base_nomem(err, fan * channels);
}

base_status nn_q8_product_make(const nn_node *n, const nn_q8_product *p, const nn_q8_weights *to,
                               base_err *err)
{
    /* what 32 bits hold without the rounding, of half at most, of each weight and the bias */
    const double room = 2147483646.0 - p->most * (double)p->fan / 2.0;
    if (room < 16777216.0)
        return nn_op_fail(n, err, "%zu inputs to one output may overflow 32 bits (at most %.0f)",
                          p->fan, (2147483646.0 - 16777216.0) * 2.0 / p->most);
    for (size_t o = 0; o < p->channels; o++) {
        channel k;
        BASE_TRY(see(n, p, o, &k, err));
        choose(p, o, room, &k);
        put(p, o, &k, to);
        BASE_TRY(rescale(n, p, o, &k, to, err));
    }
    return BASE_OK;
}

double *nn_q8_scales(const nn_q8_context *c, size_t n, double v)
{
    double *scale = base_arena_alloc(c->arena, n, sizeof *scale);
    for (size_t i = 0; scale && i < n; i++) scale[i] = v;
    return scale;
}

base_status nn_q8_state_rescale(const nn_node *n, const nn_q8_context *c, double unit,
                                int32_t *multiplier, int32_t *shift, base_err *err)
{
    const double real = unit / c->out.scale;
    if (real * 32768.0 < MOST && nn_q8_multiplier(real, multiplier, shift)) return BASE_OK;
    return nn_op_fail(n, err, "cannot be requantized: scales %g to %g", unit, c->out.scale);
}
