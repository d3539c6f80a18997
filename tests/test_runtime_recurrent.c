/* gru, lstm and svdf of quantize/runtime/ against what their headers define, computed another way:
 * wide integers, rounding from its definition, tables from tanhl, every gate of a frame as an
 * array. Bit for bit, on random sizes, weights, scales, zero points and clamps, extremes included.
 * Scratch has exactly the bytes that the headers ask for, and is full of something before.
 */
#include "nn/base.h"
#include "quantize/runtime/gru.h"
#include "quantize/runtime/lstm.h"
#include "quantize/runtime/svdf.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 400, MOST = 32, FRAMES = 12 };

/* ---- another route to the same integers ---- */

static int64_t floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t half_up(int64_t a, int64_t b)
{
    return floor_div(2 * a + b, 2 * b);
}

static int64_t half_away(int64_t a, int64_t b)
{
    return a < 0 ? -half_up(-a, b) : half_up(a, b);
}

/* single: one bit after the point is left of the product, which rounds it up. */
static int64_t rescaled(int64_t x, int32_t multiplier, int32_t shift, int32_t single)
{
    if (single) {
        const int64_t whole = floor_div(x * multiplier, (int64_t)1 << (30 - shift));
        return floor_div(whole + 1, 2);
    }
    if (shift > 0) x *= (int64_t)1 << shift;
    const int64_t high = half_up(x * multiplier, (int64_t)1 << 31);
    return shift < 0 ? half_away(high, (int64_t)1 << -shift) : high;
}

static int64_t within(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int64_t saturated(int64_t v)
{
    return within(v, -32768, 32767);
}

static int64_t table(int64_t k)
{
    const long double v = floorl(tanhl((long double)k / 64) * 32768 + 0.5L);
    return v > 32767 ? 32767 : (int64_t)v;
}

/* tanh(x / steps / 64) of the table, times 2^15 steps */
static int64_t table_between(int64_t x, int64_t steps)
{
    const int64_t k = x / steps, rest = x % steps;
    return k >= 384 ? table(384) * steps : table(k) * (steps - rest) + table(k + 1) * rest;
}

static int64_t tanh_of(int64_t x)
{
    return x < 0 ? -tanh_of(-x) : half_up(table_between(x, 64), 64);
}

static int64_t sigmoid_of(int64_t x)
{
    const int64_t v = table_between(x < 0 ? -x : x, 128), one = 128 * 32768;
    return half_up(x < 0 ? one - v : one + v, 256);
}

/* ---- random material ---- */

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

static void fill_bytes(base_rng *r, int8_t *v, int n, int lo)
{
    const int kind = between(r, 0, 6);
    for (int i = 0; i < n; i++)
        v[i] = (int8_t)(kind == 0 ? lo : kind == 1 ? 127 : between(r, lo, 127));
}

static void fill_bias(base_rng *r, int32_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        v[i] = between(r, -40000, 40000);
        if (between(r, 0, 20) == 0) v[i] = between(r, 0, 1) ? 100000000 : -100000000;
    }
}

/* Around 2^usual, with zeros and others among them; sums of 2^27 fit. */
static void fill_scale(base_rng *r, int32_t *multiplier, int32_t *shift, int n, int usual)
{
    for (int i = 0; i < n; i++) {
        multiplier[i] = between(r, 0, 15) ? (1 << 30) + (int32_t)base_rng_below(r, 1u << 30) : 0;
        if (between(r, 0, 15) == 0) multiplier[i] = 1 << 30;
        shift[i] = between(r, usual - 2, usual + 2);
        if (between(r, 0, 15) == 0) shift[i] = between(r, -31, 2);
    }
}

static void fill_output(base_rng *r, int32_t *zero, int32_t *lo, int32_t *hi, int32_t *multiplier,
                        int32_t *shift)
{
    *zero = between(r, -128, 127);
    *lo = between(r, 0, 1) ? -128 : between(r, -128, 127);
    *hi = between(r, 0, 1) ? 127 : between(r, *lo, 127);
    *multiplier = (1 << 30) + (int32_t)base_rng_below(r, 1u << 30);
    *shift = between(r, -9, -5);
}

