/* See train/rundir.h. */
#include "train/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char *const sentinel[] = {"DONE", "FAILED", "INTERRUPTED"};
enum { MAX_METRICS = 1 << 28, MAX_CONFIG = 1 << 24 };

const char *rundir_state_name(rundir_state s)
{
    static const char *const names[] = {"done", "failed", "interrupted", "running", "damaged"};
    return names[s];
}

static bool has(const char *dir, const char *name)
{
    char *p = base_path(dir, name);
    bool yes = p && base_exists(p);
    free(p);
    return yes;
}

bool rundir_is_run(const char *path)
{
    return base_is_dir(path) && (has(path, "config.ini") || has(path, "lock"));
}

bool rundir_resumes(const char *path)
{
    return has(path, "config.ini");
}

/* Killed before it had anything but its lock and manifest. */
static bool is_unborn(const char *path)
{
    static const char *const kept[] = {"config.ini", "metrics.jsonl", "checkpoint.h5", "best.h5",
                                       "model.h5"};
    for (size_t i = 0; i < BASE_COUNT(kept); i++)
        if (has(path, kept[i])) return false;
    return true;
}

/* Take the lock file; BASE_AGAIN when somebody else holds it. */
static base_status lock_run(rundir *run, base_err *err)
{
    char *p = base_path(run->path, "lock");
    if (!p) return base_nomem(err, strlen(run->path));
    run->lock = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    free(p);
    if (run->lock < 0) {
        base_fail(err, BASE_FAILED, "cannot write in '%s': %s", run->path, strerror(errno));
        return base_hint(err, "choose another place with -o");
    }
    if (flock(run->lock, LOCK_EX | LOCK_NB) == 0) return BASE_OK;
    base_fail(err, BASE_AGAIN, "another process is training in '%s'", run->path);
    return base_hint(err, "wait for it, or stop it with Ctrl-C: it leaves a checkpoint");
}

static base_status open_run(const char *path, rundir *run, base_err *err)
{
    *run = (rundir){.path = base_strdup(path), .lock = -1};
    if (!run->path) return base_nomem(err, strlen(path));
    base_status s = lock_run(run, err);
    if (s != BASE_OK) rundir_close(run);
    return s;
}

base_status rundir_create(const char *path, rundir *run, base_err *err)
{
    *run = (rundir){.lock = -1};
    if (is_unborn(path)) {
        BASE_TRY(base_mkdirs(path, err));
        BASE_TRY(open_run(path, run, err));
        if (is_unborn(path)) return BASE_OK;
        rundir_close(run); /* another process was faster */
    }
    base_fail(err, BASE_USAGE, "'%s' already holds a run", path);
    if (!rundir_resumes(path)) return base_hint(err, "it has no config.ini: choose another -o");
    return base_hint(err, "go on with it: sotto train --resume %s; or choose another -o", path);
}

base_status rundir_reopen(const char *path, rundir *run, base_err *err)
{
    *run = (rundir){.lock = -1};
    if (rundir_is_run(path)) return open_run(path, run, err);
    base_fail(err, BASE_DATA, "there is no run in '%s'", path);
    return base_hint(err, "`sotto runs ls` shows those there are");
}

void rundir_close(rundir *run)
{
    if (run->lock >= 0) close(run->lock);
    free(run->path);
    *run = (rundir){.lock = -1};
}

void rundir_discard(rundir *run)
{
    static const char *const files[] = {"config.ini", "manifest.json", "metrics.jsonl", "lock"};
    for (size_t i = 0; run->path && i < BASE_COUNT(files); i++) {
        char *p = rundir_file(run, files[i]);
        if (p) unlink(p);
        free(p);
    }
    if (run->path) rmdir(run->path);
    rundir_close(run);
}

char *rundir_file(const rundir *run, const char *name)
{
    return base_path(run->path, name);
}

base_status rundir_write(const rundir *run, const char *name, const char *text, base_err *err)
{
    char *p = rundir_file(run, name);
    if (!p) return base_nomem(err, strlen(name));
    base_status s = base_write_file(p, text, strlen(text), err);
    free(p);
    return s;
}

base_status rundir_append(const rundir *run, const char *line, base_err *err)
{
    char *p = rundir_file(run, "metrics.jsonl");
    if (!p) return base_nomem(err, strlen(line));
    FILE *f = fopen(p, "a");
    bool ok = f && fputs(line, f) >= 0 && fputc('\n', f) != EOF;
    if (f && fclose(f) != 0) ok = false;
    base_status s =
        ok ? BASE_OK : base_fail(err, BASE_FAILED, "cannot write '%s': %s", p, strerror(errno));
    free(p);
    return s;
}

base_status rundir_rewind(const rundir *run, size_t lines, base_err *err)
{
    char *p = rundir_file(run, "metrics.jsonl"), *text = NULL;
    if (!p) return base_nomem(err, 1);
    base_status s = BASE_OK;
    if (base_exists(p)) s = base_read_file(p, MAX_METRICS, &text, NULL, err);
    if (s == BASE_OK && text) {
        char *end = text;
        for (char *nl; lines > 0 && (nl = strchr(end, '\n')); lines--) end = nl + 1;
        s = base_write_file(p, text, (size_t)(end - text), err);
    }
    free(text);
    free(p);
    return s;
}

base_status rundir_check_config(const char *path, const char *text, base_err *err)
{
    char *name = base_path(path, "config.ini"), *is = NULL;
    base_status s =
        name ? base_read_file(name, MAX_CONFIG, &is, NULL, err) : base_nomem(err, strlen(path));
    if (s == BASE_OK && strcmp(is, text) != 0) {
        s = base_fail(err, BASE_USAGE, "'%s' was begun with another config", path);
        base_hint(err, "give the command that began it, or name another folder");
    }
    free(is);
    free(name);
    return s;
}

base_status rundir_clear_end(const rundir *run, base_err *err)
{
    for (size_t i = 0; i < BASE_COUNT(sentinel); i++) {
        char *p = rundir_file(run, sentinel[i]);
        if (!p) return base_nomem(err, 1);
        int bad = unlink(p) != 0 && errno != ENOENT;
        free(p);
        if (bad)
            return base_fail(err, BASE_FAILED, "cannot remove '%s/%s': %s", run->path, sentinel[i],
                             strerror(errno));
    }
    return BASE_OK;
}

base_status rundir_end(const rundir *run, rundir_state state, const char *text, base_err *err)
{
    BASE_TRY(rundir_clear_end(run, err));
    return rundir_write(run, sentinel[state], text, err);
}

bool rundir_is_locked(const char *path)
{
    char *p = base_path(path, "lock");
    int fd = p ? open(p, O_RDONLY | O_CLOEXEC) : -1;
    free(p);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return locked;
}

rundir_state rundir_at_rest(const char *path, char note[128])
{
    note[0] = '\0';
    if (!has(path, "config.ini")) {
        snprintf(note, 128, "no config.ini");
        return RUN_DAMAGED;
    }
    if (has(path, "DONE")) {
        if (has(path, "model.h5")) return RUN_DONE;
        snprintf(note, 128, "DONE without model.h5");
        return RUN_DAMAGED;
    }
    if (has(path, "FAILED")) return RUN_FAILED;
    return RUN_INTERRUPTED;
}

rundir_state rundir_look(const char *path, char note[128])
{
    if (!rundir_is_locked(path)) return rundir_at_rest(path, note);
    note[0] = '\0';
    return RUN_RUNNING;
}
