/* hardsigmoid: y = min(1, max(0, x/6 + 1/2)), elementwise (Howard et al., arXiv 1905.02244). The
 * gradient passes where y is strictly inside. The comparisons are written so that NaN passes. */
#include "nn/lower.h"

static nn_real hardsigmoid(nn_real x)
{
    nn_real v = x * (nn_real)(1.0 / 6) + (nn_real)0.5;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = hardsigmoid(x[i]);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *y = a->y, *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++)
        dx[i] += y[i] > 0 && y[i] < 1 ? dy[i] * (nn_real)(1.0 / 6) : 0;
}

NN_CASES("x = input 4x3x5; y = hardsigmoid(x)", "x = input 9; y = hardsigmoid(x)",
         "x = input 1; y = hardsigmoid(x)", "x = input 7x37; y = hardsigmoid(x)");

const nn_op nn_op_hardsigmoid = {
    .name = "hardsigmoid",
    .summary = "logistic function in three straight pieces",
    .n_in = 1,
    .flags = NN_INPLACE | NN_KEEP_Y,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = nn_q8_lower_table,
    .cases = cases,
    .n_cases = N_CASES,
};
