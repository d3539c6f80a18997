/* Features against a direct O(N^2) evaluation of their definition in double, written here from the
 * formulas and sharing nothing with dsp/ but the settings; and properties that need no oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dsp/dsp.h"
#include "dsp/fft.h"
#include "dsp/lanes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* ---- the oracle ---- */

static double mel_of(const dsp_config *c, double f)
{
    if (c->mel_scale == DSP_SCALE_HTK) return 2595.0 / log(10.0) * log1p(f / 700.0);
    const double step = log(6.4) / 27.0, linear = 200.0 / 3.0;
    return f >= 1000.0 ? 1000.0 / linear + log(f / 1000.0) / step : f / linear;
}

static double hz_of(const dsp_config *c, double m)
{
    if (c->mel_scale == DSP_SCALE_HTK) return 700.0 * expm1(m * log(10.0) / 2595.0);
    const double step = log(6.4) / 27.0, linear = 200.0 / 3.0;
    return m >= 15.0 ? 1000.0 * exp(step * (m - 15.0)) : m * linear;
}

/* Weight of frequency f in band b. */
static double weight_of(const dsp_config *c, int b, double f)
{
    double lo = mel_of(c, c->f_lo), step = (mel_of(c, c->f_hi) - lo) / (c->mels + 1);
    double left = lo + b * step, peak = left + step, right = peak + step, x = mel_of(c, f);
    double width_hz = hz_of(c, right) - hz_of(c, left), w;
    if (c->triangles == DSP_TRIANGLES_HZ) {
        left = hz_of(c, left), peak = hz_of(c, peak), right = hz_of(c, right);
        x = f;
    }
    if (f <= 0 || x <= left || x >= right) return 0;
    w = x <= peak ? (x - left) / (peak - left) : (right - x) / (right - peak);
    return c->area_norm ? w * 2.0 / width_hz : w;
}

static double window_of(const dsp_config *c, int i, int n)
{
    if (c->window == DSP_WINDOW_HANN) return pow(sin(pi * i / n), 2);
    if (c->window == DSP_WINDOW_HANN_SYMMETRIC) return pow(sin(pi * i / (n - 1)), 2);
    if (c->window == DSP_WINDOW_HAMMING) return 0.08 + 0.92 * pow(sin(pi * i / (n - 1)), 2);
    return 1;
}

/* Levelled and pre-emphasised sample i; outside the clip reflected about its first and last. */
static double sample_of(const dsp_config *c, const float *pcm, double top, int i)
{
    if (i < 0) i = -i;
    if (i >= c->samples) i = 2 * (c->samples - 1) - i;
    double x = (double)pcm[i] - (i > 0 ? c->preemphasis * (double)pcm[i - 1] : 0);
    return c->level == DSP_LEVEL_MAX && top > 0 ? x / top : x;
}

/* |X[k]| or |X[k]|^2 of frame t by the sum itself. */
static void oracle_spectrum(const dsp_config *c, const float *pcm, int t, double *power)
{
    int n = (int)floor(c->window_ms * c->rate / 1000 + 0.5);
    int hop = (int)floor(c->hop_ms * c->rate / 1000 + 0.5);
    int start = t * hop - (c->center ? c->fft / 2 - (c->fft - n) / 2 : 0);
    double top = 0, *x = malloc((size_t)n * sizeof *x), *turn = malloc((size_t)c->fft * 16);
    for (int i = 0; i < c->samples; i++) top = fmax(top, (double)pcm[i]);
    for (int i = 0; i < n; i++) x[i] = sample_of(c, pcm, top, start + i) * window_of(c, i, n);
    for (int i = 0; i < c->fft; i++) {
        turn[2 * i] = cos(2 * pi * i / c->fft);
        turn[2 * i + 1] = sin(2 * pi * i / c->fft);
    }
    for (int k = 0; k <= c->fft / 2; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < n; i++) {
            int at = (int)((int64_t)i * k % c->fft);
            re += x[i] * turn[2 * at];
            im -= x[i] * turn[2 * at + 1];
        }
        power[k] = re * re + im * im;
        if (c->spectrum == DSP_SPECTRUM_MAGNITUDE) power[k] = sqrt(power[k]);
    }
    free(x);
    free(turn);
}

