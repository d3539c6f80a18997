/* Stamps of stages and listings of recordings: what they say is unchanged, and why not; the rule by
 * which a model may take the place of another. */
#include "train/stages.h"

#include "tests/folder.h"
#include "train/listing.h"
#include "train/pipeline.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- stamps ---- */

static const char *const outputs[] = {"model.h5", "log.txt", NULL};

static void check(const char *dir, json_t *inputs, bool done, const char *why)
{
    const stage s = {"train", inputs, outputs};
    stage_look look = stage_check(dir, &s);
    assert_int_equal(look.done, done);
    assert_string_equal(look.why, why);
    stage_look_free(&look);
}

static void a_stage_runs_again_for_each_reason_that_there_is(void **state)
{
    const char *dir = *state;
    base_err err = {0};
    json_t *inputs = json_pack("{ssss}", "words", "aa", "lr", "1");
    json_t *other = json_pack("{ssss}", "lr", "2", "words", "aa");
    json_t *more = json_pack("{ssssss}", "words", "aa", "lr", "1", "seed", "3");
    json_t *less = json_pack("{ss}", "words", "ab"), *result = json_pack("{si}", "n", 5);
    const stage s = {"train", inputs, outputs};
    check(dir, inputs, false, "not done yet");
    folder_put(dir, "model.h5", "weights");
    assert_int_equal(stage_stamp(dir, &s, result, &err), BASE_DATA); /* log.txt did not come out */
    check(dir, inputs, false, "not done yet");
    folder_put(dir, "log.txt", "");
    assert_int_equal(stage_stamp(dir, &s, result, &err), BASE_OK);
    check(dir, inputs, true, "");
    check(dir, other, false, "lr changed");
    check(dir, more, false, "seed changed");
    check(dir, less, false, "words, lr changed");
    folder_put(dir, "model.h5", "weight5");
    check(dir, inputs, false, "model.h5 is not as it was");
    folder_put(dir, "model.h5", "weights");
    check(dir, inputs, true, "");
    char *path = base_path(dir, "log.txt");
    unlink(path);
    free(path);
    check(dir, inputs, false, "log.txt is missing");
    folder_put(dir, "log.txt", "");
    json_t *stamp = stage_read(dir, "train");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(stamp, "result"), "n")), 5);
    json_decref(stamp);
    json_decref(inputs);
    json_decref(other);
    json_decref(more);
    json_decref(less);
    json_decref(result);
}

static void a_stamp_that_is_cut_anywhere_is_none(void **state)
{
    const char *dir = *state;
    json_t *inputs = json_pack("{ss}", "words", "aa");
    static const char *const none[] = {NULL};
    const stage s = {"lint", inputs, none};
    char *path, *text;
    size_t n;
    assert_int_equal(stage_stamp(dir, &s, NULL, NULL), BASE_OK);
    path = base_path(dir, "stamps/lint.json");
    assert_int_equal(base_read_file(path, 1 << 16, &text, &n, NULL), BASE_OK);
    for (size_t cut = 0; cut + 1 < n; cut++) {
        assert_int_equal(base_write_file(path, text, cut, NULL), BASE_OK);
        stage_look look = stage_check(dir, &s);
        assert_false(look.done);
        assert_string_equal(look.why, "its stamp is damaged");
        stage_look_free(&look);
    }
    static const char *const wrong[] = {"[]", "{}", "{\"inputs\":{},\"files\":[]}", "3", "null"};
    for (size_t i = 0; i < BASE_COUNT(wrong); i++) {
        assert_int_equal(base_write_file(path, wrong[i], strlen(wrong[i]), NULL), BASE_OK);
        assert_null(stage_read(dir, "lint"));
    }
    free(text);
    free(path);
    json_decref(inputs);
}

