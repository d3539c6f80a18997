/* Candidates come from an index, as in Haitsma and Kalker's paper: all loud frames of all clips
 * sorted by their bits, and each frame is looked for with its weakest bits as they are and flipped.
 * Each candidate gives a pair of clips and a shift, at which all their frames are compared, and
 * then, when few bits differ, their samples.
 */
#include "data/duplicates.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 16, FLIPS = 1 << DSP_PRINT_WEAK };
enum { COMMON = 200 }; /* bits that so many frames share say nothing */
enum { FRAMES_LEAST = 15 };
enum { NEAR = 120 }; /* samples either way of a shift of whole hops */
static const double share_least = 0.6;

typedef struct entry {
    uint32_t bits, clip, frame;
} entry;

typedef struct finder {
    const data_recordings *r;
    const data_facts *facts;
    size_t n;
    int jobs;
    entry *index;
    size_t nindex;
    uint32_t *starts; /* of each PREFIX in the index, and its end */
    uint16_t *loud;   /* loud frames of each clip */
    data_pair *pairs;
    size_t npairs, cap;
    pthread_mutex_t lock;
    base_err *errs; /* of each job */
} finder;

/* ---- the index ---- */

static int by_bits(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->bits != y->bits) return x->bits < y->bits ? -1 : 1;
    if (x->clip != y->clip) return x->clip < y->clip ? -1 : 1;
    return (x->frame > y->frame) - (x->frame < y->frame);
}

static base_status build_index(finder *f, base_err *err)
{
    size_t frames = 0;
    for (size_t i = 0; i < f->n; i++) frames += f->facts[i].nprints;
    f->index = base_alloc(frames + 1, sizeof *f->index);
    f->starts = base_alloc((1 << PREFIX) + 1, sizeof *f->starts);
    f->loud = base_alloc(f->n + 1, sizeof *f->loud);
    if (!f->index || !f->starts || !f->loud) return base_nomem(err, frames * sizeof *f->index);
    for (size_t i = 0; i < f->n; i++)
        for (size_t t = 0; t < f->facts[i].nprints; t++) {
            const dsp_print *p = &f->facts[i].prints[t];
            if (!p->loud) continue;
            f->index[f->nindex++] = (entry){p->bits, (uint32_t)i, (uint32_t)t};
            if (f->loud[i] < UINT16_MAX) f->loud[i]++;
        }
    if (f->nindex) qsort(f->index, f->nindex, sizeof *f->index, by_bits);
    for (size_t i = 0, p = 0; p <= 1 << PREFIX; p++) {
        while (i < f->nindex && f->index[i].bits >> (32 - PREFIX) < p) i++;
        f->starts[p] = (uint32_t)i;
    }
    return BASE_OK;
}

/* The entries with these bits; their number, 0 when they are too common. */
static size_t look_up(const finder *f, uint32_t bits, const entry **first)
{
    size_t lo = f->starts[bits >> (32 - PREFIX)], end = f->starts[(bits >> (32 - PREFIX)) + 1];
    size_t hi = end, n = 0;
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (f->index[middle].bits < bits)
            lo = middle + 1;
        else
            hi = middle;
    }
    while (lo + n < end && f->index[lo + n].bits == bits) n++;
    *first = f->index + lo;
    return n <= COMMON ? n : 0;
}

/* ---- comparing ---- */

/* Share of bits that differ where frame t of a lies on frame t + shift of b; 1 when there are too
 * few to tell. */
static double distance(const finder *f, size_t a, size_t b, int shift)
{
    const data_facts *x = &f->facts[a], *y = &f->facts[b];
    int frames = 0, differ = 0;
    for (int t = shift < 0 ? -shift : 0; t < (int)x->nprints && t + shift < (int)y->nprints; t++) {
        if (!x->prints[t].loud || !y->prints[t + shift].loud) continue;
        differ += __builtin_popcount(x->prints[t].bits ^ y->prints[t + shift].bits);
        frames++;
    }
    int more = f->loud[a] > f->loud[b] ? f->loud[a] : f->loud[b];
    if (frames < FRAMES_LEAST || frames < share_least * more) return 1;
    return differ / (32.0 * frames);
}

