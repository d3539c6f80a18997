/* See train/runexport.h. */
#include "train/runexport.h"

#include "train/runlist.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double FAR = 253402300800; /* the year 10000 */

/* ---- the runs ---- */

static base_status add_run(run_exports *e, const char *path, base_err *err)
{
    if (!base_grow((void **)&e->runs, &e->cap, e->n + 1, sizeof *e->runs))
        return base_nomem(err, sizeof *e->runs);
    run_export *r = &e->runs[e->n++];
    *r = (run_export){.path = base_strdup(path)};
    if (!r->path) return base_nomem(err, strlen(path));
    return runinfo_open(path, &r->info, err);
}

base_status run_exports_add(run_exports *e, const char *path, base_err *err)
{
    if (rundir_is_run(path)) return add_run(e, path, err);
    runlist list;
    base_status status = runlist_read(path, &list, err);
    for (size_t i = 0; status == BASE_OK && i < list.n; i++) {
        char *run = base_path(path, list.rows[i].name),
             *config = run ? base_path(run, "config.ini") : NULL;
        if (!config)
            status = base_nomem(err, 1);
        else if (base_exists(config))
            status = add_run(e, run, err);
        free(config);
        free(run);
    }
    runlist_free(&list);
    return status;
}

void run_exports_free(run_exports *e)
{
    for (size_t i = 0; i < e->n; i++) {
        runinfo_close(&e->runs[i].info);
        free(e->runs[i].path);
    }
    free(e->runs);
    *e = (run_exports){0};
}

double run_export_start(const run_export *r)
{
    struct tm tm = {0};
    const char *s = json_string_value(json_object_get(r->info.manifest, "started"));
    return s && strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (double)timegm(&tm) : 0;
}

double run_export_time(const run_export *r, const json_t *line)
{
    const double start = run_export_start(r), time = runinfo_number(line, "time");
    return time > start && time < FAR ? time : start;
}

double run_export_end(const run_export *r)
{
    return run_export_time(r, runinfo_last(&r->info));
}

/* ---- CSV ---- */

static void add_cell(base_str *out, const char *text)
{
    base_str_add(out, ",");
    if (!strpbrk(text, ",\"\r\n")) {
        base_str_add(out, "%s", text);
        return;
    }
    base_str_add(out, "\"");
    for (; *text; text++) base_str_add(out, *text == '"' ? "\"\"" : "%c", *text);
    base_str_add(out, "\"");
}

/* A number or text of an object; nothing when it has none. */
static void add_value(base_str *out, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_string(v)) {
        add_cell(out, json_string_value(v));
        return;
    }
    base_str_add(out, ",");
    if (json_is_integer(v))
        base_str_add(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        base_str_add_real(out, json_real_value(v));
}

/* The first cell of a row. */
static void add_path(base_str *out, const char *path)
{
    const size_t at = out->len;
    add_cell(out, path);
    if (!out->failed) memmove(out->s + at, out->s + at + 1, out->len-- - at);
}

/* Names of all settings that some run has, as keys of an object in order. */
static json_t *all_settings(const run_exports *e)
{
    json_t *names = json_object();
    for (size_t i = 0; i < e->n; i++)
        for (size_t k = 0; k < e->runs[i].info.n_keys; k++)
            json_object_set_new(names, e->runs[i].info.keys[k].name, json_true());
    return names;
}

static void add_runs(base_str *out, const run_exports *e)
{
    static const char *const result[] = {"kept_epoch", "val_accuracy", "seconds"};
    static const char *const last[] = {"epoch", "step", "lr", "loss", "accuracy", "val_loss"};
    static const char *const model[] = {"parameters", "macs"};
    json_t *settings = all_settings(e), *unused;
    const char *name;
    base_str_add(out, "run,state,started,sotto,kept_epoch,val_accuracy,seconds,epoch,step,lr,loss,"
                      "accuracy,val_loss,parameters,macs,data_sha256");
    json_object_foreach(settings, name, unused) add_cell(out, name);
    base_str_add(out, "\r\n");
    for (size_t i = 0; i < e->n; i++) {
        const runinfo *r = &e->runs[i].info;
        add_path(out, e->runs[i].path);
        add_cell(out, rundir_state_name(r->state));
        add_value(out, r->manifest, "started");
        add_value(out, r->manifest, "sotto");
        for (size_t k = 0; k < BASE_COUNT(result); k++) add_value(out, r->result, result[k]);
        for (size_t k = 0; k < BASE_COUNT(last); k++) add_value(out, runinfo_last(r), last[k]);
        for (size_t k = 0; k < BASE_COUNT(model); k++)
            add_value(out, json_object_get(r->manifest, "model"), model[k]);
        add_value(out, json_object_get(r->manifest, "data"), "sha256");
        json_object_foreach(settings, name, unused)
        {
            const char *value = runinfo_key(r, name);
            add_cell(out, value ? value : "");
        }
        base_str_add(out, "\r\n");
    }
    json_decref(settings);
}

static void add_epochs(base_str *out, const run_exports *e)
{
    json_t *names = json_object(), *unused;
    const char *name;
    for (size_t i = 0; i < e->n; i++)
        for (size_t k = 0; k < json_array_size(e->runs[i].info.curve); k++)
            json_object_update(names, json_array_get(e->runs[i].info.curve, k));
    base_str_add(out, "run");
    json_object_foreach(names, name, unused) add_cell(out, name);
    base_str_add(out, "\r\n");
    for (size_t i = 0; i < e->n; i++)
        for (size_t k = 0; k < json_array_size(e->runs[i].info.curve); k++) {
            add_path(out, e->runs[i].path);
            json_object_foreach(names, name, unused)
                add_value(out, json_array_get(e->runs[i].info.curve, k), name);
            base_str_add(out, "\r\n");
        }
    json_decref(names);
}

base_status run_exports_csv(const run_exports *e, bool epochs, const char *path, base_err *err)
{
    base_str out = {0};
    (epochs ? add_epochs : add_runs)(&out, e);
    const base_status status =
        out.failed ? base_nomem(err, out.len) : base_write_file(path, out.s, out.len, err);
    base_str_free(&out);
    return status;
}
