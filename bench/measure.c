/* See bench/measure.h. */
#include "bench/measure.h"

#include <stdlib.h>
#include <sys/resource.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_rate(bench_fn run, void *ctx, double seconds)
{
    double rate[BENCH_ROUNDS];
    for (int r = -1; r < BENCH_ROUNDS; r++) {
        double start = base_seconds(), spent;
        int64_t calls = 0;
        do {
            run(ctx);
            calls++;
        } while ((spent = base_seconds() - start) < seconds / BENCH_ROUNDS);
        if (r >= 0) rate[r] = (double)calls / spent;
    }
    qsort(rate, BENCH_ROUNDS, sizeof *rate, by_value);
    return rate[BENCH_ROUNDS / 2];
}

int64_t bench_peak_memory(void)
{
    struct rusage use;
    return getrusage(RUSAGE_SELF, &use) == 0 ? (int64_t)use.ru_maxrss * 1024 : 0;
}

double bench_processor_seconds(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0) return 0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

nn_real *bench_noise(size_t n)
{
    nn_real *x = base_alloc(n, sizeof *x);
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; x && i < n; i++) x[i] = (nn_real)base_rng_normal(&rng);
    return x;
}