/* What a job has seen while it looks for the twins of one clip. */
typedef struct seen {
    uint32_t *of; /* per clip: 1 + the clip whose twin it was a candidate of */
    int *shift;
    double *best; /* distance, 1 when none counts */
    int *best_shift;
    uint32_t *touched;
    size_t ntouched;
} seen;

static void consider(const finder *f, seen *s, size_t a, size_t b, int shift)
{
    if (s->of[b] == a + 1 && s->shift[b] == shift) return;
    if (s->of[b] != a + 1) {
        s->of[b] = (uint32_t)a + 1;
        s->best[b] = 1;
        s->touched[s->ntouched++] = (uint32_t)b;
    }
    s->shift[b] = shift;
    double d = distance(f, a, b, shift);
    if (d > s->best[b] || (d >= s->best[b] && s->best[b] < 1)) return;
    s->best[b] = d;
    s->best_shift[b] = shift;
}

static bool keep(finder *f, const data_pair *pair)
{
    pthread_mutex_lock(&f->lock);
    void *items = f->pairs;
    bool ok = base_grow(&items, &f->cap, f->npairs + 1, sizeof *f->pairs);
    f->pairs = items;
    if (ok) f->pairs[f->npairs++] = *pair;
    pthread_mutex_unlock(&f->lock);
    return ok;
}

/* Clips that are near clip a. False: no memory. */
static bool find_twins(finder *f, seen *s, size_t a)
{
    s->ntouched = 0;
    for (size_t t = 0; t < f->facts[a].nprints; t++) {
        const dsp_print *p = &f->facts[a].prints[t];
        for (uint32_t flip = 0; p->loud && flip < FLIPS; flip++) {
            uint32_t bits = p->bits;
            const entry *e;
            for (int k = 0; k < DSP_PRINT_WEAK; k++) bits ^= (flip >> k & 1) << p->weak[k];
            for (size_t n = look_up(f, bits, &e); n > 0; n--, e++)
                if (e->clip != a) consider(f, s, a, e->clip, (int)e->frame - (int)t);
        }
    }
    for (size_t i = 0; i < s->ntouched; i++) {
        size_t b = s->touched[i];
        if (s->best[b] > DATA_NEAR_BITS) continue;
        data_pair pair = {.a = a, .b = b, .bits = s->best[b], .shift = s->best_shift[b]};
        if (a > b) pair = (data_pair){.a = b, .b = a, .bits = pair.bits, .shift = -pair.shift};
        pair.shift *= DSP_PRINT_HOP;
        if (!keep(f, &pair)) return false;
    }
    return true;
}

static void find_job(void *ctx, int job)
{
    finder *f = ctx;
    seen s = {.of = base_alloc(f->n, sizeof *s.of),
              .shift = base_alloc(f->n, sizeof *s.shift),
              .best = base_alloc(f->n, sizeof *s.best),
              .best_shift = base_alloc(f->n, sizeof *s.best_shift),
              .touched = base_alloc(f->n, sizeof *s.touched)};
    bool ok = s.of && s.shift && s.best && s.best_shift && s.touched;
    for (size_t a = (size_t)job; ok && a < f->n; a += (size_t)f->jobs) ok = find_twins(f, &s, a);
    if (!ok) base_nomem(&f->errs[job], f->n * sizeof *s.best);
    void *const parts[] = {s.of, s.shift, s.best, s.best_shift, s.touched};
    for (size_t i = 0; i < BASE_COUNT(parts); i++) base_free(parts[i]);
}

/* ---- confirming ---- */

