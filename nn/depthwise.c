/* depthwise: int8 depthwise convolutions; a batchnorm by bands is part of them. */
#include "nn/lower.h"
#include "quantize/runtime/dwconv2d_bands_i16.h"
#include "quantize/runtime/dwconv2d_bands_w4.h"
#include "quantize/runtime/dwconv2d_i16.h"
#include "quantize/runtime/dwconv2d_w4.h"

#include <math.h>
#include <string.h>

#define FIELDS(WEIGHTS_OF)                                                                         \
    NN_Q8_INT_OF(sotto_dwconv2d_t, in_h), NN_Q8_INT_OF(sotto_dwconv2d_t, in_w),                    \
        NN_Q8_INT_OF(sotto_dwconv2d_t, channels), NN_Q8_INT_OF(sotto_dwconv2d_t, out_h),           \
        NN_Q8_INT_OF(sotto_dwconv2d_t, out_w), NN_Q8_INT_OF(sotto_dwconv2d_t, kernel_h),           \
        NN_Q8_INT_OF(sotto_dwconv2d_t, kernel_w), NN_Q8_INT_OF(sotto_dwconv2d_t, stride_h),        \
        NN_Q8_INT_OF(sotto_dwconv2d_t, stride_w), NN_Q8_INT_OF(sotto_dwconv2d_t, dilation_h),      \
        NN_Q8_INT_OF(sotto_dwconv2d_t, dilation_w), NN_Q8_INT_OF(sotto_dwconv2d_t, pad_top),       \
        NN_Q8_INT_OF(sotto_dwconv2d_t, pad_left), NN_Q8_INT_OF(sotto_dwconv2d_t, in_zero),         \
        NN_Q8_INT_OF(sotto_dwconv2d_t, out_zero), NN_Q8_INT_OF(sotto_dwconv2d_t, lo),              \
        NN_Q8_INT_OF(sotto_dwconv2d_t, hi), NN_Q8_INT_OF(sotto_dwconv2d_t, single),                \
        WEIGHTS_OF(sotto_dwconv2d_t, weight), NN_Q8_I32S_OF(sotto_dwconv2d_t, bias),               \
        NN_Q8_I32S_OF(sotto_dwconv2d_t, multiplier), NN_Q8_I32S_OF(sotto_dwconv2d_t, shift)

static const nn_q8_field fields[] = {FIELDS(NN_Q8_I8S_OF)};
static const nn_q8_field packed_fields[] = {FIELDS(NN_Q8_I4S_OF)};

static void run(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d(p, x[0], y);
}

static void run_packed(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_dwconv2d_w4(p, x[0], y, scratch);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_dwconv2d",
    .header = "dwconv2d.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_dwconv2d_i16",
    .header = "dwconv2d_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static const nn_q8_kernel packed = {
    .name = "sotto_dwconv2d_w4",
    .header = "dwconv2d_w4.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_t),
    .fields = packed_fields,
    .n_fields = BASE_COUNT(packed_fields),
    .run_in = run_packed,
    .unpacked = &kernel,
};

#define BANDS_FIELDS(WEIGHTS_OF)                                                                   \
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_h), NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_w),        \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, channels),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_h), NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_w),  \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, bands),                                               \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, kernel_h),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, kernel_w),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, stride_h),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, stride_w),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, dilation_h),                                          \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, dilation_w),                                          \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, pad_top),                                             \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, pad_left),                                            \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_zero),                                             \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_zero), NN_Q8_INT_OF(sotto_dwconv2d_bands_t, lo),  \
        NN_Q8_INT_OF(sotto_dwconv2d_bands_t, hi), NN_Q8_INT_OF(sotto_dwconv2d_bands_t, single),    \
        WEIGHTS_OF(sotto_dwconv2d_bands_t, weight), NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, bias),   \
        NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, multiplier),                                         \
        NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, shift)

static const nn_q8_field bands_fields[] = {BANDS_FIELDS(NN_Q8_I8S_OF)};
static const nn_q8_field bands_packed_fields[] = {BANDS_FIELDS(NN_Q8_I4S_OF)};

static void run_bands(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d_bands(p, x[0], y);
}

static void run_bands_packed(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_dwconv2d_bands_w4(p, x[0], y, scratch);
}

static const nn_q8_kernel bands_kernel = {
    .name = "sotto_dwconv2d_bands",
    .header = "dwconv2d_bands.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_bands_t),
    .fields = bands_fields,
    .n_fields = BASE_COUNT(bands_fields),
    .run = run_bands,
};

