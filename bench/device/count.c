/* count: how many instructions the int8 kernels take, layer by layer, on a bare Cortex-M under
 * QEMU. With `-icount shift=0` an instruction takes one nanosecond of machine time and SysTick
 * (25 MHz on the MPS2 boards) ticks every 40 of them. Data are a fixed pseudo-random sequence.
 * Built and run by bench/count_instructions.sh; a line is
 *   op,variant,out,macs,pixels,rows,weights,instructions
 * with the terms of quantize/instructions.h; pools and means: macs are the elements they read.
 */
#include "quantize/runtime/add.h"
#include "quantize/runtime/add_broadcast.h"
#include "quantize/runtime/clamp.h"
#include "quantize/runtime/concat.h"
#include "quantize/runtime/conv2d_w4.h"
#include "quantize/runtime/dense_w4.h"
#include "quantize/runtime/dwconv2d_bands_w4.h"
#include "quantize/runtime/dwconv2d_w4.h"
#include "quantize/runtime/globalpool.h"
#include "quantize/runtime/layernorm.h"
#include "quantize/runtime/lut.h"
#include "quantize/runtime/matmul.h"
#include "quantize/runtime/mul.h"
#include "quantize/runtime/reduce_max.h"
#include "quantize/runtime/reduce_mean.h"
#include "quantize/runtime/slice.h"
#include "quantize/runtime/softmax.h"
#include "quantize/runtime/transpose.h"

#include <stddef.h>
#include <stdint.h>

/* Quarters of a nanosecond: SysTick has 32 MHz on the MPS3 board, 25 MHz on the others. */
#if defined(__ARM_FEATURE_MVE)
#define TICK 125
#else
#define TICK 160
#endif

enum { X_MAX = 40000, W_MAX = 90000, C_MAX = 1024 };

static int8_t x[X_MAX], y[X_MAX], weight[W_MAX];
static int32_t bias[C_MAX], multiplier[C_MAX], shift[C_MAX];

typedef struct systick {
    volatile uint32_t control, reload, value;
} systick;
#define SYSTICK ((systick *)0xE000E010u)

/* ---- semihosting (Arm, "Semihosting for AArch32 and AArch64") ---- */

static void call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void put(const char *s)
{
    call(0x04, s);
}

static void put_number(uint32_t v, const char *end)
{
    char digits[12], *p = digits + sizeof digits - 1;
    *p = 0;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    put(p);
    put(end);
}

