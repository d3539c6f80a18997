/* See tests/q8_oracle.h. */
#include "tests/q8_oracle.h"

#include "tests/check.h"
#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 wide;

/* ---- numbers ---- */

/* floor(a / b) for b > 0 */
static wide floor_div(wide a, wide b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

q8_factor q8_factor_of(double real)
{
    q8_factor f = {0, 0};
    const bool negative = real < 0;
    long double r = negative ? -(long double)real : (long double)real;
    if (r <= 0) return f;
    for (; r >= 1; r /= 2) f.shift++;
    for (; r < 0.5L; r *= 2) f.shift--;
    f.multiplier = (int64_t)floorl(r * 2147483648.0L + 0.5L);
    if (f.multiplier == (int64_t)1 << 31) {
        f.multiplier /= 2;
        f.shift++;
    }
    if (f.shift < -31) return (q8_factor){0, 0};
    if (negative) f.multiplier = -f.multiplier;
    return f;
}

int64_t q8_times(int64_t x, q8_factor f, bool single)
{
    wide v = x;
    if (single) { /* floor(v multiplier / one + 1/2) */
        const wide one = (wide)1 << (31 - f.shift);
        return (int64_t)floor_div(2 * v * f.multiplier + one, 2 * one);
    }
    for (int i = 0; i < f.shift; i++) v *= 2;
    v = floor_div(v * f.multiplier + ((wide)1 << 30), (wide)1 << 31);
    if (f.shift >= 0) return (int64_t)v;
    const wide by = (wide)1 << -f.shift, size = v < 0 ? -v : v;
    const wide rounded = (size + by / 2) / by;
    return (int64_t)(v < 0 ? -rounded : rounded);
}

int64_t q8_steps(double v, double scale, int zero)
{
    const double r = v / scale;
    return (int64_t)(r < 0 ? -floor(0.5 - r) : floor(r + 0.5)) + zero;
}

static int8_t byte(int64_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

int8_t q8_clamped(const nn_q8_context *c, int64_t v)
{
    return (int8_t)(v < c->lo ? c->lo : v > c->hi ? c->hi : v);
}

/* ---- places ---- */

typedef struct place {
    int at[NN_MAX_DIMS];
} place;

static place place_of(nn_shape s, int64_t flat)
{
    place i = {{0}};
    for (int k = s.n - 1; k >= 0; flat /= s.d[k--]) i.at[k] = (int)(flat % s.d[k]);
    return i;
}

/* An axis of length 1 is repeated. */
static int64_t flat_of(nn_shape s, place i)
{
    int64_t flat = 0;
    for (int k = 0; k < s.n; k++) flat = flat * s.d[k] + (s.d[k] == 1 ? 0 : i.at[k]);
    return flat;
}

static int numbers(const nn_node *n, const char *key, int out[NN_MAX_DIMS])
{
    base_str text = {0};
    if (!nn_attr_get(n, key, &text)) fail_msg("no attribute '%s'", key);
    int count = 0;
    for (char *at = text.s; *at && count < NN_MAX_DIMS; at += *at == ',')
        out[count++] = (int)strtol(at, &at, 10);
    base_str_free(&text);
    return count;
}

/* ---- sums and products ---- */

static int64_t added(const nn_q8_context *c, nn_quant a, int xa, nn_quant b, int xb)
{
    const double twice = 2 * (a.scale > b.scale ? a.scale : b.scale);
    const int64_t sum =
        q8_times((int64_t)(xa - a.zero) * 1048576, q8_factor_of(a.scale / twice), c->single) +
        q8_times((int64_t)(xb - b.zero) * 1048576, q8_factor_of(b.scale / twice), c->single);
    return q8_times(sum, q8_factor_of(twice / 1048576 / c->out.scale), c->single) + c->out.zero;
}

static void add(const q8_call *q)
{
    const nn_quant *in = q->c->in;
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const place at = place_of(q->node->shape, i);
        const int a = q->x[0][flat_of(q->node->in[0]->shape, at)];
        const int b = q->x[1][flat_of(q->node->in[1]->shape, at)];
        q->y[i] = q8_clamped(q->c, added(q->c, in[0], a, in[1], b));
    }
}

static void mul(const q8_call *q)
{
    const nn_quant *in = q->c->in;
    const float product = (float)((double)(float)in[0].scale * (double)(float)in[1].scale);
    const q8_factor f =
        q8_factor_of((double)(float)((double)product / (double)(float)q->c->out.scale));
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const place at = place_of(q->node->shape, i);
        const int64_t a = q->x[0][flat_of(q->node->in[0]->shape, at)] - in[0].zero;
        const int64_t b = q->x[1][flat_of(q->node->in[1]->shape, at)] - in[1].zero;
        q->y[i] = q8_clamped(q->c, q8_times(a * b, f, q->c->single) + q->c->out.zero);
    }
}

