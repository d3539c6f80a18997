/* split: an axis of x (0 is time, 1 frequency, 2 channels) in `parts` equal runs; y is run `part`
 * of them, counted from 0. One node a part.
 */
#include "nn/axis.h"

typedef struct split {
    int axis, parts, part;
} split;

static const nn_attr attrs[] = {
    {"axis", NN_INT, offsetof(split, axis), NULL, 0, NN_MAX_DIMS - 1, "the axis that is cut",
     false},
    {"parts", NN_INT, offsetof(split, parts), NULL, 1, 1 << 24, "number of equal parts", false},
    {"part", NN_INT, offsetof(split, part), NULL, 0, 1 << 24, "which of them, from 0", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char buf[64];
    const split *p = n->attrs;
    BASE_TRY(nn_need_axis(n, 0, p->axis, err));
    n->shape = n->in[0]->shape;
    if (n->shape.d[p->axis] % p->parts)
        return nn_op_fail(n, err, "parts=%d does not divide axis %d of input '%s', which is %s",
                          p->parts, p->axis, n->in[0]->name, nn_shape_text(n->shape, buf));
    if (p->part >= p->parts)
        return nn_op_fail(n, err, "part=%d is none of parts=%d (0 to %d)", p->part, p->parts,
                          p->parts - 1);
    n->shape.d[p->axis] /= p->parts;
    return BASE_OK;
}

static nn_run run_of(const nn_node *n, int batch)
{
    const split *p = n->attrs;
    int size = n->shape.d[p->axis];
    return nn_run_of(batch, n->in[0]->shape, p->axis, p->part * size, size);
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

NN_CASES("x = input 6x4x3; y = split(x) axis=0 parts=3 part=1",
         "x = input 6x4x3; y = split(x) axis=1 parts=2 part=1",
         "x = input 6x4x3; y = split(x) axis=2 parts=3 part=0",
         "x = input 9; y = split(x) axis=0 parts=1 part=0",
         "x = input 2x3x2x4; y = split(x) axis=3 parts=4 part=3");

const nn_op nn_op_split = {
    .name = "split",
    .summary = "one of equal parts of an axis",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(split),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
