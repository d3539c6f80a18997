/* dropout: training y = x m / (1 - rate), m 0 with probability rate; evaluation y = x (Srivastava
 * et al., JMLR 15, 2014). The mask is a pure function of seed, node, step and sample. */
#include "nn/op.h"

#include <string.h>

typedef struct dropout {
    double rate;
} dropout;

static const nn_attr attrs[] = {
    {"rate", NN_REAL, offsetof(dropout, rate), "0.5", 0, 0.99, "share of values set to 0", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    return BASE_OK;
}

/* The factor of each value: 0 or 1 / (1 - rate). */
static size_t saved(const nn_node *n, int batch)
{
    return (size_t)(batch * nn_count(n->shape));
}

static void forward(const nn_node *n, const nn_args *a)
{
    const dropout *p = n->attrs;
    int64_t count = nn_count(n->shape);
    if (!a->training) {
        if (a->y != a->x[0]) memcpy(a->y, a->x[0], (size_t)(a->batch * count) * sizeof *a->y);
        return;
    }
    nn_real keep = (nn_real)(1 / (1 - p->rate));
    uint32_t below = (uint32_t)(p->rate * 4294967296.0);
    for (int b = 0; b < a->batch; b++) {
        uint64_t sample = (uint64_t)n->index << 32 | (uint32_t)(a->first + b);
        base_rng r = base_rng_at(a->seed, BASE_RNG_DROPOUT, a->step, sample);
        for (int64_t i = b * count; i < (b + 1) * count; i++) {
            a->saved[i] = base_rng_u32(&r) < below ? 0 : keep;
            a->y[i] = a->x[0][i] * a->saved[i];
        }
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->dx[0] ? a->batch * nn_count(n->shape) : 0;
    for (int64_t i = 0; i < count; i++)
        a->dx[0][i] += a->training ? a->dy[i] * a->saved[i] : a->dy[i];
}

NN_CASES("x = input 40; y = dropout(x)", "x = input 5x4x6; y = dropout(x) rate=0.2",
         "x = input 12; y = dropout(x) rate=0");

const nn_op nn_op_dropout = {
    .name = "dropout",
    .summary = "random zeros in training",
    .n_in = 1,
    .flags = NN_INPLACE | NN_IDENTITY,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(dropout),
    .shape = shape,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
