/* mean: y = the mean of x over some axes (0 is time, 1 frequency, 2 channels). These stay as axes
 * of length 1, or with keep=no go away.
 */
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/reduce_mean.h"
#include "quantize/runtime/reduce_mean_i16.h"

#include <string.h>

typedef struct mean {
    nn_list axes;
    bool keep;
} mean;

static const nn_attr attrs[] = {
    {"axes", NN_LIST, offsetof(mean, axes), NULL, 0, NN_MAX_DIMS - 1, "what to average over",
     false},
    {"keep", NN_YESNO, offsetof(mean, keep), "yes", 0, 0, "keep the axes, with length 1", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const mean *p = n->attrs;
    return nn_reduced(n, p->axes, p->keep, &n->shape, err);
}

static nn_grid grid_of(const nn_node *n, int batch)
{
    const mean *p = n->attrs;
    nn_shape full = n->in[0]->shape, kept;
    nn_reduced(n, p->axes, true, &kept, NULL);
    return nn_grid_of(batch, full, kept, full);
}

static nn_real share_of(const nn_node *n)
{
    return (nn_real)((double)nn_count(n->shape) / (double)nn_count(n->in[0]->shape));
}

static void add_row(nn_real *restrict y, ptrdiff_t step, const nn_real *x, ptrdiff_t n)
{
    nn_real sum = 0;
    if (step)
        for (ptrdiff_t i = 0; i < n; i++) y[i] += x[i];
    else {
        for (ptrdiff_t i = 0; i < n; i++) sum += x[i];
        *y += sum;
    }
}

static void forward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        add_row(a->y + b.a + r * b.row_a, b.step_a, a->x[0] + b.y + r * b.n, b.n);
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = grid_of(n, a->batch);
    int64_t count = a->batch * nn_count(n->shape);
    nn_real share = share_of(n);
    memset(a->y, 0, (size_t)count * sizeof *a->y);
    nn_grid_blocks(&g, forward_block, &copy);
    for (int64_t i = 0; i < count; i++) a->y[i] *= share;
}

typedef struct backward_args {
    nn_real *dx, share;
    const nn_real *dy;
    bool fresh;
} backward_args;

static void spread_row(const backward_args *a, nn_real *restrict dx, const nn_real *dy,
                       ptrdiff_t step, ptrdiff_t n)
{
    const nn_real share = a->share;
    const bool fresh = a->fresh;
    if (step)
        for (ptrdiff_t i = 0; i < n; i++) dx[i] = (fresh ? 0 : dx[i]) + dy[i] * share;
    else
        for (ptrdiff_t i = 0; i < n; i++) dx[i] = (fresh ? 0 : dx[i]) + *dy * share;
}

static void backward_block(void *ctx, nn_block b)
{
    const backward_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        spread_row(a, a->dx + b.y + r * b.n, a->dy + b.a + r * b.row_a, b.step_a, b.n);
}

static void backward(const nn_node *n, const nn_args *a)
{
    if (!a->dx[0]) return;
    nn_grid g = grid_of(n, a->batch);
    nn_grid_blocks(&g, backward_block,
                   &(backward_args){a->dx[0], share_of(n), a->dy, nn_is_fresh(a, 0)});
}

static const nn_q8_field fields[] = {
    NN_Q8_REDUCE_OF(sotto_reduce_mean_t, axes),  NN_Q8_INT_OF(sotto_reduce_mean_t, in_zero),
    NN_Q8_INT_OF(sotto_reduce_mean_t, out_zero), NN_Q8_INT_OF(sotto_reduce_mean_t, multiplier),
    NN_Q8_INT_OF(sotto_reduce_mean_t, shift),    NN_Q8_INT_OF(sotto_reduce_mean_t, lo),
    NN_Q8_INT_OF(sotto_reduce_mean_t, hi),       NN_Q8_INT_OF(sotto_reduce_mean_t, single),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_reduce_mean(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_reduce_mean",
    .header = "reduce_mean.h",
    .n_in = 1,
    .size = sizeof(sotto_reduce_mean_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_reduce_mean_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_reduce_mean_i16",
    .header = "reduce_mean_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_reduce_mean_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_reduce_mean_t *p = nn_q8_layer_new(c->wide ? &wide_kernel : &kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const mean *a = n->attrs;
    const int64_t count = nn_count(n->in[0]->shape) / nn_count(n->shape);
    const double factor = c->in[0].scale / (c->out.scale * (double)count);
    *p = (sotto_reduce_mean_t){.axes = nn_q8_reduce(n, a->axes),
                               .in_zero = c->in[0].zero,
                               .out_zero = c->out.zero,
                               .lo = c->lo,
                               .hi = c->hi,
                               .single = c->single};
    /* a sum has at most 8 bits more than count, and a sign; of 16-bit values, 47 bits are enough */
    if (count > 1 << 22 || !(factor * (double)count < 1 << 22) || !(factor < 1 << 22) ||
        !nn_q8_factor(c, factor, &p->multiplier, &p->shift))
        return nn_op_fail(n, err, "cannot be requantized: scale %g over %lld values to %g",
                          c->in[0].scale, (long long)count, c->out.scale);
    return BASE_OK;
}

NN_CASES("x = input 5x4x6; y = mean(x) axes=1", "x = input 5x4x6; y = mean(x) axes=0",
         "x = input 5x4x6; y = mean(x) axes=2", "x = input 5x4x6; y = mean(x) axes=0,1 keep=no",
         "x = input 5x4x6; y = mean(x) axes=0,2 keep=no", "x = input 9; y = mean(x) axes=0",
         "x = input 3x1x6; y = mean(x) axes=1", "x = input 3x4x2x5; y = mean(x) axes=1,3",
         "x = input 3x1x6; y = mean(x) axes=0 keep=no");

const nn_op nn_op_mean = {
    .name = "mean",
    .summary = "mean over chosen axes",
    .n_in = 1,
    .flags = NN_FRESH | NN_WIDE,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(mean),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
