/* paired: whether two models differ on the clips that both of them heard. Only clips that one has
 * right and the other wrong say anything about that: only_a of them are right by a alone, only_b by
 * b alone, of n clips in all.
 */
#ifndef DATA_PAIRED_H
#define DATA_PAIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A difference whose p value is below counts as more than luck. */
#define DATA_PAIRED_LEVEL 0.05

/* McNemar's test: the two-sided mid-p value of the exact binomial test that only_a and only_b come
 * from a fair coin (McNemar, "Note on the sampling error of the difference between correlated
 * proportions or percentages", Psychometrika 1947; mid-p: Fagerland, Lydersen and Laake, "The
 * McNemar test for binary matched-pairs data", BMC Med. Res. Methodol. 2013, who find that it keeps
 * its level where the exact test is too careful). Never more than 1; 1 when both are equal. */
double data_mcnemar(int64_t only_a, int64_t only_b);

/* The 95 % interval of the difference of two accuracies, (only_a - only_b) / n: Wald's after one
 * more clip for each of the two counts (Bonett and Price, "Adjusted Wald confidence interval for a
 * difference of binomial proportions based on paired data", J. Educ. Behav. Stat. 2012). NaN when n
 * is 0. */
void data_paired_interval(int64_t only_a, int64_t only_b, int64_t n, double *lo, double *hi);

/* How much more often a is right than b. */
typedef struct data_difference {
    double value, lo, hi;   /* of two accuracies, with its 95 % interval */
    double p;               /* two-sided: that there is none */
    int64_t only_a, only_b; /* clips that one alone has right; -1 where there are several repeats */
} data_difference;

/* The two above of right_a and right_b [n]: which clips each has right. NaN when n is 0. */
data_difference data_paired_test(const bool *right_a, const bool *right_b, size_t n);

/* Where both were made anew several times, in pairs (the same seeds, the same permutations of their
 * clips): right_a and right_b [repeats, n]. One repeat: the test above. More: chance is in the
 * choice of the clips and in that of the repeats, so variances over both add up (what is of neither
 * counts twice, which errs to the careful side), with as many degrees of freedom as Satterthwaite
 * ("An approximate distribution of estimates of variance components", Biometrics Bulletin 1946)
 * gives such a sum; Student's distribution by Wallace's approximation (Ann. Math. Statist. 1959),
 * which errs to the careful side where there are few (p of 0.065 for 0.05 at one degree, 0.054 at
 * two). repeats >= 1; NaN when n is 0. */
data_difference data_paired_repeats(const bool *right_a, const bool *right_b, size_t n,
                                    size_t repeats);

/* Repeats that are no pairs, right_a [repeats_a, n] and right_b [repeats_b, n], as models trained
 * from several seeds each: variances of both over their repeats instead (Welch, "The
 * generalization of 'Student's' problem when several different population variances are involved",
 * Biometrika 1947); a single repeat is taken to vary as those of the other do. */
data_difference data_paired_groups(const bool *right_a, size_t repeats_a, const bool *right_b,
                                   size_t repeats_b, size_t n);

/* p values of n tests that are looked at together become such that rejecting those below a level
 * errs anywhere with at most that probability (Holm, "A simple sequentially rejective multiple test
 * procedure", Scand. J. Stat. 1979). */
void data_holm(double *p, size_t n);

#endif
