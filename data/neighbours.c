/* See data/neighbours.h. */
#include "data/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, LANES = 8 }; /* points a job looks after; numbers side by side */

/* In LANES sums that a processor adds up at once. */
static float square(const float *a, const float *b, size_t d)
{
    float sum[LANES] = {0}, all = 0;
    size_t k = 0;
    for (; k + LANES <= d; k += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (a[k + l] - b[k + l]) * (a[k + l] - b[k + l]);
    for (; k < d; k++) all += (a[k] - b[k]) * (a[k] - b[k]);
    for (size_t l = 0; l < LANES; l++) all += sum[l];
    return all;
}

typedef struct search {
    const float *x;
    size_t n, d, k;
    uint32_t *index;
    float *distance; /* squares, until the end */
} search;

/* The nearest of point i: a list of k that stays sorted. */
static void search_point(const search *s, size_t i)
{
    uint32_t *index = s->index + i * s->k;
    float *distance = s->distance + i * s->k;
    size_t have = 0;
    for (size_t j = 0; j < s->n; j++) {
        if (j == i) continue;
        const float v = square(s->x + i * s->d, s->x + j * s->d, s->d);
        if (have == s->k && v >= distance[have - 1]) continue;
        size_t at = have < s->k ? have++ : have - 1;
        for (; at > 0 && distance[at - 1] > v; at--) {
            distance[at] = distance[at - 1];
            index[at] = index[at - 1];
        }
        distance[at] = v;
        index[at] = (uint32_t)j;
    }
    for (size_t k = 0; k < s->k; k++) distance[k] = sqrtf(distance[k]);
}

static void search_job(void *ctx, int job)
{
    const search *s = ctx;
    for (size_t i = (size_t)job * ROWS; i < s->n && i < ((size_t)job + 1) * ROWS; i++)
        search_point(s, i);
}

base_status data_nearest(const float *x, size_t n, size_t d, size_t k, int threads, uint32_t *index,
                         float *distance, base_err *err)
{
    search s = {x, n, d, k, index, distance};
    base_pool *pool;
    if (k == 0) return BASE_OK;
    BASE_TRY(base_pool_new(threads > 0 ? threads : 1, &pool, err));
    base_pool_run(pool, (int)((n + ROWS - 1) / ROWS), search_job, &s);
    base_pool_free(pool);
    return BASE_OK;
}

/* ---- outliers ---- */

/* Mean reachability distance of point i: of each neighbour at least the distance that this one has
 * to its own k-th. */
static double reach(const search *s, size_t i)
{
    double sum = 0;
    for (size_t j = 0; j < s->k; j++) {
        const size_t o = s->index[i * s->k + j];
        sum += (double)fmaxf(s->distance[o * s->k + s->k - 1], s->distance[i * s->k + j]);
    }
    return sum / (double)s->k;
}

base_status data_outlier_factors(const float *x, size_t n, size_t d, size_t k, int threads,
                                 double *factor, base_err *err)
{
    search s = {x, n, d, k, base_alloc(n * k, sizeof *s.index), base_alloc(n * k, sizeof(float))};
    double *away = base_alloc(n, sizeof *away), mean = 0;
    base_status status =
        s.index && s.distance && away ? BASE_OK : base_nomem(err, n * k * sizeof(float));
    if (status == BASE_OK) status = data_nearest(x, n, d, k, threads, s.index, s.distance, err);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        away[i] = reach(&s, i);
        mean += away[i] / (double)n;
    }
    /* equal points are not infinitely dense */
    for (size_t i = 0; i < n && status == BASE_OK; i++)
        away[i] = fmax(away[i], mean > 0 ? mean / 10 : 1);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        double sum = 0; /* density is 1 / away */
        for (size_t j = 0; j < k; j++) sum += away[i] / away[s.index[i * k + j]];
        factor[i] = sum / (double)k;
    }
    base_free(s.index);
    base_free(s.distance);
    base_free(away);
    return status;
}

/* ---- maps ---- */

typedef struct ranked {
    float distance;
    uint32_t index;
} ranked;

static int by_distance(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->distance < y->distance || x->distance > y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* All points by their distance from point i, i itself first. */
static void rank_from(const float *x, size_t n, size_t d, size_t i, ranked *list)
{
    for (size_t j = 0; j < n; j++)
        list[j] = (ranked){j == i ? -1 : square(x + i * d, x + j * d, d), (uint32_t)j};
    qsort(list, n, sizeof *list, by_distance);
}

base_status data_trustworthiness(const float *x, size_t n, size_t d, const float *y, size_t k,
                                 double *trust, base_err *err)
{
    ranked *list = base_alloc(n, sizeof *list);
    size_t *rank = base_alloc(n, sizeof *rank);
    base_status status = list && rank ? BASE_OK : base_nomem(err, n * sizeof *list);
    double lost = 0;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        rank_from(x, n, d, i, list);
        for (size_t j = 0; j < n; j++) rank[list[j].index] = j;
        rank_from(y, n, 2, i, list);
        for (size_t j = 1; j <= k; j++)
            if (rank[list[j].index] > k) lost += (double)(rank[list[j].index] - k);
    }
    const double N = (double)n, K = (double)k;
    *trust = 1 - 2 / (N * K * (2 * N - 3 * K - 1)) * lost;
    base_free(list);
    base_free(rank);
    return status;
}
