/* See train/sweep.h. */
#include "train/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_JOURNAL = 1 << 28 };

/* ---- reading ---- */

static base_status damaged(sweep *s, int line)
{
    if (s->damaged == 0) s->damaged = line;
    return BASE_OK;
}

/* One event; takes over the reference. */
static base_status add_event(sweep *s, json_t *o, int line, base_err *err)
{
    const char *event = json_string_value(json_object_get(o, "event"));
    int64_t id = json_integer_value(json_object_get(o, "id"));
    bool ask = event && strcmp(event, "ask") == 0 && id == (int64_t)s->n + 1 &&
               json_is_object(json_object_get(o, "values"));
    if (ask) {
        if (!base_grow((void **)&s->trials, &s->cap, s->n + 1, sizeof *s->trials)) {
            json_decref(o);
            return base_nomem(err, sizeof *s->trials);
        }
        s->trials[s->n++] = (sweep_trial){
            .asked = o, .takes = 1, .locked = json_is_true(json_object_get(o, "locked"))};
        return BASE_OK;
    }
    sweep_trial *t = event && id > 0 && (size_t)id <= s->n ? &s->trials[id - 1] : NULL;
    bool tell = t && strcmp(event, "tell") == 0, fail = t && strcmp(event, "fail") == 0;
    if ((tell || fail) && !t->ended) {
        t->state = tell ? SWEEP_TOLD : SWEEP_FAILED;
        t->ended = o;
        return BASE_OK;
    }
    bool take = t && strcmp(event, "take") == 0;
    if (take) t->takes++;
    json_decref(o);
    return take ? BASE_OK : damaged(s, line);
}

static base_status read_journal(sweep *s, const char *path, base_err *err)
{
    char *text;
    size_t n;
    BASE_TRY(base_read_file(path, MAX_JOURNAL, &text, &n, err));
    s->torn = n > 0 && text[n - 1] != '\n';
    base_status status = BASE_OK;
    int line = 1;
    for (size_t at = 0; at < n && status == BASE_OK; line++) {
        char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at : n - at;
        json_t *o = end ? json_loadb(text + at, len, 0, NULL) : NULL;
        status = o ? add_event(s, o, line, err) : damaged(s, line);
        at += len + 1;
    }
    free(text);
    return status;
}

static base_status read_space(sweep *s, base_err *err)
{
    char *path = base_path(s->dir, "config.ini");
    if (!path) return base_nomem(err, 1);
    train_setup setup = train_setup_default();
    config *cfg;
    base_status status = train_config_new(&setup, &cfg, err);
    if (status == BASE_OK) {
        status = config_read(cfg, path, err);
        config_free(cfg);
    }
    s->space = setup.sweep;
    free(path);
    return status;
}

static base_status open_journal(sweep *s, base_err *err)
{
    char *path = base_path(s->dir, "journal.jsonl");
    if (!path) return base_nomem(err, 1);
    base_status status = BASE_OK;
    s->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (s->fd < 0) {
        status = base_fail(err, errno == ENOENT ? BASE_DATA : BASE_FAILED, "no sweep in '%s': %s",
                           s->dir, strerror(errno));
        base_hint(err, "begin one: sotto sweep new kws.ini -o %.100s", s->dir);
    }
    int got = 0;
    while (status == BASE_OK && (got = flock(s->fd, LOCK_EX)) != 0 && errno == EINTR) continue;
    if (got != 0)
        status = base_fail(err, BASE_FAILED, "cannot lock '%s': %s", path, strerror(errno));
    if (status == BASE_OK) status = read_journal(s, path, err);
    free(path);
    return status;
}

base_status sweep_open(const char *dir, sweep *s, base_err *err)
{
    *s = (sweep){.dir = base_strdup(dir), .fd = -1};
    if (!s->dir) return base_nomem(err, strlen(dir));
    base_status status = open_journal(s, err);
    if (status == BASE_OK) status = read_space(s, err);
    if (status != BASE_OK) sweep_close(s);
    return status;
}

void sweep_close(sweep *s)
{
    for (size_t i = 0; i < s->n; i++) {
        json_decref(s->trials[i].asked);
        json_decref(s->trials[i].ended);
    }
    free(s->trials);
    free(s->dir);
    if (s->fd >= 0) close(s->fd);
    *s = (sweep){.fd = -1};
}

