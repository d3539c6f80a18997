/* What the commands share that begin workers of a sweep. */
#ifndef TRAIN_CMD_WORKER_H
#define TRAIN_CMD_WORKER_H

#include "train/sweep.h"

/* The judge of sweeps: what a board of [target] makes of the net that the values ask for,
 * untrained, with its front-end and post-processing, and macs and parameters, against the limits of
 * [gates]. Values that no net can be built of are rejected too. Keys without a section are the
 * caller's own.
 */
base_status cmd_worker_judge(const sweep *s, const json_t *values, json_t **costs,
                             char reason[SWEEP_TEXT], base_err *err);

/* One word of a shell's line, quoted where it must be. */
void cmd_worker_word(base_str *out, const char *word);
/* A worker's command for a shell, by full paths: this program, the sweep, threads. BASE_DATA when
 * there is no sweep in dir. */
base_status cmd_worker_command(const char *dir, int threads, base_str *out, base_err *err);

#endif
