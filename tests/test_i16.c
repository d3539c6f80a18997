/* The kernels of 16-bit activations against tests/i16_oracle.c, bit for bit: random shapes, clamps,
 * multipliers and shifts, inputs and weights at their extremes included; and sums as large as they
 * can be, which the sanitizer would see overflow.
 */
#include "quantize/runtime/add_broadcast_i16.h"
#include "quantize/runtime/avgpool_i16.h"
#include "quantize/runtime/clip_i16.h"
#include "quantize/runtime/conv2d_i16.h"
#include "quantize/runtime/dense_i16.h"
#include "quantize/runtime/dwconv2d_bands_i16.h"
#include "quantize/runtime/dwconv2d_i16.h"
#include "quantize/runtime/globalpool_i16.h"
#include "quantize/runtime/maxpool_i16.h"
#include "quantize/runtime/mul_i16.h"
#include "quantize/runtime/narrow.h"
#include "quantize/runtime/reduce_mean_i16.h"
#include "quantize/runtime/widen.h"
#include "tests/check.h"
#include "tests/i16_oracle.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200 };

/* ---- random material ---- */

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* Exactly n values, so that reading beyond them is seen: all one extreme, either, any, or small. */
static int16_t *random_values(base_rng *r, int n)
{
    int16_t *v = malloc((size_t)n * sizeof *v);
    assert_non_null(v);
    const int kind = between(r, 0, 5);
    for (int i = 0; i < n; i++)
        v[i] = (int16_t)(kind == 0   ? -32767
                         : kind == 1 ? 32767
                         : kind == 2 ? 32767 * (2 * between(r, 0, 1) - 1)
                         : kind == 3 ? between(r, -9, 9)
                                     : between(r, -32767, 32767));
    return v;
}

static int8_t *random_bytes(base_rng *r, int n, int lo)
{
    int8_t *v = malloc((size_t)n);
    assert_non_null(v);
    const int kind = between(r, 0, 3);
    for (int i = 0; i < n; i++)
        v[i] = (int8_t)(kind == 0 ? lo : kind == 1 ? 127 : between(r, lo, 127));
    return v;
}

typedef struct rescale {
    int32_t *bias, *multiplier, *shift;
    int32_t lo, hi;
} rescale;

/* Multipliers may be 0 and, by band, below. */
static rescale random_rescale(base_rng *r, int channels)
{
    const size_t size = (size_t)channels * sizeof(int32_t);
    rescale s = {malloc(size), malloc(size), malloc(size), -32767, 32767};
    assert_true(s.bias && s.multiplier && s.shift);
    for (int c = 0; c < channels; c++) {
        const int kind = between(r, 0, 9);
        s.bias[c] = kind == 0   ? INT32_MAX
                    : kind == 1 ? -INT32_MAX
                                : between(r, -400000000, 400000000);
        s.multiplier[c] = (1 << 30) + (int32_t)base_rng_below(r, 1u << 30);
        if (kind == 2) s.multiplier[c] = 0;
        if (kind == 3) s.multiplier[c] = -s.multiplier[c];
        s.shift[c] = kind == 4 ? between(r, -31, 7) : between(r, -20, -5);
    }
    if (between(r, 0, 1)) s.lo = between(r, -32767, 32767);
    if (between(r, 0, 1)) s.hi = between(r, s.lo, 32767);
    return s;
}

static void free_rescale(rescale s)
{
    free(s.bias);
    free(s.multiplier);
    free(s.shift);
}

/* One axis with at least one output. */
typedef struct axis {
    int in, out, kernel, stride, dilation, before;
} axis;

static axis random_axis(base_rng *r, int dilation)
{
    axis a = {.in = between(r, 1, 10),
              .kernel = between(r, 1, 5),
              .stride = between(r, 1, 3),
              .dilation = between(r, 1, dilation),
              .before = between(r, 0, 5)};
    const int room = a.in + a.before + between(r, 0, 4) - (a.kernel - 1) * a.dilation - 1;
    a.out = room < 0 ? 1 : room / a.stride + 1;
    return a;
}

