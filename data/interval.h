/* interval: 95 % intervals of figures that are no plain proportion (that is data_wilson). */
#ifndef DATA_INTERVAL_H
#define DATA_INTERVAL_H

#include "nn/base.h"

/* The exact interval of the expectation of a Poisson variable that was `count` (Garwood, "Fiducial
 * limits for the Poisson distribution", Biometrika 1936). */
void data_poisson(int64_t count, double *lo, double *hi);

/* That of macro F1: percentiles of 1,000 bootstrap samples of the clips (Efron, "Bootstrap
 * methods", Annals of Statistics 1979), always the same ones. NaN without clips; BASE_FAILED
 * without memory.
 */
base_status data_macro_f1_interval(const int64_t *confusion, int classes, double *lo, double *hi,
                                   base_err *err);

#endif
