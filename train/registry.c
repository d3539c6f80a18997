/* See train/registry.h. */
#include "train/registry.h"

#include "train/filehash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char *const aliases[] = {"production", "candidate"};
enum { MAX_TEXT = 1 << 26, WAIT_MS = 30000, STEP_MS = 10 };

/* ---- paths and time ---- */

static char *join(const char *fmt, const char *a, const char *b, const char *c)
{
    base_str s = {0};
    base_str_add(&s, fmt, a, b, c);
    if (!s.failed) return s.s;
    base_str_free(&s);
    return NULL;
}

char *registry_path(const registry *r, const char *version, const char *file)
{
    return join(file[0] ? "%s/versions/%s/%s" : "%s/versions/%s%s", r->dir, version, file);
}

void registry_time(char when[32])
{
    const time_t now = time(NULL);
    struct tm tm;
    strftime(when, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

base_status registry_sync_dir(const char *dir, base_err *err)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    const int why = errno;
    if (fd >= 0) close(fd);
    return ok ? BASE_OK : base_fail(err, BASE_FAILED, "cannot sync '%s': %s", dir, strerror(why));
}

base_status registry_check_alias(const char *alias, base_err *err)
{
    for (size_t i = 0; i < BASE_COUNT(aliases); i++)
        if (strcmp(aliases[i], alias) == 0) return BASE_OK;
    base_fail(err, BASE_USAGE, "'%.60s' is no alias", alias);
    return base_hint(err, "there are production and candidate");
}

/* ---- the journal ---- */

static bool is_event(const json_t *o)
{
    return json_is_string(json_object_get(o, "what")) &&
           json_is_string(json_object_get(o, "alias")) &&
           json_is_string(json_object_get(o, "version"));
}

/* Lines of the journal; *whole is where the last one that ends in a newline does. */
static base_status read_journal(registry *r, const char *path, size_t *whole, base_err *err)
{
    char *text = NULL, *at, *end;
    size_t n = 0;
    *whole = 0;
    r->journal = json_array();
    if (!r->journal) return base_nomem(err, 1);
    if (!base_exists(path)) return BASE_OK;
    BASE_TRY(base_read_file(path, MAX_TEXT, &text, &n, err));
    int line = 1;
    for (at = text; (end = memchr(at, '\n', n - (size_t)(at - text))); at = end + 1, line++) {
        json_t *o = json_loadb(at, (size_t)(end - at), 0, NULL);
        if (is_event(o))
            json_array_append(r->journal, o);
        else
            base_str_add(&r->damage, "%s:%d: no line of a journal, left out\n", path, line);
        json_decref(o);
    }
    *whole = (size_t)(at - text);
    if (*whole < n)
        base_str_add(&r->damage, "%s:%d: the last line was cut after %zu bytes, left out\n", path,
                     line, n - *whole);
    free(text);
    return BASE_OK;
}

/* One line with one write, synced; what did not get all of it is taken back. */
static base_status append(const char *path, const char *line, base_err *err)
{
    const size_t n = strlen(line);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    const off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    errno = 0;
    const bool ok = fd >= 0 && write(fd, line, n) == (ssize_t)n && fsync(fd) == 0;
    const int why = errno ? errno : ENOSPC;
    const bool undone = ok || fd < 0 || ftruncate(fd, end) == 0;
    if (fd >= 0) close(fd);
    return ok ? BASE_OK
              : base_fail(err, BASE_FAILED, "cannot write '%s': %s%s", path, strerror(why),
                          undone ? "" : "; its last line is cut");
}

/* The versions that an alias has been, as a stack: its top is what it is. */
static size_t history(const registry *r, const char *alias, const char **stack)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(r->journal); i++) {
        const json_t *o = json_array_get(r->journal, i);
        const char *version = json_string_value(json_object_get(o, "version"));
        if (strcmp(json_string_value(json_object_get(o, "alias")), alias) != 0) continue;
        if (strcmp(json_string_value(json_object_get(o, "what")), "rollback") == 0 && n > 0) n--;
        if (n == 0 || strcmp(stack[n - 1], version) != 0) stack[n++] = version;
    }
    return n;
}

/* The version `back` steps before the present one. */
static const char *at_history(const registry *r, const char *alias, size_t back)
{
    const char **stack = calloc(json_array_size(r->journal) + 1, sizeof *stack);
    const size_t n = stack ? history(r, alias, stack) : 0;
    const char *version = n > back ? stack[n - 1 - back] : NULL;
    free(stack);
    return version;
}

