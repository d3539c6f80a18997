/* mean_squared_error: x, t of the same shape (n elements) -> y [1]
 *
 *   y = 1/n sum_i (x_i - t_i)^2
 *   dx = 2 (x - t) / n,  dt = -dx
 *
 * On one-hot targets it is Brier's score (Monthly Weather Review 78, 1950) but for the factor n.
 */
#include "nn/loss.h"

static void forward(const nn_node *n, const nn_args *a)
{
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t b = 0; b < a->batch; b++) {
        double sum = 0;
        for (ptrdiff_t i = b * k; i < (b + 1) * k; i++) {
            double e = (double)a->x[0][i] - (double)a->x[1][i];
            sum += e * e;
        }
        a->y[b] = (nn_real)(sum / (double)k);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t i = 0; i < a->batch * k; i++) {
        double e = (double)a->x[0][i] - (double)a->x[1][i];
        nn_real g = (nn_real)(2 * e * (double)a->dy[i / k] / (double)k);
        if (a->dx[0]) a->dx[0][i] += g;
        if (a->dx[1]) a->dx[1][i] -= g;
    }
}

NN_CASES("x = input 10; t = input 10; y = mean_squared_error(x, t)",
         "x = input 4x3x2; t = input 4x3x2; y = mean_squared_error(x, t)",
         "x = input 1; t = input 1; y = mean_squared_error(x, t)");

const nn_op nn_op_mean_squared_error = {
    .name = "mean_squared_error",
    .summary = "mean of the squared differences",
    .n_in = 2,
    .flags = NN_LOSS | NN_KEEP_X,
    .shape = nn_loss_shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
