/* sotto pipeline: the stages of its clips: what is trained on, what is measured on, what is left
 * out. */
#include "data/exclude.h"
#include "train/cmd_pipeline.h"
#include "train/filehash.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- import ---- */

static base_status write_clips(pipeline *l, json_t *result, base_err *err)
{
    (void)result;
    base_str text = {0};
    listing_text(&l->words, &text);
    const base_status status =
        text.failed ? base_nomem(err, text.len)
                    : base_write_file(pipeline_at(l, PIPELINE_CLIPS), text.s, text.len, err);
    base_str_free(&text);
    return status;
}

/* "words: 500 new clips, 1 changed", or NULL when the folder is as it was. */
static const char *words_changed(pipeline *l)
{
    listing before;
    if (listing_read(pipeline_at(l, PIPELINE_CLIPS), &before, NULL) != BASE_OK) return NULL;
    const listing_change c = listing_compare(&before, &l->words);
    listing_free(&before);
    if (c.added + c.changed + c.removed == 0) return NULL;
    return base_arena_printf(l->arena, "words: %zu new clips, %zu changed, %zu removed", c.added,
                             c.changed, c.removed);
}

base_status pipeline_import(pipeline *l, base_err *err)
{
    static const char *const files[] = {PIPELINE_WORDS, PIPELINE_CLIPS, NULL};
    char hex[65];
    base_str text = {0};
    listing_text(&l->words, &text);
    stage_text_hash(text.s ? text.s : "", hex);
    base_str_free(&text);
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "words", hex);
    pipeline_words w = pipeline_begin(l, "data", "import");
    pipeline_add(&w, l->setup.pipeline.words);
    pipeline_add_option(&w, "--splits", "train,validation");
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_add_option(&w, "-o", pipeline_at(l, PIPELINE_WORDS));
    pipeline_step step = {.stage = {"import", inputs, files},
                          .argv = w.v,
                          .why = words_changed(l),
                          .after = write_clips};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    pipeline_put_number(row, result, "train", "training");
    pipeline_put_number(row, result, "validation", "validation clips");
    json_decref(result);
    return pipeline_hash_pack(l, pipeline_at(l, PIPELINE_WORDS), l->words_hash, err);
}

/* ---- the frozen test set ---- */

/* What a folder of test clips is now; "" without one. */
static base_status hash_test_folder(pipeline *l, char hex[65], base_err *err)
{
    listing test;
    base_str text = {0};
    hex[0] = '\0';
    if (!l->setup.pipeline.test[0]) return BASE_OK;
    BASE_TRY(listing_make(l->setup.pipeline.test, l->c->threads, cli_interrupt(l->c), &test, err));
    listing_text(&test, &text);
    stage_text_hash(text.s ? text.s : "", hex);
    listing_free(&test);
    base_str_free(&text);
    return BASE_OK;
}

static base_status stamp_again(pipeline *l, const char *now, base_err *err)
{
    static const char *const files[] = {PIPELINE_TEST, NULL};
    if (l->dry) return BASE_OK;
    json_t *inputs = pipeline_inputs();
    pipeline_put(inputs, "test", now);
    const base_status status = stage_stamp(l->dir, &(stage){"freeze", inputs, files}, NULL, err);
    json_decref(inputs);
    return status;
}

/* The test set stays what it is for good, so that all models are measured on the same clips. */
static base_status keep_frozen(pipeline *l, const char *now, base_err *err)
{
    char hex[65] = "";
    const char *path = pipeline_at(l, PIPELINE_TEST);
    json_t *stamp = stage_read(l->dir, "freeze");
    const json_t *files = json_object_get(stamp, "files"), *in = json_object_get(stamp, "inputs");
    const char *was = json_string_value(json_object_get(files, PIPELINE_TEST));
    const char *folder = json_string_value(json_object_get(in, "test"));
    pipeline_row *row = pipeline_row_new(l, "freeze");
    row->action = "skipped";
    snprintf(row->why, sizeof row->why, "frozen");
    base_status status = filehash(path, hex, err);
    if (status == BASE_OK && was && strcmp(was, hex) != 0) {
        base_fail(err, BASE_MISMATCH, "%s, the frozen test set, is not as it was", path);
        status = base_hint(err, "put it back, or make a new one with --refreeze");
    } else if (status == BASE_OK && !was) {
        snprintf(row->why, sizeof row->why, "its stamp was lost: taken as it is");
        cli_warn(l->c, "the stamp of %s was lost: it is taken as it is", path);
        status = stamp_again(l, now, err);
    } else if (status == BASE_OK && now[0] && folder && strcmp(folder, now) != 0) {
        snprintf(row->why, sizeof row->why, "frozen; %.100s has changed since: --refreeze takes it",
                 l->setup.pipeline.test);
        cli_warn(l->c,
                 "'%s' has changed since %s was frozen, which is what counts; --refreeze "
                 "takes the clips of now",
                 l->setup.pipeline.test, path);
    }
    pipeline_log(l, "freeze: skipped: %s", row->why);
    json_decref(stamp);
    return status;
}

