/* config: sections, overrides, refusals with their place, and the exact round trip. */
#include "train/config.h"
#include "train/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct words {
    char list[2048];
    bool on;
} words;

static const config_key word_keys[] = {
    {.name = "list",
     .help = "words",
     .type = CONFIG_TEXT,
     .offset = offsetof(words, list),
     .size = sizeof(((words *)0)->list)},
    {.name = "on", .help = "whether", .type = CONFIG_BOOL, .offset = offsetof(words, on)},
};

typedef struct fixture {
    words words;
    dsp_config features;
    model_settings model;
    train_settings train;
    config *cfg;
    base_err err;
} fixture;

static void begin(fixture *f)
{
    *f = (fixture){.model = model_settings_default(), .train = train_settings_default()};
    assert_int_equal(dsp_preset("mfcc_49x10", &f->features, &f->err), BASE_OK);
    const config_section sections[] = {
        {.name = "data", .settings = &f->words, .keys = word_keys, .nkeys = 2},
        features_section(&f->features),
        model_section(&f->model),
        train_section(&f->train)};
    assert_int_equal(config_new(sections, BASE_COUNT(sections), &f->cfg, &f->err), BASE_OK);
}

static base_status read_text(fixture *f, const char *text)
{
    f->err = (base_err){0};
    return config_read_text(f->cfg, "a.ini", text, &f->err);
}

static char *printed(fixture *f)
{
    base_str out = {0};
    config_print(f->cfg, &out);
    assert_false(out.failed);
    return out.s;
}

static void file_then_overrides(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(read_text(&f, "# a comment\n[train]\nlr = 0.25 ; inline\nepochs=7\r\n"
                                   "optimizer = adamw\n\n[model]\narch = dnn\n"),
                     BASE_OK);
    assert_true(f.train.lr == 0.25);
    assert_int_equal(f.train.epochs, 7);
    assert_int_equal(f.train.optimizer, NN_ADAMW);
    assert_string_equal(f.model.arch, "dnn");
    assert_string_equal(config_where(f.cfg, "train.lr"), "a.ini:3");
    assert_string_equal(config_where(f.cfg, "train.batch"), "default");
    assert_int_equal(config_override(f.cfg, "train.lr=0.5", &f.err), BASE_OK);
    assert_true(f.train.lr == 0.5);
    assert_string_equal(config_where(f.cfg, "train.lr"), "command line");
    assert_int_equal(config_override(f.cfg, "model.arch=a=b", &f.err), BASE_OK);
    assert_string_equal(f.model.arch, "a=b");
    assert_int_equal(config_check(f.cfg, &f.err), BASE_OK);
    config_free(f.cfg);
}

/* Every refusal: text, the whole message, the hint (NULL: any). */
static void refusals_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message, *hint;
    } cases[] = {
        {"[train]\nlrr = 1\n", "a.ini:2: unknown key 'train.lrr'", "did you mean 'train.lr'?"},
        {"[trian]\nlr = 1\n", "a.ini:2: unknown section 'trian'", "did you mean 'train'?"},
        {"\n\n[train]\nlr = -1\n", "a.ini:4: train.lr = '-1': expected a number in 1e-08 .. 10",
         NULL},
        {"[train]\nlr = nan\n", "a.ini:2: train.lr = 'nan': expected a number in 1e-08 .. 10",
         NULL},
        {"[train]\nepochs = 3.5\n",
         "a.ini:2: train.epochs = '3.5': expected a whole number in 1 .. 100000", NULL},
        {"[train]\noptimizer = adma\n",
         "a.ini:2: train.optimizer = 'adma': expected sgd|adam|adamw|rmsprop|novograd",
         "did you mean 'adam'?"},
        {"[data]\non = maybe\n", "a.ini:2: data.on = 'maybe': expected yes|no", NULL},
        {"lr = 1\n", "a.ini:1: a key before the first [section]", NULL},
        {"[train]\nlr 1\n", "a.ini:2: the line is neither [section] nor key = value", NULL},
        {"[train]\nlr = 1\n\nlr = 2\n", "a.ini:4: 'train.lr' is set twice, before that at a.ini:2",
         NULL},
        {"[features]\nmels = 0\n",
         "a.ini:2: features.mels = '0': expected a whole number in 1 .. 256", NULL},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        fixture f;
        begin(&f);
        char *before = printed(&f);
        assert_int_equal(read_text(&f, cases[i].text), BASE_USAGE);
        assert_string_equal(f.err.message, cases[i].message);
        if (cases[i].hint) assert_string_equal(f.err.hint, cases[i].hint);
        char *after = printed(&f);
        if (!strstr(cases[i].message, "twice")) assert_string_equal(before, after);
        free(before);
        free(after);
        config_free(f.cfg);
    }
}

