/* See train/suspects.h. */
#include "train/suspects.h"

#include <math.h>
#include <string.h>

enum { BATCH = 32 };

/* What one job works with. */
typedef struct hands {
    nn_net *net;
    dsp_frontend *frontend;
    int16_t *pcm;
    float *clip, *features;
    nn_real *x, *y;
    base_err err;
} hands;

typedef struct court {
    const nn_model *model;
    const data_recordings *r;
    const data_survey_options *o;
    dsp_config features;
    size_t n, first, inputs, samples;
    int jobs;
    int *label_of; /* of each word */
    hands *hands;
    verdict *verdicts;
    embedding *embedding; /* NULL: none is wanted, or */
    const nn_node *seen;  /* the node that gives it */
} court;

static int label_named(const nn_model *m, const char *word)
{
    for (size_t k = 0; k < m->n_labels; k++)
        if (strcmp(m->labels[k], word) == 0) return (int)k;
    return -1;
}

static base_status map_words(court *c, base_err *err)
{
    size_t words;
    bool any = false;
    const char *const *word = data_recordings_words(c->r, &words);
    const int unknown = label_named(c->model, DATA_UNKNOWN);
    c->label_of = base_alloc(words + 1, sizeof *c->label_of);
    if (!c->label_of) return base_nomem(err, words * sizeof *c->label_of);
    for (size_t i = 0; i < words; i++) {
        int label = label_named(c->model, word[i]);
        any |= label >= 0;
        if (label < 0 && strcmp(word[i], DATA_SILENCE) != 0) label = unknown;
        c->label_of[i] = label;
    }
    return any ? BASE_OK
               : base_fail(err, BASE_DATA, "the model knows no word of this data ('%s', ...)",
                           c->model->n_labels ? c->model->labels[0] : "");
}

static base_status check_model(court *c, const char *path, base_err *err)
{
    const nn_model *m = c->model;
    int frames, bins;
    if (!m->features || !*m->features)
        return base_fail(err, BASE_DATA, "%s: it does not say which features it takes", path);
    BASE_TRY(dsp_config_parse(m->features, &c->features, err));
    dsp_config_shape(&c->features, &frames, &bins);
    c->inputs = (size_t)frames * (size_t)bins;
    c->samples = (size_t)c->features.samples;
    const nn_node *in = nn_graph_input(m->graph, 0);
    bool stats = c->features.normalize != DSP_NORMALIZE_FEATURE || m->n_stats == (size_t)bins;
    if (in && nn_count(in->shape) == (int64_t)c->inputs && stats && m->n_labels > 0 &&
        nn_count(nn_graph_output(m->graph)->shape) == (int64_t)m->n_labels)
        return BASE_OK;
    return base_fail(err, BASE_DATA, "%s: graph, %dx%d features and %zu labels do not fit", path,
                     frames, bins, m->n_labels);
}

