/* Runs as a journal of Optuna, one JSON object a line (optuna/storages/journal/_storage.py). */
#include "train/runexport.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum operation { CREATE_STUDY = 0, CREATE_TRIAL = 4 };
enum direction { MAXIMIZE = 2 };
enum trial_state { RUNNING = 0, COMPLETE = 1, FAIL = 3 };

/* The settings that some runs have otherwise than the first, by name: a list of their values as
 * text, each once. */
static json_t *varied(const run_exports *e)
{
    json_t *all = json_object(), *list;
    const char *name;
    void *next;
    for (size_t i = 0; i < e->n; i++)
        for (size_t k = 0; k < e->runs[i].info.n_keys; k++) {
            const run_key *key = &e->runs[i].info.keys[k];
            size_t at;
            json_t *v;
            list = json_object_get(all, key->name);
            if (!list) json_object_set_new(all, key->name, list = json_array());
            json_array_foreach(list, at,
                               v) if (strcmp(json_string_value(v), key->value) == 0) break;
            if (at == json_array_size(list)) json_array_append_new(list, json_string(key->value));
        }
    json_object_foreach_safe(all, next, name, list) if (json_array_size(list) < 2)
        json_object_del(all, name);
    return all;
}

/* Whether all values are numbers, and their range. */
static bool range_of(const json_t *values, double *lo, double *hi)
{
    size_t at;
    json_t *v;
    *lo = (double)INFINITY;
    *hi = -(double)INFINITY;
    json_array_foreach(values, at, v)
    {
        double x;
        if (!base_parse_double(json_string_value(v), &x)) return false;
        *lo = fmin(*lo, x);
        *hi = fmax(*hi, x);
    }
    return true;
}

static void add_parameter(json_t *params, json_t *distributions, const char *name,
                          const json_t *values, const char *value)
{
    double lo, hi, x;
    json_t *d;
    if (range_of(values, &lo, &hi) && base_parse_double(value, &x)) {
        d = json_pack("{ss s{sn sf sf sb}}", "name", "FloatDistribution", "attributes", "step",
                      "low", lo, "high", hi, "log", 0);
        json_object_set_new(params, name, json_real(x));
    } else {
        size_t at;
        json_t *v;
        json_array_foreach(values, at, v) if (strcmp(json_string_value(v), value) == 0) break;
        d = json_pack("{ss s{sO}}", "name", "CategoricalDistribution", "attributes", "choices",
                      values);
        json_object_set_new(params, name, json_integer((json_int_t)at));
    }
    char *text = json_dumps(d, 0); /* a text inside of the line */
    json_object_set_new(distributions, name, json_string(text ? text : ""));
    free(text);
    json_decref(d);
}

static json_t *time_of(double seconds)
{
    char text[40];
    const time_t whole = (time_t)seconds;
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", gmtime_r(&whole, &tm));
    return json_string(text);
}

static json_t *trial_of(const run_export *r, const json_t *settings)
{
    const runinfo *info = &r->info;
    const double accuracy = runinfo_number(info->result, "val_accuracy");
    const bool done = info->state == RUN_DONE && !isnan(accuracy),
               ended = done || info->state == RUN_FAILED;
    json_t *params = json_object(), *distributions = json_object(), *steps = json_object(), *values;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)settings, name, values)
    {
        const char *value = runinfo_key(info, name);
        if (value) add_parameter(params, distributions, name, values, value);
    }
    for (size_t i = 0; i < json_array_size(info->curve); i++) {
        const json_t *line = json_array_get(info->curve, i);
        const double v = runinfo_number(line, "val_accuracy");
        char epoch[24];
        snprintf(epoch, sizeof epoch, "%lld",
                 (long long)json_integer_value(json_object_get(line, "epoch")));
        if (!isnan(v)) json_object_set_new(steps, epoch, json_real(v));
    }
    json_t *o =
        json_pack("{si ss si so si so so so s{ss} s{}}", "op_code", CREATE_TRIAL, "worker_id",
                  "sotto", "study_id", 0, "datetime_start", time_of(run_export_start(r)), "state",
                  done    ? COMPLETE
                  : ended ? FAIL
                          : RUNNING,
                  "params", params, "distributions", distributions, "intermediate_values", steps,
                  "user_attrs", "run", r->path, "system_attrs");
    if (ended) json_object_set_new(o, "datetime_complete", time_of(run_export_end(r)));
    json_object_set_new(o, "value", done ? json_real(accuracy) : json_null());
    return o;
}

/* o is released. */
static void add_line(base_str *out, json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    base_str_add(out, "%s\n", text ? text : "");
    out->failed |= !text;
    free(text);
    json_decref(o);
}

base_status run_exports_optuna(const run_exports *e, const char *path, base_err *err)
{
    base_str out = {0};
    json_t *settings = varied(e);
    add_line(&out, json_pack("{si ss ss s[i]}", "op_code", CREATE_STUDY, "worker_id", "sotto",
                             "study_name", "sotto", "directions", MAXIMIZE));
    for (size_t i = 0; i < e->n; i++) add_line(&out, trial_of(&e->runs[i], settings));
    json_decref(settings);
    const base_status status =
        out.failed ? base_nomem(err, out.len) : base_write_file(path, out.s, out.len, err);
    base_str_free(&out);
    return status;
}
