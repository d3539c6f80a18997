/* What the files of a run say: whole, cut by a crash, damaged, absent. */
#include "train/runinfo.h"

#include "tests/folder.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void a_whole_run_is_read(void **state)
{
    const char *dir = *state;
    base_err err = {0};
    runinfo r;
    folder_put(dir, "config.ini",
               "[data]\npack = a = b.h5\n\n[train]\nlr = 0.5\ndecay_groups = \n");
    folder_put(dir, "manifest.json",
               "{\"model\": {\"arch\": \"gru\"}, \"started\": \"2026-01-02\"}");
    folder_put(dir, "metrics.jsonl",
               "{\"epoch\":1,\"loss\":2}\n{\"epoch\":2,\"loss\":1}\n{\"epoch\":3,\"lo");
    folder_put(dir, "FAILED", "the loss is nan\n");
    assert_int_equal(runinfo_open(dir, &r, &err), BASE_OK);
    assert_int_equal(r.state, RUN_FAILED);
    assert_string_equal(r.note, "the loss is nan");
    assert_int_equal(r.n_keys, 3);
    assert_string_equal(runinfo_key(&r, "data.pack"), "a = b.h5");
    assert_string_equal(runinfo_key(&r, "train.decay_groups"), "");
    assert_null(runinfo_key(&r, "train.epochs"));
    assert_int_equal(json_array_size(r.curve), 2);
    assert_true(runinfo_number(runinfo_last(&r), "loss") == 1);
    assert_true(isnan(runinfo_number(runinfo_last(&r), "val_loss")));
    assert_null(r.result);
    assert_int_equal(r.n_files, 4);
    assert_string_equal(r.files[0].name, "FAILED");
    assert_int_equal(r.files[0].bytes, 16);
    runinfo_close(&r);
}

static void what_is_damaged_is_absent(void **state)
{
    const char *dir = *state;
    base_err err = {0};
    runinfo r;
    assert_int_equal(runinfo_open(dir, &r, &err), BASE_DATA);
    assert_non_null(strstr(err.message, dir));
    runinfo_close(&r);
    folder_put(dir, "lock", "");
    folder_put(dir, "manifest.json", "{\"model\": ");
    folder_put(dir, "metrics.jsonl", "\n[1]\nnull\n{}");
    folder_put(dir, "DONE", "3\n");
    assert_int_equal(runinfo_open(dir, &r, &err), BASE_OK);
    assert_int_equal(r.state, RUN_DAMAGED);
    assert_string_equal(r.note, "no config.ini");
    assert_null(r.manifest);
    assert_null(r.result);
    assert_null(runinfo_last(&r));
    assert_int_equal(r.n_keys, 0);
    runinfo_close(&r);
    run_summary s;
    run_summarize(dir, &s);
    assert_string_equal(s.model, "");
    assert_true(s.epoch == 0 && isnan(s.loss) && isnan(s.val_accuracy));
}

static void the_last_line_of_any_length_of_file(void **state)
{
    const char *dir = *state;
    base_str text = {0};
    for (int epoch = 1; epoch <= 200; epoch++) {
        run_summary s;
        base_str_add(&text, "{\"epoch\":%d,\"loss\":%d.25,\"val_accuracy\":0.5}\n", epoch, epoch);
        folder_put(dir, "metrics.jsonl", text.s);
        run_summarize(dir, &s);
        assert_int_equal(s.epoch, epoch);
        assert_true(s.loss == epoch + 0.25 && s.val_accuracy == 0.5);
    }
    base_str_add(&text, "{\"epoch\":201"); /* cut by a crash */
    run_summary s;
    folder_put(dir, "metrics.jsonl", text.s);
    run_summarize(dir, &s);
    assert_int_equal(s.epoch, 200);
    base_str_free(&text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_clean)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_run_is_read),
        TEST(what_is_damaged_is_absent),
        TEST(the_last_line_of_any_length_of_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
