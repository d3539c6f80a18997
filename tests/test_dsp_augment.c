/* Augmentation of clips and features: each against its definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dsp/dsp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static void noise(float *x, int n)
{
    base_rng rng = base_rng_at(11, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < n; i++) x[i] = (float)base_rng_normal(&rng);
}

/* ---- waveforms ---- */

static void test_shift(void **state)
{
    (void)state;
    static const int shifts[] = {0, 1, -1, 30, -30, 99, -99, 100, -100, 5000, -5000};
    float in[100], out[100];
    noise(in, 100);
    for (size_t s = 0; s < BASE_COUNT(shifts); s++) {
        memset(out, 0x55, sizeof out);
        dsp_shift(out, in, 100, shifts[s]);
        for (int i = 0; i < 100; i++) {
            int from = i - shifts[s];
            assert_true(out[i] == (from >= 0 && from < 100 ? in[from] : 0));
        }
    }
}

static void test_mix_gain_clamp(void **state)
{
    (void)state;
    float a[1000], b[1000], x[1000];
    noise(a, 1000);
    noise(b, 1000);
    memcpy(x, a, sizeof x);
    dsp_gain(x, 0.5f, 1000);
    for (int i = 0; i < 1000; i++) assert_true(x[i] == 0.5f * a[i]);
    dsp_mix(x, b + 1, 0.25f, 999);
    for (int i = 0; i < 999; i++)
        assert_true(fabsf(x[i] - (0.5f * a[i] + 0.25f * b[i + 1])) < 1e-6f);
    assert_true(x[999] == 0.5f * a[999]);
    memcpy(x, a, sizeof x);
    dsp_clamp(x, 1000);
    int cut = 0;
    for (int i = 0; i < 1000; i++) {
        float want = a[i] > 1 ? 1 : a[i] < -1 ? -1 : a[i];
        assert_true(x[i] == want);
        cut += x[i] != a[i];
    }
    assert_true(cut > 100);
}

