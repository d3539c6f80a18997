/* sotto pipeline: the stages of its model, from training to the comparison with production. */
#include "train/cmd_pipeline.h"
#include "train/filehash.h"
#include "train/rundir.h"
#include "train/runinfo.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- train ---- */

static base_status train_inputs(pipeline *l, json_t *inputs, base_err *err)
{
    static const char *const sections[] = {"data",  "features", "augment",
                                           "model", "train",    "quantize"};
    char hex[65];
    pipeline_put(inputs, "words", l->words_hash);
    BASE_TRY(pipeline_hash_file(l, pipeline_at(l, PIPELINE_EXCLUDE), hex, err));
    pipeline_put(inputs, "left out", hex);
    for (size_t i = 0; i < BASE_COUNT(sections); i++) pipeline_put_section(l, inputs, sections[i]);
    BASE_TRY(pipeline_put_file(l, inputs, "model.file", l->setup.model.file, err));
    BASE_TRY(pipeline_put_file(l, inputs, "augment.rir_file", l->setup.augment.rir_file, err));
    BASE_TRY(pipeline_put_file(l, inputs, "train.teacher", l->setup.train.teacher, err));
    return pipeline_put_file(l, inputs, "train.init", l->setup.train.init, err);
}

/* The run's name follows from what it is trained on, so that a training that was killed is found
 * again, and what cannot be resumed makes room. */
static base_status clear_run(pipeline *l, const char *path, bool *resume, base_err *err)
{
    char note[128];
    rundir run;
    *resume = false;
    if (!rundir_is_run(path)) return BASE_OK;
    const rundir_state state = rundir_look(path, note);
    *resume = state == RUN_DONE || state == RUN_INTERRUPTED || state == RUN_RUNNING;
    if (*resume) return BASE_OK;
    pipeline_log(l, "train: %s is %s and begins anew", path, rundir_state_name(state));
    BASE_TRY(rundir_open_to_remove(path, &run, err));
    const base_status status = rundir_remove(&run, err);
    rundir_close(&run);
    return status;
}

/* What the run says of itself: also of one that was done before, by a pipeline that was killed. */
static void put_run(const char *path, pipeline_row *row)
{
    runinfo info;
    if (runinfo_open(path, &info, NULL) == BASE_OK) {
        const double accuracy = runinfo_number(info.result, "val_accuracy");
        if (isfinite(accuracy))
            snprintf(row->result, sizeof row->result, "%s, %.2f %% of validation", path,
                     100 * accuracy);
    }
    runinfo_close(&info);
}

static base_status train(pipeline *l, base_err *err)
{
    char hex[65];
    json_t *inputs = pipeline_inputs(), *result;
    base_status status = train_inputs(l, inputs, err);
    bool resume = false;
    stage_key(inputs, hex);
    l->run = base_arena_printf(l->arena, "runs/%.12s", hex);
    const char *model = base_arena_printf(l->arena, "%s/model.h5", l->run ? l->run : "");
    const char *const files[] = {model, NULL};
    if (status == BASE_OK && (!l->run || !model)) status = base_nomem(err, 1);
    const char *path = pipeline_at(l, l->run ? l->run : "");
    if (status == BASE_OK && !l->dry) status = clear_run(l, path, &resume, err);
    if (status != BASE_OK) {
        json_decref(inputs);
        return status;
    }
    pipeline_words w = pipeline_begin(l, "train", NULL);
    if (!resume) {
        pipeline_add(&w, pipeline_at(l, PIPELINE_CONFIG));
        pipeline_add(&w,
                     base_arena_printf(l->arena, "data.pack=%s", pipeline_at(l, PIPELINE_WORDS)));
        pipeline_add(
            &w, base_arena_printf(l->arena, "data.exclude=%s", pipeline_at(l, PIPELINE_EXCLUDE)));
    }
    pipeline_add_option(&w, resume ? "--resume" : "-o", path);
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_step step = {.stage = {"train", inputs, files}, .argv = w.v};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    put_run(path, row);
    json_decref(result);
    return pipeline_hash_file(l, pipeline_at(l, model), l->model_hash, err);
}

