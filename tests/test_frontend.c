/* The integer front-end against a direct evaluation of the definition in double, written here from
 * the formulas; streams against clips; and real clips where SOTTO_SPEECH_COMMANDS is a folder of
 * them, against the float front-end.
 */
#include "tests/check.h"

#include "dsp/fixed.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;
enum { CLIP = 16000 };

/* ---- the oracle ---- */

static double mel_of(const dsp_config *c, double f)
{
    if (c->mel_scale == DSP_SCALE_HTK) return 2595 * log10(1 + f / 700);
    return f < 1000 ? 3 * f / 200 : 15 + 27 * log(f / 1000) / log(6.4);
}

static double hz_of(const dsp_config *c, double m)
{
    if (c->mel_scale == DSP_SCALE_HTK) return 700 * (pow(10, m / 2595) - 1);
    return m < 15 ? 200 * m / 3 : 1000 * pow(6.4, (m - 15) / 27);
}

static double weight_of(const dsp_config *c, int b, double f)
{
    const double lo = mel_of(c, c->f_lo), step = (mel_of(c, c->f_hi) - lo) / (c->mels + 1);
    double e[3], x = mel_of(c, f);
    for (int i = 0; i < 3; i++) e[i] = lo + step * (b + i);
    const double area = (hz_of(c, e[2]) - hz_of(c, e[0])) / 2;
    if (c->triangles == DSP_TRIANGLES_HZ) {
        for (int i = 0; i < 3; i++) e[i] = hz_of(c, e[i]);
        x = f;
    }
    const double w = fmin((x - e[0]) / (e[1] - e[0]), (e[2] - x) / (e[2] - e[1]));
    return f <= 0 || w <= 0 ? 0 : c->area_norm ? w / area : w;
}

static double window_of(const dsp_config *c, int i, int n)
{
    switch (c->window) {
    case DSP_WINDOW_HANN: return 0.5 - 0.5 * cos(2 * pi * i / n);
    case DSP_WINDOW_HANN_SYMMETRIC: return 0.5 - 0.5 * cos(2 * pi * i / (n - 1));
    case DSP_WINDOW_HAMMING: return 0.54 - 0.46 * cos(2 * pi * i / (n - 1));
    default: return 1;
    }
}

static double sample_of(const dsp_config *c, const int16_t *pcm, double top, int i)
{
    if (i < 0) i = -i;
    if (i >= c->samples) i = 2 * (c->samples - 1) - i;
    const double x = pcm[i] - (i > 0 ? c->preemphasis * pcm[i - 1] : 0);
    return x / (c->level == DSP_LEVEL_MAX && top > 0 ? top : 32768);
}

typedef struct oracle {
    const dsp_config *c;
    int n, hop, half, before;
    double *x, *turn, *spectrum, *weights, *bands;
} oracle;

static void oracle_open(oracle *o, const dsp_config *c)
{
    *o = (oracle){.c = c, .half = c->fft / 2};
    o->n = (int)lround(c->window_ms * c->rate / 1000);
    o->hop = (int)lround(c->hop_ms * c->rate / 1000);
    o->before = c->center ? c->fft / 2 - (c->fft - o->n) / 2 : 0;
    o->x = malloc((size_t)o->n * sizeof(double));
    o->turn = malloc(2 * (size_t)c->fft * sizeof(double));
    o->spectrum = malloc(((size_t)o->half + 1) * sizeof(double));
    o->weights = malloc((size_t)c->mels * ((size_t)o->half + 1) * sizeof(double));
    o->bands = malloc((size_t)c->mels * sizeof(double));
    for (int i = 0; i < c->fft; i++) {
        o->turn[2 * i] = cos(2 * pi * i / c->fft);
        o->turn[2 * i + 1] = sin(2 * pi * i / c->fft);
    }
    for (int b = 0; b < c->mels; b++)
        for (int k = 0; k <= o->half; k++)
            o->weights[b * (o->half + 1) + k] = weight_of(c, b, (double)k * c->rate / c->fft);
}

static void oracle_close(oracle *o)
{
    free(o->x);
    free(o->turn);
    free(o->spectrum);
    free(o->weights);
    free(o->bands);
}

