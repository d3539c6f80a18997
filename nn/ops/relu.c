/* relu: y = max(0, x), elementwise. The gradient passes where y is strictly inside. The comparisons
 * are written so that NaN passes through. */
#include "nn/op.h"

#include <math.h>

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *y = a->y, *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    const bool fresh = nn_is_fresh(a, 0);
    for (int64_t i = 0; dx && i < count; i++) dx[i] = (fresh ? 0 : dx[i]) + (y[i] > 0 ? dy[i] : 0);
}

static bool clamp(const nn_node *n, double *lo, double *hi)
{
    (void)n;
    *lo = 0;
    *hi = (double)INFINITY;
    return true;
}

NN_CASES("x = input 4x3x5; y = relu(x)", "x = input 9; y = relu(x)");

const nn_op nn_op_relu = {
    .name = "relu",
    .summary = "rectified linear unit",
    .n_in = 1,
    .flags = NN_INPLACE | NN_KEEP_Y | NN_FRESH,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .clamp = clamp,
    .cases = cases,
    .n_cases = N_CASES,
};
