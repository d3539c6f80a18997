/* sotto report: one page about a model: data, training, errors, int8, costs, and others beside it.
 */
#include "quantize/cmd_problem_check.h"
#include "quantize/cmd_quantize.h"
#include "quantize/frontend.h"
#include "quantize/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_spec spec = {
    .usage = "RUN|MODEL... --pack PACK -o PAGE.html",
    .about =
        "One HTML page that needs no other file and no network: problem and gates of kws.ini,\n"
        "data, learning curves, confusion, figures by class, the worst errors to hear and to see,\n"
        "int8 against float, costs by layer and on boards. It is about the first model; others\n"
        "(and that of --int8) are compared with it. The figures are those of `sotto eval`, `sotto\n"
        "estimate`, `sotto problem check` and `sotto runs compare`.",
    .min_args = 1,
    .max_args = -1,
    .output = "the page to write",
    .takes = CLI_THREADS | CLI_OUTPUT_NEEDED,
};

typedef struct report_options {
    const char *pack, *int8, *split, *target, *config, *recording, *labels;
    int errors;
} report_options;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

/* ---- models ---- */

/* Room for features in integers where the model has them; says why where not. */
static base_status make_fixed(cli *c, report_model *m, size_t cells, base_err *err)
{
    dsp_fixed *f = NULL;
    base_err why = {0};
    if (!m->work.int8) return BASE_OK;
    if (q8_frontend_new(m->work.int8, &f, &why) != BASE_OK) {
        cli_say(c, "%s: no accuracy with features in integers: %s", m->path, why.message);
        return BASE_OK;
    }
    dsp_fixed_free(f);
    m->fixed = base_alloc(cells, sizeof *m->fixed);
    return m->fixed ? BASE_OK : base_nomem(err, cells * sizeof *m->fixed);
}

static base_status mark_right(const report *r, report_model *m, size_t clips, base_err *err)
{
    data_sample *truth = base_alloc(clips + 1, sizeof *truth);
    if (!truth) return base_nomem(err, clips * sizeof *truth);
    data_task_evaluation(m->task, r->split, truth);
    for (size_t i = 0; i < clips; i++) m->right[i] = m->outcomes[i].said == truth[i].label;
    base_free(truth);
    return BASE_OK;
}

static base_status evaluate(cli *c, const report *r, report_model *m, base_err *err)
{
    const size_t cells = m->model->n_labels * m->model->n_labels;
    BASE_TRY(quant_task(m->model, r->pack, &m->task, err));
    const size_t clips = data_task_count(m->task, r->split, -1);
    m->confusion = base_alloc(cells, sizeof *m->confusion);
    m->outcomes = base_alloc(clips + 1, sizeof *m->outcomes);
    m->right = base_alloc(clips + 1, sizeof *m->right);
    if (!m->confusion || !m->outcomes || !m->right)
        return base_nomem(err, cells * sizeof *m->confusion);
    BASE_TRY(make_fixed(c, m, cells, err));
    const quant_source s = {.model = m->model,
                            .task = m->task,
                            .split = r->split,
                            .threads = c->threads,
                            .outcomes = m->outcomes,
                            .progress = show,
                            .ctx = c};
    const bool int8 = m->work.int8 != NULL;
    cli_progress_begin(c, m->path, "clips", (int64_t)clips);
    const base_status status =
        quant_evaluate(&s, m->work.model, m->work.int8, int8 ? NULL : m->confusion,
                       int8 ? m->confusion : NULL, m->fixed, err);
    cli_progress_end(c);
    m->score = data_score_all(m->confusion, (int)m->model->n_labels);
    return status == BASE_OK ? mark_right(r, m, clips, err) : status;
}

static base_status estimate(const report_model *m, const quant_target *t, quant_estimate *e,
                            base_err *err)
{
    const quant_workload *w = &m->work;
    const quant_use use = {.runtime = QUANT_SOTTO,
                           .features = w->knows_features ? &w->features : NULL,
                           .frames = w->frames,
                           .front = w->front.kept ? &w->front : NULL};
    return quant_estimate_run(&w->deployed, t, use, e, err);
}

