/* Feature settings as text: presets, keys, ranges, exact round trip, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dsp/dsp.h"

#include <stdlib.h>
#include <string.h>

static dsp_config preset(const char *name)
{
    dsp_config c;
    base_err err = {0};
    if (dsp_preset(name, &c, &err) != BASE_OK) fail_msg("%s", err.message);
    return c;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' does not say '%s'", text, part);
}

/* ---- presets ---- */

static void test_presets(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int frames, bins, window, hop;
    } want[] = {{"mfcc_49x10", 49, 10, 480, 320}, {"logmel_40x101", 101, 40, 480, 160},
                {"mfcc_40x98", 98, 40, 480, 160}, {"mfcc_40x101", 101, 40, 480, 160},
                {"mfcc_64x98", 98, 64, 400, 160}, {"mfcc_32x101", 101, 32, 400, 160},
                {"mfcc_25x10", 25, 10, 640, 640}, {"mfcc_20x49", 49, 20, 640, 320},
                {"mfcc_30x49", 49, 30, 640, 320}};
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    assert_int_equal(n, BASE_COUNT(want));
    for (size_t i = 0; i < n; i++) {
        int frames, bins;
        base_err err = {0};
        assert_string_equal(names[i], want[i].name);
        dsp_config c = preset(names[i]);
        assert_int_equal(dsp_config_check(&c, &err), BASE_OK);
        dsp_config_shape(&c, &frames, &bins);
        assert_int_equal(frames, want[i].frames);
        assert_int_equal(bins, want[i].bins);
        assert_int_equal(dsp_config_window(&c), want[i].window);
        assert_int_equal(dsp_config_hop(&c), want[i].hop);
        assert_string_equal(dsp_preset_of(&c), names[i]);
        c.f_lo += 1;
        assert_null(dsp_preset_of(&c));
    }
}

static void test_unknown_preset(void **state)
{
    (void)state;
    dsp_config c;
    base_err err = {0};
    assert_int_equal(dsp_preset("mfcc_49x1O", &c, &err), BASE_USAGE);
    assert_has(err.message, "'mfcc_49x1O'");
    assert_has(err.hint, "'mfcc_49x10'");
    assert_int_equal(dsp_preset("spectrogram", &c, &err), BASE_USAGE);
    assert_has(err.hint, "logmel_40x101");
}

/* ---- setting ---- */

/* For every key: a value it takes (not that of the preset) and one it does not. */
static const struct {
    const char *key, *good, *bad, *says;
} settings[] = {
    {"rate", "8000", "999", "1000 .. 192000"},
    {"samples", "32000", "0", "1 .. 16777216"},
    {"window_ms", "25.5", "0", "0.1 .. 10000"},
    {"hop_ms", "12.5", "-20", "0.1 .. 10000"},
    {"fft", "1024", "512.5", "a whole number in 4 .. 16384"},
    {"window", "hamming", "hanning", "hann|hann_symmetric|hamming|rect"},
    {"center", "yes", "true", "no|yes"},
    {"spectrum", "power", "2", "magnitude|power"},
    {"mel_scale", "slaney", "", "htk|slaney"},
    {"triangles", "hz", "Hz", "mel|hz"},
    {"area_norm", "yes", "1", "no|yes"},
    {"mels", "64", "257", "1 .. 256"},
    {"f_lo", "0", "-1", "0 .. 96000"},
    {"f_hi", "7600.5", "4k", "0 .. 96000"},
    {"floor_kind", "max", "clip", "add|max"},
    {"floor", "1e-12", "0", "1e-30 .. 1000000"},
    {"mfcc", "0", "-1", "0 .. 256"},
    {"dct", "ortho", "none", "ortho|tf"},
    {"preemphasis", "0.97", "1.01", "0 .. 1"},
    {"level", "none", "abs", "none|max"},
    {"normalize", "feature", "yes", "none|feature"},
    {"frontend", "fixed", "int8", "float|fixed"},
};

