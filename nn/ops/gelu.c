/* gelu: y = x Phi(x), Phi the normal distribution function, elementwise (Hendrycks and Gimpel,
 * arXiv 1606.08415; the exact form, not the one with tanh). dx = dy (Phi + x phi), phi the density.
 */
#include "nn/lower.h"
#include "nn/vmath.h"

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * nn_vnormal(x[i]).below;
}

static nn_real slope(nn_real x)
{
    nn_normal_at p = nn_vnormal(x);
    return p.below + x * p.density;
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0], *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += dy[i] * slope(x[i]);
}

NN_CASES("x = input 4x3x5; y = gelu(x)", "x = input 9; y = gelu(x)", "x = input 1; y = gelu(x)",
         "x = input 7x37; y = gelu(x)");

const nn_op nn_op_gelu = {
    .name = "gelu",
    .summary = "x times the share of the normal distribution below it",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .lower = nn_q8_lower_table,
    .cases = cases,
    .n_cases = N_CASES,
};