static void position(const q8_call *q)
{
    const int64_t n = nn_count(q->node->shape);
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabs((double)q->c->w[0][i]) > largest) largest = fabs((double)q->c->w[0][i]);
    const nn_quant own = {largest / 127, 0};
    for (int64_t i = 0; i < n; i++) {
        const int8_t v = byte(q8_steps((double)q->c->w[0][i], own.scale, 0));
        q->y[i] = q8_clamped(q->c, added(q->c, q->c->in[0], q->x[0][i], own, v));
    }
}

static void matmul(const q8_call *q)
{
    const bool transpose = oracle_yes(q->node, "transpose");
    const nn_shape a = q->node->in[0]->shape, b = q->node->in[1]->shape, y = q->node->shape;
    const nn_quant *in = q->c->in;
    const double scale = oracle_real(q->node, "scale");
    q8_factor f = q8_factor_of(in[0].scale * in[1].scale * fabs(scale) / q->c->out.scale);
    if (scale < 0) f.multiplier = -f.multiplier;
    for (int64_t i = 0; i < nn_count(y); i++) {
        int64_t sum = 0;
        for (int k = 0; k < a.d[a.n - 1]; k++) {
            place at = place_of(y, i), bt = at;
            at.at[a.n - 1] = k;
            if (transpose) bt.at[b.n - 2] = bt.at[b.n - 1];
            bt.at[transpose ? b.n - 1 : b.n - 2] = k;
            int64_t fa = 0, fb = 0;
            for (int d = 0; d < a.n; d++) fa = fa * a.d[d] + at.at[d], fb = fb * b.d[d] + bt.at[d];
            sum += (int64_t)(q->x[0][fa] - in[0].zero) * (q->x[1][fb] - in[1].zero);
        }
        q->y[i] = q8_clamped(q->c, q8_times(sum, f, q->c->single) + q->c->out.zero);
    }
}

/* ---- over axes ---- */

typedef struct gathered {
    int64_t sum, count;
    int most;
} gathered;

/* What lies over output `out` along the axes. */
static gathered gather(const q8_call *q, int64_t out)
{
    int axes[NN_MAX_DIMS];
    const int n = numbers(q->node, "axes", axes);
    const nn_shape x = q->node->in[0]->shape;
    nn_shape kept = x;
    for (int k = 0; k < n; k++) kept.d[axes[k]] = 1;
    gathered g = {.most = -128};
    for (int64_t i = 0; i < nn_count(x); i++)
        if (flat_of(kept, place_of(x, i)) == out) {
            g.sum += q->x[0][i];
            g.count++;
            if (q->x[0][i] > g.most) g.most = q->x[0][i];
        }
    return g;
}

/* Halves away from zero. */
static int64_t divided(int64_t a, int64_t by)
{
    return a < 0 ? -((-a * 2 + by) / (by * 2)) : (a * 2 + by) / (by * 2);
}

