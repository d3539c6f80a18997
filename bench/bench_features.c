/* Clips per second of each feature preset on one thread, and how much of it is the FFT alone.
 *     bench_features [SECONDS]     how long each preset is measured (0.5)
 * Prints preset, clips/s (best of five slices), us per clip, us of bare FFTs, FFT share; then the
 * same for what augmentation does to a clip of one second, and for making a room.
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

/* What is done to a clip of one second, and with what. */
enum { N = 16000 };
typedef struct tools {
    dsp_speed *speed;
    dsp_rirs *rirs;
    dsp_reverb *reverb;
    float *in, *out;
} tools;

static void run_speed(const tools *t)
{
    dsp_speed_run(t->speed, 115, t->out, t->in, N);
}

static void run_room(const tools *t)
{
    dsp_reverb_run(t->reverb, 0, t->in);
}

static void run_noise(const tools *t)
{
    dsp_mix(t->out, t->in, 1e-6f * dsp_snr_gain(t->out, t->in, N, 160, 10), N);
}

static void measure_step(const char *name, void (*run)(const tools *t), const tools *t,
                         double seconds)
{
    double best = 1e9;
    for (int s = 0; s < SLICES; s++) {
        int clips = 0;
        double start = base_seconds(), spent = 0;
        while (spent < seconds / SLICES) {
            for (int i = 0; i < CLIPS; i++) run(t);
            clips += CLIPS;
            spent = base_seconds() - start;
        }
        if (spent / clips < best) best = spent / clips;
    }
    printf("%s\t%.0f\t%.2f\t-\t-\n", name, 1 / best, best * 1e6);
}

/* A room that takes half a second to fall silent, and how long it takes to simulate one. */
static base_status make_room(tools *t, base_err *err)
{
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 1);
    dsp_room room = dsp_room_draw(0.5, 0.5, &rng);
    double start = base_seconds();
    BASE_TRY(dsp_room_response(&room, N, t->out, N / 2, err));
    printf("simulating a room\t%.0f\t%.2f\t-\t-\n", 1 / (base_seconds() - start),
           1e6 * (base_seconds() - start));
    BASE_TRY(dsp_rirs_new(&(dsp_rir){t->out, N / 2, 0}, 1, N, &t->rirs, err));
    return dsp_reverb_new(t->rirs, &t->reverb, err);
}

static base_status measure_augmentation(double seconds, base_err *err)
{
    tools t = {.in = base_alloc(2 * N, sizeof *t.in)};
    if (!t.in) return base_nomem(err, 2 * N * sizeof *t.in);
    t.out = t.in + N;
    base_status st = dsp_speed_new(85, 115, &t.speed, err);
    if (st == BASE_OK) st = make_room(&t, err);
    fill(t.in, 2 * N);
    if (st == BASE_OK) {
        measure_step("speed 115 %", run_speed, &t, seconds);
        measure_step("room of 0.5 s", run_room, &t, seconds);
        measure_step("noise at an SNR", run_noise, &t, seconds);
    }
    dsp_reverb_free(t.reverb);
    dsp_rirs_free(t.rirs);
    dsp_speed_free(t.speed);
    base_free(t.in);
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
    if (measure_augmentation(seconds, &err) == BASE_OK) return 0;
    fprintf(stderr, "bench_features: augmentation: %s\n", err.message);
    return 1;
}
