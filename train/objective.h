/* objective: what a training makes small: the model's graph with a target and a loss on top, and
 * what the loss is fed besides them.
 */
#ifndef TRAIN_OBJECTIVE_H
#define TRAIN_OBJECTIVE_H

#include "data/data.h"
#include "nn/nn.h"
#include "train/settings.h"

/* The model, an input "target." of `classes` and the loss of the settings as last node: the
 * parameters of the model at the same places. With class weights or a teacher there is a third
 * input of `classes`, "weights." or "teacher." (its logits). */
base_status objective_graph(const nn_graph *model, const train_settings *t, int classes,
                            nn_graph **g, base_err *err);
/* The loss alone, of inputs "logits" and "target." of `classes`, as validation measures it:
 * without smoothing, weights or teacher. */
base_status objective_measure(const train_settings *t, int classes, nn_graph **g, base_err *err);
bool objective_has_third(const train_settings *t);

/* Balanced class weights: w[k] = N / (K n_k) for the n_k training clips of class k, N clips in K
 * classes; their mean over the clips is 1. A class without clips weighs 0 and is not counted. */
void objective_balance(const data_task *task, int classes, nn_real *w);

#endif
