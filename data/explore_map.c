/* explore_map: where the clips lie among each other. */
#include "data/explore.h"

#include "data/neighbours.h"
#include "data/pca.h"
#include "data/tsne.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = 30, NEIGHBOURS = 20, LEAST = 8, TRUST = 12, ITERATIONS = 750 };

static const double noticeable = 1.3; /* a factor below is within a cloud */

/* ---- axes ---- */

static base_status find_axes(data_heard *h, base_err *err)
{
    h->n_axes = h->width < AXES ? h->width : AXES;
    h->axes = base_alloc(h->n * h->n_axes, sizeof *h->axes);
    h->share = base_alloc(h->n_axes, sizeof *h->share);
    if (!h->axes || !h->share) return base_nomem(err, h->n * h->n_axes * sizeof *h->axes);
    return data_pca(h->points, h->n, h->width, h->n_axes, h->axes, h->share, err);
}

/* ---- clips that lie apart ---- */

/* Those of a class, one behind the other: their axes and where they are; how many. */
static size_t gather(const data_heard *h, int class, float *axes, size_t *at)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->of[i] != class) continue;
        memcpy(axes + n * h->n_axes, h->axes + i * h->n_axes, h->n_axes * sizeof *axes);
        at[n++] = i;
    }
    return n;
}

static void measure_away(const float *axes, size_t n, size_t d, double *mean, double *away)
{
    memset(mean, 0, d * sizeof *mean);
    for (size_t i = 0; i < n * d; i++) mean[i % d] += (double)axes[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < d; k++) sum += pow((double)axes[i * d + k] - mean[k], 2);
        away[i] = sqrt(sum);
    }
}

static base_status measure_class(data_heard *h, int class, int threads, float *axes, size_t *at,
                                 double *value, base_err *err)
{
    double mean[AXES];
    const size_t n = gather(h, class, axes, at), k = n / 2 < NEIGHBOURS ? n / 2 : NEIGHBOURS;
    measure_away(axes, n, h->n_axes, mean, value);
    for (size_t i = 0; i < n; i++) {
        h->away[at[i]] = value[i];
        h->apart[at[i]] = (double)NAN;
    }
    if (n < LEAST) return BASE_OK;
    BASE_TRY(data_outlier_factors(axes, n, h->n_axes, k, threads, value, err));
    for (size_t i = 0; i < n; i++) h->apart[at[i]] = value[i];
    return BASE_OK;
}

static base_status measure_all(data_heard *h, size_t classes, int threads, base_err *err)
{
    float *axes = base_alloc(h->n * h->n_axes, sizeof *axes);
    size_t *at = base_alloc(h->n, sizeof *at);
    double *value = base_alloc(h->n, sizeof *value);
    h->away = base_alloc(h->n, sizeof *h->away);
    h->apart = base_alloc(h->n, sizeof *h->apart);
    base_status status = axes && at && value && h->away && h->apart
                             ? BASE_OK
                             : base_nomem(err, h->n * h->n_axes * sizeof *axes);
    for (size_t k = 0; k < classes && status == BASE_OK; k++)
        status = measure_class(h, (int)k, threads, axes, at, value, err);
    base_free(axes);
    base_free(at);
    base_free(value);
    return status;
}

typedef struct outlier {
    double factor;
    size_t at;
} outlier;

