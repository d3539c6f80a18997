/* Runs as a tracking folder of MLflow: one experiment, a folder a run with meta.yaml and a file for
 * every metric, parameter and tag (mlflow/store/tracking/file_store.py). It is made beside its
 * place and renamed.
 */
#include "train/runexport.h"

#include "train/filehash.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char EXPERIMENT[] = "1";
enum status { RUNNING = 1, FINISHED = 3, FAILED = 4, KILLED = 5 };

/* A file by the parts of its path; text is released. */
static base_status put(const char *dir, const char *folder, const char *name, base_str *text,
                       base_err *err)
{
    base_str path = {0};
    base_str_add(&path, "%s/%s", dir, folder);
    base_status status = path.failed || text->failed ? base_nomem(err, text->len) : BASE_OK;
    if (status == BASE_OK) status = base_mkdirs(path.s, err);
    base_str_add(&path, "/%s", name);
    FILE *f = status == BASE_OK ? fopen(path.s, "wb") : NULL;
    if (status == BASE_OK) {
        bool ok = f && fwrite(text->s ? text->s : "", 1, text->len, f) == text->len;
        if (f && fclose(f) != 0) ok = false;
        if (!ok)
            status = base_fail(err, BASE_FAILED, "cannot write '%s': %s", path.s, strerror(errno));
    }
    base_str_free(text);
    base_str_free(&path);
    return status;
}

/* A text between quotes of YAML. */
static void add_quoted(base_str *out, const char *s)
{
    base_str_add(out, "'");
    for (; *s; s++) base_str_add(out, *s == '\'' ? "''" : "%c", *s);
    base_str_add(out, "'");
}

static void add_uri(base_str *out, const char *key, const char *place, const char *rest)
{
    base_str uri = {0};
    base_str_add(&uri, "file://%s/%s%s", place, EXPERIMENT, rest);
    base_str_add(out, "%s: ", key);
    add_quoted(out, uri.s ? uri.s : "");
    base_str_add(out, "\n");
    out->failed |= uri.failed;
    base_str_free(&uri);
}

static base_status put_meta(const run_export *r, const char *dir, const char *place, const char *id,
                            base_err *err)
{
    static const enum status statuses[] = {[RUN_DONE] = FINISHED,
                                           [RUN_FAILED] = FAILED,
                                           [RUN_INTERRUPTED] = KILLED,
                                           [RUN_RUNNING] = RUNNING,
                                           [RUN_DAMAGED] = FAILED};
    const enum status status = statuses[r->info.state];
    base_str text = {0}, rest = {0};
    base_str_add(&rest, "/%s/artifacts", id);
    add_uri(&text, "artifact_uri", place, rest.s ? rest.s : "");
    if (status == RUNNING)
        base_str_add(&text, "end_time: null\n");
    else
        base_str_add(&text, "end_time: %.0f\n", 1e3 * run_export_end(r));
    base_str_add(&text, "entry_point_name: ''\nexperiment_id: '%s'\nlifecycle_stage: active\n",
                 EXPERIMENT);
    base_str_add(&text, "run_id: '%s'\nrun_name: ", id);
    add_quoted(&text, r->path);
    base_str_add(&text, "\nrun_uuid: '%s'\nsource_name: ''\nsource_type: 4\nsource_version: ''\n",
                 id);
    base_str_add(&text, "start_time: %.0f\nstatus: %d\ntags: []\nuser_id: ''\n",
                 1e3 * run_export_start(r), (int)status);
    text.failed |= rest.failed;
    base_str_free(&rest);
    return put(dir, ".", "meta.yaml", &text, err);
}

/* Each number of the curve as a file of lines "time in ms, value, epoch". */
static base_status put_metrics(const run_export *r, const char *dir, base_err *err)
{
    const json_t *curve = r->info.curve;
    const json_t *last = runinfo_last(&r->info);
    const char *name;
    json_t *unused;
    base_status status = base_mkdirs(dir, err);
    json_object_foreach((json_t *)(uintptr_t)last, name, unused)
    {
        base_str text = {0};
        if (strcmp(name, "epoch") == 0 || strcmp(name, "time") == 0) continue;
        for (size_t i = 0; i < json_array_size(curve); i++) {
            const json_t *line = json_array_get(curve, i);
            const double v = runinfo_number(line, name);
            if (isnan(v)) continue;
            base_str_add(&text, "%.0f ", 1e3 * run_export_time(r, line));
            base_str_add_real(&text, v);
            base_str_add(&text, " %lld\n",
                         (long long)json_integer_value(json_object_get(line, "epoch")));
        }
        if (status == BASE_OK)
            status = put(dir, "metrics", name, &text, err);
        else
            base_str_free(&text);
    }
    return status;
}

