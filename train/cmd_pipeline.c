/* sotto pipeline: from a folder of words that grows to the model in production, again and again. */
#include "train/cmd_pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 5000, LOCK_STEP_MS = 20, DAY = 86400 };

static const cli_spec spec = {
    .usage = "kws.ini",
    .about =
        "What is new in the folder pipeline.words goes all the way: import, lint, train,\n"
        "evaluate, quantize, estimate, gates ([gates], sotto problem check), export, and on a\n"
        "test set that was frozen the first time the comparison with the model in production\n"
        "of the registry. It is promoted, or refused with exit 4. A stage whose inputs (bytes of\n"
        "files, sections of the config, version of sotto) are as they were is skipped; one that\n"
        "was killed is done again, training goes on from its checkpoint. All is in pipeline.dir:\n"
        "packs, runs, log.txt, registry.\n"
        "\n"
        "pipeline.promote: not_lower (at least as many test clips right as production),\n"
        "not_worse (not significantly fewer, McNemar's mid-p), better (significantly more),\n"
        "always (gates alone). Exit 0: this model is in production; 4: it is not, as it was\n"
        "refused; 75: another pipeline is at work there.",
    .min_args = 1,
    .max_args = 1,
    .output = "the folder to work in, instead of pipeline.dir",
    .takes = CLI_THREADS | CLI_OVERRIDES,
};

/* ---- settings ---- */

static base_status read_config(pipeline *l, base_err *err)
{
    const pipeline_settings *p = &l->setup.pipeline;
    BASE_TRY(config_read(l->cfg, l->c->args[0], err));
    for (int i = 0; i < l->c->noverrides; i++)
        BASE_TRY(config_override(l->cfg, l->c->overrides[i], err));
    BASE_TRY(config_check(l->cfg, err));
    if (!p->words[0]) {
        base_fail(err, BASE_USAGE, "%s: pipeline.words, the folder of recordings, is missing",
                  l->c->args[0]);
        return base_hint(err, "[pipeline] words = DIR in it, or pipeline.words=DIR");
    }
    if (l->setup.gates.n == 0) {
        base_fail(err, BASE_USAGE, "%s has no [gates]: nothing says what may be promoted",
                  l->c->args[0]);
        return base_hint(err, "add lines such as accuracy >= 0.93, or begin with sotto init");
    }
    l->dir = l->c->output ? l->c->output : p->dir;
    l->registry = p->registry[0] ? p->registry : pipeline_at(l, "registry");
    l->exclude = base_arena_printf(l->arena, "%s", l->setup.data.exclude);
    return l->exclude ? BASE_OK : base_nomem(err, 1);
}

/* The config as the stages take it: packs and lists are the pipeline's own. */
static base_status print_config(pipeline *l, base_err *err)
{
    base_str text = {0};
    BASE_TRY(config_override(l->cfg, "data.pack=", err));
    BASE_TRY(config_override(l->cfg, "data.exclude=", err));
    config_print(l->cfg, &text);
    l->printed = text.s;
    return text.failed || !text.s ? base_nomem(err, text.len) : BASE_OK;
}

/* ---- when ---- */

static bool read_time(const char *text, time_t *t)
{
    struct tm tm = {0};
    if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm)) return false;
    *t = timegm(&tm);
    return true;
}

static bool is_end(const char *word)
{
    return word && (strcmp(word, "promoted") == 0 || strcmp(word, "unchanged") == 0 ||
                    strcmp(word, "refused") == 0);
}

/* Whether it is time; why: in words either way. A last one in the future tells that the clock was
 * set, not how long ago it was: then it is time, which costs little where nothing has changed, and
 * dates it anew. */
static bool is_due(pipeline *l, char why[PIPELINE_WHY])
{
    const pipeline_settings *p = &l->setup.pipeline;
    json_t *last = json_load_file(pipeline_at(l, PIPELINE_VERDICT), 0, NULL);
    const bool ended = is_end(json_string_value(json_object_get(last, "verdict")));
    time_t then = 0;
    const char *when = json_string_value(json_object_get(last, "time"));
    const bool timed = read_time(when, &then);
    listing before = {0};
    const bool listed = listing_read(pipeline_at(l, PIPELINE_CLIPS), &before, NULL) == BASE_OK;
    const listing_change change = listing_compare(&before, &l->words);
    const int64_t fresh = (int64_t)(change.added + change.changed);
    const double days = (double)(time(NULL) - then) / DAY;
    const bool known = ended && timed && listed;
    const bool ahead = known && p->every_days > 0 && days < 0;
    const bool late = p->every_days > 0 && days >= p->every_days;
    const bool many = p->new_clips > 0 && fresh >= p->new_clips;
    const bool due = !known || ahead || late || many;
    if (ahead) {
        cli_warn(l->c, "the last run is dated %s, which is yet to come: it is due", when);
        pipeline_log(l, "due: the last run is dated %s, which is yet to come", when);
    }
    if (!known)
        snprintf(why, PIPELINE_WHY, "%s", last ? "the last one did not come to its end" : "new");
    else
        snprintf(why, PIPELINE_WHY, "%lld of %lld new clips, %.2f of %g days", (long long)fresh,
                 (long long)p->new_clips, days > 0 ? days : 0, p->every_days);
    listing_free(&before);
    json_decref(last);
    return due;
}

