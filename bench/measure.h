/* measure: how fast something runs, for `sotto bench`. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "nn/nn.h"
#include "train/cli.h"

typedef void (*bench_fn)(void *ctx);

/* How long: --seconds of all rounds together; the median of the rounds counts, since what a busy
 * machine does to one of them says nothing. */
enum { BENCH_ROUNDS = 7 };

/* Calls of run(ctx) a second: the median of BENCH_ROUNDS rounds, after one to warm up that is not
 * counted. A round lasts seconds / BENCH_ROUNDS or one call. */
double bench_rate(bench_fn run, void *ctx, double seconds);

/* Units of memory that this process has had resident at most, in bytes; 0 where that is not told.
 */
int64_t bench_peak_memory(void);
/* Processor seconds of this process so far, of all threads. */
double bench_processor_seconds(void);

/* n numbers of mean 0 and variance 1, freed with base_free; NULL without memory. */
nn_real *bench_noise(size_t n);

#endif
