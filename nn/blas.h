/* blas: matrix products in nn_real, row-major, single-threaded. The only includer of <cblas.h> is
 * blas.c. */
#ifndef NN_BLAS_H
#define NN_BLAS_H

#include "nn/op.h"

/* C[m,n] (leading dimension ldc) = beta C + op(A)[m,k] op(B)[k,n]; ta, tb: transpose. */
void nn_gemm(bool ta, bool tb, int m, int n, int k, const nn_real *a, int lda, const nn_real *b,
             int ldb, nn_real beta, nn_real *c, int ldc);
/* Y[m,n] = X[m,k] W[k,n] + bias[n] (NULL: 0), kept within the clamp (NULL: not). */
void nn_gemm_layer(int m, int n, int k, const nn_real *x, int ldx, const nn_real *w, int ldw,
                   const nn_real *bias, const nn_clamp *clamp, nn_real *y, int ldy);
/* Threads are ours: BLAS must not start its own. Called once per net. */
void nn_blas_single_thread(void);
/* Which kernels it chose ("Haswell"), for manifests and benches. Static storage. */
const char *nn_blas_name(void);

#endif
