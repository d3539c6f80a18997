/* sotto init: what a keyword product needs, as a config that trains and is checked against. */
#include "data/data.h"
#include "quantize/target.h"
#include "train/cli.h"
#include "train/setup.h"
#include "train/zoo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES = 1024 };

/* What is asked, in this order; the answer to `set` becomes an override "set" + answer. */
typedef struct question {
    const char *option, *takes, *set, *ask,
        *usual; /* usual: where nothing is said; NULL: nothing */
} question;

static const question questions[] = {
    {"task", "TEXT", "problem.task=", "What is to be heard, said by whom, where", NULL},
    {"keywords", "WORDS", "data.keywords=", "Keywords, separated by commas",
     "yes,no,up,down,left,right,go,stop"},
    {"business", "TEXT", "problem.business=", "What it is for, as its owner counts it", NULL},
    {"proxy", "TEXT", "problem.proxy=", "What is measured here in its stead",
     "accuracy on clips of speakers never trained on, false alarms an hour"},
    {"before", "METRICS",
     "problem.before_deployment=", "Metrics that can be measured before it ships",
     "accuracy, macro_f1, fa_per_hour, frr, flash_kb, ram_kb, latency_ms"},
    {"after", "METRICS", "problem.after_deployment=", "Metrics that only the field gives", NULL},
    {"retraining", "TEXT", "problem.retraining=", "When a new model is trained", NULL},
    {"board", "NAME", "target.board=", "Board it runs on (sotto estimate --list)", "nucleo-l4r5zi"},
    {"inferences-per-second", "N",
     "target.inferences_per_second=", "Inferences a second while it listens", "10"},
    {"accuracy", "X", "gates.accuracy>=", "Least accuracy", "0.93"},
    {"flash-kb", "N", "gates.flash_kb<=", "Most flash, KiB", "64"},
    {"ram-kb", "N", "gates.ram_kb<=", "Most RAM, KiB", "16"},
    {"latency-ms", "MS", "gates.latency_ms<=", "Longest inference, ms", "50"},
    {"fa-per-hour", "N", "gates.fa_per_hour<=", "Most false alarms an hour", "0.5"},
    {"current-ma", "N", "gates.current_ma<=", "Current budget of computing, mA", NULL},
    {"pack", "FILE", "data.pack=", "Pack that it is trained on (sotto data import)", NULL},
};
enum { QUESTIONS = BASE_COUNT(questions) };

typedef struct init {
    cli *c;
    const char *model, *path, *answers[QUESTIONS];
    train_setup setup;
    config *cfg;
} init;

/* ---- answers ---- */

static bool is_none(const char *answer)
{
    return answer[0] == '\0' || strcmp(answer, "none") == 0;
}

/* What the section itself cannot check: it knows neither boards nor clips. */
static base_status check_answer(const question *q, const char *answer, base_err *err)
{
    quant_target target;
    char **words;
    size_t n;
    if (strcmp(q->option, "board") == 0) return quant_target_load(answer, &target, err);
    if (strcmp(q->option, "keywords") != 0) return BASE_OK;
    BASE_TRY(data_words_parse(answer, &words, &n, err));
    free(words);
    return BASE_OK;
}

/* "none" and nothing leave a gate out and a text empty. */
static base_status take(init *in, const question *q, const char *answer, base_err *err)
{
    char assignment[ANSWER_BYTES + 64];
    const bool none = is_none(answer), is_gate = strncmp(q->set, "gates.", 6) == 0;
    if (none && is_gate) return BASE_OK;
    if (strlen(answer) >= ANSWER_BYTES)
        return base_fail(err, BASE_USAGE, "--%s: more than %d bytes", q->option, ANSWER_BYTES - 1);
    snprintf(assignment, sizeof assignment, "%s%s", q->set, none ? "" : answer);
    base_err inner = {0};
    base_status status = none ? BASE_OK : check_answer(q, answer, &inner);
    if (status == BASE_OK) status = config_override(in->cfg, assignment, &inner);
    if (status == BASE_OK) return BASE_OK;
    base_fail(err, inner.status, "--%s: %.400s", q->option, inner.message);
    return inner.hint[0] ? base_hint(err, "%s", inner.hint) : err->status;
}

/* On a terminal, until the answer is one. */
static base_status ask(init *in, const question *q, base_err *err)
{
    char line[ANSWER_BYTES];
    for (;;) {
        fprintf(stderr, "%s [%s]: ", q->ask, q->usual ? q->usual : "none");
        if (!fgets(line, sizeof line, stdin)) {
            fputc('\n', stderr);
            base_fail(err, BASE_USAGE, "no answer to '%s': nothing was written", q->ask);
            return base_hint(err, "--%s answers it on the command line", q->option);
        }
        line[strcspn(line, "\r\n")] = '\0';
        base_err why = {0};
        const char *answer = line[0] == '\0' && q->usual ? q->usual : line;
        if (take(in, q, answer, &why) == BASE_OK) return BASE_OK;
        cli_report(&why);
    }
}

