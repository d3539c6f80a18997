/* sotto model show: an architecture as graph text, to start a .net file from. */
#include "nn/nn.h"
#include "train/cli.h"

base_status cmd_model_show(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "NAME",
                           .about =
                               "Classes are those of data.keywords with _unknown_ and _silence_.\n"
                               "`sotto train model.file=my.net` trains what you make of it.",
                           .min_args = 1,
                           .max_args = 1,
                           .output = "the .net file to write",
                           .takes = CLI_OVERRIDES};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    base_str text = {0};
    nn_graph *g;
    BASE_TRY(cli_graph(c, c->args[0], 0, &g, err));
    nn_print(g, &text);
    nn_graph_free(g);
    base_status status = text.failed ? base_nomem(err, text.len) : BASE_OK;
    if (status == BASE_OK && c->output)
        status = base_write_file(c->output, text.s, text.len, err);
    else if (status == BASE_OK && fwrite(text.s, 1, text.len, stdout) != text.len)
        status = base_fail(err, BASE_FAILED, "cannot write to stdout");
    base_str_free(&text);
    return status;
}