/* ---- comparing ---- */

typedef void run16(const void *p, const int16_t *a, const int16_t *b, int16_t *y);

static void compare(const char *name, run16 *run, const void *p, const int16_t *a, const int16_t *b,
                    int n)
{
    int16_t *got = malloc((size_t)n * sizeof *got), *wanted = malloc((size_t)n * sizeof *wanted);
    assert_true(got && wanted);
    run(p, a, b, got);
    assert_true(i16_oracle(name, p, (const void *const[]){a, b}, wanted));
    for (int i = 0; i < n; i++)
        if (got[i] != wanted[i])
            fail_msg("%s, output %d of %d: %d, not %d", name, i, n, got[i], wanted[i]);
    free(got);
    free(wanted);
}

#define RUN(kernel)                                                                                \
    static void run_##kernel(const void *p, const int16_t *a, const int16_t *b, int16_t *y)        \
    {                                                                                              \
        (void)b;                                                                                   \
        sotto_##kernel(p, a, y);                                                                   \
    }
#define RUN2(kernel)                                                                               \
    static void run_##kernel(const void *p, const int16_t *a, const int16_t *b, int16_t *y)        \
    {                                                                                              \
        sotto_##kernel(p, a, b, y);                                                                \
    }
RUN(conv2d_i16)
RUN(dwconv2d_i16)
RUN(dwconv2d_bands_i16)
RUN(dense_i16)
RUN(globalpool_i16)
RUN(avgpool_i16)
RUN(maxpool_i16)
RUN(reduce_mean_i16)
RUN(clip_i16)
RUN2(add_i16)
RUN2(add_broadcast_i16)
RUN2(mul_i16)

/* ---- rounding ---- */

static void requant_is_the_definition(void **state)
{
    (void)state;
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 300000; i++) {
        const int bits = between(&r, 1, 46),
                  shift = between(&r, -31, 46 - bits < 7 ? 46 - bits : 7);
        const uint64_t any = ((uint64_t)base_rng_u32(&r) << 32) | base_rng_u32(&r);
        const int64_t x = (int64_t)(any >> (64 - bits)) * (between(&r, 0, 1) ? 1 : -1);
        int32_t m = (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30);
        if (between(&r, 0, 3) == 0) m = -m;
        const int64_t wanted = i16_requant(x, m, shift, -32767, 32767);
        assert_int_equal(sotto_requant_i16(x, m, shift, -32767, 32767), wanted);
        if (x == (int32_t)x)
            assert_int_equal(sotto_requant32_i16((int32_t)x, m, shift, -32767, 32767), wanted);
    }
    assert_int_equal(sotto_requant_i16(1, 1 << 30, 0, -9, 9), 1);    /* 0.5 up */
    assert_int_equal(sotto_requant_i16(-1, 1 << 30, 0, -9, 9), 0);   /* -0.5 up */
    assert_int_equal(sotto_requant_i16(-3, 1 << 30, 0, -9, 9), -1);  /* -1.5 up */
    assert_int_equal(sotto_requant_i16(1, INT32_MAX, -1, -9, 9), 0); /* rounded once: 0.4999 */
}

/* What no lowering makes, but a damaged file might hold, must not be undefined. */
static void requant_takes_anything(void **state)
{
    (void)state;
    static const int64_t x[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, 0, -1};
    static const int32_t m[] = {INT32_MIN, INT32_MAX, 0, -1};
    for (size_t i = 0; i < BASE_COUNT(x); i++)
        for (size_t k = 0; k < BASE_COUNT(m); k++)
            for (int shift = -31; shift <= 30; shift++) {
                const int16_t y = sotto_requant_i16(x[i], m[k], shift, -5, 5);
                assert_in_range(y + 5, 0, 10);
                const int16_t z = sotto_requant32_i16((int32_t)x[i], m[k], shift, -5, 5);
                assert_in_range(z + 5, 0, 10);
            }
}

