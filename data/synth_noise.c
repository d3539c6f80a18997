/* Background noises. Coloured ones are sums of first-order low-passes of white noise: one pole
 * falls by 6 dB an octave (brown); poles at corners a factor 3 apart, each of the same power, add
 * up to 1/f within half a decibel (pink). */
#include "data/synth_parts.h"

#include <math.h>

#define PI        3.14159265358979323846
#define NOISE_RMS 0.1

const char *data_noise_name(data_noise_kind kind)
{
    static const char *const names[DATA_NOISE_KINDS] = {
        [DATA_NOISE_WHITE] = "white_noise",
        [DATA_NOISE_PINK] = "pink_noise",
        [DATA_NOISE_BROWN] = "brown_noise",
        [DATA_NOISE_HUM] = "mains_hum",
    };
    return names[kind];
}

/* pcm += noise of RMS `level`, low-passed with one pole at `corner` Hz:
 * y[i] = a y[i-1] + sqrt(1 - a^2) x[i], a = exp(-2 pi corner / rate) */
static void add_pole(base_rng *rng, double corner, double level, float *pcm, size_t n)
{
    double a = exp(-2 * PI * corner / DATA_SYNTH_RATE), b = sqrt(1 - a * a);
    double y = base_rng_normal(rng);
    for (size_t i = 0; i < n; i++) {
        y = a * y + b * base_rng_normal(rng);
        pcm[i] += (float)(level * y);
    }
}

/* Harmonics of a mains frequency, falling off, with phases and levels that wander slowly. */
static void add_hum(base_rng *rng, double hz, float *pcm, size_t n)
{
    for (int k = 1; k <= 12; k++) {
        double level = (k % 2 ? 0.6 : 1.0) / k, phase = 2 * PI * base_rng_uniform(rng);
        double swing = 0.2 + 0.5 * base_rng_uniform(rng), wander = 2 * PI * base_rng_uniform(rng);
        for (size_t i = 0; i < n; i++) {
            double t = (double)i / DATA_SYNTH_RATE;
            double loud = level * (1 + 0.3 * sin(2 * PI * swing * t + wander));
            pcm[i] += (float)(loud * sin(2 * PI * hz * k * t + phase));
        }
    }
    for (size_t i = 0; i < n; i++) pcm[i] += (float)(0.03 * base_rng_normal(rng));
}

void data_noise_normalize(float *pcm, size_t n)
{
    double power = 0, max = 0;
    for (size_t i = 0; i < n; i++) {
        power += (double)pcm[i] * (double)pcm[i];
        max = fmax(max, fabs((double)pcm[i]));
    }
    if (max <= 0) return;
    double gain = fmin(NOISE_RMS / sqrt(power / (double)n), 1 / max);
    for (size_t i = 0; i < n; i++) pcm[i] *= (float)gain;
}

void data_noise_make(data_noise_kind kind, uint64_t seed, float *pcm, size_t n)
{
    base_rng rng = base_rng_at(seed, BASE_RNG_SYNTH, 1, (uint64_t)kind);
    for (size_t i = 0; i < n; i++) pcm[i] = 0;
    switch (kind) {
    case DATA_NOISE_WHITE:
        for (size_t i = 0; i < n; i++) pcm[i] = (float)base_rng_normal(&rng);
        break;
    case DATA_NOISE_PINK:
        for (double corner = 10; corner < 3000; corner *= 3) add_pole(&rng, corner, 1, pcm, n);
        add_pole(&rng, 7290, 0.76, pcm, n); /* less: the others' folded tails are there too */
        break;
    case DATA_NOISE_BROWN: add_pole(&rng, 20, 1, pcm, n); break;
    case DATA_NOISE_HUM:
        add_hum(&rng, 50, pcm, n / 2);
        add_hum(&rng, 60, pcm + n / 2, n - n / 2);
        break;
    case DATA_NOISE_KINDS: break;
    }
    data_noise_normalize(pcm, n);
}
