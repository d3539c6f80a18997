/* softmax: y_k = exp(x_k) / sum_j exp(x_j) over the last axis (each row of it sums to one). The
 * largest of a row is subtracted first, so that no finite x overflows; a NaN anywhere in a row is
 * all of it, and so is +infinity or nothing but -infinity.
 *
 *   dx_k = y_k (dy_k - sum_j dy_j y_j)
 */
#include "quantize/runtime/softmax.h"
#include "nn/lower.h"

#include <math.h>

static nn_real exponential(nn_real x)
{
#ifdef NN_DOUBLE
    return exp(x);
#else
    return expf(x);
#endif
}

static void forward(const nn_node *n, const nn_args *a)
{
    int k = n->shape.d[n->shape.n - 1];
    int64_t count = a->batch * nn_count(n->shape);
    for (int64_t row = 0; row < count; row += k) {
        const nn_real *x = a->x[0] + row;
        nn_real *y = a->y + row, top = x[0], sum = 0;
        for (int i = 1; i < k; i++)
            if (x[i] > top) top = x[i];
        for (int i = 0; i < k; i++) sum += y[i] = exponential(x[i] - top);
        for (int i = 0; i < k; i++) y[i] /= sum;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int k = n->shape.d[n->shape.n - 1];
    int64_t count = a->dx[0] ? a->batch * nn_count(n->shape) : 0;
    for (int64_t row = 0; row < count; row += k) {
        const nn_real *y = a->y + row, *dy = a->dy + row;
        nn_real *restrict dx = a->dx[0] + row, sum = 0;
        for (int i = 0; i < k; i++) sum += dy[i] * y[i];
        for (int i = 0; i < k; i++) dx[i] += y[i] * (dy[i] - sum);
    }
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_softmax_t, rows),       NN_Q8_INT_OF(sotto_softmax_t, n),
    NN_Q8_INT_OF(sotto_softmax_t, multiplier), NN_Q8_INT_OF(sotto_softmax_t, shift),
    NN_Q8_INT_OF(sotto_softmax_t, least),      NN_Q8_INT_OF(sotto_softmax_t, lo),
    NN_Q8_INT_OF(sotto_softmax_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_softmax(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_softmax",
    .header = "softmax.h",
    .n_in = 1,
    .size = sizeof(sotto_softmax_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
    .in_place = true,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    enum { MOST = 4095 }; /* the sum has 12 bits before the point */
    BASE_TRY(nn_q8_check(n, c, err));
    const int k = n->shape.d[n->shape.n - 1];
    if (k > MOST) return nn_op_fail(n, err, "rows of %d values; the int8 form takes %d", k, MOST);
    if (c->out.scale * 256 < 1 || c->out.scale * 256 > 1 || c->out.zero != -128)
        return nn_op_fail(n, err, "the int8 form gives scale 1/256 and zero point -128, not %g, %d",
                          c->out.scale, c->out.zero);
    sotto_softmax_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    if (!nn_q8_softmax(c->in[0].scale, (int32_t)(nn_count(n->shape) / k), k, p))
        return nn_op_fail(n, err, "the int8 form has no room for scale %g", c->in[0].scale);
    p->lo = c->lo;
    p->hi = c->hi;
    return BASE_OK;
}

NN_CASES("x = input 4x3x5; y = softmax(x)", "x = input 9; y = softmax(x)",
         "x = input 2x3x2x7; y = softmax(x)", "x = input 3x1; y = softmax(x)");

const nn_op nn_op_softmax = {
    .name = "softmax",
    .summary = "exponentials that sum to one over the last axis",
    .n_in = 1,
    .flags = NN_INPLACE | NN_KEEP_Y,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .fixed = {1.0 / 256, -128},
    .cases = cases,
    .n_cases = N_CASES,
};
