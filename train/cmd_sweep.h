/* What the commands of `sotto sweep` share. */
#ifndef TRAIN_CMD_SWEEP_H
#define TRAIN_CMD_SWEEP_H

#include "train/sweep.h"

/* The judge of sweeps: what a board of [target] makes of the net that the values ask for,
 * untrained, with its front-end and post-processing, and macs and parameters, against the limits of
 * [gates]. Values that no net can be built of are rejected too. Keys without a section are the
 * caller's own.
 */
base_status cmd_sweep_judge(const sweep *s, const json_t *values, json_t **costs,
                            char reason[SWEEP_TEXT], base_err *err);

#endif