/* The three ways of TensorFlow Lite 2.2.0. */
static int64_t tflite_mean(const q8_call *q, gathered g)
{
    const nn_quant in = q->c->in[0], out = q->c->out;
    int axes[NN_MAX_DIMS];
    const bool two = numbers(q->node, "axes", axes) == 2 && axes[0] + axes[1] == 1;
    const float scale = (float)in.scale / (float)out.scale;
    if (two && oracle_yes(q->node, "keep") && q->node->in[0]->shape.n == 3) {
        const q8_factor f = q8_factor_of(in.scale / out.scale);
        return divided(q8_times(g.sum - g.count * in.zero, f, q->c->single), g.count) + out.zero;
    }
    if (!(in.scale < out.scale) && !(in.scale > out.scale) && in.zero == out.zero)
        return g.sum < 0 ? -(-g.sum / g.count) : g.sum / g.count;
    const float mean = (float)((double)g.sum / (double)g.count);
    const float offset = (float)((double)(float)(-in.zero * (double)scale) + 0.5);
    const float v = (float)((double)(float)((double)mean * (double)scale) + (double)offset);
    return q8_steps((double)v, 1, 0) + out.zero;
}

static void mean(const q8_call *q)
{
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const gathered g = gather(q, i);
        const nn_quant in = q->c->in[0], out = q->c->out;
        const double share = (double)(float)(1.0L / (long double)g.count);
        const q8_factor f = q8_factor_of(in.scale * share / out.scale);
        q->y[i] =
            oracle_yes(q->node, "tflite")
                ? q8_clamped(q->c, tflite_mean(q, g))
                : q8_clamped(q->c, q8_times(g.sum - g.count * in.zero, f, q->c->single) + out.zero);
    }
}

static void max(const q8_call *q)
{
    for (int64_t i = 0; i < nn_count(q->node->shape); i++)
        q->y[i] = q8_clamped(q->c, gather(q, i).most);
}

/* ---- moving ---- */

static int64_t rescaled(const nn_q8_context *c, int k, int x)
{
    const nn_quant in = c->in[k], out = c->out;
    const bool same = !(in.scale < out.scale) && !(in.scale > out.scale) && in.zero == out.zero;
    return same ? x
                : q8_times(x - in.zero, q8_factor_of(in.scale / out.scale), c->single) + out.zero;
}

static void concat(const q8_call *q)
{
    const int axis = oracle_int(q->node, "axis");
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        place at = place_of(q->node->shape, i);
        int k = 0;
        for (; at.at[axis] >= q->node->in[k]->shape.d[axis]; k++)
            at.at[axis] -= q->node->in[k]->shape.d[axis];
        const int x = q->x[k][flat_of(q->node->in[k]->shape, at)];
        q->y[i] = q8_clamped(q->c, rescaled(q->c, k, x));
    }
}

static void class_token(const q8_call *q)
{
    const int row = q->node->shape.d[2];
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const nn_quant out = q->c->out;
        const int64_t v = i < row ? byte(q8_steps((double)q->c->w[0][i], out.scale, out.zero))
                                  : rescaled(q->c, 0, q->x[0][i - row]);
        q->y[i] = q8_clamped(q->c, v);
    }
}

static void cut(const q8_call *q, int begin)
{
    const int axis = oracle_int(q->node, "axis");
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        place at = place_of(q->node->shape, i);
        at.at[axis] += begin;
        q->y[i] = q8_clamped(q->c, q->x[0][flat_of(q->node->in[0]->shape, at)]);
    }
}

static void slice(const q8_call *q)
{
    cut(q, oracle_int(q->node, "begin"));
}

static void split(const q8_call *q)
{
    const int size = q->node->shape.d[oracle_int(q->node, "axis")];
    cut(q, size * oracle_int(q->node, "part"));
}

static void pad(const q8_call *q)
{
    int border[4];
    numbers(q->node, "pad", border);
    const nn_shape in = q->node->in[0]->shape;
    const nn_quant out = q->c->out;
    const double value = oracle_real(q->node, "value");
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        place at = place_of(q->node->shape, i);
        at.at[0] -= border[0];
        at.at[1] -= border[2];
        const bool inside =
            at.at[0] >= 0 && at.at[0] < in.d[0] && at.at[1] >= 0 && at.at[1] < in.d[1];
        q->y[i] =
            q8_clamped(q->c, inside ? q->x[0][(at.at[0] * in.d[1] + at.at[1]) * in.d[2] + at.at[2]]
                                    : byte(q8_steps(value, out.scale, out.zero)));
    }
}

