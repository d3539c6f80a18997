/* registry_add: files and their lineage become a version; see registry.h. */
#include "data/pack_hash.h"
#include "nn/nn.h"
#include "train/filehash.h"
#include "train/registry.h"
#include "train/rundir.h"
#include "train/version.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char staging[] = ".new";
enum { MAX_TEXT = 1 << 26, MAX_FILE = 1 << 30 };

typedef struct adding {
    const registry *r;
    const registry_source *source;
    json_t *files; /* name, bytes, sha256 */
    base_str sums; /* SHA256SUMS */
    char version[REGISTRY_NAME];
} adding;

/* What an earlier one did not finish. */
static void remove_staging(const registry *r)
{
    char *dir = registry_path(r, staging, "");
    DIR *d = dir ? opendir(dir) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path = base_path(dir, e->d_name);
        if (path) unlink(path);
        free(path);
    }
    if (d) closedir(d);
    if (dir) rmdir(dir);
    free(dir);
}

static base_status write_file(adding *a, const char *name, const char *bytes, size_t n,
                              base_err *err)
{
    char *path = registry_path(a->r, staging, name);
    base_status status = path ? base_write_file(path, bytes, n, err) : base_nomem(err, n);
    if (status == BASE_OK && chmod(path, 0444) != 0)
        status = base_fail(err, BASE_FAILED, "cannot protect '%s': %s", path, strerror(errno));
    free(path);
    return status;
}

/* Keep the hash of a file that was written. */
static base_status note_file(adding *a, const char *name, size_t bytes, base_err *err)
{
    char hex[65], *path = registry_path(a->r, staging, name);
    base_status status = path ? filehash(path, hex, err) : base_nomem(err, 1);
    free(path);
    if (status != BASE_OK) return status;
    base_str_add(&a->sums, "%s  %s\n", hex, name);
    json_array_append_new(
        a->files, json_pack("{ss sI ss}", "name", name, "bytes", (json_int_t)bytes, "sha256", hex));
    return BASE_OK;
}

static bool has_file(const adding *a, const char *key, const char *value)
{
    size_t i;
    json_t *f;
    json_array_foreach(a->files, i, f) if (strcmp(json_string_value(json_object_get(f, key)),
                                                  value) == 0) return true;
    return false;
}

static base_status copy_file(adding *a, const char *from, base_err *err)
{
    const char *slash = strrchr(from, '/'), *name = slash ? slash + 1 : from;
    char *bytes;
    size_t n;
    if (name[0] == '.' || strchr(name, '\n') || strcmp(name, "version.json") == 0 ||
        strcmp(name, "SHA256SUMS") == 0)
        return base_fail(err, BASE_USAGE, "'%s': a version holds no file of that name", from);
    if (has_file(a, "name", name)) {
        base_fail(err, BASE_USAGE, "'%s': there are two files named %s", from, name);
        return base_hint(err, "rename one of them");
    }
    BASE_TRY(base_read_file(from, MAX_FILE, &bytes, &n, err));
    base_status status = write_file(a, name, bytes, n, err);
    free(bytes);
    return status == BASE_OK ? note_file(a, name, n, err) : status;
}

/* Model, config, manifest and metrics of a run that is done; or a model file. */
static base_status copy_model(adding *a, base_err *err)
{
    static const char *const kept[] = {"model.h5", "config.ini", "manifest.json", "metrics.jsonl"};
    const char *from = a->source->from;
    char note[128], *model;
    if (!rundir_is_run(from)) {
        BASE_TRY(nn_model_path(from, &model, err));
        const base_status status = copy_file(a, model, err);
        free(model);
        return status;
    }
    const rundir_state state = rundir_look(from, note);
    if (state != RUN_DONE) {
        base_fail(err, BASE_DATA, "the run '%s' is %s%s%s", from, rundir_state_name(state),
                  note[0] ? ": " : "", note);
        return base_hint(err, "a version is made of a run that is done");
    }
    base_status status = BASE_OK;
    for (size_t i = 0; i < BASE_COUNT(kept) && status == BASE_OK; i++) {
        char *path = base_path(from, kept[i]);
        if (!path) status = base_nomem(err, 1);
        if (path && (i == 0 || base_exists(path))) status = copy_file(a, path, err);
        free(path);
    }
    return status;
}

/* ---- lineage ---- */

/* The result of a check, of the files that were copied. */
static base_status take_gates(adding *a, json_t *version, base_err *err)
{
    const char *path = a->source->gates;
    if (!path) return BASE_OK;
    char *text;
    BASE_TRY(base_read_file(path, MAX_TEXT, &text, NULL, err));
    json_t *o = json_loads(text, 0, NULL);
    free(text);
    const char *model = json_string_value(json_object_get(o, "model_sha256"));
    const char *int8 = json_string_value(json_object_get(o, "int8_sha256"));
    base_status status = BASE_OK;
    if (!model || !json_is_boolean(json_object_get(o, "met"))) {
        status = base_fail(err, BASE_DATA, "%s: no result of a check of gates", path);
        base_hint(err, "sotto problem check %s --format json > %s", a->source->from, path);
    } else if (!has_file(a, "sha256", model) || (int8 && !has_file(a, "sha256", int8))) {
        const bool first = !has_file(a, "sha256", model);
        status = base_fail(
            err, BASE_MISMATCH,
            "%s is of another model: %s with SHA-256 %.12s... is not among the files", path,
            json_string_value(json_object_get(o, first ? "model" : "int8")), first ? model : int8);
        base_hint(err, "check again, or add the file that was checked");
    }
    if (status == BASE_OK) json_object_set(version, "gates", o);
    json_decref(o);
    return status;
}

