/* mul: y = x0 x1, elementwise. An axis of length 1 is repeated along the other's (over time,
 * frequency or channels); dx0 = dy x1 and dx1 = dy x0, summed over what is repeated.
 */
#include "quantize/runtime/mul.h"
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/mul_i16.h"

static void forward_row(nn_real *restrict y, const nn_real *x0, ptrdiff_t s0, const nn_real *x1,
                        ptrdiff_t s1, ptrdiff_t n)
{
    if (s0 && s1)
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x0[i] * x1[i];
    else
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x0[i * s0] * x1[i * s1];
}

static void forward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        forward_row(a->y + b.y + r * b.n, a->x[0] + b.a + r * b.row_a, b.step_a,
                    a->x[1] + b.b + r * b.row_b, b.step_b, b.n);
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = nn_grid_pair(n, a->batch);
    nn_grid_blocks(&g, forward_block, &copy);
}

/* dx += dy other, other with a step of its own */
static void add_row(nn_real *restrict dx, ptrdiff_t step, const nn_real *dy, const nn_real *other,
                    ptrdiff_t other_step, ptrdiff_t n)
{
    nn_real sum = 0;
    if (step)
        for (ptrdiff_t i = 0; i < n; i++) dx[i] += dy[i] * other[i * other_step];
    else {
        for (ptrdiff_t i = 0; i < n; i++) sum += dy[i] * other[i * other_step];
        *dx += sum;
    }
}

static void backward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    const nn_real *dy = a->dy + b.y;
    for (ptrdiff_t r = 0; r < b.rows; r++, dy += b.n) {
        ptrdiff_t at0 = b.a + r * b.row_a, at1 = b.b + r * b.row_b;
        if (a->dx[0]) add_row(a->dx[0] + at0, b.step_a, dy, a->x[1] + at1, b.step_b, b.n);
        if (a->dx[1]) add_row(a->dx[1] + at1, b.step_b, dy, a->x[0] + at0, b.step_a, b.n);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = nn_grid_pair(n, a->batch);
    nn_grid_blocks(&g, backward_block, &copy);
}

static const nn_q8_field fields[] = {
    NN_Q8_INT4_OF(sotto_mul_t, length),    NN_Q8_INT4_OF(sotto_mul_t, step0),
    NN_Q8_INT4_OF(sotto_mul_t, step1),     NN_Q8_INT_OF(sotto_mul_t, x0_zero),
    NN_Q8_INT_OF(sotto_mul_t, x1_zero),    NN_Q8_INT_OF(sotto_mul_t, out_zero),
    NN_Q8_INT_OF(sotto_mul_t, multiplier), NN_Q8_INT_OF(sotto_mul_t, shift),
    NN_Q8_INT_OF(sotto_mul_t, lo),         NN_Q8_INT_OF(sotto_mul_t, hi),
    NN_Q8_INT_OF(sotto_mul_t, single),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_mul(p, x[0], x[1], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_mul",
    .header = "mul.h",
    .n_in = 2,
    .size = sizeof(sotto_mul_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_mul_i16(p, nn_q8_x16(x[0]), nn_q8_x16(x[1]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_mul_i16",
    .header = "mul_i16.h",
    .n_in = 2,
    .size = sizeof(sotto_mul_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_mul_t *p = nn_q8_layer_new(c->wide ? &wide_kernel : &kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const double a = c->in[0].scale, b = c->in[1].scale, factor = a * b / c->out.scale;
    nn_q8_broadcast(n, p->length, p->step0, p->step1);
    p->x0_zero = c->in[0].zero;
    p->x1_zero = c->in[1].zero;
    p->out_zero = c->out.zero;
    p->lo = c->lo;
    p->hi = c->hi;
    p->single = c->single;
    /* products have 16 bits and a sign, which must not be shifted out */
    if (!(factor < 1 << 13) || !nn_q8_factor(c, factor, &p->multiplier, &p->shift))
        return nn_op_fail(n, err, "cannot be requantized: scales %g * %g / %g", a, b, c->out.scale);
    return BASE_OK;
}

NN_CASES("x = input 4x3x5; z = input 4x3x5; y = mul(x, z)",
         "x = input 6; r = relu(x); y = mul(r, x)", "x = input 3x2x2; y = mul(x, x)",
         "x = input 5x4x6; z = input 5x1x6; y = mul(x, z)",
         "x = input 5x1x6; z = input 1x4x6; y = mul(x, z)",
         "x = input 4x3x5; z = input 1x1x5; y = mul(x, z)",
         "x = input 4x3x1; z = input 4x3x5; y = mul(x, z)",
         "x = input 3x4x1; z = input 1x1x5; y = mul(x, z)",
         "x = input 1; z = input 7; y = mul(x, z)");

const nn_op nn_op_mul = {
    .name = "mul",
    .summary = "product of two tensors, axes of length 1 repeated",
    .n_in = 2,
    .flags = NN_KEEP_X | NN_WIDE,
    .shape = nn_grid_pair_shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
