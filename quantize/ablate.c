/* See quantize/ablate.h. */
#include "quantize/ablate.h"

#include <math.h>
#include <string.h>

enum { BATCH = 64 };

const char *const quant_cut_names[] = {"bands", "coefficients", "time", NULL};

/* Features of one clip, and of MFCC its logarithms of bands; else bands is NULL. */
typedef struct clip {
    nn_real *x;
    float *bands;
} clip;

struct quant_ablation {
    const nn_model *model;
    dsp_config features, bands; /* bands: those of MFCC before the DCT */
    int frames, bins, mels;     /* mels 0: bins are bands */
    int classes, *truth;
    size_t n, size, size_bands; /* clips, numbers of one */
    clip own, mean;             /* n of them, one */
    double *dct;                /* [bins, mels]: a feature's change by a band's */
    nn_real *changed, *y;
    nn_net *net;
    base_pool *pool;
};

/* ---- groups ---- */

static int positions(const dsp_config *features, quant_cut cut)
{
    int frames, bins;
    dsp_config_shape(features, &frames, &bins);
    return cut == QUANT_CUT_BANDS  ? features->mels
           : cut == QUANT_CUT_TIME ? frames
                                   : features->mfcc;
}

int quant_groups(const dsp_config *features, quant_cut cut, int most)
{
    const int all = positions(features, cut);
    return all < most ? all : most;
}

quant_group quant_group_of(const dsp_config *features, quant_cut cut, int i, int n)
{
    const int all = positions(features, cut);
    quant_group g = {cut, all * i / n, 0, (double)NAN, (double)NAN};
    g.count = all * (i + 1) / n - g.first;
    double none;
    if (cut == QUANT_CUT_BANDS) {
        dsp_config_band(features, g.first, &g.lo, &none);
        dsp_config_band(features, g.first + g.count - 1, &none, &g.hi);
    } else if (cut == QUANT_CUT_TIME) {
        const double hop = (double)dsp_config_hop(features) / features->rate;
        g.lo = hop * g.first;
        g.hi = hop * (g.first + g.count);
    }
    return g;
}

/* ---- clips ---- */

static base_status open_clips(const quant_ablation *a, const data_task *task, data_split split,
                              int threads, data_loader **loader, base_err *err)
{
    const bool normalize = a->features.normalize == DSP_NORMALIZE_FEATURE;
    const data_loader_spec spec = {.task = task,
                                   .features = &a->features,
                                   .mean = normalize ? a->model->mean : NULL,
                                   .std = normalize ? a->model->std : NULL,
                                   .features2 = a->mels ? &a->bands : NULL,
                                   .split = split,
                                   .batch = BATCH,
                                   .threads = threads};
    if (data_task_count(task, split, -1) > 0) return data_loader_new(&spec, loader, err);
    base_fail(err, BASE_DATA, "'%s' has no %s clips of the model's classes",
              data_pack_path(data_task_pack(task)), data_split_name(split));
    return base_hint(err,
                     split == DATA_TRAIN ? "--how permute needs none" : "choose another --split");
}

static base_status load_clips(quant_ablation *a, const data_task *task, data_split split,
                              int threads, base_err *err)
{
    data_loader *loader;
    data_batch b = {0};
    BASE_TRY(open_clips(a, task, split, threads, &loader, err));
    base_status status;
    size_t done = 0;
    while ((status = data_loader_next(loader, &b, err)) == BASE_OK && b.n > 0) {
        const size_t n = (size_t)b.n;
        nn_real *x = a->own.x + done * a->size;
        for (size_t i = 0; i < n * a->size; i++) x[i] = (nn_real)b.features[i];
        if (a->mels)
            memcpy(a->own.bands + done * a->size_bands, b.features2,
                   n * a->size_bands * sizeof *a->own.bands);
        memcpy(a->truth + done, b.labels, n * sizeof *b.labels);
        done += n;
    }
    data_loader_free(loader);
    return status;
}