static void oracle_spectrum(oracle *o, const int16_t *pcm, double top, int t)
{
    const dsp_config *c = o->c;
    for (int i = 0; i < o->n; i++)
        o->x[i] = sample_of(c, pcm, top, t * o->hop - o->before + i) * window_of(c, i, o->n);
    for (int k = 0; k <= o->half; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < o->n; i++) {
            const int at = (int)((long)i * k % c->fft);
            re += o->x[i] * o->turn[2 * at];
            im -= o->x[i] * o->turn[2 * at + 1];
        }
        const double power = re * re + im * im;
        o->spectrum[k] = c->spectrum == DSP_SPECTRUM_POWER ? power : sqrt(power);
    }
}

static void oracle_frame(oracle *o, const int16_t *pcm, double top, int t, double *out)
{
    const dsp_config *c = o->c;
    oracle_spectrum(o, pcm, top, t);
    for (int b = 0; b < c->mels; b++) {
        double sum = 0;
        for (int k = 0; k <= o->half; k++)
            sum += o->weights[b * (o->half + 1) + k] * o->spectrum[k];
        o->bands[b] = log(c->floor_kind == DSP_FLOOR_ADD ? sum + c->floor : fmax(sum, c->floor));
    }
    for (int k = 0; k < (c->mfcc ? c->mfcc : c->mels); k++) {
        const double scale = sqrt((k == 0 && c->dct == DSP_DCT_ORTHO ? 1.0 : 2.0) / c->mels);
        double sum = 0;
        for (int m = 0; m < c->mels; m++) sum += o->bands[m] * cos(pi * k * (m + 0.5) / c->mels);
        out[k] = c->mfcc ? scale * sum : o->bands[k];
    }
}

/* ---- clips ---- */

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Like speech: a gliding tone with harmonics that comes and goes, over faint noise. */
static void speech(int16_t *x, int n, uint32_t seed)
{
    const double pitch = 90 + draw(&seed) % 120, size = 500 + draw(&seed) % 8000;
    double phase = 0;
    for (int i = 0; i < n; i++) {
        const double at = (double)i / n, swell = exp(-30 * (at - 0.45) * (at - 0.45));
        phase += 2 * pi * pitch * (1 + 0.3 * at) / 16000;
        double v = 0;
        for (int h = 1; h < 40; h++) v += sin(h * phase) / (1 + 0.15 * h * h);
        v = v * size * swell + (double)(draw(&seed) % 2001) / 1000 * 20 - 20;
        x[i] = (int16_t)lround(fmax(-32768, fmin(32767, v)));
    }
}

static void noise(int16_t *x, int n, uint32_t seed, int most)
{
    for (int i = 0; i < n; i++)
        x[i] = (int16_t)((int)(draw(&seed) % (uint32_t)(2 * most + 1)) - most);
}

static dsp_config preset(const char *name)
{
    dsp_config c;
    base_err err = {0};
    if (dsp_preset(name, &c, &err) != BASE_OK) fail_msg("%s", err.message);
    return c;
}

static dsp_fixed *fixed_of(const dsp_config *c)
{
    dsp_fixed *f = NULL;
    base_err err = {0};
    if (dsp_fixed_new(c, &f, &err) != BASE_OK) fail_msg("%s (%s)", err.message, err.hint);
    return f;
}

/* dB of features over their error, on every `skip`th frame. */
static double snr(const dsp_config *c, const int16_t *pcm, int skip)
{
    int frames, bins;
    double top = 0, power = 0, error = 0;
    dsp_config_shape(c, &frames, &bins);
    float *got = malloc((size_t)frames * (size_t)bins * sizeof *got);
    double *wanted = malloc((size_t)bins * sizeof *wanted);
    dsp_fixed *f = fixed_of(c);
    oracle o;
    for (int i = 0; i < c->samples; i++) top = fmax(top, pcm[i]);
    oracle_open(&o, c);
    dsp_fixed_features(f, pcm, got);
    for (int t = 0; t < frames; t = t + skip < frames || t == frames - 1 ? t + skip : frames - 1) {
        oracle_frame(&o, pcm, top, t, wanted);
        for (int k = 0; k < bins; k++) {
            const double d = (double)got[t * bins + k] - wanted[k];
            power += wanted[k] * wanted[k];
            error += d * d;
        }
    }
    oracle_close(&o);
    dsp_fixed_free(f);
    free(wanted);
    free(got);
    return 10 * log10(power / fmax(error, 1e-30));
}

/* ---- tests ---- */

