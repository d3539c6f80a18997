/* Training samples: see data/augment.h. What happens to a clip is drawn before anything is
 * computed, new kinds of change after those that were there before, each only when it is on. */
#include "data/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct data_augmenter {
    data_augment set;
    const data_task *task;
    int rate;
    size_t samples;
    dsp_speed *speed;
    dsp_rirs *rirs; /* NULL: no rooms */
};

struct data_augment_work {
    const data_augmenter *a;
    dsp_reverb *reverb;
    int16_t *pcm;
    float *other, *noise;
};

base_status data_augmenter_new(const data_augment *settings, const data_task *task, int rate,
                               size_t samples, uint64_t seed, data_augmenter **augmenter,
                               base_err *err)
{
    *augmenter = NULL;
    BASE_TRY(data_augment_check(settings, err));
    data_augmenter *a = calloc(1, sizeof *a);
    if (!a) return base_nomem(err, sizeof *a);
    *a = (data_augmenter){.set = *settings, .task = task, .rate = rate, .samples = samples};
    base_status status = dsp_speed_new(settings->speed_lo, settings->speed_hi, &a->speed, err);
    if (status == BASE_OK && settings->rir_prob > 0)
        status = data_rirs_new(settings, rate, samples, seed, &a->rirs, err);
    if (status == BASE_OK)
        *augmenter = a;
    else
        data_augmenter_free(a);
    return status;
}

void data_augmenter_free(data_augmenter *a)
{
    if (!a) return;
    dsp_speed_free(a->speed);
    dsp_rirs_free(a->rirs);
    free(a);
}

base_status data_augment_work_new(const data_augmenter *a, data_augment_work **work, base_err *err)
{
    data_augment_work *w = calloc(1, sizeof *w);
    *work = NULL;
    if (!w) return base_nomem(err, sizeof *w);
    w->a = a;
    w->pcm = base_alloc(a->samples, sizeof *w->pcm);
    w->other = base_alloc(a->samples, sizeof *w->other);
    w->noise = base_alloc(a->samples, sizeof *w->noise);
    base_status status =
        w->pcm && w->other && w->noise ? BASE_OK : base_nomem(err, a->samples * 10);
    if (status == BASE_OK && a->rirs) status = dsp_reverb_new(a->rirs, &w->reverb, err);
    if (status == BASE_OK)
        *work = w;
    else
        data_augment_work_free(w);
    return status;
}

void data_augment_work_free(data_augment_work *w)
{
    if (!w) return;
    dsp_reverb_free(w->reverb);
    base_free(w->pcm);
    base_free(w->other);
    base_free(w->noise);
    free(w);
}

/* ---- a clip ---- */

typedef struct plan {
    int speed, shift;
    bool noise, room;
    double noise_level; /* uniform in [0, 1) */
    size_t rir;
    float gain;
} plan;

static plan draw_plan(const data_augmenter *a, bool silence, base_rng *rng)
{
    const data_augment *set = &a->set;
    plan p = {.gain = 1};
    int most = (int)lrint(set->shift_ms * a->rate / 1000);
    p.speed =
        set->speed_lo + (int)base_rng_below(rng, (uint32_t)(set->speed_hi - set->speed_lo + 1));
    p.shift = (int)base_rng_below(rng, 2 * (uint32_t)most + 1) - most;
    p.noise = base_rng_uniform(rng) < set->noise_prob || silence;
    p.noise_level = base_rng_uniform(rng);
    if (a->rirs) {
        p.room = base_rng_uniform(rng) < set->rir_prob;
        p.rir = base_rng_below(rng, (uint32_t)dsp_rirs_count(a->rirs));
    }
    if (set->gain_lo_db < 0 || set->gain_hi_db > 0) {
        double range = set->gain_hi_db - set->gain_lo_db;
        p.gain = (float)pow(10, (set->gain_lo_db + range * base_rng_uniform(rng)) / 20);
    }
    return p;
}

