/* Augmentation: what the published recipes do to a clip and to its features.
 *
 * Speed: output sample i reads the input at c + (i - c) p / 100, c = n/2, p whole percents. The
 * fraction of that position is one of 100, so each of the 100 phases has its filter in a table and
 * none is interpolated: exact positions, one dot product of TAPS samples for an output. Filters
 * are sinc under a Kaiser window; faster than 100 % the cutoff goes down with the speed, so that
 * nothing folds back. All slow speeds share one table.
 */
#include "dsp/dsp.h"

#include "dsp/lanes.h"

#include <math.h>
#include <string.h>

/* ---- waveforms ---- */

void dsp_shift(float *out, const float *in, size_t n, int shift)
{
    size_t gap = shift < 0 ? (size_t)(-(int64_t)shift) : (size_t)shift;
    if (gap > n) gap = n;
    if (shift >= 0) {
        memset(out, 0, gap * sizeof *out);
        memcpy(out + gap, in, (n - gap) * sizeof *out);
    } else {
        memcpy(out, in + gap, (n - gap) * sizeof *out);
        memset(out + (n - gap), 0, gap * sizeof *out);
    }
}

void dsp_mix(float *pcm, const float *noise, float gain, size_t n)
{
    for (size_t i = 0; i < n; i++) pcm[i] += gain * noise[i];
}

void dsp_gain(float *pcm, float gain, size_t n)
{
    for (size_t i = 0; i < n; i++) pcm[i] *= gain;
}

void dsp_clamp(float *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = pcm[i] < 1 ? pcm[i] : 1;
        pcm[i] = x > -1 ? x : -1;
    }
}

double dsp_energy(const float *pcm, size_t n)
{
    lanes sums = {0}, x;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        memcpy(&x, pcm + i, sizeof x);
        sums += x * x;
    }
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += (double)sums[l];
    for (; i < n; i++) sum += (double)(pcm[i] * pcm[i]);
    return sum;
}

double dsp_active_power(const float *pcm, size_t n, size_t block)
{
    double loudest = 0, sum = 0;
    size_t blocks = n / block, active = 0;
    for (size_t i = 0; i < blocks; i++) loudest = fmax(loudest, dsp_energy(pcm + i * block, block));
    for (size_t i = 0; i < blocks && loudest > 0; i++) {
        double energy = dsp_energy(pcm + i * block, block);
        if (energy < 1e-3 * loudest) continue;
        sum += energy;
        active++;
    }
    return active > 0 ? sum / (double)(active * block) : 0;
}

float dsp_snr_gain(const float *pcm, const float *noise, size_t n, size_t block, double snr_db)
{
    double signal = dsp_active_power(pcm, n, block), power = dsp_energy(noise, n) / (double)n;
    return signal > 0 && power > 0 ? (float)sqrt(signal / power * pow(10, -snr_db / 10)) : 0;
}

/* ---- speed ---- */

enum { TAPS = LANES, PHASES = 100 };

struct dsp_speed {
    int lo, hi;
    float *filters; /* [1 + max(0, hi - 100), PHASES, TAPS]; first dimension: percent - 100 */
};