/* What GCC calls to copy and to clear a struct; there is no C library. */
void *memset(void *to, int value, size_t n);
void *memset(void *to, int value, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

/* ---- timing ---- */

static void start(void)
{
    SYSTICK->control = 0;
    SYSTICK->reload = 0xFFFFFF;
    SYSTICK->value = 0;
    SYSTICK->control = 5;
}

/* weights: bytes. */
typedef struct work {
    uint32_t out, macs, pixels, rows, weights;
} work;

static void stop(const char *op, const char *variant, work w)
{
    uint32_t ticks = 0xFFFFFF - SYSTICK->value;
    __asm__ volatile("" : : "r"(y) : "memory"); /* somebody may read it: stores stay */
    put(op);
    put(",");
    put(variant);
    put(",");
    put_number(w.out, ",");
    put_number(w.macs, ",");
    put_number(w.pixels, ",");
    put_number(w.rows, ",");
    put_number(w.weights, ",");
    put_number((uint32_t)((uint64_t)ticks * TICK / 4), "\n");
}

/* ---- kernels ---- */

#ifdef PACKED /* with weights of 4 bits */
static int8_t scratch[1024];
#define NAME(kernel)      kernel "_w4"
#define CONV2D(p)         sotto_conv2d_w4(p, x, y, scratch)
#define DWCONV2D(p)       sotto_dwconv2d_w4(p, x, y, scratch)
#define DWCONV2D_BANDS(p) sotto_dwconv2d_bands_w4(p, x, y, scratch)
#define DENSE(p)          sotto_dense_w4(p, x, y)
#else
#define NAME(kernel)      kernel
#define CONV2D(p)         sotto_conv2d(p, x, y)
#define DWCONV2D(p)       sotto_dwconv2d(p, x, y)
#define DWCONV2D_BANDS(p) sotto_dwconv2d_bands(p, x, y)
#define DENSE(p)          sotto_dense(p, x, y)
#endif

/* ---- layers; padding is "same" ---- */

/* The same pointer, but the compiler does not see what it points to, as in a model of several such
 * layers: kernels are not specialized. */
static const void *hidden(const void *p)
{
    __asm__("" : "+r"(p));
    return p;
}

enum { H = 25, W = 10, C = 16, N = H * W * C };

static int32_t outputs(int32_t in, int32_t stride)
{
    return (in + stride - 1) / stride;
}

static int32_t before(int32_t in, int32_t kernel, int32_t stride)
{
    int32_t total = (outputs(in, stride) - 1) * stride + kernel - in;
    return total > 0 ? total / 2 : 0;
}

static void conv(int32_t h, int32_t w, int32_t c, int32_t kh, int32_t kw, int32_t s, int32_t out_c)
{
    const sotto_conv2d_t p = {.in_h = h,
                              .in_w = w,
                              .in_c = c,
                              .out_h = outputs(h, s),
                              .out_w = outputs(w, s),
                              .out_c = out_c,
                              .kernel_h = kh,
                              .kernel_w = kw,
                              .stride_h = s,
                              .stride_w = s,
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .pad_top = before(h, kh, s),
                              .pad_left = before(w, kw, s),
                              .groups = 1,
                              .in_zero = -128,
                              .out_zero = -128,
                              .lo = -128,
                              .hi = 127,
                              .weight = weight,
                              .bias = bias,
                              .multiplier = multiplier,
                              .shift = shift};
    uint32_t out = (uint32_t)(p.out_h * p.out_w * out_c);
    start();
    CONV2D(hidden(&p));
    const uint32_t patch = (uint32_t)(kh * kw * c);
    stop(NAME("conv2d"), kh * kw == 1 ? "1x1" : "",
         (work){out, out * patch, (uint32_t)(p.out_h * p.out_w), out * (uint32_t)kh,
                patch * (uint32_t)out_c});
}

static void depthwise(int32_t h, int32_t w, int32_t c, int32_t kh, int32_t kw, int32_t s)
{
    const sotto_dwconv2d_t p = {.in_h = h,
                                .in_w = w,
                                .channels = c,
                                .out_h = outputs(h, s),
                                .out_w = outputs(w, s),
                                .kernel_h = kh,
                                .kernel_w = kw,
                                .stride_h = s,
                                .stride_w = s,
                                .dilation_h = 1,
                                .dilation_w = 1,
                                .pad_top = before(h, kh, s),
                                .pad_left = before(w, kw, s),
                                .in_zero = -128,
                                .out_zero = -128,
                                .lo = -128,
                                .hi = 127,
                                .weight = weight,
                                .bias = bias,
                                .multiplier = multiplier,
                                .shift = shift};
    uint32_t out = (uint32_t)(p.out_h * p.out_w * c);
    start();
    DWCONV2D(hidden(&p));
    const uint32_t taps = (uint32_t)(kh * kw);
    stop(NAME("dwconv2d"), "",
         (work){out, out * taps, (uint32_t)(p.out_h * p.out_w), out * (uint32_t)kh,
                taps * (uint32_t)c});
}

static void dense(int32_t in, int32_t out)
{
    const sotto_dense_t p = {in, out, -128, 0, -128, 127, 0, weight, bias, multiplier, shift};
    start();
    DENSE(hidden(&p));
    const uint32_t n = (uint32_t)out, macs = (uint32_t)in * n;
    stop(NAME("dense"), "", (work){n, macs, 1, n, macs});
}

static void pool(int32_t positions, int32_t channels)
{
    const sotto_globalpool_t p = {positions, channels, -128, 127};
    start();
    sotto_globalpool(&p, x, y);
    stop("globalpool", "",
         (work){(uint32_t)channels, (uint32_t)(positions * channels), 1, (uint32_t)channels, 0});
}

static void sum(int32_t n)
{
    const sotto_add_t p = {n, -128, 1 << 30, -1, -128, 1 << 30, -1, 0, 1 << 30, -18, -128, 127, 0};
    start();
    sotto_add(hidden(&p), x, x + X_MAX / 2, y);
    stop("add", "", (work){.out = (uint32_t)n});
}

/* ---- layers that look at each element; maps of 25 x 10 x 16 ---- */

static void bands(void)
{
    static const sotto_dwconv2d_bands_t p = {.in_h = H,
                                             .in_w = W,
                                             .channels = C,
                                             .out_h = H,
                                             .out_w = W,
                                             .bands = 5,
                                             .kernel_h = 1,
                                             .kernel_w = 3,
                                             .stride_h = 1,
                                             .stride_w = 1,
                                             .dilation_h = 1,
                                             .dilation_w = 1,
                                             .pad_left = 1,
                                             .in_zero = -128,
                                             .lo = -128,
                                             .hi = 127,
                                             .weight = weight,
                                             .bias = bias,
                                             .multiplier = multiplier,
                                             .shift = shift};
    start();
    DWCONV2D_BANDS(hidden(&p));
    stop(NAME("dwconv2d_bands"), "", (work){N, 3 * N, H * W, N, 3 * C});
}

static void broadcast(void)
{
    static const sotto_add_broadcast_t sum = {
        {1, H, W, C},
        {0, W * C, C, 1},
        {0, C, 0, 1},
        {N, -128, 1 << 30, -1, -128, 1 << 30, -1, 0, 1 << 30, -18, -128, 127}};
    static const sotto_mul_t product = {
        {1, H, W, C}, {0, W * C, C, 1}, {0, C, 0, 1}, -128, -128, 0, 1 << 30, -8, -128, 127};
    start();
    sotto_add_broadcast(hidden(&sum), x, x + X_MAX / 2, y);
    stop("add_broadcast", "", (work){.out = N});
    start();
    sotto_mul(hidden(&product), x, x + X_MAX / 2, y);
    stop("mul", "", (work){.out = N});
}

static void reduce(void)
{
    static const sotto_reduce_t over_w = {{H, C}, {W * C, 1}, {1, W}, {0, C}};
    static const sotto_reduce_mean_t mean = {over_w, -128, -128, 1 << 30, -3, -128, 127};
    static const sotto_reduce_max_t most = {over_w, -128, 127};
    start();
    sotto_reduce_mean(hidden(&mean), x, y);
    stop("reduce_mean", "", (work){.out = H * C, .macs = N});
    start();
    sotto_reduce_max(hidden(&most), x, y);
    stop("reduce_max", "", (work){.out = H * C, .macs = N});
}

static void move(void)
{
    static const sotto_lut_t lut = {N, weight};
    static const sotto_transpose_t transpose = {{1, W, H, C}, {0, C, W * C, 1}, -128, 127};
    static const sotto_slice_t slice = {H, W * C / 2, W * C / 2, W * C, -128, 127};
    static const sotto_rescale_t as_is = {.lo = -128, .hi = 127},
                                 scaled = {-128, 0, 1 << 30, -1, -128, 127};
    static const sotto_concat_t concat = {2, H, {W * C / 2, W * C / 2}, {as_is, scaled}};
    static const int8_t *const halves[] = {x, x + X_MAX / 2};
    start();
    sotto_lut(hidden(&lut), x, y);
    stop("lut", "", (work){.out = N});
    start();
    sotto_transpose(hidden(&transpose), x, y);
    stop("transpose", "", (work){.out = N});
    start();
    sotto_slice(hidden(&slice), x, y);
    stop("slice", "", (work){.out = N / 2});
    start();
    sotto_concat(hidden(&concat), halves, y);
    stop("concat", "", (work){.out = N});
}

static void attention(void)
{
    static const sotto_matmul_t product = {.count = 1,
                                           .m = 50,
                                           .n = 50,
                                           .k = 64,
                                           .b_row = 1,
                                           .b_col = 64,
                                           .a_zero = 3,
                                           .b_zero = -5,
                                           .multiplier = 1 << 30,
                                           .shift = -9,
                                           .lo = -128,
                                           .hi = 127};
    static const sotto_softmax_t softmax = {50, 50, 1717986918, 22, -496, -128, 127}; /* of 0.05 */
    static const sotto_layernorm_t norm = {.rows = 50,
                                           .n = 64,
                                           .epsilon = 1,
                                           .multiplier = 1 << 30,
                                           .shift = -20,
                                           .lo = -128,
                                           .hi = 127,
                                           .gamma = bias,
                                           .beta = bias};
    start();
    sotto_matmul(hidden(&product), x, x + X_MAX / 2, y);
    stop("matmul", "", (work){.out = 50 * 50, .macs = 50 * 50 * 64});
    start();
    sotto_softmax(hidden(&softmax), x, y);
    stop("softmax", "", (work){.out = 50 * 50});
    start();
    sotto_layernorm(hidden(&norm), x, y);
    stop("layernorm", "", (work){.out = 50 * 64});
}

static void layers(void)
{
    conv(49, 10, 1, 10, 4, 2, 64); /* the first layer of MLPerf Tiny's DS-CNN */
    conv(25, 5, 64, 1, 1, 1, 64);
    conv(49, 10, 1, 3, 3, 1, 16);
    conv(25, 5, 16, 3, 3, 1, 32);
    conv(25, 5, 32, 3, 3, 2, 64);
    conv(98, 1, 16, 9, 1, 1, 24);
    conv(25, 20, 16, 1, 1, 1, 32);
    conv(25, 5, 128, 1, 1, 1, 128);
    depthwise(25, 5, 64, 3, 3, 1);
    depthwise(49, 10, 16, 3, 3, 1);
    depthwise(25, 10, 64, 3, 3, 2);
    depthwise(25, 10, 64, 5, 5, 1);
    depthwise(98, 1, 64, 9, 1, 1);
    dense(64, 12);
    dense(256, 128);
    dense(490, 144);
    dense(640, 128);
    pool(125, 64);
    pool(64, 64);
    sum(4096);
    sum(16000);
    bands();
    broadcast();
    reduce();
    move();
    attention();
}

__attribute__((noinline)) static void fill(void)
{
    uint32_t state = 1;
    for (int32_t i = 0; i < X_MAX + W_MAX; i++) {
        state = state * 1664525u + 1013904223u;
        if (i < X_MAX)
            x[i] = (int8_t)(state >> 24);
        else
            weight[i - X_MAX] = (int8_t)(state >> 24);
    }
    for (int32_t i = 0; i < C_MAX; i++) {
        bias[i] = i * 37 - 1000;
        multiplier[i] = 1518500250 + i * 4096;
        shift[i] = -8;
    }
}

void reset(void);
void reset(void)
{
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: coprocessors 10 and 11 */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    fill();
    layers();
    static const uint32_t done[2] = {0x20026, 0}; /* ADP_Stopped_ApplicationExit, code 0 */
    call(0x18, (const void *)(uintptr_t)done[0]);
    for (;;) {}
}

extern uint32_t stack_top;
__attribute__((section(".vectors"), used)) static const struct {
    const void *stack;
    void (*entry)(void);
} vectors = {&stack_top, reset};