/* ---- evaluate, quantize, estimate ---- */

static base_status evaluate(pipeline *l, base_err *err)
{
    static const char *const files[] = {NULL};
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "model", l->model_hash);
    pipeline_put(inputs, "test set", l->test_hash);
    pipeline_words w = pipeline_begin(l, "eval", NULL);
    pipeline_add(&w, pipeline_at(l, l->run));
    pipeline_add(&w, pipeline_at(l, PIPELINE_TEST));
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_step step = {.stage = {"evaluate", inputs, files}, .argv = w.v};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    pipeline_put_number(row, result, "correct", "right");
    pipeline_put_number(row, result, "n", "test clips");
    json_decref(result);
    return BASE_OK;
}

static base_status quantize(pipeline *l, base_err *err)
{
    static const char *const files[] = {PIPELINE_INT8, NULL};
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "model", l->model_hash);
    pipeline_put(inputs, "words", l->words_hash);
    pipeline_put(inputs, "pipeline.quantize", l->setup.pipeline.quantize);
    pipeline_words w = pipeline_begin(l, "quantize", NULL);
    pipeline_add(&w, pipeline_at(l, l->run));
    pipeline_add_option(&w, "--calibrate", pipeline_at(l, PIPELINE_WORDS));
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_add_option(&w, "-o", pipeline_at(l, PIPELINE_INT8));
    pipeline_add_text(l, &w, l->setup.pipeline.quantize);
    pipeline_step step = {.stage = {"quantize", inputs, files}, .argv = w.v};
    BASE_TRY(pipeline_do(l, &step, &result, NULL, err));
    json_decref(result);
    return pipeline_hash_file(l, pipeline_at(l, PIPELINE_INT8), l->int8_hash, err);
}

static base_status estimate(pipeline *l, base_err *err)
{
    static const char *const files[] = {NULL};
    const char *board = l->setup.target.board;
    if (!board[0]) return BASE_OK;
    json_t *inputs = pipeline_inputs(), *result;
    pipeline_put(inputs, "int8 model", l->int8_hash);
    pipeline_put(inputs, "target.board", board);
    pipeline_words w = pipeline_begin(l, "estimate", NULL);
    pipeline_add(&w, pipeline_at(l, PIPELINE_INT8));
    pipeline_add_option(&w, "--target", board);
    pipeline_step step = {.stage = {"estimate", inputs, files}, .argv = w.v};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &result, &row, err));
    const json_t *target = json_array_get(json_object_get(result, "targets"), 0);
    pipeline_put_number(row, target, "whole_flash_bytes", "bytes of flash");
    pipeline_put_number(row, target, "whole_ram_bytes", "of RAM");
    pipeline_put_number(row, target, "latency_ms", "ms");
    json_decref(result);
    return BASE_OK;
}

/* ---- gates, export, compare ---- */

static base_status gates(pipeline *l, base_err *err)
{
    static const char *const files[] = {PIPELINE_CHECK, NULL};
    const pipeline_settings *p = &l->setup.pipeline;
    json_t *inputs = pipeline_inputs();
    pipeline_put(inputs, "model", l->model_hash);
    pipeline_put(inputs, "int8 model", l->int8_hash);
    pipeline_put(inputs, "test set", l->test_hash);
    pipeline_put(inputs, "pipeline.check", p->check);
    pipeline_put_section(l, inputs, "gates");
    pipeline_put_section(l, inputs, "target");
    base_status status = pipeline_put_file(l, inputs, "pipeline.recording", p->recording, err);
    if (status == BASE_OK) status = pipeline_put_file(l, inputs, "pipeline.labels", p->labels, err);
    if (status != BASE_OK) {
        json_decref(inputs);
        return status;
    }
    pipeline_words w = pipeline_begin(l, "problem", "check");
    pipeline_add(&w, pipeline_at(l, l->run));
    pipeline_add(&w, pipeline_at(l, PIPELINE_CONFIG));
    pipeline_add_option(&w, "--int8", pipeline_at(l, PIPELINE_INT8));
    pipeline_add_option(&w, "--pack", pipeline_at(l, PIPELINE_TEST));
    pipeline_add_option(&w, "--recording", p->recording);
    pipeline_add_option(&w, "--labels", p->labels);
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_add_text(l, &w, p->check);
    pipeline_step step = {
        .stage = {"gates", inputs, files}, .argv = w.v, .save = PIPELINE_CHECK, .gate = true};
    pipeline_row *row;
    BASE_TRY(pipeline_do(l, &step, &l->check, &row, err));
    pipeline_put_number(row, l->check, "pass", "pass");
    pipeline_put_number(row, l->check, "unsure", "unsure");
    pipeline_put_number(row, l->check, "fail", "fail");
    pipeline_put_number(row, l->check, "not_measured", "not measured");
    return BASE_OK;
}