static base_status take_answers(init *in, base_err *err)
{
    const bool asks = isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && in->c->verbosity >= 0;
    for (int i = 0; i < QUESTIONS; i++) {
        const question *q = &questions[i];
        if (in->answers[i])
            BASE_TRY(take(in, q, in->answers[i], err));
        else if (asks)
            BASE_TRY(ask(in, q, err));
        else
            BASE_TRY(take(in, q, q->usual ? q->usual : "", err));
    }
    for (int i = 0; i < in->c->noverrides; i++)
        BASE_TRY(config_override(in->cfg, in->c->overrides[i], err));
    return config_check(in->cfg, err);
}

/* ---- the file ---- */

static base_status write_config(init *in, base_err *err)
{
    train_setup usual = train_setup_default();
    config *defaults;
    base_str text = {0};
    BASE_TRY(train_config_new(&usual, &defaults, err));
    base_str_add(&text,
                 "# A keyword product: what it is for, what must hold, how its model is trained.\n"
                 "#   sotto train %s -o runs/a\n"
                 "#   sotto problem check runs/a %s --pack PACK\n"
                 "# `sotto train %s --print-config` shows all keys with their values.\n",
                 in->path, in->path, in->path);
    config_print_chosen(in->cfg, defaults, &text);
    config_free(defaults);
    base_status status =
        text.failed ? base_nomem(err, text.len) : base_write_file(in->path, text.s, text.len, err);
    base_str_free(&text);
    return status;
}

static void put_result(init *in)
{
    cli *c = in->c;
    const train_setup *s = &in->setup;
    cli_put_text(c, "config", in->path);
    cli_put_text(c, "keywords", s->data.keywords);
    cli_put_text(c, "model", in->model);
    cli_put_text(c, "board", s->target.board);
    cli_put_int(c, "gates", s->gates.n);
    if (!s->problem.task[0] || !s->problem.business[0] || !s->problem.retraining[0])
        cli_say(c, "left empty in [problem]:%s%s%s", s->problem.task[0] ? "" : " task",
                s->problem.business[0] ? "" : " business",
                s->problem.retraining[0] ? "" : " retraining");
}

static base_status make(init *in, base_err *err)
{
    const zoo_model *model;
    in->setup = train_setup_default();
    BASE_TRY(zoo_find(in->model, &model, err));
    BASE_TRY(train_config_new(&in->setup, &in->cfg, err));
    base_status status = train_config_named(in->cfg, &in->setup, in->model, NULL, 0, err);
    if (status == BASE_OK) status = take_answers(in, err);
    if (status == BASE_OK) status = write_config(in, err);
    if (status == BASE_OK) put_result(in);
    config_free(in->cfg);
    return status;
}

base_status cmd_init(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "[kws.ini]",
        .about =
            "Writes kws.ini: what a keyword product is for ([problem]), where it runs ([target]),\n"
            "what must hold ([gates]), and the recipe of an architecture to start from, for\n"
            "`sotto train kws.ini` and `sotto problem check RUN kws.ini`. On a terminal it asks "
            "what\n"
            "no option says; elsewhere, and with -q, what is in brackets is taken. none leaves a\n"
            "text empty and a gate out. Any other key: section.key=value, 'gates.macro_f1>=0.9'.",
        .max_args = 1,
        .output = "the file to write, as an argument names it",
        .takes = CLI_OVERRIDES};
    init in = {.c = c, .model = "ds_cnn"};
    int force = 0;
    char help[QUESTIONS][128];
    struct poptOption options[QUESTIONS + 3] = {
        {"model", 0, POPT_ARG_STRING, &in.model, 0, "architecture of the zoo to start from",
         "NAME"},
        {"force", 0, POPT_ARG_NONE, &force, 0, "overwrite the file", NULL}};
    for (int i = 0; i < QUESTIONS; i++) {
        const question *q = &questions[i];
        snprintf(help[i], sizeof help[i], "%s [%s]", q->ask, q->usual ? q->usual : "none");
        options[i + 2] = (struct poptOption){q->option, 0,       POPT_ARG_STRING, &in.answers[i],
                                             0,         help[i], q->takes};
    }
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    if (c->output && c->nargs > 0)
        return base_fail(err, BASE_USAGE, "-o %s and '%s': one file, please", c->output,
                         c->args[0]);
    in.path = c->output ? c->output : c->nargs > 0 ? c->args[0] : "kws.ini";
    if (!force && base_exists(in.path)) {
        base_fail(err, BASE_USAGE, "'%s' is there already", in.path);
        return base_hint(err, "--force overwrites it; another name: sotto init other.ini");
    }
    return make(&in, err);
}
