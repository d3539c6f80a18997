/* Batches. Loader threads take batch numbers in order and fill slots of a ring while the trainer
 * works on an earlier one; they give way to it, so that it never waits while a batch is ready:
 *
 *      held by the caller     ready     being filled     free
 *      [ give - 1 ] ......... [ give ] .............. [ take ] ....   (numbers modulo the slots)
 *
 * Each sample of a batch is computed from (seed, epoch, index in the epoch) alone, so it does not
 * matter which thread fills a slot, or when. The order of an epoch is made once, by the thread that
 * takes its first batch, under the lock.
 */
#include "data/augment.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    float *features, *features2; /* features2: NULL without a second front-end */
    data_sample *samples;
    int *labels, *labels2, *clips;
    float *mix; /* NULL without mixup */
    int n;
    int64_t number; /* epoch * steps + step of the batch in it, or meant to be */
    bool ready;
    base_err err;
} slot;

/* What one thread computes with. */
typedef struct worker {
    struct data_loader *loader;
    pthread_t thread;
    dsp_frontend *frontend, *frontend2;
    data_augment_work *augment; /* NULL: evaluation */
    int16_t *pcm;
    float *clip;
    data_mix *mix; /* of a batch; NULL without mixup */
    float *pure;   /* its features before they are mixed */
} worker;

struct data_loader {
    data_loader_spec spec;
    data_augmenter *augmenter; /* NULL: evaluation */
    bool training;
    double mixup; /* alpha; 0: off */
    dsp_config features, features2;
    int frames, bins;
    size_t size, size2; /* features of a sample; size2 0: no second front-end */
    size_t samples;     /* of one clip */
    size_t total;       /* samples of an epoch */
    int64_t steps;
    data_sample *order;
    int64_t order_epoch; /* -1: none yet */
    slot *slots;
    int nslots;
    worker *workers; /* one even when there are no threads */
    int nworkers, started;
    pthread_mutex_t lock;
    pthread_cond_t filled, room; /* a slot is ready or a thread idle; a slot may be filled */
    int64_t take, give;
    int busy;
    bool quit, paused;
};

/* ---- one sample ---- */

/* The features of a sample; out2: of the second front-end. */
static base_status one_sample(worker *w, const data_sample *s, int64_t epoch, size_t index,
                              float *out, float *out2, base_err *err)
{
    const data_loader *l = w->loader;
    base_rng rng = base_rng_at(l->spec.seed, BASE_RNG_AUGMENT, (uint32_t)epoch, index);
    if (l->training) {
        BASE_TRY(data_augment_clip(w->augment, s, &rng, w->clip, err));
    } else {
        BASE_TRY(data_task_pcm(l->spec.task, l->spec.split, index, s, l->samples, w->pcm, err));
        dsp_from_pcm16(w->clip, w->pcm, l->samples);
    }
    dsp_frontend_run(w->frontend, w->clip, out);
    if (l->training) data_augment_mask(l->augmenter, out, l->frames, l->bins, &rng);
    if (out2) dsp_frontend_run(w->frontend2, w->clip, out2);
    return BASE_OK;
}

/* ---- one batch ---- */

/* Under the lock: which samples batch `number` has. */
static void assign(data_loader *l, slot *s, int64_t number)
{
    int64_t epoch = number / l->steps;
    size_t first = (size_t)(number % l->steps) * (size_t)l->spec.batch;
    if (l->training && l->order_epoch != epoch)
        data_task_epoch(l->spec.task, l->spec.seed, (uint32_t)epoch, l->order);
    l->order_epoch = epoch;
    size_t left = l->total - first;
    s->n = left < (size_t)l->spec.batch ? (int)left : l->spec.batch;
    s->number = number;
    s->ready = false;
    memcpy(s->samples, l->order + first, (size_t)s->n * sizeof *s->samples);
}

/* features [n, size]: each row becomes its own part and that of its partner. */
static void mix_rows(float *features, size_t size, int n, const data_mix *mix, float *pure)
{
    memcpy(pure, features, (size_t)n * size * sizeof *pure);
    for (int i = 0; i < n; i++) {
        const float *a = pure + (size_t)i * size, *b = pure + (size_t)mix[i].partner * size;
        float *out = features + (size_t)i * size, weight = mix[i].weight;
        for (size_t k = 0; k < size; k++) out[k] = weight * a[k] + (1 - weight) * b[k];
    }
}

static void mix_batch(const worker *w, slot *s, int64_t epoch, size_t first)
{
    const data_loader *l = w->loader;
    for (int i = 0; i < s->n; i++) {
        base_rng rng =
            base_rng_at(l->spec.seed, BASE_RNG_MIXUP, (uint32_t)epoch, first + (size_t)i);
        w->mix[i] = data_mix_draw(l->mixup, i, s->n, &rng);
        s->labels2[i] = s->samples[w->mix[i].partner].label;
        s->mix[i] = w->mix[i].weight;
    }
    mix_rows(s->features, l->size, s->n, w->mix, w->pure);
    if (s->features2) mix_rows(s->features2, l->size2, s->n, w->mix, w->pure);
}

