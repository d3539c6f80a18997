/* checkpoint: all that resuming a training needs, in one HDF5 file of kind "checkpoint". Together
 * with the run's config (randomness is a pure function of seed, epoch and sample) going on from it
 * gives the same weights as never having stopped.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "nn/nn.h"

typedef struct checkpoint {
    int64_t epoch, step;   /* whole epochs done, steps done in the one after */
    double loss;           /* sum over the clips of that epoch, */
    int64_t seen, correct; /* the clips, and those classified correctly */
    double seconds;        /* trained so far, all sessions */
    double epoch_seconds;  /* of it in that epoch */
    double best_accuracy;  /* on validation clips; negative: none yet */
    int64_t best_epoch;    /* 1-based */
    int64_t optim_steps;
    const nn_graph *graph; /* borrowed: a file for another graph is refused */
    nn_real *weights;      /* nn_graph_params(graph) reals */
    nn_real *state;        /* of the optimizer, n_state reals */
    size_t n_state;
    nn_real *ema;          /* averaged weights, as many as weights; NULL: the run has none */
    const nn_graph *model; /* train.qat: of whose nodes quant is */
    nn_quant *quant;       /* NULL: the run simulates no int8 */
    nn_plateau *plateau;   /* of the schedule, NULL: the run has another */
    double *grad_norm;     /* sum over the steps of that epoch; NULL: the run clips none */
} checkpoint;

/* Whether it is of epochs with simulated int8. */
base_status checkpoint_simulates(const char *path, bool *does, base_err *err);
base_status checkpoint_save(const checkpoint *c, const char *path, base_err *err);
/* Fills everything; graph, n_state and what the pointers show are the caller's and must fit the
 * file (BASE_DATA otherwise). */
base_status checkpoint_load(checkpoint *c, const char *path, base_err *err);

#endif
