/* See train/stages.h. */
#include "train/stages.h"

#include "train/filehash.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char folder[] = "stamps";

static char *stamp_path(const char *dir, const char *name)
{
    base_str s = {0};
    base_str_add(&s, "%s/%s/%s.json", dir, folder, name);
    if (!s.failed) return s.s;
    base_str_free(&s);
    return NULL;
}

static bool is_stamp(const json_t *o)
{
    return json_is_object(json_object_get(o, "inputs")) &&
           json_is_object(json_object_get(o, "files"));
}

json_t *stage_read(const char *dir, const char *name)
{
    char *path = stamp_path(dir, name);
    json_t *o = path ? json_load_file(path, 0, NULL) : NULL;
    free(path);
    if (is_stamp(o)) return o;
    json_decref(o);
    return NULL;
}

static bool same_text(const json_t *a, const json_t *b)
{
    return json_is_string(a) && json_is_string(b) &&
           strcmp(json_string_value(a), json_string_value(b)) == 0;
}

/* Names of a that b does not have alike, added to names. */
static void differing(json_t *a, const json_t *b, bool missing_only, base_str *names)
{
    const char *key;
    json_t *v;
    json_object_foreach(a, key, v)
    {
        const json_t *other = json_object_get(b, key);
        if (missing_only ? other != NULL : same_text(v, other)) continue;
        base_str_add(names, "%s%s", names->len ? ", " : "", key);
    }
}

static bool check_files(const char *dir, const stage *s, const json_t *stamp, char why[200])
{
    const json_t *files = json_object_get(stamp, "files");
    for (const char *const *f = s->files; *f; f++) {
        char hex[65] = "", *path = base_path(dir, *f);
        const char *then = json_string_value(json_object_get(files, *f));
        const bool there = path && base_exists(path) && filehash(path, hex, NULL) == BASE_OK;
        free(path);
        if (there && then && strcmp(then, hex) == 0) continue;
        snprintf(why, 200, "%.150s is %s", *f, there ? "not as it was" : "missing");
        return false;
    }
    return true;
}

stage_look stage_check(const char *dir, const stage *s)
{
    stage_look look = {.stamp = stage_read(dir, s->name)};
    if (!look.stamp) {
        char *path = stamp_path(dir, s->name);
        snprintf(look.why, sizeof look.why,
                 path && base_exists(path) ? "its stamp is damaged" : "not done yet");
        free(path);
        return look;
    }
    json_t *then = json_object_get(look.stamp, "inputs");
    base_str names = {0};
    differing(s->inputs, then, false, &names);
    differing(then, s->inputs, true, &names);
    if (names.len || names.failed)
        snprintf(look.why, sizeof look.why, "%.150s changed", names.failed ? "" : names.s);
    else
        look.done = check_files(dir, s, look.stamp, look.why);
    base_str_free(&names);
    return look;
}

void stage_look_free(stage_look *look)
{
    json_decref(look->stamp);
    *look = (stage_look){0};
}

static base_status hash_files(const char *dir, const stage *s, json_t *files, base_err *err)
{
    for (const char *const *f = s->files; *f; f++) {
        char hex[65], *path = base_path(dir, *f);
        const base_status status = path ? filehash(path, hex, err) : base_nomem(err, 1);
        free(path);
        BASE_TRY(status);
        json_object_set_new(files, *f, json_string(hex));
    }
    return BASE_OK;
}

base_status stage_stamp(const char *dir, const stage *s, json_t *result, base_err *err)
{
    char when[32], *path = stamp_path(dir, s->name), *parent = base_path(dir, folder), *text = NULL;
    const time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    json_t *files = json_object();
    base_status status = path && parent && files ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK) status = base_mkdirs(parent, err);
    if (status == BASE_OK) status = hash_files(dir, s, files, err);
    json_t *o = json_pack("{ss ss sO sO sO*}", "stage", s->name, "done", when, "inputs", s->inputs,
                          "files", files, "result", result);
    if (o) text = json_dumps(o, JSON_INDENT(1));
    if (status == BASE_OK)
        status = text ? base_write_file(path, text, strlen(text), err) : base_nomem(err, 1);
    json_decref(files);
    json_decref(o);
    free(parent);
    free(path);
    free(text);
    return status;
}

void stage_text_hash(const char *text, char hex[65])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, strlen(text), (const uint8_t *)text);
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
}

void stage_key(const json_t *inputs, char hex[65])
{
    char *text = json_dumps(inputs, JSON_SORT_KEYS | JSON_COMPACT);
    stage_text_hash(text ? text : "", hex);
    free(text);
}