/* Correlation of a[i] with b[i + lag], where both are. */
static double correlate(const float *a, size_t na, const float *b, size_t nb, int lag)
{
    size_t from = lag < 0 ? (size_t)-lag : 0, end = na;
    if ((int64_t)end + lag > (int64_t)nb) end = (size_t)((int64_t)nb - lag);
    float ab = 0, aa = 0, bb = 0;
    for (size_t i = from; i < end; i++) {
        float x = a[i], y = b[(int64_t)i + lag];
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return aa > 0 && bb > 0 ? (double)ab / sqrt((double)aa * (double)bb) : 0;
}

/* The samples of a clip without their mean. */
static base_status read_clip(const finder *f, size_t i, float **out, size_t *n, base_err *err)
{
    data_sound s;
    BASE_TRY(data_recordings_read(f->r, i, &s, err));
    float *v = base_alloc(s.n + 1, sizeof *v);
    for (size_t k = 0; v && k < s.n; k++)
        v[k] = (float)(s.pcm[k] / 32768.0 - f->facts[i].level.mean);
    base_free(s.pcm);
    *out = v;
    *n = s.n;
    return v ? BASE_OK : base_nomem(err, s.n * sizeof *v);
}

static base_status confirm(const finder *f, data_pair *p, base_err *err)
{
    float *a = NULL, *b = NULL;
    size_t na, nb;
    base_status status = read_clip(f, p->a, &a, &na, err);
    if (status == BASE_OK) status = read_clip(f, p->b, &b, &nb, err);
    const int middle = p->shift;
    for (int lag = middle - NEAR; status == BASE_OK && lag <= middle + NEAR; lag++) {
        double c = correlate(a, na, b, nb, lag);
        if (c <= p->correlation) continue;
        p->correlation = c;
        p->shift = lag;
    }
    base_free(a);
    base_free(b);
    return status;
}

static void confirm_job(void *ctx, int job)
{
    finder *f = ctx;
    base_status status = BASE_OK;
    for (size_t i = (size_t)job; i < f->npairs && status == BASE_OK; i += (size_t)f->jobs)
        status = confirm(f, &f->pairs[i], &f->errs[job]);
}

/* ---- the whole ---- */

static int by_clips(const void *p, const void *q)
{
    const data_pair *x = p, *y = q;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->b != y->b) return x->b < y->b ? -1 : 1;
    if (x->bits < y->bits || x->bits > y->bits) return x->bits < y->bits ? -1 : 1;
    return (x->shift > y->shift) - (x->shift < y->shift);
}

/* A pair is found from either side; the nearer is kept. */
static void drop_twice(finder *f)
{
    size_t kept = 0;
    if (f->npairs) qsort(f->pairs, f->npairs, sizeof *f->pairs, by_clips);
    for (size_t i = 0; i < f->npairs; i++) {
        const data_pair *p = &f->pairs[i], *last = kept ? &f->pairs[kept - 1] : NULL;
        if (!last || p->a != last->a || p->b != last->b) f->pairs[kept++] = *p;
    }
    f->npairs = kept;
}

static void drop_unlike(finder *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->npairs; i++)
        if (f->pairs[i].correlation >= DATA_NEAR_CORRELATION) f->pairs[kept++] = f->pairs[i];
    f->npairs = kept;
}

static base_status first_error(const finder *f, base_err *err)
{
    for (int j = 0; j < f->jobs; j++)
        if (f->errs[j].status != BASE_OK)
            return base_fail(err, f->errs[j].status, "%s", f->errs[j].message);
    return BASE_OK;
}

static base_status find(finder *f, base_err *err)
{
    base_pool *pool;
    f->errs = base_alloc((size_t)f->jobs, sizeof *f->errs);
    if (!f->errs) return base_nomem(err, (size_t)f->jobs * sizeof *f->errs);
    BASE_TRY(build_index(f, err));
    BASE_TRY(base_pool_new(f->jobs, &pool, err));
    base_pool_run(pool, f->jobs, find_job, f);
    drop_twice(f);
    base_pool_run(pool, f->jobs, confirm_job, f);
    base_pool_free(pool);
    drop_unlike(f);
    return first_error(f, err);
}

base_status data_duplicates_find(const data_recordings *r, const data_facts *facts, int threads,
                                 data_pair **pairs, size_t *npairs, base_err *err)
{
    finder f = {.r = r, .facts = facts, .n = data_recordings_count(r)};
    f.jobs = threads > 0 ? threads : 1;
    pthread_mutex_init(&f.lock, NULL);
    base_status status = find(&f, err);
    pthread_mutex_destroy(&f.lock);
    void *const parts[] = {f.index, f.starts, f.loud, f.errs};
    for (size_t i = 0; i < BASE_COUNT(parts); i++) base_free(parts[i]);
    *pairs = status == BASE_OK ? f.pairs : NULL;
    *npairs = status == BASE_OK ? f.npairs : 0;
    if (status != BASE_OK) free(f.pairs);
    return status;
}
