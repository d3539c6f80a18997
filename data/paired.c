/* Tests on pairs of outcomes: see data/paired.h. */
#include "data/paired.h"

#include <math.h>

/* Probability of k heads in n throws. */
static double fair(int64_t k, int64_t n)
{
    double p = 1; /* n over k, divided by 2 as it grows; what is left over at the end */
    int64_t halves = 0;
    for (int64_t i = 1; i <= k; i++) {
        p *= (double)(n - k + i) / (double)i;
        for (; p > 1 && halves < n; halves++) p /= 2;
    }
    return ldexp(p, -(int)(n - halves));
}

double data_mcnemar(int64_t only_a, int64_t only_b)
{
    const int64_t n = only_a + only_b, k = only_a < only_b ? only_a : only_b;
    if (only_a == only_b) return 1;
    const double last = fair(k, n);
    double term = last, below = 0;
    for (int64_t i = k; i > 0; i--) {
        term *= (double)i / (double)(n - i + 1);
        below += term;
    }
    return 2 * (below + last / 2);
}

void data_paired_interval(int64_t only_a, int64_t only_b, int64_t n, double *lo, double *hi)
{
    const double z = 1.959963984540054; /* 97.5 % point of the normal distribution */
    *lo = *hi = (double)NAN;
    if (n <= 0) return;
    const double m = (double)(n + 2), a = (double)(only_a + 1) / m, b = (double)(only_b + 1) / m;
    const double half = z * sqrt((a + b - (a - b) * (a - b)) / m);
    *lo = fmax(a - b - half, -1);
    *hi = fmin(a - b + half, 1);
}

void data_holm(double *p, size_t n)
{
    double least = 0; /* of those still to come, as corrected */
    for (size_t left = n; left > 0; left--) {
        size_t at = 0;
        double next = HUGE_VAL;
        for (size_t i = 0; i < n; i++)
            if (!signbit(p[i]) && p[i] < next) next = p[at = i]; /* a negative one is done */
        least = fmax(least, fmin(1, (double)left * next));
        p[at] = -least;
    }
    for (size_t i = 0; i < n; i++) p[i] = -p[i];
}
