/* manifest: what a run is made of, as manifest.json: data, model, seed, machine, command. */
#ifndef TRAIN_MANIFEST_H
#define TRAIN_MANIFEST_H

#include "train/rundir.h"
#include "train/session.h"

base_status manifest_write(const session *s, const rundir *run, const char *command, int threads,
                           base_err *err);
/* Whether what s has opened is what the run's manifest speaks of: clips of the pack, teacher.
 * BASE_DATA with both values when not. A run without a manifest passes. */
base_status manifest_check(const session *s, const rundir *run, base_err *err);

#endif
