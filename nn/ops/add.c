/* add: y = x0 + x1. An axis of length 1 is repeated along the other's (over time, frequency or
 * channels); the gradient of what is repeated is the sum.
 */
#include "quantize/runtime/add.h"
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/add_broadcast.h"
#include "quantize/runtime/add_broadcast_i16.h"
#include "quantize/runtime/add_i16.h"

#include <math.h>

static void forward_row(nn_real *restrict y, const nn_real *x0, ptrdiff_t s0, const nn_real *x1,
                        ptrdiff_t s1, ptrdiff_t n)
{
    if (s0 && s1)
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x0[i] + x1[i];
    else
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x0[i * s0] + x1[i * s1];
}

static void clamped_row(nn_clamp c, nn_real *restrict y, const nn_real *x0, ptrdiff_t s0,
                        const nn_real *x1, ptrdiff_t s1, ptrdiff_t n)
{
    if (s0 && s1)
        for (ptrdiff_t i = 0; i < n; i++) y[i] = nn_clamped(c, x0[i] + x1[i]);
    else
        for (ptrdiff_t i = 0; i < n; i++) y[i] = nn_clamped(c, x0[i * s0] + x1[i * s1]);
}

static void forward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++) {
        nn_real *y = a->y + b.y + r * b.n;
        const nn_real *x0 = a->x[0] + b.a + r * b.row_a, *x1 = a->x[1] + b.b + r * b.row_b;
        if (a->clamp)
            clamped_row(*a->clamp, y, x0, b.step_a, x1, b.step_b, b.n);
        else
            forward_row(y, x0, b.step_a, x1, b.step_b, b.n);
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = nn_grid_pair(n, a->batch);
    nn_grid_blocks(&g, forward_block, &copy);
}

/* dx += dy, or = where dx is fresh; step 0: the sum is added */
static void pass_row(bool fresh, nn_real *restrict dx, const nn_real *dy, ptrdiff_t n,
                     ptrdiff_t step)
{
    nn_real sum = 0;
    if (step) {
        for (ptrdiff_t i = 0; i < n; i++) dx[i] = (fresh ? 0 : dx[i]) + dy[i];
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) sum += dy[i];
    *dx += sum;
}

static void pass_clamped_row(nn_clamp c, bool fresh, nn_real *restrict dx, const nn_real *y,
                             const nn_real *dy, ptrdiff_t n, ptrdiff_t step)
{
    nn_real sum = 0;
    if (step) {
        for (ptrdiff_t i = 0; i < n; i++) dx[i] = (fresh ? 0 : dx[i]) + nn_passed(c, y[i], dy[i]);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) sum += nn_passed(c, y[i], dy[i]);
    *dx += sum;
}

static void pass_block(const nn_args *a, int k, ptrdiff_t at, ptrdiff_t row, ptrdiff_t step,
                       nn_block b)
{
    for (ptrdiff_t r = 0; a->dx[k] && r < b.rows; r++) {
        const ptrdiff_t from = b.y + r * b.n;
        nn_real *dx = a->dx[k] + at + r * row;
        if (a->clamp)
            pass_clamped_row(*a->clamp, nn_is_fresh(a, k), dx, a->y + from, a->dy + from, b.n,
                             step);
        else
            pass_row(nn_is_fresh(a, k), dx, a->dy + from, b.n, step);
    }
}

static void backward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    pass_block(a, 0, b.a, b.row_a, b.step_a, b);
    pass_block(a, 1, b.b, b.row_b, b.step_b, b);
}

static void backward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = nn_grid_pair(n, a->batch);
    for (int k = 0; k < 2; k++)
        if (!nn_same_shape(n->in[k]->shape, n->shape)) nn_begin(n, &copy, k);
    nn_grid_blocks(&g, backward_block, &copy);
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
    NN_Q8_INT_OF(sotto_add_t, single),
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

static const nn_q8_field broadcast_fields[] = {
    NN_Q8_INT4_OF(sotto_add_broadcast_t, length),
    NN_Q8_INT4_OF(sotto_add_broadcast_t, step0),
    NN_Q8_INT4_OF(sotto_add_broadcast_t, step1),
    NN_Q8_ADD_OF(sotto_add_broadcast_t, sum),
};

static void run_broadcast_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add_broadcast(p, x[0], x[1], y);
}

static const nn_q8_kernel broadcast_kernel = {
    .name = "sotto_add_broadcast",
    .header = "add_broadcast.h",
    .n_in = 2,
    .size = sizeof(sotto_add_broadcast_t),
    .fields = broadcast_fields,
    .n_fields = BASE_COUNT(broadcast_fields),
    .run = run_broadcast_q8,
};

