/* Clips per second of each feature preset on one thread, and how much of it is the FFT alone.
 *     bench_features [SECONDS]     how long each preset is measured (0.5)
 * Prints preset, clips/s (best of five slices), us per clip, us of bare FFTs, FFT share; then the
 * same for changing the speed of a clip of one second.
 */
#include "dsp/dsp.h"
#include "dsp/fft.h"

#include <stdlib.h>

enum { CLIPS = 32, SLICES = 5 };

static void fill(float *x, size_t n)
{
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(0.1 * base_rng_normal(&rng));
}

/* Microseconds per clip: the best slice, since anything else is the machine's other work. */
static double time_clips(dsp_frontend *fe, const float *pcm, float *out, double seconds)
{
    double best = 1e9;
    int samples = dsp_frontend_config(fe)->samples;
    for (int s = 0; s < SLICES; s++) {
        int clips = 0;
        double start = base_seconds(), spent = 0;
        while (spent < seconds / SLICES) {
            for (int i = 0; i < CLIPS; i++)
                dsp_frontend_run(fe, pcm + (size_t)i * (size_t)samples, out);
            clips += CLIPS;
            spent = base_seconds() - start;
        }
        if (spent / clips < best) best = spent / clips;
    }
    return best * 1e6;
}

/* Microseconds of the bare FFTs that one clip needs. */
static double time_ffts(dsp_fft *fft, int frames, double seconds)
{
    double best = 1e9;
    for (int s = 0; s < SLICES; s++) {
        int clips = 0;
        double start = base_seconds(), spent = 0;
        while (spent < seconds / SLICES) {
            for (int i = 0; i < CLIPS * frames; i++) dsp_fft_run(fft);
            clips += CLIPS;
            spent = base_seconds() - start;
        }
        if (spent / clips < best) best = spent / clips;
    }
    return best * 1e6;
}

static base_status measure_speed(double seconds, base_err *err)
{
    enum { N = 16000 };
    dsp_speed *speed = NULL;
    float *in = base_alloc(2 * N, sizeof *in);
    if (!in) return base_nomem(err, 2 * N * sizeof *in);
    base_status st = dsp_speed_new(85, 115, &speed, err);
    double best = 1e9;
    fill(in, N);
    for (int s = 0; st == BASE_OK && s < SLICES; s++) {
        int clips = 0;
        double start = base_seconds(), spent = 0;
        while (spent < seconds / SLICES) {
            for (int i = 0; i < CLIPS; i++) dsp_speed_run(speed, 115, in + N, in, N);
            clips += CLIPS;
            spent = base_seconds() - start;
        }
        if (spent / clips < best) best = spent / clips;
    }
    if (st == BASE_OK) printf("speed 115 %%\t%.0f\t%.2f\t-\t-\n", 1 / best, best * 1e6);
    dsp_speed_free(speed);
    base_free(in);
    return st;
}

static base_status measure(const char *name, double seconds, base_err *err)
{
    dsp_config cfg;
    int frames, bins;
    BASE_TRY(dsp_preset(name, &cfg, err));
    dsp_config_shape(&cfg, &frames, &bins);
    size_t n = (size_t)cfg.samples * CLIPS;
    float *pcm = base_alloc(n, sizeof *pcm);
    float *out = base_alloc((size_t)frames * (size_t)bins, sizeof *out);
    dsp_frontend *fe = NULL;
    dsp_fft *fft = NULL;
    base_status st = pcm && out ? BASE_OK : base_nomem(err, n * sizeof *pcm);
    if (st == BASE_OK) st = dsp_frontend_new(&cfg, NULL, NULL, &fe, err);
    if (st == BASE_OK) st = dsp_fft_new(cfg.fft, &fft, err);
    if (st == BASE_OK) {
        fill(pcm, n);
        fill(dsp_fft_input(fft), (size_t)cfg.fft);
        double clip = time_clips(fe, pcm, out, seconds), bare = time_ffts(fft, frames, seconds);
        printf("%s\t%.0f\t%.2f\t%.2f\t%.0f%%\n", name, 1e6 / clip, clip, bare, 100 * bare / clip);
    }
    dsp_fft_free(fft);
    dsp_frontend_free(fe);
    base_free(pcm);
    base_free(out);
    return st;
}

int main(int argc, char **argv)
{
    double seconds = 0.5;
    if (argc > 2 || (argc == 2 && !base_parse_double(argv[1], &seconds))) {
        fprintf(stderr, "usage: bench_features [SECONDS]\n");
        return 2;
    }
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    printf("preset\tclips/s\tus/clip\tus FFT\tFFT share\n");
    for (size_t i = 0; i < n; i++) {
        base_err err = {0};
        if (measure(names[i], seconds, &err) != BASE_OK) {
            fprintf(stderr, "bench_features: %s: %s\n", names[i], err.message);
            return 1;
        }
    }
    base_err err = {0};
    if (measure_speed(seconds, &err) == BASE_OK) return 0;
    fprintf(stderr, "bench_features: speed: %s\n", err.message);
    return 1;
}
