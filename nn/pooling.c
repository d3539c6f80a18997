/* See nn/pooling.h. */
#include "nn/pooling.h"

#include "quantize/runtime/pool.h"

const nn_attr nn_pooling_attrs[NN_POOLING_ATTRS] = {
    {"kernel", NN_PAIR, offsetof(nn_pooling, kernel), NULL, 1, 4096, "time x frequency", false},
    {"stride", NN_PAIR, offsetof(nn_pooling, stride), "1", 1, 4096, "time x frequency", false},
    {"pad", NN_PAD, offsetof(nn_pooling, pad), "valid", 0, 4096, "padding", false},
};

base_status nn_pooling_windows(const nn_node *n, nn_window w[2], base_err *err)
{
    const nn_pooling *a = n->attrs;
    return nn_windows(n, a->kernel, a->stride, (const int[2]){1, 1}, a->pad, w, err);
}

base_status nn_pooling_shape(nn_node *n, base_err *err)
{
    nn_window w[2];
    BASE_TRY(nn_pooling_windows(n, w, err));
    n->shape = (nn_shape){3, {w[0].out, w[1].out, n->in[0]->shape.d[2]}};
    return BASE_OK;
}

const nn_q8_field nn_pooling_fields[NN_POOLING_FIELDS] = {
    NN_Q8_INT_OF(sotto_pool_t, in_h),     NN_Q8_INT_OF(sotto_pool_t, in_w),
    NN_Q8_INT_OF(sotto_pool_t, channels), NN_Q8_INT_OF(sotto_pool_t, out_h),
    NN_Q8_INT_OF(sotto_pool_t, out_w),    NN_Q8_INT_OF(sotto_pool_t, kernel_h),
    NN_Q8_INT_OF(sotto_pool_t, kernel_w), NN_Q8_INT_OF(sotto_pool_t, stride_h),
    NN_Q8_INT_OF(sotto_pool_t, stride_w), NN_Q8_INT_OF(sotto_pool_t, pad_top),
    NN_Q8_INT_OF(sotto_pool_t, pad_left), NN_Q8_INT_OF(sotto_pool_t, lo),
    NN_Q8_INT_OF(sotto_pool_t, hi),
};

base_status nn_pooling_lower(const nn_node *n, nn_q8_context *c, const nn_q8_kernel *kernel,
                             nn_q8_layer *layer, base_err *err)
{
    nn_window w[2];
    BASE_TRY(nn_q8_check(n, c, err));
    BASE_TRY(nn_pooling_windows(n, w, err));
    if (c->wide && (int64_t)w[0].kernel * w[1].kernel > 65536)
        return nn_op_fail(n, err, "windows of over 65536 16-bit values");
    sotto_pool_t *p = nn_q8_layer_new(kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_pool_t){.in_h = w[0].in,
                        .in_w = w[1].in,
                        .channels = n->shape.d[2],
                        .out_h = w[0].out,
                        .out_w = w[1].out,
                        .kernel_h = w[0].kernel,
                        .kernel_w = w[1].kernel,
                        .stride_h = w[0].stride,
                        .stride_w = w[1].stride,
                        .pad_top = w[0].before,
                        .pad_left = w[1].before,
                        .lo = c->lo,
                        .hi = c->hi};
    return BASE_OK;
}