const char *registry_alias(const registry *r, const char *alias)
{
    return at_history(r, alias, 0);
}

const char *registry_previous(const registry *r, const char *alias)
{
    return at_history(r, alias, 1);
}

/* ---- opening ---- */

static base_status take_lock(registry *r, base_err *err)
{
    char *path = base_path(r->dir, "lock");
    r->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    free(path);
    if (r->lock < 0)
        return base_fail(err, BASE_FAILED, "cannot write in '%s': %s", r->dir, strerror(errno));
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
    for (int waited = 0; flock(r->lock, LOCK_EX | LOCK_NB) != 0; waited += STEP_MS) {
        if (waited >= WAIT_MS) {
            base_fail(err, BASE_AGAIN, "another process is writing to '%s'", r->dir);
            return base_hint(err, "try again when it is done");
        }
        nanosleep(&step, NULL);
    }
    return BASE_OK;
}

/* The link of an alias, as the journal has it. */
static base_status set_link(const registry *r, const char *alias, const char *version,
                            base_err *err)
{
    char now[REGISTRY_NAME + 16] = "", wanted[REGISTRY_NAME + 16];
    char *link = base_path(r->dir, alias), *temp = join("%s/.%s%s", r->dir, alias, ".new");
    snprintf(wanted, sizeof wanted, "versions/%s", version);
    base_status status = link && temp ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK && (readlink(link, now, sizeof now - 1) < 0 || strcmp(now, wanted))) {
        unlink(temp);
        if (symlink(wanted, temp) != 0 || rename(temp, link) != 0)
            status = base_fail(err, BASE_FAILED, "cannot set '%s': %s", link, strerror(errno));
        else
            status = registry_sync_dir(r->dir, err);
    }
    free(link);
    free(temp);
    return status;
}

/* What a writer that was killed left: a line that was cut, links behind the journal. */
static base_status settle(registry *r, const char *journal, size_t whole, base_err *err)
{
    if (base_exists(journal) && truncate(journal, (off_t)whole) != 0)
        return base_fail(err, BASE_FAILED, "cannot write '%s': %s", journal, strerror(errno));
    for (size_t i = 0; i < BASE_COUNT(aliases); i++) {
        const char *version = registry_alias(r, aliases[i]);
        if (version) BASE_TRY(set_link(r, aliases[i], version, err));
    }
    return BASE_OK;
}

base_status registry_open(const char *dir, bool write, registry *r, base_err *err)
{
    *r = (registry){.dir = base_strdup(dir), .lock = -1};
    char *versions = base_path(dir, "versions"), *journal = base_path(dir, "journal.jsonl");
    size_t whole;
    base_status status = r->dir && versions && journal ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK && write) status = base_mkdirs(versions, err);
    if (status == BASE_OK && !base_is_dir(versions)) {
        base_fail(err, BASE_DATA, "there is no registry in '%s'", dir);
        status = base_hint(err, "sotto registry add RUN --registry %s makes one", dir);
    }
    if (status == BASE_OK && write) status = take_lock(r, err);
    if (status == BASE_OK) status = read_journal(r, journal, &whole, err);
    if (status == BASE_OK && write) status = settle(r, journal, whole, err);
    free(versions);
    free(journal);
    if (status != BASE_OK) registry_close(r);
    return status;
}

void registry_close(registry *r)
{
    if (r->lock >= 0) close(r->lock);
    json_decref(r->journal);
    base_str_free(&r->damage);
    free(r->dir);
    *r = (registry){.lock = -1};
}

/* ---- versions ---- */

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

base_status registry_versions(const registry *r, int64_t **list, size_t *n, base_err *err)
{
    char *path = base_path(r->dir, "versions");
    DIR *d = path ? opendir(path) : NULL;
    size_t cap = 0;
    int64_t number;
    base_status status = d ? BASE_OK : base_fail(err, BASE_FAILED, "cannot read '%s'", r->dir);
    *list = NULL;
    *n = 0;
    for (struct dirent *e; status == BASE_OK && (e = readdir(d));) {
        if (e->d_name[0] != 'v' || !base_parse_int(e->d_name + 1, 1, INT64_MAX, &number)) continue;
        if (!base_grow((void **)list, &cap, *n + 1, sizeof **list))
            status = base_nomem(err, (*n + 1) * sizeof **list);
        else
            (*list)[(*n)++] = number;
    }
    if (d) closedir(d);
    free(path);
    if (*n > 0) qsort(*list, *n, sizeof **list, by_number);
    return status;
}

