/* See data/interval.h. */
#include "data/interval.h"

#include "data/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* P(X <= k) of a Poisson variable X with expectation mu. */
static double poisson_cdf(int64_t k, double mu)
{
    double sum = 0;
    for (int64_t i = 0; i <= k; i++) sum += exp((double)i * log(mu) - mu - lgamma((double)i + 1));
    return sum;
}

/* The expectation with P(X <= k) = p, by bisection: the probability falls with it. */
static double poisson_inverse(int64_t k, double p)
{
    double lo = 0, hi = 2 * (double)k + 20;
    for (int i = 0; i < 100; i++) {
        const double mid = (lo + hi) / 2;
        if (poisson_cdf(k, mid) > p)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

void data_poisson(int64_t count, double *lo, double *hi)
{
    *lo = count == 0 ? 0 : poisson_inverse(count - 1, 0.975);
    *hi = poisson_inverse(count, 0.025);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

base_status data_macro_f1_interval(const int64_t *confusion, int classes, double *lo, double *hi,
                                   base_err *err)
{
    enum { DRAWS = 1000 };
    const size_t cells = (size_t)classes * (size_t)classes;
    const int64_t n = data_score_all(confusion, classes).n;
    double f1[DRAWS];
    *lo = *hi = (double)NAN;
    if (n == 0) return BASE_OK;
    uint32_t *cell = base_alloc((size_t)n, sizeof *cell); /* of each clip */
    int64_t *drawn = base_alloc(cells, sizeof *drawn);
    base_status status = cell && drawn ? BASE_OK : base_nomem(err, (size_t)n * sizeof *cell);
    for (size_t i = 0, k = 0; status == BASE_OK && i < cells; i++)
        for (int64_t c = 0; c < confusion[i]; c++) cell[k++] = (uint32_t)i;
    for (uint32_t d = 0; status == BASE_OK && d < DRAWS; d++) {
        base_rng r = base_rng_at(0, BASE_RNG_BOOTSTRAP, 0, d);
        memset(drawn, 0, cells * sizeof *drawn);
        for (int64_t i = 0; i < n; i++) drawn[cell[base_rng_below(&r, (uint32_t)n)]]++;
        f1[d] = data_score_all(drawn, classes).macro_f1;
    }
    base_free(cell);
    base_free(drawn);
    if (status != BASE_OK) return status;
    qsort(f1, DRAWS, sizeof *f1, by_value);
    *lo = f1[DRAWS / 40];
    *hi = f1[DRAWS - 1 - DRAWS / 40];
    return BASE_OK;
}

/* P(|T| < t) of Student's distribution with `df` degrees of freedom (Abramowitz and Stegun 26.7.3,
 * 26.7.4). */
static double student_within(double t, size_t df)
{
    const double angle = atan(t / sqrt((double)df)), s = sin(angle), c = cos(angle);
    const bool odd = df % 2 == 1;
    double sum = 0, term = odd ? c : 1;
    for (size_t k = odd ? 1 : 0; k + 2 <= df; k += 2) {
        sum += term;
        term *= c * c * ((double)k + 1) / ((double)k + 2);
    }
    return odd ? 2 / acos(-1) * (angle + s * sum) : s * sum;
}

data_spread data_mean_interval(const double *v, size_t n)
{
    data_spread r = {.sd = (double)NAN, .lo = (double)NAN, .hi = (double)NAN};
    double squares = 0, low = 0, high = 20;
    for (size_t i = 0; i < n; i++) r.mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++) squares += (v[i] - r.mean) * (v[i] - r.mean);
    if (n < 2) return r;
    r.sd = sqrt(squares / (double)(n - 1));
    for (int i = 0; i < 60; i++) {
        const double t = (low + high) / 2;
        *(student_within(t, n - 1) < 0.95 ? &low : &high) = t;
    }
    const double half = high * r.sd / sqrt((double)n);
    r.lo = r.mean - half;
    r.hi = r.mean + half;
    return r;
}
