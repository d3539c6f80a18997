/* Mean and standard deviation of features, for front-ends that normalize. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STATS_SEED 1u

/* The clips to measure: at most `most` of the training samples, in front of list. */
static size_t choose(const data_task *task, size_t most, data_sample *list)
{
    size_t n = data_task_count(task, DATA_TRAIN, -1), kept = 0;
    data_task_epoch(task, STATS_SEED, 0, list);
    for (size_t i = 0; i < n && kept < most; i++)
        if (list[i].clip >= 0) list[kept++] = list[i];
    return kept;
}

static base_status add_clips(const data_task *task, dsp_frontend *fe, const data_sample *list,
                             size_t n, double *sum, double *square, base_err *err)
{
    const dsp_config *cfg = dsp_frontend_config(fe);
    int frames, bins;
    dsp_config_shape(cfg, &frames, &bins);
    size_t samples = (size_t)cfg->samples;
    int16_t *pcm = base_alloc(samples, sizeof *pcm);
    float *clip = base_alloc(samples, sizeof *clip);
    float *out = base_alloc((size_t)frames * (size_t)bins, sizeof *out);
    base_status status = pcm && clip && out ? BASE_OK : base_nomem(err, samples * 6);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        status = data_task_pcm(task, DATA_TRAIN, i, &list[i], samples, pcm, err);
        if (status != BASE_OK) break;
        dsp_from_pcm16(clip, pcm, samples);
        dsp_frontend_run(fe, clip, out);
        for (int t = 0; t < frames; t++)
            for (int k = 0; k < bins; k++) {
                double v = (double)out[t * bins + k];
                sum[k] += v;
                square[k] += v * v;
            }
    }
    base_free(pcm);
    base_free(clip);
    base_free(out);
    return status;
}

static base_status measure(const data_task *task, const dsp_config *cfg, size_t clips,
                           data_sample *list, double *sums, float *mean, float *std, base_err *err)
{
    dsp_frontend *fe;
    int frames, bins;
    dsp_config_shape(cfg, &frames, &bins);
    size_t n = choose(task, clips, list);
    if (n == 0) return base_fail(err, BASE_DATA, "no training clips to take statistics of");
    BASE_TRY(dsp_frontend_new(cfg, NULL, NULL, &fe, err));
    base_status status = add_clips(task, fe, list, n, sums, sums + bins, err);
    dsp_frontend_free(fe);
    double count = (double)n * frames;
    for (int k = 0; k < bins && status == BASE_OK; k++) {
        double m = sums[k] / count, variance = sums[bins + k] / count - m * m;
        mean[k] = (float)m;
        std[k] = (float)fmax(sqrt(fmax(variance, 0)), 1e-5);
    }
    return status;
}

base_status data_features_stats(const data_task *task, const dsp_config *cfg, size_t clips,
                                float *mean, float *std, base_err *err)
{
    dsp_config plain = *cfg;
    plain.normalize = DSP_NORMALIZE_NONE;
    BASE_TRY(dsp_config_check(&plain, err));
    int frames, bins;
    dsp_config_shape(&plain, &frames, &bins);
    size_t n = data_task_count(task, DATA_TRAIN, -1);
    data_sample *list = base_alloc(n + 1, sizeof *list);
    double *sums = base_alloc(2 * (size_t)bins, sizeof *sums);
    base_status status = list && sums ? measure(task, &plain, clips, list, sums, mean, std, err)
                                      : base_nomem(err, n * sizeof *list);
    base_free(list);
    base_free(sums);
    return status;
}
