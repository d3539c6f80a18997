/* See data/pca.h. */
#include "data/pca.h"

#include <math.h>
#include <string.h>

enum { SWEEPS = 60 };

/* Rows p and q of a, and columns p and q, by the rotation (c, s). */
static void rotate(double *a, size_t d, size_t p, size_t q, double c, double s)
{
    double *ap = a + p * d, *aq = a + q * d;
    for (size_t i = 0; i < d; i++) {
        const double x = a[i * d + p], y = a[i * d + q];
        a[i * d + p] = c * x - s * y;
        a[i * d + q] = s * x + c * y;
    }
    for (size_t i = 0; i < d; i++) {
        const double x = ap[i], y = aq[i];
        ap[i] = c * x - s * y;
        aq[i] = s * x + c * y;
    }
}

static void rotate_rows(double *vp, double *vq, size_t d, double c, double s)
{
    for (size_t i = 0; i < d; i++) {
        const double x = vp[i], y = vq[i];
        vp[i] = c * x - s * y;
        vq[i] = s * x + c * y;
    }
}

/* One rotation for each pair that is not yet zero beside the diagonal; how many. */
static size_t sweep(double *a, size_t d, double tiny, double *v)
{
    size_t rotations = 0;
    for (size_t p = 0; p < d; p++)
        for (size_t q = p + 1; q < d; q++) {
            const double off = a[p * d + q];
            if (fabs(off) <= tiny) continue;
            const double theta = (a[q * d + q] - a[p * d + p]) / (2 * off);
            const double t = copysign(1, theta) / (fabs(theta) + hypot(theta, 1));
            const double c = 1 / sqrt(t * t + 1), s = t * c;
            rotate(a, d, p, q, c, s);
            rotate_rows(v + p * d, v + q * d, d, c, s);
            rotations++;
        }
    return rotations;
}

static void swap_rows(double *x, double *y, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        const double keep = x[i];
        x[i] = y[i];
        y[i] = keep;
    }
}

void data_eigen(double *a, size_t d, double *values, double *v)
{
    double norm = 0;
    for (size_t i = 0; i < d * d; i++) norm += a[i] * a[i];
    memset(v, 0, d * d * sizeof *v);
    for (size_t i = 0; i < d; i++) v[i * d + i] = 1;
    const double tiny = 1e-15 * sqrt(norm);
    for (int i = 0; i < SWEEPS && sweep(a, d, tiny, v) > 0; i++) {}
    for (size_t i = 0; i < d; i++) values[i] = a[i * d + i];
    for (size_t i = 0; i < d; i++) {
        size_t most = i;
        for (size_t k = i + 1; k < d; k++)
            if (values[k] > values[most]) most = k;
        if (most == i) continue;
        swap_rows(&values[i], &values[most], 1);
        swap_rows(v + i * d, v + most * d, d);
    }
}

/* ---- principal components ---- */

static void covariance(const float *x, size_t n, size_t d, double *mean, double *row, double *a)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++) mean[k] += (double)x[i * d + k] / (double)n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++) row[k] = (double)x[i * d + k] - mean[k];
        for (size_t k = 0; k < d; k++)
            for (size_t m = k; m < d; m++) a[k * d + m] += row[k] * row[m];
    }
    for (size_t k = 0; k < d; k++)
        for (size_t m = k; m < d; m++) a[m * d + k] = a[k * d + m] /= (double)n;
}

/* The sign that makes the largest weight positive. */
static double sign_of(const double *v, size_t d)
{
    size_t most = 0;
    for (size_t k = 1; k < d; k++)
        if (fabs(v[k]) > fabs(v[most])) most = k;
    return v[most] < 0 ? -1 : 1;
}

static void project(const float *x, size_t n, size_t d, const double *mean, const double *v,
                    size_t k, float *y)
{
    for (size_t c = 0; c < k; c++) {
        const double *w = v + c * d, sign = sign_of(w, d);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < d; j++) sum += w[j] * ((double)x[i * d + j] - mean[j]);
            y[i * k + c] = (float)(sign * sum);
        }
    }
}

base_status data_pca(const float *x, size_t n, size_t d, size_t k, float *y, double *share,
                     base_err *err)
{
    double *a = base_alloc(2 * d * d + 3 * d, sizeof *a);
    if (!a) return base_nomem(err, 2 * d * d * sizeof *a);
    double *v = a + d * d, *values = v + d * d, *mean = values + d, *row = mean + d, sum = 0;
    covariance(x, n, d, mean, row, a);
    data_eigen(a, d, values, v);
    for (size_t i = 0; i < d; i++) sum += fmax(values[i], 0);
    for (size_t c = 0; c < k; c++) share[c] = sum > 0 ? fmax(values[c], 0) / sum : 0;
    project(x, n, d, mean, v, k, y);
    base_free(a);
    return BASE_OK;
}
