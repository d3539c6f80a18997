/* See nn/axis.h. */
#include "nn/axis.h"
#include "quantize/runtime/slice.h"

#include <string.h>

base_status nn_need_axis(const nn_node *n, int k, int axis, base_err *err)
{
    char buf[64];
    if (axis < n->in[k]->shape.n) return BASE_OK;
    return nn_op_fail(n, err, "axis %d is none of input '%s', which is %s", axis, n->in[k]->name,
                      nn_shape_text(n->in[k]->shape, buf));
}

nn_run nn_run_of(int batch, nn_shape whole, int axis, int begin, int size)
{
    ptrdiff_t outer = batch, inner = 1;
    for (int i = 0; i < axis; i++) outer *= whole.d[i];
    for (int i = axis + 1; i < whole.n; i++) inner *= whole.d[i];
    return (nn_run){outer, size * inner, begin * inner, whole.d[axis] * inner};
}

static void copy_pieces(nn_run r, nn_real *to, ptrdiff_t to_step, const nn_real *from,
                        ptrdiff_t from_step)
{
    for (ptrdiff_t p = 0; p < r.pieces; p++, to += to_step, from += from_step)
        memcpy(to, from, (size_t)r.n * sizeof *to);
}

static void add_pieces(nn_run r, nn_real *restrict to, ptrdiff_t to_step, const nn_real *from,
                       ptrdiff_t from_step)
{
    for (ptrdiff_t p = 0; p < r.pieces; p++, to += to_step, from += from_step)
        for (ptrdiff_t i = 0; i < r.n; i++) to[i] += from[i];
}

void nn_run_read(nn_run r, const nn_real *whole, nn_real *part)
{
    copy_pieces(r, part, r.n, whole + r.at, r.step);
}

void nn_run_read_add(nn_run r, const nn_real *whole, nn_real *part)
{
    add_pieces(r, part, r.n, whole + r.at, r.step);
}

void nn_run_write(nn_run r, const nn_real *part, nn_real *whole)
{
    copy_pieces(r, whole + r.at, r.step, part, r.n);
}

void nn_run_write_add(nn_run r, const nn_real *part, nn_real *whole)
{
    add_pieces(r, whole + r.at, r.step, part, r.n);
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_slice_t, pieces), NN_Q8_INT_OF(sotto_slice_t, run),
    NN_Q8_INT_OF(sotto_slice_t, begin),  NN_Q8_INT_OF(sotto_slice_t, step),
    NN_Q8_INT_OF(sotto_slice_t, lo),     NN_Q8_INT_OF(sotto_slice_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_slice(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_slice",
    .header = "slice.h",
    .n_in = 1,
    .size = sizeof(sotto_slice_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

base_status nn_q8_run(const nn_node *n, nn_run r, const nn_q8_context *c, nn_q8_layer *layer,
                      base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_slice_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_slice_t){(int32_t)r.pieces, (int32_t)r.n, (int32_t)r.at,
                         (int32_t)r.step,   c->lo,        c->hi};
    return BASE_OK;
}
