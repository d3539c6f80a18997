/* sotto sweep run: trains the trials of a sweep in processes of their own. */
#include "data/process.h"
#include "train/cli.h"
#include "train/cmd_worker.h"
#include "train/rundir.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TAKES = 5,
    FAILED = 1,
    AGAIN = 75,
    INTERRUPTED = 130,
    KILLED = 128 + SIGKILL,
    WORDS = SWEEP_PARAMS + 14
};

typedef struct worker {
    cli *c;
    const char *dir;
    char program[PATH_MAX], name[128], threads[16];
} worker;

/* The command line of a trial up to its rung; arena owns its words. */
static void command_of(const worker *w, const sweep *s, const sweep_trial *t, const char *run,
                       base_arena *arena, const char *argv[WORDS])
{
    int n = 0;
    const bool resume = rundir_resumes(run);
    argv[n++] = w->program;
    argv[n++] = "train";
    argv[n++] = "-q";
    argv[n++] = "--format";
    argv[n++] = "json";
    argv[n++] = "--threads";
    argv[n++] = w->threads;
    if (t->rung < s->n_rungs - 1) {
        argv[n++] = "--until";
        argv[n++] = base_arena_printf(arena, "%lld", (long long)s->rungs[t->rung]);
    }
    argv[n++] = resume ? "--resume" : "-o";
    argv[n++] = run;
    if (!resume) {
        argv[n++] = base_arena_printf(arena, "%s/config.ini", w->dir);
        const char *key;
        json_t *v;
        json_object_foreach(json_object_get(t->asked, "values"), key, v) argv[n++] =
            base_arena_printf(arena, "%s=%s", key, json_string_value(v));
    }
    argv[n] = NULL;
}

/* One line about a trial that was told of. */
static void say_results(cli *c, const sweep *s, int64_t id)
{
    char name[64];
    int sign;
    base_str text = {0};
    const sweep_trial *t = &s->trials[id - 1];
    if (s->n_rungs > 1) base_str_add(&text, "  epoch %lld", (long long)sweep_epochs(s, t));
    for (int k = 0; sweep_objective(&s->space, k, name, &sign); k++)
        base_str_add(&text, "  %s %.4g", name, sweep_result(t, name));
    cli_say(c, "trial %lld: %s%s", (long long)id, sweep_state_name(t->state), text.s ? text.s : "");
    base_str_free(&text);
}

/* The first line of what a training said, without the program's name. */
static const char *first_line(base_str *errors)
{
    static const char name[] = "sotto: ";
    if (!errors->s) return "";
    errors->s[strcspn(errors->s, "\n")] = '\0';
    return errors->s + (strncmp(errors->s, name, sizeof name - 1) == 0 ? sizeof name - 1 : 0);
}

/* What came out goes into the journal. A training that was killed, or that this machine failed
 * (disk, memory, permission), says nothing of its trial: that stays to be taken over, TAKES times
 * at most, and in the second case the worker ends, as it would fail the next ones, too. */
static base_status record(const worker *w, int64_t id, int code, base_str *out, base_str *errors,
                          base_err *err)
{
    const char *said = first_line(errors);
    json_t *results = code == 0 && out->s ? json_loads(out->s, 0, NULL) : NULL;
    sweep s;
    base_status status = sweep_open(w->dir, &s, err);
    if (status != BASE_OK) {
        json_decref(results);
        return status;
    }
    const bool again = s.trials[id - 1].takes < TAKES;
    if (results) {
        status = sweep_tell(&s, id, results, err);
    } else if (code == FAILED && again) {
        status = base_fail(err, BASE_FAILED, "trial %lld: %.300s", (long long)id, said);
        base_hint(err, "it is taken up when the sweep is run again: sotto sweep run %.150s",
                  w->dir);
    } else if (code != KILLED || !again) {
        char reason[340];
        snprintf(reason, sizeof reason, "exit code %d: %.300s", code, said);
        status = sweep_fail(&s, id, reason, err);
    }
    if (status == BASE_OK) say_results(w->c, &s, id);
    sweep_close(&s);
    return status;
}

/* Train a trial that is held, and record it. */
static base_status train_trial(const worker *w, int64_t id, const char *const *argv, base_err *err)
{
    base_str out = {0}, errors = {0};
    int code;
    const data_process p = {
        .argv = argv, .out = &out, .errors = &errors, .stop = cli_interrupt(w->c)};
    base_status status = data_process_run(&p, &code, err);
    if (status == BASE_OK && code == INTERRUPTED)
        status = base_fail(err, BASE_INTERRUPTED, "trial %lld was stopped", (long long)id);
    else if (status == BASE_OK && code == AGAIN)
        status = base_fail(err, BASE_AGAIN, "trial %lld is still being trained", (long long)id);
    else if (status == BASE_OK)
        status = record(w, id, code, &out, &errors, err);
    base_str_free(&out);
    base_str_free(&errors);
    return status;
}

