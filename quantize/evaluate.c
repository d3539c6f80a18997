/* evaluate: see evaluate.h. Clips are cut into blocks, block b belongs to job b modulo the number
 * of jobs; a job has a front-end, a net and counts of its own, so nothing is shared while it runs.
 */
#include "quantize/evaluate.h"

#include "quantize/internal.h"

#include "data/metrics.h"
#include "quantize/frontend.h"
#include "quantize/host.h"

#include <math.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 };

base_status quant_features(const nn_model *m, dsp_config *cfg, base_err *err)
{
    if (!m->features || !*m->features)
        return base_fail(err, BASE_DATA, "the model does not say which features it takes");
    BASE_TRY(dsp_config_parse(m->features, cfg, err));
    int frames, bins;
    char takes[64];
    dsp_config_shape(cfg, &frames, &bins);
    const nn_shape in = nn_graph_input(m->graph, 0)->shape;
    if (nn_count(in) != (int64_t)frames * bins || (in.n > 1 && in.d[0] != frames)) {
        base_fail(err, BASE_DATA, "the features of the model are %dx%d, but its graph takes %s",
                  frames, bins, nn_shape_text(in, takes));
        return base_hint(err, "train the graph with features of its shape (`sotto features`)");
    }
    if (cfg->normalize == DSP_NORMALIZE_FEATURE && (!m->mean || m->n_stats != (size_t)bins))
        return base_fail(err, BASE_DATA, "the model normalizes %d features but knows %zu means",
                         bins, m->n_stats);
    return BASE_OK;
}

base_status quant_task(const nn_model *m, const data_pack *pack, data_task **task, base_err *err)
{
    const int64_t outputs = nn_count(nn_graph_output(m->graph)->shape);
    *task = NULL;
    if (m->n_labels == 0 || outputs != (int64_t)m->n_labels) {
        base_fail(err, BASE_DATA, "the model has %lld outputs but %zu labels", (long long)outputs,
                  m->n_labels);
        return base_hint(err, "a .tflite file gets them by `sotto import --labels`");
    }
    const data_config cfg = data_config_default();
    return data_task_of_labels(pack, (const char *const *)m->labels, (int)m->n_labels, &cfg, task,
                               err);
}

/* ---- walking over clips ---- */

typedef struct walk walk;
/* What to do with n features (n x size) of the clips first .. first+n-1, and with their samples;
 * job says whose turn. */
typedef void (*visitor)(walk *w, int job, size_t first, size_t n, const float *features,
                        const int16_t *pcm);

struct walk {
    const quant_source *s;
    dsp_config cfg;
    data_sample *list; /* the whole split */
    uint32_t *order;   /* which of list, n of them */
    size_t n, size;    /* reals of one clip's features */
    int jobs;
    base_err *errs; /* of each job */
    visitor visit;
    void *ctx; /* of visit */
    pthread_mutex_t lock;
    int64_t done;
};

static void tell(walk *w, size_t n)
{
    pthread_mutex_lock(&w->lock);
    w->done += (int64_t)n;
    if (w->s->progress) w->s->progress(w->s->ctx, w->done, (int64_t)w->n);
    pthread_mutex_unlock(&w->lock);
}

/* A job's own memory. */
typedef struct hands {
    dsp_frontend *fe;
    int16_t *pcm16;
    float *pcm, *features;
} hands;

static base_status make_hands(const walk *w, hands *h, base_err *err)
{
    const nn_model *m = w->s->model;
    const bool normalize = w->cfg.normalize == DSP_NORMALIZE_FEATURE;
    BASE_TRY(dsp_frontend_new(&w->cfg, normalize ? m->mean : NULL, normalize ? m->std : NULL,
                              &h->fe, err));
    const size_t samples = (size_t)w->cfg.samples;
    h->pcm16 = base_alloc(BLOCK * samples, sizeof *h->pcm16);
    h->pcm = base_alloc(samples, sizeof *h->pcm);
    h->features = base_alloc(BLOCK * w->size, sizeof *h->features);
    return h->pcm16 && h->pcm && h->features ? BASE_OK : base_nomem(err, BLOCK * w->size);
}

static base_status walk_block(walk *w, const hands *h, int job, size_t first, base_err *err)
{
    const size_t samples = (size_t)w->cfg.samples, left = w->n - first;
    const size_t n = left < BLOCK ? left : BLOCK;
    for (size_t i = 0; i < n; i++) {
        const uint32_t at = w->order[first + i];
        int16_t *pcm = h->pcm16 + i * samples;
        BASE_TRY(data_task_pcm(w->s->task, w->s->split, at, &w->list[at], samples, pcm, err));
        dsp_from_pcm16(h->pcm, pcm, samples);
        dsp_frontend_run(h->fe, h->pcm, h->features + i * w->size);
    }
    w->visit(w, job, first, n, h->features, h->pcm16);
    tell(w, n);
    return BASE_OK;
}

