/* depthwise: int8 depthwise convolutions; a batchnorm by bands is part of them. */
#include "nn/lower.h"
#include "quantize/runtime/dwconv2d.h"
#include "quantize/runtime/dwconv2d_bands.h"

#include <string.h>

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_dwconv2d_t, in_h),       NN_Q8_INT_OF(sotto_dwconv2d_t, in_w),
    NN_Q8_INT_OF(sotto_dwconv2d_t, channels),   NN_Q8_INT_OF(sotto_dwconv2d_t, out_h),
    NN_Q8_INT_OF(sotto_dwconv2d_t, out_w),      NN_Q8_INT_OF(sotto_dwconv2d_t, kernel_h),
    NN_Q8_INT_OF(sotto_dwconv2d_t, kernel_w),   NN_Q8_INT_OF(sotto_dwconv2d_t, stride_h),
    NN_Q8_INT_OF(sotto_dwconv2d_t, stride_w),   NN_Q8_INT_OF(sotto_dwconv2d_t, dilation_h),
    NN_Q8_INT_OF(sotto_dwconv2d_t, dilation_w), NN_Q8_INT_OF(sotto_dwconv2d_t, pad_top),
    NN_Q8_INT_OF(sotto_dwconv2d_t, pad_left),   NN_Q8_INT_OF(sotto_dwconv2d_t, in_zero),
    NN_Q8_INT_OF(sotto_dwconv2d_t, out_zero),   NN_Q8_INT_OF(sotto_dwconv2d_t, lo),
    NN_Q8_INT_OF(sotto_dwconv2d_t, hi),         NN_Q8_I8S_OF(sotto_dwconv2d_t, weight),
    NN_Q8_I32S_OF(sotto_dwconv2d_t, bias),      NN_Q8_I32S_OF(sotto_dwconv2d_t, multiplier),
    NN_Q8_I32S_OF(sotto_dwconv2d_t, shift),
};

static void run(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d(p, x[0], y);
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

static const nn_q8_field bands_fields[] = {
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_h),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_w),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, channels),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_h),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_w),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, bands),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, kernel_h),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, kernel_w),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, stride_h),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, stride_w),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, dilation_h),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, dilation_w),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, pad_top),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, pad_left),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, in_zero),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, out_zero),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, lo),
    NN_Q8_INT_OF(sotto_dwconv2d_bands_t, hi),
    NN_Q8_I8S_OF(sotto_dwconv2d_bands_t, weight),
    NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, bias),
    NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, multiplier),
    NN_Q8_I32S_OF(sotto_dwconv2d_bands_t, shift),
};

static void run_bands(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d_bands(p, x[0], y);
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

/* Weights [fan][channels] and biases become [fan][bands][channels] and [bands][channels]. */
static base_status spread(nn_q8_context *c, size_t fan, size_t channels, base_err *err)
{
    const size_t all = (size_t)c->bands * channels;
    nn_real *w = base_arena_alloc(c->arena, fan * all, sizeof *w);
    nn_real *bias = base_arena_alloc(c->arena, all, sizeof *bias);
    if (!w || !bias) return base_nomem(err, fan * all * sizeof *w);
    for (size_t i = 0; i < fan * all; i++)
        w[i] = (nn_real)((double)c->w[0][i / all * channels + i % channels] * c->mul[i % all]);
    for (size_t i = 0; i < all; i++)
        bias[i] = (nn_real)((c->w[1] ? (double)c->w[1][i % channels] : 0) * c->mul[i] + c->add[i]);
    c->w[0] = w;
    c->w[1] = bias;
    return BASE_OK;
}

static base_status lower_bands(const nn_q8_context *c, const nn_window win[2], int channels,
                               nn_q8_weights w, nn_q8_layer *layer, base_err *err)
{
    sotto_dwconv2d_bands_t *p = nn_q8_layer_new(&bands_kernel, c, layer);
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
                                  .weight = w.weight,
                                  .bias = w.bias,
                                  .multiplier = w.multiplier,
                                  .shift = w.shift};
    return BASE_OK;
}

static base_status lower_plain(const nn_q8_context *c, const nn_window win[2], int channels,
                               nn_q8_weights w, nn_q8_layer *layer, base_err *err)
{
    sotto_dwconv2d_t *p = nn_q8_layer_new(&kernel, c, layer);
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
                            .weight = w.weight,
                            .bias = w.bias,
                            .multiplier = w.multiplier,
                            .shift = w.shift};
    return BASE_OK;
}

base_status nn_q8_depthwise(const nn_node *n, const nn_q8_context *c, const nn_window win[2],
                            int channels, nn_q8_layer *layer, base_err *err)
{
    const size_t fan = (size_t)win[0].kernel * (size_t)win[1].kernel;
    const size_t all = (size_t)channels * (size_t)(c->mul ? c->bands : 1);
    nn_q8_context own = *c;
    nn_q8_weights w;
    if (c->mul) BASE_TRY(spread(&own, fan, (size_t)channels, err));
    BASE_TRY(nn_q8_quantize(n, &own, fan, all, false, &w, err));
    BASE_TRY((c->mul && c->bands > 1 ? lower_bands : lower_plain)(c, win, channels, w, layer, err));
    const size_t count[] = {fan * all, all, all, all};
    memcpy(layer->count, count, sizeof count);
    return BASE_OK;
}
