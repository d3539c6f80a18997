/* See tests/i16_oracle.h. */
#include "tests/i16_oracle.h"

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

#include <string.h>

__extension__ typedef __int128 wide;

/* ---- numbers ---- */

/* floor(a / b + 1/2), b > 0 */
static wide halves_up(wide a, wide b)
{
    const wide n = 2 * a + b, d = 2 * b;
    return n >= 0 ? n / d : -((-n + d - 1) / d);
}

/* halves away from zero, b > 0 */
static wide halves_away(wide a, wide b)
{
    const wide size = a < 0 ? -a : a, q = (2 * size + b) / (2 * b);
    return a < 0 ? -q : q;
}

static wide power(int n)
{
    wide v = 1;
    while (n-- > 0) v *= 2;
    return v;
}

static int64_t within(wide v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : (int64_t)v;
}

int64_t i16_requant(int64_t x, int64_t multiplier, int shift, int64_t lo, int64_t hi)
{
    const wide v = (wide)x * multiplier;
    return within(shift > 31 ? v * power(shift - 31) : halves_up(v, power(31 - shift)), lo, hi);
}

/* ---- windows ---- */

typedef struct window {
    int32_t in_h, in_w, in_c, out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left;
} window;

/* Where input c under tap k of output position i lies, or -1. */
static int64_t under(const window *w, int64_t i, int k, int c)
{
    const int64_t h = i / w->out_w * w->stride_h - w->top + k / w->kernel_w * w->dilation_h;
    const int64_t v = i % w->out_w * w->stride_w - w->left + k % w->kernel_w * w->dilation_w;
    if (h < 0 || h >= w->in_h || v < 0 || v >= w->in_w) return -1;
    return (h * w->in_w + v) * w->in_c + c;
}

static void conv2d(const void *layer, const void *const *x, void *y)
{
    const sotto_conv2d_t *p = layer;
    const window w = {p->in_h,       p->in_w,       p->in_c,     p->out_h,    p->out_w,
                      p->out_c,      p->kernel_h,   p->kernel_w, p->stride_h, p->stride_w,
                      p->dilation_h, p->dilation_w, p->pad_top,  p->pad_left};
    const int depth = p->in_c / p->groups, taps = p->kernel_h * p->kernel_w;
    for (int64_t i = 0; i < (int64_t)p->out_h * p->out_w * p->out_c; i++) {
        const int o = (int)(i % p->out_c), group = o / (p->out_c / p->groups);
        wide sum = p->bias[o];
        for (int k = 0; k < taps; k++)
            for (int c = 0; c < depth; c++) {
                const int64_t at = under(&w, i / p->out_c, k, group * depth + c);
                if (at < 0) continue;
                sum += (wide)((const int16_t *)x[0])[at] * p->weight[(o * taps + k) * depth + c];
            }
        ((int16_t *)y)[i] =
            (int16_t)i16_requant((int64_t)sum, p->multiplier[o], p->shift[o], p->lo, p->hi);
    }
}

/* bands: biases and multipliers by band of columns; 1: by channel alone */
static void depthwise(const sotto_dwconv2d_bands_t *p, const int16_t *x, int16_t *y)
{
    const window w = {p->in_h,       p->in_w,       p->channels, p->out_h,    p->out_w,
                      p->channels,   p->kernel_h,   p->kernel_w, p->stride_h, p->stride_w,
                      p->dilation_h, p->dilation_w, p->pad_top,  p->pad_left};
    for (int64_t i = 0; i < (int64_t)p->out_h * p->out_w * p->channels; i++) {
        const int c = (int)(i % p->channels), column = (int)(i / p->channels % p->out_w);
        const int at = column / (p->out_w / p->bands) * p->channels + c;
        wide sum = p->bias[at];
        for (int k = 0; k < p->kernel_h * p->kernel_w; k++) {
            const int64_t from = under(&w, i / p->channels, k, c);
            if (from >= 0) sum += (wide)x[from] * p->weight[k * p->channels + c];
        }
        y[i] = (int16_t)i16_requant((int64_t)sum, p->multiplier[at], p->shift[at], p->lo, p->hi);
    }
}