/* ---- kernels ---- */

static void conv2d_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, (uint64_t)i);
        const axis h = random_axis(&r, 3), w = random_axis(&r, 3);
        const int groups = between(&r, 1, 3), depth = between(&r, 1, i % 10 ? 20 : 400);
        const int per = between(&r, 1, 4), taps = h.kernel * w.kernel;
        const rescale s = random_rescale(&r, groups * per);
        int8_t *k = random_bytes(&r, groups * per * taps * depth, -127);
        int16_t *x = random_values(&r, h.in * w.in * groups * depth);
        const sotto_conv2d_i16_t p = {.in_h = h.in,
                                      .in_w = w.in,
                                      .in_c = groups * depth,
                                      .out_h = h.out,
                                      .out_w = w.out,
                                      .out_c = groups * per,
                                      .kernel_h = h.kernel,
                                      .kernel_w = w.kernel,
                                      .stride_h = h.stride,
                                      .stride_w = w.stride,
                                      .dilation_h = h.dilation,
                                      .dilation_w = w.dilation,
                                      .pad_top = h.before,
                                      .pad_left = w.before,
                                      .groups = groups,
                                      .lo = s.lo,
                                      .hi = s.hi,
                                      .weight = k,
                                      .bias = s.bias,
                                      .multiplier = s.multiplier,
                                      .shift = s.shift};
        compare("sotto_conv2d_i16", run_conv2d_i16, &p, x, NULL, h.out * w.out * p.out_c);
        free(k);
        free(x);
        free_rescale(s);
    }
}

static void depthwise_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, (uint64_t)i);
        const axis h = random_axis(&r, 3);
        axis w = random_axis(&r, 3);
        const int channels = between(&r, 1, 20), bands = i % 2 ? 1 : between(&r, 1, 3);
        w.out = bands * (1 + w.out / bands); /* windows may lie outside */
        const rescale s = random_rescale(&r, bands * channels);
        int8_t *k = random_bytes(&r, h.kernel * w.kernel * channels, -127);
        int16_t *x = random_values(&r, h.in * w.in * channels);
        const sotto_dwconv2d_bands_i16_t b = {.in_h = h.in,
                                              .in_w = w.in,
                                              .channels = channels,
                                              .out_h = h.out,
                                              .out_w = w.out,
                                              .bands = bands,
                                              .kernel_h = h.kernel,
                                              .kernel_w = w.kernel,
                                              .stride_h = h.stride,
                                              .stride_w = w.stride,
                                              .dilation_h = h.dilation,
                                              .dilation_w = w.dilation,
                                              .pad_top = h.before,
                                              .pad_left = w.before,
                                              .lo = s.lo,
                                              .hi = s.hi,
                                              .weight = k,
                                              .bias = s.bias,
                                              .multiplier = s.multiplier,
                                              .shift = s.shift};
        const sotto_dwconv2d_i16_t p = {
            b.in_h,       b.in_w,     b.channels, b.out_h,    b.out_w,
            b.kernel_h,   b.kernel_w, b.stride_h, b.stride_w, b.dilation_h,
            b.dilation_w, b.pad_top,  b.pad_left, 0,          0,
            b.lo,         b.hi,       0,          b.weight,   b.bias,
            b.multiplier, b.shift};
        const int n = h.out * w.out * channels;
        compare("sotto_dwconv2d_bands_i16", run_dwconv2d_bands_i16, &b, x, NULL, n);
        if (bands == 1) compare("sotto_dwconv2d_i16", run_dwconv2d_i16, &p, x, NULL, n);
        free(k);
        free(x);
        free_rescale(s);
    }
}