base_status sweep_create(const char *dir, const char *config_text, base_err *err)
{
    char *journal = base_path(dir, "journal.jsonl"), *ini = base_path(dir, "config.ini"),
         *trials = base_path(dir, "trials");
    base_status status = journal && ini && trials ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK && base_exists(journal)) {
        status = base_fail(err, BASE_USAGE, "'%s' already holds a sweep", dir);
        base_hint(err, "go on with it: sotto sweep run %.100s; or choose another -o", dir);
    }
    if (status == BASE_OK) status = base_mkdirs(trials, err);
    if (status == BASE_OK) status = base_write_file(ini, config_text, strlen(config_text), err);
    if (status == BASE_OK) status = base_write_file(journal, "", 0, err);
    free(journal);
    free(ini);
    free(trials);
    return status;
}

/* ---- writing ---- */

/* Adds the event as one line and to s; takes over the reference. */
static base_status append(sweep *s, json_t *o, base_err *err)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    base_str line = {0};
    base_str_add(&line, "%s%s\n", s->torn ? "\n" : "", text ? text : "");
    bool memory = text && !line.failed;
    free(text);
    if (!memory) {
        json_decref(o);
        base_str_free(&line);
        return base_nomem(err, 1);
    }
    ssize_t wrote = write(s->fd, line.s, line.len);
    bool good = wrote == (ssize_t)line.len && fsync(s->fd) == 0;
    const char *why = wrote >= 0 && wrote < (ssize_t)line.len ? "no space left" : strerror(errno);
    base_str_free(&line);
    if (good) {
        s->torn = false;
        return add_event(s, o, 0, err);
    }
    json_decref(o);
    return base_fail(err, BASE_FAILED, "cannot write '%s/journal.jsonl': %s", s->dir, why);
}

/* ---- asking ---- */

/* Hold the trial: *lock, or -1 when somebody does. */
static base_status hold(const sweep *s, int64_t id, int *lock, base_err *err)
{
    char name[64];
    snprintf(name, sizeof name, "trials/%lld.lock", (long long)id);
    char *path = base_path(s->dir, name);
    if (!path) return base_nomem(err, 1);
    *lock = open(path, O_RDWR | O_CREAT, 0666);
    base_status status =
        *lock >= 0 ? BASE_OK
                   : base_fail(err, BASE_FAILED, "cannot write '%s': %s", path, strerror(errno));
    if (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        close(*lock);
        *lock = -1;
    }
    free(path);
    return status;
}

static base_status take_over(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->trials[i].state != SWEEP_ASKED || !s->trials[i].locked) continue;
        BASE_TRY(hold(s, (int64_t)i + 1, lock, err));
        if (*lock < 0) continue;
        *id = (int64_t)i + 1;
        return append(
            s, json_pack("{s:s,s:I,s:s}", "event", "take", "id", (json_int_t)*id, "worker", worker),
            err);
    }
    return BASE_OK;
}

/* Places and scores of all trials so far, for TPE. */
static base_status propose(const sweep *s, int64_t id, double *at, base_err *err)
{
    size_t dims = (size_t)s->space.n, n = 0;
    double *points = calloc(s->n * dims + 1, sizeof *points);
    double *scores = calloc(s->n + 1, sizeof *scores);
    int sign = 1;
    char name[64];
    sweep_objective(&s->space, 0, name, &sign);
    for (size_t i = 0; points && scores && i < s->n; i++) {
        const json_t *values = json_object_get(s->trials[i].asked, "values");
        bool whole = true;
        for (size_t k = 0; k < dims; k++) {
            const sweep_param *p = &s->space.params[k];
            const char *v = json_string_value(json_object_get(values, p->key));
            whole = whole && v && sweep_place(p, v, &points[n * dims + k]);
        }
        if (!whole) continue;
        double score = sign * sweep_result(&s->trials[i], name);
        scores[n++] = isfinite(score) ? score : (double)-INFINITY;
    }
    base_status status = points && scores ? sweep_tpe(&s->space, id, points, scores, n, at, err)
                                          : base_nomem(err, s->n);
    free(points);
    free(scores);
    return status;
}