static void test_presets(void **state)
{
    (void)state;
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    static int16_t pcm[CLIP];
    for (size_t i = 0; i < n; i++) {
        const dsp_config c = preset(names[i]);
        speech(pcm, CLIP, (uint32_t)i);
        const double voice = snr(&c, pcm, 7);
        noise(pcm, CLIP, 5, 32767);
        for (int j = 0; j < CLIP; j += 2) pcm[j] = pcm[j] < 0 ? -32768 : 32767;
        const double loud = snr(&c, pcm, 11);
        noise(pcm, CLIP, 6, 1);
        const double faint = snr(&c, pcm, 11);
        memset(pcm, 0, sizeof pcm);
        const double silent = snr(&c, pcm, 16);
        print_message("%-14s speech %.1f dB, loud %.1f, faint %.1f, silence %.1f\n", names[i],
                      voice, loud, faint, silent);
        assert_true(voice >= 60);
        assert_true(loud >= 60);
        assert_true(faint >= 60);
        assert_true(silent >= 60);
    }
}

/* What is hardest on 32 bits: all the largest, of one sign, alternating, alone; sanitizers look on.
 * Without noise there is nothing between the strong bins, so that only weak bounds hold. */
static void test_extremes(void **state)
{
    (void)state;
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    static int16_t pcm[CLIP];
    for (size_t i = 0; i < n; i++)
        for (int kind = 0; kind < 6; kind++) {
            dsp_config c = preset(names[i]);
            if (kind == 5) c.window = DSP_WINDOW_RECT;
            for (int j = 0; j < CLIP; j++)
                pcm[j] = (int16_t)(kind == 0   ? -32768
                                   : kind == 1 ? 32767
                                   : kind == 2 ? (j & 1 ? -32768 : 32767)
                                   : kind == 3 ? (j % 4 < 2 ? -32768 : 32767)
                                   : kind == 4 ? (j % 1000 == 500 ? 32767 : 0)
                                               : (j * 7 % 512 < 256 ? -32768 : 32767));
            const double db = snr(&c, pcm, 16);
            if (kind >= 4 && db < 40) print_message("%s, %d: %.1f dB\n", names[i], kind, db);
            assert_true(db > (kind >= 4 ? 40 : 0));
        }
}

static void test_random_configs(void **state)
{
    (void)state;
    static const int ffts[] = {256, 512, 480, 320, 600, 1024, 360};
    static int16_t pcm[4000];
    uint32_t r = 9;
    for (int i = 0; i < 40; i++) {
        dsp_config c = preset("mfcc_49x10");
        c.samples = 4000;
        c.fft = ffts[draw(&r) % BASE_COUNT(ffts)];
        c.window_ms = (c.fft - (int)(draw(&r) % 60)) / 16.0;
        c.hop_ms = (double)(40 + draw(&r) % 600) / 16;
        c.window = (int)(draw(&r) % 4);
        c.center = (int)(draw(&r) % 2);
        c.spectrum = (int)(draw(&r) % 2);
        c.mel_scale = (int)(draw(&r) % 2);
        c.triangles = (int)(draw(&r) % 2);
        c.area_norm = (int)(draw(&r) % 2);
        c.mels = 3 + (int)(draw(&r) % 18);
        c.f_lo = draw(&r) % 200;
        c.f_hi = 3000 + draw(&r) % 5000;
        c.floor_kind = (int)(draw(&r) % 2);
        c.mfcc = draw(&r) % 3 == 0 ? 0 : 1 + (int)(draw(&r) % (uint32_t)c.mels);
        c.dct = (int)(draw(&r) % 2);
        c.preemphasis = c.center || draw(&r) % 2 ? 0 : 0.97;
        c.level = c.floor_kind == DSP_FLOOR_MAX ? DSP_LEVEL_NONE : (int)(draw(&r) % 2);
        speech(pcm, c.samples, r);
        const double db = snr(&c, pcm, 3);
        if (db < 60)
            fail_msg("config %d: fft %d window %d center %d mels %d mfcc %d level %d "
                     "preemphasis %g: %.1f dB",
                     i, c.fft, c.window, c.center, c.mels, c.mfcc, c.level, c.preemphasis, db);
    }
}

