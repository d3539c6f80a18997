/* See train/sweep.h. */
#include "train/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_JOURNAL = 1 << 28, MOST_REJECTED = 10, ENOUGH = 10 };

const char *sweep_state_name(sweep_state s)
{
    static const char *const names[] = {[SWEEP_ASKED] = "asked",
                                        [SWEEP_TOLD] = "told",
                                        [SWEEP_FAILED] = "failed",
                                        [SWEEP_REJECTED] = "rejected",
                                        [SWEEP_PAUSED] = "paused"};
    return names[s];
}

/* ---- reading ---- */

static base_status damaged(sweep *s, int line)
{
    if (s->damaged == 0) s->damaged = line;
    return BASE_OK;
}

/* A trial's first event: ask or reject. */
static base_status add_trial(sweep *s, json_t *o, bool rejected, base_err *err)
{
    if (!base_grow((void **)&s->trials, &s->cap, s->n + 1, sizeof *s->trials)) {
        json_decref(o);
        return base_nomem(err, sizeof *s->trials);
    }
    s->trials[s->n++] = (sweep_trial){.state = rejected ? SWEEP_REJECTED : SWEEP_ASKED,
                                      .asked = o,
                                      .takes = 1,
                                      .locked = json_is_true(json_object_get(o, "locked")),
                                      .ended = rejected ? json_incref(o) : NULL};
    return BASE_OK;
}

/* Whether a later event of t makes sense; it is applied then. */
static bool apply(sweep_trial *t, const char *event, json_t *o)
{
    const bool asked = t->state == SWEEP_ASKED;
    const bool tell = strcmp(event, "tell") == 0, fail = strcmp(event, "fail") == 0;
    if (asked && (tell || fail)) {
        t->state = tell ? SWEEP_TOLD : SWEEP_FAILED;
        t->ended = json_incref(o);
        if (tell) t->told[t->rung] = json_incref(o);
    } else if (asked && strcmp(event, "report") == 0) {
        t->state = SWEEP_PAUSED;
        t->told[t->rung] = json_incref(o);
    } else if (t->state == SWEEP_PAUSED && strcmp(event, "promote") == 0 &&
               t->rung + 1 < SWEEP_RUNGS) {
        t->state = SWEEP_ASKED;
        t->locked = json_is_true(json_object_get(o, "locked"));
        t->rung++;
        t->takes = 1;
    } else if (strcmp(event, "take") == 0) {
        t->takes++;
    } else
        return false;
    return true;
}

/* One event; takes over the reference. */
static base_status add_event(sweep *s, json_t *o, int line, base_err *err)
{
    const char *event = json_string_value(json_object_get(o, "event"));
    int64_t id = json_integer_value(json_object_get(o, "id"));
    const bool rejected = event && strcmp(event, "reject") == 0;
    if (event && (rejected || strcmp(event, "ask") == 0) && id == (int64_t)s->n + 1 &&
        json_is_object(json_object_get(o, "values")))
        return add_trial(s, o, rejected, err);
    const bool good = event && id > 0 && (size_t)id <= s->n && apply(&s->trials[id - 1], event, o);
    json_decref(o);
    return good ? BASE_OK : damaged(s, line);
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
        if (status != BASE_OK && !base_exists(path))
            base_hint(err, "the sweep has lost what it varies: begin another, sotto sweep new");
        config_free(cfg);
    }
    s->space = setup.sweep;
    s->n_rungs = sweep_rungs(&s->space, train_setup_epochs(&setup), s->rungs);
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
        for (int k = 0; k < SWEEP_RUNGS; k++) json_decref(s->trials[i].told[k]);
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

