/* events: the file events.out.tfevents.* of a run, which TensorBoard shows: scalars an epoch, the
 * settings (hparams) and at the end the confusion matrix as a picture. Steps are epochs.
 *
 * The file is a function of config.ini, manifest.json and metrics.jsonl: a record is appended an
 * epoch, so TensorBoard can follow; a run that goes on first cuts what is not of the epochs that it
 * keeps, and where the file is not what it must be (damaged, deleted) it is written again. Hence
 * after any crash every epoch is there once.
 *
 * Records: length, masked CRC-32C of it, an Event (protobuf), masked CRC-32C of that
 * (tensorflow/core/lib/io/record_writer.h; tensorboard/compat/proto/event.proto).
 */
#ifndef TRAIN_EVENTS_H
#define TRAIN_EVENTS_H

#include "nn/base.h"

struct json_t;

/* The file of run directory `dir` holds the first `epochs` epochs and nothing else. */
base_status events_open(const char *dir, size_t epochs, base_err *err);
/* One epoch: a line of metrics.jsonl. */
base_status events_epoch(const char *dir, const struct json_t *line, base_err *err);
/* How the run ended, with the picture of confusion.json when there is one. */
base_status events_end(const char *dir, bool done, base_err *err);

#endif