static int by_factor(const void *a, const void *b)
{
    const outlier *x = a, *y = b;
    if (x->factor < y->factor || x->factor > y->factor) return x->factor > y->factor ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* No class has more of them than its part, so that one that is all noise does not hide others. */
static base_status find_worst(data_heard *h, size_t classes, size_t most, base_err *err)
{
    const size_t part = (most + classes - 1) / classes;
    size_t n = 0, *taken = base_alloc(classes, sizeof *taken);
    outlier *list = base_alloc(h->n, sizeof *list);
    h->worst = base_alloc(most + 1, sizeof *h->worst);
    base_status status = list && taken && h->worst ? BASE_OK : base_nomem(err, h->n * sizeof *list);
    for (size_t i = 0; i < h->n && status == BASE_OK; i++)
        if (h->apart[i] > noticeable) list[n++] = (outlier){h->apart[i], i};
    if (n) qsort(list, n, sizeof *list, by_factor);
    for (size_t i = 0; i < n && h->n_worst < most; i++)
        if (taken[h->of[list[i].at]]++ < part) h->worst[h->n_worst++] = list[i].at;
    base_free(list);
    base_free(taken);
    return status;
}

/* ---- the map ---- */

/* The worst, and others at random to `most` together. */
static base_status choose(const data_exploration *e, const data_explore_options *o, data_map *m,
                          base_err *err)
{
    const data_heard *h = &e->heard;
    base_rng rng = base_rng_at(o->seed, BASE_RNG_SELECT, 1, 0);
    uint32_t *order = base_alloc(h->n, sizeof *order);
    bool *taken = base_alloc(h->n, sizeof *taken);
    m->at = base_alloc(h->n, sizeof *m->at);
    base_status status = order && taken && m->at ? BASE_OK : base_nomem(err, h->n * sizeof *m->at);
    if (status == BASE_OK) {
        size_t n = h->n_worst;
        for (size_t i = 0; i < h->n; i++) order[i] = (uint32_t)i;
        for (size_t i = 0; i < h->n_worst; i++) taken[h->worst[i]] = true;
        base_shuffle(&rng, order, h->n);
        for (size_t i = 0; i < h->n && n < o->mapped; i++) {
            n += !taken[order[i]];
            taken[order[i]] = true;
        }
        for (size_t i = 0; i < h->n; i++)
            if (taken[i]) m->at[m->n++] = i;
    }
    base_free(order);
    base_free(taken);
    return status;
}

static void show_map(void *ctx, int64_t done, int64_t total)
{
    const data_explore_options *o = ctx;
    if (o->progress) o->progress(o->ctx, "mapping", done, total);
}

static base_status make_tsne(data_map *m, const float *axes, size_t d,
                             const data_explore_options *o, base_err *err)
{
    const double most = ((double)m->n - 1) / 3;
    data_explore_options mine = *o;
    m->perplexity = fmin(30, most);
    const data_tsne_options how = {.perplexity = m->perplexity,
                                   .iterations = ITERATIONS,
                                   .threads = o->threads,
                                   .stop = o->stop,
                                   .progress = show_map,
                                   .ctx = &mine};
    m->tsne = base_alloc(2 * m->n, sizeof *m->tsne);
    if (!m->tsne) return base_nomem(err, 2 * m->n * sizeof *m->tsne);
    memcpy(m->tsne, m->pca, 2 * m->n * sizeof *m->tsne);
    return data_tsne(axes, m->n, d, &how, m->tsne, &m->start, &m->end, err);
}

static base_status draw(const data_heard *h, const data_explore_options *o, data_map *m,
                        float *axes, base_err *err)
{
    const size_t d = h->n_axes;
    m->trust_pca = m->trust_tsne = (double)NAN;
    for (size_t i = 0; i < m->n; i++) {
        memcpy(axes + i * d, h->axes + m->at[i] * d, d * sizeof *axes);
        m->pca[2 * i] = axes[i * d];
        m->pca[2 * i + 1] = d > 1 ? axes[i * d + 1] : 0;
    }
    if (m->n < LEAST) return BASE_OK;
    BASE_TRY(make_tsne(m, axes, d, o, err));
    if (m->n <= 2 * TRUST) return BASE_OK;
    BASE_TRY(data_trustworthiness(axes, m->n, d, m->pca, TRUST, &m->trust_pca, err));
    return data_trustworthiness(axes, m->n, d, m->tsne, TRUST, &m->trust_tsne, err);
}

base_status data_arrange(data_exploration *e, const data_explore_options *o, base_err *err)
{
    data_heard *h = &e->heard;
    data_map *m = &e->map;
    BASE_TRY(find_axes(h, err));
    BASE_TRY(measure_all(h, e->classes.n, o->threads, err));
    BASE_TRY(find_worst(h, e->classes.n, o->outliers, err));
    BASE_TRY(choose(e, o, m, err));
    m->pca = base_alloc(2 * m->n, sizeof *m->pca);
    float *axes = base_alloc(m->n * h->n_axes, sizeof *axes);
    base_status status =
        m->pca && axes ? BASE_OK : base_nomem(err, m->n * h->n_axes * sizeof *axes);
    if (status == BASE_OK) status = draw(h, o, m, axes, err);
    base_free(axes);
    return status;
}
