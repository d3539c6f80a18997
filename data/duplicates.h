/* duplicates: pairs of clips that are the same recording, found by their fingerprints. */
#ifndef DATA_DUPLICATES_H
#define DATA_DUPLICATES_H

#include "data/survey.h"

/* Fingerprints find candidates, samples decide. Haitsma and Kalker take a share of differing bits
 * of 0.35 for one recording, of three seconds; words are shorter and chance reaches further down.
 */
#define DATA_NEAR_BITS        0.225
#define DATA_NEAR_CORRELATION 0.95

typedef struct data_pair {
    size_t a, b;        /* clips, a < b */
    double bits;        /* share of bits that differ in frames where both are loud */
    double correlation; /* of the samples where they overlap, the largest near shift */
    int shift;          /* b is so many samples later in its clip than a */
} data_pair;

/* Pairs of clips that differ in at most DATA_NEAR_BITS and correlate by at least
 * DATA_NEAR_CORRELATION, sorted by a, then b; *pairs is freed with free(). For a pair to be found
 * the 32 bits of some loud frame must agree, but for the weakest of one of them, and the frames
 * where both are loud be at least 150 ms and 60 % of either's. facts: of all of r, with prints. */
base_status data_duplicates_find(const data_recordings *r, const data_facts *facts, int threads,
                                 data_pair **pairs, size_t *npairs, base_err *err);

#endif