/* The recording, changed. */
static base_status speak(data_augment_work *w, const plan *p, int32_t index, float *clip,
                         base_err *err)
{
    const data_augmenter *a = w->a;
    const data_pack *pack = data_task_pack(a->task);
    BASE_TRY(data_pack_read_clip(pack, (size_t)index, a->samples, w->pcm, err));
    dsp_from_pcm16(w->other, w->pcm, a->samples);
    if (p->speed != 100) {
        dsp_speed_run(a->speed, p->speed, w->noise, w->other, a->samples);
        memcpy(w->other, w->noise, a->samples * sizeof *w->other);
    }
    dsp_shift(clip, w->other, a->samples, p->shift);
    if (p->room) dsp_reverb_run(w->reverb, p->rir, clip);
    if (p->gain < 1 || p->gain > 1) dsp_gain(clip, p->gain, a->samples);
    return BASE_OK;
}

static float noise_gain(const data_augment_work *w, const plan *p, bool silence, const float *clip)
{
    const data_augment *set = &w->a->set;
    if (silence) return (float)(p->noise_level * set->silence_gain);
    if (set->noise_level == DATA_LEVEL_GAIN) return (float)(p->noise_level * set->noise_gain);
    double snr = set->snr_lo + p->noise_level * (set->snr_hi - set->snr_lo);
    return dsp_snr_gain(clip, w->noise, w->a->samples, (size_t)w->a->rate / 100, snr);
}

base_status data_augment_clip(data_augment_work *w, const data_sample *sample, base_rng *rng,
                              float *clip, base_err *err)
{
    const data_augmenter *a = w->a;
    bool silence = sample->clip < 0;
    plan p = draw_plan(a, silence, rng);
    if (silence)
        memset(clip, 0, a->samples * sizeof *clip);
    else
        BASE_TRY(speak(w, &p, sample->clip, clip, err));
    if (p.noise) {
        BASE_TRY(data_task_noise(a->task, DATA_TRAIN, rng, a->samples, w->pcm, err));
        dsp_from_pcm16(w->noise, w->pcm, a->samples);
        dsp_mix(clip, w->noise, noise_gain(w, &p, silence, clip), a->samples);
    }
    if (p.noise || p.room || p.gain > 1) dsp_clamp(clip, a->samples);
    return BASE_OK;
}

/* ---- features ---- */

void data_augment_mask(const data_augmenter *a, float *features, int frames, int bins,
                       base_rng *rng)
{
    dsp_mask mask = {.time_masks = a->set.time_masks,
                     .time_width = a->set.time_width,
                     .freq_masks = a->set.freq_masks,
                     .freq_width = a->set.freq_width};
    if (a->set.mask_value == DATA_MASK_MEAN) {
        double sum = 0;
        for (int i = 0; i < frames * bins; i++) sum += (double)features[i];
        mask.value = (float)(sum / (frames * bins));
    }
    dsp_spec_mask(features, frames, bins, &mask, rng);
}

/* The logarithm of a gamma variable: of a small shape it may be below any double. */
static double log_gamma_draw(double shape, base_rng *rng)
{
    if (shape < 1) {
        double u = 1 - base_rng_uniform(rng);
        return log_gamma_draw(shape + 1, rng) + log(u) / shape;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = base_rng_normal(rng), v = pow(1 + c * x, 3), u = 1 - base_rng_uniform(rng);
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v);
    }
}

double data_beta_draw(double alpha, base_rng *rng)
{
    double a = log_gamma_draw(alpha, rng), b = log_gamma_draw(alpha, rng);
    return 1 / (1 + exp(b - a));
}

data_mix data_mix_draw(double alpha, int i, int n, base_rng *rng)
{
    data_mix m = {.partner = i};
    if (n > 1) {
        m.partner = (int)base_rng_below(rng, (uint32_t)n - 1);
        m.partner += m.partner >= i;
    }
    m.weight = (float)data_beta_draw(alpha, rng);
    return m;
}
