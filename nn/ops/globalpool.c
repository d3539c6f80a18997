/* globalpool: x [H, W, C] -> y [C], y[c] = mean of x[h,w,c] over h and w. */
#include "quantize/runtime/globalpool.h"
#include "nn/lower.h"
#include "quantize/runtime/globalpool_i16.h"

#include <string.h>

static base_status shape(nn_node *n, base_err *err)
{
    BASE_TRY(nn_need_dims(n, 0, 3, err));
    n->shape = (nn_shape){1, {n->in[0]->shape.d[2]}};
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int ch = n->shape.d[0], pixels = (int)(nn_count(n->in[0]->shape) / ch);
    const nn_real *x = a->x[0];
    for (int b = 0; b < a->batch; b++) {
        nn_real *restrict y = a->y + (ptrdiff_t)b * ch;
        memset(y, 0, (size_t)ch * sizeof *y);
        for (int p = 0; p < pixels; p++, x += ch)
            for (int c = 0; c < ch; c++) y[c] += x[c];
        for (int c = 0; c < ch; c++) y[c] /= (nn_real)pixels;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int ch = n->shape.d[0], pixels = (int)(nn_count(n->in[0]->shape) / ch);
    nn_real *dx = a->dx[0], share = 1 / (nn_real)pixels;
    for (int b = 0; dx && b < a->batch; b++)
        for (int p = 0; p < pixels; p++, dx += ch)
            for (int c = 0; c < ch; c++) dx[c] += a->dy[(ptrdiff_t)b * ch + c] * share;
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_globalpool_t, positions),
    NN_Q8_INT_OF(sotto_globalpool_t, channels),
    NN_Q8_INT_OF(sotto_globalpool_t, lo),
    NN_Q8_INT_OF(sotto_globalpool_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_globalpool(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_globalpool",
    .header = "globalpool.h",
    .n_in = 1,
    .size = sizeof(sotto_globalpool_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_globalpool_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_globalpool_i16",
    .header = "globalpool_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_globalpool_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_globalpool_t *p = nn_q8_layer_new(c->wide ? &wide_kernel : &kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const int channels = n->shape.d[0];
    const int positions = (int)(nn_count(n->in[0]->shape) / channels);
    if (c->wide && positions > 65536)
        return nn_op_fail(n, err, "a mean of over 65536 16-bit values");
    *p = (sotto_globalpool_t){positions, channels, c->lo, c->hi};
    return BASE_OK;
}

NN_CASES("x = input 6x5x7; y = globalpool(x)", "x = input 1x1x3; y = globalpool(x)");

const nn_op nn_op_globalpool = {
    .name = "globalpool",
    .summary = "mean over time and frequency",
    .n_in = 1,
    .flags = NN_SAME_QUANT | NN_WIDE,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
