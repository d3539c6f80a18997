/* sotto train: a run from a config file. */
#include "data/interval.h"
#include "quantize/evaluate.h"
#include "train/cli.h"
#include "train/runinfo.h"
#include "train/train.h"
#include "train/zoo.h"

#include <stdlib.h>
#include <string.h>

/* What the hooks know: clips done by an earlier process are not part of this one's rate. */
typedef struct talk {
    cli *c;
    quant_training training; /* train.qat: what int8 shows of */
    train_int8 int8;
    bool begun;
    int64_t first;
} talk;

static void on_note(void *ctx, const char *text)
{
    cli_say(((talk *)ctx)->c, "%s", text);
}

static void on_step(void *ctx, const train_progress *p)
{
    talk *t = ctx;
    if (!t->begun) {
        t->begun = true;
        t->first = p->done;
        cli_progress_begin(t->c, "training", "clips", p->total - t->first);
    }
    cli_progress_note(t->c, "epoch %lld/%lld  loss %.4f  accuracy %.2f %%", (long long)p->epoch,
                      (long long)p->epochs, p->loss, 100 * p->accuracy);
    cli_progress_at(t->c, p->done - t->first);
}

static void on_epoch(void *ctx, const train_epoch *e)
{
    cli *c = ((talk *)ctx)->c;
    if (cli_is_live(c)) return;
    char val[64] = "";
    if (e->validated)
        snprintf(val, sizeof val, "  validation %.2f %%%s", 100 * e->val_accuracy,
                 e->best ? " *" : "");
    cli_say(c, "epoch %lld/%lld  loss %.4f  accuracy %.2f %%%s  lr %.3g  %.0f clips/s  %.0f s left",
            (long long)e->epoch, (long long)e->epochs, e->loss, 100 * e->accuracy, val, e->lr,
            e->clips_per_s, e->seconds * (double)(e->epochs - e->epoch));
}

/* A file comes before an architecture of its name; what can be neither is a misspelt one. */
static bool names_architecture(const char *name)
{
    const zoo_model *model;
    if (base_exists(name) && !base_is_dir(name)) return false;
    return zoo_find(name, &model, NULL) == BASE_OK ||
           (!strpbrk(name, "./") && !config_recipe(name));
}

/* Settings from the config file or the architecture's name, or of the run that is resumed, and the
 * overrides. */
static base_status read_config(cli *c, config *cfg, train_setup *s, bool resume, base_err *err)
{
    if (resume) {
        char *path = base_path(c->args[0], "config.ini");
        if (!path) return base_nomem(err, 1);
        base_status status = BASE_OK;
        if (!rundir_is_run(c->args[0])) {
            status = base_fail(err, BASE_DATA, "there is no run in '%s'", c->args[0]);
            base_hint(err, "`sotto runs ls` shows those there are");
        } else if (!rundir_resumes(c->args[0])) {
            status = base_fail(err, BASE_DATA, "the run '%s' has no config.ini", c->args[0]);
            base_hint(err,
                      "it cannot go on: begin again with -o; what is left of it: sotto runs "
                      "show %s",
                      c->args[0]);
        } else if (c->noverrides > 0) {
            status =
                base_fail(err, BASE_USAGE, "'%s' cannot be changed when resuming", c->overrides[0]);
            base_hint(err, "start a new run with -o");
        }
        if (status == BASE_OK) status = config_read(cfg, path, err);
        free(path);
        return status;
    }
    if (c->nargs > 0 && names_architecture(c->args[0])) {
        BASE_TRY(train_config_named(cfg, s, c->args[0], c->overrides, c->noverrides, err));
    } else {
        if (c->nargs > 0) BASE_TRY(config_read(cfg, c->args[0], err));
        for (int i = 0; i < c->noverrides; i++)
            BASE_TRY(config_override(cfg, c->overrides[i], err));
    }
    if (c->seed_given) {
        char seed[64];
        snprintf(seed, sizeof seed, "train.seed=%llu", (unsigned long long)c->seed);
        BASE_TRY(config_override(cfg, seed, err));
    }
    return BASE_OK;
}

static void put_result(cli *c, const char *dir, const train_result *r)
{
    cli_put_text(c, "run", dir);
    cli_put_int(c, "epochs", r->epochs);
    cli_put_int(c, "parameters", r->parameters);
    cli_put_int(c, "macs", r->macs);
    cli_put_percent(c, "val_accuracy", r->val_accuracy, 2);
    cli_put_int(c, "best_epoch", r->best_epoch);
    cli_put_real(c, "seconds", r->seconds, 1);
    cli_put_real(c, "clips_per_s", r->clips_per_s, 0);
}

static base_status set_int8(void *ctx, const nn_real *weights, const nn_quant *quant, base_err *err)
{
    return q8_twin_set(((quant_training *)ctx)->twin, weights, quant, err);
}