static base_status open_hands(const court *c, hands *h, base_err *err)
{
    const nn_model *m = c->model;
    const bool normalize = c->features.normalize == DSP_NORMALIZE_FEATURE;
    BASE_TRY(dsp_frontend_new(&c->features, normalize ? m->mean : NULL, normalize ? m->std : NULL,
                              &h->frontend, err));
    BASE_TRY(nn_net_new(m->graph, (nn_net_options){.batch = BATCH, .shards = 1}, &h->net, err));
    memcpy(nn_net_weights(h->net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    h->pcm = base_alloc(c->samples, sizeof *h->pcm);
    h->clip = base_alloc(c->samples, sizeof *h->clip);
    h->features = base_alloc(c->inputs, sizeof *h->features);
    h->x = base_alloc(BATCH * c->inputs, sizeof *h->x);
    h->y = base_alloc(BATCH * m->n_labels, sizeof *h->y);
    return h->pcm && h->clip && h->features && h->x && h->y
               ? BASE_OK
               : base_nomem(err, BATCH * c->inputs * sizeof *h->x);
}

static void close_hands(hands *h)
{
    nn_net_free(h->net);
    dsp_frontend_free(h->frontend);
    void *const parts[] = {h->pcm, h->clip, h->features, h->x, h->y};
    for (size_t i = 0; i < BASE_COUNT(parts); i++) base_free(parts[i]);
}

static verdict judge(const nn_real *y, size_t classes, int label)
{
    verdict v = {.label = label, .loss = (double)NAN};
    double sum = 0;
    for (size_t k = 1; k < classes; k++)
        if (y[k] > y[v.said]) v.said = (int)k;
    for (size_t k = 0; k < classes; k++) sum += exp((double)(y[k] - y[v.said]));
    v.probability = 1 / sum;
    if (label >= 0) v.loss = log(sum) - (double)(y[label] - y[v.said]);
    return v;
}

/* What goes into the last node with parameters. */
static base_status find_embedding(court *c, base_err *err)
{
    if (!c->embedding) return BASE_OK;
    for (int i = nn_graph_nodes(c->model->graph) - 1; i >= 0 && !c->seen; i--) {
        const nn_node *node = nn_graph_node(c->model->graph, i);
        if (node->n_params > 0) c->seen = node->in[0];
    }
    if (!c->seen) return base_fail(err, BASE_DATA, "the model has no layer with weights");
    c->embedding->width = (size_t)nn_count(c->seen->shape);
    c->embedding->values = base_alloc(c->n * c->embedding->width + 1, sizeof(float));
    return c->embedding->values ? BASE_OK : base_nomem(err, c->n * c->embedding->width * 4);
}

/* The rows of a batch in the embedding; they come in pieces, in order. */
typedef struct rows {
    const court *c;
    const bool *heard;
    size_t first, done;
} rows;

static void keep_rows(void *ctx, const nn_node *node, const nn_real *values, int batch)
{
    rows *r = ctx;
    const embedding *e = r->c->embedding;
    if (!e || node != r->c->seen) return;
    for (size_t i = 0; i < (size_t)batch; i++, r->done++)
        for (size_t k = 0; k < e->width && r->heard[r->done]; k++)
            e->values[(r->first + r->done) * e->width + k] = (float)values[i * e->width + k];
}

/* A file that cannot be read is no verdict. */
static base_status judge_batch(const court *c, hands *h, size_t first, size_t n)
{
    const size_t classes = c->model->n_labels;
    bool heard[BATCH] = {0};
    for (size_t i = 0; i < n; i++) {
        base_err err = {0};
        base_status status = data_recordings_read_clip(c->r, first + i, c->samples, h->pcm, &err);
        if (status != BASE_OK && status != BASE_DATA)
            return base_fail(&h->err, status, "%s", err.message);
        heard[i] = status == BASE_OK;
        if (!heard[i]) continue;
        dsp_from_pcm16(h->clip, h->pcm, c->samples);
        dsp_frontend_run(h->frontend, h->clip, h->features);
        for (size_t k = 0; k < c->inputs; k++) h->x[i * c->inputs + k] = (nn_real)h->features[k];
    }
    rows kept = {c, heard, first, 0};
    nn_net_observe(h->net, (const nn_real *const[]){h->x}, (int)n, h->y, keep_rows, &kept);
    for (size_t i = 0; i < n; i++) {
        const int word = data_recordings_at(c->r, first + i).word;
        c->verdicts[first + i] =
            judge(h->y + i * classes, classes, heard[i] ? c->label_of[word] : -1);
    }
    return BASE_OK;
}

static void judge_job(void *ctx, int job)
{
    court *c = ctx;
    const size_t first = c->first + (size_t)job * BATCH;
    if (first >= c->n) return;
    judge_batch(c, &c->hands[job], first, c->n - first < BATCH ? c->n - first : BATCH);
}

static base_status judge_all(court *c, base_err *err)
{
    base_pool *pool;
    BASE_TRY(base_pool_new(c->jobs, &pool, err));
    base_status status = BASE_OK;
    for (; c->first < c->n && status == BASE_OK; c->first += (size_t)c->jobs * BATCH) {
        base_pool_run(pool, c->jobs, judge_job, c);
        for (int j = 0; j < c->jobs; j++)
            if (c->hands[j].err.status != BASE_OK)
                status = base_fail(err, c->hands[j].err.status, "%s", c->hands[j].err.message);
        if (c->o->stop && *c->o->stop) status = base_fail(err, BASE_INTERRUPTED, "interrupted");
        if (c->o->progress) c->o->progress(c->o->ctx, (int64_t)c->first, (int64_t)c->n);
    }
    base_pool_free(pool);
    return status;
}

static base_status hold_court(court *c, const char *path, base_err *err)
{
    BASE_TRY(check_model(c, path, err));
    BASE_TRY(map_words(c, err));
    BASE_TRY(find_embedding(c, err));
    c->hands = base_alloc((size_t)c->jobs, sizeof *c->hands);
    c->verdicts = base_alloc(c->n + 1, sizeof *c->verdicts);
    if (!c->hands || !c->verdicts) return base_nomem(err, c->n * sizeof *c->verdicts);
    for (int j = 0; j < c->jobs; j++) BASE_TRY(open_hands(c, &c->hands[j], err));
    return judge_all(c, err);
}

base_status suspects_judge(const parent *run, const data_recordings *r,
                           const data_survey_options *o, verdict **verdicts, embedding *e,
                           base_err *err)
{
    court c = {.model = run->model, .r = r, .o = o, .n = data_recordings_count(r), .embedding = e};
    if (e) *e = (embedding){0};
    c.jobs = o->threads > 0 ? o->threads : 1;
    base_status status = hold_court(&c, run->path, err);
    for (int j = 0; c.hands && j < c.jobs; j++) close_hands(&c.hands[j]);
    base_free(c.hands);
    base_free(c.label_of);
    *verdicts = status == BASE_OK ? c.verdicts : NULL;
    if (status != BASE_OK) base_free(c.verdicts);
    if (status != BASE_OK && e) base_free(e->values);
    return status;
}
