/* Window, mel filterbank and DCT in double, straight from their definitions.
 *
 * Mel, HTK:    m(f) = 2595 log10(1 + f / 700)
 * Mel, Slaney: m(f) = 3 f / 200 below 1 kHz, 15 + 27 ln(f / 1000) / ln(6.4) above
 * Band b at x: max(0, min((x - e_b) / (e_{b+1} - e_b), (e_{b+2} - x) / (e_{b+2} - e_{b+1}))), where
 * x and the edges e are all in mel or all in Hz (dsp_triangles).
 * DCT-II: d[k][m] = s_k cos(pi k (m + 1/2) / M)
 */
#include "dsp/tables.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double to_mel(int scale, double hz)
{
    if (scale == DSP_SCALE_HTK) return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? 3 * hz / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

static double to_hz(int scale, double mel)
{
    if (scale == DSP_SCALE_HTK) return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? 200 * mel / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

static double edge_mel(const dsp_config *cfg, int i)
{
    double lo = to_mel(cfg->mel_scale, cfg->f_lo), hi = to_mel(cfg->mel_scale, cfg->f_hi);
    return lo + (hi - lo) * i / (cfg->mels + 1);
}

double dsp_mel_edge(const dsp_config *cfg, int i)
{
    return to_hz(cfg->mel_scale, edge_mel(cfg, i));
}

void dsp_config_band(const dsp_config *cfg, int band, double *lo, double *hi)
{
    *lo = dsp_mel_edge(cfg, band);
    *hi = dsp_mel_edge(cfg, band + 2);
}

static void fill_window(const dsp_config *cfg, double *w)
{
    int n = dsp_config_window(cfg);
    for (int i = 0; i < n; i++) {
        switch ((dsp_window)cfg->window) {
        case DSP_WINDOW_HANN: w[i] = 0.5 - 0.5 * cos(2 * pi * i / n); break;
        case DSP_WINDOW_HANN_SYMMETRIC: w[i] = 0.5 - 0.5 * cos(2 * pi * i / (n - 1)); break;
        case DSP_WINDOW_HAMMING: w[i] = 0.54 - 0.46 * cos(2 * pi * i / (n - 1)); break;
        case DSP_WINDOW_RECT: w[i] = 1; break;
        }
    }
}

static void fill_mel(const dsp_config *cfg, double *mel)
{
    int bins = cfg->fft / 2 + 1;
    bool in_mel = cfg->triangles == DSP_TRIANGLES_MEL;
    for (int b = 0; b < cfg->mels; b++) {
        double e[3];
        for (int i = 0; i < 3; i++) e[i] = in_mel ? edge_mel(cfg, b + i) : dsp_mel_edge(cfg, b + i);
        double gain = 1;
        if (cfg->area_norm) gain = 2 / (dsp_mel_edge(cfg, b + 2) - dsp_mel_edge(cfg, b));
        mel[(size_t)b * (size_t)bins] = 0;
        for (int k = 1; k < bins; k++) {
            double hz = (double)k * cfg->rate / cfg->fft;
            double x = in_mel ? to_mel(cfg->mel_scale, hz) : hz;
            double up = (x - e[0]) / (e[1] - e[0]), down = (e[2] - x) / (e[2] - e[1]);
            mel[(size_t)b * (size_t)bins + (size_t)k] = gain * fmax(0, fmin(up, down));
        }
    }
}

static void fill_dct(const dsp_config *cfg, double *dct)
{
    int mels = cfg->mels;
    for (int k = 0; k < cfg->mfcc; k++) {
        double scale = sqrt((k == 0 && cfg->dct == DSP_DCT_ORTHO ? 1.0 : 2.0) / mels);
        for (int m = 0; m < mels; m++)
            dct[(size_t)k * (size_t)mels + (size_t)m] = scale * cos(pi * k * (m + 0.5) / mels);
    }
}

void dsp_tables(const dsp_config *cfg, double *window, double *mel, double *dct)
{
    if (window) fill_window(cfg, window);
    if (mel) fill_mel(cfg, mel);
    if (dct) fill_dct(cfg, dct);
}
