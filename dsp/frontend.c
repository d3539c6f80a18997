/* From a clip to its feature matrix.
 *
 * Frames go through the FFT one by one, in cache. Their spectra are collected in blocks of LANES
 * frames stored frame-innermost (spectrum[bin][lane]), so that everything after the FFT (mel sums
 * over the few bins of a band, logarithm, DCT) is loops over lanes that compilers vectorise with no
 * shuffling and no reordering of sums: results do not depend on the vector width.
 *
 *     clip -> line (level, pre-emphasis, reflected ends) -> FFT -> spectrum[bin][lane]
 *          -> bands[mel][lane] -> ln -> out[t][bin]
 */
#include "dsp/dsp.h"

#include "dsp/fft.h"
#include "dsp/log.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };

/* A band reads spectrum rows first .. first + count - 1 with weights at mel[weight]. */
typedef struct band {
    int first, count, weight;
} band;

struct dsp_frontend {
    dsp_config cfg;
    int frames, bins, window, hop;
    int ahead;          /* reflected samples before the clip */
    int line_n;         /* samples under all frames */
    int bin_lo, bin_n;  /* FFT bins that any band reads */
    float *line;        /* [line_n] */
    float *weights;     /* [window] window function */
    float *mel;         /* weights of all bands, one after the other */
    band *bands;        /* [mels]; first counts from bin_lo */
    float *dct;         /* [mfcc, mels] or NULL */
    float *mean, *gain; /* [bins]: out = (x - mean) * gain; NULL without normalisation */
    float *spectrum;    /* [bin_n, LANES] */
    float *energies;    /* [mels, LANES] */
    dsp_fft *fft;
};

/* ---- construction ---- */

static bool copy_window(dsp_frontend *fe)
{
    double *w = base_alloc((size_t)fe->window, sizeof *w);
    fe->weights = base_alloc((size_t)fe->window, sizeof *fe->weights);
    bool ok = w && fe->weights;
    if (ok) {
        dsp_tables(&fe->cfg, w, NULL, NULL);
        for (int i = 0; i < fe->window; i++) fe->weights[i] = (float)w[i];
    }
    base_free(w);
    return ok;
}

/* Keep of the dense filterbank what is not zero; fix which FFT bins matter at all. */
static bool pack_mel(dsp_frontend *fe, const double *dense)
{
    int mels = fe->cfg.mels, columns = fe->cfg.fft / 2 + 1, total = 0, last = 0;
    fe->bin_lo = columns;
    for (int b = 0; b < mels; b++) {
        const double *row = dense + (size_t)b * (size_t)columns;
        int lo = 0, hi = columns;
        while (lo < columns && row[lo] <= 0) lo++;
        while (hi > lo && row[hi - 1] <= 0) hi--;
        fe->bands[b] = (band){.first = lo, .count = hi - lo, .weight = total};
        total += hi - lo;
        if (lo < fe->bin_lo) fe->bin_lo = lo;
        if (hi > last) last = hi;
    }
    fe->bin_n = last - fe->bin_lo;
    fe->mel = base_alloc((size_t)total, sizeof *fe->mel);
    if (!fe->mel) return false;
    for (int b = 0; b < mels; b++) {
        band *d = &fe->bands[b];
        const double *row = dense + (size_t)b * (size_t)columns + d->first;
        for (int i = 0; i < d->count; i++) fe->mel[d->weight + i] = (float)row[i];
        d->first -= fe->bin_lo;
    }
    return true;
}

static bool copy_mel(dsp_frontend *fe)
{
    size_t n = (size_t)fe->cfg.mels * (size_t)(fe->cfg.fft / 2 + 1);
    double *dense = base_alloc(n, sizeof *dense);
    fe->bands = base_alloc((size_t)fe->cfg.mels, sizeof *fe->bands);
    bool ok = dense && fe->bands;
    if (ok) {
        dsp_tables(&fe->cfg, NULL, dense, NULL);
        ok = pack_mel(fe, dense);
    }
    base_free(dense);
    return ok;
}