static void walk_job(void *ctx, int job)
{
    walk *w = ctx;
    hands h = {0};
    base_err *err = &w->errs[job];
    base_status status = make_hands(w, &h, err);
    for (size_t b = (size_t)job; status == BASE_OK && b * BLOCK < w->n; b += (size_t)w->jobs)
        status = walk_block(w, &h, job, b * BLOCK, err);
    dsp_frontend_free(h.fe);
    base_free(h.pcm16);
    base_free(h.pcm);
    base_free(h.features);
}

static base_status walk_open(walk *w, const quant_source *s, base_err *err)
{
    int frames, bins;
    *w = (walk){.s = s, .jobs = s->threads > 0 ? s->threads : 1};
    pthread_mutex_init(&w->lock, NULL);
    BASE_TRY(quant_features(s->model, &w->cfg, err));
    dsp_config_shape(&w->cfg, &frames, &bins);
    w->size = (size_t)frames * (size_t)bins;
    w->n = data_task_count(s->task, s->split, -1);
    if (w->n == 0) {
        base_fail(err, BASE_DATA, "'%s' has no %s clips of the model's classes",
                  data_pack_path(data_task_pack(s->task)), data_split_name(s->split));
        return base_hint(err, "import with --test DIR, or choose another --split");
    }
    w->list = base_alloc(w->n, sizeof *w->list);
    w->order = base_alloc(w->n, sizeof *w->order);
    w->errs = base_alloc((size_t)w->jobs, sizeof *w->errs);
    if (!w->list || !w->order || !w->errs) return base_nomem(err, w->n * sizeof *w->list);
    data_task_evaluation(s->task, s->split, w->list);
    for (size_t i = 0; i < w->n; i++) w->order[i] = (uint32_t)i;
    return BASE_OK;
}

static void walk_close(walk *w)
{
    base_free(w->list);
    base_free(w->order);
    base_free(w->errs);
    pthread_mutex_destroy(&w->lock);
}

static base_status walk_run(walk *w, visitor visit, void *ctx, base_err *err)
{
    base_pool *pool = NULL;
    BASE_TRY(base_pool_new(w->jobs, &pool, err));
    w->visit = visit;
    w->ctx = ctx;
    base_pool_run(pool, w->jobs, walk_job, w);
    base_pool_free(pool);
    for (int j = 0; j < w->jobs; j++) {
        if (w->errs[j].status == BASE_OK) continue;
        if (err) *err = w->errs[j];
        return w->errs[j].status;
    }
    return BASE_OK;
}

/* ---- evaluation ---- */

/* A job's nets and counts. */
typedef struct judge {
    nn_net *net;
    nn_real *x, *y;
    int8_t *qx, *qy, *work;
    dsp_fixed *fixed; /* NULL: not wanted */
    int64_t *float_counts, *q8_counts, *fixed_counts;
} judge;

typedef struct evaluation {
    const q8_model *q8;
    q8_host *host; /* the plan of q8 that all jobs run */
    size_t classes;
    bool fixed; /* q8 also with features in integers */
    judge *judges;
    int *said; /* of every clip, by the float model or else q8; NULL: not wanted */
} evaluation;