static void dense_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, (uint64_t)i);
        const int in = between(&r, 1, i % 4 ? 300 : 2000), out = between(&r, 1, 9);
        const rescale s = random_rescale(&r, out);
        int8_t *k = random_bytes(&r, in * out, -127);
        int16_t *x = random_values(&r, in);
        const sotto_dense_i16_t p = {in,     out,          0,      0, s.lo, s.hi, 0, k,
                                     s.bias, s.multiplier, s.shift};
        compare("sotto_dense_i16", run_dense_i16, &p, x, NULL, out);
        free(k);
        free(x);
        free_rescale(s);
    }
}

/* As many products as a layer may have, all of one sign, and the largest bias. */
static void the_largest_sums_fit(void **state)
{
    (void)state;
    enum { FAN = 1 << 17, TAPS = SOTTO_I16_RUN };
    int16_t *x = malloc(FAN * sizeof *x);
    int8_t *k = malloc(FAN);
    assert_true(x && k);
    for (int sign = -1; sign <= 1; sign += 2) {
        const int32_t bias = sign * INT32_MAX, multiplier = INT32_MAX, shift = 7, small = -31;
        for (int i = 0; i < FAN; i++) x[i] = (int16_t)(sign * 32767);
        memset(k, 127, FAN);
        sotto_dense_i16_t p = {FAN, 1, 0, 0, -32767, 32767, 0, k, &bias, &multiplier, &shift};
        compare("sotto_dense_i16", run_dense_i16, &p, x, NULL, 1);
        p.shift = &small;
        compare("sotto_dense_i16", run_dense_i16, &p, x, NULL, 1);
        const sotto_dwconv2d_i16_t d = {.in_h = 1,
                                        .in_w = TAPS,
                                        .channels = 1,
                                        .out_h = 1,
                                        .out_w = 1,
                                        .kernel_h = 1,
                                        .kernel_w = TAPS,
                                        .stride_h = 1,
                                        .stride_w = 1,
                                        .dilation_h = 1,
                                        .dilation_w = 1,
                                        .lo = -32767,
                                        .hi = 32767,
                                        .weight = k,
                                        .bias = &bias,
                                        .multiplier = &multiplier,
                                        .shift = &small};
        compare("sotto_dwconv2d_i16", run_dwconv2d_i16, &d, x, NULL, 1);
        const sotto_globalpool_i16_t g = {65536, 1, -32767, 32767};
        compare("sotto_globalpool_i16", run_globalpool_i16, &g, x, NULL, 1);
        const sotto_add_i16_t s = {9, INT32_MAX, INT32_MAX, 24, -32767, 32767};
        compare("sotto_add_i16", run_add_i16, &s, x, x, 9);
    }
    free(x);
    free(k);
}

static void pools_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, (uint64_t)i);
        const axis h = random_axis(&r, 1), w = random_axis(&r, 1);
        const int channels = between(&r, 1, 9), n = h.out * w.out * channels;
        const rescale s = random_rescale(&r, 1);
        int16_t *x = random_values(&r, h.in * w.in * channels);
        const sotto_pool_t p = {h.in,     w.in,     channels, h.out,    w.out, h.kernel, w.kernel,
                                h.stride, w.stride, h.before, w.before, s.lo,  s.hi};
        compare("sotto_avgpool_i16", run_avgpool_i16, &p, x, NULL, n);
        compare("sotto_maxpool_i16", run_maxpool_i16, &p, x, NULL, n);
        const sotto_globalpool_i16_t g = {h.in * w.in, channels, s.lo, s.hi};
        compare("sotto_globalpool_i16", run_globalpool_i16, &g, x, NULL, channels);
        const sotto_clip_i16_t c = {h.in * w.in * channels, s.lo, s.hi};
        compare("sotto_clip_i16", run_clip_i16, &c, x, NULL, c.n);
        const sotto_reduce_mean_i16_t m = {
            .axes = {{h.in, channels}, {w.in * channels, 1}, {1, w.in}, {0, channels}},
            .multiplier = s.multiplier[0],
            .shift = s.shift[0],
            .lo = s.lo,
            .hi = s.hi};
        compare("sotto_reduce_mean_i16", run_reduce_mean_i16, &m, x, NULL, h.in * channels);
        free(x);
        free_rescale(s);
    }
}

