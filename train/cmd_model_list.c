/* sotto model list: the zoo. */
#include "train/cli.h"
#include "train/zoo.h"

static base_status put_model(cli_table *t, const zoo_model *m, zoo_size size, base_err *err)
{
    nn_graph *g;
    BASE_TRY(zoo_build_default(m, size, 10, &g, err));
    cli_cell_text(t, m->name);
    cli_cell_text(t, zoo_sizes[size]);
    cli_cell_real(t, m->width[size]);
    cli_cell_int(t, (int64_t)nn_graph_trainable(g));
    cli_cell_int(t, nn_graph_cost(g).macs);
    cli_cell_text(t, zoo_features(m, size));
    cli_cell_text(t, m->summary);
    cli_cell_text(t, m->source);
    nn_graph_free(g);
    return BASE_OK;
}

base_status cmd_model_list(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "",
                           .about =
                               "Parameters and MACs are for the features named and 10 "
                               "classes.\nmodel.size=m takes another size of an architecture."};
    static const cli_column columns[] = {
        {"name", NULL, CLI_TEXT, 0},    {"size", NULL, CLI_TEXT, 0},
        {"width", NULL, CLI_REAL, 0},   {"parameters", NULL, CLI_INT, 0},
        {"macs", "MACs", CLI_INT, 0},   {"features", NULL, CLI_TEXT, 0},
        {"summary", NULL, CLI_TEXT, 0}, {"source", NULL, CLI_TEXT, 0},
    };
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    cli_table *t = cli_table_new(c, "models", columns, BASE_COUNT(columns));
    for (int i = 0; i < zoo_n_models; i++)
        for (int size = 0; size < ZOO_SIZES; size++)
            if (zoo_has_size(zoo_models[i], (zoo_size)size))
                BASE_TRY(put_model(t, zoo_models[i], (zoo_size)size, err));
    return BASE_OK;
}
