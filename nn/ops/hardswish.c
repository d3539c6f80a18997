/* hardswish: y = x h(x), h(x) = min(1, max(0, x/6 + 1/2)), elementwise (Howard et al., arXiv
 * 1905.02244). dx = dy (x/3 + 1/2) where h is strictly inside, dy h elsewhere. The comparisons are
 * written so that NaN passes. */
#include "nn/lower.h"

static nn_real gate(nn_real x)
{
    nn_real v = x * (nn_real)(1.0 / 6) + (nn_real)0.5;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static nn_real slope(nn_real x)
{
    nn_real inside = x * (nn_real)(1.0 / 3) + (nn_real)0.5;
    return x < -3 ? 0 : x > 3 ? 1 : inside;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * gate(x[i]);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0], *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += dy[i] * slope(x[i]);
}

NN_CASES("x = input 4x3x5; y = hardswish(x)", "x = input 9; y = hardswish(x)",
         "x = input 1; y = hardswish(x)", "x = input 7x37; y = hardswish(x)");

const nn_op nn_op_hardswish = {
    .name = "hardswish",
    .summary = "x times its hardsigmoid",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = nn_q8_lower_table,
    .cases = cases,
    .n_cases = N_CASES,
};
