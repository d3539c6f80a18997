/* runindex: the file .index.sqlite beside many runs: what a list shows of each, so that a run that
 * did not change is not read again. Derived: it can be deleted at any time.
 *
 * The file is read whole and replaced whole (SQLite works on its image in memory), so readers and
 * writers need no locks and never see half of it. A row carries a CRC-32 of all that it says; what
 * is damaged is left out and read from the run again. Where the folder cannot be written there is
 * no index.
 */
#ifndef TRAIN_RUNINDEX_H
#define TRAIN_RUNINDEX_H

#include "train/runlist.h"

/* Rows by name; none where the file is absent, damaged or of another version. */
void runindex_read(const char *folder, runlist *rows);
/* Failure leaves what was there. */
void runindex_write(const char *folder, const runlist *rows);

#endif
