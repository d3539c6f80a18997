/* fit: what the classifiers share, and nearest centroids. See train/fit.h. */
#include "train/fit.h"

#include "train/fit_product.h"

#include <math.h>
#include <string.h>

const char *const fit_kinds[] = {[FIT_NO] = "no",         [FIT_CENTROID] = "centroid",
                                 [FIT_LDA] = "lda",       [FIT_LOGISTIC] = "logistic",
                                 [FIT_SVM] = "svm",       [FIT_GMM] = "gmm",
                                 [FIT_FOREST] = "forest", [FIT_BOOSTING] = "boosting",
                                 [FIT_DTW] = "dtw",       NULL};

void fit_centroid(const fit_samples *s, double *w)
{
    const size_t row = (size_t)s->dims + 1;
    memset(w, 0, (size_t)s->classes * row * sizeof *w);
    for (int i = 0; i < s->n; i++) {
        double *c = w + (size_t)s->label[i] * row;
        const nn_real *x = s->x + (size_t)i * (size_t)s->dims;
        for (int j = 0; j < s->dims; j++) c[j] += (double)x[j];
        c[s->dims]++;
    }
    for (int k = 0; k < s->classes; k++) {
        double *c = w + (size_t)k * row, square = 0;
        for (int j = 0; j < s->dims; j++) {
            c[j] /= c[s->dims];
            square += c[j] * c[j];
        }
        c[s->dims] = -square / 2;
    }
}

/* Reservoir sampling (Vitter's algorithm R): each sample of a class is as likely as any other. */
void fit_templates(const fit_samples *s, int each, uint64_t seed, nn_real *value)
{
    const size_t size = (size_t)s->dims;
    for (int k = 0; k < s->classes; k++) {
        nn_real *to = value + (size_t)k * (size_t)each * size;
        base_rng r = base_rng_at(seed, BASE_RNG_FIT, 0, (uint64_t)k);
        int seen = 0;
        for (int i = 0; i < s->n; i++) {
            if (s->label[i] != k) continue;
            const int place = seen < each ? seen : (int)base_rng_below(&r, (uint32_t)seen + 1);
            if (place < each)
                memcpy(to + (size_t)place * size, s->x + (size_t)i * size, size * sizeof *to);
            seen++;
        }
        for (int place = seen; place < each; place++)
            memcpy(to + (size_t)place * size, to + (size_t)(place % seen) * size,
                   size * sizeof *to);
    }
}

void fit_scores(const fit_samples *s, const double *w, int rows, double *scores)
{
    for (int i = 0; i < s->n; i++) {
        const nn_real *x = s->x + (size_t)i * (size_t)s->dims;
        for (int k = 0; k < rows; k++) {
            const double *v = w + (size_t)k * ((size_t)s->dims + 1);
            *scores++ = v[s->dims] + fit_product_real(v, x, (size_t)s->dims);
        }
    }
}

/* Slope of the cross-entropy over the factor. */
static double slope(const double *scores, const int *label, int n, int classes, double factor)
{
    const double soft = 1 / (n + 2.0);
    double sum = 0;
    for (int i = 0; i < n; i++, scores += classes) {
        double most = scores[0], weight = 0, mean = 0, all = 0;
        for (int k = 1; k < classes; k++) most = fmax(most, scores[k]);
        for (int k = 0; k < classes; k++) all += scores[k] / classes;
        for (int k = 0; k < classes; k++) {
            const double p = exp(factor * (scores[k] - most));
            weight += p;
            mean += p * scores[k];
        }
        sum += mean / weight - (1 - soft) * scores[label[i]] - soft * all;
    }
    return sum;
}

/* The cross-entropy is convex in the factor: its slope changes sign once. */
double fit_temperature(const double *scores, const int *label, int n, int classes)
{
    double lo = log(1e-6), hi = log(1e6);
    while (hi - lo > 1e-9) {
        const double middle = (lo + hi) / 2;
        if (slope(scores, label, n, classes, exp(middle)) < 0)
            lo = middle;
        else
            hi = middle;
    }
    return exp((lo + hi) / 2);
}