static void transpose(const q8_call *q)
{
    int order[NN_MAX_DIMS];
    const int n = numbers(q->node, "order", order);
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const place at = place_of(q->node->shape, i);
        place from = at;
        for (int k = 0; k < n; k++) from.at[order[k]] = at.at[k];
        q->y[i] = q8_clamped(q->c, q->x[0][flat_of(q->node->in[0]->shape, from)]);
    }
}

/* ---- weights ---- */

int64_t q8_weight_of(double w, double scale, int bits)
{
    const int64_t q = q8_steps(w, scale, 0), most = bits == 4 ? 7 : 127;
    return q > most ? most : q < -most ? -most : q;
}

/* Of 4 bits every 48th of what the largest needs, down to a third, is tried. */
double q8_scale_of(const nn_real *w, int n, int step, int bits)
{
    double largest = 0, scale = 0;
    long double least = -1;
    for (int i = 0; i < n; i++) largest = fmax(largest, fabs((double)w[i * step]));
    if (bits != 4) return (double)(float)(largest / 127);
    for (int k = 48; k >= 16; k--) {
        const double s = (double)(float)(largest / 7 * k / 48);
        long double sum = 0;
        for (int i = 0; s > 0 && i < n; i++) {
            const long double rest =
                (long double)w[i * step] -
                (long double)q8_weight_of((double)w[i * step], s, 4) * (long double)s;
            sum += rest * rest;
        }
        if (least >= 0 && sum >= least) continue;
        least = sum;
        scale = s;
    }
    return scale;
}

/* conv2d, dwconv2d, dense: the sums are those of the double oracle over whole numbers. */
static void weighted(const q8_call *q)
{
    const nn_node *n = q->node;
    const nn_q8_context *c = q->c;
    const int channels = n->shape.d[n->shape.n - 1], fan = (int)n->param[0].count / channels;
    const int64_t inputs = nn_count(n->in[0]->shape), outputs = nn_count(n->shape);
    double *x = malloc((size_t)inputs * sizeof *x), *y = malloc((size_t)outputs * sizeof *y);
    double *w = malloc(n->param[0].count * sizeof *w), *b = malloc((size_t)channels * sizeof *b);
    q8_factor *f = malloc((size_t)channels * sizeof *f);
    assert_true(x && y && w && b && f);
    for (int64_t i = 0; i < inputs; i++) x[i] = q->x[0][i] - c->in[0].zero;
    for (int o = 0; o < channels; o++) {
        double scale = q8_scale_of(c->w[0] + o, fan, channels, c->weight_bits);
        if (!(scale > 0)) scale = (double)(float)(c->out.scale / c->in[0].scale / 1024);
        for (int i = 0; i < fan; i++)
            w[i * channels + o] =
                (double)q8_weight_of((double)c->w[0][i * channels + o], scale, c->weight_bits);
        b[o] =
            c->w[1] ? (double)q8_steps((double)c->w[1][o] / (c->in[0].scale * scale), 1, 0) : 0.0;
        f[o] = q8_factor_of(c->in[0].scale * scale / c->out.scale);
    }
    oracle_find(n->op->name)
        ->forward(&(oracle_call){.node = n, .batch = 1, .x = {x}, .w = {w, b}, .y = y});
    for (int64_t i = 0; i < outputs; i++)
        q->y[i] = q8_clamped(c, q8_times((int64_t)y[i], f[i % channels], c->single) + c->out.zero);
    free(x);
    free(y);
    free(w);
    free(b);
    free(f);
}

/* ---- hardswish ---- */

/* v / 2^times, halves away from zero. */
static wide halved(wide v, int times)
{
    const wide by = (wide)1 << times, size = (v < 0 ? -v : v) + by / 2;
    return v < 0 ? -(size / by) : size / by;
}

