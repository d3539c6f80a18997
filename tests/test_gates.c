/* gates: what an INI file may say of them, every refusal with its place, the round trip, and
 * verdicts at and around the limit. */
#include "train/gates.h"
#include "train/setup.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    train_setup setup;
    config *cfg;
    base_err err;
} fixture;

static void begin(fixture *f)
{
    *f = (fixture){.setup = train_setup_default()};
    assert_int_equal(train_config_new(&f->setup, &f->cfg, &f->err), BASE_OK);
}

static void wants(const gate_settings *s, const char *name, bool most, double limit)
{
    const gate *g = gates_find(s, name);
    assert_non_null(g);
    assert_int_equal(g->most, most);
    assert_true(g->limit == limit);
}

static void any_spacing_is_read(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    const char *text = "[gates]\naccuracy >= 0.93\nflash_kb<=64 ; the board's\nrecall.stop>= 0.9\n"
                       "precision._unknown_ >=0\nfa_per_hour <= 1e-3\n";
    assert_int_equal(config_read_text(f.cfg, "k.ini", text, &f.err), BASE_OK);
    assert_int_equal(f.setup.gates.n, 5);
    wants(&f.setup.gates, "accuracy", false, 0.93);
    wants(&f.setup.gates, "flash_kb", true, 64);
    wants(&f.setup.gates, "recall.stop", false, 0.9);
    wants(&f.setup.gates, "precision._unknown_", false, 0);
    wants(&f.setup.gates, "fa_per_hour", true, 1e-3);
    assert_null(gates_find(&f.setup.gates, "recall.yes"));
    assert_string_equal(config_where(f.cfg, "gates.recall.stop"), "k.ini:4");
    /* An override replaces the limit where the gate stands. */
    assert_int_equal(config_override(f.cfg, "gates.accuracy >= 0.95", &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "gates.ram_kb<=16", &f.err), BASE_OK);
    assert_int_equal(f.setup.gates.n, 6);
    wants(&f.setup.gates, "accuracy", false, 0.95);
    config_free(f.cfg);
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    fixture f, g;
    begin(&f);
    begin(&g);
    base_str one = {0}, two = {0};
    const char *text = "[problem]\nbusiness = calls avoided\n[target]\nboard = bluepill\n"
                       "[gates]\nrecall.go>=0.123456789\nlatency_ms <= 50\n";
    assert_int_equal(config_read_text(f.cfg, "k.ini", text, &f.err), BASE_OK);
    config_print(f.cfg, &one);
    assert_non_null(strstr(one.s, "\n[gates]\nrecall.go >= 0.123456789\nlatency_ms <= 50\n"));
    assert_int_equal(config_read_text(g.cfg, "one", one.s, &g.err), BASE_OK);
    config_print(g.cfg, &two);
    assert_string_equal(one.s, two.s);
    base_str_free(&one);
    base_str_free(&two);
    config_free(f.cfg);
    config_free(g.cfg);
}

static void refusals_name_file_line_and_gate(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message, *hint; /* parts */
    } cases[] = {
        {"acuracy >= 0.9", "k.ini:2: gates.acuracy: there is no such gate",
         "did you mean 'accuracy'?"},
        {"quite_unlike_any >= 1", "k.ini:2: gates.quite_unlike_any: there is no such gate",
         "there are accuracy"},
        {"recall. >= 0.9", "k.ini:2: gates.recall.: there is no such gate", "recall."},
        {"accuracy >=", "k.ini:2: gates.accuracy >=: the number is missing", ""},
        {"accuracy >= high", "k.ini:2: gates.accuracy >= 'high': expected a number in 0 .. 1",
         "0.93 stands for 93 %"},
        {"accuracy >= 93", "k.ini:2: gates.accuracy >= '93': expected a number in 0 .. 1",
         "0.93 stands for 93 %"},
        {"flash_kb <= -1", "k.ini:2: gates.flash_kb <= '-1': expected a number in 0 .. any", ""},
        {"accuracy <= 0.9",
         "k.ini:2: gates.accuracy <=: the wrong direction, accuracy is a least value",
         "accuracy >= 0.9"},
        {"flash_kb >= 64",
         "k.ini:2: gates.flash_kb >=: the wrong direction, flash_kb is a most value",
         "flash_kb <= 10"},
        {"accuracy = 0.9", "k.ini:2: gates.accuracy: a gate says >=, not =", "accuracy >= 0.9"},
        {"accuracy >>= 0.9", "k.ini:2: gates.accuracy: '>>=' is no direction", "accuracy >= 0.9"},
        {"accuracy > 0.9", "k.ini:2: the line is neither [section] nor key = value",
         "a gate is written accuracy >= 0.93"},
        {"accuracy >= 0.9\naccuracy>=0.8", "k.ini:3: 'gates.accuracy' is set twice", ""},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        fixture f;
        char text[128];
        begin(&f);
        snprintf(text, sizeof text, "[gates]\n%s\n", cases[i].line);
        assert_int_equal(config_read_text(f.cfg, "k.ini", text, &f.err), BASE_USAGE);
        if (!strstr(f.err.message, cases[i].message) || !strstr(f.err.hint, cases[i].hint))
            fail_msg("'%s': %s (%s)", cases[i].line, f.err.message, f.err.hint);
        config_free(f.cfg);
    }
}

static void there_is_room_for_so_many(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    for (int i = 0; i < GATES_MAX; i++) {
        char text[64];
        snprintf(text, sizeof text, "gates.recall.w%d>=0.5", i);
        assert_int_equal(config_override(f.cfg, text, &f.err), BASE_OK);
    }
    assert_int_equal(config_override(f.cfg, "gates.recall.w0>=0.6", &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "gates.accuracy>=0.6", &f.err), BASE_USAGE);
    assert_int_equal(f.setup.gates.n, GATES_MAX);
    config_free(f.cfg);
}

static void verdicts_follow_the_interval(void **state)
{
    (void)state;
    const gate least = {"accuracy", false, 0.9}, most = {"flash_kb", true, 64};
    const double nothing = (double)NAN;
    const struct {
        double value, lo, hi;
        gate_verdict least, most; /* most: of the same times 64 / 0.9 */
    } cases[] = {
        {0.95, 0.93, 0.97, GATE_PASS, GATE_FAIL},
        {0.95, 0.9, 0.97, GATE_PASS, GATE_UNSURE},
        {0.95, 0.89, 0.97, GATE_UNSURE, GATE_UNSURE},
        {0.85, 0.8, 0.91, GATE_UNSURE, GATE_UNSURE},
        {0.85, 0.8, 0.89, GATE_FAIL, GATE_PASS},
        {0.85, 0.8, 0.9, GATE_UNSURE, GATE_PASS},
        {0.9, 0.9, 0.9, GATE_PASS, GATE_PASS},
        {nothing, nothing, nothing, GATE_NOT_MEASURED, GATE_NOT_MEASURED},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        const double v = cases[i].value, lo = cases[i].lo, hi = cases[i].hi;
        const double scale = 64 / 0.9;
        assert_int_equal(gate_judge(&least, v, lo, hi), cases[i].least);
        assert_int_equal(gate_judge(&most, v == 0.9 ? 64 : v * scale, lo == 0.9 ? 64 : lo * scale,
                                    hi == 0.9 ? 64 : hi * scale),
                         cases[i].most);
    }
    assert_true(gate_holds(&least, 0.9) && !gate_holds(&least, 0.89));
    assert_true(gate_holds(&most, 64) && !gate_holds(&most, 64.1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_spacing_is_read),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(refusals_name_file_line_and_gate),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test(verdicts_follow_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
