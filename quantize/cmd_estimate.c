/* sotto estimate: flash, RAM, time and energy of a model on boards. */
#include "quantize/cmd_estimate.h"
#include "nn/nn.h"
#include "quantize/pipeline.h"
#include "quantize/posterior_options.h"
#include "quantize/q8.h"
#include "quantize/workload.h"
#include "train/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

base_status cmd_estimate(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "MODEL|RUN|ARCH.net|NAME",
    .about =
        "Costs of a model, trained or not, on microcontroller boards: those asked for, or all,\n"
        "ranked: what fits first, then by time. Flash holds weights, tables and kernels; RAM the\n"
        "input, the output and the work buffer, not the stack; the whole is with the integer\n"
        "front-end and post-processing of `sotto export`, and has to fit where it is known. Time "
        "is\n"
        "of one inference; the duty cycle is its share of the time between two inferences, with "
        "the\n"
        "front-end of the frames between them where that is known. --runtime cmsis-nn estimates "
        "the\n"
        "same model as a .tflite file under TensorFlow Lite Micro with CMSIS-NN. With --hop "
        "FRAMES\n"
        "all is of a streaming step of the header that `sotto export --hop` writes, a step a hop.\n"
        "An error of e % means between value / (1 + e/100) and value * (1 + e/100). A figure is\n"
        "exact, measured (here: compiled, or run in an emulator), published (timed on this board\n"
        "by others) or inferred (e, m, p, i in a table); * marks an order of magnitude. --fit, or "
        "a\n"
        "limit, asks which boards hold the model within the limits: exit code 4 when none does.",
    .max_args = 1,
    .takes = CLI_OVERRIDES,
};

/* ---- what is estimated ---- */

/* What the argument is, is told by its form: a path ends in .net or .h5, has a slash, or exists. */
static base_status subject_of(cli *c, const char *what, quant_workload *s, base_err *err)
{
    char *file = NULL;
    const bool net = cli_is_net(what);
    const char *dot = strrchr(what, '.');
    bool path = (dot && !strcmp(dot, ".h5")) || strchr(what, '/') || base_exists(what);
    if (path && !net && c->noverrides > 0) {
        base_fail(err, BASE_USAGE, "'%s' has no effect on '%s'", c->overrides[0], what);
        return base_hint(err, "settings go with an architecture's name: sotto estimate ds_cnn %s",
                         c->overrides[0]);
    }
    if (path && !net) {
        BASE_TRY(nn_model_path(what, &file, err));
        const base_status status = quant_workload_of_model(file, s, err);
        free(file);
        return status;
    }
    nn_graph *graph;
    BASE_TRY(cli_graph(c, what, 0, &graph, err));
    BASE_TRY(quant_workload_of_graph(graph, s, err));
    s->knows_features = !net;
    return net ? BASE_OK : cli_features(c, what, &s->features, err);
}

/* ---- tables ---- */

static base_status put_list(cli *c, base_err *err)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"mcu", NULL, CLI_TEXT, 0},
                                         {"core", NULL, CLI_TEXT, 0},
                                         {"mhz", "MHz", CLI_REAL, 0},
                                         {"flash_bytes", "flash", CLI_BYTES, 0},
                                         {"ram_bytes", "RAM", CLI_BYTES, 0},
                                         {"basis", "time is", CLI_TEXT, 0},
                                         {"source", "from", CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "targets", columns, BASE_COUNT(columns));
    const char **names = NULL;
    size_t n = 0;
    quant_target target;
    BASE_TRY(quant_target_names(&names, &n, err));
    base_status status = BASE_OK;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        status = quant_target_load(names[i], &target, err);
        if (status != BASE_OK) break;
        cli_cell_text(t, target.name);
        cli_cell_text(t, target.mcu);
        cli_cell_text(t, target.core_name);
        cli_cell_real(t, target.mhz);
        cli_cell_int(t, target.flash);
        cli_cell_int(t, target.ram);
        cli_cell_text(t, quant_basis_name(target.basis));
        cli_cell_text(t, target.latency_source);
    }
    free(names);
    return status;
}

/* A figure with its error and what it rests on; people see these two in one column, "30 i". */
#define FIGURE(value, figure, type)                                                                \
    {value, NULL, type, 0}, {figure "_error_percent", NULL, CLI_REAL, 0},                          \
    {                                                                                              \
        figure "_basis", NULL, CLI_TEXT, 0                                                         \
    }
#define SHORT(figure, title, type, digits)                                                         \
    {figure, title, type, digits},                                                                 \
    {                                                                                              \
        figure "_error", "+-%", CLI_TEXT, 0                                                        \
    }