static void fill(worker *w, slot *s)
{
    const data_loader *l = w->loader;
    int64_t epoch = s->number / l->steps;
    size_t first = (size_t)(s->number % l->steps) * (size_t)l->spec.batch;
    s->err = (base_err){0};
    for (size_t i = 0; i < (size_t)s->n; i++) {
        s->labels[i] = s->samples[i].label;
        s->clips[i] = s->samples[i].clip;
        float *out2 = s->features2 ? s->features2 + i * l->size2 : NULL;
        if (one_sample(w, &s->samples[i], epoch, first + i, s->features + i * l->size, out2,
                       &s->err) != BASE_OK)
            return;
    }
    if (l->mixup > 0) mix_batch(w, s, epoch, first);
}

static bool may_take(const data_loader *l)
{
    return !l->paused && l->take < l->give - 1 + l->nslots && (l->training || l->take < l->steps);
}

static void *work(void *arg)
{
    worker *w = arg;
    data_loader *l = w->loader;
    base_thread_background();
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->quit && !may_take(l)) pthread_cond_wait(&l->room, &l->lock);
        if (l->quit) break;
        int64_t number = l->take++;
        slot *s = &l->slots[number % l->nslots];
        assign(l, s, number);
        l->busy++;
        pthread_mutex_unlock(&l->lock);
        fill(w, s);
        pthread_mutex_lock(&l->lock);
        s->ready = true;
        l->busy--;
        pthread_cond_broadcast(&l->filled);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- making and freeing ---- */

static base_status new_slot(const data_loader *l, slot *s, base_err *err)
{
    size_t n = (size_t)l->spec.batch;
    s->features = base_alloc(n, l->size * sizeof *s->features);
    s->samples = base_alloc(n, sizeof *s->samples);
    s->labels = base_alloc(n, sizeof *s->labels);
    s->clips = base_alloc(n, sizeof *s->clips);
    bool ok = s->features && s->samples && s->labels && s->clips;
    if (ok && l->size2) ok = (s->features2 = base_alloc(n, l->size2 * sizeof *s->features2));
    if (ok && l->mixup > 0) {
        s->labels2 = base_alloc(n, sizeof *s->labels2);
        s->mix = base_alloc(n, sizeof *s->mix);
        ok = s->labels2 && s->mix;
    }
    return ok ? BASE_OK : base_nomem(err, n * (l->size + l->size2) * sizeof *s->features);
}

static base_status new_worker(data_loader *l, worker *w, base_err *err)
{
    const data_loader_spec *spec = &l->spec;
    size_t n = (size_t)spec->batch, most = l->size > l->size2 ? l->size : l->size2;
    w->loader = l;
    w->pcm = base_alloc(l->samples, sizeof *w->pcm);
    w->clip = base_alloc(l->samples, sizeof *w->clip);
    if (!w->pcm || !w->clip) return base_nomem(err, l->samples * 6);
    if (l->mixup > 0) {
        w->mix = base_alloc(n, sizeof *w->mix);
        w->pure = base_alloc(n, most * sizeof *w->pure);
        if (!w->mix || !w->pure) return base_nomem(err, n * most * sizeof *w->pure);
    }
    if (l->training) BASE_TRY(data_augment_work_new(l->augmenter, &w->augment, err));
    if (l->size2)
        BASE_TRY(dsp_frontend_new(&l->features2, spec->mean2, spec->std2, &w->frontend2, err));
    return dsp_frontend_new(&l->features, spec->mean, spec->std, &w->frontend, err);
}

static base_status count_steps(data_loader *l, base_err *err)
{
    int64_t batch = l->spec.batch;
    l->total = data_task_count(l->spec.task, l->spec.split, -1);
    if (l->total == 0)
        return base_fail(err, BASE_DATA, "'%s' has no %s clip of these classes",
                         data_pack_path(data_task_pack(l->spec.task)),
                         data_split_name(l->spec.split));
    l->steps = l->training ? (int64_t)l->total / batch : ((int64_t)l->total + batch - 1) / batch;
    if (l->steps == 0) l->steps = 1;
    return BASE_OK;
}

static base_status count_features(data_loader *l, base_err *err)
{
    const dsp_config *one = &l->features, *two = &l->features2;
    if (one->rate != DATA_RATE)
        return base_fail(err, BASE_USAGE, "features.rate = %d: packs hold %d Hz", one->rate,
                         DATA_RATE);
    BASE_TRY(dsp_config_check(one, err));
    dsp_config_shape(one, &l->frames, &l->bins);
    l->samples = (size_t)one->samples;
    l->size = (size_t)l->frames * (size_t)l->bins;
    if (!l->spec.features2) return BASE_OK;
    int frames, bins;
    BASE_TRY(dsp_config_check(two, err));
    if (two->rate != one->rate || two->samples != one->samples)
        return base_fail(err, BASE_USAGE,
                         "two kinds of features from one clip: one of %d samples at %d Hz, one of "
                         "%d samples at %d Hz",
                         one->samples, one->rate, two->samples, two->rate);
    dsp_config_shape(two, &frames, &bins);
    l->size2 = (size_t)frames * (size_t)bins;
    return BASE_OK;
}

