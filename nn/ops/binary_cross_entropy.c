/* binary_cross_entropy: x logits, t targets in 0 .. 1 of the same shape (n elements) -> y [1]
 *
 *   y = -1/n sum_i (t_i log s(x_i) + (1 - t_i) log(1 - s(x_i))),  s(x) = 1 / (1 + exp(-x))
 *     = 1/n sum_i (max(0, x_i) - t_i x_i + log(1 + exp(-|x_i|))), which no logit overflows
 *   dx = (s(x) - t) / n,  dt = -x / n
 *
 * Each class decided for itself (Bishop, Pattern Recognition and Machine Learning, 5.2).
 */
#include "nn/loss.h"

static void forward(const nn_node *n, const nn_args *a)
{
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t b = 0; b < a->batch; b++) {
        double sum = 0;
        for (ptrdiff_t i = b * k; i < (b + 1) * k; i++) {
            double x = (double)a->x[0][i];
            sum += (x > 0 ? x : 0) - (double)a->x[1][i] * x + log1p(exp(-fabs(x)));
        }
        a->y[b] = (nn_real)(sum / (double)k);
    }
}

static double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

static void backward(const nn_node *n, const nn_args *a)
{
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t i = 0; i < a->batch * k; i++) {
        double x = (double)a->x[0][i], dy = (double)a->dy[i / k] / (double)k;
        if (a->dx[0]) a->dx[0][i] += (nn_real)(dy * (sigmoid(x) - (double)a->x[1][i]));
        if (a->dx[1]) a->dx[1][i] -= (nn_real)(dy * x);
    }
}

NN_CASES("x = input 10; t = input 10; y = binary_cross_entropy(x, t)",
         "x = input 5x1x3; t = input 5x1x3; y = binary_cross_entropy(x, t)",
         "x = input 1; t = input 1; y = binary_cross_entropy(x, t)");

const nn_op nn_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .summary = "cross-entropy of each element by itself, of logits",
    .n_in = 2,
    .flags = NN_LOSS | NN_KEEP_X,
    .shape = nn_loss_shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