static base_status move_ranges(void *ctx, const nn_real *weights, double share, nn_quant *quant,
                               base_err *err)
{
    const quant_training *t = ctx;
    return q8_move_ranges(t->start->graph, weights, t->inputs, t->n, t->options, share, quant, err);
}

static q8_options options_of(const train_setup *s)
{
    const quantize_settings *q = &s->quantize;
    return (q8_options){.range = (q8_range)q->range,
                        .percentile = q->percentile,
                        .equalize = q->equalize,
                        .rounding = (q8_rounding)q->rounding,
                        .weight_bits = q->weights[0] ? q->weights : NULL};
}

static base_status check_int8(void *ctx, const train_setup *s, const nn_graph *g, base_err *err)
{
    (void)ctx;
    return quant_training_check(g, options_of(s), err);
}

static base_status simulate(void *ctx, const train_setup *s, const train_int8 **int8, base_err *err)
{
    talk *t = ctx;
    quant_training_close(&t->training);
    BASE_TRY(quant_training_open(&t->training, s->train.init, s->data.pack, options_of(s),
                                 (size_t)s->quantize.clips, t->c->threads, err));
    t->int8 = (train_int8){.ctx = &t->training,
                           .start = t->training.start,
                           .twin = q8_twin_net(t->training.twin),
                           .set = set_int8,
                           .move = move_ranges};
    *int8 = &t->int8;
    return BASE_OK;
}

/* What the command line asks for besides the config; seeds: 0 for one run. */
typedef struct request {
    int resume, print, until, seeds;
    const char *command;
} request;

/* cfg is what s was read from; resume: go on with what is in dir. */
static base_status train(cli *c, const train_setup *s, const config *cfg, const request *q,
                         const char *dir, bool resume, train_result *r, base_err *err)
{
    base_str text = {0};
    config_print(cfg, &text);
    if (text.failed) return base_nomem(err, text.len);
    train_output out = {.dir = dir,
                        .config_text = text.s,
                        .command = q->command,
                        .until = q->until,
                        .resume = resume};
    talk t = {.c = c};
    train_hooks hooks = {.ctx = &t,
                         .step = on_step,
                         .epoch = on_epoch,
                         .note = on_note,
                         .stop = cli_interrupt(c),
                         .check = check_int8,
                         .simulate = simulate,
                         .threads = c->threads};
    base_status status = train_run(s, &out, &hooks, r, err);
    cli_progress_end(c);
    quant_training_close(&t.training);
    if (status == BASE_OK && r->epochs < train_setup_epochs(s))
        cli_say(c, "left after epoch %lld of %lld; go on with: sotto train --resume %s",
                (long long)r->epochs, (long long)train_setup_epochs(s), dir);
    base_str_free(&text);
    return status;
}

/* ---- several seeds ---- */

/* The run of one seed: as it is when it is done, else begun or gone on with. */
static base_status train_seed(cli *c, const train_setup *s, const config *cfg, const request *q,
                              const char *dir, double *accuracy, base_err *err)
{
    char note[128];
    train_result r;
    base_str text = {0};
    config_print(cfg, &text);
    const bool there = rundir_resumes(dir);
    base_status same = text.failed ? base_nomem(err, text.len) : BASE_OK;
    if (same == BASE_OK && there) same = rundir_check_config(dir, text.s, err);
    base_str_free(&text);
    BASE_TRY(same);
    if (!there || rundir_look(dir, note) != RUN_DONE) {
        cli_say(c, "seed %lld: %s", (long long)s->train.seed, dir);
        const base_status status = train(c, s, cfg, q, dir, there, &r, err);
        if (status == BASE_INTERRUPTED) base_hint(err, "give the same command to go on");
        BASE_TRY(status);
    }
    runinfo info;
    const base_status status = runinfo_open(dir, &info, err);
    *accuracy = runinfo_number(info.result, "val_accuracy");
    runinfo_close(&info);
    return status;
}

