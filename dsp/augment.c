/* Augmentation: what the published recipes do to a clip and to its features.
 *
 * Speed: output sample i reads the input at c + (i - c) p / 100, c = n/2, p whole percents. The
 * fraction of that position is one of 100, so each of the 100 phases has its filter in a table and
 * none is interpolated: exact positions, one dot product of TAPS samples for an output. Filters
 * are sinc under a Kaiser window; faster than 100 % the cutoff goes down with the speed, so that
 * nothing folds back. All slow speeds share one table. Sixteen stretches of a clip that are at the
 * same phase are computed side by side.
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

/* Sixteen runs of a clip side by side, lane c from its output c * run on. A run is whole turns of
 * the phases, so all lanes are at the same phase and take the same filters. */
typedef struct runs {
    const float *table, *in;
    float *out;
    int64_t n, run, stride; /* samples of the clip; outputs of a lane; samples that those go over */
    int64_t start;          /* where output 0 reads, hundredths of a sample */
    int percent;
} runs;

enum { BLOCK = 4 * LANES, SPAN = (2 * BLOCK + 2 * TAPS) / LANES * LANES }; /* outputs, inputs */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* x[k] lane c: sample first + k of run c; silence beyond the clip. count: a multiple of LANES. */
static void gather(const runs *r, int64_t first, int count, lanes *x)
{
    for (int k = 0; k < count; k += LANES) {
        lanes row[LANES];
        for (int c = 0; c < LANES; c++) {
            int64_t at = first + k + c * r->stride;
            if (at >= 0 && at + LANES <= r->n)
                memcpy(&row[c], r->in + at, sizeof row[c]);
            else
                for (int l = 0; l < LANES; l++)
                    row[c][l] = at + l >= 0 && at + l < r->n ? r->in[at + l] : 0;
        }
        lanes_transpose(x + k, row);
    }
}

/* Outputs j .. j + LANES - 1 of each run. */
static void scatter(const runs *r, int64_t j, const lanes *y)
{
    lanes row[LANES];
    lanes_transpose(row, y);
    for (int c = 0; c < LANES; c++) {
        int64_t at = c * r->run + j, room = r->n - at, left = r->run - j;
        if (left < room) room = left;
        if (room >= LANES)
            memcpy(r->out + at, &row[c], sizeof row[c]);
        else
            for (int l = 0; l < room; l++) r->out[at + l] = row[c][l];
    }
}

/* Outputs j .. j + BLOCK - 1 of each run, or what is left of it. */
static void read_block(const runs *r, int64_t j)
{
    lanes x[SPAN], y[LANES];
    int64_t where = r->start + j * r->percent, whole = floor_div(where, PHASES);
    int phase = (int)(where - whole * PHASES);
    int many = (int)(r->run - j < BLOCK ? r->run - j : BLOCK);
    int last = (phase + (many + LANES) * r->percent) / PHASES + TAPS;
    int count = (last + LANES - 1) / LANES * LANES;
    gather(r, whole - (TAPS / 2 - 1), count < SPAN ? count : SPAN, x);
    for (int i = 0; i < many; i += LANES) {
        for (int q = 0; q < LANES; q++) {
            int at = phase + (i + q) * r->percent;
            lanes_dot(&y[q], r->table + at % PHASES * TAPS, x + at / PHASES, TAPS);
        }
        scatter(r, j + i, y);
    }
}

void dsp_speed_run(const dsp_speed *speed, int percent, float *out, const float *in, size_t n)
{
    if (percent < speed->lo) percent = speed->lo;
    if (percent > speed->hi) percent = speed->hi;
    if (percent == 100) {
        memcpy(out, in, n * sizeof *out);
        return;
    }
    int turn = 1; /* outputs after which the phases repeat */
    while (turn * percent % PHASES != 0) turn++;
    int64_t size = (int64_t)n, turns = (size + LANES * turn - 1) / (LANES * turn);
    runs r = {.table = speed->filters + (percent > 100 ? percent - 100 : 0) * PHASES * TAPS,
              .in = in,
              .out = out,
              .n = size,
              .run = turns * turn,
              .stride = turns * turn * percent / PHASES,
              .start = size / 2 * (100 - percent),
              .percent = percent};
    for (int64_t j = 0; j < r.run; j += BLOCK) read_block(&r, j);
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
