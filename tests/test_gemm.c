/* The matrix product of nn/gemm.c against the sums themselves in double: every remainder of rows
 * and columns, transposed operands, strides wider than the matrix, beta, NaN. */
#include "nn/blas.h"
#include "nn/gemm.h"

#include "tests/check.h"

#include <math.h>

typedef struct shape {
    int m, n, k;
} shape;

/* One product through nn_gemm with leading dimensions `extra` wider than they must be. */
static void check(shape s, bool ta, bool tb, nn_real beta, int extra)
{
    int lda = (ta ? s.m : s.k) + extra, ldb = (tb ? s.k : s.n) + extra, ldc = s.n + extra;
    size_t na = (size_t)(lda * (ta ? s.k : s.m)), nb = (size_t)(ldb * (tb ? s.n : s.k));
    size_t nc = (size_t)(ldc * s.m);
    nn_real *a = base_alloc(na, sizeof *a), *b = base_alloc(nb, sizeof *b);
    nn_real *c = base_alloc(nc, sizeof *c), *before = base_alloc(nc, sizeof *before);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, (uint32_t)s.m, (uint64_t)(s.n * 1000 + s.k));
    for (size_t i = 0; i < na; i++) a[i] = (nn_real)base_rng_normal(&r);
    for (size_t i = 0; i < nb; i++) b[i] = (nn_real)base_rng_normal(&r);
    for (size_t i = 0; i < nc; i++)
        c[i] = before[i] = beta == 0 ? (nn_real)NAN : (nn_real)base_rng_normal(&r);
    nn_gemm(ta, tb, s.m, s.n, s.k, a, lda, b, ldb, beta, c, ldc);
    for (int i = 0; i < s.m; i++) {
        for (int j = 0; j < ldc; j++) {
            size_t at = (size_t)(i * ldc + j);
            double want = beta == 0 ? 0 : (double)beta * (double)before[at], size = 1;
            for (int p = 0; p < s.k && j < s.n; p++) {
                double x = (double)a[ta ? p * lda + i : i * lda + p];
                double y = (double)b[tb ? j * ldb + p : p * ldb + j];
                want += x * y;
                size += fabs(x * y);
            }
            if (j >= s.n)
                assert_true(c[at] == before[at] || beta == 0); /* not ours */
            else
                assert_true(fabs((double)c[at] - want) <= 1e-6 * size);
        }
    }
    base_free(a);
    base_free(b);
    base_free(c);
    base_free(before);
}

static void test_every_remainder(void **state)
{
    (void)state;
    for (int m = 1; m <= 26; m++)
        for (int n = 1; n <= 35; n += n < 18 ? 1 : 5) check((shape){m, n, 7}, false, false, 0, 0);
}

static void test_transposed_strided_scaled(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {1, 1, 1}, {25, 64, 40}, {13, 33, 300}, {40, 17, 600}, {5, 70, 3}};
    for (size_t i = 0; i < BASE_COUNT(shapes); i++)
        for (int t = 0; t < 4; t++)
            for (int extra = 0; extra < 4; extra += 3)
                check(shapes[i], t & 1, t & 2, t == 1 ? 0 : t == 2 ? (nn_real)0.5 : 1, extra);
}

static void test_wide_products_take_the_library(void **state)
{
    (void)state;
    check((shape){3, 513, 20}, false, false, 1, 0);
    check((shape){3, 600, 20}, true, true, 0, 1);
}

/* A layer's product is that of nn_gemm, then the bias, then the clamp; rows of y wider than it. */
static void check_layer(shape s, bool bias, bool bounded)
{
    const int ldy = s.n + 2;
    const nn_clamp within = {(nn_real)-0.75, (nn_real)1.5};
    const size_t nx = (size_t)(s.m * s.k), nw = (size_t)(s.k * s.n), ny = (size_t)(s.m * ldy);
    nn_real *x = base_alloc(nx, sizeof *x), *w = base_alloc(nw, sizeof *w);
    nn_real *b = base_alloc((size_t)s.n, sizeof *b);
    nn_real *y = base_alloc(ny, sizeof *y), *want = base_alloc(ny, sizeof *want);
    base_rng r = base_rng_at(2, BASE_RNG_TEST, (uint32_t)s.m, (uint64_t)(s.n * 1000 + s.k));
    for (size_t i = 0; i < nx; i++) x[i] = (nn_real)base_rng_normal(&r);
    for (size_t i = 0; i < nw; i++) w[i] = (nn_real)base_rng_normal(&r) / (nn_real)s.k;
    for (int j = 0; j < s.n; j++) b[j] = (nn_real)base_rng_normal(&r);
    for (size_t i = 0; i < ny; i++) y[i] = 7;
    x[nx - 1] = (nn_real)NAN; /* the last row, whatever it is clamped to */
    nn_gemm_layer(s.m, s.n, s.k, x, s.k, w, s.n, bias ? b : NULL, bounded ? &within : NULL, y, ldy);
    nn_gemm(false, false, s.m, s.n, s.k, x, s.k, w, s.n, 0, want, ldy);
    for (int i = 0; i < s.m; i++) {
        for (int j = 0; j < ldy; j++) {
            const nn_real got = y[i * ldy + j];
            nn_real v = j < s.n ? want[i * ldy + j] + (bias ? b[j] : 0) : 7;
            if (j < s.n && bounded) v = v < within.lo ? within.lo : v > within.hi ? within.hi : v;
            if (i == s.m - 1 && j < s.n)
                assert_true(isnan((double)got));
            else
                assert_true(fabs((double)(got - v)) <= 1e-5);
        }
    }
    base_free(x);
    base_free(w);
    base_free(b);
    base_free(y);
    base_free(want);
}

static void test_layers(void **state)
{
    (void)state;
    static const shape deep[] = {{25, 64, 40}, {13, 33, 300}, {125, 64, 600}, {70, 515, 9}};
    for (int kind = 0; kind < 4; kind++) {
        for (int m = 1; m <= 26; m += m < 14 ? 1 : 4)
            for (int n = 1; n <= 68; n += n < 18 ? 1 : 5)
                check_layer((shape){m, n, 7}, kind & 1, kind & 2);
        for (size_t i = 0; i < BASE_COUNT(deep); i++) check_layer(deep[i], kind & 1, kind & 2);
    }
}

static void test_no_terms_leave_beta_times_c(void **state)
{
    (void)state;
    nn_real c[2] = {3, 4}, none = 0;
    nn_gemm_small(1, 2, 0, &none, 1, 1, &none, 1, 1, 2, c, 2);
    assert_true(c[0] == 6 && c[1] == 8);
    nn_gemm_small(1, 2, 0, &none, 1, 1, &none, 1, 1, 0, c, 2);
    assert_true(c[0] == 0 && c[1] == 0);
}

static void test_nan_reaches_its_row_only(void **state)
{
    (void)state;
    nn_real a[6] = {1, 2, (nn_real)NAN, 4, 5, 6}, b[2] = {1, 1}, c[3];
    nn_gemm(false, false, 3, 1, 2, a, 2, b, 1, 0, c, 1);
    assert_true(c[0] == 3 && c[2] == 11 && isnan((double)c[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_remainder),
        cmocka_unit_test(test_transposed_strided_scaled),
        cmocka_unit_test(test_wide_products_take_the_library),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_no_terms_leave_beta_times_c),
        cmocka_unit_test(test_nan_reaches_its_row_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
