/* See nn/blas.h. */
#include "nn/blas.h"

#include "nn/gemm.h"

#include <cblas.h>
#include <string.h>

/* Where the general library wins: wide products with enough rows to pay for its packing. */
enum { WIDE = 512, ROWS = 64 };

void nn_gemm(bool ta, bool tb, int m, int n, int k, const nn_real *a, int lda, const nn_real *b,
             int ldb, nn_real beta, nn_real *c, int ldc)
{
    if (n < WIDE || m < ROWS) {
        nn_gemm_small(m, n, k, a, ta ? 1 : lda, ta ? lda : 1, b, tb ? 1 : ldb, tb ? ldb : 1, beta,
                      c, ldc);
        return;
    }
    CBLAS_TRANSPOSE opa = ta ? CblasTrans : CblasNoTrans, opb = tb ? CblasTrans : CblasNoTrans;
#ifdef NN_DOUBLE
    cblas_dgemm(CblasRowMajor, opa, opb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
#else
    cblas_sgemm(CblasRowMajor, opa, opb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
#endif
}

void nn_gemm_layer(int m, int n, int k, const nn_real *x, int ldx, const nn_real *w, int ldw,
                   const nn_real *bias, const nn_clamp *clamp, nn_real *y, int ldy)
{
    if (n < WIDE || m < ROWS) {
        nn_gemm_small_layer(m, n, k, x, ldx, w, ldw, bias, clamp, y, ldy);
        return;
    }
    for (int i = 0; bias && i < m; i++) memcpy(y + (ptrdiff_t)i * ldy, bias, (size_t)n * sizeof *y);
    nn_gemm(false, false, m, n, k, x, ldx, w, ldw, bias ? 1 : 0, y, ldy);
    for (int i = 0; clamp && i < m; i++) {
        nn_real *row = y + (ptrdiff_t)i * ldy;
        const nn_clamp within = *clamp;
        for (int j = 0; j < n; j++) row[j] = nn_clamped(within, row[j]);
    }
}

void nn_blas_single_thread(void)
{
    openblas_set_num_threads(1);
}

const char *nn_blas_name(void)
{
    return openblas_get_corename();
}