static void oracle(const dsp_config *c, const float *pcm, const float *mean, const float *std,
                   double *out)
{
    int frames, bins;
    dsp_config_shape(c, &frames, &bins);
    double *power = malloc((size_t)(c->fft / 2 + 1) * sizeof *power);
    double *band = malloc((size_t)c->mels * sizeof *band);
    for (int t = 0; t < frames; t++) {
        oracle_spectrum(c, pcm, t, power);
        for (int b = 0; b < c->mels; b++) {
            double sum = 0;
            for (int k = 0; k <= c->fft / 2; k++)
                sum += weight_of(c, b, (double)k * c->rate / c->fft) * power[k];
            band[b] = log(c->floor_kind == DSP_FLOOR_ADD ? sum + c->floor : fmax(sum, c->floor));
        }
        for (int k = 0; k < bins; k++) {
            double y = c->mfcc ? 0 : band[k];
            for (int m = 0; c->mfcc && m < c->mels; m++)
                y += 2 * band[m] * cos(pi * k * (2 * m + 1) / (2.0 * c->mels));
            if (c->mfcc) y /= sqrt(2.0 * c->mels);
            if (c->mfcc && k == 0 && c->dct == DSP_DCT_ORTHO) y /= sqrt(2.0);
            if (mean) y = (y - (double)mean[k]) / (double)std[k];
            out[t * bins + k] = y;
        }
    }
    free(power);
    free(band);
}

/* ---- signals ---- */

static void noise(float *x, int n, double gain, uint64_t seed)
{
    base_rng rng = base_rng_at(seed, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < n; i++) x[i] = (float)(gain * base_rng_normal(&rng));
}

/* Something like a vowel that begins and ends: harmonics of a gliding pitch under two formants, a
 * syllable's envelope, a burst of noise, a quiet floor. */
static void voice(float *x, int n, int rate)
{
    base_rng rng = base_rng_at(7, BASE_RNG_TEST, 1, 0);
    double phase = 0;
    for (int i = 0; i < n; i++) {
        double t = (double)i / n, pitch = 140 - 40 * t, sum = 0;
        phase += 2 * pi * pitch / rate;
        for (int h = 1; h * pitch < 0.45 * rate && h < 40; h++) {
            double f = h * pitch, f1 = (f - 600) / 150, f2 = (f - 1700) / 250;
            sum += sin(h * phase) * (0.02 + exp(-f1 * f1) + 0.5 * exp(-f2 * f2));
        }
        double vowel = t > 0.3 && t < 0.7 ? pow(sin(pi * (t - 0.3) / 0.4), 2) : 0;
        double burst = t > 0.22 && t < 0.28 ? 0.05 : 0.001;
        x[i] = (float)(0.15 * vowel * sum + burst * base_rng_normal(&rng));
    }
}

static double snr(const double *want, const float *got, size_t n)
{
    double signal = 0, error = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(got[i]));
        signal += want[i] * want[i];
        error += (want[i] - (double)got[i]) * (want[i] - (double)got[i]);
    }
    return 10 * log10(signal / (error + 1e-300));
}

static dsp_frontend *front(const dsp_config *c, const float *mean, const float *std)
{
    base_err err = {0};
    dsp_frontend *fe = NULL;
    if (dsp_frontend_new(c, mean, std, &fe, &err) != BASE_OK) fail_msg("%s", err.message);
    return fe;
}

static double compare(const dsp_config *c, const float *pcm, const float *mean, const float *std)
{
    int frames, bins;
    dsp_config_shape(c, &frames, &bins);
    size_t n = (size_t)frames * (size_t)bins;
    double *want = malloc(n * sizeof *want);
    float *got = malloc(n * sizeof *got);
    oracle(c, pcm, mean, std, want);
    dsp_frontend *fe = front(c, mean, std);
    dsp_frontend_run(fe, pcm, got);
    dsp_frontend_free(fe);
    double db = snr(want, got, n);
    free(want);
    free(got);
    return db;
}

/* ---- settings under test: a preset and the keys that differ from it ---- */

typedef struct variant {
    const char *preset, *changes;
} variant;

