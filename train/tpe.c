/* The tree-structured Parzen estimator; see train/space.h. */
#include "train/space.h"

#include <math.h>
#include <stdlib.h>

enum { FIRST = 10, CANDIDATES = 24, MOST_GOOD = 25 };

/* Points of one density: n of them, by index, and the parameter that is looked at. */
typedef struct density {
    const double *points;
    const size_t *index;
    size_t n;
    int dims, k;
    const sweep_param *p;
} density;

static double point(const density *d, size_t i)
{
    return d->points[d->index[i] * (size_t)d->dims + (size_t)d->k];
}

/* Width of the kernel at a point: the larger distance to its neighbours, the ends of the range
 * among them. */
static double width(const density *d, size_t i)
{
    double x = point(d, i), below = 0, above = 1;
    for (size_t j = 0; j < d->n; j++) {
        double y = point(d, j);
        if (j == i) continue;
        if (y <= x && y > below) below = y;
        if (y >= x && y < above) above = y;
    }
    double w = fmax(x - below, above - x), least = 1.0 / (double)(d->n < 98 ? d->n + 2 : 100);
    return fmax(w, least);
}

static double inside(double mean, double sigma) /* share of a normal within 0 .. 1 */
{
    double s = sigma * sqrt(2);
    return 0.5 * (erf((1 - mean) / s) - erf((0 - mean) / s));
}

static double kernel(double x, double mean, double sigma)
{
    double z = (x - mean) / sigma;
    return exp(-0.5 * z * z) / (sigma * sqrt(2 * acos(-1.0)) * inside(mean, sigma));
}

/* Every point is a kernel; a wide one in the middle (of choices: one of each) is the prior. */
static double likelihood(const density *d, double x)
{
    double sum = 0;
    if (d->p->kind == SWEEP_CHOICE) {
        for (size_t i = 0; i < d->n; i++) sum += point(d, i) == x;
        return (sum + 1) / (double)(d->n + (size_t)d->p->choices);
    }
    sum = kernel(x, 0.5, 1);
    for (size_t i = 0; i < d->n; i++) sum += kernel(x, point(d, i), width(d, i));
    return sum / (double)(d->n + 1);
}

static double sample(const density *d, base_rng *r)
{
    if (d->p->kind == SWEEP_CHOICE) {
        uint32_t i = base_rng_below(r, (uint32_t)d->n + (uint32_t)d->p->choices);
        return i < d->n ? point(d, i) : (double)(i - d->n);
    }
    uint32_t i = base_rng_below(r, (uint32_t)d->n + 1);
    double mean = i < d->n ? point(d, i) : 0.5, sigma = i < d->n ? width(d, i) : 1, x;
    do x = mean + sigma * base_rng_normal(r);
    while (x < 0 || x >= 1);
    return x;
}

/* Indices by falling score, equal ones in their order. */
static void sort(const double *scores, size_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && scores[index[j - 1]] < scores[i]; j--) index[j] = index[j - 1];
        index[j] = i;
    }
}

base_status sweep_tpe(const sweep_space *s, int64_t id, const double *points, const double *scores,
                      size_t n, double *at, base_err *err)
{
    size_t known = 0;
    for (size_t i = 0; i < n; i++) known += scores[i] > (double)-INFINITY;
    sweep_random(s, id, at);
    if (known < FIRST) return BASE_OK;
    size_t *index = calloc(n, sizeof *index);
    if (!index) return base_nomem(err, n * sizeof *index);
    sort(scores, index, n);
    size_t good = (known + 9) / 10;
    if (good > MOST_GOOD) good = MOST_GOOD;
    base_rng r = base_rng_at((uint64_t)s->seed, BASE_RNG_SWEEP, 1, (uint64_t)id);
    for (int k = 0; k < s->n; k++) {
        density l = {points, index, good, s->n, k, &s->params[k]}, g = l;
        g.index = index + good;
        g.n = n - good;
        double best = -1;
        for (int c = 0; c < CANDIDATES; c++) {
            double x = sample(&l, &r), ratio = likelihood(&l, x) / likelihood(&g, x);
            if (ratio > best) best = ratio, at[k] = x;
        }
    }
    free(index);
    return BASE_OK;
}
