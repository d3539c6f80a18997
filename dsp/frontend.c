/* From a clip to its feature matrix.
 *
 * Frames go through the FFT one by one, in cache. Their spectra are collected in blocks of LANES
 * frames and turned frame-innermost (spectrum[bin][lane]), so that everything after that (mel sums
 * over the few bins of a band, logarithm, DCT) is arithmetic on whole vectors (lanes.h).
 *
 *     clip -> line (level, pre-emphasis, reflected ends) -> FFT -> power[lane][bin]
 *          -> spectrum[bin][lane] -> bands[mel][lane] -> ln -> out[t][bin]
 */
#include "dsp/dsp.h"

#include "dsp/fft.h"
#include "dsp/fixed.h"
#include "dsp/lanes.h"

#include <math.h>
#include <string.h>

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
    int row;            /* bin_n rounded up to LANES */
    float *line;        /* [line_n] */
    float *weights;     /* [window] window function */
    float *mel;         /* weights of all bands, one after the other */
    band *bands;        /* [mels]; first counts from bin_lo */
    float *dct;         /* [mfcc, mels] or NULL */
    float *mean, *gain; /* [bins]: out = (x - mean) * gain; NULL without normalisation */
    float *power;       /* [LANES, bin_n rounded up to LANES] */
    lanes *spectrum;    /* [bin_n rounded up to LANES] */
    lanes *energies;    /* [mels] */
    dsp_fft *fft;
    dsp_fixed *fixed; /* frontend = fixed: all but mean and gain is done by it, */
    int16_t *pcm16;   /* from [samples] */
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
    if (cfg->frontend == DSP_FRONTEND_FIXED) {
        fe->pcm16 = base_alloc((size_t)cfg->samples, sizeof *fe->pcm16);
        if (!fe->pcm16) return base_nomem(err, (size_t)cfg->samples * sizeof *fe->pcm16);
        BASE_TRY(copy_scaling(fe, mean, std, err));
        return dsp_fixed_new(cfg, &fe->fixed, err);
    }
    fe->ahead = cfg->center ? cfg->fft / 2 - (cfg->fft - fe->window) / 2 : 0;
    fe->line_n = (fe->frames - 1) * fe->hop + fe->window;
    fe->line = base_alloc((size_t)fe->line_n, sizeof *fe->line);
    if (!fe->line || !copy_window(fe) || !copy_mel(fe) || !copy_dct(fe))
        return base_nomem(err, (size_t)fe->line_n * sizeof *fe->line);
    fe->row = (fe->bin_n + LANES - 1) / LANES * LANES;
    fe->power = base_alloc((size_t)fe->row, LANES * sizeof *fe->power);
    fe->spectrum = base_alloc((size_t)fe->row, sizeof *fe->spectrum);
    fe->energies = base_alloc((size_t)cfg->mels, sizeof *fe->energies);
    if (!fe->power || !fe->spectrum || !fe->energies)
        return base_nomem(err, 2 * (size_t)fe->row * sizeof *fe->spectrum);
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
    void *blocks[] = {fe->line, fe->weights,  fe->mel,      fe->bands, fe->dct,  fe->mean,
                      fe->gain, fe->spectrum, fe->energies, fe->power, fe->pcm16};
    for (size_t i = 0; i < BASE_COUNT(blocks); i++) base_free(blocks[i]);
    dsp_fft_free(fe->fft);
    dsp_fixed_free(fe->fixed);
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
    lanes tops = {0}, some;
    float top = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        memcpy(&some, x + i, sizeof some);
        lanes_max(&tops, &some);
    }
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int l = 0; l < LANES; l++) top = tops[l] > top ? tops[l] : top;
    return top;
}

/* The samples under the frames: levelled, pre-emphasised, reflected at the ends. Without centring
 * the clip's last samples may lie under no frame. */
