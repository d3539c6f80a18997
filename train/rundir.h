/* rundir: the folder of one training run, one writer at a time.
 *
 *   manifest.json   what was trained on what: data, model, seed, machine
 *   config.ini      the resolved config; with it the run has begun
 *   metrics.jsonl   one line an epoch
 *   checkpoint.h5   everything that resuming needs, as of some moment
 *   best.h5         the model with the best validation accuracy so far
 *   model.h5        the final model
 *   lock            held (flock) while a process writes here
 *   DONE | FAILED | INTERRUPTED   how it ended; none of them: running, or killed
 *
 * Every file but metrics.jsonl and lock is replaced whole. metrics.jsonl is appended to; resuming
 * drops lines after the checkpoint, and a last line cut by a crash.
 */
#ifndef TRAIN_RUNDIR_H
#define TRAIN_RUNDIR_H

#include "nn/base.h"

typedef enum rundir_state {
    RUN_DONE,
    RUN_FAILED,
    RUN_INTERRUPTED, /* stopped or killed; resumes */
    RUN_RUNNING,
    RUN_DAMAGED, /* not readable as a run: see the note */
} rundir_state;
const char *rundir_state_name(rundir_state s);

typedef struct rundir {
    char *path;
    int lock; /* descriptor */
} rundir;

/* A new run: the folder is made, or one whose training was killed before it had a config is taken;
 * BASE_USAGE when it already holds a run, BASE_AGAIN while another process begins one. Locked until
 * rundir_close. */
base_status rundir_create(const char *path, rundir *run, base_err *err);
/* An existing one, to go on with it. BASE_DATA when there is none, BASE_AGAIN while another process
 * writes to it. */
base_status rundir_reopen(const char *path, rundir *run, base_err *err);
void rundir_close(rundir *run);
/* Nothing worth keeping was written: remove the files and the folder again. */
void rundir_discard(rundir *run);

/* An existing one, to be removed: as rundir_reopen, but BASE_USAGE for a link and for a folder that
 * holds other runs. */
base_status rundir_open_to_remove(const char *path, rundir *run, base_err *err);
/* Remove it with all that is in it, never what a link in it leads to; it is closed then. */
base_status rundir_remove(rundir *run, base_err *err);

char *rundir_file(const rundir *run, const char *name); /* path of a file; freed with free() */
base_status rundir_write(const rundir *run, const char *name, const char *text, base_err *err);
base_status rundir_append(const rundir *run, const char *line, base_err *err); /* metrics.jsonl */
/* Keep the first `lines` whole lines of metrics.jsonl. */
base_status rundir_rewind(const rundir *run, size_t lines, base_err *err);
/* Whether the run in path was begun with this config, to the byte; BASE_USAGE when not. */
base_status rundir_check_config(const char *path, const char *text, base_err *err);
/* Leave the sentinel of this state (DONE, FAILED, INTERRUPTED) with text inside, remove others. */
base_status rundir_end(const rundir *run, rundir_state state, const char *text, base_err *err);
base_status rundir_clear_end(const rundir *run, base_err *err);

/* State of a folder that may be a run, without taking its lock for longer than a look. note says
 * what is wrong with a damaged one (128 bytes). */
rundir_state rundir_look(const char *path, char note[128]);
/* The two halves of it: whether a process writes there, and the state when none does. */
bool rundir_is_locked(const char *path);
rundir_state rundir_at_rest(const char *path, char note[128]);
bool rundir_is_run(const char *path);  /* has a config.ini or a lock */
bool rundir_resumes(const char *path); /* has a config.ini; without it, it is begun again */

#endif