static cli_table *board_table(cli *c)
{
    static const cli_column wide[] = {{"target", NULL, CLI_TEXT, 0},
                                      {"runtime", NULL, CLI_TEXT, 0},
                                      {"fits", NULL, CLI_BOOL, 0},
                                      {"code_bytes", NULL, CLI_BYTES, 0},
                                      FIGURE("flash_bytes", "flash", CLI_BYTES),
                                      FIGURE("ram_bytes", "ram", CLI_BYTES),
                                      FIGURE("whole_flash_bytes", "whole_flash", CLI_BYTES),
                                      FIGURE("whole_ram_bytes", "whole_ram", CLI_BYTES),
                                      FIGURE("latency_ms", "latency", CLI_REAL),
                                      {"order_of_magnitude", NULL, CLI_BOOL, 0},
                                      FIGURE("frontend_ms", "frontend", CLI_REAL),
                                      FIGURE("duty", "duty", CLI_PERCENT),
                                      FIGURE("energy_uj", "energy", CLI_REAL),
                                      {"why_not", NULL, CLI_TEXT, 0},
                                      {"source", NULL, CLI_TEXT, 0}};
    static const cli_column narrow[] = {{"target", NULL, CLI_TEXT, 0},
                                        {"runtime", NULL, CLI_TEXT, 0},
                                        {"fits", NULL, CLI_BOOL, 0},
                                        SHORT("flash", NULL, CLI_BYTES, 1),
                                        SHORT("ram", "RAM", CLI_BYTES, 1),
                                        SHORT("whole_flash", "whole: flash", CLI_BYTES, 1),
                                        SHORT("whole_ram", "RAM", CLI_BYTES, 1),
                                        SHORT("latency", "ms", CLI_REAL, 1),
                                        {"order_of_magnitude", "*", CLI_BOOL, 0},
                                        SHORT("frontend", "front-end", CLI_REAL, 2),
                                        SHORT("duty", NULL, CLI_PERCENT, 0),
                                        SHORT("energy", "uJ", CLI_REAL, 0),
                                        {"why_not", "does not fit", CLI_TEXT, 0}};
    return c->format == CLI_FORMAT_TABLE ? cli_table_new(c, "targets", narrow, BASE_COUNT(narrow))
                                         : cli_table_new(c, "targets", wide, BASE_COUNT(wide));
}

static void put_error(cli *c, cli_table *t, quant_figure f)
{
    char text[40] = "";
    if (c->format != CLI_FORMAT_TABLE) {
        cli_cell_real(t, f.error);
        cli_cell_text(t, quant_basis_name(f.basis));
        return;
    }
    if (isfinite(f.value))
        snprintf(text, sizeof text, "%.0f %.1s", f.error, quant_basis_name(f.basis));
    cli_cell_text(t, text);
}

static void put_bytes(cli *c, cli_table *t, quant_figure f)
{
    if (isfinite(f.value))
        cli_cell_int(t, (int64_t)f.value);
    else
        cli_cell_text(t, NULL);
    put_error(c, t, f);
}

static void put_real(cli *c, cli_table *t, quant_figure f)
{
    cli_cell_real(t, f.value);
    put_error(c, t, f);
}

static void put_board(cli *c, cli_table *t, const estimate_result *r)
{
    const quant_estimate *e = &r->e;
    cli_cell_text(t, r->target.name);
    cli_cell_text(t, quant_runtime_name(r->runtime));
    cli_cell_int(t, e->fits);
    if (c->format != CLI_FORMAT_TABLE) cli_cell_int(t, e->code);
    put_bytes(c, t, e->flash);
    put_bytes(c, t, e->ram);
    put_bytes(c, t, e->whole_flash);
    put_bytes(c, t, e->whole_ram);
    put_real(c, t, e->latency);
    cli_cell_int(t, r->target.rough);
    put_real(c, t, e->frontend);
    put_real(c, t, e->duty);
    put_real(c, t, e->energy);
    cli_cell_text(t, e->why);
    if (c->format != CLI_FORMAT_TABLE) cli_cell_text(t, r->target.latency_source);
}