static void *dirty(size_t n)
{
    void *v = malloc(n);
    assert_non_null(v);
    memset(v, 0x5a, n);
    return v;
}

/* Tables of a layer, as large as any. */
typedef struct tables {
    int8_t x[FRAMES * MOST], w[4 * MOST * MOST], u[4 * MOST * MOST], q[MOST * MOST];
    int32_t bias[4 * MOST], wm[4 * MOST], ws[4 * MOST], um[4 * MOST], us[4 * MOST];
    int32_t inner[MOST], peephole[3 * MOST], qm[MOST], qs[MOST];
} tables;

static tables *random_tables(base_rng *r)
{
    tables *t = malloc(sizeof *t);
    assert_non_null(t);
    fill_bytes(r, t->x, FRAMES * MOST, -128);
    fill_bytes(r, t->w, 4 * MOST * MOST, -127);
    fill_bytes(r, t->u, 4 * MOST * MOST, -127);
    fill_bytes(r, t->q, MOST * MOST, -127);
    fill_bias(r, t->bias, 4 * MOST);
    fill_bias(r, t->inner, MOST);
    fill_scale(r, t->wm, t->ws, 4 * MOST, -3);
    fill_scale(r, t->um, t->us, 4 * MOST, -10);
    fill_scale(r, t->qm, t->qs, MOST, -10);
    for (int i = 0; i < 3 * MOST; i++) {
        t->peephole[i] = between(r, -200000, 200000);
        if (between(r, 0, 20) == 0) t->peephole[i] = between(r, 0, 1) ? INT32_MIN : INT32_MAX;
    }
    return t;
}

/* ---- definitions ---- */

static int64_t input_of(const int8_t *x, int zero, const int8_t *w, int n)
{
    int64_t sum = 0;
    for (int i = n - 1; i >= 0; i--) sum += (int64_t)w[i] * ((int64_t)x[i] - zero);
    return sum;
}

static int64_t state_of(const int64_t *v, const int8_t *w, int n)
{
    int64_t sum = 0;
    for (int i = n - 1; i >= 0; i--) sum += w[i] * v[i];
    return sum;
}

static int8_t output_of(int64_t v, int zero, int lo, int hi)
{
    return (int8_t)within(v + zero, lo, hi);
}

static void wanted_gru(const sotto_gru_t *p, const int8_t *x, int8_t *y)
{
    int64_t h[MOST] = {0}, in[3 * MOST], state[3 * MOST], reset[MOST], gate[2 * MOST], n[MOST];
    const int units = p->units;
    for (int s = 0; s < p->frames; s++) {
        const int t = p->reverse ? p->frames - 1 - s : s;
        for (int o = 0; o < 3 * units; o++)
            in[o] = rescaled(p->bias[o] + input_of(x + t * p->in_n, p->in_zero,
                                                   p->weight + o * p->in_n, p->in_n),
                             p->weight_multiplier[o], p->weight_shift[o], p->single);
        for (int o = 0; o < 2 * units; o++) {
            state[o] = rescaled(state_of(h, p->recurrent + o * units, units),
                                p->recurrent_multiplier[o], p->recurrent_shift[o], p->single);
            gate[o] = sigmoid_of(saturated(in[o] + state[o]));
        }
        for (int j = 0; j < units; j++) reset[j] = half_up(gate[j] * h[j], 32768);
        for (int j = 0; j < units; j++) {
            const int o = 2 * units + j;
            const int64_t sum =
                p->reset_after ? p->recurrent_bias[j] + state_of(h, p->recurrent + o * units, units)
                               : state_of(reset, p->recurrent + o * units, units);
            state[o] = rescaled(sum, p->recurrent_multiplier[o], p->recurrent_shift[o], p->single);
            if (p->reset_after) state[o] = half_up(gate[j] * saturated(state[o]), 32768);
            n[j] = tanh_of(saturated(in[o] + state[o]));
        }
        for (int j = 0; j < units; j++) {
            h[j] = n[j] + half_up(gate[units + j] * (h[j] - n[j]), 32768);
            assert_true(h[j] >= -32767 && h[j] <= 32767);
            if (p->sequence || s + 1 == p->frames)
                y[(p->sequence ? t * units : 0) + j] =
                    output_of(rescaled(h[j], p->out_multiplier, p->out_shift, p->single),
                              p->out_zero, p->lo, p->hi);
        }
    }
}

