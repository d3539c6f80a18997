/* The int8 kernels of quantize/runtime/ against integers computed by another route: rounding from
 * its definition in 64 bits, convolution by scattering every input to the outputs it reaches,
 * pooling by asking every position whether it lies in the window. Bit for bit, on random shapes,
 * zero points and clamps, extremes included, in both rounding profiles.
 */
#include "nn/base.h"
#include "quantize/runtime/add.h"
#include "quantize/runtime/avgpool.h"
#include "quantize/runtime/clamp.h"
#include "quantize/runtime/conv2d_w4.h"
#include "quantize/runtime/dense_w4.h"
#include "quantize/runtime/dwconv2d_bands_w4.h"
#include "quantize/runtime/dwconv2d_w4.h"
#include "quantize/runtime/globalpool.h"
#include "quantize/runtime/maxpool.h"
#include "tests/wanted.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 300 };

static int8_t wanted_out(int64_t v, int lo, int hi)
{
    return (int8_t)(v < lo ? lo : v > hi ? hi : v);
}

/* ---- random material ---- */

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* Mostly uniform, with runs of extremes. */
static int8_t *random_bytes(base_rng *r, int n, int lo)
{
    int8_t *v = base_alloc((size_t)n, 1);
    assert_non_null(v);
    const int kind = between(r, 0, 5);
    for (int i = 0; i < n; i++)
        v[i] = (int8_t)(kind == 0 ? lo : kind == 1 ? 127 : between(r, lo, 127));
    return v;
}

/* Weights of `bits` bits. */
static int8_t *random_weights(base_rng *r, int n, int bits)
{
    int8_t *v = random_bytes(r, n, -127);
    for (int i = 0; bits == 4 && i < n; i++) v[i] = (int8_t)(v[i] / 17); /* -7 .. 7 */
    return v;
}

/* Of exactly the bytes that two a byte take, the first in the lower half. */
static int8_t *packed(const int8_t *w, int n)
{
    int8_t *to = base_alloc((size_t)(n + 1) / 2, 1);
    assert_non_null(to);
    for (int i = 0; i < n; i++) {
        const int u = w[i] < 0 ? w[i] + 16 : w[i], before = i % 2 ? (uint8_t)to[i / 2] : 0;
        const int byte = before + (i % 2 ? 16 * u : u);
        to[i / 2] = (int8_t)(byte > 127 ? byte - 256 : byte);
    }
    return to;
}

typedef struct rescale {
    int32_t *bias, *multiplier, *shift;
} rescale;

static rescale random_rescale(base_rng *r, int channels)
{
    rescale s = {base_alloc((size_t)channels, 4), base_alloc((size_t)channels, 4),
                 base_alloc((size_t)channels, 4)};
    assert_true(s.bias && s.multiplier && s.shift);
    for (int c = 0; c < channels; c++) {
        s.bias[c] = between(r, -40000, 40000);
        s.multiplier[c] = between(r, 0, 9) ? (1 << 30) + (int32_t)base_rng_below(r, 1u << 30) : 0;
        s.shift[c] = between(r, -16, 2);
        if (between(r, 0, 9) == 0) s.bias[c] = between(r, 0, 1) ? 400000000 : -400000000;
    }
    return s;
}

static void free_rescale(rescale s)
{
    base_free(s.bias);
    base_free(s.multiplier);
    base_free(s.shift);
}

static void random_clamp(base_rng *r, int32_t *lo, int32_t *hi)
{
    *lo = between(r, 0, 1) ? -128 : between(r, -128, 127);
    *hi = between(r, 0, 1) ? 127 : between(r, *lo, 127);
}

/* The geometry of one axis such that there is at least one output. */
typedef struct axis {
    int in, out, kernel, stride, dilation, before;
} axis;