static base_status put_text(const char *dir, const char *folder, const char *name,
                            const char *value, base_err *err)
{
    base_str text = {0};
    base_str_add(&text, "%s", value ? value : "");
    return put(dir, folder, name, &text, err);
}

static base_status put_run(const run_export *r, size_t index, const char *root, const char *place,
                           base_err *err)
{
    char hash[65] = "", id[33];
    base_str dir = {0};
    char *manifest = base_path(r->path, "manifest.json");
    const json_t *data = json_object_get(r->info.manifest, "data");
    if (!manifest || filehash(manifest, hash, NULL) != BASE_OK) memset(hash, '0', 64);
    free(manifest);
    snprintf(id, sizeof id, "%.24s%08x", hash, (unsigned)index); /* of copies, too, each its own */
    base_str_add(&dir, "%s/%s/%s", root, EXPERIMENT, id);
    base_status status = dir.failed ? base_nomem(err, dir.len) : BASE_OK;
    if (status == BASE_OK) status = put_metrics(r, dir.s, err);
    for (size_t k = 0; status == BASE_OK && k < r->info.n_keys; k++)
        status = put_text(dir.s, "params", r->info.keys[k].name, r->info.keys[k].value, err);
    if (status == BASE_OK) status = put_text(dir.s, "tags", "mlflow.runName", r->path, err);
    if (status == BASE_OK)
        status = put_text(dir.s, "tags", "data.sha256",
                          json_string_value(json_object_get(data, "sha256")), err);
    if (status == BASE_OK)
        status = put_text(dir.s, "tags", "sotto",
                          json_string_value(json_object_get(r->info.manifest, "sotto")), err);
    if (status == BASE_OK) status = put_meta(r, dir.s, place, id, err);
    base_str_free(&dir);
    return status;
}

static base_status put_all(const run_exports *e, const char *root, const char *place, base_err *err)
{
    base_status status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < e->n; i++)
        status = put_run(&e->runs[i], i, root, place, err);
    if (status != BASE_OK) return status;
    base_str text = {0};
    add_uri(&text, "artifact_location", place, "");
    base_str_add(&text,
                 "creation_time: 0\nexperiment_id: '%s'\nlast_update_time: 0\n"
                 "lifecycle_stage: active\nname: sotto\n",
                 EXPERIMENT);
    return put(root, EXPERIMENT, "meta.yaml", &text, err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

base_status run_exports_mlflow(const run_exports *e, const char *path, base_err *err)
{
    if (base_exists(path) && rmdir(path) != 0) {
        base_fail(err, BASE_USAGE, "there is something in '%s' already", path);
        return base_hint(err, "name a folder that is not there yet");
    }
    base_str temp = {0};
    char *here = path[0] == '/' ? base_strdup("") : getcwd(NULL, 0);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *place = here ? base_path(here, path[0] == '/' ? path + 1 : path) : NULL;
    base_str_add(&temp, "%.*s.XXXXXX", (int)n, path);
    if (place && path[n] == '/') place[strlen(place) - (strlen(path) - n)] = '\0';
    base_status status = place && !temp.failed ? BASE_OK : base_nomem(err, temp.len);
    if (status == BASE_OK && (!mkdtemp(temp.s) || chmod(temp.s, 0755) != 0))
        status = base_fail(err, BASE_FAILED, "cannot make '%s': %s", path, strerror(errno));
    if (status == BASE_OK) {
        status = put_all(e, temp.s, place, err);
        if (status == BASE_OK && rename(temp.s, path) != 0)
            status = base_fail(err, BASE_FAILED, "cannot make '%s': %s", path, strerror(errno));
        if (status != BASE_OK) nftw(temp.s, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    base_str_free(&temp);
    free(here);
    free(place);
    return status;
}
