/* explore: which clips, and what they sound like. */
#include "data/explore.h"

#include "data/viewer.h"

#include <math.h>
#include <string.h>

enum { JOBS = 16, BLOCK = 512, PARTS = 10, BANDS = 20, SAMPLES = DATA_RATE };

static const float deep = 11.5f; /* ln of 50 dB: what is further below the loudest is floor */

/* ---- which clips ---- */

/* How many of each class at most, so that all together are at most `total`. */
static size_t quota(const data_groups *g, size_t total)
{
    size_t lo = 1, hi = g->start[g->n];
    while (lo < hi) {
        const size_t middle = (lo + hi + 1) / 2;
        size_t sum = 0;
        for (size_t k = 0; k < g->n; k++) {
            const size_t n = g->start[k + 1] - g->start[k];
            sum += n < middle ? n : middle;
        }
        if (sum <= total)
            lo = middle;
        else
            hi = middle - 1;
    }
    return lo;
}

/* Takes `most` of the clips of each class, at random where there are more, in ascending order. */
static base_status choose(const data_exploration *e, const data_explore_options *o, data_heard *h,
                          base_err *err)
{
    const data_groups *g = &e->groups;
    const size_t all = g->start[g->n], most = quota(g, o->most);
    const size_t clips = data_recordings_count(e->r);
    uint32_t *order = base_alloc(all, sizeof *order);
    int *of = base_alloc(clips, sizeof *of);
    h->clip = base_alloc(all, sizeof *h->clip);
    h->of = base_alloc(all, sizeof *h->of);
    base_status status =
        order && of && h->clip && h->of ? BASE_OK : base_nomem(err, clips * sizeof *of);
    for (size_t k = 0; k < g->n && status == BASE_OK; k++) {
        const size_t first = g->start[k], n = g->start[k + 1] - first;
        base_rng rng = base_rng_at(o->seed, BASE_RNG_SELECT, 0, k);
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)g->clip[first + i];
        if (n > most) base_shuffle(&rng, order, n);
        for (size_t i = 0; i < n && i < most; i++) of[order[i]] = (int)k + 1;
    }
    for (size_t i = 0; i < clips && status == BASE_OK; i++)
        if (of[i]) {
            h->clip[h->n] = i;
            h->of[h->n++] = of[i] - 1;
        }
    base_free(order);
    base_free(of);
    return status;
}

/* ---- what they sound like ---- */

typedef struct listener {
    const data_exploration *e;
    const data_explore_options *o;
    data_heard *h;
    size_t first, cells;
    struct ear {
        data_viewer viewer;
        double *powers;
        double *sum; /* classes x cells */
        base_err err;
    } ears[JOBS];
} listener;

/* The word as PARTS x BANDS numbers, whatever its length and its level. */
static void pool_word(const data_viewer *v, const data_level *l, float *point)
{
    const bool word = l->end > l->start;
    const double start = word ? 100 * l->start : 0, end = word ? 100 * l->end : v->frames;
    const int width = v->bins / BANDS;
    float top = -INFINITY, mean = 0;
    for (int i = 0; i < v->frames * v->bins; i++) top = fmaxf(top, v->features[i]);
    for (int p = 0; p < PARTS; p++) {
        int from = (int)(start + (end - start) * p / PARTS);
        int to = (int)ceil(start + (end - start) * (p + 1) / PARTS);
        to = to > v->frames ? v->frames : to;
        from = from < to ? from : to - 1;
        for (int b = 0; b < BANDS; b++) {
            float sum = 0;
            for (int t = from; t < to; t++)
                for (int i = b * width; i < (b + 1) * width; i++)
                    sum += fmaxf(v->features[t * v->bins + i], top - deep);
            point[p * BANDS + b] = sum / (float)((to - from) * width);
            mean += point[p * BANDS + b] / (PARTS * BANDS);
        }
    }
    for (int i = 0; i < PARTS * BANDS; i++) point[i] -= mean;
}

static base_status hear(const listener *l, struct ear *ear, size_t i)
{
    data_heard *h = l->h;
    data_viewer *v = &ear->viewer;
    BASE_TRY(data_recordings_read_clip(l->e->r, h->clip[i], SAMPLES, v->pcm, &ear->err));
    data_viewer_look(v);
    double *sum = ear->sum + (size_t)h->of[i] * l->cells;
    for (size_t k = 0; k < l->cells; k++) sum[k] += (double)v->features[k];
    const data_level level = data_level_of(v->pcm, SAMPLES, ear->powers);
    if (l->o->points)
        memcpy(h->points + i * h->width, l->o->points + h->clip[i] * h->width,
               h->width * sizeof *h->points);
    else
        pool_word(v, &level, h->points + i * h->width);
    return BASE_OK;
}

/* Each job sums up the clips of its number, so that sums do not depend on threads. */
static void hear_job(void *ctx, int job)
{
    listener *l = ctx;
    struct ear *ear = &l->ears[job];
    for (size_t i = l->first + (size_t)job; i < l->h->n && i < l->first + BLOCK; i += JOBS)
        if (ear->err.status == BASE_OK) hear(l, ear, i);
}

static base_status open_ears(listener *l, base_err *err)
{
    for (int j = 0; j < JOBS; j++) {
        struct ear *ear = &l->ears[j];
        BASE_TRY(data_viewer_open(&ear->viewer, SAMPLES, err));
        l->cells = (size_t)ear->viewer.frames * (size_t)ear->viewer.bins;
        ear->powers = base_alloc(3 * (SAMPLES / DATA_BLOCK), sizeof *ear->powers);
        ear->sum = base_alloc(l->e->classes.n * l->cells, sizeof *ear->sum);
        if (!ear->powers || !ear->sum) return base_nomem(err, l->cells * sizeof *ear->sum);
    }
    return BASE_OK;
}

