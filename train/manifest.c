/* See train/manifest.h. */
#include "train/manifest.h"

#include "nn/blas.h"
#include "train/version.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static json_t *data_of(const session *s)
{
    size_t words, speakers;
    char hash[65];
    data_pack_hash(s->pack, hash);
    data_pack_words(s->pack, &words);
    data_pack_speakers(s->pack, &speakers);
    json_t *labels = json_array();
    for (int i = 0; i < s->classes; i++) json_array_append_new(labels, json_string(s->labels[i]));
    return json_pack("{ss ss sI sI sI sI sI sI so}", "pack", data_pack_path(s->pack), "sha256",
                     hash, "clips", (json_int_t)data_pack_clips(s->pack), "words",
                     (json_int_t)words, "speakers", (json_int_t)speakers, "training",
                     (json_int_t)data_task_count(s->task, DATA_TRAIN, -1), "validation",
                     (json_int_t)data_task_count(s->task, DATA_VALIDATION, -1), "test",
                     (json_int_t)data_task_count(s->task, DATA_TEST, -1), "labels", labels);
}

static json_t *model_of(const session *s)
{
    return json_pack("{ss sI sI sI}", "arch",
                     s->setup->model.file[0] ? s->setup->model.file : s->setup->model.arch,
                     "parameters", (json_int_t)nn_graph_trainable(s->graph), "macs",
                     (json_int_t)nn_graph_cost(s->graph).macs, "bytes",
                     (json_int_t)nn_net_bytes(s->net));
}

static json_t *machine_of(int threads)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    return json_pack("{ss si si ss}", "host", host, "cores", base_cores(), "threads", threads,
                     "blas", nn_blas_name());
}

static json_t *parent_of(const parent *p)
{
    return json_pack("{ss ss}", "path", p->path, "sha256", p->sha256);
}

base_status manifest_write(const session *s, const rundir *run, const char *command, int threads,
                           base_err *err)
{
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    json_t *o = json_pack("{ss ss ss ss sI so so so}", "sotto", SOTTO_VERSION, "commit",
                          sotto_commit, "started", when, "command", command ? command : "", "seed",
                          (json_int_t)s->setup->train.seed, "data", data_of(s), "model",
                          model_of(s), "machine", machine_of(threads));
    if (o && s->teacher.net) json_object_set_new(o, "teacher", parent_of(&s->teacher.from));
    if (o && s->init.model) json_object_set_new(o, "init", parent_of(&s->init));
    char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    base_status status = text ? rundir_write(run, "manifest.json", text, err) : base_nomem(err, 1);
    free(text);
    json_decref(o);
    return status;
}

static base_status same_count(const session *s, const json_t *data, const char *key, size_t now,
                              base_err *err)
{
    const json_t *was = json_object_get(data, key);
    if (!json_is_integer(was) || (size_t)json_integer_value(was) == now) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' gives %zu %s clips, the run was begun with %lld",
              data_pack_path(s->pack), now, key, (long long)json_integer_value(was));
    return base_hint(err, "the pack is another one now: begin a new run");
}

/* key: "teacher" or "init". */
static base_status same_parent(const parent *p, const json_t *manifest, const char *key,
                               base_err *err)
{
    const char *was = json_string_value(json_object_get(json_object_get(manifest, key), "sha256"));
    if (!was || !p->model || strcmp(was, p->sha256) == 0) return BASE_OK;
    base_fail(err, BASE_DATA, "train.%s '%s' has SHA-256 %.12s..., the run was begun with %.12s...",
              key, p->path, p->sha256, was);
    return base_hint(err, "bring that file back, or begin a new run");
}

/* A manifest of older versions has no hash. */
static base_status same_data(const session *s, const json_t *data, base_err *err)
{
    const char *was = json_string_value(json_object_get(data, "sha256"));
    char now[65];
    data_pack_hash(s->pack, now);
    if (!was || strcmp(was, now) == 0) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' has SHA-256 %.12s..., the run was begun with %.12s...",
              data_pack_path(s->pack), now, was);
    return base_hint(err, "the pack is another one now: begin a new run");
}

base_status manifest_check(const session *s, const rundir *run, base_err *err)
{
    char *path = rundir_file(run, "manifest.json");
    if (!path) return base_nomem(err, 1);
    json_t *o = json_load_file(path, 0, NULL);
    const json_t *data = json_object_get(o, "data");
    base_status status =
        same_count(s, data, "training", data_task_count(s->task, DATA_TRAIN, -1), err);
    if (status == BASE_OK)
        status =
            same_count(s, data, "validation", data_task_count(s->task, DATA_VALIDATION, -1), err);
    if (status == BASE_OK) status = same_data(s, data, err);
    if (status == BASE_OK) status = same_parent(&s->teacher.from, o, "teacher", err);
    if (status == BASE_OK) status = same_parent(&s->init, o, "init", err);
    json_decref(o);
    free(path);
    return status;
}