/* By the clock and by clips, or as [problem] has it in words. */
static void put_next(pipeline *l)
{
    const pipeline_settings *p = &l->setup.pipeline;
    char text[160] = "", day[32];
    const time_t next = time(NULL) + (time_t)(p->every_days * DAY);
    struct tm tm;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&next, &tm));
    if (p->every_days > 0) snprintf(text, sizeof text, "%s", day);
    if (p->new_clips > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%safter %lld new clips",
                 text[0] ? " or " : "", (long long)p->new_clips);
    if (!text[0]) snprintf(text, sizeof text, "%.150s", l->setup.problem.retraining);
    if (text[0]) cli_put_text(l->c, "next_due", text);
}

/* ---- the folder ---- */

/* Stages inherit the lock, so that nobody meets one whose pipeline was killed. */
static base_status take_lock(const char *path, int *lock, base_err *err)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000};
    *lock = open(path, O_RDWR | O_CREAT, 0666);
    if (*lock < 0)
        return base_fail(err, BASE_FAILED, "cannot write '%s': %s", path, strerror(errno));
    for (int waited = 0; flock(*lock, LOCK_EX | LOCK_NB) != 0; waited += LOCK_STEP_MS) {
        if (waited >= LOCK_WAIT_MS) {
            base_fail(err, BASE_AGAIN, "another pipeline is at work: '%s' is held", path);
            return base_hint(err, "try again when it is done");
        }
        nanosleep(&step, NULL);
    }
    return BASE_OK;
}

static base_status open_folder(pipeline *l, int *lock, base_err *err)
{
    const char *log = pipeline_at(l, PIPELINE_LOG);
    BASE_TRY(base_mkdirs(pipeline_at(l, "runs"), err));
    BASE_TRY(take_lock(pipeline_at(l, PIPELINE_LOCK), lock, err));
    l->log = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    return l->log >= 0 ? BASE_OK
                       : base_fail(err, BASE_FAILED, "cannot write '%s': %s", log, strerror(errno));
}

static base_status write_verdict(pipeline *l, const pipeline_verdict *v, base_err *err)
{
    char when[32];
    registry_time(when);
    json_t *o =
        json_pack("{ss ss ss ss ss ss}", "verdict", v->word, "why", v->why, "version", v->version,
                  "production_before", v->before, "time", when, "test_set", l->test_hash);
    char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    const base_status status =
        text ? base_write_file(pipeline_at(l, PIPELINE_VERDICT), text, strlen(text), err)
             : base_nomem(err, 1);
    json_decref(o);
    free(text);
    return status;
}

/* ---- the result ---- */