static base_status load_mean(quant_ablation *a, const data_task *task, int threads, base_err *err)
{
    data_loader *loader;
    data_batch b = {0};
    const size_t all = a->size + a->size_bands;
    double *sum = base_alloc(all, sizeof *sum);
    if (!sum) return base_nomem(err, all * sizeof *sum);
    base_status status = open_clips(a, task, DATA_TRAIN, threads, &loader, err);
    if (status != BASE_OK) {
        base_free(sum);
        return status;
    }
    const double n = (double)data_task_count(task, DATA_TRAIN, -1);
    while ((status = data_loader_next(loader, &b, err)) == BASE_OK && b.n > 0)
        for (size_t i = 0; i < (size_t)b.n; i++) {
            for (size_t k = 0; k < a->size; k++) sum[k] += (double)b.features[i * a->size + k] / n;
            for (size_t k = 0; k < a->size_bands; k++)
                sum[a->size + k] += (double)b.features2[i * a->size_bands + k] / n;
        }
    data_loader_free(loader);
    for (size_t k = 0; k < a->size; k++) a->mean.x[k] = (nn_real)sum[k];
    for (size_t k = 0; k < a->size_bands; k++) a->mean.bands[k] = (float)sum[a->size + k];
    base_free(sum);
    return status;
}

/* ---- making ---- */

static base_status make_net(quant_ablation *a, int threads, base_err *err)
{
    BASE_TRY(base_pool_new(threads, &a->pool, err));
    const nn_net_options o = {.batch = BATCH, .shards = 1, .pool = a->pool};
    BASE_TRY(nn_net_new(a->model->graph, o, &a->net, err));
    memcpy(nn_net_weights(a->net), a->model->weights,
           nn_graph_params(a->model->graph) * sizeof *a->model->weights);
    return BASE_OK;
}

/* The DCT into features that are normalized. */
static void make_dct(quant_ablation *a)
{
    const bool normalize = a->features.normalize == DSP_NORMALIZE_FEATURE;
    dsp_tables(&a->features, NULL, NULL, a->dct);
    for (int k = 0; normalize && k < a->bins; k++)
        for (int b = 0; b < a->mels; b++) a->dct[k * a->mels + b] /= (double)a->model->std[k];
}

static base_status fill(quant_ablation *a, const data_task *task, data_split split, bool mean,
                        int threads, base_err *err)
{
    BASE_TRY(quant_features(a->model, &a->features, err));
    dsp_config_shape(&a->features, &a->frames, &a->bins);
    a->bands = a->features;
    a->bands.mfcc = 0;
    a->bands.normalize = DSP_NORMALIZE_NONE;
    a->mels = a->features.mfcc > 0 ? a->features.mels : 0;
    a->n = data_task_count(task, split, -1);
    data_task_classes(task, &a->classes);
    a->size = (size_t)a->frames * (size_t)a->bins;
    a->size_bands = (size_t)a->frames * (size_t)a->mels;
    a->own = (clip){base_alloc(a->n * a->size + 1, sizeof *a->own.x),
                    base_alloc(a->n * a->size_bands + 1, sizeof *a->own.bands)};
    a->mean = (clip){base_alloc(a->size, sizeof *a->mean.x),
                     base_alloc(a->size_bands + 1, sizeof *a->mean.bands)};
    a->changed = base_alloc(a->n * a->size + 1, sizeof *a->changed);
    a->y = base_alloc(a->n * (size_t)a->classes + 1, sizeof *a->y);
    a->truth = base_alloc(a->n + 1, sizeof *a->truth);
    a->dct = base_alloc((size_t)a->bins * (size_t)a->mels + 1, sizeof *a->dct);
    if (!a->own.x || !a->own.bands || !a->mean.x || !a->mean.bands || !a->changed || !a->y ||
        !a->truth || !a->dct)
        return base_nomem(err, a->n * (a->size + a->size_bands) * sizeof *a->changed);
    if (a->mels) make_dct(a);
    BASE_TRY(make_net(a, threads, err));
    BASE_TRY(load_clips(a, task, split, threads, err));
    return mean ? load_mean(a, task, threads, err) : BASE_OK;
}