static cli_table *layer_table(cli *c)
{
    static const cli_column columns[] = {
        {"target", NULL, CLI_TEXT, 0},        {"runtime", NULL, CLI_TEXT, 0},
        {"layer", NULL, CLI_TEXT, 0},         {"op", NULL, CLI_TEXT, 0},
        {"kernel", NULL, CLI_TEXT, 0},        {"variant", NULL, CLI_TEXT, 0},
        {"macs", "MACs", CLI_INT, 0},         {"rows", NULL, CLI_INT, 0},
        {"outputs", NULL, CLI_INT, 0},        {"inputs", NULL, CLI_INT, 0},
        {"pixels", NULL, CLI_INT, 0},         {"weight_bytes", "weights", CLI_INT, 0},
        {"flash_bytes", "flash", CLI_INT, 0}, {"ram_bytes", "RAM alive", CLI_INT, 0},
        {"instructions", NULL, CLI_REAL, 0},  {"latency_ms", "ms", CLI_REAL, 2},
        {"share", "of time", CLI_PERCENT, 0}};
    return cli_table_new(c, "layers", columns, BASE_COUNT(columns));
}

static void put_layers(cli_table *t, const quant_costs *costs, const estimate_result *r)
{
    char variant[32];
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *l = &costs->layer[i];
        const quant_layer_estimate *e = &r->e.layer[i];
        if (l->is_input) continue;
        quant_layer_variant(l, variant);
        cli_cell_text(t, r->target.name);
        cli_cell_text(t, quant_runtime_name(r->runtime));
        cli_cell_text(t, l->name);
        cli_cell_text(t, l->op);
        cli_cell_text(t, l->kernel);
        cli_cell_text(t, variant);
        cli_cell_int(t, l->macs);
        cli_cell_int(t, l->rows);
        cli_cell_int(t, l->outputs);
        cli_cell_int(t, l->inputs);
        cli_cell_int(t, l->pixels);
        cli_cell_int(t, l->weights);
        cli_cell_int(t, e->flash);
        cli_cell_int(t, e->live);
        cli_cell_real(t, e->instructions);
        cli_cell_real(t, e->ms);
        cli_cell_real(t, e->ms / r->e.latency.value);
    }
}

/* ---- the boards ---- */

/* "a,b,c" or NULL (all) as a list; *names is one block. */
static base_status wanted(const char *list, const char ***names, size_t *n, base_err *err)
{
    if (!list || !strcmp(list, "all")) return quant_target_names(names, n, err);
    size_t commas = 0, length = strlen(list);
    for (const char *s = list; *s; s++) commas += *s == ',';
    *names = malloc((commas + 1) * sizeof **names + length + 1);
    *n = 0;
    if (!*names) return base_nomem(err, length);
    char *text = memcpy(*names + commas + 1, list, length + 1);
    for (char *end = text; end; text = end) {
        end = strchr(text, ',');
        if (end) *end++ = 0;
        (*names)[(*n)++] = text;
    }
    return BASE_OK;
}

static const quant_costs *costs_in(const quant_workload *s, quant_runtime runtime)
{
    return runtime == QUANT_SOTTO ? &s->deployed : &s->costs;
}

/* Operators that sotto export refuses. */
static void warn_of_guesses(cli *c, const quant_costs *costs)
{
    int n = 0;
    const quant_layer_cost *first = NULL;
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *l = &costs->layer[i];
        if (l->kernel || l->is_input) continue;
        first = first ? first : l;
        n++;
    }
    if (n > 0)
        cli_warn(c,
                 "%s '%s'%s has no int8 kernel: its time and its code are guesses, and its "
                 "tables are not counted",
                 first->op, first->name, n > 1 ? " (and others)" : "");
}

static int compare_results(const void *a, const void *b)
{
    const estimate_result *x = a, *y = b;
    if (x->key < y->key) return -1;
    if (x->key > y->key) return 1;
    return x->place - y->place;
}

/* What fits before what does not, known before unknown, small before large. */
static double rank(const estimate_options *o, const estimate_result *r)
{
    const quant_estimate *e = &r->e;
    const double value = o->order == BY_ENERGY ? e->energy.value : e->latency.value;
    if (o->order < 0) return 0;
    return (e->fits ? 0 : 1e20) + (isfinite(value) ? value : 1e15);
}

bool estimate_exceeds(const estimate_options *o, const quant_estimate *e, char *why, size_t n)
{
    const struct {
        const char *name;
        double limit, value;
    } checks[] = {{"--flash-kb", o->flash_kb, quant_whole(e->whole_flash, e->flash) / 1024},
                  {"--ram-kb", o->ram_kb, quant_whole(e->whole_ram, e->ram) / 1024},
                  {"--latency-ms", o->latency_ms, e->latency.value},
                  {"--duty", o->duty, 100 * e->duty.value}};
    snprintf(why, n, "%s", e->why);
    if (!e->fits) return true;
    for (size_t i = 0; i < BASE_COUNT(checks); i++) {
        if (checks[i].limit <= 0 || checks[i].value <= checks[i].limit) continue;
        snprintf(why, n,
                 isfinite(checks[i].value) ? "%s %.4g, it takes %.4g" : "%s %.4g: not known",
                 checks[i].name, checks[i].limit, checks[i].value);
        return true;
    }
    return false;
}