static const variant variants[] = {
    {"mfcc_49x10", ""},
    {"logmel_40x101", ""},
    {"mfcc_40x98", ""},
    {"mfcc_40x101", ""},
    {"mfcc_64x98", ""},
    {"mfcc_32x101", ""},
    {"mfcc_25x10", ""},
    {"mfcc_20x49", ""},
    {"mfcc_30x49", ""},
    {"mfcc_49x10", "window_ms=40 fft=1024 spectrum=power level=none"},
    {"mfcc_49x10", "window_ms=40 fft=1024 f_hi=7000 mfcc=20 floor_kind=max floor=1e-12 dct=ortho"},
    {"logmel_40x101", "center=no mels=80 f_lo=20 f_hi=7600 triangles=mel spectrum=magnitude"},
    {"logmel_40x101",
     "mel_scale=slaney area_norm=yes window=hamming preemphasis=0.97 window_ms=25"},
    {"logmel_40x101", "mel_scale=slaney triangles=mel window=hann_symmetric samples=12345 "
                      "window_ms=23.7 hop_ms=7.3"},
    {"logmel_40x101", "rate=8000 samples=4001 f_hi=4000 window=rect window_ms=32 fft=256 mels=20"},
    {"logmel_40x101", "window_ms=10 hop_ms=33"},
    {"logmel_40x101", "window_ms=25 fft=401 mels=23 mfcc=23 dct=ortho level=max"},
    {"mfcc_49x10", "rate=44100 samples=22050 window_ms=25 hop_ms=25 fft=2048 f_hi=20000 mfcc=40"},
    {"mfcc_49x10", "preemphasis=1 area_norm=yes triangles=hz center=yes"},
    {"mfcc_49x10", "samples=480 mels=1 mfcc=1 f_hi=8000"},
};

static dsp_config make(const variant *v)
{
    dsp_config c;
    base_err err = {0};
    char text[256], *save = NULL;
    assert_int_equal(dsp_preset(v->preset, &c, &err), BASE_OK);
    snprintf(text, sizeof text, "%s", v->changes);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (dsp_config_set(&c, word, value, &err) != BASE_OK) fail_msg("%s", err.message);
    }
    if (dsp_config_check(&c, &err) != BASE_OK) fail_msg("%s: %s", v->changes, err.message);
    return c;
}

static void test_oracle(void **state)
{
    (void)state;
    double worst = 1e9;
    for (size_t i = 0; i < BASE_COUNT(variants); i++) {
        dsp_config c = make(&variants[i]);
        float *pcm = malloc((size_t)c.samples * sizeof *pcm);
        voice(pcm, c.samples, c.rate);
        double speech = compare(&c, pcm, NULL, NULL);
        noise(pcm, c.samples, 0.1, i);
        double white = compare(&c, pcm, NULL, NULL);
        free(pcm);
        print_message("%s %s: %.1f dB on speech, %.1f dB on noise\n", variants[i].preset,
                      variants[i].changes, speech, white);
        worst = fmin(worst, fmin(speech, white));
    }
    print_message("worst: %.1f dB\n", worst);
    assert_true(worst >= 90);
}

static void test_normalize(void **state)
{
    (void)state;
    dsp_config c = make(&(variant){"mfcc_49x10", "normalize=feature"});
    float pcm[16000], mean[10], std[10];
    voice(pcm, 16000, 16000);
    for (int k = 0; k < 10; k++) mean[k] = (float)(k * k - 20), std[k] = 0.5f + (float)k;
    double db = compare(&c, pcm, mean, std);
    print_message("with mean and std: %.1f dB\n", db);
    assert_true(db >= 90);

    dsp_frontend *fe = NULL;
    base_err err = {0};
    assert_int_equal(dsp_frontend_new(&c, NULL, NULL, &fe, &err), BASE_USAGE);
    assert_int_equal(dsp_frontend_new(&c, mean, NULL, &fe, &err), BASE_USAGE);
    std[3] = 0;
    assert_int_equal(dsp_frontend_new(&c, mean, std, &fe, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "feature 3"));
    std[3] = NAN;
    assert_int_equal(dsp_frontend_new(&c, mean, std, &fe, &err), BASE_DATA);
    c.normalize = DSP_NORMALIZE_NONE;
    assert_int_equal(dsp_frontend_new(&c, mean, mean, &fe, &err), BASE_USAGE);
    c.fft = 3;
    assert_int_equal(dsp_frontend_new(&c, NULL, NULL, &fe, &err), BASE_USAGE);
    assert_null(fe);
}

/* ---- properties ---- */