static int64_t within16(int64_t v)
{
    return v < -32768 ? -32768 : v > 32767 ? 32767 : v;
}

/* A factor in 16 bits. */
static q8_factor short_factor(double real)
{
    q8_factor f = q8_factor_of(real);
    f.multiplier = (f.multiplier + 32768) / 65536;
    if (f.multiplier > 32767) f.multiplier = 32767; /* the largest that there is */
    return f;
}

/* TensorFlow Lite 2.2.0's, in 16 bits: x with 7 bits behind the point times its gate. */
static void hardswish(const q8_call *q)
{
    const nn_quant in = q->c->in[0], out = q->c->out;
    const float fine = (float)in.scale / 128;
    const q8_factor g = short_factor((double)(fine / (3.0F / 32768)));
    const q8_factor f = short_factor((double)(fine / (float)out.scale));
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const int64_t x = 128 * (q->x[0][i] - in.zero);
        int64_t gate = x, y;
        if (f.shift > 0) { /* a table of rounded results */
            const double v = in.scale * (q->x[0][i] - in.zero), h = v / 6 + 0.5;
            q->y[i] = q8_clamped(q->c, q8_steps(v * fmin(1, fmax(0, h)), out.scale, out.zero));
            continue;
        }
        for (int k = 1; k < g.shift; k++) gate = within16(2 * gate);
        gate = (int64_t)floor_div(gate * g.multiplier + (1 << 14), 1 << 15);
        gate = g.shift > 0 ? within16(2 * gate) : (int64_t)halved(gate, -g.shift);
        y = (int64_t)floor_div(x * f.multiplier + (1 << 14), 1 << 15);
        y *= (int64_t)floor_div(gate + 32768, 2);
        y = y < 0 ? -(-y >> 15) : y >> 15;
        q->y[i] = q8_clamped(q->c, (int64_t)halved(y, -f.shift) + out.zero);
    }
}

/* ---- softmax and layernorm ---- */

/* TFLite's fixed point (gemmlowp): products of 31-bit fractions, halves up; powers of two, halves
 * away from zero. */
static wide product(wide a, wide b)
{
    return floor_div(a * b + ((wide)1 << 30), (wide)1 << 31);
}

static wide saturated(wide v)
{
    const wide most = ((wide)1 << 31) - 1;
    return v > most ? most : v < -most - 1 ? -most - 1 : v;
}

/* exp of x <= 0 in steps of 2^-26: exp of what is left of a quarter by four terms around -1/8,
 * times exp(-2^k) for each power of two in the quarters. */
static wide fixed_exp(wide x)
{
    const wide quarter = (wide)1 << 24, eighth = 1895147668;
    if (x == 0) return ((wide)1 << 31) - 1;
    const wide quarters = floor_div(-x - 1, quarter), rest = x + quarters * quarter;
    const wide a = rest * 32 + ((wide)1 << 28), a2 = product(a, a), a3 = product(a2, a);
    const wide a4 = halved(product(a2, a2), 2);
    wide y = eighth + product(eighth, a + halved(product(a4 + a3, 715827883) + a2, 1));
    for (int k = 0; k < 7; k++)
        if (quarters >> k & 1) y = product(y, (wide)floor(ldexp(exp(-ldexp(1, k - 2)), 31) + 0.5));
    return y;
}

/* 1 / (1 + x) of a 31-bit fraction. */
static wide fixed_reciprocal(wide x)
{
    const wide half = (x + ((wide)1 << 31)) / 2;
    wide y = 1515870810 - product(half, 1010580540);
    for (int i = 0; i < 3; i++) y += saturated(4 * product(y, ((wide)1 << 29) - product(half, y)));
    return saturated(2 * y);
}

