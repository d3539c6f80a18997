/* input: x = input SHAPE. Values come from the caller; nothing is computed. */
#include "nn/op.h"

typedef struct input {
    nn_shape shape;
} input;

static const nn_attr attrs[] = {
    {"shape", NN_SHAPE, offsetof(input, shape), NULL, 1, 1 << 24, "time x frequency x channels",
     .positional = true},
};

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = ((const input *)n->attrs)->shape;
    return BASE_OK;
}

static void nothing(const nn_node *n, const nn_args *a)
{
    (void)n;
    (void)a;
}

NN_CASES("x = input 4x3x2", "x = input 5");

const nn_op nn_op_input = {
    .name = "input",
    .summary = "values given by the caller",
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(input),
    .shape = shape,
    .forward = nothing,
    .backward = nothing,
    .cases = cases,
    .n_cases = N_CASES,
};
