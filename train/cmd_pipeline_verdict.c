/* sotto pipeline: what is in production, and whether the new model takes its place. */
#include "train/cmd_pipeline.h"
#include "train/filehash.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- production ---- */

/* The registry, settled but in a dry run: links that a promotion which was killed left behind the
 * journal are set. r->dir is NULL when there is none yet. */
static base_status open_registry(const pipeline *l, registry *r, base_err *err)
{
    char *versions = base_path(l->registry, "versions");
    const bool there = versions && base_is_dir(versions);
    free(versions);
    *r = (registry){.lock = -1};
    return there ? registry_open(l->registry, !l->dry, r, err) : BASE_OK;
}

/* The file of a version with this hash, or NULL. */
static const char *file_of_hash(const json_t *version, const char *sha256)
{
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(version, "files"), i, f)
    {
        const char *hex = json_string_value(json_object_get(f, "sha256"));
        if (hex && sha256 && strcmp(hex, sha256) == 0)
            return json_string_value(json_object_get(f, "name"));
    }
    return NULL;
}

base_status pipeline_production(pipeline *l, char version[REGISTRY_NAME], const char **path,
                                char hex[65], base_err *err)
{
    registry r;
    version[0] = hex[0] = '\0';
    *path = "";
    BASE_TRY(open_registry(l, &r, err));
    const char *now = r.dir ? registry_alias(&r, "production") : NULL;
    json_t *v = now ? registry_version(&r, now) : NULL;
    base_status status = BASE_OK;
    if (now && !v) {
        base_fail(err, BASE_DATA, "%s, in production, cannot be read in '%s'", now, r.dir);
        status = base_hint(err, "sotto registry verify --registry %s", l->registry);
    } else if (now) {
        const char *int8 =
            json_string_value(json_object_get(json_object_get(v, "gates"), "int8_sha256"));
        const char *name = file_of_hash(v, int8);
        char *file = registry_path(&r, now, name ? name : "model.h5");
        snprintf(version, REGISTRY_NAME, "%s", now);
        *path = file ? base_arena_printf(l->arena, "%s", file) : NULL;
        status = *path ? filehash(*path, hex, err) : base_nomem(err, 1);
        free(file);
    }
    json_decref(v);
    registry_close(&r);
    return status;
}

/* A version of these very files whose gates are met, the latest; "" when there is none. */
static base_status find_version(const pipeline *l, const registry *r, char version[REGISTRY_NAME],
                                base_err *err)
{
    int64_t *list = NULL;
    size_t n = 0;
    version[0] = '\0';
    if (!r->dir) return BASE_OK;
    BASE_TRY(registry_versions(r, &list, &n, err));
    for (size_t i = n; i > 0 && !version[0]; i--) {
        char name[REGISTRY_NAME];
        snprintf(name, sizeof name, "v%lld", (long long)list[i - 1]);
        json_t *v = registry_version(r, name);
        const bool met = json_is_true(json_object_get(json_object_get(v, "gates"), "met"));
        if (met && file_of_hash(v, l->model_hash) && file_of_hash(v, l->int8_hash))
            snprintf(version, REGISTRY_NAME, "%s", name);
        json_decref(v);
    }
    free(list);
    return BASE_OK;
}

/* Whether somebody took it out of production again: then it does not come back of itself. */
static bool was_rolled_back(const registry *r, const char *version)
{
    const char *before = "";
    bool back = false;
    size_t i;
    json_t *o;
    json_array_foreach(r->journal, i, o)
    {
        const char *now = json_string_value(json_object_get(o, "version"));
        const char *what = json_string_value(json_object_get(o, "what"));
        if (strcmp(json_string_value(json_object_get(o, "alias")), "production") != 0) continue;
        if (strcmp(before, version) == 0 && strcmp(now, version) != 0)
            back = strcmp(what, "rollback") == 0;
        before = now;
    }
    return back && strcmp(before, version) != 0;
}

/* ---- the decision ---- */

/* Clips that only the new model, and only production has right. */
static void read_pair(const pipeline *l, int64_t *only, int64_t *against)
{
    const json_t *pair = json_array_get(json_object_get(l->compare, "pairs"), 0);
    const char *better = json_string_value(json_object_get(pair, "model"));
    const int64_t a = json_integer_value(json_object_get(pair, "only_model"));
    const int64_t b = json_integer_value(json_object_get(pair, "only_against"));
    const json_t *first = json_array_get(json_object_get(l->compare, "models"), 0);
    const char *name = json_string_value(json_object_get(first, "model"));
    const bool ours = better && name && strcmp(better, name) == 0;
    *only = ours ? a : b;
    *against = ours ? b : a;
}

