/* softmax: y_k = exp(x_k) / sum_j exp(x_j) over the last axis (each row of it sums to one). The
 * largest of a row is subtracted first, so that no finite x overflows; a NaN anywhere in a row is
 * all of it, and so is +infinity or nothing but -infinity.
 *
 *   dx_k = y_k (dy_k - sum_j dy_j y_j)
 */
#include "nn/op.h"

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
    .cases = cases,
    .n_cases = N_CASES,
};