static axis random_axis(base_rng *r, int max_dilation)
{
    axis a = {.in = between(r, 1, 11),
              .kernel = between(r, 1, 5),
              .stride = between(r, 1, 3),
              .dilation = between(r, 1, max_dilation),
              .before = between(r, 0, 6)};
    const int span = (a.kernel - 1) * a.dilation + 1, after = between(r, 0, 4);
    const int room = a.in + a.before + after - span;
    a.out = room < 0 ? 1 : room / a.stride + 1;
    return a;
}

/* The output that input position i feeds through tap k, or -1. */
static int fed(axis a, int i, int k)
{
    const int at = i + a.before - k * a.dilation;
    return at >= 0 && at % a.stride == 0 && at / a.stride < a.out ? at / a.stride : -1;
}

/* ---- convolutions ---- */

static void conv2d_check(base_rng *r, int bits)
{
    const axis h = random_axis(r, 3), w = random_axis(r, 3);
    const int groups = between(r, 1, 3), depth = between(r, 1, 20), per = between(r, 1, 4);
    sotto_conv2d_t p = {.in_h = h.in,
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
                        .in_zero = between(r, -128, 127),
                        .out_zero = between(r, -128, 127),
                        .single = between(r, 0, 1)};
    random_clamp(r, &p.lo, &p.hi);
    const int taps = h.kernel * w.kernel, n_out = h.out * w.out * p.out_c;
    int8_t *x = random_bytes(r, h.in * w.in * p.in_c, -128);
    int8_t *k = random_weights(r, p.out_c * taps * depth, bits);
    int8_t *y = base_alloc((size_t)n_out, 1);
    int64_t *sum = base_alloc((size_t)n_out, sizeof *sum);
    assert_true(y && sum);
    rescale s = random_rescale(r, p.out_c);
    p.weight = k, p.bias = s.bias, p.multiplier = s.multiplier, p.shift = s.shift;

    for (int i = 0; i < h.in; i++)
        for (int j = 0; j < w.in; j++)
            for (int tap = 0; tap < taps; tap++) {
                const int a = fed(h, i, tap / w.kernel), b = fed(w, j, tap % w.kernel);
                if (a < 0 || b < 0) continue;
                for (int o = 0; o < p.out_c; o++)
                    for (int c = 0; c < depth; c++) {
                        const int in = (i * w.in + j) * p.in_c + o / per * depth + c;
                        sum[(a * w.out + b) * p.out_c + o] +=
                            (int64_t)(x[in] - p.in_zero) * k[(o * taps + tap) * depth + c];
                    }
            }
    int8_t *pairs = packed(k, p.out_c * taps * depth), *scratch = NULL;
    if (bits == 4) {
        scratch =
            base_alloc((size_t)(taps * depth * sotto_int4_channels(taps * depth, p.out_c)), 1);
        assert_non_null(scratch);
        p.weight = pairs;
        sotto_conv2d_w4(&p, x, y, scratch);
    } else {
        sotto_conv2d(&p, x, y);
    }
    for (int i = 0; i < n_out; i++) {
        const int o = i % p.out_c;
        const int64_t v = wanted_requant(sum[i] + s.bias[o], s.multiplier[o], s.shift[o], p.single);
        assert_int_equal(y[i], wanted_out(v + p.out_zero, p.lo, p.hi));
    }
    base_free(x);
    base_free(k);
    base_free(y);
    base_free(sum);
    base_free(pairs);
    base_free(scratch);
    free_rescale(s);
}

static void conv2d_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, (uint64_t)i / 2);
        conv2d_check(&r, i % 2 ? 4 : 8);
    }
}

