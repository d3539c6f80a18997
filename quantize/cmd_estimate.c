/* sotto estimate: flash, RAM, time and energy of a model on boards. */
#include "nn/nn.h"
#include "quantize/estimate.h"
#include "quantize/measure.h"
#include "quantize/q8.h"
#include "train/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

base_status cmd_estimate(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "MODEL|RUN|ARCH.net|NAME",
    .about =
        "Costs of a model, trained or not, on microcontroller boards. Flash holds weights,\n"
        "tables and kernels; RAM the input, the output and the work buffer, not the stack and\n"
        "not the audio front-end. MACs, weights, tables and RAM are exact. Time is of one\n"
        "inference with the kernels that `sotto export` writes; cmsis_ms is what published\n"
        "CMSIS-NN figures give for the same layers. An error of e % means between\n"
        "value / (1 + e/100) and value * (1 + e/100); * marks an order of magnitude.",
    .max_args = 1,
    .takes = CLI_OVERRIDES,
};

typedef struct options {
    const char *target;
    int layers, list, measure;
    const char *opt; /* of the compiler, for --measure */
} options;

/* ---- what is estimated ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

static base_status costs_of_model(const char *path, quant_costs *costs, base_err *err)
{
    char *file = NULL;
    bool int8 = false;
    nn_model *model = NULL;
    q8_model *q8 = NULL;
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = q8_is_model(file, &int8, err);
    if (status == BASE_OK)
        status = int8 ? q8_load(file, &q8, err) : nn_model_load(file, &model, err);
    if (status == BASE_OK)
        status = int8 ? quant_costs_of_q8(q8, costs, err)
                      : quant_costs_of_graph(model->graph, costs, err);
    if (status == BASE_OK) quant_costs_pack(costs, int8 ? &q8->folded : model);
    nn_model_free(model);
    q8_model_free(q8);
    free(file);
    return status;
}

/* What the argument is, is told by its form: a path ends in .net or .h5, has a slash, or exists. */
static base_status costs_of(cli *c, const char *what, quant_costs *costs, base_err *err)
{
    bool path = ends_with(what, ".h5") || strchr(what, '/') || base_exists(what);
    if (path && !cli_is_net(what)) {
        if (c->noverrides == 0) return costs_of_model(what, costs, err);
        base_fail(err, BASE_USAGE, "'%s' has no effect on '%s'", c->overrides[0], what);
        return base_hint(err, "settings go with an architecture's name: sotto estimate ds_cnn %s",
                         c->overrides[0]);
    }
    nn_graph *graph;
    BASE_TRY(cli_graph(c, what, 0, &graph, err));
    base_status status = quant_costs_of_graph(graph, costs, err);
    nn_graph_free(graph);
    return status;
}

/* ---- the boards ---- */

static base_status put_list(cli *c, base_err *err)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"mcu", NULL, CLI_TEXT, 0},
                                         {"core", NULL, CLI_TEXT, 0},
                                         {"mhz", "MHz", CLI_REAL, 0},
                                         {"flash_bytes", "flash", CLI_BYTES, 0},
                                         {"ram_bytes", "RAM", CLI_BYTES, 0},
                                         {"basis", "time is from", CLI_TEXT, 0}};
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
        cli_cell_text(t, target.basis);
    }
    free(names);
    return status;
}

static cli_table *board_table(cli *c)
{
    static const cli_column columns[] = {
        {"target", NULL, CLI_TEXT, 0},
        {"fits", NULL, CLI_BOOL, 0},
        {"code_bytes", "code", CLI_BYTES, 1},
        {"flash_bytes", "flash", CLI_BYTES, 1},
        {"flash_error_percent", "+-%", CLI_REAL, 0},
        {"ram_bytes", "RAM", CLI_BYTES, 1},
        {"latency_ms", "ms", CLI_REAL, 1},
        {"latency_error_percent", "+-%", CLI_REAL, 0},
        {"order_of_magnitude", "*", CLI_BOOL, 0},
        {"energy_uj", "uJ", CLI_REAL, 0},
        {"energy_error_percent", "+-%", CLI_REAL, 0},
        {"cmsis_ms", "CMSIS ms", CLI_REAL, 1},
        {"cmsis_error_percent", "+-%", CLI_REAL, 0},
        {"why_not", "does not fit", CLI_TEXT, 0},
        {"basis", "time is from", CLI_TEXT, 0},
    };
    return cli_table_new(c, "targets", columns, BASE_COUNT(columns));
}