/* One trial, or waiting for another worker's; *more: whether there was one. */
static base_status work(const worker *w, bool *more, base_err *err)
{
    sweep s;
    int lock;
    int64_t id;
    BASE_TRY(sweep_open(w->dir, &s, err));
    s.judge = cmd_worker_judge;
    base_status status = sweep_ask(&s, w->name, &lock, &id, err);
    base_arena *arena = base_arena_new();
    const char *argv[WORDS];
    const int64_t busy = s.busy > 0 && s.trials[s.busy - 1].locked ? s.busy : 0;
    *more = status == BASE_OK && (id > 0 || busy > 0);
    if (!arena) status = base_nomem(err, 1);
    if (id > 0 && status == BASE_OK)
        command_of(w, &s, &s.trials[id - 1],
                   base_arena_printf(arena, "%s/trials/%lld", w->dir, (long long)id), arena, argv);
    sweep_close(&s);
    if (*more && status == BASE_OK)
        status = id > 0 ? train_trial(w, id, argv, err) : sweep_wait(w->dir, busy, err);
    if (id > 0 && lock >= 0) close(lock);
    base_arena_free(arena);
    return status;
}

static int worker_main(worker *w)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(w->name, sizeof w->name, "%s:%ld", host, (long)getpid());
    base_err err = {0};
    base_status status = BASE_OK;
    for (bool more = true; more && status == BASE_OK;) {
        if (*cli_interrupt(w->c)) return INTERRUPTED;
        status = work(w, &more, &err);
    }
    if (status != BASE_OK && status != BASE_INTERRUPTED) cli_report(&err);
    return cli_exit_code(status);
}

/* j workers to the end. */
static base_status run_workers(cli *c, worker *w, int j, base_err *err)
{
    int failed = 0, stopped = 0, status;
    cli_interrupt(c);
    for (int i = 0; i < j; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(worker_main(w));
        failed += pid < 0;
    }
    for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;) {
        if (pid <= 0) continue;
        bool stop = WIFEXITED(status) && WEXITSTATUS(status) == INTERRUPTED;
        stopped += stop;
        failed += !stop && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    if (failed) {
        base_fail(err, BASE_FAILED, "%d of %d workers ended early", failed, j);
        return base_hint(err, "run it again: their trials are taken up");
    }
    if (stopped == 0) return BASE_OK;
    base_fail(err, BASE_INTERRUPTED, "stopped");
    return base_hint(err, "go on with: sotto sweep run %.150s", w->dir);
}

base_status cmd_sweep_run(cli *c, int argc, char **argv, base_err *err)
{
    int jobs = 1;
    const struct poptOption options[] = {
        {"jobs", 'j', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &jobs, 0, "trainings at once", "N"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "SWEEP",
        .about = "Trains SWEEP/trials/1, 2, ... until the sweep has had all its trials; begins\n"
                 "with those whose worker died, and waits for those of others. Several of these "
                 "may run at once, also on other\n"
                 "machines that see the folder. What `sotto train` reports are the results, with\n"
                 "flash_kb, ram_kb, latency_ms, energy_uj, duty_percent and current_ma of\n"
                 "target.board, which are known before: trials over a limit of [gates] are\n"
                 "rejected untrained. With stopping = asha only the best train on. A worker ends\n"
                 "when a training cannot go on here (exit code 1: disk, memory, permission);\n"
                 "its trial is taken up the next time, and failed after five.",
        .min_args = 1,
        .max_args = 1,
        .takes = CLI_THREADS};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--jobs", jobs, 1, 256, err));
    worker w = {.c = c, .dir = c->args[0]};
    if (readlink("/proc/self/exe", w.program, sizeof w.program - 1) < 0)
        return base_fail(err, BASE_FAILED, "cannot find this program in /proc");
    snprintf(w.threads, sizeof w.threads, "%d", c->threads > jobs ? c->threads / jobs : 1);
    sweep s;
    BASE_TRY(sweep_open(w.dir, &s, err));
    if (s.damaged) cli_warn(c, "%s/journal.jsonl:%d: damaged, skipped", s.dir, s.damaged);
    sweep_close(&s);
    return run_workers(c, &w, jobs, err);
}