static void put_subject(cli *c, const quant_workload *s, const quant_estimate *e)
{
    if (s->step.hop) {
        cli_put_text(c, "stream", q8_stream_mode_name(s->step.mode));
        cli_put_int(c, "hop_frames", s->step.hop);
    }
    cli_put_int(c, "macs", e->macs);
    cli_put_bytes(c, "weight_bytes", e->weights);
    cli_put_bytes(c, "table_bytes", e->tables);
    cli_put_bytes(c, "work_bytes", e->work);
    cli_put_bytes(c, "ram_bytes", (int64_t)e->ram.value);
    if (isfinite(e->hop_ms)) cli_put_real(c, "hop_ms", e->hop_ms, 1);
}

/* Print n results in their order; with --fit only those within the limits. */
static base_status put_results(cli *c, const estimate_options *o, const quant_workload *s,
                               estimate_result *r, size_t n, base_err *err)
{
    size_t within = 0;
    char why[160] = "", first[400] = "";
    qsort(r, n, sizeof *r, compare_results);
    if (n) put_subject(c, s, &r[0].e);
    cli_table *boards = board_table(c), *layers = o->layers ? layer_table(c) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (o->fit && estimate_exceeds(o, &r[i].e, why, sizeof why)) {
            if (!*first) snprintf(first, sizeof first, "%s: %s", r[i].target.name, why);
            continue;
        }
        within++;
        put_board(c, boards, &r[i]);
        if (layers) put_layers(layers, o->hop ? &s->step.costs : costs_in(s, r[i].runtime), &r[i]);
    }
    if (!o->fit || within) return BASE_OK;
    base_fail(err, BASE_GATE, "no board of %zu holds the model within the limits", n);
    return base_hint(err, "first of those that do not, %.140s", first);
}

static base_status put_boards(cli *c, const estimate_options *o, const quant_workload *s,
                              base_err *err)
{
    const char **names = NULL;
    size_t n = 0, done = 0;
    BASE_TRY(wanted(o->target, &names, &n, err));
    estimate_result *r = calloc(n * QUANT_RUNTIMES + 1, sizeof *r);
    base_status status = r ? BASE_OK : base_nomem(err, n * sizeof *r);
    for (size_t i = 0; i < n * QUANT_RUNTIMES && status == BASE_OK; i++) {
        const quant_use use = {.runtime = (quant_runtime)(i % QUANT_RUNTIMES),
                               .features = s->knows_features ? &s->features : NULL,
                               .frames = s->frames,
                               .front = s->front.kept ? &s->front : NULL,
                               .tflite = s->tflite,
                               .step = o->hop ? &s->step : NULL};
        if (!o->runs[use.runtime]) continue;
        r[done].place = (int)i;
        r[done].runtime = use.runtime;
        status = quant_target_load(names[i / QUANT_RUNTIMES], &r[done].target, err);
        if (status == BASE_OK)
            status =
                quant_estimate_run(costs_in(s, use.runtime), &r[done].target, use, &r[done].e, err);
        if (status != BASE_OK) break;
        r[done].key = rank(o, &r[done]);
        done++;
    }
    if (status == BASE_OK) status = put_results(c, o, s, r, done, err);
    if (status == BASE_OK && o->measure) status = estimate_measure(c, o, r, done, err);
    for (size_t i = 0; i < done; i++) quant_estimate_free(&r[i].e);
    free(r);
    free(names);
    return status;
}

/* ---- options ---- */

/* "sotto", "cmsis-nn", or both with a comma. */
static base_status read_runtime(const char *text, estimate_options *o, base_err *err)
{
    static const char *const choices[] = {"sotto", "cmsis-nn", "sotto,cmsis-nn", NULL};
    int i = 0;
    BASE_TRY(cli_check_choice("--runtime", text, choices, &i, err));
    o->runs[QUANT_SOTTO] = i != 1;
    o->runs[QUANT_CMSIS_NN] = i != 0;
    return BASE_OK;
}