static void put_board(cli_table *t, const quant_target *target, const quant_estimate *e)
{
    cli_cell_text(t, target->name);
    cli_cell_int(t, e->fits);
    cli_cell_int(t, e->code);
    cli_cell_int(t, e->flash);
    cli_cell_real(t, e->flash_error);
    cli_cell_int(t, e->ram);
    cli_cell_real(t, e->ms);
    cli_cell_real(t, e->latency_error);
    cli_cell_int(t, target->rough);
    cli_cell_real(t, e->uj);
    cli_cell_real(t, e->energy_error);
    cli_cell_real(t, e->cmsis_ms);
    cli_cell_real(t, e->cmsis_error);
    cli_cell_text(t, e->why);
    cli_cell_text(t, target->basis);
}

static cli_table *layer_table(cli *c)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"layer", NULL, CLI_TEXT, 0},
                                         {"op", NULL, CLI_TEXT, 0},
                                         {"macs", "MACs", CLI_INT, 0},
                                         {"flash_bytes", "flash", CLI_INT, 0},
                                         {"ram_bytes", "RAM alive", CLI_INT, 0},
                                         {"latency_ms", "ms", CLI_REAL, 2},
                                         {"share", "of time", CLI_PERCENT, 0}};
    return cli_table_new(c, "layers", columns, BASE_COUNT(columns));
}

static void put_layers(cli_table *t, const quant_target *target, const quant_costs *costs,
                       const quant_estimate *e)
{
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *l = &costs->layer[i];
        if (l->is_input) continue;
        cli_cell_text(t, target->name);
        cli_cell_text(t, l->name);
        cli_cell_text(t, l->op);
        cli_cell_int(t, l->macs);
        cli_cell_int(t, e->layer[i].flash);
        cli_cell_int(t, e->layer[i].live);
        cli_cell_real(t, e->layer[i].ms);
        cli_cell_real(t, e->cycles > 0 ? e->layer[i].cycles / e->cycles : (double)NAN);
    }
}

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

static base_status put_boards(cli *c, const options *o, const quant_costs *costs, base_err *err)
{
    const char **names = NULL;
    size_t n = 0;
    quant_target target;
    quant_estimate e;
    BASE_TRY(wanted(o->target, &names, &n, err));
    cli_table *boards = board_table(c), *layers = o->layers ? layer_table(c) : NULL;
    base_status status = BASE_OK;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        status = quant_target_load(names[i], &target, err);
        if (status == BASE_OK) status = quant_estimate_run(costs, &target, &e, err);
        if (status != BASE_OK) break;
        if (i == 0) {
            cli_put_int(c, "macs", e.macs);
            cli_put_bytes(c, "weight_bytes", e.weights);
            cli_put_bytes(c, "table_bytes", e.tables);
            cli_put_bytes(c, "work_bytes", e.work);
            cli_put_bytes(c, "ram_bytes", e.ram);
        }
        put_board(boards, &target, &e);
        if (layers) put_layers(layers, &target, costs, &e);
        quant_estimate_free(&e);
    }
    free(names);
    return status;
}

/* ---- compiled and run ---- */

enum { MACHINES = 16 };

typedef struct measured {
    char core[QUANT_TEXT];
    quant_measured result;
} measured;

/* The first target of each core is measured, others of that core take it from there. */
static base_status measure_core(cli *c, const q8_model *m, const char *core, const char *opt,
                                measured *all, size_t *n, const quant_measured **found,
                                base_err *err)
{
    quant_machine machine;
    bool is;
    *found = NULL;
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(all[i].core, core)) *found = &all[i].result;
    if (*found || *n == MACHINES) return BASE_OK;
    BASE_TRY(quant_machine_of_core(core, &machine, &is, err));
    if (!is) return BASE_OK;
    measured *one = &all[*n];
    BASE_TRY(quant_measure(m, &machine, opt, cli_interrupt(c), &one->result, err));
    snprintf(one->core, sizeof one->core, "%s", core);
    ++*n;
    *found = &one->result;
    return BASE_OK;
}

static cli_table *measured_table(cli *c)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"machine", "ran on", CLI_TEXT, 0},
                                         {"opt", NULL, CLI_TEXT, 0},
                                         {"code_bytes", "code", CLI_BYTES, 1},
                                         {"table_bytes", "tables", CLI_BYTES, 1},
                                         {"flash_bytes", "flash", CLI_BYTES, 1},
                                         {"ram_bytes", "RAM", CLI_BYTES, 1},
                                         {"stack_bytes", "stack", CLI_BYTES, 1},
                                         {"instructions", NULL, CLI_INT, 0},
                                         {"instructions_per_second", "a second", CLI_INT, 0},
                                         {"basis", NULL, CLI_TEXT, 0}};
    return cli_table_new(c, "measured", columns, BASE_COUNT(columns));
}

