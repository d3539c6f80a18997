/* Mixtures of diagonal Gaussians by expectation maximization. See train/fit.h.
 *
 * A component is known by its row of w, and a row is made of three sums over samples, weighted by
 * how much of each is the component's: of x and x^2, and of the weights alone.
 */
#include "train/fit.h"

#include <math.h>
#include <string.h>

enum { MOST_ROUNDS = 200 };
static const double FLOOR = 0.01;  /* of a variance, as a share of that of all samples */
static const double ENOUGH = 1e-6; /* change of the mean log-likelihood that ends it */

typedef struct mixtures {
    const fit_samples *s;
    int components;
    uint64_t seed;
    const double *spread; /* dims / 2: variance of all samples */
    const int *index;     /* samples, those of a class together, */
    const int *first;     /* classes + 1: where they begin in index */
    double *sums;         /* of every component, as w */
    double *scratch;      /* of every class: row + components numbers and as many as its samples */
    double *w;
} mixtures;

/* What one class works with. */
typedef struct mixture {
    const mixtures *all;
    const int *index;
    int n;
    size_t row;
    double *sums, *w;
    double *z;    /* [x, x^2, 1] of a sample */
    double *part; /* components: how much of it is whose */
    double *near; /* n: squared distance to the nearest seed so far */
} mixture;

static void load(const mixture *m, int i)
{
    const int d = m->all->s->dims;
    const nn_real *x = m->all->s->x + (size_t)m->index[i] * (size_t)d;
    for (int j = 0; j < d; j++) m->z[j] = (double)x[j];
    m->z[d] = 1;
}

static double distance(const mixture *m, int a, int b)
{
    const fit_samples *s = m->all->s;
    const nn_real *x = s->x + (size_t)m->index[a] * (size_t)s->dims,
                  *y = s->x + (size_t)m->index[b] * (size_t)s->dims;
    double sum = 0;
    for (int j = 0; j < s->dims / 2; j++) {
        const double v = (double)x[j] - (double)y[j];
        sum += v * v / m->all->spread[j];
    }
    return sum;
}

/* A sample by chance, in proportion to its distance from the seeds there are. */
static int draw(const mixture *m, base_rng *r)
{
    double total = 0;
    for (int i = 0; i < m->n; i++) total += m->near[i];
    double left = base_rng_uniform(r) * total;
    for (int i = 0; i < m->n; i++)
        if (m->near[i] > 0 && (left -= m->near[i]) < 0) return i;
    return (int)base_rng_below(r, (uint32_t)m->n);
}

/* Each sample goes to the component of its nearest seed. */
static void seed_components(const mixture *m, int class)
{
    const int components = m->all->components;
    int seeds[FIT_MOST_COMPONENTS];
    base_rng r = base_rng_at(m->all->seed, BASE_RNG_FIT, 0, (uint64_t) class);
    for (int i = 0; i < m->n; i++) m->near[i] = 1;
    for (int c = 0; c < components; c++) {
        seeds[c] = draw(m, &r);
        for (int i = 0; i < m->n; i++) {
            const double v = distance(m, i, seeds[c]);
            m->near[i] = c == 0 ? v : fmin(m->near[i], v);
        }
    }
    memset(m->sums, 0, (size_t)components * m->row * sizeof *m->sums);
    for (int i = 0; i < m->n; i++) {
        int best = 0;
        for (int c = 1; c < components; c++)
            if (distance(m, i, seeds[c]) < distance(m, i, seeds[best])) best = c;
        load(m, i);
        for (size_t j = 0; j < m->row; j++) m->sums[(size_t)best * m->row + j] += m->z[j];
    }
}

/* Rows of w from the sums; a component that nothing belongs to stays as it is. */
static void maximize(const mixture *m)
{
    const int d = m->all->s->dims / 2;
    for (int c = 0; c < m->all->components; c++) {
        const double *sum = m->sums + (size_t)c * m->row, weight = sum[2 * d];
        double *w = m->w + (size_t)c * m->row;
        if (weight < 1e-9) continue;
        w[2 * d] = log(weight / m->all->s->n);
        for (int j = 0; j < d; j++) {
            const double mean = sum[j] / weight, variance = fmax(sum[d + j] / weight - mean * mean,
                                                                 FLOOR * m->all->spread[j]);
            w[j] = mean / variance;
            w[d + j] = -0.5 / variance;
            w[2 * d] -= (log(2 * acos(-1) * variance) + mean * mean / variance) / 2;
        }
    }
}

