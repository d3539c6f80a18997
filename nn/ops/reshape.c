/* reshape: y = the values of x in their order, in another shape with as many elements. */
#include "nn/op.h"

#include <string.h>

typedef struct reshape {
    nn_shape shape;
} reshape;

static const nn_attr attrs[] = {
    {"shape", NN_SHAPE, offsetof(reshape, shape), NULL, 1, 1 << 24, "the new shape", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    n->shape = ((const reshape *)n->attrs)->shape;
    double count = 1; /* of a shape that nobody has checked: may be more than an integer holds */
    for (int i = 0; i < n->shape.n; i++) count *= n->shape.d[i];
    int64_t have = nn_count(n->in[0]->shape);
    if (count < (double)have || count > (double)have)
        return nn_op_fail(n, err, "shape=%s has %.0f elements, input '%s' is %s and has %lld",
                          nn_shape_text(n->shape, a), count, n->in[0]->name,
                          nn_shape_text(n->in[0]->shape, b), (long long)have);
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

NN_CASES("x = input 6x4x1; y = reshape(x) shape=6x1x4", "x = input 12; y = reshape(x) shape=3x2x2",
         "x = input 2x3x2x2; y = reshape(x) shape=24", "x = input 5; y = reshape(x) shape=1x1x5x1");

const nn_op nn_op_reshape = {
    .name = "reshape",
    .summary = "the same values in another shape",
    .n_in = 1,
    .flags = NN_INPLACE | NN_IDENTITY,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(reshape),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
