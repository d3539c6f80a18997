/* class_token: x [T, 1, C] -> y [T+1, 1, C], the learned row W [C] before the rows of x: where a
 * transformer gathers what it says about the whole (Devlin et al., arXiv 1810.04805; Dosovitskiy et
 * al., arXiv 2010.11929). dW = sum over samples of dy's first row, dx = the other rows. */
#include "quantize/runtime/class_token.h"
#include "nn/lower.h"

#include <string.h>

static base_status shape(nn_node *n, base_err *err)
{
    char buf[64];
    BASE_TRY(nn_need_dims(n, 0, 3, err));
    nn_shape in = n->in[0]->shape;
    if (in.d[1] != 1)
        return nn_op_fail(n, err, "input '%s' has shape %s, Tx1xC is needed", n->in[0]->name,
                          nn_shape_text(in, buf));
    n->shape = (nn_shape){3, {in.d[0] + 1, 1, in.d[2]}};
    nn_declare(n, "token", (nn_shape){1, {in.d[2]}}, NN_WEIGHT, NN_NORMAL, 1, 1);
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    size_t row = (size_t)n->shape.d[2], rest = (size_t)nn_count(n->in[0]->shape);
    for (size_t b = 0; b < (size_t)a->batch; b++) {
        nn_real *y = a->y + b * (row + rest);
        memcpy(y, a->w[0], row * sizeof *y);
        memcpy(y + row, a->x[0] + b * rest, rest * sizeof *y);
    }
}

static void add_to(nn_real *restrict sum, const nn_real *v, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] += v[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    size_t row = (size_t)n->shape.d[2], rest = (size_t)nn_count(n->in[0]->shape);
    for (size_t b = 0; b < (size_t)a->batch; b++) {
        const nn_real *dy = a->dy + b * (row + rest);
        add_to(a->dw[0], dy, row);
        if (a->dx[0]) add_to(a->dx[0] + b * rest, dy + row, rest);
    }
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->weights = n->shape.d[2];
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_class_token_t, n),
    NN_Q8_INT_OF(sotto_class_token_t, row_n),
    NN_Q8_RESCALE_OF(sotto_class_token_t, from),
    NN_Q8_I8S_OF(sotto_class_token_t, row),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_class_token(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_class_token",
    .header = "class_token.h",
    .n_in = 1,
    .size = sizeof(sotto_class_token_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    const size_t row_n = n->param[0].count;
    sotto_class_token_t *p = nn_q8_layer_new(&kernel, c, layer);
    int8_t *row = base_arena_alloc(c->arena, row_n, sizeof *row);
    if (!p || !row) return base_nomem(err, row_n);
    for (size_t i = 0; i < row_n; i++) row[i] = nn_q8_value(c->out, (double)c->w[0][i]);
    p->n = (int32_t)nn_count(n->in[0]->shape);
    p->row_n = (int32_t)row_n;
    p->row = row;
    layer->count[0] = row_n;
    return nn_q8_rescale(n, c, 0, &p->from, err);
}

NN_CASES("x = input 6x1x8; y = class_token(x)", "x = input 1x1x1; y = class_token(x)",
         "x = input 3x1x17; y = class_token(x)");

const nn_op nn_op_class_token = {
    .name = "class_token",
    .summary = "learned row before the others",
    .n_in = 1,
    .flags = NN_SHARES_QUANT,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