static void lay_out(dsp_frontend *fe, const float *pcm)
{
    int n = fe->cfg.samples, reach = fe->line_n - fe->ahead, body = reach < n ? reach : n;
    float top = fe->cfg.level == DSP_LEVEL_MAX ? maximum(pcm, n) : 0;
    float gain = top > 0 ? 1 / top : 1, a = (float)fe->cfg.preemphasis;
    float *x = fe->line + fe->ahead;
    x[0] = gain * pcm[0];
    for (int i = 1; i < body; i++) x[i] = gain * (pcm[i] - a * pcm[i - 1]);
    for (int i = 1; i <= fe->ahead; i++) x[-i] = x[i];
    for (int i = n; i < reach; i++) x[i] = x[2 * (n - 1) - i];
}

/* Power spectrum of frame t into row l of the block. */
static void transform(dsp_frontend *fe, int t, int l)
{
    const float *x = fe->line + (size_t)t * (size_t)fe->hop, *w = fe->weights;
    float *in = dsp_fft_input(fe->fft), *power = fe->power + (size_t)l * (size_t)fe->row;
    for (int i = 0; i < fe->window; i++) in[i] = x[i] * w[i];
    const float *bin = dsp_fft_run(fe->fft) + 2 * fe->bin_lo;
    for (int k = 0; k < fe->bin_n; k++)
        power[k] = bin[2 * k] * bin[2 * k] + bin[2 * k + 1] * bin[2 * k + 1];
}

/* The rows of a block, frame-innermost. */
static void turn(dsp_frontend *fe)
{
    for (int k = 0; k < fe->row; k += LANES) {
        lanes row[LANES];
        for (int l = 0; l < LANES; l++)
            memcpy(&row[l], fe->power + (size_t)l * (size_t)fe->row + k, sizeof row[l]);
        lanes_transpose(fe->spectrum + k, row);
    }
}

/* Log-mel energies of a block of frames from their power spectra. */
static void log_mel(dsp_frontend *fe)
{
    float v = (float)fe->cfg.floor, *s = (float *)fe->spectrum, *e = (float *)fe->energies;
    int mels = fe->cfg.mels;
    if (fe->cfg.spectrum == DSP_SPECTRUM_MAGNITUDE)
        for (int i = 0; i < fe->bin_n * LANES; i++) s[i] = sqrtf(s[i]);
    for (int b = 0; b < mels; b++) {
        const band *d = &fe->bands[b];
        lanes_dot(&fe->energies[b], fe->mel + d->weight, fe->spectrum + d->first, d->count);
    }
    if (fe->cfg.floor_kind == DSP_FLOOR_ADD)
        for (int i = 0; i < mels * LANES; i++) e[i] += v;
    else
        for (int i = 0; i < mels * LANES; i++) e[i] = e[i] > v ? e[i] : v;
    for (int b = 0; b < mels; b++) lanes_log(&fe->energies[b]);
}

/* Feature k of a block of frames: a log-mel energy, or a DCT coefficient of all of them. */
static void feature(const dsp_frontend *fe, int k, lanes *x)
{
    int mels = fe->cfg.mels;
    if (fe->dct)
        lanes_dot(x, fe->dct + k * mels, fe->energies, mels);
    else
        *x = fe->energies[k];
}

static void run_fixed(dsp_frontend *fe, const float *pcm, float *out)
{
    dsp_to_pcm16(fe->pcm16, pcm, (size_t)fe->cfg.samples);
    dsp_fixed_features(fe->fixed, fe->pcm16, out);
    for (int i = 0; fe->mean && i < fe->frames; i++)
        for (int k = 0; k < fe->bins; k++, out++) *out = (*out - fe->mean[k]) * fe->gain[k];
}

void dsp_frontend_run(dsp_frontend *fe, const float *pcm, float *out)
{
    if (fe->fixed) {
        run_fixed(fe, pcm, out);
        return;
    }
    lay_out(fe, pcm);
    for (int t = 0; t < fe->frames; t += LANES) {
        int n = fe->frames - t < LANES ? fe->frames - t : LANES;
        for (int l = 0; l < n; l++) transform(fe, t + l, l);
        turn(fe);
        log_mel(fe);
        float *to = out + (size_t)t * (size_t)fe->bins;
        for (int k = 0; k < fe->bins; k++) {
            lanes x;
            feature(fe, k, &x);
            if (fe->mean) x = (x - fe->mean[k]) * fe->gain[k];
            for (int l = 0; l < n; l++) to[l * fe->bins + k] = x[l];
        }
    }
}