static base_status build(data_loader *l, base_err *err)
{
    BASE_TRY(count_features(l, err));
    BASE_TRY(count_steps(l, err));
    if (l->training)
        BASE_TRY(data_augmenter_new(l->spec.augment, l->spec.task, l->features.rate, l->samples,
                                    l->spec.seed, &l->augmenter, err));
    l->order = base_alloc(l->total, sizeof *l->order);
    l->slots = base_alloc((size_t)l->nslots, sizeof *l->slots);
    l->workers = base_alloc((size_t)l->nworkers, sizeof *l->workers);
    if (!l->order || !l->slots || !l->workers) return base_nomem(err, l->total * sizeof *l->order);
    if (!l->training) data_task_evaluation(l->spec.task, l->spec.split, l->order);
    for (int i = 0; i < l->nslots; i++) BASE_TRY(new_slot(l, &l->slots[i], err));
    for (int i = 0; i < l->nworkers; i++) BASE_TRY(new_worker(l, &l->workers[i], err));
    for (; l->started < l->spec.threads; l->started++)
        if (pthread_create(&l->workers[l->started].thread, NULL, work, &l->workers[l->started]))
            return base_fail(err, BASE_FAILED, "cannot start %d loader threads", l->spec.threads);
    return BASE_OK;
}

base_status data_loader_new(const data_loader_spec *spec, data_loader **loader, base_err *err)
{
    data_loader *l = calloc(1, sizeof *l);
    *loader = NULL;
    if (!l) return base_nomem(err, sizeof *l);
    *l = (data_loader){.spec = *spec, .features = *spec->features, .training = spec->augment};
    if (spec->features2) l->features2 = *spec->features2;
    if (spec->augment) l->mixup = spec->augment->mixup_alpha;
    l->nworkers = spec->threads > 0 ? spec->threads : 1;
    l->nslots = spec->threads > 0 ? 2 * spec->threads + 2 : 1;
    l->order_epoch = -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->filled, NULL);
    pthread_cond_init(&l->room, NULL);
    base_status status = build(l, err);
    if (status == BASE_OK)
        *loader = l;
    else
        data_loader_free(l);
    return status;
}

void data_loader_free(data_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) pthread_join(l->workers[i].thread, NULL);
    for (int i = 0; l->workers && i < l->nworkers; i++) {
        worker *w = &l->workers[i];
        dsp_frontend_free(w->frontend);
        dsp_frontend_free(w->frontend2);
        data_augment_work_free(w->augment);
        void *const parts[] = {w->pcm, w->clip, w->mix, w->pure};
        for (size_t k = 0; k < BASE_COUNT(parts); k++) base_free(parts[k]);
    }
    for (int i = 0; l->slots && i < l->nslots; i++) {
        slot *s = &l->slots[i];
        void *const parts[] = {s->features, s->features2, s->samples, s->labels,
                               s->labels2,  s->mix,       s->clips};
        for (size_t k = 0; k < BASE_COUNT(parts); k++) base_free(parts[k]);
    }
    pthread_cond_destroy(&l->filled);
    pthread_cond_destroy(&l->room);
    pthread_mutex_destroy(&l->lock);
    data_augmenter_free(l->augmenter);
    base_free(l->order);
    base_free(l->slots);
    base_free(l->workers);
    free(l);
}

/* ---- giving ---- */

int64_t data_loader_steps(const data_loader *l)
{
    return l->steps;
}

static slot *wait_for(data_loader *l, int64_t number)
{
    slot *s = &l->slots[number % l->nslots];
    if (l->spec.threads == 0) {
        l->give = number + 1;
        assign(l, s, number);
        fill(&l->workers[0], s);
        return s;
    }
    pthread_mutex_lock(&l->lock);
    l->give = number + 1; /* the batch given before may be overwritten from now on */
    pthread_cond_broadcast(&l->room);
    while (!s->ready || s->number != number) pthread_cond_wait(&l->filled, &l->lock);
    pthread_mutex_unlock(&l->lock);
    return s;
}

base_status data_loader_next(data_loader *l, data_batch *batch, base_err *err)
{
    int64_t number = l->give;
    *batch = (data_batch){.epoch = number / l->steps, .step = number % l->steps};
    if (!l->training && number == l->steps) return BASE_OK;
    const slot *s = wait_for(l, number);
    if (s->err.status != BASE_OK) return base_fail(err, s->err.status, "%s", s->err.message);
    batch->n = s->n;
    batch->features = s->features;
    batch->features2 = s->features2;
    batch->labels = s->labels;
    batch->labels2 = s->labels2;
    batch->mix = s->mix;
    batch->clips = s->clips;
    return BASE_OK;
}

void data_loader_seek(data_loader *l, int64_t epoch, int64_t step)
{
    pthread_mutex_lock(&l->lock);
    l->paused = true;
    while (l->busy > 0) pthread_cond_wait(&l->filled, &l->lock);
    for (int i = 0; i < l->nslots; i++) l->slots[i].ready = false;
    l->take = l->give = (l->training ? epoch : 0) * l->steps + step;
    l->paused = false;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
}