static base_status make_judge(const evaluation *e, const nn_model *m, size_t size, judge *j,
                              base_err *err)
{
    const size_t cells = e->classes * e->classes;
    j->float_counts = base_alloc(cells, sizeof *j->float_counts);
    j->q8_counts = base_alloc(cells, sizeof *j->q8_counts);
    j->fixed_counts = base_alloc(cells, sizeof *j->fixed_counts);
    j->x = base_alloc(BLOCK * size, sizeof *j->x);
    j->y = base_alloc(BLOCK * e->classes, sizeof *j->y);
    j->qx = base_alloc(size, 1);
    j->qy = base_alloc(e->classes, 1);
    j->work = base_alloc(e->q8 ? q8_host_work(e->host) : 1, 1);
    if (!j->float_counts || !j->q8_counts || !j->fixed_counts || !j->x || !j->y || !j->qx ||
        !j->qy || !j->work)
        return base_nomem(err, BLOCK * size);
    if (e->fixed) BASE_TRY(q8_frontend_new(e->q8, &j->fixed, err));
    if (!m) return BASE_OK;
    BASE_TRY(nn_net_new(m->graph, (nn_net_options){.batch = BLOCK, .shards = 1}, &j->net, err));
    memcpy(nn_net_weights(j->net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    return BASE_OK;
}

static void free_judge(judge *j)
{
    nn_net_free(j->net);
    base_free(j->x);
    base_free(j->y);
    base_free(j->qx);
    base_free(j->qy);
    base_free(j->work);
    base_free(j->float_counts);
    base_free(j->q8_counts);
    base_free(j->fixed_counts);
    dsp_fixed_free(j->fixed);
}

/* The index of the largest, the first of equals. */
static int largest(const nn_real *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (v[i] > v[best]) best = i;
    return (int)best;
}

/* What the outputs y say about a clip, and how far they are from the truth. outputs: the node that
 * gives them; of int8, with its quantization q. */
static quant_outcome outcome(const nn_real *y, size_t n, int truth, const nn_node *outputs,
                             const nn_quant *q)
{
    const int said = largest(y, n);
    const double scale = q ? q->scale : 1, zero = q ? q->zero : 0;
    if (!strcmp(outputs->op->name, "softmax")) {
        const double p = scale * ((double)y[truth] - zero);
        return (quant_outcome){said, (float)-log(fmax(p, 1e-7))};
    }
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += exp(scale * (double)(y[k] - y[said]));
    return (quant_outcome){said, (float)(log(sum) - scale * (double)(y[truth] - y[said]))};
}

/* What q8 says about the input in j->qx. */
static int say(const evaluation *e, judge *j)
{
    q8_host_run(e->host, j->qx, j->qy, j->work);
    for (size_t k = 0; k < e->classes; k++) j->y[k] = j->qy[k];
    return largest(j->y, e->classes);
}

static void judge_block(walk *w, int job, size_t first, size_t n, const float *features,
                        const int16_t *pcm)
{
    const evaluation *e = w->ctx;
    const int classes = (int)e->classes;
    judge *j = &e->judges[job];
    for (size_t i = 0; i < n * w->size; i++) j->x[i] = (nn_real)features[i];
    if (j->net) nn_net_forward(j->net, &(const nn_real *){j->x}, (int)n, j->y);
    const nn_node *outputs = nn_graph_output(w->s->model->graph);
    quant_outcome *outcomes = w->s->outcomes;
    for (size_t i = 0; j->net && i < n; i++) {
        const nn_real *y = j->y + i * e->classes;
        const int said = largest(y, e->classes), truth = w->list[w->order[first + i]].label;
        if (e->said) e->said[w->order[first + i]] = said;
        data_confuse(j->float_counts, classes, &truth, &said, 1);
        if (outcomes) outcomes[first + i] = outcome(y, e->classes, truth, outputs, NULL);
    }
    for (size_t i = 0; e->q8 && i < n; i++) {
        const int truth = w->list[w->order[first + i]].label;
        q8_quantize_input(e->q8, features + i * w->size, j->qx);
        int said = say(e, j);
        if (e->said && !j->net) e->said[w->order[first + i]] = said;
        data_confuse(j->q8_counts, classes, &truth, &said, 1);
        if (outcomes && !j->net)
            outcomes[first + i] =
                outcome(j->y, e->classes, truth, outputs, &e->q8->values[e->q8->n_layers].quant);
        if (!j->fixed) continue;
        dsp_fixed_run(j->fixed, pcm + i * (size_t)w->cfg.samples, j->qx);
        said = say(e, j);
        data_confuse(j->fixed_counts, classes, &truth, &said, 1);
    }
}

static base_status evaluate(walk *w, evaluation *e, const nn_model *m, int64_t *float_confusion,
                            int64_t *q8_confusion, int64_t *fixed_confusion, base_err *err)
{
    e->fixed = e->q8 && fixed_confusion;
    if (e->q8) BASE_TRY(q8_host_new(e->q8, q8_level_best(), &e->host, err));
    for (int j = 0; j < w->jobs; j++) BASE_TRY(make_judge(e, m, w->size, &e->judges[j], err));
    BASE_TRY(walk_run(w, judge_block, e, err));
    for (int j = 0; j < w->jobs; j++)
        for (size_t i = 0; i < e->classes * e->classes; i++) {
            if (float_confusion) float_confusion[i] += e->judges[j].float_counts[i];
            if (q8_confusion) q8_confusion[i] += e->judges[j].q8_counts[i];
            if (fixed_confusion) fixed_confusion[i] += e->judges[j].fixed_counts[i];
        }
    return BASE_OK;
}

static base_status evaluate_split(const quant_source *s, const nn_model *float_model,
                                  const q8_model *q8, int *said, int64_t *float_confusion,
                                  int64_t *q8_confusion, int64_t *fixed_confusion, base_err *err)
{
    walk w;
    int classes = 0;
    base_status status = walk_open(&w, s, err);
    data_task_classes(s->task, &classes);
    evaluation e = {.q8 = q8, .classes = (size_t)classes, .said = said};
    if (status == BASE_OK) {
        e.judges = base_alloc((size_t)w.jobs, sizeof *e.judges);
        status = e.judges ? evaluate(&w, &e, float_model, float_confusion, q8_confusion,
                                     fixed_confusion, err)
                          : base_nomem(err, (size_t)w.jobs * sizeof *e.judges);
    }
    for (int j = 0; e.judges && j < w.jobs; j++) free_judge(&e.judges[j]);
    base_free(e.judges);
    q8_host_free(e.host);
    walk_close(&w);
    return status;
}

base_status quant_evaluate(const quant_source *s, const nn_model *float_model, const q8_model *q8,
                           int64_t *float_confusion, int64_t *q8_confusion,
                           int64_t *fixed_confusion, base_err *err)
{
    return evaluate_split(s, float_model, q8, NULL, float_confusion, q8_confusion, fixed_confusion,
                          err);
}

base_status quant_predict(const quant_source *s, const quant_subject *subject, int *said,
                          base_err *err)
{
    return evaluate_split(s, subject->float_model, subject->q8, said, NULL, NULL, NULL, err);
}

/* ---- calibration ---- */

static void keep_block(walk *w, int job, size_t first, size_t n, const float *features,
                       const int16_t *pcm)
{
    nn_real *inputs = w->ctx;
    (void)job;
    (void)pcm;
    for (size_t i = 0; i < n * w->size; i++) inputs[first * w->size + i] = (nn_real)features[i];
}

/* The first n of the split in an order that depends on the seed only. */
static void choose(walk *w, uint64_t seed, size_t n)
{
    base_rng r = base_rng_at(seed, BASE_RNG_SELECT, 0, 1);
    base_shuffle(&r, w->order, w->n);
    if (w->n > n) w->n = n;
}

base_status quant_inputs(const quant_source *s, uint64_t seed, size_t *n, nn_real **inputs,
                         base_err *err)
{
    walk w;
    *inputs = NULL;
    base_status status = walk_open(&w, s, err);
    if (status == BASE_OK) {
        choose(&w, seed, *n);
        *n = w.n;
        *inputs = base_alloc(w.n * w.size, sizeof **inputs);
        status = *inputs ? walk_run(&w, keep_block, *inputs, err) : base_nomem(err, w.n * w.size);
    }
    walk_close(&w);
    if (status == BASE_OK) return BASE_OK;
    base_free(*inputs);
    *inputs = NULL;
    return status;
}

/* ---- models ---- */

base_status quant_subject_load(const char *path, quant_subject *s, base_err *err)
{
    char *file = NULL;
    bool int8 = false;
    *s = (quant_subject){0};
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = q8_is_model(file, &int8, err);
    if (status == BASE_OK)
        status = int8 ? q8_load(file, &s->q8, err) : nn_model_load(file, &s->float_model, err);
    free(file);
    if (status == BASE_OK) s->model = int8 ? &s->q8->folded : s->float_model;
    return status;
}

void quant_subject_free(quant_subject *s)
{
    nn_model_free(s->float_model);
    q8_model_free(s->q8);
}

base_status quant_predict_right(const quant_source *source, const quant_subject *s, bool *right,
                                size_t n, base_err *err)
{
    int *said = base_alloc(n, sizeof *said);
    data_sample *truth = base_alloc(n, sizeof *truth);
    base_status status = said && truth ? BASE_OK : base_nomem(err, n * sizeof *truth);
    if (status == BASE_OK) {
        data_task_evaluation(source->task, source->split, truth);
        status = quant_predict(source, s, said, err);
    }
    for (size_t i = 0; status == BASE_OK && i < n; i++) right[i] = said[i] == truth[i].label;
    base_free(said);
    base_free(truth);
    return status;
}

base_status quant_right(const char *path, const data_pack *pack, data_split split, int threads,
                        bool **right, size_t *n, base_err *err)
{
    quant_subject s;
    data_task *task = NULL;
    *right = NULL;
    *n = 0;
    BASE_TRY(quant_subject_load(path, &s, err));
    base_status status = quant_task(s.model, pack, &task, err);
    if (status == BASE_OK) {
        *n = data_task_count(task, split, -1);
        *right = base_alloc(*n + 1, sizeof **right);
        status = *right ? BASE_OK : base_nomem(err, *n);
    }
    const quant_source source = {
        .model = s.model, .task = task, .split = split, .threads = threads};
    if (status == BASE_OK) status = quant_predict_right(&source, &s, *right, *n, err);
    data_task_free(task);
    quant_subject_free(&s);
    return status;
}

base_status quant_float_model(const char *path, nn_model **m, base_err *err)
{
    char *file = NULL;
    bool int8 = false;
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = q8_is_model(file, &int8, err);
    if (status == BASE_OK && int8) {
        status = base_fail(err, BASE_DATA, "'%s' is an int8 model already", file);
        base_hint(err, "take the float model it was made from");
    }
    if (status == BASE_OK) status = nn_model_load(file, m, err);
    free(file);
    return status;
}

/* ---- simulation ---- */

static base_status load_inputs(quant_training *t, const nn_model *m, const char *pack_path,
                               int threads, base_err *err)
{
    data_pack *pack = NULL;
    data_task *task = NULL;
    base_status status = data_pack_open(pack_path, &pack, err);
    if (status == BASE_OK) status = quant_task(m, pack, &task, err);
    const quant_source s = {.model = m, .task = task, .split = DATA_TRAIN, .threads = threads};
    if (status == BASE_OK) status = quant_inputs(&s, 0, &t->n, &t->inputs, err);
    data_task_free(task);
    data_pack_close(pack);
    return status;
}

/* Bits and rounding of a model that was trained so before. */
static base_status as_wanted(nn_model *m, q8_options o, base_err *err)
{
    int *bits = NULL;
    m->rounds_once = o.rounding == Q8_SINGLE;
    if (!o.weight_bits) return BASE_OK;
    BASE_TRY(q8_weight_bits(m, m->graph, o, &bits, err));
    base_free(m->weight_bits);
    m->weight_bits = bits;
    return BASE_OK;
}

base_status quant_training_open(quant_training *t, const char *path, const char *pack, q8_options o,
                                size_t clips, int threads, base_err *err)
{
    nn_model *m = NULL;
    *t = (quant_training){.options = o, .n = clips};
    BASE_TRY(quant_float_model(path, &m, err));
    base_status status = load_inputs(t, m, pack, threads, err);
    if (status == BASE_OK && m->quant) {
        status = as_wanted(m, o, err);
        t->start = m;
        m = NULL;
    } else if (status == BASE_OK) {
        status = q8_simulated(m, t->inputs, t->n, o, &t->start, err);
    }
    if (status == BASE_OK) status = q8_twin_new(t->start, &t->twin, err);
    nn_model_free(m);
    if (status != BASE_OK) quant_training_close(t);
    return status;
}

void quant_training_close(quant_training *t)
{
    q8_twin_free(t->twin);
    nn_model_free(t->start);
    base_free(t->inputs);
    *t = (quant_training){0};
}

base_status quant_training_check(const nn_graph *g, q8_options o, base_err *err)
{
    const nn_model m = {.graph = (nn_graph *)(uintptr_t)g};
    nn_graph *folded = NULL;
    nn_real *own = NULL, *weights = base_alloc(nn_graph_params(g), sizeof *weights);
    int *bits = NULL;
    if (!weights) return base_nomem(err, nn_graph_params(g) * sizeof *weights);
    nn_init_weights(g, 0, weights); /* any do */
    base_status status = q8_fold(g, weights, &folded, &own, err);
    if (status == BASE_OK) status = q8_weight_bits(&m, folded, o, &bits, err);
    base_free(bits);
    base_free(own);
    base_free(weights);
    nn_graph_free(folded);
    return status;
}

base_status quant_inputs_hash(const quant_source *s, uint64_t seed, size_t n, char hex[65],
                              base_err *err)
{
    walk w;
    const base_status status = walk_open(&w, s, err);
    if (status == BASE_OK) {
        struct sha256_ctx sha;
        uint8_t digest[SHA256_DIGEST_SIZE];
        choose(&w, seed, n);
        sha256_init(&sha);
        for (size_t i = 0; i < w.n; i++) {
            const uint32_t at = w.order[i];
            const int clip = w.list[at].clip;
            const uint8_t number[DATA_HASH_BYTES] = {(uint8_t)at, (uint8_t)(at >> 8),
                                                     (uint8_t)(at >> 16), (uint8_t)(at >> 24)};
            sha256_update(&sha, DATA_HASH_BYTES,
                          clip < 0 ? number
                                   : data_pack_clip(data_task_pack(s->task), (size_t)clip).hash);
        }
        sha256_digest(&sha, sizeof digest, digest);
        base_hex(digest, sizeof digest, hex);
    }
    walk_close(&w);
    return status;
}
