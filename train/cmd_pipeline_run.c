/* sotto pipeline: its log, the commands that it runs, and stages that are one of them. */
#include "data/process.h"
#include "train/cmd_pipeline.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

const char *pipeline_at(pipeline *l, const char *name)
{
    const char *path = base_arena_printf(l->arena, "%s/%s", l->dir, name);
    return path ? path : "";
}

/* ---- the log ---- */

/* "2026-11-28T22:10:01Z 4711 text", with one write, so that lines of processes do not mix. */
static void write_line(pipeline *l, const char *who, const char *text, size_t n)
{
    char when[32], line[LINE_BYTES];
    registry_time(when);
    const int most = (int)(n < LINE_BYTES - 128 ? n : LINE_BYTES - 128);
    const int len = snprintf(line, sizeof line, "%s %ld %s%s%.*s\n", when, (long)getpid(), who,
                             who[0] ? "| " : "", most, text);
    if (l->log >= 0 && write(l->log, line, (size_t)len) != len) l->log_failed = true;
}

void pipeline_log(pipeline *l, const char *fmt, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    write_line(l, "", text, strcspn(text, "\n"));
}

/* What a command said and how far it is in the log. */
typedef struct talk {
    pipeline *l;
    const char *stage;
    base_str errors;
    size_t logged;
    double start;
} talk;

/* The lines that are whole, or at the end all. */
static void log_lines(talk *t, bool end)
{
    while (t->errors.s && t->logged < t->errors.len) {
        const char *from = t->errors.s + t->logged;
        const char *newline = strchr(from, '\n');
        const size_t n = newline ? (size_t)(newline - from) : strlen(from);
        if ((!newline && !end) || n + t->logged > t->errors.len) return;
        if (n > 0) write_line(t->l, t->stage, from, n);
        if (n > 0) cli_progress_note(t->l->c, "%.*s", (int)(n < 60 ? n : 60), from);
        t->logged += n + 1;
    }
}

static void tick(void *ctx)
{
    talk *t = ctx;
    log_lines(t, false);
    cli_progress_at(t->l->c, (int64_t)(base_seconds() - t->start));
}

/* ---- commands ---- */

static base_status status_of(int code)
{
    switch (code) {
    case 0: return BASE_OK;
    case 2: return BASE_USAGE;
    case 3: return BASE_DATA;
    case 4: return BASE_GATE;
    case 6: return BASE_MISMATCH;
    case 75: return BASE_AGAIN;
    case 130: return BASE_INTERRUPTED;
    default: return BASE_FAILED;
    }
}

/* The rest of the last line that begins so; "" when there is none. n becomes its length. */
static const char *line_after(const char *text, const char *prefix, int *n)
{
    const char *found = NULL;
    for (const char *at = text; at && *at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, prefix, strlen(prefix)) == 0) found = at + strlen(prefix);
    }
    *n = found ? (int)strcspn(found, "\n") : 0;
    return found ? found : "";
}

/* The command's own words, and its own kind of failure. */
static base_status refuse(const talk *t, int code, base_err *err)
{
    int n, h;
    const char *said = line_after(t->errors.s, "sotto: ", &n);
    const char *hint = line_after(t->errors.s, "hint: ", &h);
    if (n > 0)
        base_fail(err, status_of(code), "%s: %.*s", t->stage, n, said);
    else if (code > 128 && code != 130)
        base_fail(err, BASE_FAILED, "%s was ended by signal %d", t->stage, code - 128);
    else
        base_fail(err, status_of(code), "%s ended with exit code %d", t->stage, code);
    return h > 0 ? base_hint(err, "%.*s", h, hint) : status_of(code);
}

static void log_command(pipeline *l, const char *const *argv)
{
    base_str text = {0};
    for (int i = 1; argv[i]; i++) {
        const char *quote = strpbrk(argv[i], " ;*") ? "'" : "";
        base_str_add(&text, " %s%s%s", quote, argv[i], quote);
    }
    pipeline_log(l, "$ sotto%s", text.s ? text.s : "");
    base_str_free(&text);
}

base_status pipeline_command(pipeline *l, const char *name, const char *const *argv, bool *met,
                             json_t **out, base_err *err)
{
    talk t = {.l = l, .stage = name, .start = base_seconds()};
    base_str printed = {0};
    int code = 0;
    const data_process p = {.argv = argv,
                            .out = &printed,
                            .errors = &t.errors,
                            .tied = true,
                            .stop = cli_interrupt(l->c),
                            .tick = tick,
                            .ctx = &t};
    *out = NULL;
    log_command(l, argv);
    cli_progress_begin(l->c, name, "s", 0);
    base_status status = data_process_run(&p, &code, err);
    log_lines(&t, true);
    cli_progress_end(l->c);
    if (met) *met = code == 0;
    if (status == BASE_OK && code != 0 && !(met && code == 4)) status = refuse(&t, code, err);
    if (status == BASE_OK && printed.s) *out = json_loads(printed.s, 0, NULL);
    base_str_free(&printed);
    base_str_free(&t.errors);
    return status;
}

/* ---- stages ---- */

pipeline_row *pipeline_row_new(pipeline *l, const char *name)
{
    pipeline_row *row = &l->rows[l->n_rows++];
    *row = (pipeline_row){.stage = name, .action = "ran"};
    return row;
}

static base_status save_json(pipeline *l, const char *name, const json_t *o, base_err *err)
{
    char *text = json_dumps(o, JSON_INDENT(1));
    const base_status status =
        text ? base_write_file(pipeline_at(l, name), text, strlen(text), err) : base_nomem(err, 1);
    free(text);
    return status;
}

static base_status run_step(pipeline *l, const pipeline_step *step, json_t **result, base_err *err)
{
    bool met;
    BASE_TRY(
        pipeline_command(l, step->stage.name, step->argv, step->gate ? &met : NULL, result, err));
    if (!json_is_object(*result))
        return base_fail(err, BASE_FAILED, "%s printed no result", step->stage.name);
    if (step->save) BASE_TRY(save_json(l, step->save, *result, err));
    if (step->after) BASE_TRY(step->after(l, *result, err));
    return stage_stamp(l->dir, &step->stage, *result, err);
}

base_status pipeline_do(pipeline *l, const pipeline_step *step, json_t **result, pipeline_row **row,
                        base_err *err)
{
    const double start = base_seconds();
    pipeline_row *r = pipeline_row_new(l, step->stage.name);
    stage_look look = stage_check(l->dir, &step->stage);
    base_status status = BASE_OK;
    *result = NULL;
    if (row) *row = r;
    snprintf(r->why, sizeof r->why, "%s",
             look.done && l->stale ? "as what comes before turns out"
             : look.done           ? "unchanged"
             : step->why           ? step->why
                                   : look.why);
    if (look.done) {
        r->action = l->stale ? "may run" : "skipped";
        *result = json_incref(json_object_get(look.stamp, "result"));
    } else if (l->dry) {
        r->action = "would run";
        l->stale = true;
    } else {
        cli_verbose(l->c, "%s: %s", r->stage, r->why);
        pipeline_log(l, "%s: runs: %s", r->stage, r->why);
        status = run_step(l, step, result, err);
    }
    r->seconds = base_seconds() - start;
    if (look.done)
        pipeline_log(l, "%s: skipped: unchanged", r->stage);
    else if (status == BASE_OK)
        pipeline_log(l, "%s: done in %.1f s", r->stage, r->seconds);
    stage_look_free(&look);
    json_decref(step->stage.inputs);
    return status;
}
