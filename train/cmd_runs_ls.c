/* sotto runs ls: the runs below some folders. */
#include "train/cli.h"
#include "train/runinfo.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static void add_run(cli_table *t, const char *dir)
{
    char note[128];
    const rundir_state state = rundir_look(dir, note);
    run_summary s;
    run_summarize(dir, &s);
    cli_cell_text(t, dir);
    cli_cell_text(t, s.model[0] ? s.model : NULL);
    cli_cell_text(t, rundir_state_name(state));
    if (s.epoch > 0)
        cli_cell_int(t, s.epoch);
    else
        cli_cell_text(t, NULL);
    cli_cell_real(t, s.loss);
    cli_cell_real(t, s.val_accuracy);
    cli_cell_text(t, s.started[0] ? s.started : NULL);
    cli_cell_text(t, note);
}

/* dir itself when it is a run, else the runs directly inside it, by name. */
static base_status add_folder(cli_table *t, const char *dir, base_err *err)
{
    if (rundir_is_run(dir)) {
        add_run(t, dir);
        return BASE_OK;
    }
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);
    if (n < 0) {
        base_fail(err, BASE_DATA, "there is no folder '%s'", dir);
        return base_hint(err, "name the folder that holds the runs, for example the parent of -o");
    }
    for (int i = 0; i < n; i++) {
        char *path = base_path(dir, list[i]->d_name);
        if (path && list[i]->d_name[0] != '.' && rundir_is_run(path)) add_run(t, path);
        free(path);
        free(list[i]);
    }
    free(list);
    return BASE_OK;
}

base_status cmd_runs_ls(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "[FOLDER|RUN ...]",
                           .about =
                               "Looks at runs/ when no folder is given. An interrupted run goes "
                               "on with `sotto train --resume`.",
                           .max_args = -1};
    static const cli_column columns[] = {
        {"run", NULL, CLI_TEXT, 0},     {"model", NULL, CLI_TEXT, 0},
        {"state", NULL, CLI_TEXT, 0},   {"epoch", NULL, CLI_INT, 0},
        {"loss", NULL, CLI_REAL, 4},    {"val_accuracy", "validation", CLI_PERCENT, 2},
        {"started", NULL, CLI_TEXT, 0}, {"note", NULL, CLI_TEXT, 0},
    };
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    cli_table *t = cli_table_new(c, "runs", columns, BASE_COUNT(columns));
    if (c->nargs == 0) return add_folder(t, "runs", err);
    for (int i = 0; i < c->nargs; i++) BASE_TRY(add_folder(t, c->args[i], err));
    return BASE_OK;
}