/* --hop, and what does not go with it. */
static base_status check_hop(estimate_options *o, base_err *err)
{
    static const char *const modes[] = QUANT_STREAM_MODES;
    int mode = 0;
    BASE_TRY(cli_check_choice("--stream", o->stream, modes, &mode, err));
    BASE_TRY(cli_check_range("--hop", o->hop, 0, 1e6, err));
    o->mode = (q8_stream_mode)mode;
    if (!o->hop && mode) {
        base_fail(err, BASE_USAGE, "--stream %s without --hop", o->stream);
        return base_hint(err, "say how many frames come at a time: --hop 2");
    }
    if (!o->hop || (!o->measure && !o->runs[QUANT_CMSIS_NN])) return BASE_OK;
    return base_fail(err, BASE_USAGE, "--hop does not go with %s",
                     o->measure ? "--measure" : "--runtime cmsis-nn, which has no steps");
}

static base_status check_options(estimate_options *o, base_err *err)
{
    static const char *const orders[] = {"latency", "energy", NULL};
    static const char *const opts[] = {"-Os", "-O2", "-O3", NULL};
    int opt = 0;
    const bool all = !o->target || !strcmp(o->target, "all");
    BASE_TRY(read_runtime(o->runtime, o, err));
    BASE_TRY(check_hop(o, err));
    BASE_TRY(cli_check_choice("--opt", o->opt, opts, &opt, err));
    BASE_TRY(cli_check_range("--flash-kb", o->flash_kb, 0, 1e9, err));
    BASE_TRY(cli_check_range("--ram-kb", o->ram_kb, 0, 1e9, err));
    BASE_TRY(cli_check_range("--latency-ms", o->latency_ms, 0, 1e9, err));
    BASE_TRY(cli_check_range("--duty", o->duty, 0, 1e9, err));
    o->fit = o->fit || o->flash_kb + o->ram_kb + o->latency_ms + o->duty > 0;
    o->order = all || o->fit ? BY_LATENCY : -1;
    return o->by ? cli_check_choice("--by", o->by, orders, &o->order, err) : BASE_OK;
}

base_status cmd_estimate(cli *c, int argc, char **argv, base_err *err)
{
    estimate_options o = {.runtime = "sotto", .opt = "-O2", .stream = "auto"};
    const struct poptOption table[] = {
        {"target", 't', POPT_ARG_STRING, &o.target, 0,
         "boards, separated by commas, or files ending in .ini (all boards)", "NAME,..."},
        {"runtime", 'r', POPT_ARG_STRING, &o.runtime, 0, "sotto, cmsis-nn or sotto,cmsis-nn",
         "NAME"},
        {"by", 0, POPT_ARG_STRING, &o.by, 0,
         "rank by latency or energy (latency where all boards are)", "FIGURE"},
        {"fit", 0, POPT_ARG_NONE, &o.fit, 0, "only boards that hold it within the limits", NULL},
        {"flash-kb", 0, POPT_ARG_DOUBLE, &o.flash_kb, 0, "most flash, KiB (0: the board's)", "N"},
        {"ram-kb", 0, POPT_ARG_DOUBLE, &o.ram_kb, 0, "most RAM, KiB (0: the board's)", "N"},
        {"latency-ms", 0, POPT_ARG_DOUBLE, &o.latency_ms, 0, "longest inference (0: any)", "MS"},
        {"duty", 0, POPT_ARG_DOUBLE, &o.duty, 0, "largest duty cycle, percent (0: any)", "N"},
        {"hop-ms", 0, POPT_ARG_DOUBLE, &o.hop_ms, 0, "between inferences; 0: about 100", "MS"},
        QUANT_STREAM_OPTIONS(&o.hop, &o.stream),
        {"layers", 'l', POPT_ARG_NONE, &o.layers, 0, "also a table by layer", NULL},
        {"measure", 'm', POPT_ARG_NONE, &o.measure, 0,
         "also compile the int8 model and run it in the emulator of each core", NULL},
        {"opt", 0, POPT_ARG_STRING, &o.opt, 0, "-Os, -O2 or -O3, for --measure", "FLAG"},
        {"list", 0, POPT_ARG_NONE, &o.list, 0, "name the boards and stop", NULL},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
    if (o.list) return put_list(c, err);
    BASE_TRY(check_options(&o, err));
    if (c->nargs != 1) {
        base_fail(err, BASE_USAGE, "which model is missing");
        return base_hint(
            err, "give a model, a run directory, a .net file or the name of an architecture");
    }
    quant_workload s = {.tflite = 0};
    base_status status = subject_of(c, c->args[0], &s, err);
    if (status == BASE_OK && o.hop) status = quant_workload_stream(&s, o.mode, o.hop, err);
    if (status == BASE_OK) status = quant_workload_listen(&s, o.hop_ms, err);
    if (status == BASE_OK) {
        if (o.runs[QUANT_SOTTO]) warn_of_guesses(c, &s.costs);
        status = put_boards(c, &o, &s, err);
    }
    quant_workload_free(&s);
    return status;
}
