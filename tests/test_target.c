/* Profiles of boards and cores, and the table of instructions: what is carried loads, what is
 * malformed says where.
 */
#include "nn/embedded.h"
#include "quantize/target.h"
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

static void check(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s", err->message);
}

static void load(const char *name, quant_target *target)
{
    base_err err = {0};
    check(quant_target_load(name, target, &err), &err);
}

static void every_profile_loads(void **state)
{
    (void)state;
    const char **names = NULL;
    size_t n = 0;
    base_err err = {0};
    check(quant_target_names(&names, &n, &err), &err);
    assert_true(n >= 33);
    for (size_t i = 0; i < n; i++) {
        quant_target t;
        load(names[i], &t);
        assert_string_equal(t.name, names[i]); /* the file is called as the board */
        assert_string_equal(t.core.name, t.core_name);
        assert_true(t.ram < t.flash * 4 && quant_target_cpi(&t) > 0.5);
        assert_non_null(quant_rule_of(&t.core.own, "conv2d_gemm", ""));
        assert_true((t.core.cmsis.n > 0) == (t.core.tflm_code > 0));
        assert_true(t.rough ? t.latency_error >= 100 : t.latency_error < 100);
    }
    free(names);
}

static base_status parse(const char *from, const char *to, base_err *err)
{
    const char *text = nn_embedded_find("quantize/targets/nucleo-l4r5zi.ini")->text;
    const char *at = strstr(text, from);
    base_str changed = {0};
    quant_target target;
    assert_non_null(at);
    base_str_add_n(&changed, text, (size_t)(at - text));
    base_str_add(&changed, "%s%s", to, at + strlen(from));
    assert_false(changed.failed);
    base_status status = quant_target_parse(changed.s, "my.ini", &target, err);
    base_str_free(&changed);
    return status;
}

static void malformed_profiles(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"mhz = 120", "mhz = fast", "my.ini:10: [clock] mhz = fast"},
        {"mhz = 120", "mhz = -1", "my.ini:10: [clock] mhz = -1"},
        {"mhz = 120", "mhz = nan", "my.ini:10: [clock] mhz = nan"},
        {"mhz = 120", "mzh = 120", "my.ini:10: unknown key [clock] mzh"},
        {"mhz = 120", "mhz = 120\nmhz = 130", "my.ini:11: [clock] mhz is given twice"},
        {"[clock]", "[klock]", "my.ini:10: unknown section [klock]"},
        {"mhz = 120", "", "my.ini: [clock] mhz is missing"},
        {"mhz = 120", "what", "my.ini:10: "},
        {"rough = no", "rough = maybe", "[latency] rough = maybe"},
        {"basis = published", "basis = guessed", "[latency] basis = guessed"},
        {"core = cortex-m4", "core = cortex-m44", "my.ini: unknown core 'cortex-m44'"},
        {"core = cortex-m4", "core = ../x", "my.ini: unknown core '../x'"},
        {"error_percent = 10", "", "my.ini: [power] needs source and error_percent"},
        {"[clock]", "[core]\nname = mine\n[clock]", "my.ini: [core] isa is missing"},
    };
    base_err err = {0};
    check(parse("mhz = 120", "mhz = 60.5", &err), &err);
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        err = (base_err){0};
        assert_int_equal(parse(cases[i].from, cases[i].to, &err), BASE_USAGE);
        if (!strstr(err.message, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].says);
    }
}

static void table_of_instructions(void **state)
{
    (void)state;
    static const char text[] = "[sotto a]\nsource = here\nerror_percent = 2\n"
                               "conv2d = 1 2 3 4 5 6 7 0.5 1.5\nconv2d.1x1 = 9 0 0 0 0 0 1 0 0\n"
                               "[sotto b]\nconv2d = bad\n";
    static const char *const bad[] = {
        "[sotto a]\nconv2d = 1 2 3\n", "[sotto a]\nconv2d = 1 2 3 4 5 6 7 8 -9\n",
        "[sotto a]\nconv2d = 1 2 3 4 5 6 7 8 9 10\n", "[sotto a]\nconv2d = 1 2 3 4 5 6 7 8 nan\n",
        "[sotto a]\nerror_percent = much\n"};
    quant_table t;
    base_err err = {0};
    check(quant_table_parse(text, "t.ini", "sotto", "a", &t, &err), &err);
    assert_int_equal(t.n, 2);
    assert_true(t.error == 2 && t.rule[0].per[QUANT_LAYER] == 6 && t.rule[0].samples == 7);
    assert_true(quant_rule_of(&t, "conv2d", "1x1")->per[QUANT_MAC] == 9);
    assert_true(quant_rule_of(&t, "conv2d", "3x3")->per[QUANT_MAC] == 1);
    assert_true(quant_rule_of(&t, "conv2d_w4", "1x1")->per[QUANT_MAC] == 9);
    assert_null(quant_rule_of(&t, "dense", ""));
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        err = (base_err){0};
        assert_int_equal(quant_table_parse(bad[i], "t.ini", "sotto", "a", &t, &err), BASE_FAILED);
        assert_non_null(strstr(err.message, "t.ini:2"));
    }
    check(quant_table_load("sotto", "nothing", &t, &err), &err);
    assert_int_equal(t.n, 0);
}

static void unknown_names(void **state)
{
    (void)state;
    quant_target t;
    base_err err = {0};
    assert_int_equal(quant_target_load("nucleo-l4r5z", &t, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "nucleo-l4r5z"));
    assert_non_null(strstr(err.hint, "nucleo-l4r5zi"));
    assert_int_equal(quant_target_load("core-cortex-m4", &t, &err), BASE_USAGE);
    assert_int_equal(quant_target_load("", &t, &err), BASE_USAGE);
    assert_int_equal(quant_target_load("./nothing.ini", &t, &err), BASE_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_loads),
        cmocka_unit_test(malformed_profiles),
        cmocka_unit_test(table_of_instructions),
        cmocka_unit_test(unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
