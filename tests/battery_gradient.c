/* Checks of backward. The scalar is L = sum_i dy_i y_i with random dy, so the gradient of x is what
 * backward adds to dx. Differences (four points, so that the error falls with h^4) are taken
 *   in the double build of the operator's own forward: element by element and along directions;
 *   in the float build of the oracle, which is in double anyway: along directions.
 * A direction touches every element at once: a wrong one anywhere turns the product. */
#include "tests/battery.h"

#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, ELEMENTS = 48, DIRECTIONS = 6 };

static const double h = 1e-5;

/* sum_i dy_i y_i at the present data, of the oracle or of the operator itself. */
static long double scalar(rig *r, bool of_oracle)
{
    long double sum = 0;
    if (of_oracle) {
        double *y = rig_oracle(r, NULL, NULL);
        for (size_t i = 0; i < r->ny; i++) sum += (long double)r->dy[i] * (long double)y[i];
        free(y);
    } else {
        rig_forward(r);
        for (size_t i = 0; i < r->ny; i++) sum += (long double)r->dy[i] * (long double)r->a.y[i];
    }
    return sum;
}

/* The derivative of L when t->data moves along v. */
static double difference(rig *r, const rig_tensor *t, const double *v, bool of_oracle)
{
    static const double at[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
    double *kept = malloc(t->n * sizeof *kept);
    memcpy(kept, t->data, t->n * sizeof *kept);
    long double sum = 0;
    for (size_t p = 0; p < BASE_COUNT(at); p++) {
        for (size_t i = 0; i < t->n; i++) t->data[i] = kept[i] + at[p] * h * v[i];
        sum += (long double)weight[p] * scalar(r, of_oracle);
    }
    memcpy(t->data, kept, t->n * sizeof *kept);
    free(kept);
    return (double)(sum / (12 * (long double)h));
}

/* Compares <grad, v> with the difference along v; scale is what an error is measured against. */
static void along(rig *r, const rig_tensor *t, const nn_real *grad, const double *v, bool of_oracle,
                  base_str *why)
{
    double product = 0, scale = 0;
    for (size_t i = 0; i < t->n; i++) {
        product += (double)grad[i] * v[i];
        scale += (double)grad[i] * (double)grad[i];
    }
    scale = sqrt(scale / (double)t->n);
    double norm = 0;
    for (size_t i = 0; i < t->n; i++) norm += v[i] * v[i];
    double expected = difference(r, t, v, of_oracle);
    double error = fabs(product - expected);
    if (!(error <= BATTERY_GRADIENT_TOL * (fabs(expected) + scale * sqrt(norm) + 1e-3)))
        base_str_add(why, "d%s along a direction: %.9g, differences say %.9g (scale %.3g)\n",
                     t->name, product, expected, scale);
}

static void directions(rig *r, const rig_tensor *t, const nn_real *grad, bool of_oracle,
                       base_str *why)
{
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 1, 0);
    double *v = calloc(t->n, sizeof *v);
    for (int d = 0; d < DIRECTIONS; d++) {
        for (size_t i = 0; i < t->n; i++) v[i] = 2 * base_rng_uniform(&rng) - 1;
        along(r, t, grad, v, of_oracle, why);
    }
    free(v);
}

static void elements(rig *r, const rig_tensor *t, const nn_real *grad, base_str *why)
{
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 2, 0);
    double *v = calloc(t->n, sizeof *v);
    size_t many = t->n <= ELEMENTS ? t->n : ELEMENTS;
    for (size_t e = 0; e < many; e++) {
        size_t i = t->n <= ELEMENTS ? e : base_rng_below(&rng, (uint32_t)t->n);
        v[i] = 1;
        along(r, t, grad, v, false, why);
        v[i] = 0;
    }
    free(v);
}

static void tensor_gradient(rig *r, const rig_tensor *t, base_str *why)
{
    nn_real *grad = malloc(t->n * sizeof *grad); /* forward below overwrites nothing of it */
    memcpy(grad, t->grad, t->n * sizeof *grad);
    bool random = oracle_find(r->n->op->name)->random; /* the mask is the operator's own */
    if (!random) directions(r, t, grad, true, why);
    if (sizeof(nn_real) == sizeof(double)) {
        directions(r, t, grad, false, why);
        elements(r, t, grad, why);
    }
    free(grad);
}

void battery_gradient(const battery_case *c, base_str *why)
{
    rig r;
    rig_tensor t;
    if (!rig_open(&r, c, BATCH, true, why)) return;
    if (r.n->n_in > 0) {
        rig_forward(&r);
        rig_backward(&r);
        for (int k = 0; rig_gradient(&r, k, &t); k++) tensor_gradient(&r, &t, why);
    }
    rig_close(&r);
}

/* ---- accumulation ---- */

/* The sum of `times` backward passes on gradients that start at `start`. */
static void run_from(rig *r, double start, int times)
{
    rig_tensor t;
    for (int k = 0; rig_gradient(r, k, &t); k++)
        for (size_t i = 0; i < t.n; i++) t.grad[i] = (nn_real)start;
    for (int i = 0; i < times; i++) {
        rig_forward(r);
        rig_backward(r);
    }
}