static int64_t peeped(const sotto_lstm_t *p, int k, int64_t cell)
{
    const int64_t most = (int64_t)1 << 29;
    if (!p->peephole) return 0;
    /* of 62 bits: halves are seen in what is left */
    const int64_t product = p->peephole[k] * cell, unit = (int64_t)1 << 24;
    const int64_t whole = floor_div(product, unit);
    return within(whole + (product - whole * unit >= unit / 2 ? 1 : 0), -most, most);
}

/* Returns the largest |c|. */
static int64_t wanted_lstm(const sotto_lstm_t *p, const int8_t *x, int8_t *y)
{
    int64_t c[MOST] = {0}, v[MOST] = {0}, m[MOST], gate[4 * MOST], largest = 0;
    const int h = p->units, out = p->out_n;
    for (int s = 0; s < p->frames; s++) {
        const int t = p->reverse ? p->frames - 1 - s : s;
        for (int o = 0; o < 4 * h; o++)
            gate[o] = rescaled(p->bias[o] + input_of(x + t * p->in_n, p->in_zero,
                                                     p->weight + o * p->in_n, p->in_n),
                               p->weight_multiplier[o], p->weight_shift[o], p->single) +
                      rescaled(state_of(v, p->recurrent + o * out, out), p->recurrent_multiplier[o],
                               p->recurrent_shift[o], p->single);
        for (int j = 0; j < h; j++) {
            const int64_t i = sigmoid_of(saturated(gate[j] + peeped(p, j, c[j])));
            const int64_t f = sigmoid_of(saturated(gate[h + j] + peeped(p, h + j, c[j])));
            const int64_t g = tanh_of(saturated(gate[2 * h + j]));
            /* units: f c 2^-35, i g 2^-30 */
            c[j] = within(half_up(f * c[j] + 32 * i * g, 32768), INT32_MIN, INT32_MAX);
            largest = c[j] > largest ? c[j] : -c[j] > largest ? -c[j] : largest;
            const int64_t o = sigmoid_of(saturated(gate[3 * h + j] + peeped(p, 2 * h + j, c[j])));
            m[j] = half_up(o * tanh_of(saturated(half_up(c[j], 256))), 32768);
        }
        for (int k = 0; k < out; k++) {
            v[k] = m[k];
            if (p->projection)
                v[k] = saturated(rescaled(state_of(m, p->projection + k * h, h),
                                          p->projection_multiplier[k], p->projection_shift[k],
                                          p->single));
            if (p->sequence || s + 1 == p->frames)
                y[(p->sequence ? t * out : 0) + k] =
                    output_of(rescaled(v[k], p->out_multiplier, p->out_shift, p->single),
                              p->out_zero, p->lo, p->hi);
        }
    }
    return largest;
}

/* Every frame of f beside those it reaches. */
static void wanted_svdf(const sotto_svdf_t *p, const int8_t *x, int8_t *y)
{
    const int outs = p->before + p->frames - p->memory + 1;
    for (int u = 0; u < p->units; u++) {
        int64_t sum[2 * FRAMES + MOST] = {0};
        for (int t = 0; t < p->frames; t++) {
            const int64_t f = saturated(
                rescaled(input_of(x + t * p->in_n, p->in_zero, p->feature + u * p->in_n, p->in_n),
                         p->feature_multiplier[u], p->feature_shift[u], p->single));
            for (int k = 0; k < p->memory; k++) {
                const int to = t + p->before - k;
                if (to >= 0 && to < outs) sum[to] += f * p->time[u * p->memory + k];
            }
        }
        for (int t = 0; t < outs; t++)
            y[t * p->units + u] = output_of(
                rescaled(sum[t] + p->bias[u], p->time_multiplier[u], p->time_shift[u], p->single),
                p->out_zero, p->lo, p->hi);
    }
}

