/* neighbours: which points lie near each other, which lie apart from the others, and whether a map
 * of them tells the truth. Distances are Euclidean; all pairs are looked at, so time grows with the
 * square of the points. Results do not depend on the number of threads.
 */
#ifndef DATA_NEIGHBOURS_H
#define DATA_NEIGHBOURS_H

#include "nn/base.h"

/* The k < n nearest of each of n points x (n x d), the nearest first (of equal ones the first):
 * their indices and distances, n x k each. */
base_status data_nearest(const float *x, size_t n, size_t d, size_t k, int threads, uint32_t *index,
                         float *distance, base_err *err);

/* Local outlier factor of each point among n > k >= 1 (Breunig et al., "LOF: identifying
 * density-based local outliers", SIGMOD 2000): how many times sparser it is around it than around
 * its k neighbours; near 1 inside of a cloud. No place counts as more than ten times as dense as
 * the mean, so that heaps of equal points do not make all others outliers. */
base_status data_outlier_factors(const float *x, size_t n, size_t d, size_t k, int threads,
                                 double *factor, base_err *err);

/* Trustworthiness of a map y (n x 2) of x (n x d) at k < n / 2 neighbours (Venna and Kaski,
 * "Neighborhood preservation in nonlinear projection methods", ICANN 2001): 1 when the k neighbours
 * of every point in the map are its k neighbours in truth, less by how far away others really are.
 */
base_status data_trustworthiness(const float *x, size_t n, size_t d, const float *y, size_t k,
                                 double *trust, base_err *err);

#endif