static base_status ask_new(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    int64_t next = (int64_t)s->n + 1, last = s->space.trials;
    int64_t grid = s->space.method == SWEEP_GRID ? sweep_grid_size(&s->space) : last;
    if (next > last || next > grid) return BASE_OK;
    double at[SWEEP_PARAMS];
    if (s->space.method == SWEEP_GRID)
        sweep_grid(&s->space, next - 1, at);
    else if (s->space.method == SWEEP_RANDOM)
        sweep_random(&s->space, next, at);
    else
        BASE_TRY(propose(s, next, at, err));
    json_t *values = json_object();
    for (int k = 0; k < s->space.n; k++) {
        base_str text = {0};
        sweep_value(&s->space.params[k], at[k], &text);
        json_object_set_new(values, s->space.params[k].key, json_string(text.s));
        base_str_free(&text);
    }
    if (lock) {
        base_status status = hold(s, next, lock, err);
        if (status == BASE_OK && *lock < 0)
            status = base_fail(err, BASE_AGAIN, "'%s/trials/%lld.lock' is held", s->dir,
                               (long long)next);
        if (status != BASE_OK) {
            json_decref(values);
            return status;
        }
    }
    *id = next;
    return append(s,
                  json_pack("{s:s,s:I,s:s,s:b,s:o}", "event", "ask", "id", (json_int_t)next,
                            "worker", worker, "locked", lock != NULL, "values", values),
                  err);
}

base_status sweep_ask(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    *id = 0;
    if (lock) *lock = -1;
    base_status status = lock ? take_over(s, worker, lock, id, err) : BASE_OK;
    if (status == BASE_OK && *id == 0) status = ask_new(s, worker, lock, id, err);
    if (status != BASE_OK && lock && *lock >= 0) close(*lock);
    return status;
}

static base_status check_open(const sweep *s, int64_t id, base_err *err)
{
    if (id < 1 || (size_t)id > s->n) {
        base_fail(err, BASE_USAGE, "'%s' has no trial %lld", s->dir, (long long)id);
        return base_hint(err, "`sotto sweep ls %.100s` shows those there are", s->dir);
    }
    if (s->trials[id - 1].state == SWEEP_ASKED) return BASE_OK;
    return base_fail(err, BASE_USAGE, "trial %lld of '%s' has ended already", (long long)id,
                     s->dir);
}

base_status sweep_tell(sweep *s, int64_t id, json_t *results, base_err *err)
{
    base_status status = check_open(s, id, err);
    if (status != BASE_OK) {
        json_decref(results);
        return status;
    }
    return append(
        s, json_pack("{s:s,s:I,s:o}", "event", "tell", "id", (json_int_t)id, "results", results),
        err);
}

base_status sweep_fail(sweep *s, int64_t id, const char *reason, base_err *err)
{
    BASE_TRY(check_open(s, id, err));
    return append(
        s, json_pack("{s:s,s:I,s:s}", "event", "fail", "id", (json_int_t)id, "reason", reason),
        err);
}

/* ---- results ---- */

double sweep_result(const sweep_trial *t, const char *name)
{
    const json_t *v = json_object_get(json_object_get(t->ended, "results"), name);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

const char *sweep_objective(const sweep_space *s, int i, char name[64], int *sign)
{
    const char *lists[] = {s->maximize, s->minimize};
    for (int l = 0; l < 2; l++) {
        const char *at = lists[l] + strspn(lists[l], " ");
        for (; *at; at += strspn(at, " ")) {
            size_t n = strcspn(at, " ");
            *sign = l == 0 ? 1 : -1;
            snprintf(name, 64, "%.*s", (int)n, at);
            if (i-- == 0) return name;
            at += n;
        }
    }
    return NULL;
}

/* Whether a is at least as good as b in all objectives and better in one. */
static bool dominates(const sweep *s, const sweep_trial *a, const sweep_trial *b)
{
    char name[64];
    int sign;
    bool better = false;
    for (int i = 0; sweep_objective(&s->space, i, name, &sign); i++) {
        double x = sign * sweep_result(a, name), y = sign * sweep_result(b, name);
        if (!(x >= y)) return false;
        better = better || x > y;
    }
    return better;
}

bool sweep_on_front(const sweep *s, size_t i)
{
    char name[64];
    int sign;
    for (int k = 0; sweep_objective(&s->space, k, name, &sign); k++)
        if (isnan(sweep_result(&s->trials[i], name))) return false;
    for (size_t j = 0; j < s->n; j++)
        if (dominates(s, &s->trials[j], &s->trials[i])) return false;
    return true;
}