static double power(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* A word within a quiet second: its level is that of the word, wherever it is. */
static void test_active_power(void **state)
{
    (void)state;
    enum { N = 16000, WORD = 3200, BLOCK = 160 };
    float *x = malloc(N * sizeof *x);
    for (int start = 0; start <= N - WORD; start += 6400) {
        noise(x, N);
        assert_true(fabs(dsp_energy(x, N - 3) / (power(x, N - 3) * (N - 3)) - 1) < 1e-5);
        dsp_gain(x, 0.001f, N); /* 60 dB below the word */
        dsp_gain(x + start, 1000, WORD);
        assert_true(fabs(dsp_active_power(x, N, BLOCK) / power(x + start, WORD) - 1) < 1e-5);
    }
    noise(x, N);
    assert_true(fabs(dsp_active_power(x, N, BLOCK) / power(x, N) - 1) < 1e-5);
    assert_true(dsp_active_power(x, BLOCK - 1, BLOCK) <= 0);
    memset(x, 0, N * sizeof *x);
    assert_true(dsp_active_power(x, N, BLOCK) <= 0);
    free(x);
}

static void test_snr(void **state)
{
    (void)state;
    enum { N = 16000, BLOCK = 160, WORD = 4800 };
    static const double asked[] = {-10, 0, 7.5, 40};
    float *x = calloc(2 * N, sizeof *x), *mixed = calloc(N, sizeof *mixed), *other = x + N;
    noise(x, 2 * N);
    memset(x + WORD, 0, (N - WORD) * sizeof *x);
    dsp_gain(other, 0.03f, N);
    for (size_t i = 0; i < BASE_COUNT(asked); i++) {
        float gain = dsp_snr_gain(x, other, N, BLOCK, asked[i]);
        memcpy(mixed, x, N * sizeof *x);
        dsp_mix(mixed, other, gain, N);
        for (int k = 0; k < N; k++) mixed[k] -= x[k];
        double snr = 10 * log10(power(x, WORD) / power(mixed, N));
        assert_true(fabs(snr - asked[i]) < 0.01);
    }
    memset(x, 0, N * sizeof *x);
    assert_true(dsp_snr_gain(x, other, N, BLOCK, 10) == 0);
    assert_true(dsp_snr_gain(other, x, N, BLOCK, 10) == 0);
    free(x);
    free(mixed);
}

/* ---- speed ---- */

static dsp_speed *speeds(int lo, int hi)
{
    dsp_speed *speed = NULL;
    base_err err = {0};
    if (dsp_speed_new(lo, hi, &speed, &err) != BASE_OK) fail_msg("%s", err.message);
    return speed;
}

/* Every sample that is read from inside the clip equals the tone at the position asked for. */
static double tone_error(const dsp_speed *speed, int percent, double f)
{
    enum { N = 16000 };
    float *in = malloc(N * sizeof *in), *out = malloc(N * sizeof *out);
    double signal = 0, error = 0;
    for (int i = 0; i < N; i++) in[i] = (float)sin(2 * pi * f * i / 16000);
    dsp_speed_run(speed, percent, out, in, N);
    for (int i = 0; i < N; i++) {
        double at = N / 2 + (i - N / 2) * percent / 100.0, want = sin(2 * pi * f * at / 16000);
        if (at < 0 || at > N - 1) assert_true(fabsf(out[i]) <= 1.1f);
        if (at < -8 || at > N + 8) assert_true(out[i] == 0);
        if (at < 8 || at > N - 9) continue;
        signal += want * want;
        error += (want - (double)out[i]) * (want - (double)out[i]);
    }
    free(in), free(out);
    return 10 * log10(signal / (error + 1e-30));
}

static void test_speed_tone(void **state)
{
    (void)state;
    dsp_speed *speed = speeds(50, 200);
    static const int percents[] = {50, 80, 85, 93, 99, 101, 110, 115, 125, 200};
    for (size_t i = 0; i < BASE_COUNT(percents); i++) {
        double low = tone_error(speed, percents[i], 500),
               mid = tone_error(speed, percents[i], 2000);
        print_message("%d %%: %.1f dB at 500 Hz, %.1f dB at 2 kHz\n", percents[i], low, mid);
        assert_true(low >= 60);
        /* At double speed 2 kHz is already half way to the cutoff. */
        assert_true(mid >= (percents[i] > 125 ? 45 : 70));
    }
    dsp_speed_free(speed);
}

static void test_speed_edges(void **state)
{
    (void)state;
    float in[1001], out[1001];
    noise(in, 1001);
    dsp_speed *speed = speeds(90, 110);
    dsp_speed_run(speed, 100, out, in, 1001);
    assert_memory_equal(in, out, sizeof in);
    /* The middle sample stays, whatever the speed: its filter is the one at phase 0. */
    for (int i = 0; i < 1001; i++) in[i] = 0.5f;
    dsp_speed_run(speed, 107, out, in, 1001);
    for (int i = 50; i < 950; i++) assert_true(fabsf(out[i] - 0.5f) < 1e-6f);
    assert_true(out[0] == 0);
    assert_true(out[1000] == 0);
    /* Out of range is brought into range. */
    float clipped[1001];
    noise(in, 1001);
    dsp_speed_run(speed, 110, out, in, 1001);
    dsp_speed_run(speed, 170, clipped, in, 1001);
    assert_memory_equal(out, clipped, sizeof out);
    dsp_speed_run(speed, 90, out, in, 1001);
    dsp_speed_run(speed, 10, clipped, in, 1001);
    assert_memory_equal(out, clipped, sizeof out);
    dsp_speed_run(speed, 95, out, in, 3);
    dsp_speed_free(speed);
    dsp_speed_free(NULL);

    base_err err = {0};
    assert_int_equal(dsp_speed_new(49, 100, &speed, &err), BASE_USAGE);
    assert_int_equal(dsp_speed_new(90, 201, &speed, &err), BASE_USAGE);
    assert_int_equal(dsp_speed_new(110, 90, &speed, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "110 .. 90"));
}

/* A clip of any length sounds like the same clip amid silence, bit for bit. */
static void test_speed_lengths(void **state)
{
    (void)state;
    enum { MOST = 4001, SILENCE = 300 };
    static float in[MOST + 2 * SILENCE], out[MOST], amid[MOST + 2 * SILENCE];
    static const int lengths[] = {1, 2, 15, 16, 17, 99, 160, 161, 1000, 1601, 4001};
    static const int percents[] = {50, 57, 90, 99, 107, 125, 199, 200};
    dsp_speed *speed = speeds(50, 200);
    for (size_t a = 0; a < BASE_COUNT(lengths); a++) {
        size_t n = (size_t)lengths[a];
        memset(in, 0, sizeof in);
        noise(in + SILENCE, lengths[a]);
        for (size_t b = 0; b < BASE_COUNT(percents); b++) {
            dsp_speed_run(speed, percents[b], out, in + SILENCE, n);
            dsp_speed_run(speed, percents[b], amid, in, n + 2 * (size_t)SILENCE);
            assert_memory_equal(out, amid + SILENCE, n * sizeof *out);
            assert_true(out[n / 2] > 0 || out[n / 2] < 0);
        }
    }
    dsp_speed_free(speed);
}

/* What a faster clip would fold over the Nyquist frequency is taken out first. */
static void test_speed_alias(void **state)
{
    (void)state;
    float in[16000], out[16000];
    double power = 0;
    dsp_speed *speed = speeds(100, 200);
    for (int i = 0; i < 16000; i++) in[i] = (float)sin(2 * pi * 7000 * i / 16000.0);
    dsp_speed_run(speed, 200, out, in, 16000);
    for (int i = 5000; i < 11000; i++) power += (double)out[i] * (double)out[i];
    double db = 10 * log10(power / 6000 / 0.5);
    print_message("7 kHz at double speed: %.1f dB\n", db);
    assert_true(db < -50);
    dsp_speed_free(speed);
}

/* ---- features ---- */

enum { FRAMES = 30, BINS = 12 };

/* Which rows (or columns) of a fresh matrix were masked, as first and count of the one block; -1
 * when they are no block. Whole lines only. */
static int block(const float *x, bool rows, int *first)
{
    int lines = rows ? FRAMES : BINS, across = rows ? BINS : FRAMES, count = 0, last = -1;
    *first = -1;
    for (int i = 0; i < lines; i++) {
        int hit = 0;
        for (int j = 0; j < across; j++) hit += x[rows ? i * BINS + j : j * BINS + i] == -7;
        if (hit != 0 && hit != across) return -1;
        if (hit == 0) continue;
        if (*first < 0) *first = i;
        count++, last = i;
    }
    return count == 0 || last - *first + 1 == count ? count : -1;
}

static void test_spec_mask(void **state)
{
    (void)state;
    float clean[FRAMES * BINS], x[FRAMES * BINS];
    noise(clean, FRAMES * BINS);
    for (int direction = 0; direction < 2; direction++) {
        bool rows = direction == 0;
        int lines = rows ? FRAMES : BINS, width = 5, seen[5] = {0}, firsts[FRAMES] = {0};
        dsp_mask mask = {.value = -7};
        if (rows)
            mask.time_masks = 1, mask.time_width = width;
        else
            mask.freq_masks = 1, mask.freq_width = width;
        for (uint64_t clip = 0; clip < 3000; clip++) {
            base_rng rng = base_rng_at(1, BASE_RNG_AUGMENT, 0, clip);
            memcpy(x, clean, sizeof x);
            dsp_spec_mask(x, FRAMES, BINS, &mask, &rng);
            int first, count = block(x, rows, &first);
            assert_in_range(count, 0, width - 1);
            seen[count]++;
            if (count > 0) firsts[first]++;
            for (int i = 0; i < FRAMES * BINS; i++) assert_true(x[i] == clean[i] || x[i] == -7);
        }
        /* 3000 draws of 5 widths: 600 each, standard deviation 22. Every start occurs. */
        for (int w = 0; w < width; w++) assert_in_range(seen[w], 490, 710);
        for (int i = 0; i < lines; i++) assert_true(firsts[i] > 0);
    }
}

static void test_spec_mask_limits(void **state)
{
    (void)state;
    float clean[FRAMES * BINS], x[FRAMES * BINS], again[FRAMES * BINS];
    noise(clean, FRAMES * BINS);
    memcpy(x, clean, sizeof x);
    base_rng rng = base_rng_at(1, BASE_RNG_AUGMENT, 0, 0);
    dsp_mask none = {.time_masks = 2, .freq_masks = 2, .freq_width = 1, .value = -7};
    dsp_spec_mask(x, FRAMES, BINS, &none, &rng);
    assert_memory_equal(x, clean, sizeof x);

    dsp_mask wide = {
        .time_masks = 40, .time_width = 500, .freq_masks = 1, .freq_width = 500, .value = -7};
    rng = base_rng_at(1, BASE_RNG_AUGMENT, 0, 0);
    dsp_spec_mask(x, FRAMES, BINS, &wide, &rng);
    for (int i = 0; i < FRAMES * BINS; i++) assert_true(x[i] == -7);

    dsp_mask some = {
        .time_masks = 2, .time_width = 9, .freq_masks = 2, .freq_width = 4, .value = -7};
    memcpy(x, clean, sizeof x);
    memcpy(again, clean, sizeof x);
    rng = base_rng_at(3, BASE_RNG_AUGMENT, 2, 1);
    dsp_spec_mask(x, FRAMES, BINS, &some, &rng);
    rng = base_rng_at(3, BASE_RNG_AUGMENT, 2, 1);
    dsp_spec_mask(again, FRAMES, BINS, &some, &rng);
    assert_memory_equal(x, again, sizeof x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shift),         cmocka_unit_test(test_mix_gain_clamp),
        cmocka_unit_test(test_active_power),  cmocka_unit_test(test_snr),
        cmocka_unit_test(test_speed_tone),    cmocka_unit_test(test_speed_edges),
        cmocka_unit_test(test_speed_lengths), cmocka_unit_test(test_speed_alias),
        cmocka_unit_test(test_spec_mask),     cmocka_unit_test(test_spec_mask_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
