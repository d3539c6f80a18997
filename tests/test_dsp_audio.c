/* Audio files of every kind that turns up in recordings, good and bad, and sample rate conversion.
 * The wav and flac files are put together here byte by byte, not by the library that reads them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dsp/dsp.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double pi = 3.14159265358979323846;

/* ---- files ---- */

typedef struct bytes {
    unsigned char *b;
    size_t n, cap;
} bytes;

static void put(bytes *out, const void *data, size_t n)
{
    if (out->n + n > out->cap) {
        out->cap = 2 * (out->n + n);
        out->b = realloc(out->b, out->cap);
    }
    memcpy(out->b + out->n, data, n);
    out->n += n;
}

static void put_le(bytes *out, uint32_t v, int size)
{
    for (int i = 0; i < size; i++) put(out, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

static void put_be(bytes *out, uint64_t v, int size)
{
    for (int i = size - 1; i >= 0; i--) put(out, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

/* format 1: integers, 3: floats */
static void put_wav(bytes *out, int format, int channels, int rate, int bits, const void *data,
                    size_t n)
{
    uint32_t frame = (uint32_t)(channels * bits / 8);
    put(out, "RIFF", 4), put_le(out, (uint32_t)n + 36, 4);
    put(out, "WAVEfmt ", 8), put_le(out, 16, 4), put_le(out, (uint32_t)format, 2);
    put_le(out, (uint32_t)channels, 2), put_le(out, (uint32_t)rate, 4);
    put_le(out, (uint32_t)rate * frame, 4), put_le(out, frame, 2), put_le(out, (uint32_t)bits, 2);
    put(out, "data", 4), put_le(out, (uint32_t)n, 4), put(out, data, n);
}

static uint32_t crc(const unsigned char *b, size_t n, uint32_t poly, int bits)
{
    uint32_t sum = 0, top = 1u << (bits - 1);
    for (size_t i = 0; i < n; i++) {
        sum ^= (uint32_t)b[i] << (bits - 8);
        for (int k = 0; k < 8; k++) sum = sum & top ? sum << 1 ^ poly : sum << 1;
    }
    return sum & (top * 2 - 1);
}

/* A flac stream of verbatim subframes (RFC 9639), 16-bit mono, 1000 samples a frame, n < 128000. */
static void put_flac(bytes *out, int rate, const int16_t *pcm, size_t n)
{
    put(out, "fLaC", 4), put_be(out, 0x80, 1), put_be(out, 34, 3);
    put_be(out, 1000, 2), put_be(out, 1000, 2), put_be(out, 0, 6);
    put_be(out, (uint64_t)rate << 44 | (uint64_t)15 << 36 | n, 8);
    put(out, (char[16]){0}, 16);
    for (size_t first = 0; first < n; first += 1000) {
        size_t start = out->n, size = n - first < 1000 ? n - first : 1000;
        put_be(out, 0xfff8, 2), put_be(out, 0x70, 1), put_be(out, 0x08, 1);
        put_be(out, first / 1000, 1), put_be(out, size - 1, 2);
        put_be(out, crc(out->b + start, out->n - start, 0x07, 8), 1);
        put_be(out, 0x02, 1);
        for (size_t i = 0; i < size; i++) put_be(out, (uint16_t)pcm[first + i], 2);
        put_be(out, crc(out->b + start, out->n - start, 0x8005, 16), 2);
    }
}

/* ---- a folder for the test ---- */

static int enter(void **state)
{
    char *dir = strdup("/tmp/sotto-test-XXXXXX");
    if (!mkdtemp(dir) || chdir(dir) != 0) return -1;
    *state = dir;
    return 0;
}

static int leave(void **state)
{
    DIR *dir = opendir(".");
    for (struct dirent *e; (e = readdir(dir));) unlink(e->d_name);
    closedir(dir);
    int code = chdir("/") || rmdir(*state);
    free(*state);
    return code;
}

static int files_here(void)
{
    int n = 0;
    DIR *dir = opendir(".");
    for (struct dirent *e; (e = readdir(dir));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(dir);
    return n;
}

static void save(const char *name, bytes *data, size_t n)
{
    base_err err = {0};
    assert_int_equal(base_write_file(name, (const char *)data->b, n, &err), BASE_OK);
    free(data->b);
    *data = (bytes){0};
}

static dsp_audio load(const char *name, int rate)
{
    dsp_audio a;
    base_err err = {0};
    if (dsp_audio_read(name, rate, 60, &a, &err) != BASE_OK) fail_msg("%s", err.message);
    return a;
}

static void refuse(const char *name, double seconds, const char *says)
{
    dsp_audio a;
    base_err err = {0};
    assert_int_equal(dsp_audio_read(name, 16000, seconds, &a, &err), BASE_DATA);
    assert_null(a.pcm);
    if (!strstr(err.message, name) || !strstr(err.message, says))
        fail_msg("'%s' does not say '%s'", err.message, says);
    print_message("%s\n", err.message);
}

/* Decibels of the sine of f Hz that fits x best, over what is left; ends (50 ms) not counted.
 * *amplitude may be NULL. */
static double tone_snr(const float *x, size_t n, int rate, double f, double *amplitude)
{
    size_t skip = (size_t)rate / 20;
    double ss = 0, sc = 0, cc = 0, xs = 0, xc = 0, left = 0, power = 0;
    for (size_t i = skip; i < n - skip; i++) {
        double s = sin(2 * pi * f * (double)i / rate), c = cos(2 * pi * f * (double)i / rate);
        ss += s * s, sc += s * c, cc += c * c, xs += (double)x[i] * s, xc += (double)x[i] * c;
    }
    double det = ss * cc - sc * sc, a = (xs * cc - xc * sc) / det, b = (xc * ss - xs * sc) / det;
    for (size_t i = skip; i < n - skip; i++) {
        double w = 2 * pi * f * (double)i / rate, y = a * sin(w) + b * cos(w);
        power += y * y, left += ((double)x[i] - y) * ((double)x[i] - y);
    }
    if (amplitude) *amplitude = sqrt(a * a + b * b);
    return 10 * log10(power / (left + 1e-30));
}

/* ---- good files ---- */

static void ramp(int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) pcm[i] = (int16_t)(int)(i * 7919 % 65536 - 32768);
}

static void test_wav16(void **state)
{
    (void)state;
    int16_t pcm[16000], back[16000];
    bytes w = {0};
    ramp(pcm, 16000);
    put_wav(&w, 1, 1, 16000, 16, pcm, sizeof pcm);
    save("a.wav", &w, w.n);
    dsp_audio a = load("a.wav", 16000);
    assert_int_equal(a.n, 16000);
    assert_int_equal(a.rate, 16000);
    assert_int_equal(a.source_rate, 16000);
    assert_int_equal(a.source_channels, 1);
    assert_int_equal(a.source_frames, 16000);
    for (int i = 0; i < 16000; i++) assert_true(a.pcm[i] == (float)pcm[i] / 32768);
    dsp_to_pcm16(back, a.pcm, a.n);
    assert_memory_equal(back, pcm, sizeof pcm);
    dsp_audio_free(&a);
    assert_null(a.pcm);
    dsp_audio_free(&a);
}

static void test_stereo_44100(void **state)
{
    (void)state;
    int16_t *pcm = malloc(2 * 44100 * sizeof *pcm);
    bytes w = {0};
    for (int i = 0; i < 44100; i++) {
        double s = sin(2 * pi * 1000 * i / 44100.0);
        pcm[2 * i] = (int16_t)lrint(20000 * s);
        pcm[2 * i + 1] = (int16_t)lrint(4000 * s);
    }
    put_wav(&w, 1, 2, 44100, 16, pcm, 4 * 44100);
    free(pcm);
    save("stereo.wav", &w, w.n);
    dsp_audio a = load("stereo.wav", 16000);
    assert_int_equal(a.n, 16000);
    assert_int_equal(a.source_rate, 44100);
    assert_int_equal(a.source_channels, 2);
    assert_int_equal(a.source_frames, 44100);
    double amplitude, db = tone_snr(a.pcm, a.n, 16000, 1000, &amplitude);
    print_message("44.1 kHz stereo to 16 kHz mono: %.1f dB\n", db);
    assert_true(db >= 60);
    assert_true(fabs(amplitude - 12000 / 32768.0) < 1e-3);
    dsp_audio_free(&a);
    a = load("stereo.wav", 0);
    assert_int_equal(a.n, 44100);
    assert_int_equal(a.rate, 44100);
    dsp_audio_free(&a);
}

static void test_other_wavs(void **state)
{
    (void)state;
    enum { N = 8000 };
    unsigned char eight[N], deep[3 * N];
    float real[N];
    bytes w8 = {0}, w24 = {0}, wf = {0};
    for (int i = 0; i < N; i++) {
        double s = 0.5 * sin(2 * pi * 1000 * i / 8000.0);
        int v = (int)lrint(s * 8388608);
        eight[i] = (unsigned char)lrint(128 + 128 * s);
        deep[3 * i] = (unsigned char)(v & 255), deep[3 * i + 1] = (unsigned char)(v >> 8 & 255);
        deep[3 * i + 2] = (unsigned char)(v >> 16 & 255);
        real[i] = (float)s;
    }
    put_wav(&w8, 1, 1, 8000, 8, eight, sizeof eight);
    put_wav(&w24, 1, 1, 8000, 24, deep, sizeof deep);
    put_wav(&wf, 3, 1, 8000, 32, real, sizeof real);
    save("8.wav", &w8, w8.n), save("24.wav", &w24, w24.n), save("f.wav", &wf, wf.n);
    static const struct {
        const char *name;
        double db;
    } files[] = {{"8.wav", 40}, {"24.wav", 60}, {"f.wav", 60}};
    for (int i = 0; i < 3; i++) {
        dsp_audio a = load(files[i].name, 16000);
        double amplitude, db = tone_snr(a.pcm, a.n, 16000, 1000, &amplitude);
        print_message("%s, 8 kHz to 16 kHz: %.1f dB\n", files[i].name, db);
        assert_int_equal(a.n, 16000);
        assert_true(db >= files[i].db);
        assert_true(fabs(amplitude - 0.5) < 2e-3);
        dsp_audio_free(&a);
    }
}

static void test_flac(void **state)
{
    (void)state;
    int16_t pcm[5500];
    bytes f = {0};
    ramp(pcm, 5500);
    put_flac(&f, 16000, pcm, 5500);
    save("a.flac", &f, f.n);
    dsp_audio a = load("a.flac", 16000);
    assert_int_equal(a.n, 5500);
    for (int i = 0; i < 5500; i++) assert_true(a.pcm[i] == (float)pcm[i] / 32768);
    dsp_audio_free(&a);

    put_flac(&f, 16000, pcm, 5500);
    save("cut.flac", &f, f.n * 2 / 3);
    refuse("cut.flac", 60, "damaged or truncated: 3000 of 5500");
    put_flac(&f, 16000, pcm, 5500);
    f.b[f.n / 2] ^= 0x10;
    save("bad.flac", &f, f.n);
    refuse("bad.flac", 60, "damaged or truncated: ");
}

/* A wav written to a pipe does not know its length and says something huge. */
static void test_unknown_length(void **state)
{
    (void)state;
    int16_t pcm[1000];
    static const uint32_t sizes[] = {0xffffffffu, 0x7ffff000u};
    ramp(pcm, 1000);
    for (int i = 0; i < 2; i++) {
        bytes w = {0};
        put_wav(&w, 1, 1, 16000, 16, pcm, sizeof pcm);
        for (int k = 0; k < 4; k++) w.b[40 + k] = (unsigned char)(sizes[i] >> 8 * k);
        save("piped.wav", &w, w.n);
        dsp_audio a = load("piped.wav", 16000);
        assert_int_equal(a.n, 1000);
        assert_true(a.pcm[999] == (float)pcm[999] / 32768);
        dsp_audio_free(&a);
    }
}

/* ---- bad files ---- */

static void test_truncated(void **state)
{
    (void)state;
    int16_t pcm[16000];
    bytes w = {0};
    ramp(pcm, 16000);
    put_wav(&w, 1, 1, 16000, 16, pcm, sizeof pcm);
    save("cut.wav", &w, 20044);
    refuse("cut.wav", 60,
           "truncated: its header promises 32000 bytes of samples, the file holds 20000");
    put_wav(&w, 1, 1, 16000, 16, pcm, sizeof pcm);
    save("head.wav", &w, 30);
    refuse("head.wav", 60, "no audio that can be read");
}

static void test_no_audio(void **state)
{
    (void)state;
    base_err err = {0};
    int16_t pcm[16000];
    bytes w = {0};
    ramp(pcm, 16000);
    const char text[] = "this is a shopping list, not a recording\n";
    assert_int_equal(base_write_file("text.wav", text, sizeof text - 1, &err), BASE_OK);
    assert_int_equal(base_write_file("zero.wav", "", 0, &err), BASE_OK);
    refuse("text.wav", 60, "no audio that can be read");
    refuse("zero.wav", 60, "is empty");
    refuse("missing.wav", 60, "No such file");
    refuse(".", 60, "is a folder");
    put_wav(&w, 1, 1, 16000, 16, pcm, 0);
    save("empty.wav", &w, w.n);
    refuse("empty.wav", 60, "has no samples");
    put_wav(&w, 1, 1, 16000, 16, pcm, sizeof pcm);
    save("long.wav", &w, w.n);
    refuse("long.wav", 0.5, "1.0 s long, at most 0.5 s are read");
    put_wav(&w, 1, 80, 16000, 16, pcm, 160 * 100);
    save("wide.wav", &w, w.n);
    refuse("wide.wav", 60, "80 channels");
    put_wav(&w, 1, 1, 10, 16, pcm, 20);
    save("slow.wav", &w, w.n);
    refuse("slow.wav", 60, "cannot resample from 10 Hz to 16000 Hz");
    float real[4] = {0, 0.5f, NAN, 0};
    put_wav(&w, 3, 1, 16000, 32, real, sizeof real);
    save("nan.wav", &w, w.n);
    refuse("nan.wav", 60, "sample 2 is not a finite number");
}

/* ---- writing ---- */

static void test_write(void **state)
{
    (void)state;
    base_err err = {0};
    int16_t pcm[3000], back[3000];
    float x[3000];
    ramp(pcm, 3000);
    dsp_from_pcm16(x, pcm, 3000);
    assert_int_equal(dsp_audio_write("out.wav", 22050, x, 3000, &err), BASE_OK);
    assert_int_equal(files_here(), 1);
    dsp_audio a = load("out.wav", 0);
    assert_int_equal(a.rate, 22050);
    assert_int_equal(a.n, 3000);
    dsp_to_pcm16(back, a.pcm, 3000);
    assert_memory_equal(back, pcm, sizeof pcm);
    dsp_audio_free(&a);

    const float loud[] = {1, 2, -1, -2, 0.5f, -0.5f, 1.4f / 32768, -1.6f / 32768};
    const int16_t want[] = {32767, 32767, -32768, -32768, 16384, -16384, 1, -2};
    dsp_to_pcm16(back, loud, 8);
    assert_memory_equal(back, want, sizeof want);

    assert_int_not_equal(dsp_audio_write("no/such/folder.wav", 16000, x, 10, &err), BASE_OK);
    assert_non_null(strstr(err.message, "no/such/folder.wav"));
    assert_int_equal(dsp_audio_write("/dev/full", 16000, x, 3000, &err), BASE_FAILED);
    assert_non_null(strstr(err.message, "/dev/full"));
    assert_int_equal(files_here(), 1);
}

/* ---- resampling ---- */

static void test_resample_tone(void **state)
{
    (void)state;
    static const int rates[][2] = {{44100, 16000}, {48000, 16000}, {22050, 16000}, {8000, 16000},
                                   {11025, 16000}, {16000, 8000},  {16000, 44100}};
    for (size_t r = 0; r < BASE_COUNT(rates); r++) {
        int from = rates[r][0], to = rates[r][1];
        float *in = malloc((size_t)from * sizeof *in), *out = NULL;
        size_t n;
        base_err err = {0};
        for (int i = 0; i < from; i++) in[i] = (float)(0.5 * sin(2 * pi * 1000 * i / from));
        assert_int_equal(dsp_resample(in, (size_t)from, from, to, &out, &n, &err), BASE_OK);
        assert_int_equal(n, to);
        double amplitude, db = tone_snr(out, n, to, 1000, &amplitude);
        print_message("1 kHz, %d to %d Hz: %.1f dB\n", from, to, db);
        assert_true(db >= 60);
        assert_true(fabs(amplitude - 0.5) < 1e-3);
        /* Not only a sine but the same one: no delay. */
        for (int i = to / 10; i < to * 9 / 10; i++)
            assert_true(fabs((double)out[i] - 0.5 * sin(2 * pi * 1000 * i / to)) < 1e-3);
        free(in);
        base_free(out);
    }
}

static void test_resample_alias(void **state)
{
    (void)state;
    float in[44100], *out = NULL;
    size_t n;
    base_err err = {0};
    double power = 0;
    for (int i = 0; i < 44100; i++) in[i] = (float)sin(2 * pi * 10000 * i / 44100.0);
    assert_int_equal(dsp_resample(in, 44100, 44100, 16000, &out, &n, &err), BASE_OK);
    for (size_t i = 800; i < n - 800; i++) power += (double)out[i] * (double)out[i];
    double db = 10 * log10(power / (double)(n - 1600) / 0.5);
    print_message("10 kHz folded into 16 kHz sampling: %.1f dB\n", db);
    assert_true(db < -60);
    base_free(out);
    assert_int_equal(dsp_resample(in, 100, 16000, 16000, &out, &n, &err), BASE_OK);
    assert_int_equal(n, 100);
    assert_memory_equal(in, out, 100 * sizeof *in);
    base_free(out);
    assert_int_equal(dsp_resample(in, 100, 100, 30000, &out, &n, &err), BASE_DATA);
    assert_int_equal(dsp_resample(in, 100, 0, 16000, &out, &n, &err), BASE_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wav16, enter, leave),
        cmocka_unit_test_setup_teardown(test_stereo_44100, enter, leave),
        cmocka_unit_test_setup_teardown(test_other_wavs, enter, leave),
        cmocka_unit_test_setup_teardown(test_flac, enter, leave),
        cmocka_unit_test_setup_teardown(test_unknown_length, enter, leave),
        cmocka_unit_test_setup_teardown(test_truncated, enter, leave),
        cmocka_unit_test_setup_teardown(test_no_audio, enter, leave),
        cmocka_unit_test_setup_teardown(test_write, enter, leave),
        cmocka_unit_test(test_resample_tone),
        cmocka_unit_test(test_resample_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
