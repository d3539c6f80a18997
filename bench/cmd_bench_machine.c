/* sotto bench machine: what this machine can do at most, to hold figures against. */
#include "bench/measure.h"
#include "nn/blas.h"
#include "nn/vector.h"

static const cli_spec spec = {
    .usage = "",
    .about = "One thread: multiply-adds in registers (two operations each), the matrix product of\n"
             "a pointwise convolution, and memory traffic of a triad over 96 MB.",
    .max_args = 0,
};

enum { CHAINS = 24, ROUNDS = 4096 };

typedef struct peak {
    nn_vector sum[CHAINS];
    nn_real factor;
} peak;

/* As many independent sums as the units have stages and ways. */
static void multiply_add(void *ctx)
{
    peak *p = ctx;
    nn_vector s[CHAINS];
    const nn_vector f = p->factor - (nn_vector){0};
    for (int i = 0; i < CHAINS; i++) s[i] = p->sum[i];
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) s[i] = s[i] * f + f;
    }
    for (int i = 0; i < CHAINS; i++) p->sum[i] = s[i];
}

typedef struct product {
    nn_real *a, *b, *c;
} product;

enum { ROWS = 3125, CHANNELS = 64 }; /* 25 clips of DS-CNN's 25 x 5 maps */

static void multiply(void *ctx)
{
    const product *p = ctx;
    nn_gemm(false, false, ROWS, CHANNELS, CHANNELS, p->a, CHANNELS, p->b, CHANNELS, 0, p->c,
            CHANNELS);
}

enum { TRIAD = 8 << 20 };

static void triad(void *ctx)
{
    const product *p = ctx;
    nn_real *restrict a = p->a;
    const nn_real *restrict b = p->b, *restrict c = p->c;
    for (size_t i = 0; i < TRIAD; i++) a[i] = b[i] + (nn_real)0.5 * c[i];
}

static base_status measure(cli *c, product *p, double seconds, base_err *err)
{
    peak fma = {.factor = (nn_real)0.5};
    p->a = bench_noise(TRIAD);
    p->b = bench_noise(TRIAD);
    p->c = base_alloc(TRIAD, sizeof *p->c);
    if (!p->a || !p->b || !p->c) return base_nomem(err, 3 * TRIAD * sizeof *p->a);
    const double ops = 2.0 * CHAINS * ROUNDS * NN_LANES;
    cli_put_text(c, "blas", nn_blas_name());
    cli_put_int(c, "vector_bytes", NN_VECTOR_BYTES);
    cli_put_int(c, "cores", base_cores());
    cli_put_real(c, "peak_gflops", 1e-9 * ops * bench_rate(multiply_add, &fma, seconds), 1);
    cli_put_real(c, "gemm_gflops",
                 2e-9 * ROWS * CHANNELS * CHANNELS * bench_rate(multiply, p, seconds), 1);
    cli_put_real(c, "triad_gb_per_s",
                 1e-9 * 3 * TRIAD * sizeof(nn_real) * bench_rate(triad, p, seconds), 1);
    return BASE_OK;
}

base_status cmd_bench_machine(cli *c, int argc, char **argv, base_err *err)
{
    double seconds = 1;
    const struct poptOption options[] = {
        {"seconds", 0, POPT_ARG_DOUBLE, &seconds, 0, "how long to measure each", "S"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--seconds", seconds, 0, 3600, err));
    product p = {0};
    base_status status = measure(c, &p, seconds, err);
    base_free(p.a);
    base_free(p.b);
    base_free(p.c);
    return status;
}