/* Gradient k (all of them, one after the other) as doubles: start + times * once. */
static void compare_with(rig *r, rig *once, double start, int times, base_str *why)
{
    rig_tensor t, g;
    for (int k = 0; rig_gradient(r, k, &t) && rig_gradient(once, k, &g); k++) {
        char what[64];
        snprintf(what, sizeof what, "d%s of %d passes from %g", t.name, times, start);
        double *expected = calloc(t.n + 1, sizeof *expected);
        for (size_t i = 0; i < t.n; i++) expected[i] = start + times * (double)g.grad[i];
        battery_compare(what, t.grad, expected, t.n, BATTERY_FORWARD_TOL, why);
        free(expected);
    }
}

/* dx[k] == NULL: not wanted; the other gradients are the same bits. */
static void without_dx(rig *r, const rig *once, int k, base_str *why)
{
    nn_real *dx = r->a.dx[k];
    rig_zero_grads(r);
    rig_forward(r);
    r->a.dx[k] = NULL;
    rig_backward(r);
    r->a.dx[k] = dx;
    for (int i = 0; i < r->n->n_in; i++)
        if (i != k) battery_same("dx without another", r->a.dx[i], once->a.dx[i], r->nx[i], why);
    for (int i = 0; i < r->n->n_params; i++)
        if (nn_role_trained(r->n->param[i].role))
            battery_same("dw without dx", r->a.dw[i], once->a.dw[i], r->nw[i], why);
}

/* backward adds: twice is twice the gradient, what was there before stays. */
void battery_accumulates(const battery_case *c, base_str *why)
{
    rig r, once;
    if (!rig_open(&r, c, BATCH, true, why)) return;
    if (!rig_open(&once, c, BATCH, true, why)) {
        rig_close(&r);
        return;
    }
    if (r.n->n_in > 0) {
        run_from(&once, 0, 1);
        run_from(&r, 0, 2);
        compare_with(&r, &once, 0, 2, why);
        run_from(&r, 5, 1);
        compare_with(&r, &once, 5, 1, why);
        for (int k = 0; k < r.n->n_in; k++) without_dx(&r, &once, k, why);
    }
    rig_close(&once);
    rig_close(&r);
}

/* ---- gradients that are written, activations done in the same pass ---- */

/* Where a->fresh says so, backward writes the same numbers over whatever was there. */
void battery_fresh(const battery_case *c, base_str *why)
{
    rig r, once;
    if (!rig_open(&r, c, BATCH, true, why)) return;
    if (!rig_open(&once, c, BATCH, true, why)) {
        rig_close(&r);
        return;
    }
    const bool twice = r.n->n_in > 1 && r.n->in[0] == r.n->in[1];
    for (int k = 0; r.n->op->flags & NN_FRESH && !twice && k < r.n->n_in; k++) {
        run_from(&once, 0, 1);
        rig_zero_grads(&r);
        for (size_t i = 0; i < r.nx[k]; i++) r.a.dx[k][i] = (nn_real)NAN;
        r.a.fresh = 1U << k;
        rig_forward(&r);
        rig_backward(&r);
        compare_with(&r, &once, 0, 1, why);
    }
    rig_close(&once);
    rig_close(&r);
}

static const nn_clamp bounds = {(nn_real)-0.5, (nn_real)1.25};

/* r, which is given bounds, against the y of `plain` bounded afterwards; plain's dy of a y that is
 * not strictly within them becomes 0. A NaN stays. */
static void compare_bounded(rig *r, rig *plain, const char *what, base_str *why)
{
    double *expected = calloc(r->ny + 1, sizeof *expected);
    r->a.clamp = &bounds;
    rig_forward(r);
    rig_forward(plain);
    for (size_t i = 0; i < r->ny; i++) {
        const double y = (double)plain->a.y[i], lo = (double)bounds.lo, hi = (double)bounds.hi;
        expected[i] = y < lo ? lo : y > hi ? hi : y;
        if (!(y > lo && y < hi)) plain->dy[i] = 0;
    }
    battery_compare(what, r->a.y, expected, r->ny, BATTERY_FORWARD_TOL, why);
    free(expected);
}

/* With bounds, y is clipped and only the dy of a y strictly within them counts. */
void battery_clamped(const battery_case *c, base_str *why)
{
    rig r, plain;
    if (!rig_open(&r, c, BATCH, true, why)) return;
    if (!rig_open(&plain, c, BATCH, true, why)) {
        rig_close(&r);
        return;
    }
    if (r.n->op->flags & NN_CLAMPS) {
        compare_bounded(&r, &plain, "y within bounds", why);
        rig_backward(&r);
        rig_backward(&plain);
        compare_with(&r, &plain, 0, 1, why);
    }
    rig_close(&plain);
    rig_close(&r);
}

/* The same for y alone in evaluation, also where an input is not a number. */
void battery_clamped_evaluation(const battery_case *c, base_str *why)
{
    rig r, plain;
    if (!rig_open(&r, c, BATCH, false, why)) return;
    if (!rig_open(&plain, c, BATCH, false, why)) {
        rig_close(&r);
        return;
    }
    if (r.n->op->flags & (NN_CLAMPS | NN_CLAMPS_FORWARD)) {
        compare_bounded(&r, &plain, "y within bounds", why);
        r.x[0][0] = plain.x[0][0] = (double)NAN;
        compare_bounded(&r, &plain, "y of NaN within bounds", why);
    }
    rig_close(&plain);
    rig_close(&r);
}