/* ---- functions ---- */

static void functions_are_close_and_exact(void **state)
{
    (void)state;
    long double worst_tanh = 0, worst_sigmoid = 0;
    for (int x = -32768; x <= 32767; x++) {
        const int16_t t = sotto_tanh((int16_t)x), s = sotto_sigmoid((int16_t)x);
        assert_int_equal(t, tanh_of(x));
        assert_int_equal(s, sigmoid_of(x));
        const long double real = (long double)x / 4096;
        worst_tanh = fmaxl(worst_tanh, fabsl(t - 32768 * tanhl(real)));
        worst_sigmoid = fmaxl(worst_sigmoid, fabsl(s - 32768 / (1 + expl(-real))));
    }
    printf("tanh within %.3Lf / 2^15, sigmoid within %.3Lf / 2^15\n", worst_tanh, worst_sigmoid);
    assert_true(worst_tanh < 1.53L);
    assert_true(worst_sigmoid < 1.04L);
}

/* ---- layers ---- */

static void gru_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, (uint64_t)round);
        tables *t = random_tables(&r);
        sotto_gru_t p = {.frames = between(&r, 1, FRAMES),
                         .in_n = between(&r, 1, MOST),
                         .units = between(&r, 1, MOST),
                         .reset_after = between(&r, 0, 1),
                         .reverse = between(&r, 0, 1),
                         .sequence = between(&r, 0, 1),
                         .in_zero = between(&r, -128, 127),
                         .single = between(&r, 0, 1),
                         .weight = t->w,
                         .bias = t->bias,
                         .weight_multiplier = t->wm,
                         .weight_shift = t->ws,
                         .recurrent = t->u,
                         .recurrent_multiplier = t->um,
                         .recurrent_shift = t->us};
        if (p.reset_after) p.recurrent_bias = t->inner;
        fill_output(&r, &p.out_zero, &p.lo, &p.hi, &p.out_multiplier, &p.out_shift);
        const size_t n = (size_t)(p.units * (p.sequence ? p.frames : 1));
        int8_t *y = dirty(n), wanted[FRAMES * MOST];
        void *scratch = dirty((size_t)p.units * (p.reset_after ? 4 : 6));
        sotto_gru(&p, t->x, y, scratch);
        wanted_gru(&p, t->x, wanted);
        assert_memory_equal(y, wanted, n);
        free(scratch);
        free(y);
        free(t);
    }
}

static void lstm_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, (uint64_t)round);
        tables *t = random_tables(&r);
        sotto_lstm_t p = {.frames = between(&r, 1, FRAMES),
                          .in_n = between(&r, 1, MOST),
                          .units = between(&r, 1, MOST),
                          .reverse = between(&r, 0, 1),
                          .sequence = between(&r, 0, 1),
                          .in_zero = between(&r, -128, 127),
                          .single = between(&r, 0, 1),
                          .weight = t->w,
                          .bias = t->bias,
                          .weight_multiplier = t->wm,
                          .weight_shift = t->ws,
                          .recurrent = t->u,
                          .recurrent_multiplier = t->um,
                          .recurrent_shift = t->us};
        p.out_n = p.units;
        if (between(&r, 0, 1)) p.peephole = t->peephole;
        if (between(&r, 0, 1)) {
            p.out_n = between(&r, 1, MOST);
            p.projection = t->q;
            p.projection_multiplier = t->qm;
            p.projection_shift = t->qs;
        }
        fill_output(&r, &p.out_zero, &p.lo, &p.hi, &p.out_multiplier, &p.out_shift);
        const size_t n = (size_t)(p.out_n * (p.sequence ? p.frames : 1));
        int8_t *y = dirty(n), wanted[FRAMES * MOST];
        void *scratch = dirty(6 * (size_t)p.units + 2 * (size_t)p.out_n);
        sotto_lstm(&p, t->x, y, scratch);
        wanted_lstm(&p, t->x, wanted);
        assert_memory_equal(y, wanted, n);
        free(scratch);
        free(y);
        free(t);
    }
}

