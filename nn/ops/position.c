/* position: y = x + P, P learned and of the shape of x: where in the utterance (and the spectrum) a
 * value stands (Gehring et al., arXiv 1705.03122; Dosovitskiy et al., arXiv 2010.11929).
 * dP = sum over samples of dy, dx = dy. */
#include "nn/lower.h"
#include "quantize/runtime/add_constant.h"

#include <math.h>

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    nn_declare(n, "embedding", n->shape, NN_WEIGHT, NN_NORMAL, 1, 1);
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape);
    const nn_real *w = a->w[0];
    for (int b = 0; b < a->batch; b++) {
        const nn_real *x = a->x[0] + b * count;
        nn_real *y = a->y + b * count;
        for (int64_t i = 0; i < count; i++) y[i] = x[i] + w[i];
    }
}

static void add_to(nn_real *restrict sum, const nn_real *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) sum[i] += v[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape);
    if (a->dx[0]) add_to(a->dx[0], a->dy, a->batch * count);
    for (int b = 0; b < a->batch; b++) add_to(a->dw[0], a->dy + b * count, count);
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->weights = nn_count(n->shape);
}

static const nn_q8_field fields[] = {
    NN_Q8_ADD_OF(sotto_add_constant_t, sum),
    NN_Q8_I8S_OF(sotto_add_constant_t, value),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add_constant(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_add_constant",
    .header = "add_constant.h",
    .n_in = 1,
    .size = sizeof(sotto_add_constant_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
    .in_place = true,
};

/* The embedding is symmetric, of one scale. */
static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    const size_t count = n->param[0].count;
    sotto_add_constant_t *p = nn_q8_layer_new(&kernel, c, layer);
    int8_t *value = base_arena_alloc(c->arena, count, sizeof *value);
    if (!p || !value) return base_nomem(err, count);
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)c->w[0][i]));
    const nn_quant own = {largest > 0 ? largest / 127 : c->in[0].scale, 0};
    for (size_t i = 0; i < count; i++) value[i] = nn_q8_value(own, (double)c->w[0][i]);
    p->value = value;
    layer->count[0] = count;
    return nn_q8_sum(n, c, c->in[0], own, &p->sum, err);
}

NN_CASES("x = input 4x3x5; y = position(x)", "x = input 9; y = position(x)",
         "x = input 6x1x8; y = position(x)", "x = input 1; y = position(x)");

const nn_op nn_op_position = {
    .name = "position",
    .summary = "learned position embedding",
    .n_in = 1,
    .flags = NN_INPLACE,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
