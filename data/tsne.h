/* tsne: a map of many-dimensional points in two dimensions on which near neighbours stay near (van
 * der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008), exactly, in time that grows
 * with the square of the points.
 */
#ifndef DATA_TSNE_H
#define DATA_TSNE_H

#include "nn/base.h"

typedef struct data_tsne_options {
    double perplexity; /* effective number of neighbours, 1 < perplexity <= (n - 1) / 3 */
    int iterations;    /* at least 1; the first quarter with early exaggeration */
    int threads;
    const volatile int *stop; /* as in data_import; may be NULL */
    void (*progress)(void *ctx, int64_t done, int64_t total);
    void *ctx;
} data_tsne_options;

/* x: n x d. y (n x 2): in, where to start (its two first principal components; Kobak and Berens,
 * "The art of using t-SNE for single-cell transcriptomics", Nature Communications 2019), scaled
 * here; out, the map, centred. The learning rate is that of Belkina et al., "Automated optimized
 * parameters for t-SNE", Nature Communications 2019: n / 12, at least 200, as they count it (four
 * times as it is counted here). start and
 * end: Kullback-Leibler divergence of the map from the truth before and after, nats. The map is a
 * pure function of x and y, whatever the threads. */
base_status data_tsne(const float *x, size_t n, size_t d, const data_tsne_options *o, float *y,
                      double *start, double *end, base_err *err);

/* Probabilities p of n neighbours at squared distances d2: a normal distribution whose perplexity
 * (exp of its entropy in nats) is the one asked for, 1 < perplexity < n. Equal where all distances
 * are. Returns the perplexity reached. */
double data_perplexity(const double *d2, size_t n, double perplexity, double *p);

#endif
