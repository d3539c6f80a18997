/* runexport: runs in the formats of other trackers. Everything is written complete or not at all.
 */
#ifndef TRAIN_RUNEXPORT_H
#define TRAIN_RUNEXPORT_H

#include "train/runinfo.h"

typedef struct run_export {
    char *path; /* of the run; its name in what is written */
    runinfo info;
} run_export;

typedef struct run_exports {
    run_export *runs;
    size_t n, cap;
} run_exports;

/* A run, or the runs in a folder; those without config.ini (damaged) are left out. */
base_status run_exports_add(run_exports *e, const char *path, base_err *err);
void run_exports_free(run_exports *e);

/* A row a run: state, result, last epoch, data, every setting; or a row an epoch (RFC 4180). */
base_status run_exports_csv(const run_exports *e, bool epochs, const char *path, base_err *err);
/* The journal of a study (optuna.storages.JournalStorage) that maximizes the validation accuracy:
 * a trial a run, with its settings that differ between the runs as parameters and the accuracy of
 * its epochs as intermediate values. */
base_status run_exports_optuna(const run_exports *e, const char *path, base_err *err);
/* A tracking folder ("mlruns") with one experiment. BASE_USAGE when there is something in path. */
base_status run_exports_mlflow(const run_exports *e, const char *path, base_err *err);

/* Seconds since 1970 when it began, when an epoch of the curve ended, and the last one; 0: not
 * known. None is before it began, as it would be where the clock was set back. */
double run_export_start(const run_export *r);
double run_export_time(const run_export *r, const struct json_t *line);
double run_export_end(const run_export *r);

#endif