/* Sums anew from the components as they are; returns the mean log-likelihood. */
static double expect(const mixture *m)
{
    const int components = m->all->components;
    double total = 0;
    memset(m->sums, 0, (size_t)components * m->row * sizeof *m->sums);
    for (int i = 0; i < m->n; i++) {
        double most = -(double)INFINITY, sum = 0;
        load(m, i);
        for (int c = 0; c < components; c++) {
            const double *w = m->w + (size_t)c * m->row;
            m->part[c] = 0;
            for (size_t j = 0; j < m->row; j++) m->part[c] += w[j] * m->z[j];
            most = fmax(most, m->part[c]);
        }
        for (int c = 0; c < components; c++) sum += m->part[c] = exp(m->part[c] - most);
        for (int c = 0; c < components; c++) {
            double *to = m->sums + (size_t)c * m->row;
            for (size_t j = 0; j < m->row; j++) to[j] += m->part[c] / sum * m->z[j];
        }
        total += most + log(sum);
    }
    return total / m->n;
}

static void fit_one(void *ctx, int class)
{
    const mixtures *all = ctx;
    const size_t row = (size_t)all->s->dims + 1, c = (size_t)all->components;
    double *scratch = all->scratch + (size_t) class * (row + c) + all->first[class];
    const mixture m = {.all = all,
                       .index = all->index + all->first[class],
                       .n = all->first[class + 1] - all->first[class],
                       .row = row,
                       .sums = all->sums + (size_t) class * c * row,
                       .w = all->w + (size_t) class * c * row,
                       .z = scratch,
                       .part = scratch + row,
                       .near = scratch + row + c};
    seed_components(&m, class);
    double before = -(double)INFINITY;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        maximize(&m);
        const double now = expect(&m);
        if (now - before < ENOUGH) return;
        before = now;
    }
}

/* Variance of all samples; where there is none 1. */
static void measure_spread(const fit_samples *s, double *spread)
{
    for (int j = 0; j < s->dims / 2; j++) {
        double mean = 0, square = 0;
        for (int i = 0; i < s->n; i++)
            mean += (double)s->x[(size_t)i * (size_t)s->dims + (size_t)j];
        mean /= s->n;
        for (int i = 0; i < s->n; i++) {
            const double v = (double)s->x[(size_t)i * (size_t)s->dims + (size_t)j] - mean;
            square += v * v;
        }
        spread[j] = square > 0 ? square / s->n : 1;
    }
}

/* Samples by class. */
static void sort_by_class(const fit_samples *s, int *index, int *first)
{
    int at = 0;
    for (int k = 0; k < s->classes; k++) {
        first[k] = at;
        for (int i = 0; i < s->n; i++)
            if (s->label[i] == k) index[at++] = i;
    }
    first[s->classes] = at;
}

base_status fit_gmm(const fit_samples *s, int components, uint64_t seed, base_pool *pool, double *w,
                    base_err *err)
{
    const size_t k = (size_t)s->classes, n = (size_t)s->n, row = (size_t)s->dims + 1;
    const size_t scratch = k * (row + (size_t)components) + n, sums = k * (size_t)components * row;
    double *block = base_alloc(sums + scratch + (size_t)s->dims, sizeof *block);
    int *index = base_alloc(n + k + 1, sizeof *index), *first = index + n;
    base_status status = block && index ? BASE_OK : base_nomem(err, (sums + n) * sizeof *block);
    if (status == BASE_OK) {
        sort_by_class(s, index, first);
        double *spread = block + sums + scratch;
        measure_spread(s, spread);
        mixtures all = {.s = s,
                        .components = components,
                        .seed = seed,
                        .spread = spread,
                        .index = index,
                        .first = first,
                        .sums = block,
                        .scratch = block + sums,
                        .w = w};
        base_pool_run(pool, s->classes, fit_one, &all);
    }
    base_free(block);
    base_free(index);
    return status;
}