static void test_set(void **state)
{
    (void)state;
    const dsp_config base = preset("mfcc_49x10");
    for (size_t i = 0; i < BASE_COUNT(settings); i++) {
        base_err err = {0};
        dsp_config c = base;
        assert_int_equal(dsp_config_set(&c, settings[i].key, settings[i].bad, &err), BASE_USAGE);
        assert_true(dsp_config_equal(&c, &base));
        assert_has(err.message, settings[i].key);
        assert_has(err.message, settings[i].bad);
        assert_has(err.message, settings[i].says);
        assert_int_equal(dsp_config_set(&c, settings[i].key, "nan", &err), BASE_USAGE);
        if (dsp_config_set(&c, settings[i].key, settings[i].good, &err) != BASE_OK)
            fail_msg("%s", err.message);
        assert_false(dsp_config_equal(&c, &base));

        base_str diff = {0}, takes = {0};
        dsp_config_diff(&base, &c, &diff);
        assert_int_equal(strncmp(diff.s, settings[i].key, strlen(settings[i].key)), 0);
        assert_string_equal(dsp_config_key(i), settings[i].key);
        dsp_config_takes(i, &takes);
        assert_has(settings[i].says, takes.s);
        assert_true(strlen(dsp_config_help(i)) > 5);
        base_str_free(&diff);
        base_str_free(&takes);
    }
    assert_null(dsp_config_key(BASE_COUNT(settings)));
    assert_null(dsp_config_help(BASE_COUNT(settings)));
}

static void test_names_near(void **state)
{
    (void)state;
    base_err err = {0};
    dsp_config c = preset("mfcc_49x10");
    assert_int_equal(dsp_config_set(&c, "hop_sm", "10", &err), BASE_USAGE);
    assert_has(err.message, "'hop_sm'");
    assert_has(err.hint, "'hop_ms'");
    assert_int_equal(dsp_config_set(&c, "dct", "orto", &err), BASE_USAGE);
    assert_has(err.hint, "'ortho'");
}

/* ---- text and back ---- */

static void assert_round_trip(const dsp_config *c)
{
    base_str text = {0}, again = {0};
    base_err err = {0};
    dsp_config back;
    dsp_config_print(c, &text);
    assert_false(text.failed);
    if (dsp_config_parse(text.s, &back, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_true(dsp_config_equal(c, &back));
    dsp_config_print(&back, &again);
    assert_string_equal(text.s, again.s);
    base_str_free(&text);
    base_str_free(&again);
}

static void test_round_trip(void **state)
{
    (void)state;
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    for (size_t i = 0; i < n; i++) {
        dsp_config c = preset(names[i]);
        assert_round_trip(&c);
    }
    dsp_config c = preset("mfcc_49x10");
    c.window_ms = 1000 / 33.0, c.hop_ms = 20.1 + 0.2, c.f_hi = 3999.9999999999995;
    c.floor = 1.0 / 3e7, c.preemphasis = 0.97, c.normalize = DSP_NORMALIZE_FEATURE;
    assert_round_trip(&c);
    base_str text = {0};
    dsp_config_print(&c, &text);
    assert_has(text.s, "preemphasis = 0.97\n");
    assert_has(text.s, "normalize = feature\n");
    base_str_free(&text);
}

/* The preset's text with its line for `key` replaced (NULL: left out). */
static base_status parse_changed(const char *key, const char *line, dsp_config *c, base_err *err)
{
    base_str text = {0}, changed = {0};
    dsp_config base = preset("mfcc_49x10");
    dsp_config_print(&base, &text);
    for (char *at = text.s, *next; *at; at = next) {
        next = strchr(at, '\n') + 1;
        bool this = strncmp(at, key, strlen(key)) == 0 && at[strlen(key)] == ' ';
        if (!this)
            base_str_add_n(&changed, at, (size_t)(next - at));
        else if (line)
            base_str_add(&changed, "%s\n", line);
    }
    base_status st = dsp_config_parse(changed.s, c, err);
    base_str_free(&text);
    base_str_free(&changed);
    return st;
}

static void test_parse(void **state)
{
    (void)state;
    dsp_config c, before = preset("logmel_40x101");
    base_err err = {0};
    assert_int_equal(parse_changed("fft", "# note\n\n\tfft=1024 \r", &c, &err), BASE_OK);
    assert_int_equal(c.fft, 1024);

    static const struct {
        const char *key, *line, *says;
    } bad[] = {
        {"fft", NULL, "fft is missing"},
        {"fft", "fft = 512\nfft = 512", "line 6: fft is there twice"},
        {"fft", "fft 512", "line 5: 'fft 512' is not 'key = value'"},
        {"fft", "ffd = 512", "line 5: features have no key 'ffd'"},
        {"fft", "fft = many", "line 5: fft = 'many'"},
        {"fft", "fft = 256", "window_ms = 30 is 480 samples at 16000 Hz, more than fft = 256"},
    };
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        c = before;
        assert_int_equal(parse_changed(bad[i].key, bad[i].line, &c, &err), BASE_DATA);
        assert_has(err.message, bad[i].says);
        assert_true(dsp_config_equal(&c, &before));
    }
    assert_int_equal(dsp_config_parse("", &c, &err), BASE_DATA);
    assert_has(err.message, "rate is missing");
}

/* ---- keys that do not fit together ---- */

static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *says;
    } bad[] = {
        {"fft", "256", "480 samples at 16000 Hz, more than fft = 256"},
        {"window_ms", "40", "640 samples at 16000 Hz, more than fft = 512"},
        {"samples", "479", "shorter than the window of 480 samples"},
        {"rate", "6000", "f_hi = 4000 is above half the rate of 6000 Hz"},
        {"f_hi", "8000.1", "above half the rate"},
        {"f_lo", "4000", "f_lo = 4000 is not below f_hi = 4000"},
        {"mfcc", "41", "mfcc = 41: 40 mels"},
        {"mels", "256", "holds none of the FFT's bins, 31.25 Hz apart"},
    };
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        base_err err = {0};
        dsp_config c = preset("mfcc_49x10");
        assert_int_equal(dsp_config_set(&c, bad[i].key, bad[i].value, &err), BASE_OK);
        assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
        assert_has(err.message, bad[i].says);
    }
    base_err err = {0};
    dsp_config c = preset("logmel_40x101");
    c.samples = 480;
    assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
    assert_has(err.message, "too short to be reflected");
    c.samples = 481;
    assert_int_equal(dsp_config_check(&c, &err), BASE_OK);
    c.window_ms = 0.1, c.rate = 9000;
    assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
    assert_has(err.message, "window_ms = 0.1 is 1 samples at 9000 Hz");
    c.window_ms = 30, c.hop_ms = 0.1, c.rate = 1000;
    assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
    assert_has(err.message, "hop_ms = 0.1 is no sample at 1000 Hz");
    c = preset("logmel_40x101");
    c.window = 4;
    assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
    assert_has(err.message, "window = '4': expected hann|");
    c = preset("logmel_40x101");
    c.floor = 0;
    assert_int_equal(dsp_config_check(&c, &err), BASE_USAGE);
    assert_has(err.message, "floor = '0'");
}

