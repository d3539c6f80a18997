/* Acoustic fingerprints after Haitsma and Kalker, "A highly robust audio fingerprinting system",
 * ISMIR 2002. With E(t, b) the energy of band b in frame t, bit b of frame t says whether
 *
 *     E(t, b) - E(t, b + 1) - (E(t - 1, b) - E(t - 1, b + 1)) > 0            b = 0 .. 31
 *
 * A gain changes no bit, and as frames are long (128 ms) and close (10 ms), a shift that is no
 * whole number of hops changes few. Theirs are 370 ms of 300 to 2000 Hz, for songs; words are
 * shorter and have more above 2 kHz.
 */
#include "dsp/dsp.h"

#include "dsp/fft.h"

#include <math.h>
#include <string.h>

enum { BANDS = 33, FRAME = 2048, HOP = DSP_PRINT_HOP };

static const double f_lo = 300, f_hi = 3000, rate = DSP_PRINT_RATE;
static const float quiet = 0.01f; /* of the loudest frame's energy: 20 dB */

struct dsp_fingerprint {
    dsp_fft *fft;
    float window[FRAME];
    int edge[BANDS + 1]; /* first bin of each band, end of the last */
};

base_status dsp_fingerprint_new(dsp_fingerprint **out, base_err *err)
{
    dsp_fingerprint *f = base_alloc(1, sizeof *f);
    *out = NULL;
    if (!f) return base_nomem(err, sizeof *f);
    base_status status = dsp_fft_new(FRAME, &f->fft, err);
    if (status != BASE_OK) {
        base_free(f);
        return status;
    }
    for (int i = 0; i < FRAME; i++)
        f->window[i] = (float)(0.5 - 0.5 * cos(6.283185307179586 * i / FRAME));
    for (int b = 0; b <= BANDS; b++)
        f->edge[b] = (int)lrint(f_lo * pow(f_hi / f_lo, (double)b / BANDS) * FRAME / rate);
    *out = f;
    return BASE_OK;
}

void dsp_fingerprint_free(dsp_fingerprint *f)
{
    if (!f) return;
    dsp_fft_free(f->fft);
    base_free(f);
}

size_t dsp_fingerprint_frames(size_t samples)
{
    return samples < FRAME + HOP ? 0 : (samples - FRAME) / HOP;
}

/* Energies of the bands of a frame; returns their sum. */
static float measure(dsp_fingerprint *f, const int16_t *pcm, float *energy)
{
    float *in = dsp_fft_input(f->fft), sum = 0;
    for (int i = 0; i < FRAME; i++) in[i] = f->window[i] * (float)pcm[i];
    const float *x = dsp_fft_run(f->fft);
    for (int b = 0; b < BANDS; b++) {
        float e = 0;
        for (int k = 2 * f->edge[b]; k < 2 * f->edge[b + 1]; k++) e += x[k] * x[k];
        energy[b] = e;
        sum += e;
    }
    return sum;
}

/* The bits of a frame from its energies and those before. */
static dsp_print compare(const float *now, const float *before)
{
    dsp_print p = {0};
    float least[DSP_PRINT_WEAK];
    for (int i = 0; i < DSP_PRINT_WEAK; i++) least[i] = INFINITY;
    for (int b = 0; b < BANDS - 1; b++) {
        float d = now[b] - now[b + 1] - (before[b] - before[b + 1]);
        if (d > 0) p.bits |= 1u << b;
        float size = fabsf(d) / (now[b] + now[b + 1] + before[b] + before[b + 1] + 1e-9f);
        int at = DSP_PRINT_WEAK;
        for (; at > 0 && size < least[at - 1]; at--)
            if (at < DSP_PRINT_WEAK) {
                least[at] = least[at - 1];
                p.weak[at] = p.weak[at - 1];
            }
        if (at == DSP_PRINT_WEAK) continue;
        least[at] = size;
        p.weak[at] = (uint8_t)b;
    }
    return p;
}

void dsp_fingerprint_run(dsp_fingerprint *f, const int16_t *pcm, size_t samples, float *loudness,
                         dsp_print *out)
{
    const size_t frames = dsp_fingerprint_frames(samples);
    float energy[2][BANDS], most = 0;
    if (frames > 0) measure(f, pcm, energy[0]);
    for (size_t t = 0; t < frames; t++) {
        float *now = energy[(t + 1) % 2];
        loudness[t] = measure(f, pcm + (t + 1) * HOP, now);
        out[t] = compare(now, energy[t % 2]);
        if (loudness[t] > most) most = loudness[t];
    }
    for (size_t t = 0; t < frames; t++) out[t].loud = most > 0 && loudness[t] > quiet * most;
}
