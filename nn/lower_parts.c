/* See nn/lower.h. */
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/lut.h"

#include <math.h>

int8_t nn_q8_value(nn_quant q, double real)
{
    return (int8_t)fmax(-128.0, fmin(127.0, round(real / q.scale) + q.zero));
}

/* ---- tables ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_lut_t, n),
    NN_Q8_I8S_OF(sotto_lut_t, table),
};

static void run(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_lut(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_lut",
    .header = "lut.h",
    .n_in = 1,
    .size = sizeof(sotto_lut_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run,
    .in_place = true,
};

base_status nn_q8_table(const nn_node *n, const nn_q8_context *c, const int8_t values[256],
                        nn_q8_layer *layer, base_err *err)
{
    enum { VALUES = 256 };
    sotto_lut_t *p = nn_q8_layer_new(&kernel, c, layer);
    int8_t *table = base_arena_alloc(c->arena, VALUES, sizeof *table);
    if (!p || !table) return base_nomem(err, VALUES);
    for (int i = 0; i < VALUES; i++) table[i] = sotto_clamp_i8(values[i], c->lo, c->hi);
    *p = (sotto_lut_t){(int32_t)nn_count(n->shape), table};
    layer->count[0] = VALUES;
    return BASE_OK;
}

base_status nn_q8_lower_table(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    enum { VALUES = 256 };
    nn_real x[VALUES], y[VALUES];
    int8_t table[VALUES];
    BASE_TRY(nn_q8_check(n, c, err));
    for (int i = 0; i < VALUES; i++) x[i] = (nn_real)((i - 128 - c->in[0].zero) * c->in[0].scale);
    nn_node all = *n;
    all.shape = (nn_shape){1, {VALUES}};
    n->op->forward(&all, &(nn_args){.batch = 1, .x = {x}, .y = y});
    for (int i = 0; i < VALUES; i++) table[i] = nn_q8_value(c->out, (double)y[i]);
    return nn_q8_table(n, c, table, layer, err);
}

/* ---- parts ---- */

base_status nn_q8_sum(const nn_node *n, const nn_q8_context *c, nn_quant a, nn_quant b,
                      sotto_add_t *p, base_err *err)
{
    const double twice = 2 * fmax(a.scale, b.scale), out = twice / (1 << 20) / c->out.scale;
    *p = (sotto_add_t){.n = (int32_t)nn_count(n->shape),
                       .x0_zero = a.zero,
                       .x1_zero = b.zero,
                       .out_zero = c->out.zero,
                       .lo = c->lo,
                       .hi = c->hi,
                       .single = c->single};
    if (!(out < 1) || !nn_q8_multiplier(a.scale / twice, &p->x0_multiplier, &p->x0_shift) ||
        !nn_q8_multiplier(b.scale / twice, &p->x1_multiplier, &p->x1_shift) ||
        !nn_q8_multiplier(out, &p->out_multiplier, &p->out_shift))
        return nn_op_fail(n, err, "cannot be requantized: scales %g + %g to %g", a.scale, b.scale,
                          c->out.scale);
    return BASE_OK;
}

base_status nn_q8_rescale(const nn_node *n, const nn_q8_context *c, int k, sotto_rescale_t *p,
                          base_err *err)
{
    const nn_quant in = c->in[k], out = c->out;
    const double factor = in.scale / out.scale;
    *p = (sotto_rescale_t){
        .in_zero = in.zero, .out_zero = out.zero, .lo = c->lo, .hi = c->hi, .single = c->single};
    if (in.scale == out.scale && in.zero == out.zero) return BASE_OK;
    /* 8 bits and a sign must not be shifted out, nor all of them away */
    if (!(factor < 1 << 20) || !nn_q8_multiplier(factor, &p->multiplier, &p->shift) ||
        p->multiplier == 0)
        return nn_op_fail(n, err, "cannot be requantized: scales %g to %g", in.scale, out.scale);
    return BASE_OK;
}

bool nn_q8_softmax(double scale, int32_t rows, int32_t n, sotto_softmax_t *p)
{
    const double real = fmin(scale * (1 << 26), 2147483647.0);
    *p = (sotto_softmax_t){.rows = rows, .n = n, .lo = -128, .hi = 127};
    if (!(real > 1) || !nn_q8_multiplier(real, &p->multiplier, &p->shift)) return false;
    p->least = (int32_t)-floor(ldexp(31, 26 - p->shift));
    return true;
}

void nn_q8_broadcast(const nn_node *n, int32_t length[4], int32_t step0[4], int32_t step1[4])
{
    const nn_grid g = nn_grid_pair(n, 1);
    const int unused = 4 - g.n;
    for (int i = 0; i < 4; i++) {
        const int from = i - unused;
        length[i] = from < 0 ? 1 : (int32_t)g.d[from];
        step0[i] = from < 0 ? 0 : (int32_t)g.a[from];
        step1[i] = from < 0 ? 0 : (int32_t)g.b[from];
    }
}

/* Neighbouring axes of a kind are one; axes of length 1 are none. The last of a kind is its [1]. */
sotto_reduce_t nn_q8_reduce(const nn_node *n, nn_list axes)
{
    sotto_reduce_t r = {{1, 1}, {0, 0}, {1, 1}, {0, 0}};
    const nn_shape x = n->in[0]->shape;
    int32_t step = 1;
    bool is = false;
    for (int i = x.n - 1, kept = 2, reduced = 2, first = 1; i >= 0; step *= x.d[i--]) {
        if (x.d[i] == 1) continue;
        const bool was = is;
        is = false;
        for (int k = 0; k < axes.n; k++) is |= axes.d[k] == i;
        int32_t *length = is ? r.reduced : r.kept, *steps = is ? r.reduced_step : r.kept_step;
        int *at = is ? &reduced : &kept;
        if (first || is != was) steps[--*at] = step;
        length[*at] *= x.d[i];
        first = 0;
    }
    return r;
}
