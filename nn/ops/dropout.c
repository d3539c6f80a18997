/* dropout: training y = x m / (1 - rate), m 0 with probability rate; evaluation y = x (Srivastava
 * et al., JMLR 15, 2014). With channels=yes m is one number a channel, the last dimension (Tompson
 * et al., arXiv 1411.4280). The mask is a pure function of seed, node, step and sample. */
#include "nn/op.h"

#include <string.h>

typedef struct dropout {
    double rate;
    bool channels;
} dropout;

static const nn_attr attrs[] = {
    {"rate", NN_REAL, offsetof(dropout, rate), "0.5", 0, 0.99, "share of values set to 0", false},
    {"channels", NN_YESNO, offsetof(dropout, channels), "no", 0, 0, "drop whole channels", false},
};

/* Factors of a sample: one a value, or one a channel. */
static int64_t factors_of(const nn_node *n)
{
    const dropout *p = n->attrs;
    return p->channels ? n->shape.d[n->shape.n - 1] : nn_count(n->shape);
}

/* 0 or 1 / (1 - rate) each. */
static size_t saved(const nn_node *n, int batch)
{
    return (size_t)(batch * factors_of(n));
}

static void forward(const nn_node *n, const nn_args *a)
{
    const dropout *p = n->attrs;
    int64_t count = nn_count(n->shape), factors = factors_of(n);
    if (!a->training) {
        if (a->y != a->x[0]) memcpy(a->y, a->x[0], (size_t)(a->batch * count) * sizeof *a->y);
        return;
    }
    nn_real keep = (nn_real)(1 / (1 - p->rate));
    uint32_t below = (uint32_t)(p->rate * 4294967296.0);
    for (int b = 0; b < a->batch; b++) {
        uint64_t sample = (uint64_t)n->index << 32 | (uint32_t)(a->first + b);
        base_rng r = base_rng_at(a->seed, BASE_RNG_DROPOUT, a->step, sample);
        nn_real *factor = a->saved + b * factors;
        for (int64_t i = 0; i < factors; i++) factor[i] = base_rng_u32(&r) < below ? 0 : keep;
        for (int64_t at = b * count; at < (b + 1) * count; at += factors)
            for (int64_t i = 0; i < factors; i++) a->y[at + i] = a->x[0][at + i] * factor[i];
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape), factors = factors_of(n);
    for (int b = 0; a->dx[0] && b < a->batch; b++)
        for (int64_t at = b * count; at < (b + 1) * count; at += factors)
            for (int64_t i = 0; i < factors; i++)
                a->dx[0][at + i] +=
                    a->training ? a->dy[at + i] * a->saved[b * factors + i] : a->dy[at + i];
}

NN_CASES("x = input 40; y = dropout(x)", "x = input 5x4x6; y = dropout(x) rate=0.2",
         "x = input 12; y = dropout(x) rate=0",
         "x = input 5x4x24; y = dropout(x) rate=0.3 channels=yes");

const nn_op nn_op_dropout = {
    .name = "dropout",
    .summary = "random zeros in training",
    .n_in = 1,
    .flags = NN_INPLACE | NN_IDENTITY,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(dropout),
    .shape = nn_same_as_input,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
