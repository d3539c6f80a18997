/* sotto sweep parallel: a line of GNU parallel. */
#include "train/cli.h"
#include "train/cmd_worker.h"

#include <stdio.h>

base_status cmd_sweep_parallel(cli *c, int argc, char **argv, base_err *err)
{
    int workers = 8;
    const char *hosts = NULL;
    const struct poptOption options[] = {
        {"workers", 'w', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &workers, 0, "trainings at once",
         "N"},
        {"hosts", '\0', POPT_ARG_STRING, &hosts, 0,
         "over ssh on these, which see program and sweep by the same paths", "HOST,..."},
        POPT_TABLEEND};
    const cli_spec spec = {.usage = "SWEEP",
                           .about = "Prints a line that starts workers of the sweep; to run it:\n"
                                    "  sotto sweep parallel s --workers 4 | sh",
                           .min_args = 1,
                           .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--workers", workers, 1, 10000, err));
    base_str worker = {0}, where = {0};
    base_status status = cmd_worker_command(c->args[0], 1, &worker, err);
    if (hosts) {
        base_str_add(&where, " --sshlogin ");
        cmd_worker_word(&where, hosts);
    }
    base_str line = {0};
    if (status == BASE_OK) cmd_worker_word(&line, worker.s);
    if (status == BASE_OK && (line.failed || where.failed)) status = base_nomem(err, line.len);
    if (status == BASE_OK)
        printf("seq %d | parallel -N0 -j %d --line-buffer%s %s\n", workers, workers,
               where.s ? where.s : "", line.s);
    base_str_free(&worker);
    base_str_free(&where);
    base_str_free(&line);
    return status;
}
