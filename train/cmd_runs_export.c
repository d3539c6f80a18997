/* sotto runs export: runs for other trackers. */
#include "train/cli.h"
#include "train/runexport.h"

#include <string.h>

static base_status export(cli *c, bool epochs, base_err *err)
{
    run_exports e = {0};
    base_status status = BASE_OK;
    if (c->nargs == 0) status = run_exports_add(&e, "runs", err);
    for (int i = 0; status == BASE_OK && i < c->nargs; i++)
        status = run_exports_add(&e, c->args[i], err);
    if (status == BASE_OK && e.n == 0) {
        status = base_fail(err, BASE_DATA, "there is no run to export");
        base_hint(err, "`sotto runs ls` shows those there are");
    }
    if (status == BASE_OK) {
        if (strcmp(c->writes, "csv") == 0)
            status = run_exports_csv(&e, epochs, c->output, err);
        else if (strcmp(c->writes, "optuna") == 0)
            status = run_exports_optuna(&e, c->output, err);
        else
            status = run_exports_mlflow(&e, c->output, err);
    }
    if (status == BASE_OK) {
        cli_put_text(c, "output", c->output);
        cli_put_int(c, "runs", (int64_t)e.n);
    }
    run_exports_free(&e);
    return status;
}

base_status cmd_runs_export(cli *c, int argc, char **argv, base_err *err)
{
    static const char *const kinds[] = {"csv", "mlflow", "optuna", NULL};
    int epochs = 0;
    const struct poptOption options[] = {{"epochs", 0, POPT_ARG_NONE, &epochs, 0,
                                          "csv: a row an epoch instead of a row a run", NULL},
                                         POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "[FOLDER|RUN ...]",
        .about =
            "csv: a table of runs, settings and results.\n"
            "mlflow: a tracking folder (mlflow ui --backend-store-uri PATH).\n"
            "optuna: the journal of a study, a trial a run, settings that differ as parameters\n"
            "(JournalStorage(JournalFileBackend(\"PATH\"))).\n"
            "Looks at runs/ when nothing is given; damaged runs without config.ini are left "
            "out.",
        .max_args = -1,
        .output = "the file (csv, optuna) or folder (mlflow) to write",
        .takes = CLI_OUTPUT_NEEDED,
        .writes = kinds,
        .format = "what to write"};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    if (!c->writes) {
        base_fail(err, BASE_USAGE, "--format is missing: csv, mlflow or optuna");
        return base_hint(err, "for example --format csv");
    }
    if (epochs && strcmp(c->writes, "csv") != 0)
        return base_fail(err, BASE_USAGE, "--epochs goes with --format csv");
    return export(c, epochs != 0, err);
}
