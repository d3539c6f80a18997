/* silu: y = x s(x), s the logistic function (Elfwing et al., arXiv 1702.03118; also "swish").
 * dx = dy (s + x s (1 - s)). */
#include "nn/op.h"

#include <math.h>

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    return BASE_OK;
}

static nn_real logistic(nn_real x)
{
#ifdef NN_DOUBLE
    return 1 / (1 + exp(-x));
#else
    return 1 / (1 + expf(-x));
#endif
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    for (int64_t i = 0; i < count; i++) a->y[i] = a->x[0][i] * logistic(a->x[0][i]);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->dx[0] ? a->batch * nn_count(n->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        nn_real x = a->x[0][i], s = logistic(x);
        a->dx[0][i] += a->dy[i] * s * (1 + x * (1 - s));
    }
}

NN_CASES("x = input 4x3x5; y = silu(x)", "x = input 9; y = silu(x)");

const nn_op nn_op_silu = {
    .name = "silu",
    .summary = "x times its logistic function",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
