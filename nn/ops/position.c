/* position: y = x + P, P learned and of the shape of x: where in the utterance (and the spectrum) a
 * value stands (Gehring et al., arXiv 1705.03122; Dosovitskiy et al., arXiv 2010.11929).
 * dP = sum over samples of dy, dx = dy. */
#include "nn/op.h"

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    nn_declare(n, "embedding", n->shape, NN_WEIGHT, NN_NORMAL, 1, 1);
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape);
    const nn_real *w = a->w[0];
    for (int b = 0; b < a->batch; b++) {
        const nn_real *x = a->x[0] + b * count;
        nn_real *y = a->y + b * count;
        for (int64_t i = 0; i < count; i++) y[i] = x[i] + w[i];
    }
}

static void add_to(nn_real *restrict sum, const nn_real *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) sum[i] += v[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape);
    if (a->dx[0]) add_to(a->dx[0], a->dy, a->batch * count);
    for (int b = 0; b < a->batch; b++) add_to(a->dw[0], a->dy + b * count, count);
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->weights = nn_count(n->shape);
}

NN_CASES("x = input 4x3x5; y = position(x)", "x = input 9; y = position(x)",
         "x = input 6x1x8; y = position(x)", "x = input 1; y = position(x)");

const nn_op nn_op_position = {
    .name = "position",
    .summary = "learned position embedding",
    .n_in = 1,
    .flags = NN_INPLACE,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .cases = cases,
    .n_cases = N_CASES,
};
