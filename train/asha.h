/* asha: which trials of a sweep go on when the others stop.
 *
 * Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht,
 * Talwalkar, "A system for massively parallel hyperparameter tuning", MLSys 2020): every trial is
 * trained for min_epochs; of those that have come to a rung, the best 1 / reduction are trained on
 * to the next, reduction times as many epochs, as soon as they are among the best, without waiting
 * for others. The last rung is the whole training.
 *
 * With several objectives the best are those of the first Pareto fronts, and within a front first
 * the best by the first objective, then always the one farthest from those taken (Schmucker,
 * Donini, Zafar, Salinas, Archambeau, "Multi-objective asynchronous successive halving", arXiv
 * 2106.12639).
 */
#ifndef TRAIN_ASHA_H
#define TRAIN_ASHA_H

#include "train/space.h"

enum { SWEEP_RUNGS = 18 }; /* of 2^0, 2^1 ... 100,000 epochs */

/* Rungs of a training of so many epochs, and the epochs at each; one without asha. */
int sweep_rungs(const sweep_space *s, int64_t epochs, int64_t at[SWEEP_RUNGS]);
/* The places of n points of m values (higher is better, NAN: worst) from the best to the worst. */
base_status sweep_rank(const double *points, size_t n, size_t m, size_t *order, base_err *err);

#endif
