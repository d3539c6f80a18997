/* slice: y = positions begin .. begin+size-1 of x along one axis (0 is time, 1 frequency, 2
 * channels).
 */
#include "nn/axis.h"

typedef struct slice {
    int axis, begin, size;
} slice;

static const nn_attr attrs[] = {
    {"axis", NN_INT, offsetof(slice, axis), NULL, 0, NN_MAX_DIMS - 1, "the axis that is cut",
     false},
    {"begin", NN_INT, offsetof(slice, begin), "0", 0, 1 << 24, "first position kept", false},
    {"size", NN_INT, offsetof(slice, size), NULL, 1, 1 << 24, "positions kept", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char buf[64];
    const slice *p = n->attrs;
    BASE_TRY(nn_need_axis(n, 0, p->axis, err));
    n->shape = n->in[0]->shape;
    if (p->begin + p->size > n->shape.d[p->axis])
        return nn_op_fail(n, err,
                          "begin=%d size=%d does not fit axis %d of input '%s', which is %s",
                          p->begin, p->size, p->axis, n->in[0]->name, nn_shape_text(n->shape, buf));
    n->shape.d[p->axis] = p->size;
    return BASE_OK;
}

static nn_run run_of(const nn_node *n, int batch)
{
    const slice *p = n->attrs;
    return nn_run_of(batch, n->in[0]->shape, p->axis, p->begin, p->size);
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_run_read(run_of(n, a->batch), a->x[0], a->y);
}

static void backward(const nn_node *n, const nn_args *a)
{
    if (a->dx[0]) nn_run_write_add(run_of(n, a->batch), a->dy, a->dx[0]);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    return nn_q8_run(n, run_of(n, 1), c, layer, err);
}

NN_CASES("x = input 6x4x3; y = slice(x) axis=0 begin=2 size=3",
         "x = input 6x4x3; y = slice(x) axis=1 begin=3 size=1",
         "x = input 6x4x3; y = slice(x) axis=2 size=2", "x = input 9; y = slice(x) axis=0 size=9",
         "x = input 2x3x2x5; y = slice(x) axis=3 begin=1 size=4");

const nn_op nn_op_slice = {
    .name = "slice",
    .summary = "a run of positions of an axis",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(slice),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