static base_status load(const char *path, report_model *m, base_err *err)
{
    char *file = NULL;
    m->path = path;
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = quant_workload_of_model(file, &m->work, err);
    free(file);
    if (status == BASE_OK) status = quant_workload_listen(&m->work, 0, err);
    if (status != BASE_OK) return status;
    m->model = m->work.int8 ? &m->work.int8->folded : m->work.model;
    return report_run_read(path, &m->run, err);
}

static void free_model(report_model *m)
{
    quant_estimate_free(&m->estimate);
    report_run_free(&m->run);
    data_task_free(m->task);
    base_free(m->confusion);
    base_free(m->fixed);
    base_free(m->outcomes);
    base_free(m->right);
    quant_workload_free(&m->work);
}

static base_status read_models(cli *c, const report_options *o, report *r, base_err *err)
{
    const size_t named = (size_t)c->nargs;
    r->models = base_alloc(named + 1, sizeof *r->models);
    if (!r->models) return base_nomem(err, (named + 1) * sizeof *r->models);
    r->n_models = named + (o->int8 != NULL);
    for (size_t i = 0; i < r->n_models; i++) {
        report_model *m = &r->models[i];
        BASE_TRY(load(i < named ? c->args[i] : o->int8, m, err));
        BASE_TRY(estimate(m, &r->boards[0].target, &m->estimate, err));
    }
    r->deploy = o->int8 ? &r->models[named] : &r->models[0];
    if (o->int8 && !r->deploy->work.int8) {
        base_fail(err, BASE_USAGE, "--int8 '%s' is a float model", o->int8);
        return base_hint(err, "make one: sotto quantize %.60s --calibrate PACK -o a.int8.h5",
                         o->int8);
    }
    if (o->int8) BASE_TRY(quantize_lineage_check(c->args[0], o->int8, err));
    for (size_t i = 0; i < r->n_models; i++) BASE_TRY(evaluate(c, r, &r->models[i], err));
    return BASE_OK;
}

/* ---- boards ---- */

static base_status read_boards(const char *list, report *r, base_err *err)
{
    size_t most = 1;
    char *names = base_strdup(list), *rest = NULL;
    for (const char *s = list; *s; s++) most += *s == ',';
    r->boards = base_alloc(most, sizeof *r->boards);
    base_status status = names && r->boards ? BASE_OK : base_nomem(err, most * sizeof *r->boards);
    for (char *name = names ? strtok_r(names, ",", &rest) : NULL; name && status == BASE_OK;
         name = strtok_r(NULL, ",", &rest))
        status = quant_target_load(name, &r->boards[r->n_boards++].target, err);
    free(names);
    if (status == BASE_OK && r->n_boards == 0) {
        base_fail(err, BASE_USAGE, "--target '%s' names no board", list);
        base_hint(err, "sotto estimate --list names them");
    }
    return status == BASE_OK && r->n_boards == 0 ? BASE_USAGE : status;
}

/* ---- gates ---- */

/* The config of the page: its text, and the settings in it. */
static base_status read_config(cli *c, const report_options *o, gate_check *k, char **text,
                               base_err *err)
{
    char *file = NULL;
    size_t size = 0;
    BASE_TRY(gate_check_file(o->config, c->args[0], &file, err));
    if (!file) return BASE_OK;
    base_status status = gate_check_config(k, c, file, err);
    if (status == BASE_OK) status = base_read_file(file, 1 << 20, text, &size, err);
    free(file);
    return status;
}

static base_status judge(cli *c, const report_options *o, gate_check *k, report *r,
                         report_gate *gates, base_err *err)
{
    quant_gauge *g = &k->gauge;
    r->gates = gates;
    r->n_gates = (size_t)k->setup.gates.n;
    r->threshold = (double)NAN;
    if (r->n_gates == 0) return BASE_OK;
    g->model = c->args[0];
    g->int8 = o->int8;
    g->pack = o->pack;
    g->split = r->split;
    g->recording = o->recording;
    g->labels = o->labels;
    g->board = r->boards[0].target.name;
    BASE_TRY(gate_check_measure(k, c, -1, err));
    r->gates_board = g->board;
    r->threshold = k->threshold;
    for (int i = 0; i < k->setup.gates.n; i++) {
        const int met = gate_check_met(k, i);
        gates[i] = (report_gate){.reading = k->readings[i],
                                 .verdict = gate_verdict_name(gate_check_verdict(k, i)),
                                 .met = met < 0 ? NULL
                                        : met   ? "yes"
                                                : "no"};
        gate_check_text(k, i, gates[i].text);
    }
    return BASE_OK;
}

