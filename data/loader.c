/* Batches. Loader threads take batch numbers in order and fill slots of a ring while the trainer
 * works on an earlier one:
 *
 *      held by the caller     ready     being filled     free
 *      [ give - 1 ] ......... [ give ] .............. [ take ] ....   (numbers modulo the slots)
 *
 * Each sample of a batch is computed from (seed, epoch, index in the epoch) alone, so it does not
 * matter which thread fills a slot, or when. The order of an epoch is made once, by the thread that
 * takes its first batch, under the lock.
 */
#include "data/task.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    float *features;
    data_sample *samples;
    int *labels, *clips;
    int n;
    int64_t number; /* epoch * steps + step of the batch in it, or meant to be */
    bool ready;
    base_err err;
} slot;

/* What one thread computes with. */
typedef struct worker {
    struct data_loader *loader;
    pthread_t thread;
    dsp_frontend *frontend;
    int16_t *pcm;
    float *clip, *other, *noise;
} worker;

struct data_loader {
    data_loader_spec spec;
    data_augment augment;
    bool training;
    dsp_config features;
    dsp_speed *speed;
    int frames, bins;
    size_t samples; /* of one clip */
    size_t total;   /* samples of an epoch */
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

/* What happens to a sample, all drawn before anything is computed. */
typedef struct plan {
    int speed, shift;
    bool noise;
    float gain;
} plan;

static plan draw_plan(const data_loader *l, bool silence, base_rng *rng)
{
    const data_augment *a = &l->augment;
    plan p = {0};
    int most = (int)lrint(a->shift_ms * l->features.rate / 1000);
    p.speed = a->speed_lo + (int)base_rng_below(rng, (uint32_t)(a->speed_hi - a->speed_lo + 1));
    p.shift = (int)base_rng_below(rng, 2 * (uint32_t)most + 1) - most;
    p.noise = base_rng_uniform(rng) < a->noise_prob || silence;
    p.gain = (float)(base_rng_uniform(rng) * (silence ? a->silence_gain : a->noise_gain));
    return p;
}

/* The augmented samples of a clip into w->clip. */
static base_status training_clip(worker *w, const data_sample *s, base_rng *rng, base_err *err)
{
    const data_loader *l = w->loader;
    const data_task *task = l->spec.task;
    plan p = draw_plan(l, s->clip < 0, rng);
    if (s->clip < 0) {
        memset(w->clip, 0, l->samples * sizeof *w->clip);
    } else {
        BASE_TRY(
            data_pack_read_clip(data_task_pack(task), (size_t)s->clip, l->samples, w->pcm, err));
        dsp_from_pcm16(w->other, w->pcm, l->samples);
        if (p.speed != 100) {
            dsp_speed_run(l->speed, p.speed, w->noise, w->other, l->samples);
            memcpy(w->other, w->noise, l->samples * sizeof *w->other);
        }
        dsp_shift(w->clip, w->other, l->samples, p.shift);
    }
    if (p.noise) {
        BASE_TRY(data_task_noise(task, DATA_TRAIN, rng, l->samples, w->pcm, err));
        dsp_from_pcm16(w->noise, w->pcm, l->samples);
        dsp_mix(w->clip, w->noise, p.gain, l->samples);
        dsp_clamp(w->clip, l->samples);
    }
    return BASE_OK;
}

static base_status one_sample(worker *w, const data_sample *s, int64_t epoch, size_t index,
                              float *out, base_err *err)
{
    const data_loader *l = w->loader;
    if (!l->training) {
        BASE_TRY(data_task_pcm(l->spec.task, l->spec.split, index, s, l->samples, w->pcm, err));
        dsp_from_pcm16(w->clip, w->pcm, l->samples);
        dsp_frontend_run(w->frontend, w->clip, out);
        return BASE_OK;
    }
    base_rng rng = base_rng_at(l->spec.seed, BASE_RNG_AUGMENT, (uint32_t)epoch, index);
    BASE_TRY(training_clip(w, s, &rng, err));
    dsp_frontend_run(w->frontend, w->clip, out);
    const dsp_mask mask = {.time_masks = l->augment.time_masks,
                           .time_width = l->augment.time_width,
                           .freq_masks = l->augment.freq_masks,
                           .freq_width = l->augment.freq_width};
    dsp_spec_mask(out, l->frames, l->bins, &mask, &rng);
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

static void fill(worker *w, slot *s)
{
    const data_loader *l = w->loader;
    int64_t epoch = s->number / l->steps;
    size_t first = (size_t)(s->number % l->steps) * (size_t)l->spec.batch;
    size_t size = (size_t)l->frames * (size_t)l->bins;
    s->err = (base_err){0};
    for (int i = 0; i < s->n; i++) {
        s->labels[i] = s->samples[i].label;
        s->clips[i] = s->samples[i].clip;
        if (one_sample(w, &s->samples[i], epoch, first + (size_t)i, s->features + (size_t)i * size,
                       &s->err) != BASE_OK)
            return;
    }
}

static bool may_take(const data_loader *l)
{
    return !l->paused && l->take < l->give - 1 + l->nslots && (l->training || l->take < l->steps);
}

static void *work(void *arg)
{
    worker *w = arg;
    data_loader *l = w->loader;
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
    size_t n = (size_t)l->spec.batch, size = (size_t)l->frames * (size_t)l->bins;
    s->features = base_alloc(n, size * sizeof *s->features);
    s->samples = base_alloc(n, sizeof *s->samples);
    s->labels = base_alloc(n, sizeof *s->labels);
    s->clips = base_alloc(n, sizeof *s->clips);
    bool ok = s->features && s->samples && s->labels && s->clips;
    return ok ? BASE_OK : base_nomem(err, n * size * sizeof *s->features);
}

static base_status new_worker(data_loader *l, worker *w, base_err *err)
{
    w->loader = l;
    w->pcm = base_alloc(l->samples, sizeof *w->pcm);
    w->clip = base_alloc(l->samples, sizeof *w->clip);
    w->other = base_alloc(l->samples, sizeof *w->other);
    w->noise = base_alloc(l->samples, sizeof *w->noise);
    if (!w->pcm || !w->clip || !w->other || !w->noise) return base_nomem(err, l->samples * 14);
    return dsp_frontend_new(&l->features, l->spec.mean, l->spec.std, &w->frontend, err);
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

static base_status build(data_loader *l, base_err *err)
{
    if (l->features.rate != DATA_RATE)
        return base_fail(err, BASE_USAGE, "features.rate = %d: packs hold %d Hz", l->features.rate,
                         DATA_RATE);
    BASE_TRY(dsp_config_check(&l->features, err));
    dsp_config_shape(&l->features, &l->frames, &l->bins);
    l->samples = (size_t)l->features.samples;
    BASE_TRY(count_steps(l, err));
    if (l->training) {
        BASE_TRY(data_augment_check(&l->augment, err));
        BASE_TRY(dsp_speed_new(l->augment.speed_lo, l->augment.speed_hi, &l->speed, err));
    }
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
    if (spec->augment) l->augment = *spec->augment;
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
        void *const parts[] = {w->pcm, w->clip, w->other, w->noise};
        for (size_t k = 0; k < BASE_COUNT(parts); k++) base_free(parts[k]);
    }
    for (int i = 0; l->slots && i < l->nslots; i++) {
        slot *s = &l->slots[i];
        void *const parts[] = {s->features, s->samples, s->labels, s->clips};
        for (size_t k = 0; k < BASE_COUNT(parts); k++) base_free(parts[k]);
    }
    pthread_cond_destroy(&l->filled);
    pthread_cond_destroy(&l->room);
    pthread_mutex_destroy(&l->lock);
    dsp_speed_free(l->speed);
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
    batch->labels = s->labels;
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