/* Modified Bessel function of the first kind, order 0. */
static double bessel_i0(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

/* Filter that reads position 7 + phase / 100 of its TAPS samples; sums to 1. cutoff: relative to
 * the Nyquist frequency. */
static void fill_filter(float *h, int phase, double cutoff)
{
    const double pi = 3.14159265358979323846, beta = 6;
    double tap[TAPS], sum = 0;
    for (int j = 0; j < TAPS; j++) {
        double x = j - (TAPS / 2 - 1) - (double)phase / PHASES, u = x / (TAPS / 2);
        double sinc = fabs(x) < 1e-9 ? cutoff : sin(pi * cutoff * x) / (pi * x);
        tap[j] = sinc * bessel_i0(beta * sqrt(fmax(0, 1 - u * u)));
        sum += tap[j];
    }
    for (int j = 0; j < TAPS; j++) h[j] = (float)(tap[j] / sum);
}

base_status dsp_speed_new(int lo, int hi, dsp_speed **out, base_err *err)
{
    if (lo < 50 || hi > 200 || lo > hi)
        return base_fail(err, BASE_USAGE, "speed of %d .. %d %%: expected 50 <= low <= high <= 200",
                         lo, hi);
    int tables = 1 + (hi > 100 ? hi - 100 : 0);
    size_t n = (size_t)tables * PHASES * TAPS;
    dsp_speed *speed = base_alloc(1, sizeof *speed);
    float *filters = base_alloc(n, sizeof *filters);
    if (!speed || !filters) {
        base_free(speed);
        base_free(filters);
        return base_nomem(err, n * sizeof *filters);
    }
    *speed = (dsp_speed){.lo = lo, .hi = hi, .filters = filters};
    for (int t = 0; t < tables; t++)
        for (int p = 0; p < PHASES; p++)
            fill_filter(filters + (t * PHASES + p) * TAPS, p, 0.95 * 100 / (100 + t));
    *out = speed;
    return BASE_OK;
}

void dsp_speed_free(dsp_speed *speed)
{
    if (!speed) return;
    base_free(speed->filters);
    base_free(speed);
}

/* Where an output reads: sample `whole` plus phase hundredths, 0 <= phase < PHASES. */
typedef struct place {
    int64_t whole;
    int phase;
} place;

static void advance(place *p, int percent)
{
    p->phase += percent;
    while (p->phase >= PHASES) p->phase -= PHASES, p->whole++;
}

/* One output where the filter may hang over an end of the clip. */
static float read_edge(const float *table, const float *in, int64_t n, const place *p)
{
    int64_t first = p->whole - (TAPS / 2 - 1);
    int lo = first < 0 ? (int)(first < -TAPS ? TAPS : -first) : 0;
    int hi = first + TAPS > n ? (int)(first > n ? 0 : n - first) : TAPS;
    const float *h = table + p->phase * TAPS;
    float sum = 0;
    for (int j = lo; j < hi; j++) sum += h[j] * in[first + j];
    return sum;
}

/* LANES outputs inside the clip: the products of each, summed by a tree that works on all. */
static void read_block(const float *table, const float *in, int percent, place *p, float *out)
{
    lanes sum[LANES], h;
    for (int l = 0; l < LANES; l++) {
        memcpy(&h, table + p->phase * TAPS, sizeof h);
        memcpy(&sum[l], in + p->whole - (TAPS / 2 - 1), sizeof h);
        sum[l] *= h;
        advance(p, percent);
    }
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) lanes_pairs(&sum[i], &sum[2 * i], &sum[2 * i + 1]);
    memcpy(out, &sum[0], sizeof sum[0]);
}

void dsp_speed_run(const dsp_speed *speed, int percent, float *out, const float *in, size_t n)
{
    if (percent < speed->lo) percent = speed->lo;
    if (percent > speed->hi) percent = speed->hi;
    if (percent == 100) {
        memcpy(out, in, n * sizeof *out);
        return;
    }
    const float *table = speed->filters + (percent > 100 ? percent - 100 : 0) * PHASES * TAPS;
    int64_t size = (int64_t)n, start = size / 2 * (100 - percent);
    place p = {.whole = start / PHASES, .phase = (int)(start % PHASES)};
    if (p.phase < 0) p.phase += PHASES, p.whole--;
    for (int64_t i = 0; i < size;) {
        /* LANES steps of at most 2 samples end within whole + 2 * LANES. */
        bool inside = p.whole >= TAPS / 2 - 1 && p.whole + 2 * LANES + TAPS / 2 < size;
        if (inside && i + LANES <= size) {
            read_block(table, in, percent, &p, out + i);
            i += LANES;
        } else {
            out[i++] = read_edge(table, in, size, &p);
            advance(&p, percent);
        }
    }
}

/* ---- features ---- */

void dsp_spec_mask(float *features, int frames, int bins, const dsp_mask *mask, base_rng *rng)
{
    for (int i = 0; i < mask->time_masks && mask->time_width > 0; i++) {
        int width = (int)base_rng_below(rng, (uint32_t)mask->time_width);
        if (width > frames) width = frames;
        int start = (int)base_rng_below(rng, (uint32_t)(frames - width + 1));
        float *x = features + (size_t)start * (size_t)bins;
        for (int k = 0; k < width * bins; k++) x[k] = mask->value;
    }
    for (int i = 0; i < mask->freq_masks && mask->freq_width > 0; i++) {
        int width = (int)base_rng_below(rng, (uint32_t)mask->freq_width);
        if (width > bins) width = bins;
        int start = (int)base_rng_below(rng, (uint32_t)(bins - width + 1));
        for (int t = 0; t < frames; t++)
            for (int k = 0; k < width; k++) features[t * bins + start + k] = mask->value;
    }
}