/* Input of a model from a stream in random pieces, and of the clip. */
static void test_stream(void **state)
{
    (void)state;
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    static int16_t pcm[CLIP];
    uint32_t r = 3;
    for (size_t i = 0; i < n + 3; i++) {
        dsp_config c = preset(names[i < n ? i : 0]);
        int frames, bins;
        base_err err = {0};
        if (i == n) c.hop_ms = 45, c.preemphasis = 0.9; /* samples between frames */
        if (i == n + 1) c.hop_ms = 3;
        if (i == n + 2) c.mfcc = 0, c.hop_ms = 19.9;
        dsp_config_shape(&c, &frames, &bins);
        speech(pcm, CLIP, (uint32_t)i + 50);
        dsp_fixed *f = fixed_of(&c);
        assert_int_equal(dsp_fixed_input(f, NULL, NULL, 0.3, 12, &err), BASE_OK);
        const size_t size = (size_t)frames * (size_t)bins;
        const sotto_frontend_t *p = dsp_fixed_frontend(f);
        int8_t *clip = malloc(size), *stream = malloc(size), *newest = malloc((size_t)bins);
        int32_t *memory = malloc(4 * (size_t)sotto_frontend_memory(p));
        int32_t *scratch = malloc(4 * (size_t)sotto_frontend_scratch(p));
        sotto_frontend_state_t s;
        int came = 0;
        dsp_fixed_run(f, pcm, clip);
        sotto_frontend_init(p, &s, memory, scratch);
        for (int at = 0; at < CLIP;) {
            const int most = 1 + (int)(draw(&r) % 700), some = CLIP - at < most ? CLIP - at : most;
            at += sotto_frontend_push(p, &s, pcm + at, some);
            came += s.ready;
            if (s.ready) memset(scratch, 0x55, 4 * (size_t)sotto_frontend_scratch(p));
        }
        assert_true(came == frames || c.center);
        sotto_frontend_finish(p, &s);
        sotto_frontend_window(p, &s, stream);
        sotto_frontend_newest(p, &s, newest);
        assert_memory_equal(clip, stream, size);
        assert_memory_equal(stream + size - bins, newest, (size_t)bins);
        free(clip);
        free(stream);
        free(newest);
        free(memory);
        free(scratch);
        dsp_fixed_free(f);
    }
}

/* int8 inputs are the features quantized, to one of their steps. */
static void test_input(void **state)
{
    (void)state;
    static int16_t pcm[CLIP];
    const dsp_config c = preset("mfcc_49x10");
    float mean[10], std[10], x[490];
    int8_t q[490];
    base_err err = {0};
    dsp_fixed *f = fixed_of(&c);
    for (int k = 0; k < 10; k++) mean[k] = (float)(k == 0 ? -40 : k - 5), std[k] = 1 + (float)k / 3;
    assert_int_equal(dsp_fixed_input(f, mean, std, 0.04, -7, &err), BASE_OK);
    speech(pcm, CLIP, 77);
    dsp_fixed_run(f, pcm, q);
    dsp_fixed_features(f, pcm, x);
    int inside = 0;
    for (int i = 0; i < 490; i++) {
        const double v = -7 + ((double)x[i] - (double)mean[i % 10]) / (double)std[i % 10] / 0.04;
        inside += fabs(v) < 127;
        assert_true(fabs(q[i] - fmax(-128, fmin(127, v))) < 0.52);
    }
    assert_true(inside > 100);
    dsp_fixed_free(f);
}

static void test_refused(void **state)
{
    (void)state;
    dsp_config c = preset("logmel_40x101");
    base_err err = {0};
    dsp_fixed *f = NULL;
    c.fft = 490;
    assert_int_equal(dsp_fixed_new(&c, &f, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "fft = 490"));
    c = preset("logmel_40x101");
    c.preemphasis = 0.5;
    assert_int_equal(dsp_fixed_new(&c, &f, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "preemphasis = 0.5"));
    c = preset("mfcc_25x10");
    c.fft = 16384, c.mels = 2, c.mfcc = 0;
    assert_int_equal(dsp_fixed_new(&c, &f, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "mels = 2"));
    assert_null(f);
    /* text of models from before the key */
    base_str text = {0};
    dsp_config back;
    c = preset("mfcc_49x10");
    c.frontend = DSP_FRONTEND_FIXED;
    dsp_config_print(&c, &text);
    assert_int_equal(dsp_config_parse(text.s, &back, &err), BASE_OK);
    assert_int_equal(back.frontend, DSP_FRONTEND_FIXED);
    char *key = strstr(text.s, "frontend = fixed\n");
    assert_non_null(key);
    *key = '\0';
    assert_int_equal(dsp_config_parse(text.s, &back, &err), BASE_OK);
    assert_int_equal(back.frontend, DSP_FRONTEND_FLOAT);
    base_str_free(&text);
}

