/* mean: y = the mean of x over some axes (0 is time, 1 frequency, 2 channels). These stay as axes
 * of length 1, or with keep=no go away. In int8 the sum is requantized once; with tflite=yes the
 * result is that of TensorFlow Lite 2.2.0's MEAN, which rounds in one of three other ways.
 */
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/reduce_mean.h"
#include "quantize/runtime/reduce_mean_i16.h"
#include "quantize/runtime/reduce_steps.h"

#include <math.h>
#include <string.h>

typedef struct mean {
    nn_list axes;
    bool keep, tflite;
} mean;

static const nn_attr attrs[] = {
    {"axes", NN_LIST, offsetof(mean, axes), NULL, 0, NN_MAX_DIMS - 1, "what to average over",
     false},
    {"keep", NN_YESNO, offsetof(mean, keep), "yes", 0, 0, "keep the axes, with length 1", false},
    {"tflite", NN_YESNO, offsetof(mean, tflite), "no", 0, 0, "round as TensorFlow Lite, in int8",
     false},
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

/* ---- int8 ---- */

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

static const nn_q8_field steps_fields[] = {
    NN_Q8_REDUCE_OF(sotto_reduce_steps_t, axes),
    NN_Q8_INT_OF(sotto_reduce_steps_t, lo),
    NN_Q8_INT_OF(sotto_reduce_steps_t, hi),
    NN_Q8_I32S_OF(sotto_reduce_steps_t, least),
};

static void run_steps(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_reduce_steps(p, x[0], y);
}

static const nn_q8_kernel steps_kernel = {
    .name = "sotto_reduce_steps",
    .header = "reduce_steps.h",
    .n_in = 1,
    .size = sizeof(sotto_reduce_steps_t),
    .fields = steps_fields,
    .n_fields = BASE_COUNT(steps_fields),
    .run = run_steps,
};

/* TensorFlow Lite's MEAN of `count` values. */
typedef struct tflite_mean {
    int32_t count;
    nn_quant in, out;
    bool map; /* over time and frequency of a map, which stay */
    int32_t multiplier, shift, single;
} tflite_mean;

/* What it makes of their sum, before it is clamped to int8. Over a map: requantized, then divided,
 * halves away from zero. Where the quantization stays: divided, towards zero. Else in single
 * precision, with half a step too much. */
static double mean_of_sum(const tflite_mean *m, int32_t sum)
{
    const float scale = (float)m->in.scale / (float)m->out.scale;
    if (m->map) {
        const int32_t v =
            sotto_requant(sum - m->count * m->in.zero, m->multiplier, m->shift, m->single);
        return (v > 0 ? v + m->count / 2 : v - m->count / 2) / m->count + m->out.zero;
    }
    if (m->in.scale == m->out.scale && m->in.zero == m->out.zero) return sum / m->count;
    const float bias = (float)-m->in.zero * scale + 0.5F;
    const volatile float product = (float)sum / (float)m->count * scale; /* rounded by itself */
    return (double)roundf(product + bias) + m->out.zero;
}

/* least: see reduce_steps.h; results grow with the sum. */
static void find_steps(const tflite_mean *m, int32_t *least)
{
    for (int k = 0; k < 255; k++) {
        int32_t lo = -128 * m->count, hi = 127 * m->count + 1;
        while (lo < hi) {
            const int32_t mid = lo + (hi - lo) / 2;
            if (mean_of_sum(m, mid) >= k - 127)
                hi = mid;
            else
                lo = mid + 1;
        }
        least[k] = lo;
    }
}

static base_status lower_steps(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer,
                               int64_t count, base_err *err)
{
    const mean *a = n->attrs;
    const nn_list axes = a->axes;
    tflite_mean m = {.count = (int32_t)count, .in = c->in[0], .out = c->out, .single = c->single};
    m.map = a->keep && n->in[0]->shape.n == 3 && axes.n == 2 && axes.d[0] < 2 && axes.d[1] < 2;
    sotto_reduce_steps_t *p = nn_q8_layer_new(&steps_kernel, c, layer);
    int32_t *least = base_arena_alloc(c->arena, 255, sizeof *least);
    if (!p || !least) return base_nomem(err, 255);
    const double factor = c->in[0].scale / c->out.scale;
    if (count > 1 << 22 || !(factor * (double)count < 1 << 22) ||
        !nn_q8_multiplier(factor, &m.multiplier, &m.shift))
        return nn_op_fail(n, err, "cannot be requantized: scale %g over %lld values to %g",
                          c->in[0].scale, (long long)count, c->out.scale);
    find_steps(&m, least);
    *p = (sotto_reduce_steps_t){nn_q8_reduce(n, axes), c->lo, c->hi, least};
    layer->count[0] = 255;
    return BASE_OK;
}

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    s->tables = ((const mean *)n->attrs)->tflite ? 255 * 4 : 0;
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    const mean *a = n->attrs;
    const int64_t count = nn_count(n->in[0]->shape) / nn_count(n->shape);
    if (a->tflite && !c->wide) return lower_steps(n, c, layer, count, err);
    sotto_reduce_mean_t *p = nn_q8_layer_new(c->wide ? &wide_kernel : &kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    /* 1 / count as a scale of weights has it, so that a convolution can do the same */
    const double factor = c->in[0].scale * (double)(1.0F / (float)count) / c->out.scale;
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
         "x = input 3x1x6; y = mean(x) axes=0 keep=no",
         "x = input 5x4x6; y = mean(x) axes=0,1 tflite=yes",
         "x = input 5x4x6; y = mean(x) axes=1 keep=no tflite=yes");

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
    .q8_size = q8_size,
    .cases = cases,
    .n_cases = N_CASES,
};
