/* pca: principal components of a table of numbers. */
#ifndef DATA_PCA_H
#define DATA_PCA_H

#include "nn/base.h"

/* Eigenvalues of the symmetric d x d matrix a, the largest first, and eigenvectors as the rows of
 * v (d x d, orthonormal), by cyclic Jacobi rotations (Golub and Van Loan, "Matrix computations",
 * 8.5). a is lost. */
void data_eigen(double *a, size_t d, double *values, double *v);

/* x (n x d, n >= 1) projected on the first k <= d principal components: y (n x k). share: of each
 * of them in the variance, k of them; 0 when there is none. The largest weight of a component is
 * positive. */
base_status data_pca(const float *x, size_t n, size_t d, size_t k, float *y, double *share,
                     base_err *err);

#endif