static void test_parseval(void **state)
{
    (void)state;
    static const int sizes[] = {2, 7, 256, 401, 480, 512, 1024};
    for (size_t s = 0; s < BASE_COUNT(sizes); s++) {
        int n = sizes[s];
        dsp_fft *fft = NULL;
        base_err err = {0};
        assert_int_equal(dsp_fft_new(n, &fft, &err), BASE_OK);
        float *x = dsp_fft_input(fft);
        noise(x, n, 1, 3);
        double time = 0, frequency = 0;
        for (int i = 0; i < n; i++) time += (double)x[i] * (double)x[i];
        const float *X = dsp_fft_run(fft);
        for (int k = 0; k <= n / 2; k++) {
            double p =
                (double)X[2 * k] * (double)X[2 * k] + (double)X[2 * k + 1] * (double)X[2 * k + 1];
            frequency += k == 0 || 2 * k == n ? p : 2 * p;
        }
        assert_true(fabs(frequency / n / time - 1) < 1e-5);

        for (int i = 0; i < n; i++) x[i] = i == 1;
        X = dsp_fft_run(fft);
        for (int k = 0; k <= n / 2; k++) {
            assert_true(fabs((double)X[2 * k] - cos(2 * pi * k / n)) < 1e-5);
            assert_true(fabs((double)X[2 * k + 1] + sin(2 * pi * k / n)) < 1e-5);
        }
        dsp_fft_free(fft);
    }
}

/* An impulse under window sample i has a flat spectrum w[i], so band b holds w[i] * sum of row b.
 */
static void test_impulse(void **state)
{
    (void)state;
    dsp_config c = make(&(variant){"mfcc_49x10", "mfcc=0 level=none"});
    double window[480], *mel = malloc(40 * 257 * sizeof *mel);
    float pcm[16000] = {0}, out[49 * 40];
    dsp_tables(&c, window, mel, NULL);
    pcm[2 * 320 + 300] = 0.7f;
    dsp_frontend *fe = front(&c, NULL, NULL);
    dsp_frontend_run(fe, pcm, out);
    for (int t = 0; t < 49; t++) {
        int i = 2 * 320 + 300 - t * 320;
        double w = i >= 0 && i < 480 ? window[i] : 0;
        for (int b = 0; b < 40; b++) {
            double row = 0;
            for (int k = 0; k < 257; k++) row += mel[b * 257 + k];
            double want = log((double)0.7f * w * row + 1e-6);
            assert_true(fabs((double)out[t * 40 + b] - want) < 1e-4);
        }
    }
    dsp_frontend_free(fe);
    free(mel);
}

/* Without centring, a clip delayed by one hop has the same frames one later, bit for bit. */
static void test_shift_by_hop(void **state)
{
    (void)state;
    static const variant plain[] = {{"mfcc_49x10", "level=none"}, {"mfcc_40x98", ""}};
    for (size_t v = 0; v < BASE_COUNT(plain); v++) {
        dsp_config c = make(&plain[v]);
        int frames, bins, hop = dsp_config_hop(&c);
        dsp_config_shape(&c, &frames, &bins);
        float *pcm = malloc(16000 * sizeof *pcm), *late = malloc(16000 * sizeof *late);
        size_t n = (size_t)frames * (size_t)bins;
        float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
        noise(pcm, 16000, 0.2, 9);
        dsp_shift(late, pcm, 16000, hop);
        dsp_frontend *fe = front(&c, NULL, NULL);
        dsp_frontend_run(fe, pcm, a);
        dsp_frontend_run(fe, late, b);
        assert_memory_equal(a, b + bins, (n - (size_t)bins) * sizeof *a);
        dsp_frontend_free(fe);
        free(pcm), free(late), free(a), free(b);
    }
}

/* Before the logarithm, mel power is quadratic in the clip and adds up over tones that share no
 * FFT bin. */
static void test_linear_before_log(void **state)
{
    (void)state;
    dsp_config c =
        make(&(variant){"logmel_40x101", "center=no window=rect window_ms=32 floor=1e-20"});
    enum { N = 97 * 40 };
    float a[16000], b[16000], both[16000], twice[16000], *out = malloc(4 * N * sizeof *out);
    for (int i = 0; i < 16000; i++) {
        a[i] = (float)(0.3 * sin(2 * pi * 20 * i / 512.0));
        b[i] = (float)(0.1 * cos(2 * pi * 111 * i / 512.0));
        both[i] = a[i] + b[i];
        twice[i] = 2 * a[i];
    }
    dsp_frontend *fe = front(&c, NULL, NULL);
    float *in[] = {a, b, both, twice};
    for (int i = 0; i < 4; i++) dsp_frontend_run(fe, in[i], out + i * N);
    double top = 0;
    for (int i = 0; i < N; i++) top = fmax(top, exp((double)out[i]));
    assert_true(top > 100);
    for (int i = 0; i < N; i++) {
        double x = exp((double)out[i]), y = exp((double)out[N + i]);
        assert_true(fabs(exp((double)out[2 * N + i]) - x - y) < 1e-5 * top);
        assert_true(fabs(exp((double)out[3 * N + i]) - 4 * x) < 1e-5 * top);
    }
    dsp_frontend_free(fe);
    free(out);
}

