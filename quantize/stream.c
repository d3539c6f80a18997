/* stream: a net on every window of a recording; see stream.h. Windows are cut into blocks, block b
 * belongs to job b modulo the number of jobs; a job has a front-end and a net of its own.
 */
#include "quantize/stream.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 };

typedef struct worker {
    dsp_frontend *frontend;
    float *features;
    nn_net *net;    /* of a float model, */
    nn_real *x, *y; /* a block of its inputs and outputs */
    int8_t *in, *work;
    base_err err;
} worker;

typedef struct listening {
    const quant_listener *l;
    const q8_model *q8;
    dsp_config cfg;
    size_t size; /* of the features of a window */
    const float *pcm;
    quant_heard *h;
    q8_host *host;
    bool scores; /* the float net ends in probabilities */
    int jobs;
    worker *workers;
    pthread_mutex_t lock;
    int64_t done;
} listening;

/* ---- a worker ---- */

static base_status make_worker(const listening *s, worker *w, base_err *err)
{
    const nn_model *m = s->l->subject->model;
    const bool normalize = s->cfg.normalize == DSP_NORMALIZE_FEATURE;
    BASE_TRY(dsp_frontend_new(&s->cfg, normalize ? m->mean : NULL, normalize ? m->std : NULL,
                              &w->frontend, err));
    w->features = base_alloc(s->size, sizeof *w->features);
    w->x = base_alloc(BLOCK * s->size, sizeof *w->x);
    w->y = base_alloc(BLOCK * (size_t)s->h->classes, sizeof *w->y);
    w->in = base_alloc(s->size, 1);
    w->work = base_alloc(s->host ? q8_host_work(s->host) : 1, 1);
    if (!w->features || !w->x || !w->y || !w->in || !w->work)
        return base_nomem(err, BLOCK * s->size * sizeof *w->x);
    if (s->q8) return BASE_OK;
    BASE_TRY(nn_net_new(m->graph, (nn_net_options){.batch = BLOCK, .shards = 1}, &w->net, err));
    memcpy(nn_net_weights(w->net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    return BASE_OK;
}

static void free_worker(worker *w)
{
    dsp_frontend_free(w->frontend);
    nn_net_free(w->net);
    base_free(w->features);
    base_free(w->x);
    base_free(w->y);
    base_free(w->in);
    base_free(w->work);
}

/* ---- a window ---- */

/* Probabilities, or logits, as scores of scale 1/256 and zero point -128. */
static void to_scores(const nn_real *y, int classes, bool probabilities, int8_t *out)
{
    double most = (double)y[0], sum = 0;
    for (int k = 1; k < classes; k++) most = fmax(most, (double)y[k]);
    for (int k = 0; k < classes; k++) sum += exp((double)y[k] - most);
    for (int k = 0; k < classes; k++) {
        const double p = probabilities ? (double)y[k] : exp((double)y[k] - most) / sum;
        out[k] = (int8_t)(fmin(fmax(round(256 * p), 0), 255) - 128);
    }
}

/* n <= BLOCK inferences from `first` on. */
static void hear_block(const listening *s, worker *w, int64_t first, int n)
{
    quant_heard *h = s->h;
    for (int i = 0; i < n; i++) {
        dsp_frontend_run(w->frontend, s->pcm + (first + i) * h->hop, w->features);
        if (s->q8) {
            q8_quantize_input(s->q8, w->features, w->in);
            q8_host_run(s->host, w->in, h->out + (first + i) * h->classes, w->work);
        }
        for (size_t k = 0; !s->q8 && k < s->size; k++)
            w->x[(size_t)i * s->size + k] = (nn_real)w->features[k];
    }
    if (s->q8) return;
    nn_net_forward(w->net, &(const nn_real *){w->x}, n, w->y);
    for (int i = 0; i < n; i++)
        to_scores(w->y + (ptrdiff_t)i * h->classes, h->classes, s->scores,
                  h->out + (first + i) * h->classes);
}

static void hear_job(void *ctx, int job)
{
    listening *s = ctx;
    worker *w = &s->workers[job];
    if (make_worker(s, w, &w->err) != BASE_OK) return;
    for (int64_t first = (int64_t)job * BLOCK; first < s->h->n; first += (int64_t)s->jobs * BLOCK) {
        const int64_t left = s->h->n - first;
        const int n = left < BLOCK ? (int)left : BLOCK;
        hear_block(s, w, first, n);
        pthread_mutex_lock(&s->lock);
        s->done += n;
        if (s->l->progress) s->l->progress(s->l->ctx, s->done, s->h->n);
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- all of them ---- */

nn_quant quant_heard_quant(const quant_subject *s)
{
    return s->q8 ? s->q8->values[s->q8->n_layers].quant : (nn_quant){1.0 / 256, -128};
}

static base_status prepare(listening *s, size_t n, base_err *err)
{
    const nn_model *m = s->l->subject->model;
    const nn_node *end = nn_graph_output(m->graph);
    quant_heard *h = s->h;
    int frames, bins;
    BASE_TRY(quant_features(m, &s->cfg, err));
    dsp_config_shape(&s->cfg, &frames, &bins);
    s->size = (size_t)frames * (size_t)bins;
    *h = (quant_heard){.classes = (int)m->n_labels,
                       .rate = s->cfg.rate,
                       .hop = s->l->hop,
                       .window =
                           s->l->pipeline ? quant_pipeline_first(s->l->pipeline) : s->cfg.samples,
                       .samples = (int64_t)n,
                       .quant = quant_heard_quant(s->l->subject)};
    if (m->n_labels == 0 || nn_count(end->shape) != (int64_t)m->n_labels)
        return base_fail(err, BASE_DATA, "the model has %lld outputs but %zu labels",
                         (long long)nn_count(end->shape), m->n_labels);
    if (n < (size_t)h->window)
        return base_fail(err, BASE_DATA,
                         "%.2f s of audio: less than the %.2f s the model listens to",
                         (double)n / h->rate, (double)h->window / h->rate);
    h->n = 1 + (h->samples - h->window) / h->hop;
    h->out = base_alloc((size_t)h->n * (size_t)h->classes, 1);
    s->workers = base_alloc((size_t)s->jobs, sizeof *s->workers);
    if (!h->out || !s->workers) return base_nomem(err, (size_t)h->n * (size_t)h->classes);
    s->scores = strcmp(end->op->name, "softmax") == 0 || strcmp(end->op->name, "sigmoid") == 0;
    if (!s->q8) return BASE_OK;
    return q8_host_new(s->q8, q8_level_best(), &s->host, err);
}

static base_status run(listening *s, base_err *err)
{
    base_pool *pool = NULL;
    if (s->l->pipeline) return quant_hear_device(s->l, s->host, s->pcm, s->h, err);
    BASE_TRY(base_pool_new(s->jobs, &pool, err));
    base_pool_run(pool, s->jobs, hear_job, s);
    base_pool_free(pool);
    for (int j = 0; j < s->jobs; j++) {
        if (s->workers[j].err.status == BASE_OK) continue;
        if (err) *err = s->workers[j].err;
        return s->workers[j].err.status;
    }
    return BASE_OK;
}

base_status quant_hear(const quant_listener *l, const float *pcm, size_t n, quant_heard *h,
                       base_err *err)
{
    listening s = {
        .l = l, .q8 = l->subject->q8, .pcm = pcm, .h = h, .jobs = l->threads > 0 ? l->threads : 1};
    pthread_mutex_init(&s.lock, NULL);
    base_status status = prepare(&s, n, err);
    if (status == BASE_OK) status = run(&s, err);
    for (int j = 0; s.workers && j < s.jobs; j++) free_worker(&s.workers[j]);
    base_free(s.workers);
    q8_host_free(s.host);
    pthread_mutex_destroy(&s.lock);
    if (status != BASE_OK) quant_heard_free(h);
    return status;
}

void quant_heard_free(quant_heard *h)
{
    base_free(h->out);
    *h = (quant_heard){0};
}

/* ---- detections ---- */

base_status quant_detect(const quant_heard *h, const sotto_posterior_t *t, quant_detections *d,
                         base_err *err)
{
    sotto_posterior_state state;
    const size_t size = (size_t)SOTTO_POSTERIOR_SIZE(h->classes, t->window);
    uint16_t *memory = base_alloc(size, sizeof *memory);
    if (!memory) return base_nomem(err, size * sizeof *memory);
    sotto_posterior_init(t, &state, memory);
    base_status status = BASE_OK;
    d->n = 0;
    for (int64_t i = 0; i < h->n && status == BASE_OK; i++) {
        const sotto_detection got = sotto_posterior_push(t, &state, h->out + i * h->classes);
        if (got.word < 0) continue;
        if (!base_grow((void **)&d->list, &d->cap, d->n + 1, sizeof *d->list)) {
            status = base_nomem(err, (d->n + 1) * sizeof *d->list);
            continue;
        }
        d->list[d->n++] = (quant_detection){.seconds = (double)(i * h->hop + h->window) / h->rate,
                                            .word = got.word,
                                            .score = got.score / 256.0};
    }
    base_free(memory);
    return status;
}