static bool copy_dct(dsp_frontend *fe)
{
    size_t n = (size_t)fe->cfg.mfcc * (size_t)fe->cfg.mels;
    if (n == 0) return true;
    double *d = base_alloc(n, sizeof *d);
    fe->dct = base_alloc(n, sizeof *fe->dct);
    bool ok = d && fe->dct;
    if (ok) {
        dsp_tables(&fe->cfg, NULL, NULL, d);
        for (size_t i = 0; i < n; i++) fe->dct[i] = (float)d[i];
    }
    base_free(d);
    return ok;
}

static base_status copy_scaling(dsp_frontend *fe, const float *mean, const float *std,
                                base_err *err)
{
    bool wanted = fe->cfg.normalize == DSP_NORMALIZE_FEATURE;
    if (wanted != (mean && std) || (!mean != !std))
        return base_fail(err, BASE_USAGE, "normalize = %s, but %s mean and std were given",
                         wanted ? "feature" : "none",
                         mean && std   ? "both"
                         : mean || std ? "one of"
                                       : "no");
    if (!wanted) return BASE_OK;
    fe->mean = base_alloc((size_t)fe->bins, sizeof *fe->mean);
    fe->gain = base_alloc((size_t)fe->bins, sizeof *fe->gain);
    if (!fe->mean || !fe->gain) return base_nomem(err, (size_t)fe->bins * sizeof *fe->mean);
    for (int k = 0; k < fe->bins; k++) {
        if (!isfinite(mean[k]) || !isfinite(std[k]) || std[k] < 1e-12f)
            return base_fail(err, BASE_DATA, "feature %d has mean %g and std %g", k,
                             (double)mean[k], (double)std[k]);
        fe->mean[k] = mean[k];
        fe->gain[k] = 1 / std[k];
    }
    return BASE_OK;
}

static base_status build(dsp_frontend *fe, const float *mean, const float *std, base_err *err)
{
    const dsp_config *cfg = &fe->cfg;
    dsp_config_shape(cfg, &fe->frames, &fe->bins);
    fe->window = dsp_config_window(cfg);
    fe->hop = dsp_config_hop(cfg);
    fe->ahead = cfg->center ? cfg->fft / 2 - (cfg->fft - fe->window) / 2 : 0;
    fe->line_n = (fe->frames - 1) * fe->hop + fe->window;
    fe->line = base_alloc((size_t)fe->line_n, sizeof *fe->line);
    if (!fe->line || !copy_window(fe) || !copy_mel(fe) || !copy_dct(fe))
        return base_nomem(err, (size_t)fe->line_n * sizeof *fe->line);
    fe->spectrum = base_alloc((size_t)fe->bin_n, LANES * sizeof *fe->spectrum);
    fe->energies = base_alloc((size_t)cfg->mels, LANES * sizeof *fe->energies);
    if (!fe->spectrum || !fe->energies)
        return base_nomem(err, (size_t)fe->bin_n * LANES * sizeof *fe->spectrum);
    BASE_TRY(copy_scaling(fe, mean, std, err));
    return dsp_fft_new(cfg->fft, &fe->fft, err);
}

base_status dsp_frontend_new(const dsp_config *cfg, const float *mean, const float *std,
                             dsp_frontend **out, base_err *err)
{
    BASE_TRY(dsp_config_check(cfg, err));
    dsp_frontend *fe = base_alloc(1, sizeof *fe);
    if (!fe) return base_nomem(err, sizeof *fe);
    fe->cfg = *cfg;
    base_status st = build(fe, mean, std, err);
    if (st != BASE_OK) {
        dsp_frontend_free(fe);
        return st;
    }
    *out = fe;
    return BASE_OK;
}

void dsp_frontend_free(dsp_frontend *fe)
{
    if (!fe) return;
    float *blocks[] = {fe->line, fe->weights, fe->mel,      fe->dct,
                       fe->mean, fe->gain,    fe->spectrum, fe->energies};
    for (size_t i = 0; i < BASE_COUNT(blocks); i++) base_free(blocks[i]);
    base_free(fe->bands);
    dsp_fft_free(fe->fft);
    base_free(fe);
}

const dsp_config *dsp_frontend_config(const dsp_frontend *fe)
{
    return &fe->cfg;
}

/* ---- running ---- */

/* max(x), or 0 when that is negative. */
static float maximum(const float *x, int n)
{
    float lane[LANES] = {0}, top = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int l = 0; l < LANES; l++) top = lane[l] > top ? lane[l] : top;
    return top;
}

