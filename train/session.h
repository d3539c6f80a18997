/* session: what is alive while a run trains, for train.c. */
#ifndef TRAIN_SESSION_H
#define TRAIN_SESSION_H

#include "train/checkpoint.h"
#include "train/teacher.h"
#include "train/train.h"

typedef struct session {
    const train_setup *setup;
    data_pack *pack;
    data_task *task;
    const char *const *labels;
    int classes;
    nn_graph *graph;  /* the model */
    nn_graph *losses; /* the model, a target input and the loss (objective.h) */
    nn_net *net;      /* of losses, training */
    nn_net *eval;     /* of graph, evaluation */
    nn_optim *optim;
    nn_real *master;  /* train.qat: weights before they are rounded for net; NULL otherwise */
    nn_quant *quant;  /* train.qat: of every node of graph */
    int *weight_bits; /* train.qat: of every node of losses; NULL: 8 */
    nn_real *ema;     /* averaged weights, as of net; NULL without train.ema */
    base_pool *pool;
    data_loader *loader;
    float *mean, *std; /* NULL unless features are normalised */
    int bins, frames;
    nn_graph *measure; /* the loss of validation (objective.h), */
    nn_net *measure_net;
    teacher teacher;     /* zeroed without train.teacher */
    parent init;         /* zeroed without train.init */
    nn_real *x, *target; /* one batch, in nn_real */
    nn_real *third;      /* of it: class weights or the teacher's logits; NULL: neither */
    nn_real *val_x;      /* validation features, all of them */
    int *val_label;
    int64_t *confusion; /* of the last validation: rows are the truth (data/metrics.h) */
    int n_val;
} session;

/* threads: workers and loader threads. On failure nothing is left open. */
base_status session_open(session *s, const train_setup *setup, int threads, base_err *err);
void session_close(session *s);

/* Loss and accuracy of weights on the validation split; NaN when it is empty. */
base_status session_validate(session *s, const nn_real *weights, double *loss, double *accuracy,
                             base_err *err);
/* target [n, classes]: what a batch is to be taken for; a mixed sample for both of its labels by
 * their weights. */
void session_targets(const data_batch *b, int classes, nn_real *target);
/* The label of sample i, of a mixed one that of its larger part. */
int session_label(const data_batch *b, int i);
/* A batch of the loader into x, target and third. */
void session_convert(session *s, const data_batch *b);
/* The weights that the optimizer changes, as of losses. */
nn_real *session_trained(const session *s);
/* What net computes with, after those have changed. */
base_status session_refresh(session *s, base_err *err);
/* train.qat: ranges follow the weights. */
base_status session_move_ranges(session *s, base_err *err);
/* What a model of this session is made of: averaged weights where there are any. */
const nn_real *session_weights(const session *s);
int session_argmax(const nn_real *logits, int classes);
/* The model file of these weights. */
base_status session_save(const session *s, const nn_real *weights, const char *path,
                         const char *provenance, base_err *err);

#endif
