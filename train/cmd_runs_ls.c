/* sotto runs ls: the runs below some folders. */
#include "train/cli.h"
#include "train/runlist.h"

#include <stdlib.h>

static void put_row(cli_table *t, const char *path, const run_row *r)
{
    const run_summary *s = &r->summary;
    cli_cell_text(t, path);
    cli_cell_text(t, s->model[0] ? s->model : NULL);
    cli_cell_text(t, rundir_state_name(r->state));
    if (s->epoch > 0)
        cli_cell_int(t, s->epoch);
    else
        cli_cell_text(t, NULL);
    cli_cell_real(t, s->loss);
    cli_cell_real(t, s->val_accuracy);
    cli_cell_text(t, s->started[0] ? s->started : NULL);
    cli_cell_text(t, r->note);
}

/* dir itself when it is a run, else the runs directly inside it, by name. */
static base_status put_folder(cli_table *t, const char *dir, base_err *err)
{
    if (rundir_is_run(dir)) {
        run_row row = {0};
        runlist_look(dir, &row);
        put_row(t, dir, &row);
        return BASE_OK;
    }
    runlist list;
    base_status status = runlist_read(dir, &list, err);
    for (size_t i = 0; status == BASE_OK && i < list.n; i++) {
        char *path = base_path(dir, list.rows[i].name);
        if (path)
            put_row(t, path, &list.rows[i]);
        else
            status = base_nomem(err, 1);
        free(path);
    }
    runlist_free(&list);
    return status;
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
    if (c->nargs == 0) return put_folder(t, "runs", err);
    for (int i = 0; i < c->nargs; i++) BASE_TRY(put_folder(t, c->args[i], err));
    return BASE_OK;
}