static void dwconv2d_bands(const void *p, const void *const *x, void *y)
{
    depthwise(p, x[0], y);
}

static void dwconv2d(const void *layer, const void *const *x, void *y)
{
    const sotto_dwconv2d_t *p = layer;
    const sotto_dwconv2d_bands_t one = {.in_h = p->in_h,
                                        .in_w = p->in_w,
                                        .channels = p->channels,
                                        .out_h = p->out_h,
                                        .out_w = p->out_w,
                                        .bands = 1,
                                        .kernel_h = p->kernel_h,
                                        .kernel_w = p->kernel_w,
                                        .stride_h = p->stride_h,
                                        .stride_w = p->stride_w,
                                        .dilation_h = p->dilation_h,
                                        .dilation_w = p->dilation_w,
                                        .pad_top = p->pad_top,
                                        .pad_left = p->pad_left,
                                        .lo = p->lo,
                                        .hi = p->hi,
                                        .weight = p->weight,
                                        .bias = p->bias,
                                        .multiplier = p->multiplier,
                                        .shift = p->shift};
    depthwise(&one, x[0], y);
}

static void pool(const sotto_pool_t *p, bool mean, const int16_t *x, int16_t *y)
{
    const window w = {p->in_h,     p->in_w,     p->channels, p->out_h,    p->out_w,
                      p->channels, p->kernel_h, p->kernel_w, p->stride_h, p->stride_w,
                      1,           1,           p->pad_top,  p->pad_left};
    for (int64_t i = 0; i < (int64_t)p->out_h * p->out_w * p->channels; i++) {
        wide sum = 0;
        int64_t count = 0, most = -32767;
        for (int k = 0; k < p->kernel_h * p->kernel_w; k++) {
            const int64_t at = under(&w, i / p->channels, k, (int)(i % p->channels));
            if (at < 0) continue;
            sum += x[at];
            count++;
            if (x[at] > most) most = x[at];
        }
        const wide average = count ? halves_away(sum, count) : 0;
        y[i] = (int16_t)within(mean ? average : most, p->lo, p->hi);
    }
}

static void avgpool(const void *p, const void *const *x, void *y)
{
    pool(p, true, x[0], y);
}

static void maxpool(const void *p, const void *const *x, void *y)
{
    pool(p, false, x[0], y);
}

/* ---- without windows ---- */

static void dense(const void *layer, const void *const *x, void *y)
{
    const sotto_dense_t *p = layer;
    for (int o = 0; o < p->out_n; o++) {
        wide sum = p->bias[o];
        for (int i = p->in_n - 1; i >= 0; i--)
            sum += (wide)((const int16_t *)x[0])[i] * p->weight[(int64_t)o * p->in_n + i];
        ((int16_t *)y)[o] =
            (int16_t)i16_requant((int64_t)sum, p->multiplier[o], p->shift[o], p->lo, p->hi);
    }
}

static void globalpool(const void *layer, const void *const *x, void *y)
{
    const sotto_globalpool_t *p = layer;
    for (int c = 0; c < p->channels; c++) {
        wide sum = 0;
        for (int i = 0; i < p->positions; i++)
            sum += ((const int16_t *)x[0])[(int64_t)i * p->channels + c];
        ((int16_t *)y)[c] = (int16_t)within(halves_away(sum, p->positions), p->lo, p->hi);
    }
}

static void reduce_mean(const void *layer, const void *const *x, void *y)
{
    const sotto_reduce_mean_t *p = layer;
    const sotto_reduce_t *a = &p->axes;
    for (int i = 0; i < a->kept[0] * a->kept[1]; i++) {
        const int64_t from = (int64_t)(i / a->kept[1]) * a->kept_step[0] +
                             (int64_t)(i % a->kept[1]) * a->kept_step[1];
        wide sum = 0;
        for (int k = 0; k < a->reduced[0] * a->reduced[1]; k++)
            sum +=
                ((const int16_t *)x[0])[from + (int64_t)(k / a->reduced[1]) * a->reduced_step[0] +
                                        (int64_t)(k % a->reduced[1]) * a->reduced_step[1]];
        ((int16_t *)y)[i] =
            (int16_t)i16_requant((int64_t)sum, p->multiplier, p->shift, p->lo, p->hi);
    }
}