/* The samples under the frames: levelled, pre-emphasised, reflected. */
static void lay_out(dsp_frontend *fe, const float *pcm)
{
    int n = fe->cfg.samples, body = fe->line_n - fe->ahead < n ? fe->line_n - fe->ahead : n;
    float top = fe->cfg.level == DSP_LEVEL_MAX ? maximum(pcm, n) : 0;
    float gain = top > 0 ? 1 / top : 1, a = (float)fe->cfg.preemphasis;
    float *x = fe->line + fe->ahead;
    /* Reflection below needs more of the clip than the frames reach only where it is centred, and
     * then body is n or the clip's end lies under no frame. */
    x[0] = gain * pcm[0];
    for (int i = 1; i < body; i++) x[i] = gain * (pcm[i] - a * pcm[i - 1]);
    for (int i = 1; i <= fe->ahead; i++) x[-i] = x[i];
    for (int i = n; i < fe->line_n - fe->ahead; i++) x[i] = x[2 * (n - 1) - i];
}

/* Spectrum of frame t into lane l of the block. */
static void transform(dsp_frontend *fe, int t, int l)
{
    const float *x = fe->line + (size_t)t * (size_t)fe->hop, *w = fe->weights;
    float *in = dsp_fft_input(fe->fft);
    for (int i = 0; i < fe->window; i++) in[i] = x[i] * w[i];
    const float *bin = dsp_fft_run(fe->fft) + 2 * fe->bin_lo;
    float *s = fe->spectrum + l;
    for (int k = 0; k < fe->bin_n; k++)
        s[k * LANES] = bin[2 * k] * bin[2 * k] + bin[2 * k + 1] * bin[2 * k + 1];
}

/* Log-mel energies of a block of frames. */
static void log_mel(dsp_frontend *fe)
{
    float v = (float)fe->cfg.floor;
    if (fe->cfg.spectrum == DSP_SPECTRUM_MAGNITUDE)
        for (int i = 0; i < fe->bin_n * LANES; i++) fe->spectrum[i] = sqrtf(fe->spectrum[i]);
    for (int b = 0; b < fe->cfg.mels; b++) {
        const band *d = &fe->bands[b];
        const float *s = fe->spectrum + d->first * LANES, *w = fe->mel + d->weight;
        float sum[LANES] = {0};
        for (int i = 0; i < d->count; i++)
            for (int l = 0; l < LANES; l++) sum[l] += w[i] * s[i * LANES + l];
        float *e = fe->energies + b * LANES;
        if (fe->cfg.floor_kind == DSP_FLOOR_ADD)
            for (int l = 0; l < LANES; l++) e[l] = dsp_log(sum[l] + v);
        else
            for (int l = 0; l < LANES; l++) e[l] = dsp_log(sum[l] > v ? sum[l] : v);
    }
}

/* Feature k of a block of frames: a log-mel energy or a DCT coefficient of them. */
static void feature(const dsp_frontend *fe, int k, float x[LANES])
{
    if (!fe->dct) {
        memcpy(x, fe->energies + k * LANES, LANES * sizeof *x);
        return;
    }
    float sum[LANES] = {0};
    const float *d = fe->dct + k * fe->cfg.mels;
    for (int m = 0; m < fe->cfg.mels; m++)
        for (int l = 0; l < LANES; l++) sum[l] += d[m] * fe->energies[m * LANES + l];
    memcpy(x, sum, sizeof sum);
}

void dsp_frontend_run(dsp_frontend *fe, const float *pcm, float *out)
{
    lay_out(fe, pcm);
    for (int t = 0; t < fe->frames; t += LANES) {
        int n = fe->frames - t < LANES ? fe->frames - t : LANES;
        for (int l = 0; l < n; l++) transform(fe, t + l, l);
        log_mel(fe);
        for (int k = 0; k < fe->bins; k++) {
            float x[LANES];
            feature(fe, k, x);
            float mean = fe->mean ? fe->mean[k] : 0, gain = fe->mean ? fe->gain[k] : 1;
            float *to = out + (size_t)t * (size_t)fe->bins + k;
            for (int l = 0; l < n; l++) to[l * fe->bins] = (x[l] - mean) * gain;
        }
    }
}