static void put_measured(cli_table *t, const char *target, const char *opt, const quant_measured *r)
{
    cli_cell_text(t, target);
    cli_cell_text(t, r->machine);
    cli_cell_text(t, opt);
    cli_cell_int(t, r->code);
    cli_cell_int(t, r->tables);
    cli_cell_int(t, r->flash);
    cli_cell_int(t, r->ram);
    cli_cell_int(t, r->stack);
    cli_cell_int(t, r->instructions);
    if (r->second > 0)
        cli_cell_int(t, r->second);
    else
        cli_cell_text(t, NULL);
    cli_cell_text(t, "measured here");
}

static base_status measure_targets(cli *c, const options *o, const q8_model *m, measured *all,
                                   size_t *n, base_err *err)
{
    static const cli_column columns[] = {{"target", NULL, CLI_TEXT, 0},
                                         {"stage", NULL, CLI_TEXT, 0},
                                         {"instructions", NULL, CLI_INT, 0}};
    const char **names = NULL;
    size_t count = 0;
    quant_target target;
    BASE_TRY(wanted(o->target, &names, &count, err));
    cli_table *t = measured_table(c), *stages = NULL;
    if (o->layers) stages = cli_table_new(c, "measured_stages", columns, BASE_COUNT(columns));
    base_status status = BASE_OK;
    for (size_t i = 0; i < count && status == BASE_OK; i++) {
        const quant_measured *r = NULL;
        status = quant_target_load(names[i], &target, err);
        if (status == BASE_OK)
            status = measure_core(c, m, target.core_name, o->opt, all, n, &r, err);
        if (status == BASE_OK && !r)
            cli_say(c, "%s: no emulator of its core, %s", target.name, target.core_name);
        if (status != BASE_OK || !r) continue;
        put_measured(t, target.name, o->opt, r);
        for (size_t k = 0; stages && k < r->n_stages; k++) {
            cli_cell_text(stages, target.name);
            cli_cell_text(stages, r->stages[k].name);
            cli_cell_int(stages, r->stages[k].instructions);
        }
    }
    free(names);
    return status;
}

/* An int8 model of a file, or of an architecture that nobody trained. */
static base_status load_int8(cli *c, const char *what, q8_model **m, base_err *err)
{
    char *file = NULL;
    nn_graph *g = NULL;
    if (cli_is_net(what) || !base_exists(what)) {
        BASE_TRY(cli_graph(c, what, 0, &g, err));
        const base_status status = quant_untrained(g, m, err);
        nn_graph_free(g);
        return status;
    }
    BASE_TRY(nn_model_path(what, &file, err));
    const base_status status = q8_load(file, m, err);
    free(file);
    return status;
}

static base_status measure_model(cli *c, const options *o, base_err *err)
{
    q8_model *m = NULL;
    measured all[MACHINES] = {0};
    size_t n = 0;
    BASE_TRY(load_int8(c, c->args[0], &m, err));
    const base_status status = measure_targets(c, o, m, all, &n, err);
    for (size_t i = 0; i < n; i++) quant_measured_free(&all[i].result);
    q8_model_free(m);
    return status;
}

base_status cmd_estimate(cli *c, int argc, char **argv, base_err *err)
{
    options o = {.opt = "-O2"};
    const struct poptOption table[] = {
        {"target", 't', POPT_ARG_STRING, &o.target, 0,
         "boards, separated by commas, or files ending in .ini (all boards)", "NAME,..."},
        {"layers", 'l', POPT_ARG_NONE, &o.layers, 0, "also a table by layer", NULL},
        {"measure", 'm', POPT_ARG_NONE, &o.measure, 0,
         "also compile the int8 model and run it in the emulator of each core", NULL},
        {"opt", 0, POPT_ARG_STRING, &o.opt, 0, "-Os, -O2 or -O3, for --measure", "FLAG"},
        {"list", 0, POPT_ARG_NONE, &o.list, 0, "name the boards and stop", NULL},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
    static const char *const opts[] = {"-Os", "-O2", "-O3", NULL};
    int opt = 0;
    BASE_TRY(cli_check_choice("--opt", o.opt, opts, &opt, err));
    if (o.list) return put_list(c, err);
    if (c->nargs != 1) {
        base_fail(err, BASE_USAGE, "which model is missing");
        return base_hint(
            err, "give a model, a run directory, a .net file or the name of an architecture");
    }
    quant_costs costs = {0};
    BASE_TRY(costs_of(c, c->args[0], &costs, err));
    warn_of_guesses(c, &costs);
    base_status status = put_boards(c, &o, &costs, err);
    if (status == BASE_OK && o.measure) status = measure_model(c, &o, err);
    quant_costs_free(&costs);
    return status;
}