static void missed_gates(const json_t *check, char why[PIPELINE_WHY])
{
    base_str names = {0};
    size_t i, missed = 0;
    json_t *g;
    json_array_foreach(json_object_get(check, "gates"), i, g)
    {
        if (!json_is_false(json_object_get(g, "met"))) continue;
        base_str_add(&names, "%s%s", missed++ ? ", " : "",
                     json_string_value(json_object_get(g, "gate")));
    }
    snprintf(why, PIPELINE_WHY, "%zu of %zu gates are not met: %s", missed,
             json_array_size(json_object_get(check, "gates")), names.s ? names.s : "");
    base_str_free(&names);
}

static base_status add_version(pipeline *l, pipeline_verdict *v, base_err *err)
{
    json_t *out;
    pipeline_words w = pipeline_begin(l, "registry", "add");
    pipeline_add(&w, pipeline_at(l, l->run));
    pipeline_add(&w, pipeline_at(l, PIPELINE_INT8));
    pipeline_add(&w, pipeline_at(l, PIPELINE_HEADER));
    pipeline_add_option(&w, "--registry", l->registry);
    pipeline_add_option(&w, "--gates", pipeline_at(l, PIPELINE_CHECK));
    pipeline_add_option(&w, "--pack", pipeline_at(l, PIPELINE_WORDS));
    pipeline_add_option(
        &w, "--note", base_arena_printf(l->arena, "sotto pipeline; test set %.12s", l->test_hash));
    pipeline_row *row = pipeline_row_new(l, "register");
    BASE_TRY(pipeline_command(l, "register", w.v, NULL, &out, err));
    const char *version = json_string_value(json_object_get(out, "version"));
    snprintf(v->version, sizeof v->version, "%s", version ? version : "");
    snprintf(row->why, sizeof row->why, "meets its gates");
    snprintf(row->result, sizeof row->result, "%s", v->version);
    json_decref(out);
    return BASE_OK;
}

static base_status promote(pipeline *l, const pipeline_verdict *v, const char *alias, base_err *err)
{
    json_t *out;
    const bool production = strcmp(alias, "production") == 0;
    pipeline_words w = pipeline_begin(l, "registry", "promote");
    pipeline_add(&w, v->version);
    pipeline_add_option(&w, "--registry", l->registry);
    pipeline_add_option(&w, "--as", alias);
    if (production) pipeline_add_option(&w, "--replacing", v->before[0] ? v->before : "none");
    pipeline_add_option(&w, "--reason", base_arena_printf(l->arena, "sotto pipeline: %s", v->why));
    pipeline_row *row = pipeline_row_new(l, "promote");
    const base_status status = pipeline_command(l, "promote", w.v, NULL, &out, err);
    snprintf(row->why, sizeof row->why, "%s", v->word);
    snprintf(row->result, sizeof row->result, "%s is %s", v->version, alias);
    json_decref(out);
    return status;
}

/* What the registry and the comparison say: v->word, v->why. */
static void judge(const pipeline *l, const registry *r, pipeline_verdict *v)
{
    int64_t only, against;
    v->word = "promoted";
    if (v->version[0] && strcmp(v->version, v->before) == 0) {
        v->word = "unchanged";
        snprintf(v->why, sizeof v->why, "%s, in production, is this model", v->version);
    } else if (v->version[0] && was_rolled_back(r, v->version)) {
        v->word = "refused";
        snprintf(v->why, sizeof v->why,
                 "%s was in production and was taken back; by hand: "
                 "sotto registry promote %s",
                 v->version, v->version);
    } else if (!v->before[0]) {
        snprintf(v->why, sizeof v->why, "meets its gates, and nothing was in production");
    } else if (!l->compare) {
        snprintf(v->why, sizeof v->why, "meets its gates; not compared with %s", v->before);
    } else {
        char pair[160];
        read_pair(l, &only, &against);
        if (!pipeline_allows((pipeline_rule)l->setup.pipeline.promote, only, against, pair))
            v->word = "refused";
        snprintf(v->why, sizeof v->why, "against %s: %s", v->before, pair);
    }
}

base_status pipeline_decide(pipeline *l, pipeline_verdict *v, base_err *err)
{
    registry r;
    char hex[65];
    const char *path;
    BASE_TRY(pipeline_production(l, v->before, &path, hex, err));
    if (!json_is_true(json_object_get(l->check, "met"))) {
        v->word = "refused";
        missed_gates(l->check, v->why);
        return BASE_OK;
    }
    BASE_TRY(open_registry(l, &r, err));
    base_status status = find_version(l, &r, v->version, err);
    if (status == BASE_OK) judge(l, &r, v);
    registry_close(&r);
    BASE_TRY(status);
    if (strcmp(v->word, "unchanged") == 0) return BASE_OK;
    if (!v->version[0]) BASE_TRY(add_version(l, v, err));
    return promote(l, v, strcmp(v->word, "promoted") == 0 ? "production" : "candidate", err);
}
