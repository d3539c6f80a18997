/* concat: two inputs or more, equal but for one axis -> y, joined along that axis (0 is time, 1
 * frequency, 2 channels) in the order they are given. dx is the run of dy that came from x.
 */
#include "quantize/runtime/concat.h"
#include "nn/axis.h"
#include "nn/lower.h"

#include <limits.h>

typedef struct concat {
    int axis;
} concat;

static const nn_attr attrs[] = {
    {"axis", NN_INT, offsetof(concat, axis), NULL, 0, NN_MAX_DIMS - 1, "the axis that grows",
     false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    int axis = ((const concat *)n->attrs)->axis;
    nn_shape first = n->in[0]->shape;
    int64_t length = 0;
    BASE_TRY(nn_need_axis(n, 0, axis, err));
    for (int k = 0; k < n->n_in; k++) {
        nn_shape s = n->in[k]->shape, alike = s;
        if (s.n == first.n) alike.d[axis] = first.d[axis];
        if (!nn_same_shape(alike, first))
            return nn_op_fail(n, err, "shapes differ beside axis %d: '%s' is %s, '%s' is %s", axis,
                              n->in[0]->name, nn_shape_text(first, a), n->in[k]->name,
                              nn_shape_text(s, b));
        length += s.d[axis];
    }
    if (length > INT_MAX)
        return nn_op_fail(n, err, "axis %d would have %lld positions", axis, (long long)length);
    n->shape = first;
    n->shape.d[axis] = (int)length;
    return BASE_OK;
}

/* The place of input k in y. */
static nn_run run_of(const nn_node *n, int batch, int k)
{
    int axis = ((const concat *)n->attrs)->axis, begin = 0;
    for (int i = 0; i < k; i++) begin += n->in[i]->shape.d[axis];
    return nn_run_of(batch, n->shape, axis, begin, n->in[k]->shape.d[axis]);
}

static void forward(const nn_node *n, const nn_args *a)
{
    for (int k = 0; k < n->n_in; k++) nn_run_write(run_of(n, a->batch, k), a->x[k], a->y);
}

static void backward(const nn_node *n, const nn_args *a)
{
    for (int k = 0; k < n->n_in; k++)
        if (a->dx[k]) nn_run_read_add(run_of(n, a->batch, k), a->dy, a->dx[k]);
}

_Static_assert(NN_MAX_IN == 8, "as many inputs as sotto_concat_t has places for");

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_concat_t, n),           NN_Q8_INT_OF(sotto_concat_t, pieces),
    NN_Q8_INT4_OF(sotto_concat_t, run),        NN_Q8_INT_OF(sotto_concat_t, run[4]),
    NN_Q8_INT_OF(sotto_concat_t, run[5]),      NN_Q8_INT_OF(sotto_concat_t, run[6]),
    NN_Q8_INT_OF(sotto_concat_t, run[7]),      NN_Q8_RESCALE_OF(sotto_concat_t, from[0]),
    NN_Q8_RESCALE_OF(sotto_concat_t, from[1]), NN_Q8_RESCALE_OF(sotto_concat_t, from[2]),
    NN_Q8_RESCALE_OF(sotto_concat_t, from[3]), NN_Q8_RESCALE_OF(sotto_concat_t, from[4]),
    NN_Q8_RESCALE_OF(sotto_concat_t, from[5]), NN_Q8_RESCALE_OF(sotto_concat_t, from[6]),
    NN_Q8_RESCALE_OF(sotto_concat_t, from[7]),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_concat(p, x, y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_concat",
    .header = "concat.h",
    .n_in = NN_MAX_IN,
    .size = sizeof(sotto_concat_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
    .list = true,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_concat_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    p->n = n->n_in;
    for (int k = 0; k < n->n_in; k++) {
        const nn_run r = run_of(n, 1, k);
        p->pieces = (int32_t)r.pieces;
        p->run[k] = (int32_t)r.n;
        BASE_TRY(nn_q8_rescale(n, c, k, &p->from[k], err));
    }
    return BASE_OK;
}

NN_CASES("x = input 4x3x2; z = input 5x3x2; y = concat(x, z) axis=0",
         "x = input 4x3x2; z = input 4x1x2; y = concat(x, z) axis=1",
         "x = input 4x3x2; z = input 4x3x5; w = input 4x3x1; y = concat(x, z, w) axis=2",
         "x = input 4; y = concat(x, x) axis=0",
         "x = input 2x3x2x2; z = input 2x3x2x3; y = concat(x, z, x) axis=3",
         "x = input 3x2; z = input 1x2; y = concat(x, z, z, x, z, x, z, x) axis=0");

const nn_op nn_op_concat = {
    .name = "concat",
    .summary = "inputs joined along an axis",
    .n_in = 2,
    .n_in_most = NN_MAX_IN,
    .flags = NN_SHARES_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(concat),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