static void dwconv2d_check(base_rng *r, int bits)
{
    const axis h = random_axis(r, 3), w = random_axis(r, 3);
    const int channels = between(r, 1, 20);
    sotto_dwconv2d_t p = {.in_h = h.in,
                          .in_w = w.in,
                          .channels = channels,
                          .out_h = h.out,
                          .out_w = w.out,
                          .kernel_h = h.kernel,
                          .kernel_w = w.kernel,
                          .stride_h = h.stride,
                          .stride_w = w.stride,
                          .dilation_h = h.dilation,
                          .dilation_w = w.dilation,
                          .pad_top = h.before,
                          .pad_left = w.before,
                          .in_zero = between(r, -128, 127),
                          .out_zero = between(r, -128, 127),
                          .single = between(r, 0, 1)};
    random_clamp(r, &p.lo, &p.hi);
    const int taps = h.kernel * w.kernel, n_out = h.out * w.out * channels;
    int8_t *x = random_bytes(r, h.in * w.in * channels, -128);
    int8_t *k = random_weights(r, taps * channels, bits);
    int8_t *y = base_alloc((size_t)n_out, 1);
    int64_t *sum = base_alloc((size_t)n_out, sizeof *sum);
    assert_true(y && sum);
    rescale s = random_rescale(r, channels);
    p.weight = k, p.bias = s.bias, p.multiplier = s.multiplier, p.shift = s.shift;

    for (int i = 0; i < h.in * w.in * channels; i++)
        for (int tap = 0; tap < taps; tap++) {
            const int c = i % channels;
            const int a = fed(h, i / channels / w.in, tap / w.kernel);
            const int b = fed(w, i / channels % w.in, tap % w.kernel);
            if (a < 0 || b < 0) continue;
            sum[(a * w.out + b) * channels + c] +=
                (int64_t)(x[i] - p.in_zero) * k[tap * channels + c];
        }
    int8_t *pairs = packed(k, taps * channels), *scratch = NULL;
    if (bits == 4) {
        scratch = base_alloc((size_t)(taps * sotto_int4_channels(taps, channels)), 1);
        assert_non_null(scratch);
        p.weight = pairs;
        sotto_dwconv2d_w4(&p, x, y, scratch);
    } else {
        sotto_dwconv2d(&p, x, y);
    }
    for (int i = 0; i < n_out; i++) {
        const int c = i % channels;
        const int64_t v = wanted_requant(sum[i] + s.bias[c], s.multiplier[c], s.shift[c], p.single);
        assert_int_equal(y[i], wanted_out(v + p.out_zero, p.lo, p.hi));
    }
    base_free(x);
    base_free(k);
    base_free(y);
    base_free(sum);
    base_free(pairs);
    base_free(scratch);
    free_rescale(s);
}

static void dwconv2d_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, (uint64_t)i / 2);
        dwconv2d_check(&r, i % 2 ? 4 : 8);
    }
}

/* Several blocks of channels, the last one smaller, and odd numbers of them: each band with packed
 * weights is a depthwise convolution of its columns (padding: none, a column of taps). */
static void packed_bands_are_exact(void **state)
{
    enum { H = 6, BANDS = 3, WIDTH = 2, TAPS = 3, MOST = 300, W = BANDS * WIDTH };
    (void)state;
    for (int i = 0; i < ROUNDS / 10; i++) {
        base_rng r = base_rng_at(8, BASE_RNG_TEST, 0, (uint64_t)i);
        const int channels = between(&r, 1, MOST), out_h = H - TAPS + 1;
        int8_t *x = random_bytes(&r, H * W * channels, -128);
        int8_t *k = random_weights(&r, TAPS * channels, 4), *pairs = packed(k, TAPS * channels);
        int8_t *y = base_alloc((size_t)(out_h * W * channels), 1);
        int8_t *scratch = base_alloc((size_t)(TAPS * sotto_int4_channels(TAPS, channels)), 1);
        assert_true(y && scratch);
        rescale s = random_rescale(&r, BANDS * channels);
        const sotto_dwconv2d_bands_w4_t p = {.in_h = H,
                                             .in_w = W,
                                             .channels = channels,
                                             .out_h = out_h,
                                             .out_w = W,
                                             .bands = BANDS,
                                             .kernel_h = TAPS,
                                             .kernel_w = 1,
                                             .stride_h = 1,
                                             .stride_w = 1,
                                             .dilation_h = 1,
                                             .dilation_w = 1,
                                             .in_zero = between(&r, -128, 127),
                                             .out_zero = between(&r, -128, 127),
                                             .lo = -128,
                                             .hi = 127,
                                             .single = between(&r, 0, 1),
                                             .weight = pairs,
                                             .bias = s.bias,
                                             .multiplier = s.multiplier,
                                             .shift = s.shift};
        sotto_dwconv2d_bands_w4(&p, x, y, scratch);
        for (int at = 0; at < out_h * W * channels; at++) {
            const int c = at % channels, o = at / channels % W / WIDTH * channels + c;
            int64_t sum = s.bias[o];
            for (int tap = 0; tap < TAPS; tap++)
                sum += (int64_t)(x[at + tap * W * channels] - p.in_zero) * k[tap * channels + c];
            const int64_t v = wanted_requant(sum, s.multiplier[o], s.shift[o], p.single);
            assert_int_equal(y[at], wanted_out(v + p.out_zero, p.lo, p.hi));
        }
        base_free(x);
        base_free(k);
        base_free(pairs);
        base_free(y);
        base_free(scratch);
        free_rescale(s);
    }
}

