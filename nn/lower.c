/* lower: what the int8 lowering of several operators shares: multipliers from real numbers and
 * per-channel symmetric weights (TFLite's int8 specification; Jacob et al., arXiv 1712.05877).
 */
#include "nn/lower.h"

#include <math.h>

/* A sum of so many products of 32767 and 127 and a bias has 40 bits, of 47 that can be requantized.
 */
enum { MOST_WIDE_FAN = 1 << 17, MOST_SHIFT = 7 };

bool nn_q8_multiplier(double real, int32_t *multiplier, int32_t *shift)
{
    *multiplier = 0;
    *shift = 0;
    if (!(real >= 0.0) || !isfinite(real)) return false;
    if (real == 0.0) return true;
    int exponent = 0;
    const double fraction = frexp(real, &exponent); /* in [0.5, 1) */
    int64_t q = (int64_t)round(ldexp(fraction, 31));
    if (q == (int64_t)1 << 31) {
        q /= 2;
        exponent++;
    }
    if (exponent > 30) return false;
    if (exponent < -31) return true; /* rounds to nothing: 0 */
    *multiplier = (int32_t)q;
    *shift = exponent;
    return true;
}

void *nn_q8_layer_new(const nn_q8_kernel *kernel, const nn_q8_context *c, nn_q8_layer *layer)
{
    *layer = (nn_q8_layer){.kernel = kernel, .p = base_arena_alloc(c->arena, 1, kernel->size)};
    return layer->p;
}

base_status nn_q8_check(const nn_node *n, const nn_q8_context *c, base_err *err)
{
    for (int k = 0; k <= n->n_in; k++) {
        const nn_quant q = k < n->n_in ? c->in[k] : c->out;
        if (!(q.scale > 0.0) || !isfinite(q.scale) || q.zero < -128 || q.zero > 127)
            return nn_op_fail(n, err, "%s has no usable quantization: scale %g, zero point %d",
                              k < n->n_in ? "an input" : "the output", q.scale, q.zero);
    }
    if ((n->op->flags & NN_SAME_QUANT) &&
        (c->in[0].scale != c->out.scale || c->in[0].zero != c->out.zero))
        return nn_op_fail(n, err, "input (scale %g) and output (scale %g) must be quantized alike",
                          c->in[0].scale, c->out.scale);
    return BASE_OK;
}

/* The weight scale of one channel, unless the bias needs a larger one to stay below `room`. A
 * channel without weights gets a scale that resolves its bias. In single precision, as TFLite keeps
 * it. */
static double channel_scale(const nn_q8_context *c, double scale, double bias, double room)
{
    if (!(scale > 0.0)) scale = c->out.scale / c->in[0].scale / 1024.0;
    const double least = fabs(bias) / (c->in[0].scale * room);
    return (double)(float)(scale < least ? least : scale);
}

/* The products of 8-bit weights and 9-bit inputs leave this much of an int32 sum; sums of 16-bit
 * inputs have 64 bits. */
double nn_q8_room(const nn_q8_context *c, size_t fan)
{
    return 2147483647.0 - (c->wide ? 0.0 : 127.0 * 255.0 * (double)fan);
}

bool nn_q8_factor(const nn_q8_context *c, double real, int32_t *multiplier, int32_t *shift)
{
    return nn_q8_multiplier(real, multiplier, shift) && !(c->wide && *shift > MOST_SHIFT);
}

/* Whether sums of `fan` products and a bias stay within what the kernels are made for. */
static base_status check_fan(const nn_node *n, const nn_q8_context *c, size_t fan, base_err *err)
{
    const double most = c->wide ? MOST_WIDE_FAN : (2147483647.0 - 16777216.0) / (127.0 * 255.0);
    if ((double)fan <= most) return BASE_OK;
    return nn_op_fail(n, err, "%zu inputs to one output may overflow %d bits (at most %d)", fan,
                      c->wide ? 40 : 32, (int)most);
}

/* Two to a byte, in place, the first in the lower half. */
static void pack(int8_t *w, size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        const int high = i + 1 < n ? w[i + 1] : 0;
        w[i / 2] = (int8_t)(uint8_t)((w[i] & 15) | (high & 15) << 4);
    }
}

base_status nn_q8_quantize(const nn_node *n, const nn_q8_context *c, size_t fan, size_t channels,
                           bool by_channel, nn_q8_weights *out, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    BASE_TRY(check_fan(n, c, fan, err));
    const double room = nn_q8_room(c, fan);
    out->weight = base_arena_alloc(c->arena, fan * channels, sizeof *out->weight);
    out->bias = base_arena_alloc(c->arena, channels, sizeof *out->bias);
    out->multiplier = base_arena_alloc(c->arena, channels, sizeof *out->multiplier);
    out->shift = base_arena_alloc(c->arena, channels, sizeof *out->shift);
    out->scale = base_arena_alloc(c->arena, channels, sizeof *out->scale);
    if (!out->weight || !out->bias || !out->multiplier || !out->shift || !out->scale)
        return base_nomem(err, fan * channels);
    for (size_t o = 0; o < channels; o++) {
        const double bias = c->w[1] ? (double)c->w[1][o] : 0.0;
        for (size_t i = 0; i < fan; i++)
            if (!isfinite((double)c->w[0][i * channels + o]))
                return nn_op_fail(n, err, "a weight of channel %zu is not finite", o);
        if (!isfinite(bias)) return nn_op_fail(n, err, "the bias of channel %zu is not finite", o);
        const double own = nn_q8_weight_scale(c->w[0] + o, fan, channels, c->weight_bits);
        const double scale = out->scale[o] = channel_scale(c, own, bias, room);
        for (size_t i = 0; i < fan; i++) {
            const size_t at = by_channel ? o * fan + i : i * channels + o;
            out->weight[at] =
                (int8_t)nn_q8_weight((double)c->w[0][i * channels + o], scale, c->weight_bits);
        }
        out->bias[o] = (int32_t)fmax(-room, fmin(room, round(bias / (c->in[0].scale * scale))));
        if (!nn_q8_factor(c, c->in[0].scale * scale / c->out.scale, &out->multiplier[o],
                          &out->shift[o]))
            return nn_op_fail(n, err, "channel %zu cannot be requantized: scales %g * %g / %g", o,
                              c->in[0].scale, scale, c->out.scale);
    }
    if (c->weight_bits == 4) pack(out->weight, fan * channels);
    return BASE_OK;
}
