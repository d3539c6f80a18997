/* noise: training y = x + sigma z, z normal with mean 0 and variance 1; evaluation y = x (Bishop,
 * "Training with Noise is Equivalent to Tikhonov Regularization", Neural Computation 7, 1995).
 * dx = dy. z is a pure function of seed, node, step and sample. */
#include "nn/op.h"

#include <string.h>

typedef struct noise {
    double sigma;
} noise;

static const nn_attr attrs[] = {
    {"sigma", NN_REAL, offsetof(noise, sigma), NULL, 0, 1000, "standard deviation", false},
};

static void forward(const nn_node *n, const nn_args *a)
{
    const noise *p = n->attrs;
    int64_t count = nn_count(n->shape);
    if (!a->training) {
        if (a->y != a->x[0]) memcpy(a->y, a->x[0], (size_t)(a->batch * count) * sizeof *a->y);
        return;
    }
    for (int b = 0; b < a->batch; b++) {
        uint64_t sample = (uint64_t)n->index << 32 | (uint32_t)(a->first + b);
        base_rng r = base_rng_at(a->seed, BASE_RNG_DROPOUT, a->step, sample);
        for (int64_t i = b * count; i < (b + 1) * count; i++)
            a->y[i] = a->x[0][i] + (nn_real)(p->sigma * base_rng_normal(&r));
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = a->batch * nn_count(n->shape);
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += a->dy[i];
}

NN_CASES("x = input 40; y = noise(x) sigma=0.5", "x = input 5x4x6; y = noise(x) sigma=2",
         "x = input 12; y = noise(x) sigma=0", "x = input 1; y = noise(x) sigma=0.01");

const nn_op nn_op_noise = {
    .name = "noise",
    .summary = "Gaussian noise in training",
    .n_in = 1,
    .flags = NN_INPLACE | NN_IDENTITY,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(noise),
    .shape = nn_same_as_input,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
