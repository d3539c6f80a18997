/* Rooms: simulated responses have the decay and the echoes that acoustics says, and convolution by
 * FFT is the sum that defines it.
 */
#include "tests/check.h"

#include "dsp/dsp.h"
#include "dsp/fft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000 };

static void noise(float *x, size_t n, uint64_t which)
{
    base_rng rng = base_rng_at(12, BASE_RNG_TEST, 0, which);
    for (size_t i = 0; i < n; i++) x[i] = (float)base_rng_normal(&rng);
}

static double energy(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

/* ---- FFT ---- */

static void test_inverse_fft(void **state)
{
    (void)state;
    static const int sizes[] = {2, 7, 480, 1024, 24576};
    for (size_t s = 0; s < BASE_COUNT(sizes); s++) {
        int n = sizes[s];
        dsp_fft *fft;
        base_err err = {0};
        float *want = malloc((size_t)n * sizeof *want);
        assert_int_equal(dsp_fft_new(n, &fft, &err), BASE_OK);
        noise(want, (size_t)n, 1);
        memcpy(dsp_fft_input(fft), want, (size_t)n * sizeof *want);
        assert_ptr_equal(dsp_fft_run(fft), dsp_fft_spectrum(fft));
        dsp_fft_inverse(fft);
        for (int i = 0; i < n; i++)
            assert_true(fabsf(dsp_fft_input(fft)[i] / (float)n - want[i]) < 1e-5f);
        dsp_fft_free(fft);
        free(want);
    }
}

/* ---- simulated rooms ---- */

static const dsp_room office = {
    .size = {5, 4, 2.7}, .source = {1.5, 2.2, 1.4}, .microphone = {3.6, 1.1, 1.1}, .rt60 = 0.4};

static void response(const dsp_room *room, float *h, size_t n)
{
    base_err err = {0};
    base_status status = dsp_room_response(room, RATE, h, n, &err);
    if (status != BASE_OK) fail_msg("%s", err.message);
}

/* Decay time by Schroeder's backward integration (JASA 37, 1965): a line through the energy still
 * to come between -5 and -35 dB (T30), read at -60. */
static double measure_rt60(const float *h, size_t n)
{
    double *rest = malloc((n + 1) * sizeof *rest);
    rest[n] = 0;
    for (size_t i = n; i-- > 0;) rest[i] = rest[i + 1] + (double)h[i] * (double)h[i];
    double count = 0, st = 0, sl = 0, stt = 0, stl = 0;
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / RATE, level = 10 * log10(rest[i] / rest[0] + 1e-30);
        if (level > -5 || level < -35) continue;
        count++, st += t, sl += level, stt += t * t, stl += t * level;
    }
    free(rest);
    assert_true(count > 100);
    return -60 * (count * stt - st * st) / (count * stl - st * sl);
}

static void test_rt60(void **state)
{
    (void)state;
    enum { ROOMS = 40 };
    static const double asked[] = {0.15, 0.3, 0.6};
    float *h = malloc(RATE * sizeof *h);
    for (size_t a = 0; a < BASE_COUNT(asked); a++) {
        double sum = 0, low = 9, high = 0;
        for (uint64_t i = 0; i < ROOMS; i++) {
            base_rng rng = base_rng_at(3, BASE_RNG_TEST, 1, i);
            dsp_room room = dsp_room_draw(asked[a], asked[a], &rng);
            size_t n = (size_t)(1.2 * asked[a] * RATE);
            response(&room, h, n);
            double ratio = measure_rt60(h, n) / asked[a];
            sum += ratio, low = fmin(low, ratio), high = fmax(high, ratio);
        }
        print_message("%g s: measured %.2f of it on average, %.2f .. %.2f\n", asked[a], sum / ROOMS,
                      low, high);
        assert_true(fabs(sum / ROOMS - 1) < 0.06);
        assert_true(low > 0.85 && high < 1.35);
    }
    free(h);
}