static base_status hear_all(listener *l, base_err *err)
{
    base_pool *pool;
    base_status status = BASE_OK;
    BASE_TRY(base_pool_new(l->o->threads > 0 ? l->o->threads : 1, &pool, err));
    for (; l->first < l->h->n && status == BASE_OK; l->first += BLOCK) {
        base_pool_run(pool, JOBS, hear_job, l);
        for (int j = 0; j < JOBS && status == BASE_OK; j++)
            if (l->ears[j].err.status != BASE_OK)
                status = base_fail(err, l->ears[j].err.status, "%s", l->ears[j].err.message);
        if (status == BASE_OK && l->o->stop && *l->o->stop)
            status = base_fail(err, BASE_INTERRUPTED, "interrupted");
        if (l->o->progress)
            l->o->progress(l->o->ctx, "listening", (int64_t)l->first, (int64_t)l->h->n);
    }
    base_pool_free(pool);
    return status;
}

/* Means by class, and of all, from what each ear has summed up. */
static base_status take_means(const listener *l, base_err *err)
{
    data_heard *h = l->h;
    const size_t classes = l->e->classes.n;
    size_t *count = base_alloc(classes, sizeof *count);
    h->mean = base_alloc((classes + 1) * l->cells, sizeof *h->mean);
    if (!count || !h->mean) {
        base_free(count);
        return base_nomem(err, classes * l->cells * sizeof *h->mean);
    }
    for (size_t i = 0; i < h->n; i++) count[h->of[i]]++;
    for (size_t i = 0; i < l->cells; i++) {
        double all = 0;
        for (size_t k = 0; k < classes; k++) {
            double sum = 0;
            for (int j = 0; j < JOBS; j++) sum += l->ears[j].sum[k * l->cells + i];
            all += sum;
            h->mean[k * l->cells + i] = count[k] ? (float)(sum / (double)count[k]) : 0;
        }
        h->mean[classes * l->cells + i] = (float)(all / (double)h->n);
    }
    base_free(count);
    return BASE_OK;
}

base_status data_listen(data_exploration *e, const data_explore_options *o, base_err *err)
{
    data_heard *h = &e->heard;
    listener *l = base_alloc(1, sizeof *l);
    if (!l) return base_nomem(err, sizeof *l);
    *l = (listener){.e = e, .o = o, .h = h};
    base_status status = choose(e, o, h, err);
    if (status == BASE_OK) status = open_ears(l, err);
    if (status == BASE_OK) {
        h->frames = l->ears[0].viewer.frames;
        h->bins = l->ears[0].viewer.bins;
        h->width = o->points ? o->width : PARTS * BANDS;
        h->points = base_alloc(h->n * h->width, sizeof *h->points);
        if (!h->points) status = base_nomem(err, h->n * h->width * sizeof *h->points);
    }
    if (status == BASE_OK) status = hear_all(l, err);
    if (status == BASE_OK) status = take_means(l, err);
    for (int j = 0; j < JOBS; j++) {
        data_viewer_close(&l->ears[j].viewer);
        base_free(l->ears[j].powers);
        base_free(l->ears[j].sum);
    }
    base_free(l);
    return status;
}

/* ---- all of it ---- */

static void show_reading(void *ctx, int64_t done, int64_t total)
{
    const data_explore_options *o = ctx;
    if (o->progress) o->progress(o->ctx, "reading", done, total);
}

static base_status group(data_exploration *e, const data_explore_options *o, base_err *err)
{
    const size_t clips = data_recordings_count(e->r);
    BASE_TRY(data_classes_new(e->r, o->keywords, &e->classes, err));
    if (e->classes.n > DATA_MOST_CLASSES) {
        base_fail(err, BASE_USAGE, "%zu words are too many classes for a page (at most %d)",
                  e->classes.n, DATA_MOST_CLASSES);
        return base_hint(err, "name those that matter: --words yes,no,...");
    }
    int *of = base_alloc(clips + 1, sizeof *of);
    if (!of) return base_nomem(err, clips * sizeof *of);
    for (size_t i = 0; i < clips; i++) of[i] = e->classes.of_word[data_recordings_at(e->r, i).word];
    base_status status =
        data_groups_new(e->r, e->facts, o->split, of, e->classes.n, &e->groups, err);
    base_free(of);
    if (status == BASE_OK && e->groups.start[e->groups.n] == 0)
        return base_fail(err, BASE_DATA, "no readable clip%s%s",
                         o->split == DATA_SPLITS ? "" : " in split ",
                         o->split == DATA_SPLITS ? "" : data_split_name(o->split));
    return status;
}

base_status data_explore(const data_recordings *r, const data_explore_options *o,
                         data_exploration *e, base_err *err)
{
    data_explore_options mine = *o;
    const data_survey_options how = {
        .threads = o->threads, .stop = o->stop, .progress = show_reading, .ctx = &mine};
    *e = (data_exploration){.r = r};
    BASE_TRY(data_survey_run(r, &how, &e->facts, err));
    BASE_TRY(group(e, o, err));
    BASE_TRY(data_listen(e, o, err));
    return data_arrange(e, o, err);
}

void data_exploration_free(data_exploration *e)
{
    data_heard *h = &e->heard;
    void *const parts[] = {h->clip, h->of,    h->points, h->mean,   h->axes,    h->share,
                           h->away, h->apart, h->worst,  e->map.at, e->map.pca, e->map.tsne};
    if (e->r) data_survey_free(e->facts, data_recordings_count(e->r));
    data_classes_free(&e->classes);
    data_groups_free(&e->groups);
    for (size_t i = 0; i < BASE_COUNT(parts); i++) base_free(parts[i]);
    *e = (data_exploration){0};
}
