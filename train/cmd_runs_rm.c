/* sotto runs rm: remove runs. All of them are looked at before the first one goes. */
#include "train/cli.h"
#include "train/rundir.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line of standard input that begins with y. */
static bool agreed(const cli *c)
{
    char line[16] = "";
    if (c->nargs == 1)
        fprintf(stderr, "remove '%s'? [y/N] ", c->args[0]);
    else
        fprintf(stderr, "remove %d runs? [y/N] ", c->nargs);
    fflush(stderr);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static base_status ask(const cli *c, base_err *err)
{
    if (!isatty(STDIN_FILENO)) {
        base_fail(err, BASE_USAGE, "not removed: there is no terminal to ask on");
        return base_hint(err, "add --yes");
    }
    if (agreed(c)) return BASE_OK;
    return base_fail(err, BASE_FAILED, "nothing was removed");
}

static base_status remove_runs(cli *c, rundir *runs, bool yes, base_err *err)
{
    static const cli_column columns[] = {{"removed", NULL, CLI_TEXT, 0}};
    for (int i = 0; i < c->nargs; i++) BASE_TRY(rundir_open_to_remove(c->args[i], &runs[i], err));
    if (!yes) BASE_TRY(ask(c, err));
    cli_table *t = cli_table_new(c, "runs", columns, 1);
    for (int i = 0; i < c->nargs; i++) {
        BASE_TRY(rundir_remove(&runs[i], err));
        cli_cell_text(t, c->args[i]);
    }
    return BASE_OK;
}

base_status cmd_runs_rm(cli *c, int argc, char **argv, base_err *err)
{
    int yes = 0;
    const struct poptOption options[] = {{"yes", 'y', POPT_ARG_NONE, &yes, 0, "do not ask", NULL},
                                         POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "RUN ...",
        .about =
            "Removes run directories with all that is in them, after asking. Nothing is removed\n"
            "when one of them is no run, is running, is a link or holds other runs.",
        .min_args = 1,
        .max_args = -1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    rundir *runs = base_alloc((size_t)c->nargs, sizeof *runs);
    if (!runs) return base_nomem(err, (size_t)c->nargs * sizeof *runs);
    for (int i = 0; i < c->nargs; i++) runs[i].lock = -1;
    const base_status status = remove_runs(c, runs, yes != 0, err);
    for (int i = 0; i < c->nargs; i++) rundir_close(&runs[i]);
    base_free(runs);
    return status;
}