base_status quant_ablation_new(const nn_model *model, const data_task *task, data_split split,
                               bool mean, int threads, quant_ablation **ablation, base_err *err)
{
    quant_ablation *a = base_alloc(1, sizeof *a);
    *ablation = NULL;
    if (!a) return base_nomem(err, sizeof *a);
    a->model = model;
    const base_status status = fill(a, task, split, mean, threads, err);
    if (status == BASE_OK)
        *ablation = a;
    else
        quant_ablation_free(a);
    return status;
}

void quant_ablation_free(quant_ablation *a)
{
    if (!a) return;
    nn_net_free(a->net);
    base_pool_free(a->pool);
    base_free(a->own.x);
    base_free(a->own.bands);
    base_free(a->mean.x);
    base_free(a->mean.bands);
    base_free(a->changed);
    base_free(a->y);
    base_free(a->truth);
    base_free(a->dct);
    base_free(a);
}

size_t quant_ablation_clips(const quant_ablation *a)
{
    return a->n;
}

const int *quant_ablation_truth(const quant_ablation *a)
{
    return a->truth;
}

/* ---- replacing ---- */

static clip clip_at(const quant_ablation *a, size_t i)
{
    return (clip){a->own.x + i * a->size, a->own.bands + i * a->size_bands};
}

/* The features of `to`, which are in x, get the bands of `from` within the group: coefficient k of
 * a frame changes by sum_b dct[k][b] (from[b] - to[b]). */
static void move_bands(const quant_ablation *a, const quant_group *g, clip from, clip to,
                       nn_real *x)
{
    for (int t = 0; t < a->frames; t++, x += a->bins) {
        const float *f = from.bands + t * a->mels, *o = to.bands + t * a->mels;
        for (int k = 0; k < a->bins; k++) {
            double change = 0;
            for (int b = g->first; b < g->first + g->count; b++)
                change += a->dct[k * a->mels + b] * ((double)f[b] - (double)o[b]);
            x[k] += (nn_real)change;
        }
    }
}

/* x: what `to` becomes with the group of `from`. */
static void move_group(const quant_ablation *a, const quant_group *g, clip from, clip to,
                       nn_real *x)
{
    memcpy(x, to.x, a->size * sizeof *x);
    if (g->cut == QUANT_CUT_BANDS && a->mels) {
        move_bands(a, g, from, to, x);
        return;
    }
    const bool time = g->cut == QUANT_CUT_TIME;
    const int rows = time ? 1 : a->frames, width = time ? g->count * a->bins : g->count;
    for (int t = 0; t < rows; t++) {
        const int at = time ? g->first * a->bins : t * a->bins + g->first;
        memcpy(x + at, from.x + at, (size_t)width * sizeof *x);
    }
}

static void say(quant_ablation *a, const nn_real *x, int *said)
{
    const size_t k = (size_t)a->classes;
    nn_net_forward(a->net, (const nn_real *const[]){x}, (int)a->n, a->y);
    for (size_t i = 0; i < a->n; i++) {
        size_t best = 0;
        for (size_t c = 1; c < k; c++)
            if (a->y[i * k + c] > a->y[i * k + best]) best = c;
        said[i] = (int)best;
    }
}

void quant_ablation_whole(quant_ablation *a, int *said)
{
    say(a, a->own.x, said);
}

void quant_ablation_clip(const quant_ablation *a, const quant_group *g, const uint32_t *other,
                         size_t i, nn_real *x)
{
    const clip from = other ? clip_at(a, other[i]) : a->mean;
    if (g)
        move_group(a, g, from, clip_at(a, i), x);
    else
        memcpy(x, from.x, a->size * sizeof *x);
}

void quant_ablation_run(quant_ablation *a, const quant_group *g, const uint32_t *other, int *said)
{
    for (size_t i = 0; i < a->n; i++) quant_ablation_clip(a, g, other, i, a->changed + i * a->size);
    say(a, a->changed, said);
}

void quant_derangement(uint64_t seed, uint32_t number, uint32_t *other, size_t n)
{
    base_rng r = base_rng_at(seed, BASE_RNG_PERMUTE, number, 0);
    for (size_t i = 0; i < n; i++) other[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        const uint32_t j = base_rng_below(&r, (uint32_t)i), held = other[i];
        other[i] = other[j];
        other[j] = held;
    }
}