/* Without walls that reflect, the direct sound alone; with them, the first echo of the nearest wall
 * where geometry puts it. Both up to the high-pass filter, whose response to a unit is known. */
static void test_first_echo(void **state)
{
    (void)state;
    enum { N = 400 };
    const dsp_room dead = {
        .size = {50, 40, 30}, .source = {20, 20, 15}, .microphone = {22, 20, 15}, .rt60 = 0.01};
    dsp_room live = dead;
    float h[N], echo[N];
    response(&dead, h, N);
    assert_true(fabsf(h[0] - 1) < 1e-6f);
    for (int i = 1; i < N; i++) assert_true(fabsf(h[i]) < 0.09f && fabsf(h[i] - h[i - 1]) < 1.1f);

    /* The floor 1 m below both: way sqrt(2^2 + 2^2) m, and no other wall is as near. */
    live.source[2] = live.microphone[2] = 1;
    live.rt60 = 1.5;
    response(&live, echo, N);
    int at = (int)lrint((sqrt(8) - 2) / 343 * RATE);
    for (int i = 0; i < at; i++) assert_true(fabsf(echo[i] - h[i]) < 1e-6f);
    float size = echo[at] - h[at];
    assert_true(size > 0.5f * 2 / sqrtf(8) && size < 2 / sqrtf(8));
    for (int i = at + 1; i < N; i++) assert_true(fabsf(echo[i] - h[i] - size * h[i - at]) < 1e-5f);
}

/* What is drawn keeps to its ranges and fills them. */
static void test_draw(void **state)
{
    (void)state;
    static const double lo[3] = {3, 3, 2.4}, hi[3] = {8, 6, 3.5};
    double least = 9, most = 0;
    for (uint64_t i = 0; i < 500; i++) {
        base_rng rng = base_rng_at(4, BASE_RNG_TEST, 0, i);
        dsp_room r = dsp_room_draw(0.2, 0.6, &rng);
        double d = 0;
        for (int k = 0; k < 3; k++) {
            assert_true(r.size[k] >= lo[k] && r.size[k] <= hi[k]);
            assert_true(r.source[k] >= 0.5 && r.source[k] <= r.size[k] - 0.5);
            assert_true(r.microphone[k] >= 0.5 && r.microphone[k] <= r.size[k] - 0.5);
            d += (r.source[k] - r.microphone[k]) * (r.source[k] - r.microphone[k]);
        }
        assert_true(d >= 0.25);
        assert_true(r.rt60 >= 0.2 && r.rt60 <= 0.6);
        least = fmin(least, r.rt60), most = fmax(most, r.rt60);
    }
    assert_true(least < 0.21 && most > 0.59);
}

static void test_bad_rooms(void **state)
{
    (void)state;
    float h[10];
    base_err err = {0};
    dsp_room room = office;
    assert_int_equal(dsp_room_response(&room, RATE, h, 10, &err), BASE_OK);
    room.rt60 = 0;
    assert_int_equal(dsp_room_response(&room, RATE, h, 10, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "rt60 = 0"));
    room = office;
    room.source[1] = 4.5;
    assert_int_equal(dsp_room_response(&room, RATE, h, 10, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "source at 4.5 m"));
    room = office;
    room.microphone[2] = (double)NAN;
    assert_int_equal(dsp_room_response(&room, RATE, h, 10, &err), BASE_USAGE);
    room = office;
    memcpy(room.source, room.microphone, sizeof room.source);
    assert_int_equal(dsp_room_response(&room, RATE, h, 10, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "same place"));
}

/* ---- convolution ---- */