static void peepholes_round_and_saturate(void **state)
{
    (void)state;
    static const int32_t v[] = {INT32_MIN, -(1 << 30), -8388609, -8388608, -8388607, -4097,    -1,
                                0,         1,          4097,     8388607,  8388608,  INT32_MAX};
    for (size_t i = 0; i < BASE_COUNT(v); i++)
        for (size_t k = 0; k < BASE_COUNT(v); k++) {
            const sotto_lstm_t p = {.peephole = &v[i]};
            assert_int_equal(sotto_lstm_peep(&p, 0, v[k]), peeped(&p, 0, v[k]));
        }
    const sotto_lstm_t none = {.peephole = NULL};
    assert_int_equal(sotto_lstm_peep(&none, 0, INT32_MAX), 0);
}

/* Gates open for thousands of frames: the cell runs to its end and stays there. */
static void cells_saturate(void **state)
{
    (void)state;
    enum { LONG = 6000 };
    static int8_t x[LONG], y[LONG], wanted[LONG];
    const int8_t zeros[4] = {0};
    const int32_t one[4] = {1 << 30, 1 << 30, 1 << 30, 1 << 30}, shift[4] = {1, 1, 1, 1};
    for (int sign = -1; sign <= 1; sign += 2) {
        const int32_t bias[4] = {50000, 50000, sign * 50000, 50000};
        const sotto_lstm_t p = {.frames = LONG,
                                .in_n = 1,
                                .units = 1,
                                .out_n = 1,
                                .sequence = 1,
                                .out_multiplier = 1 << 30,
                                .out_shift = -7,
                                .lo = -128,
                                .hi = 127,
                                .weight = zeros,
                                .bias = bias,
                                .weight_multiplier = one,
                                .weight_shift = shift,
                                .recurrent = zeros,
                                .recurrent_multiplier = one,
                                .recurrent_shift = shift};
        int32_t scratch[2];
        sotto_lstm(&p, x, y, scratch);
        assert_true(wanted_lstm(&p, x, wanted) >= INT32_MAX);
        assert_int_equal(scratch[0], sign < 0 ? INT32_MIN : INT32_MAX);
        assert_memory_equal(y, wanted, LONG);
    }
}

static void svdf_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, (uint64_t)round);
        tables *t = random_tables(&r);
        sotto_svdf_t p = {.frames = between(&r, 1, FRAMES),
                          .in_n = between(&r, 1, MOST),
                          .units = between(&r, 1, MOST),
                          .in_zero = between(&r, -128, 127),
                          .single = between(&r, 0, 1),
                          .feature = t->w,
                          .feature_multiplier = t->wm,
                          .feature_shift = t->ws,
                          .time = t->u,
                          .bias = t->bias,
                          .time_multiplier = t->um,
                          .time_shift = t->us};
        int32_t multiplier, shift; /* each unit has its own */
        fill_output(&r, &p.out_zero, &p.lo, &p.hi, &multiplier, &shift);
        for (int u = 0; u < MOST; u++) t->us[u] -= 6;
        for (int u = 0; u < MOST; u++) t->us[u] = t->us[u] < -31 ? -31 : t->us[u];
        const bool causal = between(&r, 0, 1);
        p.memory = between(&r, 1, causal ? MOST : p.frames);
        p.before = causal ? p.memory - 1 : 0;
        const size_t n = (size_t)(p.units * (p.before + p.frames - p.memory + 1));
        int8_t *y = dirty(n), wanted[FRAMES * MOST];
        void *scratch = dirty(2 * (size_t)(p.before + p.frames));
        sotto_svdf(&p, t->x, y, scratch);
        wanted_svdf(&p, t->x, wanted);
        assert_memory_equal(y, wanted, n);
        free(scratch);
        free(y);
        free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_close_and_exact),
        cmocka_unit_test(gru_is_exact),
        cmocka_unit_test(lstm_is_exact),
        cmocka_unit_test(cells_saturate),
        cmocka_unit_test(svdf_is_exact),
        cmocka_unit_test(peepholes_round_and_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
