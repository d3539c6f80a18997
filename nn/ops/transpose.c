/* transpose: axes permuted. Axis k of y is axis order[k] of x: y[i_0, i_1, ...] = x at the position
 * that has i_k along axis order[k].
 */
#include "quantize/runtime/transpose.h"
#include "nn/grid.h"
#include "nn/lower.h"

typedef struct transpose {
    nn_list order;
} transpose;

static const nn_attr attrs[] = {
    {"order", NN_LIST, offsetof(transpose, order), NULL, 0, NN_MAX_DIMS - 1,
     "which axis of x is each of y", false},
};

static base_status no_order(const nn_node *n, base_err *err)
{
    char buf[64];
    base_str text = {0};
    nn_attr_get(n, "order", &text);
    base_status s =
        nn_op_fail(n, err, "order=%s is no order of the axes of input '%s', which is %s",
                   text.failed ? "" : text.s, n->in[0]->name, nn_shape_text(n->in[0]->shape, buf));
    base_str_free(&text);
    base_hint(err, "name every axis of 0 to %d once", n->in[0]->shape.n - 1);
    return s;
}

static base_status shape(nn_node *n, base_err *err)
{
    const nn_list *order = &((const transpose *)n->attrs)->order;
    nn_shape in = n->in[0]->shape;
    bool used[NN_MAX_DIMS] = {false};
    if (order->n != in.n) return no_order(n, err);
    n->shape.n = in.n;
    for (int k = 0; k < in.n; k++) {
        int axis = order->d[k];
        if (axis >= in.n || used[axis]) return no_order(n, err);
        used[axis] = true;
        n->shape.d[k] = in.d[axis];
    }
    return BASE_OK;
}

/* y is the full tensor, x is `a`, walked with the steps of its own axes; there is no `b`. */
static nn_grid grid_of(const nn_node *n, int batch)
{
    const nn_list *order = &((const transpose *)n->attrs)->order;
    nn_shape in = n->in[0]->shape;
    nn_grid g = {.n = in.n + 1, .d = {batch}, .a = {nn_count(in)}};
    for (int k = 0; k < in.n; k++) {
        g.d[k + 1] = n->shape.d[k];
        g.a[k + 1] = 1;
        for (int i = order->d[k] + 1; i < in.n; i++) g.a[k + 1] *= in.d[i];
    }
    return g;
}

static void copy_row(nn_real *restrict y, const nn_real *x, ptrdiff_t step, ptrdiff_t n)
{
    if (step == 1)
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i];
    else
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i * step];
}

static void forward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        copy_row(a->y + b.y + r * b.n, a->x[0] + b.a + r * b.row_a, b.step_a, b.n);
}

static void forward(const nn_node *n, const nn_args *a)
{
    nn_args copy = *a;
    nn_grid g = grid_of(n, a->batch);
    nn_grid_blocks(&g, forward_block, &copy);
}

static void add_row(nn_real *restrict dx, ptrdiff_t step, const nn_real *dy, ptrdiff_t n)
{
    if (step == 1)
        for (ptrdiff_t i = 0; i < n; i++) dx[i] += dy[i];
    else
        for (ptrdiff_t i = 0; i < n; i++) dx[i * step] += dy[i];
}

static void backward_block(void *ctx, nn_block b)
{
    const nn_args *a = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        add_row(a->dx[0] + b.a + r * b.row_a, b.step_a, a->dy + b.y + r * b.n, b.n);
}

static void backward(const nn_node *n, const nn_args *a)
{
    if (!a->dx[0]) return;
    nn_args copy = *a;
    nn_grid g = grid_of(n, a->batch);
    nn_grid_blocks(&g, backward_block, &copy);
}

static const nn_q8_field fields[] = {
    NN_Q8_INT4_OF(sotto_transpose_t, length),
    NN_Q8_INT4_OF(sotto_transpose_t, step),
    NN_Q8_INT_OF(sotto_transpose_t, lo),
    NN_Q8_INT_OF(sotto_transpose_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_transpose(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_transpose",
    .header = "transpose.h",
    .n_in = 1,
    .size = sizeof(sotto_transpose_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_transpose_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const nn_grid g = grid_of(n, 1);
    *p = (sotto_transpose_t){.length = {1, 1, 1, 1}, .lo = c->lo, .hi = c->hi};
    for (int i = 1; i < g.n; i++) { /* the first is the batch */
        p->length[4 - g.n + i] = (int32_t)g.d[i];
        p->step[4 - g.n + i] = (int32_t)g.a[i];
    }
    return BASE_OK;
}

NN_CASES("x = input 5x4x3; y = transpose(x) order=1,0,2",
         "x = input 5x4x3; y = transpose(x) order=2,0,1",
         "x = input 5x4x3; y = transpose(x) order=0,2,1",
         "x = input 5x4x3; y = transpose(x) order=2,1,0",
         "x = input 6x5; y = transpose(x) order=1,0", "x = input 7; y = transpose(x) order=0",
         "x = input 2x3x4x5; y = transpose(x) order=3,1,0,2",
         "x = input 2x3x4x5; y = transpose(x) order=1,2,3,0");

const nn_op nn_op_transpose = {
    .name = "transpose",
    .summary = "axes in another order",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(transpose),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