static void dense_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < 2 * ROUNDS; round++) {
        base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, (uint64_t)round / 2);
        const int bits = round % 2 ? 4 : 8;
        sotto_dense_t p = {.in_n = between(&r, 1, 300),
                           .out_n = between(&r, 1, 20),
                           .in_zero = between(&r, -128, 127),
                           .out_zero = between(&r, -128, 127),
                           .single = between(&r, 0, 1)};
        random_clamp(&r, &p.lo, &p.hi);
        int8_t *x = random_bytes(&r, p.in_n, -128);
        int8_t *k = random_weights(&r, p.in_n * p.out_n, bits),
               *pairs = packed(k, p.in_n * p.out_n);
        rescale s = random_rescale(&r, p.out_n);
        p.weight = bits == 4 ? pairs : k;
        p.bias = s.bias, p.multiplier = s.multiplier, p.shift = s.shift;
        int8_t y[20];
        (bits == 4 ? sotto_dense_w4 : sotto_dense)(&p, x, y);
        for (int o = 0; o < p.out_n; o++) {
            int64_t products = 0, weights = 0; /* the zero point taken out of the sum */
            for (int i = 0; i < p.in_n; i++) {
                products += x[i] * k[o * p.in_n + i];
                weights += k[o * p.in_n + i];
            }
            const int64_t sum = products - p.in_zero * weights + s.bias[o];
            const int64_t v =
                wanted_requant(sum, s.multiplier[o], s.shift[o], p.single) + p.out_zero;
            assert_int_equal(y[o], wanted_out(v, p.lo, p.hi));
        }
        base_free(x);
        base_free(k);
        base_free(pairs);
        free_rescale(s);
    }
}

/* ---- pooling ---- */

/* Whether input position i lies in the window of output o. */
static bool inside(axis a, int o, int i)
{
    const int k = i + a.before - o * a.stride;
    return k >= 0 && k < a.kernel;
}

static void pools_are_exact(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, (uint64_t)round);
        const axis h = random_axis(&r, 1), w = random_axis(&r, 1);
        const int channels = between(&r, 1, 9), n_out = h.out * w.out * channels;
        sotto_avgpool_t p = {h.in,     w.in,     channels, h.out,    w.out,    h.kernel,
                             w.kernel, h.stride, w.stride, h.before, w.before, .lo = 0};
        random_clamp(&r, &p.lo, &p.hi);
        sotto_maxpool_t m = {h.in,     w.in,     channels, h.out,    w.out, h.kernel, w.kernel,
                             h.stride, w.stride, h.before, w.before, p.lo,  p.hi};
        int8_t *x = random_bytes(&r, h.in * w.in * channels, -128);
        int8_t *mean = base_alloc((size_t)n_out, 1), *most = base_alloc((size_t)n_out, 1);
        assert_true(mean && most);
        sotto_avgpool(&p, x, mean);
        sotto_maxpool(&m, x, most);
        for (int o = 0; o < n_out; o++) {
            int64_t sum = 0, count = 0, largest = -128;
            for (int i = 0; i < h.in * w.in; i++) {
                if (!inside(h, o / channels / w.out, i / w.in)) continue;
                if (!inside(w, o / channels % w.out, i % w.in)) continue;
                const int8_t v = x[i * channels + o % channels];
                sum += v;
                count++;
                if (v > largest) largest = v;
            }
            const int64_t average = count ? away_div(sum, count) : 0;
            assert_int_equal(mean[o], wanted_out(average, p.lo, p.hi));
            assert_int_equal(most[o], wanted_out(largest, p.lo, p.hi));
        }
        base_free(x);
        base_free(mean);
        base_free(most);
    }
}

