/* add: y = x0 + x1, same shapes. */
#include "nn/op.h"

static base_status shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    n->shape = n->in[0]->shape;
    if (nn_same_shape(n->shape, n->in[1]->shape)) return BASE_OK;
    return nn_op_fail(n, err, "shapes differ: '%s' is %s, '%s' is %s", n->in[0]->name,
                      nn_shape_text(n->shape, a), n->in[1]->name,
                      nn_shape_text(n->in[1]->shape, b));
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x0 = a->x[0], *x1 = a->x[1];
    nn_real *restrict y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x0[i] + x1[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    for (int k = 0; k < 2; k++) {
        nn_real *restrict dx = a->dx[k];
        for (int64_t i = 0; dx && i < count; i++) dx[i] += a->dy[i];
    }
}

NN_CASES("x = input 4x3x5; z = input 4x3x5; y = add(x, z)",
         "x = input 6; r = relu(x); y = add(r, x)", "x = input 3x2x2; y = add(x, x)");

const nn_op nn_op_add = {
    .name = "add",
    .summary = "sum of two tensors of one shape",
    .n_in = 2,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
