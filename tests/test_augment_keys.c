/* The keys of [augment]: what they take, which go together, and that they print as they were set.
 */
#include "tests/check.h"

#include "data/data.h"

#include <string.h>

static void refuse(const char *key, const char *value, const char *expected)
{
    data_augment aug = data_augment_default();
    base_err err = {0};
    char fragment[80];
    assert_int_equal(data_augment_set(&aug, key, value, &err), BASE_USAGE);
    snprintf(fragment, sizeof fragment, "%s = '%s': expected %s", key, value, expected);
    if (!strstr(err.message, fragment)) fail_msg("'%s' lacks '%s'", err.message, fragment);
}

static void refuse_pair(const char *lo, const char *hi, const char *low, const char *high)
{
    data_augment aug = data_augment_default();
    base_err err = {0};
    assert_int_equal(data_augment_set(&aug, lo, low, &err), BASE_OK);
    assert_int_equal(data_augment_set(&aug, hi, high, &err), BASE_OK);
    assert_int_equal(data_augment_check(&aug, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, lo));
    assert_non_null(strstr(err.message, hi));
    assert_int_equal(data_augment_set(&aug, lo, high, &err), BASE_OK);
    assert_int_equal(data_augment_check(&aug, &err), BASE_OK);
}

static void test_keys(void **state)
{
    (void)state;
    refuse("rir_prob", "1.1", "0 .. 1");
    refuse("rir_rt60_lo", "0", "0.05 .. 2");
    refuse("rir_rt60_hi", "20", "0.05 .. 2");
    refuse("gain_lo_db", "-61", "-60 .. 60");
    refuse("gain_hi_db", "loud", "-60 .. 60");
    refuse("noise_level", "db", "gain|snr");
    refuse("noise_level", "gain|snr", "gain|snr");
    refuse("noise_level", "", "gain|snr");
    refuse("snr_lo", "nan", "-40 .. 100");
    refuse("snr_hi", "101", "-40 .. 100");
    refuse("mask_value", "zer", "zero|mean");
    refuse("mixup_alpha", "-1", "0 .. 100");
    refuse_pair("gain_lo_db", "gain_hi_db", "3", "-3");
    refuse_pair("snr_lo", "snr_hi", "20", "10");
    refuse_pair("rir_rt60_lo", "rir_rt60_hi", "0.6", "0.3");
    refuse_pair("speed_lo", "speed_hi", "110", "90");
    base_err err = {0};
    data_augment aug = data_augment_default();
    assert_int_equal(data_augment_set(&aug, "snr_low", "1", &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "augment.snr_lo"));
}

static void test_keys_round_trip(void **state)
{
    (void)state;
    static const char *const set[][2] = {
        {"rir_prob", "0.5"},    {"rir_file", "a b/rooms"}, {"rir_rt60_lo", "0.2"}, {"snr_hi", "30"},
        {"gain_lo_db", "-6"},   {"gain_hi_db", "6.5"},     {"noise_level", "snr"}, {"snr_lo", "-5"},
        {"mask_value", "mean"}, {"mixup_alpha", "0.2"},    {"rir_rt60_hi", "0.7"},
    };
    data_augment aug = data_augment_default(), back = data_augment_default();
    base_err err = {0};
    for (size_t i = 0; i < BASE_COUNT(set); i++)
        assert_int_equal(data_augment_set(&aug, set[i][0], set[i][1], &err), BASE_OK);
    base_str text = {0};
    data_augment_print(&aug, &text);
    for (size_t i = 0; i < BASE_COUNT(set); i++) {
        char line[80];
        snprintf(line, sizeof line, "\n%s = %s\n", set[i][0], set[i][1]);
        assert_non_null(strstr(text.s, line));
    }
    size_t keys = 0;
    for (char *save = NULL, *s = strtok_r(text.s, "\n", &save); s;
         s = strtok_r(NULL, "\n", &save), keys++) {
        char *equals = strstr(s, " = ");
        assert_non_null(equals);
        *equals = '\0';
        assert_string_equal(s, data_augment_key(keys));
        assert_int_equal(data_augment_set(&back, s, equals + 3, &err), BASE_OK);
    }
    base_str_free(&text);
    assert_null(data_augment_key(keys));
    assert_memory_equal(&aug, &back, sizeof aug);
    assert_int_equal(aug.noise_level, DATA_LEVEL_SNR);
    assert_int_equal(aug.mask_value, DATA_MASK_MEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
