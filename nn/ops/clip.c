/* clip: y = min(hi, max(lo, x)), elementwise. The gradient passes where y is strictly inside. The
 * comparisons are written so that NaN passes through. */
#include "nn/op.h"

typedef struct clip {
    double lo, hi;
} clip;

static const nn_attr attrs[] = {
    {"lo", NN_REAL, offsetof(clip, lo), NULL, -1e30, 1e30, "least value", false},
    {"hi", NN_REAL, offsetof(clip, hi), NULL, -1e30, 1e30, "largest value", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const clip *p = n->attrs;
    if (p->lo >= p->hi) return nn_op_fail(n, err, "lo=%g is not below hi=%g", p->lo, p->hi);
    n->shape = n->in[0]->shape;
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    const clip *p = n->attrs;
    const nn_real lo = (nn_real)p->lo, hi = (nn_real)p->hi;
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] < lo ? lo : x[i] > hi ? hi : x[i];
}

static void backward(const nn_node *n, const nn_args *a)
{
    const clip *p = n->attrs;
    const nn_real lo = (nn_real)p->lo, hi = (nn_real)p->hi;
    int64_t count = a->batch * nn_count(n->shape);
    const nn_real *y = a->y, *dy = a->dy;
    nn_real *restrict dx = a->dx[0];
    for (int64_t i = 0; dx && i < count; i++) dx[i] += y[i] > lo && y[i] < hi ? dy[i] : 0;
}

static bool clamp(const nn_node *n, double *lo, double *hi)
{
    const clip *p = n->attrs;
    *lo = p->lo;
    *hi = p->hi;
    return true;
}

NN_CASES("x = input 4x3x5; y = clip(x) lo=-3 hi=3", "x = input 9; y = clip(x) lo=0 hi=6",
         "x = input 40; y = clip(x) lo=3 hi=100", "x = input 7x37; y = clip(x) lo=-100 hi=-3",
         "x = input 23; y = clip(x) lo=-1e30 hi=0");

const nn_op nn_op_clip = {
    .name = "clip",
    .summary = "values kept between two bounds",
    .n_in = 1,
    .flags = NN_INPLACE | NN_KEEP_Y,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(clip),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .clamp = clamp,
    .cases = cases,
    .n_cases = N_CASES,
};
