/* Oracle of losses: cross_entropy, hinge, binary_cross_entropy, mean_squared_error, distillation,
 * triplet. In long double, which needs neither shifts nor careful forms. */
#include "tests/oracle.h"

#include <math.h>

static nn_shape scalar_shape(const nn_node *n)
{
    (void)n;
    return oracle_shape1(1);
}

static size_t row(const oracle_call *c)
{
    return (size_t)nn_count(c->node->in[0]->shape);
}

/* -log softmax(x / temperature)_k = log sum_j exp((x_j - x_k) / temperature) */
static long double surprise(const double *x, size_t n, size_t k, double temperature)
{
    long double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += expl(((long double)x[j] - (long double)x[k]) / (long double)temperature);
    return logl(sum);
}

static long double cross_entropy(const double *x, const double *t, const double *w, size_t n,
                                 double smoothing)
{
    long double loss = 0;
    for (size_t k = 0; k < n; k++) {
        double q = (1 - smoothing) * t[k] + smoothing / (double)n;
        loss += (long double)(w ? w[k] : 1) * (long double)q * surprise(x, n, k, 1);
    }
    return loss;
}

static void cross_entropy_forward(oracle_call *c)
{
    size_t n = row(c);
    double smoothing = oracle_real(c->node, "smoothing");
    for (size_t b = 0; b < (size_t)c->batch; b++)
        c->y[b] = (double)cross_entropy(c->x[0] + b * n, c->x[1] + b * n,
                                        c->x[2] ? c->x[2] + b * n : NULL, n, smoothing);
}

/* max(0, m) = (m + |m|) / 2 */
static void hinge_forward(oracle_call *c)
{
    size_t n = row(c);
    double margin = oracle_real(c->node, "margin");
    int power = oracle_yes(c->node, "squared") ? 2 : 1;
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        long double sum = 0;
        for (size_t i = b * n; i < (b + 1) * n; i++) {
            long double t = (long double)c->x[1][i], side = t - (1 - t);
            long double m = (long double)margin - side * (long double)c->x[0][i];
            sum += powl((m + fabsl(m)) / 2, power);
        }
        c->y[b] = (double)sum;
    }
}

/* -log s(x) = log(1 + exp(-x)), -log(1 - s(x)) = log(1 + exp(x)) */
static void binary_cross_entropy_forward(oracle_call *c)
{
    size_t n = row(c);
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        long double sum = 0;
        for (size_t i = b * n; i < (b + 1) * n; i++) {
            long double x = (long double)c->x[0][i], t = (long double)c->x[1][i];
            sum += t * logl(1 + expl(-x)) + (1 - t) * logl(1 + expl(x));
        }
        c->y[b] = (double)(sum / (long double)n);
    }
}

static void mean_squared_error_forward(oracle_call *c)
{
    size_t n = row(c);
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        long double sum = 0;
        for (size_t i = b * n; i < (b + 1) * n; i++) {
            long double x = (long double)c->x[0][i], t = (long double)c->x[1][i];
            sum += x * x - 2 * x * t + t * t;
        }
        c->y[b] = (double)(sum / (long double)n);
    }
}

/* KL is the cross-entropy of p and r less the entropy of p. */
static void distillation_forward(oracle_call *c)
{
    size_t n = row(c);
    double alpha = oracle_real(c->node, "alpha"), temperature = oracle_real(c->node, "temperature");
    double smoothing = oracle_real(c->node, "smoothing");
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        const double *x = c->x[0] + b * n, *t = c->x[1] + b * n, *z = c->x[2] + b * n;
        long double crossed = 0, entropy = 0;
        for (size_t k = 0; k < n; k++) {
            long double own = surprise(z, n, k, temperature);
            crossed += expl(-own) * surprise(x, n, k, temperature);
            entropy += expl(-own) * own;
        }
        long double hard = cross_entropy(x, t, NULL, n, smoothing);
        c->y[b] = (double)((long double)(alpha * temperature * temperature) * (crossed - entropy) +
                           (long double)(1 - alpha) * hard);
    }
}

/* |a - p|^2 - |a - n|^2 = |p|^2 - |n|^2 - 2 a (p - n) */
static void triplet_forward(oracle_call *c)
{
    size_t n = row(c);
    double margin = oracle_real(c->node, "margin");
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        long double squares = 0, product = 0;
        for (size_t i = b * n; i < (b + 1) * n; i++) {
            long double a = (long double)c->x[0][i], p = (long double)c->x[1][i];
            long double q = (long double)c->x[2][i];
            squares += p * p - q * q;
            product += a * (p - q);
        }
        long double gap = squares - 2 * product + (long double)margin;
        c->y[b] = (double)((gap + fabsl(gap)) / 2);
    }
}

#define LOSS(name) const oracle oracle_##name = {#name, scalar_shape, NULL, name##_forward, false};
LOSS(cross_entropy)
LOSS(hinge)
LOSS(binary_cross_entropy)
LOSS(mean_squared_error)
LOSS(distillation)
LOSS(triplet)
