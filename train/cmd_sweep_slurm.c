/* sotto sweep slurm: a job array of workers. */
#include "data/process.h"
#include "train/cli.h"
#include "train/cmd_worker.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    int workers, cpus, print;
    const char *options; /* of sbatch, besides; NULL: none */
} job;

/* The batch script; dir by its full path. */
static base_status write_script(const job *j, const char *dir, base_str *script, base_err *err)
{
    char full[PATH_MAX];
    base_str worker = {0};
    base_status status = cmd_worker_command(dir, j->cpus, &worker, err);
    if (status != BASE_OK || !realpath(dir, full)) {
        base_str_free(&worker);
        return status == BASE_OK ? base_fail(err, BASE_FAILED, "no path '%s'", dir) : status;
    }
    base_str_add(script,
                 "#!/bin/sh\n"
                 "#SBATCH --job-name=sotto-sweep\n"
                 "#SBATCH --array=1-%d\n"
                 "#SBATCH --cpus-per-task=%d\n"
                 "#SBATCH --requeue\n"
                 "#SBATCH --output=\"%s/slurm-%%A_%%a.log\"\n",
                 j->workers, j->cpus, full);
    if (j->options) base_str_add(script, "#SBATCH %s\n", j->options);
    base_str_add(script, "exec %s\n", worker.s);
    base_str_free(&worker);
    return script->failed ? base_nomem(err, script->len) : BASE_OK;
}

/* The number of the job that the script became. */
static base_status submit(cli *c, const char *path, base_err *err)
{
    const char *const argv[] = {"sbatch", "--parsable", path, NULL};
    base_str out = {0}, errors = {0};
    int code = 0;
    const data_process sbatch = {.argv = argv, .out = &out, .errors = &errors};
    if (!data_process_found("sbatch")) {
        base_fail(err, BASE_FAILED, "sbatch is not installed; '%s' is written", path);
        return base_hint(err, "apt-get install slurm-client, or submit it where Slurm is");
    }
    base_status status = data_process_run(&sbatch, &code, err);
    if (status == BASE_OK && code != 0)
        status = base_fail(err, BASE_FAILED, "%.400s", data_process_last_line(&errors));
    if (status == BASE_OK) cli_put_text(c, "job", data_process_last_line(&out));
    base_str_free(&out);
    base_str_free(&errors);
    return status;
}

base_status cmd_sweep_slurm(cli *c, int argc, char **argv, base_err *err)
{
    job j = {.workers = 8, .cpus = 1};
    const struct poptOption options[] = {
        {"workers", 'w', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &j.workers, 0,
         "tasks of the array: trainings at once", "N"},
        {"cpus", '\0', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &j.cpus, 0,
         "of a worker, which has as many threads", "N"},
        {"options", '\0', POPT_ARG_STRING, &j.options, 0,
         "of sbatch: \"--partition=long --time=4:00:00\"", "TEXT"},
        {"print", '\0', POPT_ARG_NONE, &j.print, 0, "show the script, submit nothing", NULL},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "SWEEP",
        .about = "Writes SWEEP/slurm.sh, a job array of workers, and gives it to sbatch. All that\n"
                 "they share is the sweep's folder, on a file system with locks. A worker that is\n"
                 "stopped, requeued or lost leaves its trial to the others.",
        .min_args = 1,
        .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--workers", j.workers, 1, 10000, err));
    BASE_TRY(cli_check_range("--cpus", j.cpus, 1, 1024, err));
    base_str script = {0};
    base_status status = write_script(&j, c->args[0], &script, err);
    if (status == BASE_OK && j.print) {
        fputs(script.s, stdout);
    } else if (status == BASE_OK) {
        char *path = base_path(c->args[0], "slurm.sh");
        status = path ? base_write_file(path, script.s, script.len, err) : base_nomem(err, 1);
        if (status == BASE_OK) cli_put_text(c, "script", path);
        if (status == BASE_OK) status = submit(c, path, err);
        free(path);
    }
    base_str_free(&script);
    return status;
}
