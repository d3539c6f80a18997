/* gemm: the matrix product for the shapes of keyword models, where a general library spends its
 * time on packing and edges: up to some hundred columns, any number of rows.
 *
 * One register tile of ROWS x 2 vectors, B packed by panels of two vectors and GEMM_DEPTH rows on
 * the stack, A read in place. Vectors are those of the machine the compiler builds for (gcc and
 * clang vector extension: AVX-512, else 32 bytes), so the source is plain C with wide numbers.
 */
#ifndef NN_GEMM_H
#define NN_GEMM_H

#include "nn/op.h"

/* C[m,n] = beta C + A B with A(i,p) = a[i * a_row + p * a_col] and B likewise, C row-major with
 * leading dimension ldc. beta 0 does not read C. Every sum runs over p in order, in blocks. */
void nn_gemm_small(int m, int n, int k, const nn_real *a, ptrdiff_t a_row, ptrdiff_t a_col,
                   const nn_real *b, ptrdiff_t b_row, ptrdiff_t b_col, nn_real beta, nn_real *c,
                   ptrdiff_t ldc);

/* Y[m,n] = X[m,k] W[k,n] + bias[n] (NULL: 0), kept within the clamp (NULL: not) where it is stored;
 * all row-major. */
void nn_gemm_small_layer(int m, int n, int k, const nn_real *x, ptrdiff_t ldx, const nn_real *w,
                         ptrdiff_t ldw, const nn_real *bias, const nn_clamp *clamp, nn_real *y,
                         ptrdiff_t ldy);

#endif
