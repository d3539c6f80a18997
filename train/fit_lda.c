/* Linear discriminant analysis with a shrunk covariance. See train/fit.h. */
#include "nn/blas.h"
#include "train/fit.h"
#include "train/fit_product.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256 };

/* Covariance within classes into c [d, d] (both halves), around the means in w; fourth: the sum of
 * |x - mean|^4. Products of a block of samples are summed in nn_real, blocks in double. */
static base_status covariance(const fit_samples *s, const double *w, double *c, double *fourth,
                              base_err *err)
{
    const size_t d = (size_t)s->dims, row = d + 1;
    nn_real *x = base_alloc(BLOCK * d, sizeof *x), *part = base_alloc(d * d, sizeof *part);
    const bool room = x && part;
    for (int first = 0; room && first < s->n; first += BLOCK) {
        const int n = s->n - first < BLOCK ? s->n - first : BLOCK;
        for (int i = 0; i < n; i++) {
            const nn_real *from = s->x + (size_t)(first + i) * d;
            const double *mean = w + (size_t)s->label[first + i] * row;
            double square = 0;
            for (size_t j = 0; j < d; j++) {
                const double v = (double)from[j] - mean[j];
                x[(size_t)i * d + j] = (nn_real)v;
                square += v * v;
            }
            *fourth += square * square;
        }
        nn_gemm(true, false, s->dims, s->dims, n, x, s->dims, x, s->dims, 0, part, s->dims);
        for (size_t j = 0; j < d * d; j++) c[j] += (double)part[j] / s->n;
    }
    base_free(x);
    base_free(part);
    return room ? BASE_OK : base_nomem(err, d * d * sizeof *part);
}

/* Ledoit and Wolf's estimator in place; returns its r. */
static double shrink(double *c, int d, int n, double fourth)
{
    double trace = 0, square = 0;
    for (int i = 0; i < d; i++) trace += c[(size_t)i * (size_t)(d + 1)];
    for (size_t i = 0; i < (size_t)d * (size_t)d; i++) square += c[i] * c[i];
    const double mean = trace / d, spread = square - d * mean * mean; /* |S - mean I|^2 */
    const double error = (fourth / n - square) / n; /* of S, from how the samples scatter */
    const double r = error >= spread ? 1 : error / spread;
    for (size_t i = 0; i < (size_t)d * (size_t)d; i++) c[i] *= 1 - r;
    for (int i = 0; i < d; i++) c[(size_t)i * (size_t)(d + 1)] += r * mean;
    return r;
}

/* c = L L^T, L into the lower half; false when c is not positive definite. */
static bool cholesky(double *c, int d)
{
    for (int i = 0; i < d; i++) {
        double *a = c + (size_t)i * (size_t)d;
        for (int j = 0; j <= i; j++) {
            const double *b = c + (size_t)j * (size_t)d;
            const double sum = a[j] - fit_product(a, b, (size_t)j);
            if (j == i && !(sum > 0)) return false;
            a[j] = j == i ? sqrt(sum) : sum / b[j];
        }
    }
    return true;
}

/* x becomes the solution of L L^T x = x. */
static void solve(const double *c, int d, double *x)
{
    for (int i = 0; i < d; i++) {
        const double *a = c + (size_t)i * (size_t)d;
        for (int k = 0; k < i; k++) x[i] -= a[k] * x[k];
        x[i] /= a[i];
    }
    for (int i = d - 1; i >= 0; i--) {
        const double *a = c + (size_t)i * (size_t)d;
        x[i] /= a[i];
        for (int k = 0; k < i; k++) x[k] -= a[k] * x[i];
    }
}

/* The means in w become discriminants. */
static void discriminants(const fit_samples *s, const double *c, double *w, double *mean)
{
    const size_t d = (size_t)s->dims;
    for (int i = 0; i < s->n; i++) w[(size_t)s->label[i] * (d + 1) + d]++;
    for (int k = 0; k < s->classes; k++) {
        double *v = w + (size_t)k * (d + 1), product = 0;
        memcpy(mean, v, d * sizeof *mean);
        solve(c, s->dims, v);
        for (size_t j = 0; j < d; j++) product += mean[j] * v[j];
        v[d] = log(v[d] / s->n) - product / 2;
    }
}

base_status fit_lda(const fit_samples *s, double *w, double *shrinkage, base_err *err)
{
    const size_t d = (size_t)s->dims;
    double *c = base_alloc(d * (d + 1), sizeof *c), fourth = 0;
    if (!c) return base_nomem(err, d * (d + 1) * sizeof *c);
    fit_centroid(s, w);
    for (int k = 0; k < s->classes; k++) w[(size_t)k * (d + 1) + d] = 0;
    base_status status = covariance(s, w, c, &fourth, err);
    if (status == BASE_OK) {
        *shrinkage = shrink(c, s->dims, s->n, fourth);
        if (cholesky(c, s->dims))
            discriminants(s, c, w, c + d * d);
        else
            status = base_fail(err, BASE_DATA, "the %d samples do not vary within their %d classes",
                               s->n, s->classes);
    }
    base_free(c);
    return status;
}