static const nn_q8_field wide_fields[] = {
    NN_Q8_INT_OF(sotto_add_i16_t, n),
    NN_Q8_INT_OF(sotto_add_i16_t, x0_multiplier),
    NN_Q8_INT_OF(sotto_add_i16_t, x1_multiplier),
    NN_Q8_INT_OF(sotto_add_i16_t, shift),
    NN_Q8_INT_OF(sotto_add_i16_t, lo),
    NN_Q8_INT_OF(sotto_add_i16_t, hi),
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add_i16(p, nn_q8_x16(x[0]), nn_q8_x16(x[1]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_add_i16",
    .header = "add_i16.h",
    .n_in = 2,
    .size = sizeof(sotto_add_i16_t),
    .fields = wide_fields,
    .n_fields = BASE_COUNT(wide_fields),
    .run = run_wide,
    .in_place = true,
};

static const nn_q8_field wide_broadcast_fields[] = {
    NN_Q8_INT4_OF(sotto_add_broadcast_i16_t, length),
    NN_Q8_INT4_OF(sotto_add_broadcast_i16_t, step0),
    NN_Q8_INT4_OF(sotto_add_broadcast_i16_t, step1),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.n),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.x0_multiplier),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.x1_multiplier),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.shift),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.lo),
    NN_Q8_INT_OF(sotto_add_broadcast_i16_t, sum.hi),
};

static void run_wide_broadcast(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add_broadcast_i16(p, nn_q8_x16(x[0]), nn_q8_x16(x[1]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_broadcast_kernel = {
    .name = "sotto_add_broadcast_i16",
    .header = "add_broadcast_i16.h",
    .n_in = 2,
    .size = sizeof(sotto_add_broadcast_i16_t),
    .fields = wide_broadcast_fields,
    .n_fields = BASE_COUNT(wide_broadcast_fields),
    .run = run_wide_broadcast,
};

/* One multiplier for each input, with the shift of the larger: one of 31 bits. */
static base_status wide_sum(const nn_node *n, const nn_q8_context *c, sotto_add_i16_t *p,
                            base_err *err)
{
    const double a = c->in[0].scale / c->out.scale, b = c->in[1].scale / c->out.scale;
    int32_t most, shift;
    *p = (sotto_add_i16_t){.n = (int32_t)nn_count(n->shape), .lo = c->lo, .hi = c->hi};
    if (!nn_q8_factor(c, a > b ? a : b, &most, &shift) || most == 0)
        return nn_op_fail(n, err, "cannot be requantized: scales %g + %g to %g", c->in[0].scale,
                          c->in[1].scale, c->out.scale);
    p->shift = 31 - shift;
    p->x0_multiplier = a < b ? (int32_t)round(ldexp(a, p->shift)) : most;
    p->x1_multiplier = b < a ? (int32_t)round(ldexp(b, p->shift)) : most;
    return BASE_OK;
}

static base_status lower_wide(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    if (nn_same_shape(n->in[0]->shape, n->in[1]->shape)) {
        sotto_add_i16_t *p = nn_q8_layer_new(&wide_kernel, c, layer);
        return p ? wide_sum(n, c, p, err) : base_nomem(err, sizeof *p);
    }
    sotto_add_broadcast_i16_t *p = nn_q8_layer_new(&wide_broadcast_kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    nn_q8_broadcast(n, p->length, p->step0, p->step1);
    return wide_sum(n, c, &p->sum, err);
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    if (c->wide) return lower_wide(n, c, layer, err);
    if (nn_same_shape(n->in[0]->shape, n->in[1]->shape)) {
        sotto_add_t *p = nn_q8_layer_new(&kernel, c, layer);
        return p ? nn_q8_sum(n, c, c->in[0], c->in[1], p, err) : base_nomem(err, sizeof *p);
    }
    sotto_add_broadcast_t *p = nn_q8_layer_new(&broadcast_kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    nn_q8_broadcast(n, p->length, p->step0, p->step1);
    return nn_q8_sum(n, c, c->in[0], c->in[1], &p->sum, err);
}

NN_CASES("x = input 4x3x5; z = input 4x3x5; y = add(x, z)",
         "x = input 6; r = relu(x); y = add(r, x)", "x = input 3x2x2; y = add(x, x)",
         "x = input 5x4x6; z = input 5x1x6; y = add(x, z)",
         "x = input 5x1x6; z = input 1x4x6; y = add(x, z)",
         "x = input 4x3x5; z = input 1x1x5; y = add(x, z)",
         "x = input 4x3x1; z = input 4x3x5; y = add(x, z)",
         "x = input 3x4x1; z = input 1x1x5; y = add(x, z)",
         "x = input 1; z = input 7; y = add(x, z)");

const nn_op nn_op_add = {
    .name = "add",
    .summary = "sum of two tensors, axes of length 1 repeated",
    .n_in = 2,
    .flags = NN_FRESH | NN_CLAMPS | NN_WIDE,
    .shape = nn_grid_pair_shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
