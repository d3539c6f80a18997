/* sotto model cost: parameters, multiply-accumulates and memory of an architecture. */
#include "nn/op.h"
#include "quantize/costs.h"
#include "train/cli.h"

static const cli_spec spec = {
    .usage = "NAME|ARCH.net",
    .about = "What one inference of a model costs, trained or not. weight_bytes and\n"
             "activation_bytes are those of the int8 model; activations are the input, the output\n"
             "and a work buffer in which values that live at different times share their place.\n"
             "`sotto estimate` adds what a board makes of it.",
    .min_args = 1,
    .max_args = 1,
    .takes = CLI_OVERRIDES,
};

static int64_t trainable(const nn_node *n)
{
    int64_t count = 0;
    for (int k = 0; k < n->n_params; k++)
        if (nn_role_trained(n->param[k].role)) count += (int64_t)n->param[k].count;
    return count;
}

static void put_layers(cli *c, const nn_graph *g)
{
    static const cli_column columns[] = {
        {"name", NULL, CLI_TEXT, 0},  {"op", NULL, CLI_TEXT, 0},
        {"shape", NULL, CLI_TEXT, 0}, {"parameters", NULL, CLI_INT, 0},
        {"macs", "MACs", CLI_INT, 0}, {"outputs", NULL, CLI_INT, 0}};
    cli_table *t = cli_table_new(c, "layers", columns, BASE_COUNT(columns));
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        char shape[64];
        const nn_node *n = nn_graph_node(g, i);
        nn_cost cost = nn_node_cost(n);
        cli_cell_text(t, n->name);
        cli_cell_text(t, n->op->name);
        cli_cell_text(t, nn_shape_text(n->shape, shape));
        cli_cell_int(t, trainable(n));
        cli_cell_int(t, cost.macs);
        cli_cell_int(t, cost.outputs);
    }
}

static base_status put_cost(cli *c, const nn_graph *g, bool layers, base_err *err)
{
    quant_costs costs;
    quant_memory int8, real;
    BASE_TRY(quant_costs_of_graph(g, &costs, err));
    base_status status = quant_memory_of(&costs, 1, &int8, err);
    if (status == BASE_OK) status = quant_memory_of(&costs, sizeof(float), &real, err);
    quant_costs_free(&costs);
    if (status != BASE_OK) return status;
    cli_put_int(c, "parameters", (int64_t)nn_graph_trainable(g));
    cli_put_int(c, "macs", nn_graph_cost(g).macs);
    cli_put_bytes(c, "weight_bytes", nn_graph_cost(g).weights);
    cli_put_bytes(c, "activation_bytes", int8.ram);
    cli_put_bytes(c, "activation_bytes_float", real.ram);
    if (layers) put_layers(c, g);
    return BASE_OK;
}

base_status cmd_model_cost(cli *c, int argc, char **argv, base_err *err)
{
    int layers = 0, classes = 0;
    const struct poptOption options[] = {
        {"layers", 'l', POPT_ARG_NONE, &layers, 0, "also a table by node", NULL},
        {"classes", '\0', POPT_ARG_INT, &classes, 0,
         "outputs (0: data.keywords, _unknown_ and _silence_)", "N"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--classes", classes, 0, 65536, err));
    nn_graph *g;
    BASE_TRY(cli_graph(c, c->args[0], classes, &g, err));
    base_status status = put_cost(c, g, layers != 0, err);
    nn_graph_free(g);
    return status;
}
