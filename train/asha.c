/* See train/asha.h. */
#include "train/asha.h"

#include <math.h>
#include <stdlib.h>

int sweep_rungs(const sweep_space *s, int64_t epochs, int64_t at[SWEEP_RUNGS])
{
    int n = 0;
    if (s->stopping == SWEEP_STOP_ASHA)
        for (int64_t e = s->min_epochs; e < epochs && n < SWEEP_RUNGS - 1; e *= s->reduction)
            at[n++] = e;
    at[n++] = epochs;
    return n;
}

/* Points of m values that are ranked, scaled to 0 .. 1; NAN is below all. */
typedef struct ranking {
    double *values;
    size_t n, m;
    bool *taken;
    double *far; /* least squared distance to those of the same front that are taken */
} ranking;

static void scale(ranking *r, const double *points)
{
    for (size_t k = 0; k < r->m; k++) {
        double lo = HUGE_VAL, hi = -HUGE_VAL;
        for (size_t i = 0; i < r->n; i++) {
            const double v = points[i * r->m + k];
            if (isfinite(v)) lo = fmin(lo, v), hi = fmax(hi, v);
        }
        for (size_t i = 0; i < r->n; i++) {
            const double v = points[i * r->m + k];
            r->values[i * r->m + k] = !isfinite(v) ? -1 : hi > lo ? (v - lo) / (hi - lo) : 1;
        }
    }
}

static bool is_dominated(const ranking *r, const bool *out, size_t i)
{
    for (size_t j = 0; j < r->n; j++) {
        bool all = !out[j], better = false;
        for (size_t k = 0; all && k < r->m; k++) {
            const double a = r->values[j * r->m + k], b = r->values[i * r->m + k];
            all = a >= b;
            better = better || a > b;
        }
        if (all && better) return true;
    }
    return false;
}

static double distance(const ranking *r, size_t i, size_t j)
{
    double sum = 0;
    for (size_t k = 0; k < r->m; k++) {
        const double d = r->values[i * r->m + k] - r->values[j * r->m + k];
        sum += d * d;
    }
    return sum;
}

/* Of the front (not taken), the farthest from what is taken of it, of equals the best by the first
 * value; none is taken at first, and all are equally far. */
static size_t next_of(const ranking *r, const bool *front)
{
    size_t best = r->n;
    for (size_t i = 0; i < r->n; i++) {
        if (!front[i] || r->taken[i]) continue;
        const bool better =
            best == r->n || r->far[i] > r->far[best] ||
            (r->far[i] == r->far[best] && r->values[i * r->m] > r->values[best * r->m]);
        if (better) best = i;
    }
    return best;
}

static void rank(ranking *r, bool *front, bool *out, size_t *order)
{
    for (size_t done = 0; done < r->n;) {
        for (size_t i = 0; i < r->n; i++) {
            front[i] = !r->taken[i] && !is_dominated(r, out, i);
            r->far[i] = HUGE_VAL;
        }
        for (size_t i; (i = next_of(r, front)) < r->n; order[done++] = i) {
            r->taken[i] = true;
            for (size_t j = 0; j < r->n; j++) r->far[j] = fmin(r->far[j], distance(r, i, j));
        }
        for (size_t i = 0; i < r->n; i++) out[i] = r->taken[i];
    }
}

base_status sweep_rank(const double *points, size_t n, size_t m, size_t *order, base_err *err)
{
    ranking r = {.n = n, .m = m};
    r.values = calloc(n * m + 1, sizeof *r.values);
    r.far = calloc(n + 1, sizeof *r.far);
    bool *flags = calloc(3 * n + 1, sizeof *flags);
    const bool memory = r.values && r.far && flags;
    if (memory) {
        r.taken = flags;
        scale(&r, points);
        rank(&r, flags + n, flags + 2 * n, order);
    }
    free(r.values);
    free(r.far);
    free(flags);
    return memory ? BASE_OK : base_nomem(err, n * (m + 1) * sizeof *r.values);
}
