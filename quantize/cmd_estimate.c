/* sotto estimate: flash, RAM, time and energy of a model on boards. */
#include "nn/nn.h"
#include "quantize/estimate.h"
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
    int layers, list;
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

base_status cmd_estimate(cli *c, int argc, char **argv, base_err *err)
{
    options o = {0};
    const struct poptOption table[] = {
        {"target", 't', POPT_ARG_STRING, &o.target, 0,
         "boards, separated by commas, or files ending in .ini (all boards)", "NAME,..."},
        {"layers", 'l', POPT_ARG_NONE, &o.layers, 0, "also a table by layer", NULL},
        {"list", 0, POPT_ARG_NONE, &o.list, 0, "name the boards and stop", NULL},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
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
    quant_costs_free(&costs);
    return status;
}