static void run_wide_bands(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d_bands_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_bands_kernel = {
    .name = "sotto_dwconv2d_bands_i16",
    .header = "dwconv2d_bands_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_bands_i16_t),
    .fields = bands_fields,
    .n_fields = BASE_COUNT(bands_fields),
    .run = run_wide_bands,
};

static const nn_q8_kernel bands_packed = {
    .name = "sotto_dwconv2d_bands_w4",
    .header = "dwconv2d_bands_w4.h",
    .n_in = 1,
    .size = sizeof(sotto_dwconv2d_bands_t),
    .fields = bands_packed_fields,
    .n_fields = BASE_COUNT(bands_packed_fields),
    .run_in = run_bands_packed,
    .unpacked = &bands_kernel,
};

/* Biases and multipliers by band: mul, a factor of the output, moves into the scale of the weights,
 * which stay the same. As in nn_q8_quantize, a scale is raised where its bias would not fit: next
 * to such a bias the products make no difference. */
static base_status by_band(const nn_node *n, const nn_q8_context *c, size_t fan, size_t channels,
                           nn_q8_weights *w, base_err *err)
{
    const size_t all = (size_t)c->bands * channels;
    const double room = nn_q8_room(c, fan), in = c->in[0].scale;
    w->bias = base_arena_alloc(c->arena, all, sizeof *w->bias);
    w->multiplier = base_arena_alloc(c->arena, all, sizeof *w->multiplier);
    w->shift = base_arena_alloc(c->arena, all, sizeof *w->shift);
    if (!w->bias || !w->multiplier || !w->shift) return base_nomem(err, all);
    for (size_t i = 0; i < all; i++) {
        const double mul = c->mul[i], bias = c->w[1] ? (double)c->w[1][i % channels] : 0;
        const double real = bias * mul + c->add[i];
        const double scale = fmax(w->scale[i % channels] * fabs(mul), fabs(real) / (in * room));
        const double sum = scale > 0 ? round(real / (in * scale)) : 0;
        if (!isfinite(mul) || !isfinite(real))
            return nn_op_fail(n, err, "the batchnorm behind it is not finite");
        if (!nn_q8_factor(c, in * scale / c->out.scale, &w->multiplier[i], &w->shift[i]))
            return nn_op_fail(n, err, "channel %zu cannot be requantized: scales %g * %g / %g",
                              i % channels, in, scale, c->out.scale);
        w->bias[i] = (int32_t)fmax(-room, fmin(room, mul < 0 ? -sum : sum));
        if (mul < 0) w->multiplier[i] = -w->multiplier[i];
    }
    return BASE_OK;
}

static base_status lower_bands(const nn_q8_context *c, const nn_window win[2], int channels,
                               nn_q8_weights w, nn_q8_layer *layer, base_err *err)
{
    sotto_dwconv2d_bands_t *p = nn_q8_layer_new(c->wide               ? &wide_bands_kernel
                                                : c->weight_bits == 4 ? &bands_packed
                                                                      : &bands_kernel,
                                                c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_dwconv2d_bands_t){.in_h = win[0].in,
                                  .in_w = win[1].in,
                                  .channels = channels,
                                  .out_h = win[0].out,
                                  .out_w = win[1].out,
                                  .bands = c->bands,
                                  .kernel_h = win[0].kernel,
                                  .kernel_w = win[1].kernel,
                                  .stride_h = win[0].stride,
                                  .stride_w = win[1].stride,
                                  .dilation_h = win[0].dilation,
                                  .dilation_w = win[1].dilation,
                                  .pad_top = win[0].before,
                                  .pad_left = win[1].before,
                                  .in_zero = c->in[0].zero,
                                  .out_zero = c->out.zero,
                                  .lo = c->lo,
                                  .hi = c->hi,
                                  .single = c->single,
                                  .weight = w.weight,
                                  .bias = w.bias,
                                  .multiplier = w.multiplier,
                                  .shift = w.shift};
    return BASE_OK;
}

static base_status lower_plain(const nn_q8_context *c, const nn_window win[2], int channels,
                               nn_q8_weights w, nn_q8_layer *layer, base_err *err)
{
    sotto_dwconv2d_t *p = nn_q8_layer_new(c->wide               ? &wide_kernel
                                          : c->weight_bits == 4 ? &packed
                                                                : &kernel,
                                          c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_dwconv2d_t){.in_h = win[0].in,
                            .in_w = win[1].in,
                            .channels = channels,
                            .out_h = win[0].out,
                            .out_w = win[1].out,
                            .kernel_h = win[0].kernel,
                            .kernel_w = win[1].kernel,
                            .stride_h = win[0].stride,
                            .stride_w = win[1].stride,
                            .dilation_h = win[0].dilation,
                            .dilation_w = win[1].dilation,
                            .pad_top = win[0].before,
                            .pad_left = win[1].before,
                            .in_zero = c->in[0].zero,
                            .out_zero = c->out.zero,
                            .lo = c->lo,
                            .hi = c->hi,
                            .single = c->single,
                            .weight = w.weight,
                            .bias = w.bias,
                            .multiplier = w.multiplier,
                            .shift = w.shift};
    return BASE_OK;
}

base_status nn_q8_depthwise(const nn_node *n, const nn_q8_context *c, const nn_window win[2],
                            int channels, nn_q8_layer *layer, base_err *err)
{
    const size_t fan = (size_t)win[0].kernel * (size_t)win[1].kernel, each = (size_t)channels;
    const size_t all = each * (size_t)(c->mul ? c->bands : 1);
    const size_t count[] = {fan * each, all, all, all};
    nn_q8_context own = *c;
    nn_q8_weights w;
    if (c->wide && fan > SOTTO_I16_RUN)
        return nn_op_fail(n, err, "windows of %zu 16-bit values (at most %d)", fan, SOTTO_I16_RUN);
    if (c->mul) own.w[1] = NULL;
    BASE_TRY(nn_q8_quantize(n, &own, fan, each, false, &w, err));
    if (c->mul) BASE_TRY(by_band(n, c, fan, each, &w, err));
    BASE_TRY((c->mul ? lower_bands : lower_plain)(c, win, channels, w, layer, err));
    memcpy(layer->count, count, sizeof count);
    if (c->weight_bits == 4)
        layer->scratch = fan * (size_t)sotto_int4_channels((int32_t)fan, channels);
    return BASE_OK;
}