static void sums_and_products_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, (uint64_t)i);
        const rescale s = random_rescale(&r, 2);
        sotto_add_broadcast_i16_t b = {
            .sum = {.x0_multiplier = s.multiplier[0],
                    .x1_multiplier = s.multiplier[1],
                    .shift = between(&r, i % 4 ? 29 : 24, i % 4 ? 34 : 62),
                    .lo = s.lo,
                    .hi = s.hi}};
        int n = 1;
        for (int k = 3; k >= 0; n *= b.length[k--]) {
            b.length[k] = between(&r, 1, k == 3 ? 30 : 4);
            const int repeated = between(&r, 0, 2);
            b.step0[k] = repeated == 1 ? 0 : n;
            b.step1[k] = repeated == 2 ? 0 : n;
        }
        b.sum.n = n;
        sotto_mul_i16_t m = {.multiplier = s.multiplier[0],
                             .shift = between(&r, i % 4 ? -16 : -31, i % 4 ? -10 : 7),
                             .lo = s.lo,
                             .hi = s.hi};
        memcpy(m.length, b.length, sizeof m.length);
        memcpy(m.step0, b.step0, sizeof m.step0);
        memcpy(m.step1, b.step1, sizeof m.step1);
        int16_t *x0 = random_values(&r, n), *x1 = random_values(&r, n);
        compare("sotto_add_broadcast_i16", run_add_broadcast_i16, &b, x0, x1, n);
        compare("sotto_mul_i16", run_mul_i16, &m, x0, x1, n);
        compare("sotto_add_i16", run_add_i16, &b.sum, x0, x1, n);
        free(x0);
        free(x1);
        free_rescale(s);
    }
}

/* ---- between widths ---- */

static void every_value_is_converted(void **state)
{
    (void)state;
    enum { BYTES = 256, VALUES = 65535 };
    static int8_t b[BYTES], back[VALUES], wanted8[VALUES];
    static int16_t v[VALUES], wanted16[BYTES];
    base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < BYTES; i++) b[i] = (int8_t)(i - 128);
    for (int i = 0; i < VALUES; i++) v[i] = (int16_t)(i - 32767);
    for (int i = 0; i < ROUNDS; i++) {
        const int zero = i == 0 ? -128 : i == 1 ? 127 : between(&r, -128, 127);
        const sotto_narrow_t n = {VALUES, zero, (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30),
                                  i % 8 ? between(&r, -10, -4) : between(&r, -31, 30)};
        sotto_narrow(&n, v, back);
        assert_true(i16_oracle("sotto_narrow", &n, (const void *const[]){v}, wanted8));
        assert_memory_equal(back, wanted8, sizeof back);
        const sotto_widen_t w = {BYTES, zero};
        int16_t y[BYTES];
        sotto_widen(&w, b, y);
        assert_true(i16_oracle("sotto_widen", &w, (const void *const[]){b}, wanted16));
        assert_memory_equal(y, wanted16, sizeof y);
        /* and back: by 1/128 nothing is lost */
        const sotto_narrow_t same = {BYTES, zero, 1 << 30, -6};
        sotto_narrow(&same, y, back);
        assert_memory_equal(back, b, sizeof b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requant_is_the_definition),
        cmocka_unit_test(requant_takes_anything),
        cmocka_unit_test(conv2d_is_exact),
        cmocka_unit_test(depthwise_is_exact),
        cmocka_unit_test(dense_is_exact),
        cmocka_unit_test(the_largest_sums_fit),
        cmocka_unit_test(pools_are_exact),
        cmocka_unit_test(sums_and_products_are_exact),
        cmocka_unit_test(every_value_is_converted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