static base_status train_seeds(cli *c, train_setup *s, config *cfg, const request *q, base_err *err)
{
    const int n = q->seeds;
    static const cli_column columns[] = {{"seed", NULL, CLI_INT, 0},
                                         {"run", NULL, CLI_TEXT, 0},
                                         {"val_accuracy", "validation", CLI_PERCENT, 2}};
    const int64_t first = s->train.seed;
    double *accuracy = base_alloc((size_t)n, sizeof *accuracy);
    base_status status = accuracy ? BASE_OK : base_nomem(err, (size_t)n);
    cli_table *t = cli_table_new(c, "seeds", columns, BASE_COUNT(columns));
    for (int i = 0; status == BASE_OK && i < n; i++) {
        char seed[64];
        base_str dir = {0};
        snprintf(seed, sizeof seed, "train.seed=%lld", (long long)(first + i));
        base_str_add(&dir, "%s/seed%lld", c->output, (long long)(first + i));
        status = dir.failed ? base_nomem(err, dir.len) : config_override(cfg, seed, err);
        if (status == BASE_OK) status = train_seed(c, s, cfg, q, dir.s, &accuracy[i], err);
        cli_cell_int(t, first + i);
        cli_cell_text(t, dir.s);
        cli_cell_real(t, status == BASE_OK ? accuracy[i] : 0);
        base_str_free(&dir);
    }
    if (status == BASE_OK) {
        const data_spread all = data_mean_interval(accuracy, (size_t)n);
        cli_put_text(c, "runs", c->output);
        cli_put_percent(c, "val_accuracy", all.mean, 2);
        cli_put_percent(c, "val_accuracy_sd", all.sd, 2);
        cli_put_percent(c, "val_accuracy_lo", all.lo, 2);
        cli_put_percent(c, "val_accuracy_hi", all.hi, 2);
    }
    base_free(accuracy);
    return status;
}

static base_status print_config(const config *cfg, base_err *err)
{
    base_str text = {0};
    config_print(cfg, &text);
    const base_status status = text.failed || fwrite(text.s, 1, text.len, stdout) != text.len
                                   ? base_fail(err, BASE_FAILED, "cannot write to stdout")
                                   : BASE_OK;
    base_str_free(&text);
    return status;
}

static base_status run(cli *c, const request *q, base_err *err)
{
    train_setup s = train_setup_default();
    train_result r;
    config *cfg;
    BASE_TRY(train_config_new(&s, &cfg, err));
    base_status status = read_config(c, cfg, &s, q->resume != 0, err);
    if (status == BASE_OK) status = config_check(cfg, err);
    if (status == BASE_OK && q->print) {
        status = print_config(cfg, err);
    } else if (status == BASE_OK) {
        const char *dir = q->resume ? c->args[0] : c->output;
        train_config_absolute(cfg, &s);
        if (q->seeds > 0)
            status = train_seeds(c, &s, cfg, q, err);
        else if ((status = train(c, &s, cfg, q, dir, q->resume != 0, &r, err)) == BASE_OK)
            put_result(c, dir, &r);
    }
    config_free(cfg);
    return status;
}

base_status cmd_train(cli *c, int argc, char **argv, base_err *err)
{
    request q = {0};
    const struct poptOption options[] = {
        {"resume", '\0', POPT_ARG_NONE, &q.resume, 0, "go on with the run in the folder given",
         NULL},
        {"print-config", '\0', POPT_ARG_NONE, &q.print, 0,
         "show the resolved config, train nothing", NULL},
        {"until", '\0', POPT_ARG_INT, &q.until, 0,
         "stop after it, to be resumed; the schedule is that of all epochs (0: the last)", "EPOCH"},
        {"seeds", '\0', POPT_ARG_INT, &q.seeds, 0,
         "train so many, from train.seed on, in folders of -o; their mean and spread", "N"},
        POPT_TABLEEND};
    const cli_spec spec = {.usage = "[CONFIG.ini|NAME|RUN]",
                           .about =
                               "Trains the model that the config describes, or an architecture "
                               "of `sotto model list` by its recipe.\nCtrl-C leaves a "
                               "checkpoint; `sotto train --resume RUN` goes on to the same "
                               "weights.",
                           .max_args = 1,
                           .output = "the run directory to make",
                           .takes = CLI_SEED | CLI_THREADS | CLI_OVERRIDES};
    base_str command = {0};
    base_str_add(&command, "sotto train");
    for (int i = 1; i < argc; i++) base_str_add(&command, " %s", argv[i]);
    base_status status = BASE_OK;
    if (!cli_parse(c, argc, argv, &spec, options, err))
        status = err->status;
    else if (cli_check_range("--until", q.until, 0, 1000000, err) != BASE_OK)
        status = err->status;
    else if (q.seeds != 0 && cli_check_range("--seeds", q.seeds, 2, 1000, err) != BASE_OK)
        status = err->status;
    else if (q.resume && q.seeds > 0) {
        status = base_fail(err, BASE_USAGE, "--seeds does not go with --resume");
        base_hint(err, "give the command that began them again: done runs stay, others go on");
    } else if (q.seeds > 0 && q.until > 0)
        status = base_fail(err, BASE_USAGE,
                           "--seeds does not go with --until: "
                           "the spread is that of whole trainings");
    else if (q.resume && c->nargs == 0)
        status = base_fail(err, BASE_USAGE, "--resume needs the folder of a run");
    else if (!q.resume && !q.print && !c->output) {
        status = base_fail(err, BASE_USAGE, "-o is missing: the run directory to make");
        base_hint(err, "for example -o runs/first");
    } else {
        q.command = command.s;
        status = run(c, &q, err);
    }
    base_str_free(&command);
    return status;
}
