/* Multinomial logistic regression by L-BFGS. See train/fit.h. */
#include "train/fit.h"

#include "train/fit_product.h"

#include <math.h>
#include <string.h>

enum { SHARDS = 16, MEMORY = 10, MOST_STEPS = 1000, MOST_HALVINGS = 40 };

typedef struct logistic {
    const fit_samples *s;
    base_pool *pool;
    double l2;
    size_t n;     /* numbers in w */
    double *part; /* of every shard: its gradient, then its loss */
    const double *w;
} logistic;

/* Loss and gradient of one shard of the samples. */
static void shard_gradient(void *ctx, int shard)
{
    const logistic *p = ctx;
    const fit_samples *s = p->s;
    const int first = (int)((int64_t)s->n * shard / SHARDS),
              next = (int)((int64_t)s->n * (shard + 1) / SHARDS);
    const size_t row = (size_t)s->dims + 1;
    double *g = p->part + (size_t)shard * (p->n + 1 + (size_t)s->classes);
    double *loss = g + p->n, *score = loss + 1;
    memset(g, 0, (p->n + 1) * sizeof *g);
    for (int i = first; i < next; i++) {
        const nn_real *x = s->x + (size_t)i * (size_t)s->dims;
        const fit_samples one = {.x = x, .n = 1, .dims = s->dims};
        fit_scores(&one, p->w, s->classes, score);
        double most = score[0], sum = 0;
        for (int k = 1; k < s->classes; k++) most = fmax(most, score[k]);
        *loss -= score[s->label[i]] - most;
        for (int k = 0; k < s->classes; k++) sum += score[k] = exp(score[k] - most);
        *loss += log(sum);
        for (int k = 0; k < s->classes; k++) {
            const double dk = score[k] / sum - (k == s->label[i]);
            double *gk = g + (size_t)k * row;
            for (int j = 0; j < s->dims; j++) gk[j] += dk * (double)x[j];
            gk[s->dims] += dk;
        }
    }
}

/* The objective at w, its gradient into g; shards are added in order. */
static double objective(logistic *p, const double *w, double *g)
{
    const size_t row = (size_t)p->s->dims + 1, step = p->n + 1 + (size_t)p->s->classes;
    double loss = 0, square = 0;
    p->w = w;
    base_pool_run(p->pool, SHARDS, shard_gradient, p);
    for (size_t j = 0; j < p->n; j++) {
        const double v = (j + 1) % row ? w[j] : 0; /* biases are free */
        double sum = 0;
        for (int h = 0; h < SHARDS; h++) sum += p->part[(size_t)h * step + j];
        g[j] = sum / p->s->n + p->l2 * v;
        square += v * v;
    }
    for (int h = 0; h < SHARDS; h++) loss += p->part[(size_t)h * step + p->n];
    return loss / p->s->n + p->l2 / 2 * square;
}

/* What L-BFGS keeps: the last MEMORY changes of w and of the gradient, n numbers each. */
typedef struct lbfgs {
    size_t n;
    int kept, next;
    double *dw[MEMORY], *dg[MEMORY], rho[MEMORY];
} lbfgs;

/* d = -H g by the two-loop recursion. */
static void direction(const lbfgs *l, const double *g, double *d)
{
    double a[MEMORY], scale = 1;
    for (size_t i = 0; i < l->n; i++) d[i] = -g[i];
    for (int h = 1; h <= l->kept; h++) {
        const int m = (l->next - h + MEMORY) % MEMORY;
        a[m] = l->rho[m] * fit_product(l->dw[m], d, l->n);
        for (size_t i = 0; i < l->n; i++) d[i] -= a[m] * l->dg[m][i];
        if (h == 1) scale = 1 / (l->rho[m] * fit_product(l->dg[m], l->dg[m], l->n));
    }
    for (size_t i = 0; i < l->n; i++) d[i] *= scale;
    for (int h = l->kept; h >= 1; h--) {
        const int m = (l->next - h + MEMORY) % MEMORY;
        const double b = l->rho[m] * fit_product(l->dg[m], d, l->n);
        for (size_t i = 0; i < l->n; i++) d[i] += (a[m] - b) * l->dw[m][i];
    }
}

/* Along d from w until the objective falls enough (Armijo): w and g move there, and the step is
 * remembered. False: it does not fall any more. */
static bool descend(logistic *p, lbfgs *l, const double *d, double *w, double *g, double *f,
                    double *trial, double *trial_g)
{
    const double slope = fit_product(g, d, p->n);
    double step = l->kept > 0 ? 1 : 1 / fmax(1, sqrt(fit_product(g, g, p->n)));
    double now = *f;
    for (int h = 0; h < MOST_HALVINGS; h++, step /= 2) {
        for (size_t i = 0; i < p->n; i++) trial[i] = w[i] + step * d[i];
        now = objective(p, trial, trial_g);
        if (now > *f + 1e-4 * step * slope) continue;
        double *dw = l->dw[l->next], *dg = l->dg[l->next];
        for (size_t i = 0; i < p->n; i++) {
            dw[i] = trial[i] - w[i];
            dg[i] = trial_g[i] - g[i];
        }
        const double curvature = fit_product(dw, dg, p->n);
        if (curvature > 0) {
            l->rho[l->next] = 1 / curvature;
            l->next = (l->next + 1) % MEMORY;
            if (l->kept < MEMORY) l->kept++;
        }
        memcpy(w, trial, p->n * sizeof *w);
        memcpy(g, trial_g, p->n * sizeof *g);
        *f = now;
        return true;
    }
    return false;
}

static double largest(const double *g, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(g[i]));
    return most;
}

base_status fit_logistic(const fit_samples *s, double l2, double tolerance, base_pool *pool,
                         double *w, bool *converged, base_err *err)
{
    const size_t n = (size_t)s->classes * ((size_t)s->dims + 1);
    const size_t shard = n + 1 + (size_t)s->classes, all = SHARDS * shard + (2 * MEMORY + 4) * n;
    double *block = base_alloc(all, sizeof *block);
    if (!block) return base_nomem(err, all * sizeof *block);
    logistic p = {.s = s, .pool = pool, .l2 = l2, .n = n, .part = block};
    lbfgs l = {.n = n};
    double *at = block + SHARDS * shard;
    for (int m = 0; m < MEMORY; m++, at += 2 * n) {
        l.dw[m] = at;
        l.dg[m] = at + n;
    }
    double *g = at, *d = at + n, *trial = at + 2 * n, *trial_g = at + 3 * n;
    double f = objective(&p, w, g);
    *converged = largest(g, n) <= tolerance;
    for (int step = 0; !*converged && step < MOST_STEPS; step++) {
        direction(&l, g, d);
        if (!descend(&p, &l, d, w, g, &f, trial, trial_g)) break;
        *converged = largest(g, n) <= tolerance;
    }
    base_free(block);
    return BASE_OK;
}