static base_status make_frozen(pipeline *l, const char *now, base_err *err)
{
    static const char *const files[] = {PIPELINE_TEST, NULL};
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "test", now);
    if (l->refreeze)
        pipeline_put(inputs, "again", ""); /* so that it is done, as no stamp has this */
    pipeline_words w = pipeline_begin(l, "data", "import");
    pipeline_add(&w, l->setup.pipeline.words);
    pipeline_add_option(&w, "--test", l->setup.pipeline.test);
    pipeline_add_option(&w, "--splits", "test");
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_add_option(&w, "-o", pipeline_at(l, PIPELINE_TEST));
    pipeline_step step = {.stage = {"freeze", inputs, files},
                          .argv = w.v,
                          .why = l->refreeze ? "--refreeze" : "no test set yet"};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    pipeline_put_number(row, result, "clips", "test clips");
    json_decref(result);
    return BASE_OK;
}

base_status pipeline_freeze(pipeline *l, base_err *err)
{
    char now[65];
    BASE_TRY(hash_test_folder(l, now, err));
    json_t *stamp = stage_read(l->dir, "freeze");
    const bool had = stamp != NULL, there = base_exists(pipeline_at(l, PIPELINE_TEST));
    json_decref(stamp);
    if (had && !there && !l->refreeze) {
        base_fail(err, BASE_DATA, "%s, the frozen test set, is gone",
                  pipeline_at(l, PIPELINE_TEST));
        return base_hint(err, "put it back, or make a new one with --refreeze");
    }
    if (there && !l->refreeze)
        BASE_TRY(keep_frozen(l, now, err));
    else
        BASE_TRY(make_frozen(l, now, err));
    return pipeline_hash_pack(l, pipeline_at(l, PIPELINE_TEST), l->test_hash, err);
}

/* ---- lint ---- */

typedef struct lists {
    data_exclude *user, *lint; /* NULL: none */
    data_pack *words, *test;
    const uint8_t **hashes; /* of the test clips, sorted */
    int64_t left_out, twins;
} lists;

static int by_hash(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, DATA_HASH_BYTES);
}

static base_status open_lists(pipeline *l, lists *k, base_err *err)
{
    if (l->exclude[0]) BASE_TRY(data_exclude_read(l->exclude, &k->user, err));
    BASE_TRY(data_exclude_read(pipeline_at(l, PIPELINE_LINT), &k->lint, err));
    BASE_TRY(data_pack_open(pipeline_at(l, PIPELINE_WORDS), &k->words, err));
    BASE_TRY(data_pack_open(pipeline_at(l, PIPELINE_TEST), &k->test, err));
    const size_t n = data_pack_clips(k->test);
    k->hashes = base_alloc(n + 1, sizeof *k->hashes);
    if (!k->hashes) return base_nomem(err, n * sizeof *k->hashes);
    for (size_t i = 0; i < n; i++) k->hashes[i] = data_pack_clip(k->test, i).hash;
    qsort(k->hashes, n, sizeof *k->hashes, by_hash);
    return BASE_OK;
}

static void close_lists(lists *k)
{
    data_exclude_free(k->user);
    data_exclude_free(k->lint);
    data_pack_close(k->words);
    data_pack_close(k->test);
    base_free(k->hashes);
}

/* The clips of the pack that are not to be trained on, each with the reason. */
static void list_clips(lists *k, base_str *text)
{
    const size_t tests = data_pack_clips(k->test);
    base_str_add(text, "# made by sotto pipeline\n");
    for (size_t i = 0; i < data_pack_clips(k->words); i++) {
        const data_clip c = data_pack_clip(k->words, i);
        const bool twin = bsearch(&c.hash, k->hashes, tests, sizeof *k->hashes, by_hash) != NULL;
        const bool user = data_exclude_has(k->user, c.name),
                   lint = data_exclude_has(k->lint, c.name);
        if (twin || user || lint)
            base_str_add(text, "%s # %s\n", c.name,
                         twin   ? "equal to a clip of the test set"
                         : user ? "data.exclude"
                                : "lint");
        k->left_out += twin || user || lint;
        k->twins += twin;
    }
}

static base_status write_exclude(pipeline *l, json_t *result, base_err *err)
{
    lists k = {0};
    base_str text = {0};
    base_status status = open_lists(l, &k, err);
    if (status == BASE_OK) list_clips(&k, &text);
    if (status == BASE_OK)
        status = text.failed
                     ? base_nomem(err, text.len)
                     : base_write_file(pipeline_at(l, PIPELINE_EXCLUDE), text.s, text.len, err);
    json_object_set_new(result, "left_out", json_integer(k.left_out));
    json_object_set_new(result, "equal_to_test", json_integer(k.twins));
    json_object_del(result, "findings"); /* of thousands of clips; lint.txt has what matters */
    close_lists(&k);
    base_str_free(&text);
    return status;
}

base_status pipeline_lint(pipeline *l, base_err *err)
{
    static const char *const files[] = {PIPELINE_LINT, PIPELINE_EXCLUDE, NULL};
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "words", l->words_hash);
    pipeline_put(inputs, "test set", l->test_hash);
    pipeline_put(inputs, "pipeline.lint_fail", l->setup.pipeline.lint_fail);
    base_status status = pipeline_put_file(l, inputs, "data.exclude", l->exclude, err);
    if (status != BASE_OK) {
        json_decref(inputs);
        return status;
    }
    pipeline_words w = pipeline_begin(l, "data", "lint");
    pipeline_add(&w, pipeline_at(l, PIPELINE_WORDS));
    pipeline_add_option(&w, "--fail", l->setup.pipeline.lint_fail);
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_add_option(&w, "-o", pipeline_at(l, PIPELINE_LINT));
    pipeline_step step = {.stage = {"lint", inputs, files}, .argv = w.v, .after = write_exclude};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    pipeline_put_number(row, result, "left_out", "clips left out");
    json_decref(result);
    return BASE_OK;
}
