/* runinfo: what the files of a run directory say, for commands that show, compare and list runs.
 * Nothing here takes a lock or fails on a damaged run: what cannot be read is absent.
 */
#ifndef TRAIN_RUNINFO_H
#define TRAIN_RUNINFO_H

#include "train/rundir.h"

struct json_t;

typedef struct run_key {
    char *name, *value; /* "train.lr", "0.001" */
} run_key;

typedef struct run_file {
    char *name;
    int64_t bytes;
} run_file;

typedef struct runinfo {
    rundir_state state;
    char note[128];          /* why it is damaged, or what FAILED and INTERRUPTED say */
    struct json_t *manifest; /* object; NULL: none, as for the others */
    struct json_t *result;   /* object of DONE */
    struct json_t *curve;    /* array: the lines of metrics.jsonl */
    run_key *keys;           /* of config.ini, in its order */
    size_t n_keys, keys_cap;
    run_file *files; /* of the folder, by name */
    size_t n_files;
} runinfo;

/* BASE_DATA when there is no run in `path`. Release with runinfo_close, also on failure. */
base_status runinfo_open(const char *path, runinfo *r, base_err *err);
void runinfo_close(runinfo *r);

/* Value of a key of config.ini, or NULL. */
const char *runinfo_key(const runinfo *r, const char *name);
/* A number of an object; NaN when o is NULL or has none of that name. */
double runinfo_number(const struct json_t *o, const char *name);
/* The last line of metrics.jsonl, or NULL. */
const struct json_t *runinfo_last(const runinfo *r);

/* What a list of runs shows. */
typedef struct run_summary {
    char model[64];            /* architecture or file; "": not known */
    char started[32];          /* UTC, ISO 8601 */
    int64_t epoch;             /* of the last line of metrics.jsonl; 0: none */
    double loss, val_accuracy; /* of that line; NaN: none */
} run_summary;
/* From manifest.json and the end of metrics.jsonl. */
void run_summarize(const char *path, run_summary *s);

#endif