static void put_stages(pipeline *l)
{
    static const cli_column columns[] = {{"stage", NULL, CLI_TEXT, 0},
                                         {"action", NULL, CLI_TEXT, 0},
                                         {"seconds", NULL, CLI_REAL, 1},
                                         {"why", NULL, CLI_TEXT, 0},
                                         {"result", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(l->c, "stages", columns, BASE_COUNT(columns));
    for (int i = 0; i < l->n_rows; i++) {
        const pipeline_row *row = &l->rows[i];
        cli_cell_text(t, row->stage);
        cli_cell_text(t, row->action);
        cli_cell_real(t, row->seconds);
        cli_cell_text(t, row->why);
        cli_cell_text(t, row->result);
    }
}

static void put_verdict(pipeline *l, const pipeline_verdict *v)
{
    const bool promoted = strcmp(v->word, "promoted") == 0;
    cli_put_text(l->c, "verdict", v->word);
    cli_put_text(l->c, "why", v->why);
    cli_put_text(l->c, "version", v->version);
    cli_put_text(l->c, "production", promoted ? v->version : v->before);
    put_next(l);
}

/* ---- the command ---- */

/* All of it, the folder being open. */
static base_status run_all(pipeline *l, base_err *err)
{
    pipeline_verdict v = {.word = "running"};
    const base_status open = write_verdict(l, &v, err);
    base_status status = open;
    if (status == BASE_OK)
        status =
            base_write_file(pipeline_at(l, PIPELINE_CONFIG), l->printed, strlen(l->printed), err);
    if (status == BASE_OK) status = pipeline_stages(l, err);
    if (status == BASE_OK) status = pipeline_decide(l, &v, err);
    if (status != BASE_OK) {
        v.word = status == BASE_INTERRUPTED ? "interrupted" : "failed";
        snprintf(v.why, sizeof v.why, "%.290s", err->message);
    }
    pipeline_log(l, "verdict: %s%s%s: %s", v.word, v.version[0] ? " " : "", v.version, v.why);
    base_err second = {0};
    if (write_verdict(l, &v, &second) != BASE_OK && status == BASE_OK) {
        *err = second;
        return second.status;
    }
    BASE_TRY(status);
    if (l->log_failed)
        return base_fail(err, BASE_FAILED, "cannot write '%s'", pipeline_at(l, PIPELINE_LOG));
    put_verdict(l, &v);
    put_stages(l);
    if (strcmp(v.word, "refused") != 0) return BASE_OK;
    base_fail(err, BASE_GATE, "refused: %s", v.why);
    return v.version[0] ? base_hint(err, "it is %s, the candidate", v.version) : err->status;
}

static base_status put_not_due(pipeline *l, const char *why)
{
    pipeline_log(l, "verdict: not due: %s", why);
    cli_put_text(l->c, "verdict", "not due");
    cli_put_text(l->c, "why", why);
    return BASE_OK;
}

static base_status run(pipeline *l, bool if_due, base_err *err)
{
    char why[PIPELINE_WHY];
    const pipeline_settings *p = &l->setup.pipeline;
    int lock = -1;
    if (if_due && p->every_days <= 0 && p->new_clips <= 0) {
        base_fail(err, BASE_USAGE, "--if-due: nothing says when");
        return base_hint(err, "pipeline.every_days=90, pipeline.new_clips=500");
    }
    base_status status = l->dry ? BASE_OK : open_folder(l, &lock, err);
    if (status == BASE_OK) {
        pipeline_log(l, "begins: %s", l->c->args[0]);
        cli_progress_begin(l->c, "hashing the recordings", "s", 0);
        status = listing_make(p->words, l->c->threads, cli_interrupt(l->c), &l->words, err);
        cli_progress_end(l->c);
        if (status != BASE_OK) pipeline_log(l, "verdict: failed: %s", err->message);
    }
    if (status == BASE_OK && if_due && !is_due(l, why)) {
        status = put_not_due(l, why);
    } else if (status == BASE_OK && l->dry) {
        status = pipeline_stages(l, err);
        if (status == BASE_OK) put_stages(l);
    } else if (status == BASE_OK) {
        status = run_all(l, err);
    }
    if (l->log >= 0) close(l->log);
    if (lock >= 0) close(lock);
    return status;
}

static base_status open_and_run(pipeline *l, bool if_due, base_err *err)
{
    if (readlink("/proc/self/exe", l->program, sizeof l->program - 1) < 0)
        return base_fail(err, BASE_FAILED, "cannot find this program in /proc");
    snprintf(l->threads, sizeof l->threads, "%d", l->c->threads);
    BASE_TRY(train_config_new(&l->setup, &l->cfg, err));
    BASE_TRY(read_config(l, err));
    BASE_TRY(print_config(l, err));
    return run(l, if_due, err);
}

base_status cmd_pipeline(cli *c, int argc, char **argv, base_err *err)
{
    int dry = 0, if_due = 0, refreeze = 0;
    const struct poptOption options[] = {
        {"dry-run", 'n', POPT_ARG_NONE, &dry, 0,
         "say which stages would run and why; write nothing", NULL},
        {"if-due", 0, POPT_ARG_NONE, &if_due, 0,
         "only after pipeline.every_days or pipeline.new_clips", NULL},
        {"refreeze", 0, POPT_ARG_NONE, &refreeze, 0,
         "the test clips of now become the test set, on which production is measured again", NULL},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    pipeline *l = base_alloc(1, sizeof *l);
    if (!l) return base_nomem(err, sizeof *l);
    l->c = c;
    l->setup = train_setup_default();
    l->dry = dry != 0;
    l->refreeze = refreeze != 0;
    l->log = -1;
    l->arena = base_arena_new();
    const base_status status =
        l->arena ? open_and_run(l, if_due != 0, err) : base_nomem(err, sizeof *l);
    listing_free(&l->words);
    json_decref(l->check);
    json_decref(l->compare);
    free(l->printed);
    config_free(l->cfg);
    base_arena_free(l->arena);
    base_free(l);
    return status;
}
