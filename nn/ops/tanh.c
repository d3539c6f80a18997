/* tanh: y = tanh(x), elementwise. dx = dy (1 - y^2). */
#include "nn/lower.h"
#include "nn/vmath.h"

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = nn_vtanh(x[i]);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *y = a->y, *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += dy[i] * (1 - y[i] * y[i]);
}

NN_CASES("x = input 4x3x5; y = tanh(x)", "x = input 9; y = tanh(x)", "x = input 1; y = tanh(x)",
         "x = input 7x37; y = tanh(x)");

const nn_op nn_op_tanh = {
    .name = "tanh",
    .summary = "hyperbolic tangent",
    .n_in = 1,
    .flags = NN_INPLACE | NN_KEEP_Y,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = nn_q8_lower_table,
    .fixed = {1.0 / 128, 0},
    .cases = cases,
    .n_cases = N_CASES,
};
