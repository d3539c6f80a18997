/* add: y = x0 + x1, same shapes. */
#include "quantize/runtime/add.h"
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

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_add_t, n),
    NN_Q8_INT_OF(sotto_add_t, x0_zero),
    NN_Q8_INT_OF(sotto_add_t, x0_multiplier),
    NN_Q8_INT_OF(sotto_add_t, x0_shift),
    NN_Q8_INT_OF(sotto_add_t, x1_zero),
    NN_Q8_INT_OF(sotto_add_t, x1_multiplier),
    NN_Q8_INT_OF(sotto_add_t, x1_shift),
    NN_Q8_INT_OF(sotto_add_t, out_zero),
    NN_Q8_INT_OF(sotto_add_t, out_multiplier),
    NN_Q8_INT_OF(sotto_add_t, out_shift),
    NN_Q8_INT_OF(sotto_add_t, lo),
    NN_Q8_INT_OF(sotto_add_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add(p, x[0], x[1], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_add",
    .header = "add.h",
    .n_in = 2,
    .size = sizeof(sotto_add_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
    .in_place = true,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_add_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const double a = c->in[0].scale, b = c->in[1].scale, twice = 2 * (a > b ? a : b);
    const double out = twice / (1 << 20) / c->out.scale;
    *p = (sotto_add_t){.n = (int32_t)nn_count(n->shape),
                       .x0_zero = c->in[0].zero,
                       .x1_zero = c->in[1].zero,
                       .out_zero = c->out.zero,
                       .lo = c->lo,
                       .hi = c->hi};
    if (!(out < 1) || !nn_q8_multiplier(a / twice, &p->x0_multiplier, &p->x0_shift) ||
        !nn_q8_multiplier(b / twice, &p->x1_multiplier, &p->x1_shift) ||
        !nn_q8_multiplier(out, &p->out_multiplier, &p->out_shift))
        return nn_op_fail(n, err, "cannot be requantized: scales %g + %g to %g", a, b,
                          c->out.scale);
    return BASE_OK;
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
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