static void keys_do_not_depend_on_order(void **state)
{
    (void)state;
    char a[65], b[65], c[65];
    json_t *one = json_pack("{ssss}", "x", "1", "y", "2");
    json_t *two = json_pack("{ssss}", "y", "2", "x", "1");
    json_t *three = json_pack("{ssss}", "y", "1", "x", "2");
    stage_key(one, a);
    stage_key(two, b);
    stage_key(three, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    stage_text_hash("abc", a); /* FIPS 180-2, B.1 */
    assert_string_equal(a, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    json_decref(one);
    json_decref(two);
    json_decref(three);
}

/* ---- listings ---- */

static void a_listing_is_that_of_sha256sum(void **state)
{
    const char *dir = *state;
    char command[400];
    snprintf(command, sizeof command,
             "cd %s && mkdir yes no .git && printf abc >yes/a.wav && printf b >yes/b.FLAC && "
             "printf c >no/c.wav && printf d >no/notes.txt && printf e >testing_list.txt && "
             "printf f >README && printf g >.git/x.wav && printf h >yes/.h.wav",
             dir);
    assert_int_equal(system(command), 0);
    listing l;
    base_str text = {0};
    assert_int_equal(listing_make(dir, 3, NULL, &l, NULL), BASE_OK);
    assert_int_equal(l.n, 4);
    listing_text(&l, &text);
    folder_put(dir, "sums", text.s);
    snprintf(command, sizeof command,
             "cd %s && sha256sum -c --quiet sums && sha256sum no/c.wav testing_list.txt yes/a.wav "
             "yes/b.FLAC | cmp - sums",
             dir);
    assert_int_equal(system(command), 0);
    listing again;
    char *path = base_path(dir, "sums");
    assert_int_equal(listing_read(path, &again, NULL), BASE_OK);
    listing_change c = listing_compare(&l, &again);
    assert_true(c.added == 0 && c.changed == 0 && c.removed == 0);
    folder_put(dir, "sums", "nothing\n");
    listing_free(&again);
    base_err err = {0};
    assert_int_equal(listing_read(path, &again, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "sums:1"));
    volatile int stop = 1;
    assert_int_equal(listing_make(dir, 2, &stop, &again, NULL), BASE_INTERRUPTED);
    assert_int_equal(listing_make(path, 2, NULL, &again, NULL), BASE_DATA);
    free(path);
    base_str_free(&text);
    listing_free(&l);
}

static void changes_are_counted(void **state)
{
    (void)state;
    listing_file before[] = {{"a", "1"}, {"c", "1"}, {"d", "1"}, {"f", "1"}};
    listing_file now[] = {{"b", "1"}, {"c", "1"}, {"d", "2"}, {"f", "1"}, {"g", "1"}, {"h", "1"}};
    const listing x = {before, 4, 4}, y = {now, 6, 6}, none = {0};
    listing_change c = listing_compare(&x, &y);
    assert_true(c.added == 3 && c.changed == 1 && c.removed == 1);
    c = listing_compare(&none, &y);
    assert_true(c.added == 6 && c.changed == 0 && c.removed == 0);
}

/* ---- the rule ---- */

/* 10 against 2: mid-p of the binomial test is 0.0225; 6 against 2: 0.18. */
static void who_may_take_the_place_of_production(void **state)
{
    (void)state;
    static const struct {
        int only, against;
        bool allowed[4]; /* not_lower, not_worse, better, always */
    } cases[] = {
        {10, 2, {true, true, true, true}},  {6, 2, {true, true, false, true}},
        {0, 0, {true, true, false, true}},  {5, 5, {true, true, false, true}},
        {2, 6, {false, true, false, true}}, {2, 10, {false, false, false, true}},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++)
        for (int rule = 0; rule < 4; rule++) {
            char why[160];
            assert_int_equal(
                pipeline_allows((pipeline_rule)rule, cases[i].only, cases[i].against, why),
                cases[i].allowed[rule]);
            const int distance = cases[i].only - cases[i].against;
            assert_non_null(strstr(why, distance == 8    ? "(better"
                                        : distance == -8 ? "(worse"
                                                         : "(may be"));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stage_runs_again_for_each_reason_that_there_is,
                                        folder_make, folder_clean),
        cmocka_unit_test_setup_teardown(a_stamp_that_is_cut_anywhere_is_none, folder_make,
                                        folder_clean),
        cmocka_unit_test(keys_do_not_depend_on_order),
        cmocka_unit_test_setup_teardown(a_listing_is_that_of_sha256sum, folder_make, folder_clean),
        cmocka_unit_test(changes_are_counted),
        cmocka_unit_test(who_may_take_the_place_of_production),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
