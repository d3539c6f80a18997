/* hardswish: y = x h(x), h(x) = min(1, max(0, x/6 + 1/2)), elementwise (Howard et al., arXiv
 * 1905.02244). dx = dy (x/3 + 1/2) where h is strictly inside, dy h elsewhere. The comparisons are
 * written so that NaN passes. In int8 a table of what TensorFlow Lite 2.2.0's HARD_SWISH gives,
 * or of rounded results where that cannot (in_scale is 128 times out_scale or more). */
#include "nn/lower.h"
#include "quantize/runtime/fixed.h"

static nn_real gate(nn_real x)
{
    nn_real v = x * (nn_real)(1.0 / 6) + (nn_real)0.5;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static nn_real slope(nn_real x)
{
    nn_real inside = x * (nn_real)(1.0 / 3) + (nn_real)0.5;
    return x < -3 ? 0 : x > 3 ? 1 : inside;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * gate(x[i]);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0], *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += dy[i] * slope(x[i]);
}

/* A real factor as 16 bits and an exponent. */
typedef struct factor {
    int32_t multiplier, shift;
} factor;

static bool factor_of(float real, factor *f)
{
    int32_t wide;
    if (!nn_q8_multiplier((double)real, &wide, &f->shift)) return false;
    f->multiplier = wide >= INT32_MAX - 32768 ? 32767 : (wide + 32768) >> 16;
    return true;
}

/* round(a b / 2^15), halves up; the one overflow saturates. */
static int32_t high_mul(int32_t a, int32_t b)
{
    return sotto_clamp_i16((a * b + (a * b >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

/* The input in 16 bits with 7 behind the point; from that the gate, in steps of 3 / 2^15 and
 * saturating, and the output's own scale, in which both are multiplied. Truncated to 16 bits, then
 * shifted, which rounds. */
static int8_t swish(int32_t x, factor gate, factor out, int zero)
{
    const int32_t fine = x * 128;
    int32_t g = fine;
    if (gate.shift > 0) g = sotto_clamp_i16(g * (1 << (gate.shift > 16 ? 15 : gate.shift - 1)));
    g = high_mul(g, gate.multiplier);
    if (gate.shift > 0) g = sotto_clamp_i16(2 * g);
    if (gate.shift < 0) g = sotto_round_shift(g, -gate.shift);
    g = (g + 32768) >> 1; /* from -1 .. 1 to 0 .. 1 */
    const int32_t y = sotto_clamp_i16(g * high_mul(fine, out.multiplier) / (1 << 15));
    return sotto_clamp_i8(sotto_round_shift(y, -out.shift) + zero, -128, 127);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    int8_t table[256];
    factor gate, out;
    if (c->wide) return nn_q8_lower_table(n, c, layer, err);
    BASE_TRY(nn_q8_check(n, c, err));
    const float fine = (float)c->in[0].scale / 128.0F;
    if (!factor_of(fine / (3.0F / 32768.0F), &gate) ||
        !factor_of(fine / (float)c->out.scale, &out) || out.shift > 0)
        return nn_q8_lower_table(n, c, layer, err);
    for (int i = 0; i < 256; i++) table[i] = swish(i - 128 - c->in[0].zero, gate, out, c->out.zero);
    return nn_q8_table(n, c, table, layer, err);
}

NN_CASES("x = input 4x3x5; y = hardswish(x)", "x = input 9; y = hardswish(x)",
         "x = input 1; y = hardswish(x)", "x = input 7x37; y = hardswish(x)");

const nn_op nn_op_hardswish = {
    .name = "hardswish",
    .summary = "x times its hardsigmoid",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