static void globalpool_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, (uint64_t)round);
        sotto_globalpool_t p = {.positions = between(&r, 1, 200), .channels = between(&r, 1, 9)};
        random_clamp(&r, &p.lo, &p.hi);
        int8_t *x = random_bytes(&r, p.positions * p.channels, -128), y[9];
        sotto_globalpool(&p, x, y);
        for (int c = 0; c < p.channels; c++) {
            int64_t sum = 0;
            for (int i = p.positions - 1; i >= 0; i--) sum += x[i * p.channels + c];
            assert_int_equal(y[c], wanted_out(away_div(sum, p.positions), p.lo, p.hi));
        }
        base_free(x);
    }
}

/* ---- elementwise ---- */

static void add_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, (uint64_t)round);
        sotto_add_t p = {.n = 256,
                         .x0_zero = between(&r, -128, 127),
                         .x0_multiplier = (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30),
                         .x0_shift = between(&r, -12, -1),
                         .x1_zero = between(&r, -128, 127),
                         .x1_multiplier = 1 << 30,
                         .x1_shift = 0,
                         .out_zero = between(&r, -128, 127),
                         .single = between(&r, 0, 1),
                         .out_multiplier = (1 << 30) + (int32_t)base_rng_below(&r, 1u << 30),
                         .out_shift = between(&r, -24, -16)};
        random_clamp(&r, &p.lo, &p.hi);
        int8_t a[256], b[256], y[256];
        for (int i = 0; i < 256; i++) a[i] = (int8_t)(i - 128);
        for (int k = 0; k < 256; k++) { /* every pair */
            for (int i = 0; i < 256; i++) b[i] = (int8_t)((i + k) % 256 - 128);
            sotto_add(&p, a, b, y);
            for (int i = 0; i < 256; i++) {
                const int64_t u = (int64_t)(a[i] - p.x0_zero) * (1 << 20);
                const int64_t v = (int64_t)(b[i] - p.x1_zero) * (1 << 20);
                const int64_t sum = wanted_requant(u, p.x0_multiplier, p.x0_shift, p.single) +
                                    wanted_requant(v, p.x1_multiplier, p.x1_shift, p.single);
                const int64_t q =
                    wanted_requant(sum, p.out_multiplier, p.out_shift, p.single) + p.out_zero;
                assert_int_equal(y[i], wanted_out(q, p.lo, p.hi));
            }
        }
        sotto_add(&p, a, b, b); /* in place */
        assert_memory_equal(b, y, sizeof y);
    }
}

static void clamp_is_exact(void **state)
{
    (void)state;
    int8_t x[256], y[256];
    for (int i = 0; i < 256; i++) x[i] = (int8_t)(i - 128);
    const sotto_clamp_t p = {256, -7, 90};
    sotto_clamp(&p, x, y);
    for (int i = 0; i < 256; i++) assert_int_equal(y[i], wanted_out(i - 128, -7, 90));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_is_exact),        cmocka_unit_test(dwconv2d_is_exact),
        cmocka_unit_test(packed_bands_are_exact), cmocka_unit_test(dense_is_exact),
        cmocka_unit_test(pools_are_exact),        cmocka_unit_test(globalpool_is_exact),
        cmocka_unit_test(add_is_exact),           cmocka_unit_test(clamp_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
