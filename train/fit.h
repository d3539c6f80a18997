/* fit: classifiers found from samples at once, by a closed form or a convex program, instead of
 * down the gradient of a net: arrays in, arrays out. Sums are in double, and neither they nor what
 * is random depend on the number of threads.
 *
 * A linear classifier of K classes and D numbers is w [K, D + 1], row k being w_k and b_k: the
 * class of x is the k with the largest score w_k . x + b_k.
 */
#ifndef TRAIN_FIT_H
#define TRAIN_FIT_H

#include "nn/nn.h"

/* Borrowed. Every class needs a sample. */
typedef struct fit_samples {
    const nn_real *x; /* [n, dims] */
    const int *label; /* n, each 0 .. classes - 1 */
    int n, dims, classes;
} fit_samples;

/* How (train.fit). */
typedef enum fit_kind {
    FIT_NO,
    FIT_CENTROID,
    FIT_LDA,
    FIT_LOGISTIC,
    FIT_SVM,
    FIT_GMM,
    FIT_FOREST, /* train/fit_trees.h */
    FIT_BOOSTING,
    FIT_DTW
} fit_kind;
extern const char *const fit_kinds[]; /* "no", "centroid" ..., NULL */

/* Nearest centroid: -|x - c_k|^2 / 2 with c_k the mean of class k, without what all classes share:
 * w_k = c_k, b_k = -|c_k|^2 / 2. */
void fit_centroid(const fit_samples *s, double *w);

/* Linear discriminant analysis: Gaussian classes with one covariance S, w_k = S^-1 c_k,
 * b_k = -c_k . w_k / 2 + log(n_k / n). S is that within classes, shrunk to
 * (1 - r) S + r tr(S)/D I with the r in 0 .. 1 of Ledoit and Wolf ("A well-conditioned estimator
 * for large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004), which *shrinkage
 * tells. BASE_DATA when nothing varies within the classes. */
base_status fit_lda(const fit_samples *s, double *w, double *shrinkage, base_err *err);

/* Multinomial logistic regression: w, which is where it starts, becomes the minimum of
 *   1/n sum_i -log softmax(scores of x_i)[label_i] + l2/2 sum |w_k|^2,   l2 > 0,
 * by L-BFGS (Liu and Nocedal, "On the limited memory BFGS method", Math. Programming 45, 1989) to
 * where no part of the gradient is larger than `tolerance`; false in *converged: 1,000 steps were
 * not enough. pool: NULL runs inline. */
base_status fit_logistic(const fit_samples *s, double l2, double tolerance, base_pool *pool,
                         double *w, bool *converged, base_err *err);

/* Linear support vector machines, one class against the rest, with squared hinge: for each k, where
 * t_i is 1 in class k and else -1,
 *   1/n sum_i max(0, 1 - t_i (w_k . x_i + b_k))^2 + l2/2 (|w_k|^2 + b_k^2),   l2 > 0,
 * that is C = 1 / (l2 n), by dual coordinate descent (Hsieh et al., "A dual coordinate descent
 * method for large-scale linear SVM", ICML 2008) until the projected gradients of a pass lie within
 * `tolerance` of each other; false in *converged: 1,000 passes were not enough. alpha [classes, n]
 * are the dual variables, >= 0: zeros with w = 0 to begin with, or those of another l2 with its w.
 */
base_status fit_svm(const fit_samples *s, double l2, double tolerance, uint64_t seed,
                    base_pool *pool, double *alpha, double *w, bool *converged, base_err *err);

enum { FIT_MOST_COMPONENTS = 64 };
/* A mixture of 1 .. FIT_MOST_COMPONENTS Gaussians with diagonal covariances for each class, by
 * expectation maximization (Dempster, Laird and Rubin 1977) from k-means++ seeds (Arthur and
 * Vassilvitskii 2007); variances are kept above a hundredth of those of all samples. x holds
 * numbers and then their squares [n, 2 D]; every class needs as many samples as components. w
 * [classes * components, 2 D + 1]: row k * components + m gives log(n_k / n) + log(weight) + log
 * N(x; mean, variance) = w . [x, x^2] + b of component m of class k. */
base_status fit_gmm(const fit_samples *s, int components, uint64_t seed, base_pool *pool, double *w,
                    base_err *err);

/* Templates [classes, each, dims]: of each class samples drawn by chance, or all, again from the
 * first on where there are fewer. */
void fit_templates(const fit_samples *s, int each, uint64_t seed, nn_real *value);

/* Scores [n, rows] of w [rows, dims + 1]. */
void fit_scores(const fit_samples *s, const double *w, int rows, double *scores);

/* The factor on scores [n, classes] whose softmax has the least cross-entropy with the labels
 * ("temperature scaling", Guo et al., arXiv 1706.04599; the factor is its inverse), within 1e-6 ..
 * 1e6. A share of 1 / (n + 2) of each target is spread over all classes, as Platt does (1999), so
 * that samples without an error do not ask for an infinite one. */
double fit_temperature(const double *scores, const int *label, int n, int classes);

#endif
