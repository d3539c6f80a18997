/* avgpool: x [H, W, C] -> y [H', W', C], the mean of x under each window; padding does not count.
 */
#include "quantize/runtime/avgpool.h"
#include "nn/lower.h"
#include "nn/pooling.h"
#include "quantize/runtime/avgpool_i16.h"

#include <string.h>

static void forward(const nn_node *n, const nn_args *a)
{
    nn_window w[2];
    nn_pooling_windows(n, w, NULL);
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
    nn_pooling_windows(n, w, NULL);
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

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_avgpool(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_avgpool",
    .header = "avgpool.h",
    .n_in = 1,
    .size = sizeof(sotto_avgpool_t),
    .fields = nn_pooling_fields,
    .n_fields = NN_POOLING_FIELDS,
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_avgpool_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_avgpool_i16",
    .header = "avgpool_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_avgpool_i16_t),
    .fields = nn_pooling_fields,
    .n_fields = NN_POOLING_FIELDS,
    .run = run_wide,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    return nn_pooling_lower(n, c, c->wide ? &wide_kernel : &kernel, layer, err);
}

NN_CASES("x = input 6x5x3; y = avgpool(x) kernel=2x2 stride=2x2",
         "x = input 7x5x2; y = avgpool(x) kernel=3x3 stride=2x2 pad=same",
         "x = input 25x5x4; y = avgpool(x) kernel=25x5",
         "x = input 6x6x2; y = avgpool(x) kernel=3x2 pad=1,0,1,1");

const nn_op nn_op_avgpool = {
    .name = "avgpool",
    .summary = "mean over windows",
    .n_in = 1,
    .flags = NN_SAME_QUANT | NN_WIDE,
    .attrs = nn_pooling_attrs,
    .n_attrs = NN_POOLING_ATTRS,
    .attr_size = sizeof(nn_pooling),
    .shape = nn_pooling_shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