static base_status write_page(cli *c, report *r, base_err *err)
{
    base_str page = {0};
    base_status status = BASE_OK;
    for (size_t i = 0; i < r->n_boards && status == BASE_OK; i++)
        status = estimate(r->deploy, &r->boards[i].target, &r->boards[i].estimate, err);
    if (status == BASE_OK) status = report_page(r, &page, err);
    if (status == BASE_OK) status = base_write_file(c->output, page.s, page.len, err);
    if (status == BASE_OK) {
        cli_put_text(c, "page", c->output);
        cli_put_bytes(c, "bytes", (int64_t)page.len);
        cli_put_percent(c, "accuracy", r->models[0].score.accuracy, 2);
    }
    base_str_free(&page);
    return status;
}

static void free_report(report *r)
{
    for (size_t i = 0; i < r->n_models; i++) free_model(&r->models[i]);
    for (size_t i = 0; i < r->n_boards; i++) quant_estimate_free(&r->boards[i].estimate);
    base_free(r->models);
    base_free(r->boards);
}

static base_status make_report(cli *c, const report_options *o, report *r, base_err *err)
{
    gate_check k = gate_check_default(c);
    report_gate gates[GATES_MAX];
    data_pack *pack = NULL;
    char *text = NULL;
    base_status status = read_config(c, o, &k, &text, err);
    const char *board = k.setup.target.board[0] ? k.setup.target.board : "nucleo-l4r5zi";
    if (status == BASE_OK) status = read_boards(o->target ? o->target : board, r, err);
    if (status == BASE_OK) status = data_pack_open(o->pack, &pack, err);
    r->config = text;
    r->pack = pack;
    if (status == BASE_OK) status = read_models(c, o, r, err);
    if (status == BASE_OK) status = judge(c, o, &k, r, gates, err);
    if (status == BASE_OK) status = write_page(c, r, err);
    free_report(r);
    data_pack_close(pack);
    free(text);
    return status;
}

base_status cmd_report(cli *c, int argc, char **argv, base_err *err)
{
    report_options o = {.split = "test", .errors = 12};
    report r = {0};
    const struct poptOption options[] = {
        {"pack", 'p', POPT_ARG_STRING, &o.pack, 0, "the clips it is measured on", "PACK"},
        {"int8", '8', POPT_ARG_STRING, &o.int8, 0, "the int8 model of the first", "MODEL"},
        {"config", 0, POPT_ARG_STRING, &o.config, 0,
         "whose problem, board and gates, instead of the run's own", "kws.ini"},
        {"recording", 0, POPT_ARG_STRING, &o.recording, 0,
         "a long one, for gates fa_per_hour and frr", "FILE"},
        {"labels", 0, POPT_ARG_STRING, &o.labels, 0, "what is said in it, as sotto stream", "FILE"},
        {"split", 's', POPT_ARG_STRING, &o.split, 0, "train, validation or test", "SPLIT"},
        {"target", 't', POPT_ARG_STRING, &o.target, 0,
         "boards, separated by commas, instead of target.board", "NAME,..."},
        {"errors", 0, POPT_ARG_INT, &o.errors, 0, "most of the worst errors to show", "N"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--errors", o.errors, 0, 100, err));
    BASE_TRY(data_split_parse(o.split, &r.split, err));
    if (!o.pack) {
        base_fail(err, BASE_USAGE, "--pack is missing");
        return base_hint(err, "name the pack that the models are measured on: --pack sc.h5");
    }
    if (!o.recording != !o.labels)
        return base_fail(err, BASE_USAGE, "--recording and --labels go together");
    r.errors = (size_t)o.errors;
    return make_report(c, &o, &r, err);
}