/* Result at a rung by name, or cost; NAN: neither. */
static double result_at(const sweep_trial *t, int rung, const char *name)
{
    const json_t *v = json_object_get(json_object_get(t->told[rung], "results"), name);
    if (!v) v = json_object_get(json_object_get(t->asked, "costs"), name);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* ---- asking ---- */

static char *lock_path(const char *dir, int64_t id)
{
    char name[64];
    snprintf(name, sizeof name, "trials/%lld.lock", (long long)id);
    return base_path(dir, name);
}

/* Hold the trial: *lock, or -1 when somebody does. */
static base_status hold(const sweep *s, int64_t id, int *lock, base_err *err)
{
    char *path = lock_path(s->dir, id);
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

base_status sweep_wait(const char *dir, int64_t id, base_err *err)
{
    char *path = lock_path(dir, id);
    if (!path) return base_nomem(err, 1);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    base_status status = BASE_OK;
    if (fd < 0 || flock(fd, LOCK_SH) != 0)
        status = errno == EINTR ? base_fail(err, BASE_INTERRUPTED, "interrupted")
                                : base_fail(err, BASE_FAILED, "cannot wait for '%s': %s", path,
                                            strerror(errno));
    if (fd >= 0) close(fd);
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

/* Values of all objectives at a rung, of each trial that was told there, and their indices.
 * *points and *index are the caller's to free. */
static base_status results_at(const sweep *s, int rung, double **points, size_t **index, size_t *n,
                              size_t *m, base_err *err)
{
    char name[64];
    int sign;
    for (*m = 0; sweep_objective(&s->space, (int)*m, name, &sign);) ++*m;
    *n = 0;
    *points = calloc(s->n * *m + 1, sizeof **points);
    *index = calloc(s->n + 1, sizeof **index);
    if (!*points || !*index) return base_nomem(err, s->n * *m * sizeof **points);
    for (size_t i = 0; i < s->n; i++) {
        if (!s->trials[i].told[rung]) continue;
        for (size_t k = 0; k < *m; k++) {
            sweep_objective(&s->space, (int)k, name, &sign);
            (*points)[*n * *m + k] = sign * result_at(&s->trials[i], rung, name);
        }
        (*index)[(*n)++] = i;
    }
    return BASE_OK;
}

/* A paused trial that is among the best of its rung: *best, or none. */
static base_status best_paused(const sweep *s, int rung, size_t skip, size_t *best, base_err *err)
{
    double *points = NULL;
    size_t *index = NULL, *order = NULL, n, m;
    base_status status = results_at(s, rung, &points, &index, &n, &m, err);
    if (status == BASE_OK && !(order = calloc(n + 1, sizeof *order)))
        status = base_nomem(err, n * sizeof *order);
    if (status == BASE_OK) status = sweep_rank(points, n, m, order, err);
    for (size_t i = 0; status == BASE_OK && i < n / (size_t)s->space.reduction; i++) {
        const sweep_trial *t = &s->trials[index[order[i]]];
        if (t->state != SWEEP_PAUSED || t->rung != rung || skip-- > 0) continue;
        *best = index[order[i]];
        break;
    }
    free(points);
    free(index);
    free(order);
    return status;
}

/* From the highest rung down, one of the best that are paused goes on. */
static base_status promote(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    for (int rung = s->n_rungs - 2; rung >= 0; rung--) {
        for (size_t skip = 0;; skip++) {
            size_t i = s->n;
            BASE_TRY(best_paused(s, rung, skip, &i, err));
            if (i == s->n) break;
            if (lock) BASE_TRY(hold(s, (int64_t)i + 1, lock, err));
            if (lock && *lock < 0) { /* somebody has just waited for it */
                s->busy = (int64_t)i + 1;
                continue;
            }
            *id = (int64_t)i + 1;
            return append(s,
                          json_pack("{s:s,s:I,s:s,s:b,s:I}", "event", "promote", "id",
                                    (json_int_t)*id, "worker", worker, "locked", lock != NULL,
                                    "epochs", (json_int_t)s->rungs[rung + 1]),
                          err);
        }
    }
    return BASE_OK;
}

/* The highest rung with enough results to tell good values from bad ones, else the first. */
static int telling_rung(const sweep *s)
{
    for (int rung = s->n_rungs - 1; rung > 0; rung--) {
        int told = 0;
        for (size_t i = 0; i < s->n; i++) told += s->trials[i].told[rung] != NULL;
        if (told >= ENOUGH) return rung;
    }
    return 0;
}

/* Places and scores of all trials so far, for TPE: those that came to the rung, those on their way
 * to it, and those that failed or were rejected. */
static base_status propose(const sweep *s, int64_t id, double *at, base_err *err)
{
    size_t dims = (size_t)s->space.n, n = 0;
    double *points = calloc(s->n * dims + 1, sizeof *points);
    double *scores = calloc(s->n + 1, sizeof *scores);
    int sign = 1, rung = telling_rung(s);
    char name[64];
    sweep_objective(&s->space, 0, name, &sign);
    for (size_t i = 0; points && scores && i < s->n; i++) {
        const sweep_trial *t = &s->trials[i];
        const json_t *values = json_object_get(t->asked, "values");
        bool whole = t->state != SWEEP_PAUSED || t->told[rung];
        for (size_t k = 0; k < dims; k++) {
            const sweep_param *p = &s->space.params[k];
            const char *v = json_string_value(json_object_get(values, p->key));
            whole = whole && v && sweep_place(p, v, &points[n * dims + k]);
        }
        if (!whole) continue;
        double score = t->told[rung] ? sign * result_at(t, rung, name) : (double)-INFINITY;
        scores[n++] = isfinite(score) ? score : (double)-INFINITY;
    }
    base_status status = points && scores ? sweep_tpe(&s->space, id, points, scores, n, at, err)
                                          : base_nomem(err, s->n);
    free(points);
    free(scores);
    return status;
}

/* Values of the trial that comes next. */
static base_status choose(const sweep *s, json_t **values, base_err *err)
{
    double at[SWEEP_PARAMS];
    const int64_t next = (int64_t)s->n + 1;
    if (s->space.method == SWEEP_GRID)
        sweep_grid(&s->space, next - 1, at);
    else if (s->space.method == SWEEP_RANDOM)
        sweep_random(&s->space, next, at);
    else
        BASE_TRY(propose(s, next, at, err));
    *values = json_object();
    for (int k = 0; k < s->space.n; k++) {
        base_str text = {0};
        sweep_value(&s->space.params[k], at[k], &text);
        json_object_set_new(*values, s->space.params[k].key, json_string(text.s));
        base_str_free(&text);
    }
    return BASE_OK;
}

/* Whether the sweep has had all its trials. */
static bool is_full(const sweep *s)
{
    const int64_t rejected = (int64_t)sweep_count(s, SWEEP_REJECTED), n = (int64_t)s->n;
    return n - rejected >= s->space.trials || rejected >= MOST_REJECTED * s->space.trials ||
           (s->space.method == SWEEP_GRID && n >= sweep_grid_size(&s->space));
}

/* The event of the next trial; *reason is "" when it is asked for. */
static base_status next_event(const sweep *s, const char *worker, bool locked, json_t **event,
                              char reason[SWEEP_TEXT], base_err *err)
{
    json_t *values = NULL, *costs = NULL;
    reason[0] = '\0';
    BASE_TRY(choose(s, &values, err));
    if (s->judge && s->judge(s, values, &costs, reason, err) != BASE_OK) {
        json_decref(values);
        return err->status;
    }
    *event = json_pack("{s:s,s:I,s:s,s:b,s:o,s:o*}", "event", reason[0] ? "reject" : "ask", "id",
                       (json_int_t)s->n + 1, "worker", worker, "locked", locked, "values", values,
                       "costs", costs);
    if (*event && reason[0]) json_object_set_new(*event, "reason", json_string(reason));
    return *event ? BASE_OK : base_nomem(err, 1);
}

static base_status ask_new(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    while (!is_full(s)) {
        char reason[SWEEP_TEXT];
        json_t *event;
        const int64_t next = (int64_t)s->n + 1;
        BASE_TRY(next_event(s, worker, lock != NULL, &event, reason, err));
        base_status status = lock && !reason[0] ? hold(s, next, lock, err) : BASE_OK;
        if (status == BASE_OK && lock && !reason[0] && *lock < 0)
            status = base_fail(err, BASE_AGAIN, "'%s/trials/%lld.lock' is held", s->dir,
                               (long long)next);
        if (status != BASE_OK) {
            json_decref(event);
            return status;
        }
        BASE_TRY(append(s, event, err));
        if (reason[0]) continue;
        *id = next;
        break;
    }
    return BASE_OK;
}

base_status sweep_ask(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err)
{
    *id = s->busy = 0;
    if (lock) *lock = -1;
    base_status status = lock ? take_over(s, worker, lock, id, err) : BASE_OK;
    if (status == BASE_OK && *id == 0) status = promote(s, worker, lock, id, err);
    if (status == BASE_OK && *id == 0) status = ask_new(s, worker, lock, id, err);
    if (status != BASE_OK && lock && *lock >= 0) close(*lock);
    for (size_t i = 0; *id == 0 && i < s->n; i++)
        if (s->trials[i].state == SWEEP_ASKED && (s->busy == 0 || s->trials[i].locked))
            s->busy = (int64_t)i + 1;
    return status;
}

static base_status check_open(const sweep *s, int64_t id, base_err *err)
{
    if (id < 1 || (size_t)id > s->n) {
        base_fail(err, BASE_USAGE, "'%s' has no trial %lld", s->dir, (long long)id);
        return base_hint(err, "`sotto sweep ls %.100s` shows those there are", s->dir);
    }
    if (s->trials[id - 1].state == SWEEP_ASKED) return BASE_OK;
    return base_fail(err, BASE_USAGE, "trial %lld of '%s' is not being worked on: it is %s",
                     (long long)id, s->dir, sweep_state_name(s->trials[id - 1].state));
}

base_status sweep_tell(sweep *s, int64_t id, json_t *results, base_err *err)
{
    base_status status = check_open(s, id, err);
    if (status != BASE_OK) {
        json_decref(results);
        return status;
    }
    const int rung = s->trials[id - 1].rung;
    const bool last = rung >= s->n_rungs - 1;
    json_t *o = json_pack("{s:s,s:I,s:o}", "event", last ? "tell" : "report", "id", (json_int_t)id,
                          "results", results);
    if (o && s->n_rungs > 1) json_object_set_new(o, "epochs", json_integer(s->rungs[rung]));
    return append(s, o, err);
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
    int rung = SWEEP_RUNGS - 1;
    while (rung > 0 && !t->told[rung]) rung--;
    return result_at(t, rung, name);
}

int64_t sweep_epochs(const sweep *s, const sweep_trial *t)
{
    int64_t epochs = 0;
    for (int k = 0; k < s->n_rungs; k++)
        if (t->told[k]) epochs = s->rungs[k];
    return epochs;
}

size_t sweep_count(const sweep *s, sweep_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += s->trials[i].state == state;
    return n;
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
    if (a->state != SWEEP_TOLD) return false;
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
    if (s->trials[i].state != SWEEP_TOLD) return false;
    for (int k = 0; sweep_objective(&s->space, k, name, &sign); k++)
        if (isnan(sweep_result(&s->trials[i], name))) return false;
    for (size_t j = 0; j < s->n; j++)
        if (dominates(s, &s->trials[j], &s->trials[i])) return false;
    return true;
}
