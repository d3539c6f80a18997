/* avgpool: x [H, W, C] -> y [H', W', C], the mean of x under each window; padding does not count.
 */
#include "quantize/runtime/avgpool.h"
#include "nn/op.h"

#include <string.h>

typedef struct pool {
    int kernel[2], stride[2];
    nn_pad pad;
} pool;

static const nn_attr attrs[] = {
    {"kernel", NN_PAIR, offsetof(pool, kernel), NULL, 1, 4096, "time x frequency", false},
    {"stride", NN_PAIR, offsetof(pool, stride), "1", 1, 4096, "time x frequency", false},
    {"pad", NN_PAD, offsetof(pool, pad), "valid", 0, 4096, "padding", false},
};

static base_status windows(const nn_node *n, nn_window w[2], base_err *err)
{
    const pool *a = n->attrs;
    return nn_windows(n, a->kernel, a->stride, (const int[2]){1, 1}, a->pad, w, err);
}

static base_status shape(nn_node *n, base_err *err)
{
    nn_window w[2];
    BASE_TRY(windows(n, w, err));
    n->shape = (nn_shape){3, {w[0].out, w[1].out, n->in[0]->shape.d[2]}};
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_window w[2];
    windows(n, w, NULL);
    int ch = n->shape.d[2], outs = w[0].out * w[1].out;
    nn_real *y = a->y;
    for (int b = 0; b < a->batch; b++) {
        const nn_real *x = a->x[0] + (ptrdiff_t)b * w[0].in * w[1].in * ch;
        for (int o = 0; o < outs; o++, y += ch) {
            nn_box u = nn_under(w, o / w[1].out, o % w[1].out);
            memset(y, 0, (size_t)ch * sizeof *y);
            for (int i = u.h0; i < u.h1; i++)
                for (int j = u.w0; j < u.w1; j++)
                    for (int c = 0; c < ch; c++) y[c] += x[((ptrdiff_t)i * w[1].in + j) * ch + c];
            for (int c = 0; c < ch; c++) y[c] /= (nn_real)((u.h1 - u.h0) * (u.w1 - u.w0));
        }
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_window w[2];
    windows(n, w, NULL);
    int ch = n->shape.d[2], outs = w[0].out * w[1].out;
    const nn_real *dy = a->dy;
    for (int b = 0; a->dx[0] && b < a->batch; b++) {
        nn_real *dx = a->dx[0] + (ptrdiff_t)b * w[0].in * w[1].in * ch;
        for (int o = 0; o < outs; o++, dy += ch) {
            nn_box u = nn_under(w, o / w[1].out, o % w[1].out);
            nn_real share = 1 / (nn_real)((u.h1 - u.h0) * (u.w1 - u.w0));
            for (int i = u.h0; i < u.h1; i++)
                for (int j = u.w0; j < u.w1; j++)
                    for (int c = 0; c < ch; c++)
                        dx[((ptrdiff_t)i * w[1].in + j) * ch + c] += dy[c] * share;
        }
    }
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_avgpool_t, in_h),     NN_Q8_INT_OF(sotto_avgpool_t, in_w),
    NN_Q8_INT_OF(sotto_avgpool_t, channels), NN_Q8_INT_OF(sotto_avgpool_t, out_h),
    NN_Q8_INT_OF(sotto_avgpool_t, out_w),    NN_Q8_INT_OF(sotto_avgpool_t, kernel_h),
    NN_Q8_INT_OF(sotto_avgpool_t, kernel_w), NN_Q8_INT_OF(sotto_avgpool_t, stride_h),
    NN_Q8_INT_OF(sotto_avgpool_t, stride_w), NN_Q8_INT_OF(sotto_avgpool_t, pad_top),
    NN_Q8_INT_OF(sotto_avgpool_t, pad_left), NN_Q8_INT_OF(sotto_avgpool_t, lo),
    NN_Q8_INT_OF(sotto_avgpool_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_avgpool(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_avgpool",
    .header = "avgpool.h",
    .n_in = 1,
    .size = sizeof(sotto_avgpool_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    nn_window w[2];
    BASE_TRY(nn_q8_check(n, c, err));
    BASE_TRY(windows(n, w, err));
    sotto_avgpool_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_avgpool_t){.in_h = w[0].in,
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

NN_CASES("x = input 6x5x3; y = avgpool(x) kernel=2x2 stride=2x2",
         "x = input 7x5x2; y = avgpool(x) kernel=3x3 stride=2x2 pad=same",
         "x = input 25x5x4; y = avgpool(x) kernel=25x5",
         "x = input 6x6x2; y = avgpool(x) kernel=3x2 pad=1,0,1,1");

const nn_op nn_op_avgpool = {
    .name = "avgpool",
    .summary = "mean over windows",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(pool),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
