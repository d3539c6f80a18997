/* Counts to figures. A class that never occurs and is never predicted has no figure (NaN), rather
 * than a flattering one. */
#include "data/metrics.h"

#include <math.h>

void data_confuse(int64_t *confusion, int classes, const int *truth, const int *predicted, size_t n)
{
    for (size_t i = 0; i < n; i++) confusion[truth[i] * classes + predicted[i]]++;
}

void data_wilson(int64_t correct, int64_t n, double *lo, double *hi)
{
    const double z = 1.959963984540054; /* 97.5 % point of the normal distribution */
    *lo = *hi = (double)NAN;
    if (n <= 0) return;
    double m = (double)n, p = (double)correct / m, z2 = z * z;
    double centre = (p + z2 / (2 * m)) / (1 + z2 / m);
    double half = z / (1 + z2 / m) * sqrt(p * (1 - p) / m + z2 / (4 * m * m));
    *lo = correct == 0 ? 0 : centre - half;
    *hi = correct == n ? 1 : centre + half;
}

static double ratio(int64_t a, int64_t b)
{
    return b > 0 ? (double)a / (double)b : (double)NAN;
}

data_class_score data_score_class(const int64_t *confusion, int classes, int label)
{
    data_class_score s = {.correct = confusion[label * classes + label]};
    for (int k = 0; k < classes; k++) {
        s.n += confusion[label * classes + k];
        s.predicted += confusion[k * classes + label];
    }
    s.precision = ratio(s.correct, s.predicted);
    s.recall = ratio(s.correct, s.n);
    s.f1 = ratio(2 * s.correct, s.n + s.predicted);
    return s;
}

data_score data_score_all(const int64_t *confusion, int classes)
{
    data_score s = {0};
    double f1 = 0;
    int64_t present = 0;
    for (int k = 0; k < classes; k++) {
        data_class_score c = data_score_class(confusion, classes, k);
        s.n += c.n;
        s.correct += c.correct;
        if (c.n + c.predicted == 0) continue;
        f1 += c.f1;
        present++;
    }
    s.accuracy = ratio(s.correct, s.n);
    s.macro_f1 = present ? f1 / (double)present : (double)NAN;
    data_wilson(s.correct, s.n, &s.lo, &s.hi);
    return s;
}

int data_argmax(const float *values, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (values[i] > values[best]) best = i;
    return best;
}
