/* train: a run from its settings to its final model.
 *
 * Everything random is a pure function of the seed, the epoch and the sample, gradients are summed
 * in a fixed order, and a checkpoint holds all that changes: the weights after N steps are the same
 * bits for 1 or n threads, and for a run that was stopped and resumed.
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "train/rundir.h"
#include "train/setup.h"

#include <signal.h>

/* One finished epoch; numbers over the augmented training clips are of the weights as they
 * changed. */
typedef struct train_epoch {
    int64_t epoch, epochs; /* 1-based */
    double lr, loss, accuracy;
    bool validated;
    double val_loss, val_accuracy;
    bool best;
    double seconds, clips_per_s;
} train_epoch;

typedef struct train_progress {
    int64_t done, total; /* clips, of the whole training */
    int64_t epoch, epochs;
    double loss, accuracy; /* so far in this epoch */
} train_progress;

typedef struct train_hooks {
    void *ctx;
    void (*step)(void *ctx, const train_progress *p); /* may be NULL */
    void (*epoch)(void *ctx, const train_epoch *e);   /* may be NULL */
    void (*note)(void *ctx, const char *text);        /* one line about the run; may be NULL */
    const volatile sig_atomic_t *stop;                /* may be NULL */
    /* train.qat: whether [quantize] fits this graph, before it is trained in float */
    base_status (*check)(void *ctx, const train_setup *s, const nn_graph *g, base_err *err);
    /* train.qat: int8 of s->train.init, alive until the next call or the end of train_run's caller
     */
    base_status (*simulate)(void *ctx, const train_setup *s, const train_int8 **int8,
                            base_err *err);
    int threads;
} train_hooks;

typedef struct train_result {
    int64_t epochs, best_epoch, clips, parameters, macs;
    double loss, accuracy, val_accuracy; /* of the model that was kept: validation */
    int64_t val_clips;
    double seconds, clips_per_s;
} train_result;

/* Where a run goes and what it says of itself. */
typedef struct train_output {
    const char *dir;         /* the run directory, made by train_run */
    const char *config_text; /* config.ini: resolved, reads back to the setup */
    const char *command;     /* the command line, for the manifest; may be NULL */
    int64_t until;           /* epochs of the whole run after which it is left to be resumed, by the
                              * schedule of all of them; 0: trained to the end */
    bool resume;             /* the directory is there: go on from its checkpoint, or from the
                              * start when there is none yet */
} train_output;

/* Train a run; with train.qat quantize.epochs with simulated int8, from train.init on or, without,
 * from what training in float before gives (file float.h5 in the run's folder). Whatever is wrong
 * with settings or data is found before the directory is made; afterwards it ends in DONE, FAILED
 * or INTERRUPTED (also when out->until was reached: BASE_OK then). BASE_INTERRUPTED when *stop
 * became nonzero, after a checkpoint; BASE_MISMATCH when the loss is no longer finite. */
base_status train_run(const train_setup *s, const train_output *out, const train_hooks *hooks,
                      train_result *result, base_err *err);

#endif