static void overrides_are_refused_alike(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(config_override(f.cfg, "train.lr", &f.err), BASE_USAGE);
    assert_int_equal(config_override(f.cfg, "a=b.c", &f.err), BASE_USAGE);
    assert_int_equal(config_override(f.cfg, "train.batch=0", &f.err), BASE_USAGE);
    assert_string_equal(f.err.message,
                        "command line: train.batch = '0': expected a whole number in 1 .. 65536");
    /* An INI file could not give these back. */
    const char *lost[] = {"model.file=a ;b", "model.file=;b",   "model.file= a",  "model.file=a ",
                          "model.file=a  b", "model.file=a\nb", "model.file=a\tb"};
    for (size_t i = 0; i < BASE_COUNT(lost); i++)
        assert_int_equal(config_override(f.cfg, lost[i], &f.err), BASE_USAGE);
    assert_string_equal(f.model.file, "");
    config_free(f.cfg);
}

static void checks_look_at_keys_together(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(read_text(&f, "[train]\nbatch = 2\nshards = 4\n"), BASE_OK);
    assert_int_equal(config_check(f.cfg, &f.err), BASE_USAGE);
    assert_string_equal(f.err.message, "[train] shards = 4 is more than batch = 2");
    config_free(f.cfg);
}

/* What is printed reads back to the same text, with awkward numbers, long lists and overrides. */
static void round_trip(const char *separator)
{
    fixture f;
    begin(&f);
    base_str list = {0};
    base_str_add(&list, "data.list=");
    for (int i = 0; i < 120; i++) base_str_add(&list, "%sword%d", i ? separator : "", i);
    assert_int_equal(config_override(f.cfg, list.s, &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "train.lr=0.1234567890123456", &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "train.final_lr=3e-7", &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "features.preset=logmel_40x101", &f.err), BASE_OK);
    assert_int_equal(config_override(f.cfg, "features.mels=41", &f.err), BASE_OK);
    char *first = printed(&f);
    fixture g;
    begin(&g);
    if (read_text(&g, first) != BASE_OK) fail_msg("%s", g.err.message);
    char *second = printed(&g);
    assert_string_equal(first, second);
    assert_string_equal(g.words.list, list.s + strlen("data.list="));
    assert_true(g.train.lr == f.train.lr && g.train.final_lr == f.train.final_lr);
    assert_true(dsp_config_equal(&f.features, &g.features));
    assert_int_equal(g.features.mels, 41);
    free(first);
    free(second);
    base_str_free(&list);
    config_free(f.cfg);
    config_free(g.cfg);
}

static void print_round_trips(void **state)
{
    (void)state;
    round_trip(" ");
    round_trip(",");
    round_trip(" , ");
    round_trip(",x ");
    round_trip(",,");
    /* No place to break a line: refused, not cut. */
    fixture f;
    begin(&f);
    base_str list = {0};
    base_str_add(&list, "data.list=");
    for (int i = 0; i < 40; i++) base_str_add(&list, "word%d, ", i);
    base_str_add(&list, "end");
    assert_int_equal(config_override(f.cfg, list.s, &f.err), BASE_USAGE);
    base_str_free(&list);
    config_free(f.cfg);
}

static void lines_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    base_str text = {0};
    base_str_add(&text, "[data]\nlist = %0400d\n", 1);
    assert_int_equal(read_text(&f, text.s), BASE_USAGE);
    assert_non_null(strstr(f.err.message, "a.ini:2: the line is too long"));
    base_str_free(&text);
    config_free(f.cfg);
}

static void files(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(config_read(f.cfg, "/nowhere/x.ini", &f.err), BASE_DATA);
    assert_non_null(strstr(f.err.message, "/nowhere/x.ini"));
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char zeros[] = "[train]\nlr = 0.5\n\0\0\0";
    assert_int_equal(write(fd, zeros, sizeof zeros), (int)sizeof zeros);
    close(fd);
    assert_int_equal(config_read(f.cfg, path, &f.err), BASE_DATA);
    unlink(path);
    config_free(f.cfg);
}

static void explain_lists_every_key(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    base_str out = {0};
    config_explain(f.cfg, &out);
    assert_non_null(strstr(out.s, "train.optimizer"));
    assert_non_null(strstr(out.s, "sgd|adam|adamw"));
    assert_non_null(strstr(out.s, "features.preset"));
    assert_non_null(strstr(out.s, "mfcc_49x10|logmel_40x101|mfcc_40x98"));
    base_str_free(&out);
    config_free(f.cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_then_overrides),
        cmocka_unit_test(refusals_name_their_place),
        cmocka_unit_test(overrides_are_refused_alike),
        cmocka_unit_test(checks_look_at_keys_together),
        cmocka_unit_test(print_round_trips),
        cmocka_unit_test(lines_that_do_not_fit_are_refused),
        cmocka_unit_test(files),
        cmocka_unit_test(explain_lists_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