static int64_t added(const sotto_add_i16_t *p, int64_t a, int64_t b)
{
    return within(
        halves_up((wide)a * p->x0_multiplier + (wide)b * p->x1_multiplier, power(p->shift)), p->lo,
        p->hi);
}

static void add(const void *layer, const void *const *x, void *y)
{
    const sotto_add_i16_t *p = layer;
    for (int i = 0; i < p->n; i++)
        ((int16_t *)y)[i] =
            (int16_t)added(p, ((const int16_t *)x[0])[i], ((const int16_t *)x[1])[i]);
}

/* The place of output i in an input with these steps. */
static int64_t walked(const int32_t length[4], const int32_t step[4], int64_t i)
{
    int64_t at = 0;
    for (int k = 3; k >= 0; i /= length[k--]) at += i % length[k] * step[k];
    return at;
}

static int64_t length_of(const int32_t length[4])
{
    return (int64_t)length[0] * length[1] * length[2] * length[3];
}

static void add_broadcast(const void *layer, const void *const *x, void *y)
{
    const sotto_add_broadcast_i16_t *p = layer;
    for (int64_t i = 0; i < length_of(p->length); i++)
        ((int16_t *)y)[i] =
            (int16_t)added(&p->sum, ((const int16_t *)x[0])[walked(p->length, p->step0, i)],
                           ((const int16_t *)x[1])[walked(p->length, p->step1, i)]);
}

static void mul(const void *layer, const void *const *x, void *y)
{
    const sotto_mul_t *p = layer;
    for (int64_t i = 0; i < length_of(p->length); i++) {
        const int64_t a = ((const int16_t *)x[0])[walked(p->length, p->step0, i)];
        const int64_t b = ((const int16_t *)x[1])[walked(p->length, p->step1, i)];
        ((int16_t *)y)[i] = (int16_t)i16_requant(a * b, p->multiplier, p->shift, p->lo, p->hi);
    }
}

static void clip(const void *layer, const void *const *x, void *y)
{
    const sotto_clip_i16_t *p = layer;
    for (int i = 0; i < p->n; i++)
        ((int16_t *)y)[i] = (int16_t)within(((const int16_t *)x[0])[i], p->lo, p->hi);
}

static void widen(const void *layer, const void *const *x, void *y)
{
    const sotto_widen_t *p = layer;
    for (int i = 0; i < p->n; i++)
        ((int16_t *)y)[i] = (int16_t)(128 * ((int)((const int8_t *)x[0])[i] - p->zero));
}

static void narrow(const void *layer, const void *const *x, void *y)
{
    const sotto_narrow_t *p = layer;
    for (int i = 0; i < p->n; i++) {
        const int64_t v = ((const int16_t *)x[0])[i], far = (int64_t)1 << 40;
        const int64_t q = i16_requant(v, p->multiplier, p->shift, -far, far) + p->zero;
        ((int8_t *)y)[i] = (int8_t)within(q, -128, 127);
    }
}

bool i16_oracle(const char *name, const void *p, const void *const *x, void *y)
{
    static const struct {
        const char *name;
        void (*run)(const void *p, const void *const *x, void *y);
    } all[] = {
        {"sotto_conv2d_i16", conv2d},
        {"sotto_dwconv2d_i16", dwconv2d},
        {"sotto_dwconv2d_bands_i16", dwconv2d_bands},
        {"sotto_dense_i16", dense},
        {"sotto_add_i16", add},
        {"sotto_add_broadcast_i16", add_broadcast},
        {"sotto_mul_i16", mul},
        {"sotto_globalpool_i16", globalpool},
        {"sotto_avgpool_i16", avgpool},
        {"sotto_maxpool_i16", maxpool},
        {"sotto_reduce_mean_i16", reduce_mean},
        {"sotto_clip_i16", clip},
        {"sotto_widen", widen},
        {"sotto_narrow", narrow},
    };
    for (size_t i = 0; i < BASE_COUNT(all); i++) {
        if (strcmp(all[i].name, name) != 0) continue;
        all[i].run(p, x, y);
        return true;
    }
    return false;
}
