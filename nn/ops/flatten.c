/* flatten: x [...] -> y [count], the same values. */
#include "nn/op.h"

#include <string.h>

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = (nn_shape){1, {(int)nn_count(n->in[0]->shape)}};
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    size_t count = (size_t)(a->batch * nn_count(n->shape));
    if (a->y != a->x[0]) memcpy(a->y, a->x[0], count * sizeof *a->y);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->dx[0] ? a->batch * nn_count(n->shape) : 0;
    for (int64_t i = 0; i < count; i++) a->dx[0][i] += a->dy[i];
}

NN_CASES("x = input 4x3x5; y = flatten(x)", "x = input 7; y = flatten(x)");

const nn_op nn_op_flatten = {
    .name = "flatten",
    .summary = "all dimensions as one",
    .n_in = 1,
    .flags = NN_INPLACE | NN_IDENTITY,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
