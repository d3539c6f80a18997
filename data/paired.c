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

/* Of the mean of what was added, by `freedom` degrees of freedom. */
static double error_squared(const moments *m, double freedom)
{
    return (m->squares / m->count - mean(m) * mean(m)) / freedom;
}

/* How much more often a is right than b: sum over n outcomes that lie `step` apart. */
static double advantage(const bool *a, const bool *b, size_t n, size_t step)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i * step] - b[i * step];
    return sum;
}

data_difference data_paired_repeats(const bool *right_a, const bool *right_b, size_t n,
                                    size_t repeats)
{
    const double z = 1.959963984540054, times = (double)repeats;
    data_difference d = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    if (n == 0) return d;
    d.value = advantage(right_a, right_b, n * repeats, 1) / ((double)n * times);
    if (repeats == 1) {
        int64_t only_a = 0, only_b = 0;
        for (size_t i = 0; i < n; i++) {
            only_a += right_a[i] && !right_b[i];
            only_b += right_b[i] && !right_a[i];
        }
        data_paired_interval(only_a, only_b, (int64_t)n, &d.lo, &d.hi);
        d.p = data_mcnemar(only_a, only_b);
        return d;
    }
    moments clips = {0}, runs = {0};
    for (size_t i = 0; i < n; i++)
        add(&clips, advantage(right_a + i, right_b + i, repeats, n) / times);
    for (size_t r = 0; r < repeats; r++)
        add(&runs, advantage(right_a + r * n, right_b + r * n, n, 1) / (double)n);
    add(&clips, 1); /* one more for each, as in data_paired_interval */
    add(&clips, -1);
    const double c = error_squared(&clips, clips.count), r = error_squared(&runs, times - 1);
    const double freedom = (c + r) * (c + r) / (c * c / (clips.count - 1) + r * r / (times - 1));
    const double middle = mean(&clips), error = sqrt(c + r);
    d.lo = fmax(middle - student_point(z, freedom) * error, -1);
    d.hi = fmin(middle + student_point(z, freedom) * error, 1);
    d.p = student_p(middle / error, freedom);
    return d;
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