static base_status take_pack(const adding *a, json_t *data, base_err *err)
{
    const char *named = json_string_value(json_object_get(data, "pack"));
    const char *path = a->source->pack ? a->source->pack : named;
    data_pack *pack;
    char hex[65];
    if (!path || (!a->source->pack && !base_exists(path))) return BASE_OK;
    BASE_TRY(data_pack_open(path, &pack, err));
    data_pack_hash(pack, hex);
    data_pack_close(pack);
    json_object_set_new(data, "pack", json_string(path));
    json_object_set_new(data, "sha256", json_string(hex));
    return BASE_OK;
}

/* The last whole line of metrics.jsonl, or NULL. */
static json_t *last_metrics(const registry *r)
{
    char *path = registry_path(r, staging, "metrics.jsonl"), *text = NULL;
    size_t n = 0;
    json_t *o = NULL;
    if (path && base_exists(path) && base_read_file(path, MAX_TEXT, &text, &n, NULL) == BASE_OK) {
        while (n > 0 && text[n - 1] == '\n') text[--n] = '\0';
        const char *line = n > 0 ? strrchr(text, '\n') : NULL;
        o = json_loads(line ? line + 1 : text, 0, NULL);
    }
    free(text);
    free(path);
    return o;
}

static base_status describe(adding *a, base_err *err)
{
    static const char *const taken[] = {"sotto", "commit", "started", "command",
                                        "seed",  "model",  "init",    "teacher"};
    char when[32], *path = registry_path(a->r, staging, "manifest.json"), *text = NULL;
    json_t *manifest = path && base_exists(path) ? json_load_file(path, 0, NULL) : NULL;
    json_t *data = json_deep_copy(json_object_get(manifest, "data")), *run = json_object();
    json_t *metrics = last_metrics(a->r);
    const char *after = registry_alias(a->r, "production");
    registry_time(when);
    for (size_t i = 0; i < BASE_COUNT(taken); i++)
        json_object_set(run, taken[i], json_object_get(manifest, taken[i]));
    json_t *v = json_pack("{ss ss ss ss ss* ss*}", "version", a->version, "added", when, "sotto",
                          SOTTO_VERSION, "from", a->source->from, "production_then", after, "note",
                          a->source->note);
    if (!data) data = json_object();
    base_status status = v && data ? take_pack(a, data, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = take_gates(a, v, err);
    if (status == BASE_OK) {
        json_object_set(v, "data", data);
        json_object_set(v, "run", run);
        json_object_set(v, "metrics", metrics);
        json_object_set(v, "files", a->files);
        text = json_dumps(v, JSON_INDENT(2));
        status = text ? write_file(a, "version.json", text, strlen(text), err) : base_nomem(err, 1);
    }
    if (status == BASE_OK) status = note_file(a, "version.json", strlen(text), err);
    json_decref(manifest);
    json_decref(metrics);
    json_decref(data);
    json_decref(run);
    json_decref(v);
    free(text);
    free(path);
    return status;
}

/* ---- the version ---- */

static base_status next_number(adding *a, base_err *err)
{
    int64_t *list, number, last = 0;
    size_t n, i;
    json_t *o;
    BASE_TRY(registry_versions(a->r, &list, &n, err));
    if (n > 0) last = list[n - 1];
    free(list);
    json_array_foreach(a->r->journal, i, o)
    {
        const char *v = json_string_value(json_object_get(o, "version"));
        if (v[0] == 'v' && base_parse_int(v + 1, 1, INT64_MAX, &number) && number > last)
            last = number;
    }
    snprintf(a->version, sizeof a->version, "v%lld", (long long)last + 1);
    return BASE_OK;
}

static base_status fill(adding *a, base_err *err)
{
    BASE_TRY(next_number(a, err));
    BASE_TRY(copy_model(a, err));
    for (int i = 0; i < a->source->n; i++) BASE_TRY(copy_file(a, a->source->files[i], err));
    BASE_TRY(describe(a, err));
    if (a->sums.failed) return base_nomem(err, 1);
    return write_file(a, "SHA256SUMS", a->sums.s, a->sums.len, err);
}

static base_status publish(const adding *a, base_err *err)
{
    char *from = registry_path(a->r, staging, ""), *to = registry_path(a->r, a->version, "");
    char *parent = base_path(a->r->dir, "versions");
    base_status status = from && to && parent ? registry_sync_dir(from, err) : base_nomem(err, 1);
    if (status == BASE_OK && rename(from, to) != 0)
        status = base_fail(err, BASE_FAILED, "cannot make '%s': %s", to, strerror(errno));
    if (status == BASE_OK) status = registry_sync_dir(parent, err);
    free(from);
    free(to);
    free(parent);
    return status;
}

base_status registry_add(registry *r, const registry_source *source, char version[REGISTRY_NAME],
                         base_err *err)
{
    adding a = {.r = r, .source = source, .files = json_array()};
    char *dir = registry_path(r, staging, "");
    remove_staging(r);
    base_status status = a.files && dir ? base_mkdirs(dir, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = fill(&a, err);
    if (status == BASE_OK) status = publish(&a, err);
    if (status == BASE_OK) snprintf(version, REGISTRY_NAME, "%s", a.version);
    if (status != BASE_OK) remove_staging(r);
    base_str_free(&a.sums);
    json_decref(a.files);
    free(dir);
    return status;
}
