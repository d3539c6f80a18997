/* See data/tsne.h. */
#include "data/tsne.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32, LANES = 8 }; /* points a job moves; numbers side by side */

static const double exaggeration = 12;

typedef struct tsne {
    size_t n, d;
    const float *x;
    double perplexity;
    float *p;           /* n x n, symmetric, sum 1 */
    float *px, *py;     /* places, n each */
    float *pull, *push; /* forces, n x 2 each: of p, and of q before it is normalized */
    double *sum, *loss; /* of row i: of 1 / (1 + distance^2); of p ln(p (1 + distance^2)) */
    float *step, *gain; /* n x 2 */
    base_pool *pool;
} tsne;

/* ---- neighbours ---- */

/* p = exp(-beta (d2 - nearest)), normalized; returns its entropy. */
static double spread(const double *d2, size_t n, double nearest, double beta, double *p)
{
    double sum = 0, mean = 0;
    for (size_t i = 0; i < n; i++) {
        p[i] = exp(-beta * (d2[i] - nearest));
        sum += p[i];
        mean += p[i] * (d2[i] - nearest);
    }
    for (size_t i = 0; i < n; i++) p[i] /= sum;
    return log(sum) + beta * mean / sum;
}

double data_perplexity(const double *d2, size_t n, double perplexity, double *p)
{
    double nearest = d2[0], mean = 0, lo = 0, hi = HUGE_VAL, entropy = 0;
    for (size_t i = 0; i < n; i++) {
        nearest = fmin(nearest, d2[i]);
        mean += d2[i] / (double)n;
    }
    double beta = mean > nearest ? 1 / (mean - nearest) : 1;
    for (int i = 0; i < 200; i++) {
        entropy = spread(d2, n, nearest, beta, p);
        const double over = entropy - log(perplexity);
        if (fabs(over) < 1e-12) break;
        *(over > 0 ? &lo : &hi) = beta;
        beta = isfinite(hi) ? (lo + hi) / 2 : 2 * beta;
        if (!isfinite(beta)) break; /* as many at the nearest distance as neighbours are wanted */
    }
    return exp(entropy);
}

/* Row i of the conditional probabilities. */
static void calibrate(const tsne *t, size_t i, double *d2, double *p)
{
    size_t k = 0;
    for (size_t j = 0; j < t->n; j++) {
        if (j == i) continue;
        double sum = 0;
        for (size_t c = 0; c < t->d; c++) {
            const double v = (double)t->x[i * t->d + c] - (double)t->x[j * t->d + c];
            sum += v * v;
        }
        d2[k++] = sum;
    }
    data_perplexity(d2, k, t->perplexity, p);
    for (size_t j = 0, at = 0; j < t->n; j++) t->p[i * t->n + j] = j == i ? 0 : (float)p[at++];
}

static void calibrate_job(void *ctx, int job)
{
    const tsne *t = ctx;
    double *d2 = base_alloc(2 * t->n, sizeof *d2);
    t->sum[job] = d2 == NULL; /* is it without memory? */
    for (size_t i = (size_t)job * ROWS; d2 && i < t->n && i < ((size_t)job + 1) * ROWS; i++)
        calibrate(t, i, d2, d2 + t->n);
    base_free(d2);
}

static int jobs_of(const tsne *t)
{
    return (int)((t->n + ROWS - 1) / ROWS);
}

/* p = (p of i given j + p of j given i) / 2 n. */
static base_status find_neighbours(tsne *t, base_err *err)
{
    base_pool_run(t->pool, jobs_of(t), calibrate_job, t);
    for (int job = 0; job < jobs_of(t); job++)
        if (t->sum[job] > 0) return base_nomem(err, 2 * t->n * sizeof(double));
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; j < i; j++) {
            float *a = &t->p[i * t->n + j], *b = &t->p[j * t->n + i];
            *a = *b = (*a + *b) / (2 * (float)t->n);
        }
    return BASE_OK;
}

/* ---- moving ---- */

/* Sums over the other points, LANES of them at once. */
typedef struct sums {
    float w[LANES], ax[LANES], ay[LANES], bx[LANES], by[LANES];
} sums;

static inline void add_force(const tsne *t, size_t i, size_t j, size_t l, sums *s)
{
    const float dx = t->px[i] - t->px[j], dy = t->py[i] - t->py[j];
    const float w = 1 / (1 + dx * dx + dy * dy), p = t->p[i * t->n + j];
    s->w[l] += w;
    s->ax[l] += p * w * dx;
    s->ay[l] += p * w * dy;
    s->bx[l] += w * w * dx;
    s->by[l] += w * w * dy;
}

static float add_up(const float *v)
{
    float sum = 0;
    for (int l = 0; l < LANES; l++) sum += v[l];
    return sum;
}

static void forces(const tsne *t, size_t i)
{
    sums s = {0};
    size_t j = 0;
    for (; j + LANES <= t->n; j += LANES)
        for (size_t l = 0; l < LANES; l++) add_force(t, i, j + l, l, &s);
    for (; j < t->n; j++) add_force(t, i, j, 0, &s);
    t->sum[i] = (double)(add_up(s.w) - 1); /* itself */
    t->pull[2 * i] = add_up(s.ax);
    t->pull[2 * i + 1] = add_up(s.ay);
    t->push[2 * i] = add_up(s.bx);
    t->push[2 * i + 1] = add_up(s.by);
}