/* At the threshold that the gates were measured at. */
static base_status export(pipeline *l, base_err *err)
{
    static const char *const files[] = {PIPELINE_HEADER, NULL};
    char threshold[32] = "";
    json_t *inputs = pipeline_inputs(), *result;
    const json_t *at = json_object_get(l->check, "threshold");
    if (json_is_number(at)) snprintf(threshold, sizeof threshold, "%.17g", json_number_value(at));
    pipeline_put(inputs, "int8 model", l->int8_hash);
    pipeline_put(inputs, "threshold", threshold);
    pipeline_put(inputs, "pipeline.export", l->setup.pipeline.export);
    pipeline_words w = pipeline_begin(l, "export", NULL);
    pipeline_add(&w, pipeline_at(l, PIPELINE_INT8));
    pipeline_add_option(&w, "-o", pipeline_at(l, PIPELINE_HEADER));
    pipeline_add_option(&w, "--threshold", threshold);
    pipeline_add_text(l, &w, l->setup.pipeline.export);
    pipeline_step step = {.stage = {"export", inputs, files}, .argv = w.v};
    BASE_TRY(pipeline_do(l, &step, &result, NULL, err));
    json_decref(result);
    return BASE_OK;
}

static base_status compare(pipeline *l, base_err *err)
{
    static const char *const files[] = {NULL};
    char version[REGISTRY_NAME], hex[65];
    const char *other;
    BASE_TRY(pipeline_production(l, version, &other, hex, err));
    const bool same = strcmp(hex, l->int8_hash) == 0;
    if (!version[0] || same || l->setup.pipeline.promote == PIPELINE_ALWAYS) return BASE_OK;
    json_t *inputs = pipeline_inputs();
    pipeline_put(inputs, "int8 model", l->int8_hash);
    pipeline_put(inputs, "production", hex);
    pipeline_put(inputs, "test set", l->test_hash);
    pipeline_words w = pipeline_begin(l, "runs", "compare");
    pipeline_add(&w, pipeline_at(l, PIPELINE_INT8));
    pipeline_add(&w, other);
    pipeline_add_option(&w, "--pack", pipeline_at(l, PIPELINE_TEST));
    pipeline_add_option(&w, "--threads", l->threads);
    pipeline_step step = {.stage = {"compare", inputs, files}, .argv = w.v};
    pipeline_row *row;
    const base_status status = pipeline_do(l, &step, &l->compare, &row, err);
    if (status == BASE_DATA && strstr(err->message, "other classes"))
        return base_hint(err, "pipeline.promote=always goes by the gates alone");
    BASE_TRY(status);
    const json_t *models = json_object_get(l->compare, "models");
    pipeline_put_number(row, json_array_get(models, 0), "correct", "right");
    pipeline_put_number(row, json_array_get(models, 1), "correct", "by production");
    pipeline_put_number(row, l->compare, "n", "test clips");
    return BASE_OK;
}

base_status pipeline_stages(pipeline *l, base_err *err)
{
    static base_status (*const stages[])(pipeline *, base_err *) = {
        pipeline_import, pipeline_freeze, pipeline_lint, train,  evaluate,
        quantize,        estimate,        gates,         export, compare};
    for (size_t i = 0; i < BASE_COUNT(stages); i++) BASE_TRY(stages[i](l, err));
    return BASE_OK;
}
