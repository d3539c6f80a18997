/* metrics: what a confusion matrix says. Pure functions over counts; rows are the true classes,
 * columns the predicted ones: confusion[truth * classes + predicted].
 */
#ifndef DATA_METRICS_H
#define DATA_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* Add n results. Labels lie in 0 .. classes - 1. */
void data_confuse(int64_t *confusion, int classes, const int *truth, const int *predicted,
                  size_t n);

typedef struct data_score {
    int64_t n, correct;
    double accuracy; /* fraction; NaN when n is 0, like all below that divide by nothing */
    double lo, hi;   /* its 95 % interval (Wilson) */
    double macro_f1; /* mean over the classes that occur or were predicted */
} data_score;
data_score data_score_all(const int64_t *confusion, int classes);

typedef struct data_class_score {
    int64_t n, predicted, correct;
    double precision, recall, f1; /* NaN where there is nothing to divide by */
} data_class_score;
data_class_score data_score_class(const int64_t *confusion, int classes, int label);

/* The 95 % interval of a proportion correct / n (Wilson, "Probable inference, the law of
 * succession, and statistical inference", JASA 1927); NaN when n is 0. */
void data_wilson(int64_t correct, int64_t n, double *lo, double *hi);

/* Index of the largest of n values, the first of equals. */
int data_argmax(const float *values, int n);

#endif
