/* sotto model list: the zoo. */
#include "train/cli.h"
#include "train/zoo.h"

base_status cmd_model_list(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "",
                           .about = "Sizes are for the features named and 10 classes."};
    static const cli_column columns[] = {
        {"name", NULL, CLI_TEXT, 0},      {"width", NULL, CLI_REAL, 3},
        {"parameters", NULL, CLI_INT, 0}, {"macs", "MACs", CLI_INT, 0},
        {"features", NULL, CLI_TEXT, 0},  {"summary", NULL, CLI_TEXT, 0},
        {"source", NULL, CLI_TEXT, 0},
    };
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    cli_table *t = cli_table_new(c, "models", columns, BASE_COUNT(columns));
    for (int i = 0; i < zoo_n_models; i++) {
        const zoo_model *m = zoo_models[i];
        nn_graph *g;
        BASE_TRY(zoo_build_default(m, 10, &g, err));
        cli_cell_text(t, m->name);
        cli_cell_real(t, m->width[ZOO_S]);
        cli_cell_int(t, (int64_t)nn_graph_trainable(g));
        cli_cell_int(t, nn_graph_cost(g).macs);
        cli_cell_text(t, m->features);
        cli_cell_text(t, m->summary);
        cli_cell_text(t, m->source);
        nn_graph_free(g);
    }
    return BASE_OK;
}
