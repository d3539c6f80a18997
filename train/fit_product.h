/* fit_product: inner products in double for train/fit*.c, in eight sums that a machine's registers
 * take at once and always in the same order. */
#ifndef TRAIN_FIT_PRODUCT_H
#define TRAIN_FIT_PRODUCT_H

#include "nn/nn.h"

#define FIT_PRODUCT(a, b, n)                                                                       \
    double sum[8] = {0}, rest = 0;                                                                 \
    size_t i = 0;                                                                                  \
    for (; i + 8 <= (n); i += 8)                                                                   \
        for (size_t h = 0; h < 8; h++) sum[h] += (double)(a)[i + h] * (double)(b)[i + h];          \
    for (; i < (n); i++) rest += (double)(a)[i] * (double)(b)[i];                                  \
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7])) + rest;

static inline double fit_product(const double *a, const double *b, size_t n)
{
    FIT_PRODUCT(a, b, n)
}

/* The same with the numbers of a sample. */
static inline double fit_product_real(const double *a, const nn_real *x, size_t n)
{
    FIT_PRODUCT(a, x, n)
}

#undef FIT_PRODUCT

#endif
