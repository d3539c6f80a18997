/* Linear support vector machines by dual coordinate descent. See train/fit.h. */
#include "train/fit.h"

#include "train/fit_product.h"

#include <math.h>

enum { MOST_PASSES = 1000 };

typedef struct machines {
    const fit_samples *s;
    const double *square; /* n: |x_i|^2 + 1 */
    double extra;         /* 1 / (2 C), on the diagonal of the dual problem */
    double tolerance;
    uint64_t seed;
    uint32_t *order; /* [classes, n] */
    double *alpha, *w;
    bool *converged; /* of every class */
} machines;

/* One step on the dual variable of sample i, t: 1 or -1; returns the projected gradient. */
static double step(const machines *m, int i, double t, double *alpha, double *w)
{
    const int d = m->s->dims;
    const nn_real *x = m->s->x + (size_t)i * (size_t)d;
    const double sum = w[d] + fit_product_real(w, x, (size_t)d);
    const double g = t * sum - 1 + m->extra * alpha[i];
    const double projected = alpha[i] > 0 ? g : fmin(g, 0);
    if (fabs(projected) < 1e-12) return projected;
    const double now = fmax(alpha[i] - g / (m->square[i] + m->extra), 0);
    const double change = (now - alpha[i]) * t;
    alpha[i] = now;
    for (int j = 0; j < d; j++) w[j] += change * (double)x[j];
    w[d] += change;
    return projected;
}

/* Class k against the rest. */
static void train_one(void *ctx, int k)
{
    const machines *m = ctx;
    const size_t n = (size_t)m->s->n;
    uint32_t *order = m->order + (size_t)k * n;
    double *alpha = m->alpha + (size_t)k * n, *w = m->w + (size_t)k * ((size_t)m->s->dims + 1);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (uint32_t pass = 0; pass < MOST_PASSES && !m->converged[k]; pass++) {
        base_rng r = base_rng_at(m->seed, BASE_RNG_FIT, pass, (uint64_t)k);
        double least = (double)INFINITY, most = -(double)INFINITY;
        base_shuffle(&r, order, n);
        for (size_t h = 0; h < n; h++) {
            const int i = (int)order[h];
            const double g = step(m, i, m->s->label[i] == k ? 1 : -1, alpha, w);
            least = fmin(least, g);
            most = fmax(most, g);
        }
        m->converged[k] = most - least <= m->tolerance;
    }
}

base_status fit_svm(const fit_samples *s, double l2, double tolerance, uint64_t seed,
                    base_pool *pool, double *alpha, double *w, bool *converged, base_err *err)
{
    const size_t n = (size_t)s->n, k = (size_t)s->classes;
    double *square = base_alloc(n, sizeof *square);
    uint32_t *order = base_alloc(n * k, sizeof *order);
    bool *each = base_alloc(k, sizeof *each);
    const bool room = square && order && each;
    if (room) {
        for (size_t i = 0; i < n; i++) {
            square[i] = 1;
            for (int j = 0; j < s->dims; j++) {
                const double v = (double)s->x[i * (size_t)s->dims + (size_t)j];
                square[i] += v * v;
            }
        }
        machines m = {.s = s,
                      .square = square,
                      .extra = l2 * s->n / 2,
                      .tolerance = tolerance,
                      .seed = seed,
                      .order = order,
                      .alpha = alpha,
                      .w = w,
                      .converged = each};
        base_pool_run(pool, s->classes, train_one, &m);
        *converged = true;
        for (size_t i = 0; i < k; i++) *converged = *converged && each[i];
    }
    base_free(square);
    base_free(order);
    base_free(each);
    return room ? BASE_OK : base_nomem(err, n * (k + 2) * sizeof *order);
}