static void test_variants(void **state)
{
    (void)state;
    base_err err = {0};
    dsp_config c = {.normalize = DSP_NORMALIZE_FEATURE}, want = preset("logmel_40x101");
    want.mels = 20;
    want.hop_ms = 12.5;
    want.normalize = DSP_NORMALIZE_FEATURE; /* kept */
    assert_int_equal(dsp_variant("logmel_40x101:mels=20,hop_ms=12.5", &c, &err), BASE_OK);
    assert_true(dsp_config_equal(&c, &want));
    want = preset("logmel_40x101");
    assert_int_equal(dsp_variant("logmel_40x101:normalize=none", &c, &err), BASE_OK);
    assert_true(dsp_config_equal(&c, &want));
    static const struct {
        const char *text, *says;
    } wrong[] = {{"logmel_40x11", "no feature preset"},
                 {"mfcc_49x10:mel=20", "no key 'mel'"},
                 {"mfcc_49x10:mels", "'mels' is no key=value"},
                 {"mfcc_49x10:mels,hop_ms=3", "'mels' is no key=value"},
                 {"mfcc_49x10:mels=0", "mels = '0'"},
                 {"mfcc_49x10:mfcc=50", "mfcc"},
                 {"mfcc_49x10:hop_ms=20,", NULL}};
    for (size_t i = 0; i < BASE_COUNT(wrong); i++) {
        const base_status s = dsp_variant(wrong[i].text, &c, &err);
        assert_int_equal(s, wrong[i].says ? BASE_USAGE : BASE_OK);
        if (!wrong[i].says) continue;
        assert_has(err.message, wrong[i].says);
        assert_true(dsp_config_equal(&c, &want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants),       cmocka_unit_test(test_presets),
        cmocka_unit_test(test_unknown_preset), cmocka_unit_test(test_set),
        cmocka_unit_test(test_names_near),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