static void forces_job(void *ctx, int job)
{
    const tsne *t = ctx;
    for (size_t i = (size_t)job * ROWS; i < t->n && i < ((size_t)job + 1) * ROWS; i++) forces(t, i);
}

static void loss_job(void *ctx, int job)
{
    const tsne *t = ctx;
    for (size_t i = (size_t)job * ROWS; i < t->n && i < ((size_t)job + 1) * ROWS; i++) {
        double loss = 0;
        for (size_t j = 0; j < t->n; j++) {
            const double p = (double)t->p[i * t->n + j];
            const double dx = (double)(t->px[i] - t->px[j]), dy = (double)(t->py[i] - t->py[j]);
            if (p > 0) loss += p * log(p * (1 + dx * dx + dy * dy));
        }
        t->loss[i] = loss;
    }
}

static double total(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i];
    return sum;
}

static double divergence(tsne *t)
{
    base_pool_run(t->pool, jobs_of(t), forces_job, t);
    base_pool_run(t->pool, jobs_of(t), loss_job, t);
    return total(t->loss, t->n) + log(total(t->sum, t->n));
}

/* Momentum, and gains that grow while a coordinate keeps its direction (the paper's appendix). */
static void move(tsne *t, double attraction, double momentum)
{
    base_pool_run(t->pool, jobs_of(t), forces_job, t);
    const double z = total(t->sum, t->n), rate = fmax((double)t->n / exaggeration, 200) / 4;
    double mean[2] = {0};
    for (size_t i = 0; i < 2 * t->n; i++) {
        const double slope = 4 * (attraction * (double)t->pull[i] - (double)t->push[i] / z);
        const bool turned = (slope > 0) == (t->step[i] > 0);
        t->gain[i] = fmaxf(turned ? t->gain[i] * 0.8f : t->gain[i] + 0.2f, 0.01f);
        t->step[i] = (float)(momentum * (double)t->step[i] - rate * (double)t->gain[i] * slope);
        float *at = i % 2 ? &t->py[i / 2] : &t->px[i / 2];
        *at += t->step[i];
        mean[i % 2] += (double)*at / (double)t->n;
    }
    for (size_t i = 0; i < t->n; i++) {
        t->px[i] -= (float)mean[0];
        t->py[i] -= (float)mean[1];
    }
}

/* Centred, the first coordinate with a standard deviation of 1e-4. */
static void place(tsne *t, const float *y)
{
    double mean[2] = {0}, square = 0;
    for (size_t i = 0; i < 2 * t->n; i++) mean[i % 2] += (double)y[i] / (double)t->n;
    for (size_t i = 0; i < t->n; i++) square += pow((double)y[2 * i] - mean[0], 2);
    const double scale = square > 0 ? 1e-4 / sqrt(square / (double)t->n) : 0;
    for (size_t i = 0; i < t->n; i++) {
        t->px[i] = (float)(scale * ((double)y[2 * i] - mean[0]));
        t->py[i] = (float)(scale * ((double)y[2 * i + 1] - mean[1]));
    }
}

static base_status wander(tsne *t, const data_tsne_options *o, base_err *err)
{
    for (size_t i = 0; i < 2 * t->n; i++) t->gain[i] = 1;
    for (int i = 0; i < o->iterations; i++) {
        const bool early = i < o->iterations / 4;
        move(t, early ? exaggeration : 1, early ? 0.5 : 0.8);
        if (o->stop && *o->stop) return base_fail(err, BASE_INTERRUPTED, "interrupted");
        if (o->progress) o->progress(o->ctx, i + 1, o->iterations);
    }
    return BASE_OK;
}

static base_status make(tsne *t, const data_tsne_options *o, float *y, double *start, double *end,
                        base_err *err)
{
    const size_t n = t->n;
    t->p = base_alloc(n * n, sizeof *t->p);
    t->px = base_alloc(10 * n, sizeof *t->px);
    t->sum = base_alloc(2 * n, sizeof *t->sum);
    if (!t->p || !t->px || !t->sum) return base_nomem(err, n * n * sizeof *t->p);
    t->py = t->px + n;
    t->pull = t->py + n;
    t->push = t->pull + 2 * n;
    t->step = t->push + 2 * n;
    t->gain = t->step + 2 * n;
    t->loss = t->sum + n;
    BASE_TRY(base_pool_new(o->threads > 0 ? o->threads : 1, &t->pool, err));
    BASE_TRY(find_neighbours(t, err));
    place(t, y);
    *start = divergence(t);
    BASE_TRY(wander(t, o, err));
    *end = divergence(t);
    for (size_t i = 0; i < n; i++) {
        y[2 * i] = t->px[i];
        y[2 * i + 1] = t->py[i];
    }
    return BASE_OK;
}

base_status data_tsne(const float *x, size_t n, size_t d, const data_tsne_options *o, float *y,
                      double *start, double *end, base_err *err)
{
    tsne t = {.n = n, .d = d, .x = x, .perplexity = o->perplexity};
    if (!(o->perplexity > 1) || 3 * o->perplexity > (double)n - 1)
        return base_fail(err, BASE_USAGE, "a map of %zu points with perplexity %g (1 .. %g)", n,
                         o->perplexity, ((double)n - 1) / 3);
    base_status status = make(&t, o, y, start, end, err);
    base_pool_free(t.pool);
    base_free(t.p);
    base_free(t.px);
    base_free(t.sum);
    return status;
}