static void softmax(const q8_call *q)
{
    const int n = q->node->shape.d[q->node->shape.n - 1];
    const q8_factor f = q8_factor_of(fmin(ldexp(q->c->in[0].scale, 26), 2147483647.0));
    const wide least = -(wide)floor(ldexp(31, 26 - f.shift));
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const int8_t *row = q->x[0] + i / n * n;
        int most = -128, bits = 0;
        wide sum = 0, e[2] = {0}; /* e[1]: of i itself */
        for (int k = 0; k < n; k++) most = row[k] > most ? row[k] : most;
        for (int k = 0; k < n; k++) {
            const wide d = row[k] - most;
            e[0] = d < least ? -1 : fixed_exp(product(d * ((wide)1 << f.shift), f.multiplier));
            if (k == i % n) e[1] = e[0];
            if (e[0] >= 0) sum += halved(e[0], 12);
        }
        while (sum >> bits) bits++;
        const wide share = fixed_reciprocal(((sum << (32 - bits)) - ((wide)1 << 31)));
        const bool seen = e[1] >= 0 && bits + 3 < 32; /* beyond, less than half a step */
        const int64_t v = seen ? (int64_t)halved(product(share, e[1]), bits + 3) : 0;
        q->y[i] = q8_clamped(q->c, v - 128);
    }
}

/* The largest whole number whose square is not above v, by halving. */
static wide root_of(wide v)
{
    wide lo = 0, hi = (wide)1 << 32;
    while (hi - lo > 1) {
        const wide mid = (lo + hi) / 2;
        if (mid * mid <= v)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* (n x - sum) / sqrt(n^2 variance + epsilon) in 2^-12, with a reciprocal of 31 bits */
static wide normalized(const q8_call *q, int64_t i, int n)
{
    const int8_t *row = q->x[0] + i / n * n;
    wide sum = 0, squares = 0, power = 1;
    for (int k = 0; k < n; k++) sum += row[k], squares += row[k] * row[k];
    const double steps = n / q->c->in[0].scale;
    wide v =
        n * squares - sum * sum + (wide)floor(oracle_real(q->node, "eps") * steps * steps + 0.5);
    if (v == 0) return 0;
    while (v < (wide)1 << 60) v *= 4, power *= 2;
    const wide inverse = ((wide)1 << 61) / root_of(v);
    const wide unit = ((wide)1 << 49) / power;
    return floor_div((n * row[i % n] - sum) * inverse + unit / 2, unit);
}

static void layernorm(const q8_call *q)
{
    const int n = q->node->shape.d[q->node->shape.n - 1];
    double gamma = 0, beta = 0;
    for (int k = 0; k < n; k++) {
        gamma = fmax(gamma, fabs((double)q->c->w[0][k]));
        beta = fmax(beta, fabs((double)q->c->w[1][k]));
    }
    const double scale = fmax(gamma / 8191, beta / 1073741824 * 4096);
    const q8_factor f = q8_factor_of(scale / 4096 / q->c->out.scale);
    for (int64_t i = 0; i < nn_count(q->node->shape); i++) {
        const int64_t g = q8_steps((double)q->c->w[0][i % n] / scale, 1, 0);
        const int64_t b = q8_steps((double)q->c->w[1][i % n] / scale * 4096, 1, 0);
        const int64_t v = (int64_t)normalized(q, i, n) * g + b;
        q->y[i] = q8_clamped(q->c, q8_times(v, f, q->c->single) + q->c->out.zero);
    }
}

q8_oracle *q8_oracle_find(const char *op)
{
    static const struct {
        const char *op;
        q8_oracle *run;
    } all[] = {
        {"add", add},
        {"mul", mul},
        {"mean", mean},
        {"max", max},
        {"concat", concat},
        {"slice", slice},
        {"split", split},
        {"pad", pad},
        {"transpose", transpose},
        {"hardswish", hardswish},
        {"softmax", softmax},
        {"layernorm", layernorm},
        {"matmul", matmul},
        {"position", position},
        {"class_token", class_token},
        {"conv2d", weighted},
        {"dwconv2d", weighted},
        {"dense", weighted},
        {"trees", q8_oracle_trees},
        {"dtw", q8_oracle_dtw},
    };
    for (size_t i = 0; i < BASE_COUNT(all); i++)
        if (strcmp(all[i].op, op) == 0) return all[i].run;
    return NULL;
}
