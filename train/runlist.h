/* runlist: the runs directly in a folder, as `sotto runs ls` shows them. A folder of many has an
 * index beside them (train/runindex.h), so that only runs that changed are read again; what is
 * shown never depends on it.
 */
#ifndef TRAIN_RUNLIST_H
#define TRAIN_RUNLIST_H

#include "train/runinfo.h"

/* What tells that the folder of a run, its manifest.json and its metrics.jsonl are as they were:
 * inode, size, time of the last change of content and of anything, in ns. Every other file there is
 * replaced whole (train/rundir.h), which changes the folder. Zeros: no such file. */
typedef struct run_seal {
    int64_t part[3][4];
} run_seal;

typedef struct run_row {
    char *name; /* of the folder */
    rundir_state state;
    char note[128];
    run_summary summary;
    run_seal seal;
} run_row;

typedef struct runlist {
    run_row *rows; /* by name */
    size_t n, cap;
} runlist;

/* BASE_DATA when there is no such folder. Release with runlist_free, also on failure. */
base_status runlist_read(const char *folder, runlist *list, base_err *err);
/* One run: name is not set. */
void runlist_look(const char *path, run_row *row);
void runlist_free(runlist *list);

#endif