/* sum_j h[j] x[i + direct - j] for i < n, scaled to the energy of x. */
static void convolve(const dsp_rir *r, const float *x, size_t n, float *out)
{
    double *sum = calloc(n, sizeof *sum), after = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < r->n; j++)
            if (j <= i + r->direct && i + r->direct - j < n)
                sum[i] += (double)r->h[j] * (double)x[i + r->direct - j];
        after += sum[i] * sum[i];
    }
    double scale = sqrt(energy(x, n) / after);
    for (size_t i = 0; i < n; i++) out[i] = (float)(sum[i] * scale);
    free(sum);
}

static void test_convolution(void **state)
{
    (void)state;
    enum { N = 1000, LONG = 2600 };
    float *h = malloc(LONG * sizeof *h), x[N], y[N], want[N];
    noise(h, LONG, 2);
    /* Alone at the start, at the end, within, and longer than the clip on both sides. */
    const dsp_rir list[] = {{h, 1, 0},       {h, 300, 0},     {h, 300, 299},
                            {h, 300, 150},   {h, LONG, 0},    {h, LONG, 1300},
                            {h, LONG, 2599}, {h, 1001, 1000}, {h, 1000, 1}};
    for (size_t k = 0; k <= BASE_COUNT(list); k++) {
        /* Each in a bank of its own, whose FFT is as short as it may be, then all in one. */
        bool all = k == BASE_COUNT(list);
        size_t count = all ? k : 1;
        dsp_rirs *rirs;
        dsp_reverb *reverb;
        base_err err = {0};
        assert_int_equal(dsp_rirs_new(all ? list : &list[k], count, N, &rirs, &err), BASE_OK);
        assert_int_equal(dsp_reverb_new(rirs, &reverb, &err), BASE_OK);
        assert_int_equal(dsp_rirs_count(rirs), count);
        for (size_t i = 0; i < count; i++) {
            noise(x, N, 3 + i);
            convolve(all ? &list[i] : &list[k], x, N, want);
            memcpy(y, x, sizeof y);
            dsp_reverb_run(reverb, i, y);
            for (size_t s = 0; s < N; s++) assert_true(fabsf(y[s] - want[s]) < 2e-5f);
        }
        dsp_reverb_free(reverb);
        dsp_rirs_free(rirs);
    }
    free(h);
    dsp_reverb_free(NULL);
    dsp_rirs_free(NULL);
}

/* The direct sound stays where it was and the energy as large as it was, in simulated rooms and for
 * recordings that begin with a pause; silence stays silence. */
static void test_alignment(void **state)
{
    (void)state;
    enum { N = 8000, PAUSE = 700 };
    float *h = calloc(PAUSE + N, sizeof *h), *x = calloc(N, sizeof *x);
    response(&office, h + PAUSE, N);
    assert_int_equal(dsp_rir_direct(h, PAUSE + N), PAUSE);
    const dsp_rir list[] = {{h + PAUSE, N, 0}, {h, PAUSE + N, PAUSE}};
    dsp_rirs *rirs;
    dsp_reverb *reverb;
    base_err err = {0};
    assert_int_equal(dsp_rirs_new(list, 2, N, &rirs, &err), BASE_OK);
    assert_int_equal(dsp_reverb_new(rirs, &reverb, &err), BASE_OK);
    for (size_t which = 0; which < 2; which++) {
        memset(x, 0, N * sizeof *x);
        x[1234] = 0.5f;
        dsp_reverb_run(reverb, which, x);
        assert_int_equal(dsp_rir_direct(x, N), 1234);
        assert_true(fabs(energy(x, N) / 0.25 - 1) < 1e-4);
        assert_true(energy(x, 1234) < 1e-9);
        memset(x, 0, N * sizeof *x);
        dsp_reverb_run(reverb, which, x);
        assert_true(energy(x, N) <= 0);
    }
    dsp_reverb_free(reverb);
    dsp_rirs_free(rirs);
    free(h);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse_fft), cmocka_unit_test(test_rt60),
        cmocka_unit_test(test_first_echo),  cmocka_unit_test(test_draw),
        cmocka_unit_test(test_bad_rooms),   cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
