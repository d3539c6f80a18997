/* teacher: a trained model whose outputs another one learns (knowledge distillation, Hinton et al.,
 * arXiv 1503.02531). It has a graph, weights and feature settings of its own; what it must share
 * with its student are the classes and the clips' length.
 */
#ifndef TRAIN_TEACHER_H
#define TRAIN_TEACHER_H

#include "data/data.h"
#include "train/parent.h"

typedef struct teacher {
    parent from;
    nn_net *net;
    dsp_config features;
    bool own_features; /* others than the student's: a loader must make them too (features2) */
    size_t inputs, classes;
    nn_real *x; /* one batch of its own features; NULL when it takes the student's */
} teacher;

/* What it teaches: the student's classes, features and their statistics (NULL unless normalised),
 * the largest batch, and where to run. All borrowed. */
typedef struct teacher_pupil {
    const char *const *labels;
    int classes;
    const dsp_config *features;
    const float *mean, *std;
    int batch;
    base_pool *pool;
} teacher_pupil;

/* path: a model file or the directory of a finished run. BASE_DATA when it is no model or its
 * graph, features and labels do not fit each other; BASE_USAGE when its classes or the length of
 * its clips are not the student's. On failure nothing is left open. */
base_status teacher_open(teacher *t, const char *path, const teacher_pupil *pupil, base_err *err);
void teacher_close(teacher *t); /* a zeroed one is fine */

/* Logits [b->n, classes] for a batch; x: its features as the student takes them. The same bits for
 * any number of threads. */
void teacher_logits(teacher *t, const data_batch *b, const nn_real *x, nn_real *logits);

#endif
