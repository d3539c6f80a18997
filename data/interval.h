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

/* Mean and standard deviation of n values, and Student's interval of the expectation that they come
 * from (Student, "The probable error of a mean", Biometrika 1908). Without two of them all but the
 * mean are NaN. */
typedef struct data_spread {
    double mean, sd, lo, hi;
} data_spread;
data_spread data_mean_interval(const double *v, size_t n);

#endif
