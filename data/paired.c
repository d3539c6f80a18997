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

/* The normal deviate as far out as Student's t is, as Wallace has it, is this factor times
 * sqrt(freedom log(1 + t^2 / freedom)). */
static double wallace(double freedom)
{
    return (8 * freedom + 1) / (8 * freedom + 3);
}

static double student_p(double t, double freedom)
{
    const double z = wallace(freedom) * sqrt(freedom * log1p(t * t / freedom));
    return erfc(z / sqrt(2));
}

static double student_point(double z, double freedom)
{
    const double y = z / wallace(freedom);
    return sqrt(freedom * expm1(y * y / freedom));
}

typedef struct moments {
    double sum, squares, count;
} moments;

static void add(moments *m, double v)
{
    m->sum += v;
    m->squares += v * v;
    m->count++;
}

static double mean(const moments *m)
{
    return m->sum / m->count;
}

/* Of the values that were added, as far as `freedom` degrees of freedom tell. */
static double variance(const moments *m, double freedom)
{
    return fmax(m->squares - m->sum * mean(m), 0) / freedom;
}

/* Squared error of the mean of a sample, and its degrees of freedom. */
typedef struct part {
    double squared, freedom;
} part;

static const data_difference NOTHING = {(double)NAN, (double)NAN, (double)NAN, (double)NAN, -1, -1};

/* A difference of this value whose errors add up, about the middle of its interval. */
static data_difference judge(double value, double middle, const part *parts, int n)
{
    const double z = 1.959963984540054;
    double squared = 0, weight = 0;
    for (int i = 0; i < n; i++) {
        squared += parts[i].squared;
        weight += parts[i].squared * parts[i].squared / parts[i].freedom;
    }
    const double freedom = squared * squared / weight, error = sqrt(squared);
    const double half = student_point(z, freedom) * error;
    data_difference d = NOTHING;
    d.value = value;
    d.lo = fmax(middle - half, -1);
    d.hi = fmin(middle + half, 1);
    d.p = student_p(middle / error, freedom);
    return d;
}

data_difference data_paired_test(const bool *right_a, const bool *right_b, size_t n)
{
    data_difference d = NOTHING;
    if (n == 0) return d;
    d.only_a = d.only_b = 0;
    for (size_t i = 0; i < n; i++) {
        d.only_a += right_a[i] && !right_b[i];
        d.only_b += right_b[i] && !right_a[i];
    }
    d.value = (double)(d.only_a - d.only_b) / (double)n;
    data_paired_interval(d.only_a, d.only_b, (int64_t)n, &d.lo, &d.hi);
    d.p = data_mcnemar(d.only_a, d.only_b);
    return d;
}

/* How often clip i is right, or how many clips repeat i has right: n outcomes `step` apart, as a
 * share. */
static double share(const bool *right, size_t n, size_t step)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += right[i * step];
    return sum / (double)n;
}

/* The choice of clips: differences clip by clip, and one more clip for each of the two, as in
 * data_paired_interval. */
static part of_clips(const bool *a, size_t repeats_a, const bool *b, size_t repeats_b, size_t n,
                     double *value, double *middle)
{
    moments m = {0};
    for (size_t i = 0; i < n; i++) add(&m, share(a + i, repeats_a, n) - share(b + i, repeats_b, n));
    *value = mean(&m);
    add(&m, 1);
    add(&m, -1);
    *middle = mean(&m);
    return (part){variance(&m, m.count) / m.count, m.count - 1};
}

data_difference data_paired_repeats(const bool *right_a, const bool *right_b, size_t n,
                                    size_t repeats)
{
    const double times = (double)repeats;
    if (n == 0) return NOTHING;
    if (repeats == 1) return data_paired_test(right_a, right_b, n);
    double value, middle;
    moments runs = {0};
    for (size_t r = 0; r < repeats; r++)
        add(&runs, share(right_a + r * n, n, 1) - share(right_b + r * n, n, 1));
    const part parts[] = {of_clips(right_a, repeats, right_b, repeats, n, &value, &middle),
                          {variance(&runs, times - 1) / times, times - 1}};
    return judge(value, middle, parts, 2);
}

/* Variance of the accuracies of repeats > 1. */
static double spread(const bool *right, size_t repeats, size_t n)
{
    moments m = {0};
    for (size_t r = 0; r < repeats; r++) add(&m, share(right + r * n, n, 1));
    return variance(&m, (double)repeats - 1);
}

data_difference data_paired_groups(const bool *right_a, size_t repeats_a, const bool *right_b,
                                   size_t repeats_b, size_t n)
{
    const double times_a = (double)repeats_a, times_b = (double)repeats_b;
    if (n == 0) return NOTHING;
    if (repeats_a == 1 && repeats_b == 1) return data_paired_test(right_a, right_b, n);
    double value, middle;
    const part clips = of_clips(right_a, repeats_a, right_b, repeats_b, n, &value, &middle);
    if (repeats_a == 1 || repeats_b == 1) {
        const double v =
            repeats_a > 1 ? spread(right_a, repeats_a, n) : spread(right_b, repeats_b, n);
        const part parts[] = {clips, {v / times_a + v / times_b, times_a + times_b - 2}};
        return judge(value, middle, parts, 2);
    }
    const part parts[] = {clips,
                          {spread(right_a, repeats_a, n) / times_a, times_a - 1},
                          {spread(right_b, repeats_b, n) / times_b, times_b - 1}};
    return judge(value, middle, parts, 3);
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