/* dsp_frontend with frontend = fixed gives the same features. */
static void test_key(void **state)
{
    (void)state;
    static int16_t pcm[CLIP];
    static float x[CLIP], a[490], b[490];
    dsp_config c = preset("mfcc_49x10");
    dsp_frontend *fe = NULL;
    base_err err = {0};
    c.frontend = DSP_FRONTEND_FIXED;
    speech(pcm, CLIP, 8);
    dsp_from_pcm16(x, pcm, CLIP);
    assert_int_equal(dsp_frontend_new(&c, NULL, NULL, &fe, &err), BASE_OK);
    dsp_frontend_run(fe, x, a);
    dsp_fixed *f = fixed_of(&c);
    dsp_fixed_features(f, pcm, b);
    assert_memory_equal(a, b, sizeof a);
    dsp_frontend_free(fe);
    dsp_fixed_free(f);
}

static void check_real(const char *name, const int16_t *pcm, int clips)
{
    const dsp_config c = preset(name);
    static float x[CLIP];
    int frames, bins;
    base_err err = {0};
    dsp_frontend *fe = NULL;
    dsp_fixed *f = fixed_of(&c);
    dsp_config_shape(&c, &frames, &bins);
    const size_t n = (size_t)frames * (size_t)bins, all = n * (size_t)clips;
    float *a = malloc(all * sizeof *a), *b = malloc(all * sizeof *b);
    assert_int_equal(dsp_frontend_new(&c, NULL, NULL, &fe, &err), BASE_OK);
    for (int i = 0; i < clips; i++) {
        dsp_from_pcm16(x, pcm + (size_t)i * CLIP, CLIP);
        dsp_frontend_run(fe, x, a + (size_t)i * n);
        dsp_fixed_features(f, pcm + (size_t)i * CLIP, b + (size_t)i * n);
    }
    double raw = 0, around = 0, error = 0;
    for (int k = 0; k < bins; k++) {
        double sum = 0, squares = 0, rows = (double)all / bins;
        for (size_t i = (size_t)k; i < all; i += (size_t)bins) {
            const double v = (double)a[i], d = (double)b[i] - v;
            sum += v, squares += v * v, error += d * d;
        }
        raw += squares;
        around += squares - sum * sum / rows;
    }
    print_message("%-14s %d real clips: %.1f dB, without means %.1f dB\n", name, clips,
                  10 * log10(raw / error), 10 * log10(around / error));
    assert_true(10 * log10(raw / error) >= 60);
    assert_true(10 * log10(around / error) >= 60);
    free(a);
    free(b);
    dsp_frontend_free(fe);
    dsp_fixed_free(f);
}

static void test_real(void **state)
{
    (void)state;
    const char *root = getenv("SOTTO_SPEECH_COMMANDS");
    enum { CLIPS = 200 };
    char pattern[1024];
    glob_t files;
    size_t n;
    base_err err = {0};
    snprintf(pattern, sizeof pattern, "%s/[a-z]*/*_nohash_*", root ? root : "");
    if (!root || glob(pattern, 0, NULL, &files) != 0) {
        print_message("skipped: SOTTO_SPEECH_COMMANDS names no folder of real clips\n");
        skip();
    }
    int16_t *pcm = calloc((size_t)CLIPS * CLIP, sizeof *pcm);
    for (size_t i = 0; i < CLIPS; i++) {
        dsp_audio audio;
        const char *path = files.gl_pathv[i * files.gl_pathc / CLIPS];
        assert_int_equal(dsp_audio_read(path, 16000, 10, &audio, &err), BASE_OK);
        dsp_to_pcm16(pcm + i * CLIP, audio.pcm, audio.n < CLIP ? audio.n : CLIP);
        dsp_audio_free(&audio);
    }
    globfree(&files);
    const char *const *names = dsp_preset_names(&n);
    for (size_t i = 0; i < n; i++) check_real(names[i], pcm, CLIPS);
    free(pcm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_random_configs),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