base_status registry_find(const registry *r, const char *name, char version[REGISTRY_NAME],
                          base_err *err)
{
    int64_t number;
    const bool is_number = name[0] == 'v' && base_parse_int(name + 1, 1, INT64_MAX, &number);
    if (!is_number) {
        BASE_TRY(registry_check_alias(name, err));
        const char *of = registry_alias(r, name);
        if (!of) return base_fail(err, BASE_DATA, "no version is %s yet", name);
        name = of;
    }
    snprintf(version, REGISTRY_NAME, "%s", name);
    char *path = registry_path(r, version, "");
    const bool there = path && base_is_dir(path);
    free(path);
    if (there) return BASE_OK;
    base_fail(err, BASE_DATA, "there is no version %s in '%s'", version, r->dir);
    return base_hint(err, "sotto registry ls shows those there are");
}

json_t *registry_version(const registry *r, const char *version)
{
    char *path = registry_path(r, version, "version.json");
    json_t *o = path ? json_load_file(path, 0, NULL) : NULL;
    free(path);
    return o;
}

/* ---- verifying ---- */

/* One line of SHA256SUMS: "<64 digits>  <name>". */
static void verify_file(const registry *r, const char *version, const char *line, base_str *damage)
{
    char hex[65];
    if (strspn(line, "0123456789abcdef") != 64 || strncmp(line + 64, "  ", 2) != 0 ||
        strchr(line + 66, '/')) {
        base_str_add(damage, "SHA256SUMS: a line is no hash and name\n");
        return;
    }
    char *path = registry_path(r, version, line + 66);
    if (!path || !base_exists(path))
        base_str_add(damage, "%s is missing\n", line + 66);
    else if (filehash(path, hex, NULL) != BASE_OK)
        base_str_add(damage, "%s cannot be read\n", line + 66);
    else if (strncmp(hex, line, 64) != 0)
        base_str_add(damage, "%s has SHA-256 %.12s..., had %.12s...\n", line + 66, hex, line);
    free(path);
}

/* Files that SHA256SUMS does not list. */
static void verify_others(const char *dir, const char *sums, base_str *damage)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *line = join("  %s\n%s%s", e->d_name, "", "");
        const bool own = e->d_name[0] == '.' || strcmp(e->d_name, "SHA256SUMS") == 0;
        if (!own && line && !strstr(sums, line))
            base_str_add(damage, "%s was not there\n", e->d_name);
        free(line);
    }
    if (d) closedir(d);
}

base_status registry_verify(const registry *r, const char *version, base_str *damage, base_err *err)
{
    char *dir = registry_path(r, version, ""), *path = registry_path(r, version, "SHA256SUMS");
    char *sums = NULL;
    base_status status = dir && path ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK && base_read_file(path, MAX_TEXT, &sums, NULL, NULL) != BASE_OK) {
        base_str_add(damage, "SHA256SUMS is missing\n");
    } else if (status == BASE_OK) {
        verify_others(dir, sums, damage);
        if (!strstr(sums, "  version.json\n"))
            base_str_add(damage, "SHA256SUMS does not list version.json\n");
        char *rest = NULL;
        for (char *l = strtok_r(sums, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest))
            verify_file(r, version, l, damage);
    }
    free(sums);
    free(dir);
    free(path);
    return damage->failed ? base_nomem(err, 1) : status;
}

/* ---- aliases ---- */

base_status registry_change_alias(registry *r, registry_change c, base_err *err)
{
    char when[32], *text = NULL, *path = base_path(r->dir, "journal.jsonl");
    registry_time(when);
    const char *before = registry_alias(r, c.alias);
    json_t *o = json_pack("{ss ss ss ss ss* sb ss*}", "time", when, "what", c.what, "alias",
                          c.alias, "version", c.version, "previous", before, "forced",
                          (int)c.forced, "reason", c.reason);
    if (o) text = json_dumps(o, JSON_COMPACT);
    char *line = text ? join("%s\n%s%s", text, "", "") : NULL;
    base_status status = line && path ? append(path, line, err) : base_nomem(err, 1);
    if (status == BASE_OK) {
        json_array_append(r->journal, o);
        status = set_link(r, c.alias, c.version, err);
    }
    json_decref(o);
    free(line);
    free(text);
    free(path);
    return status;
}