/* Clips with nothing above zero stay as they are; silence is the floor in every band, and the
 * tf.signal DCT of a constant is sqrt(2/40) * 40 * ln 1e-6 in coefficient 0 and 0 elsewhere. */
static void test_silence(void **state)
{
    (void)state;
    dsp_config c = make(&variants[0]);
    float pcm[16000] = {0}, out[490], plain[490];
    dsp_frontend *fe = front(&c, NULL, NULL);
    dsp_frontend_run(fe, pcm, out);
    for (int i = 0; i < 490; i++) {
        double want = i % 10 ? 0 : sqrt(2.0 / 40) * 40 * log(1e-6);
        assert_true(fabs((double)out[i] - want) < 1e-4);
    }
    noise(pcm, 16000, 0.1, 4);
    for (int i = 0; i < 16000; i++) pcm[i] = -fabsf(pcm[i]);
    dsp_frontend_run(fe, pcm, out);
    dsp_frontend_free(fe);
    c.level = DSP_LEVEL_NONE;
    fe = front(&c, NULL, NULL);
    dsp_frontend_run(fe, pcm, plain);
    assert_memory_equal(out, plain, sizeof out);
    dsp_frontend_free(fe);
}

/* A levelled clip does not change with its gain. */
static void test_level(void **state)
{
    (void)state;
    dsp_config c = make(&variants[0]);
    float pcm[16000], out[490], quiet[490];
    voice(pcm, 16000, 16000);
    dsp_frontend *fe = front(&c, NULL, NULL);
    dsp_frontend_run(fe, pcm, out);
    for (int i = 0; i < 16000; i++) pcm[i] *= 1.0f / 64;
    dsp_frontend_run(fe, pcm, quiet);
    assert_memory_equal(out, quiet, sizeof out);
    dsp_frontend_free(fe);
}

/* The logarithm over every exponent and densely around 1, where a relative error is hardest. */
static void test_log(void **state)
{
    (void)state;
    base_rng rng = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    double worst = 0;
    for (int i = 0; i < 20000; i++) {
        lanes x, y;
        for (int l = 0; l < LANES; l++) {
            double near = 1 + (base_rng_uniform(&rng) - 0.5) * pow(2, -(l % 22));
            int e = (int)base_rng_below(&rng, 253) - 125;
            x[l] = i % 2 ? (float)near : (float)ldexp(1 + base_rng_uniform(&rng), e);
        }
        y = x;
        lanes_log(&y);
        for (int l = 0; l < LANES; l++) {
            double want = log((double)x[l]);
            if (want == 0)
                assert_true(y[l] == 0);
            else
                worst = fmax(worst, fabs((double)y[l] / want - 1));
        }
    }
    print_message("logarithm: relative error at most %.2g\n", worst);
    assert_true(worst < 1e-6);
}

/* ---- threads ---- */

typedef struct crowd {
    const dsp_config *cfg;
    const float *pcm;
    float out[24][490];
} crowd;

static void one_of_crowd(void *ctx, int job)
{
    crowd *all = ctx;
    dsp_frontend *fe = NULL;
    base_err err = {0};
    float other[16000];
    if (dsp_frontend_new(all->cfg, NULL, NULL, &fe, &err) != BASE_OK) return;
    noise(other, 16000, 1, (uint64_t)job);
    dsp_frontend_run(fe, other, all->out[job]);
    dsp_frontend_run(fe, all->pcm, all->out[job]);
    dsp_frontend_free(fe);
}

/* Front-ends made, used and freed at the same time give the same bits, whatever ran before. */
static void test_threads(void **state)
{
    (void)state;
    dsp_config c = make(&variants[0]);
    float pcm[16000];
    base_err err = {0};
    base_pool *pool = NULL;
    crowd *all = calloc(1, sizeof *all);
    voice(pcm, 16000, 16000);
    all->cfg = &c, all->pcm = pcm;
    assert_int_equal(base_pool_new(4, &pool, &err), BASE_OK);
    base_pool_run(pool, 24, one_of_crowd, all);
    base_pool_free(pool);
    assert_true(all->out[0][0] < -1);
    for (int i = 1; i < 24; i++) assert_memory_equal(all->out[0], all->out[i], sizeof all->out[0]);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),       cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_parseval),     cmocka_unit_test(test_impulse),
        cmocka_unit_test(test_shift_by_hop), cmocka_unit_test(test_linear_before_log),
        cmocka_unit_test(test_silence),      cmocka_unit_test(test_level),
        cmocka_unit_test(test_log),          cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
