/* silu: y = x s(x), s the logistic function (Elfwing et al., arXiv 1702.03118; also "swish").
 * dx = dy (s + x s (1 - s)). */
#include "nn/lower.h"
#include "nn/vmath.h"

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * nn_vlogistic(x[i]);
}

static nn_real slope(nn_real x)
{
    nn_real s = nn_vlogistic(x);
    return s * (1 + x * (1 - s));
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0], *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    const bool fresh = nn_is_fresh(a, 0);
    for (int64_t i = 0; dx && i < count; i++) dx[i] = (fresh ? 0 : dx[i]) + dy[i] * slope(x[i]);
}

NN_CASES("x = input 4x3x5; y = silu(x)", "x = input 9; y = silu(x)");

const nn_op nn_op_silu = {
    .name = "silu",
    .summary = "x times its logistic function",
    .n_in = 1,
    .flags = NN_KEEP_X | NN_FRESH,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = nn_q8_lower_table,
    .cases = cases,
    .n_cases = N_CASES,
};
