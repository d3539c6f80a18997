/* Host plans against the plain kernels of quantize/runtime/, bit for bit, at every level that this
 * processor has: random layers of every kernel with a fast form, shapes, paddings, zero points,
 * multipliers, shifts and clamps at their extremes included, and whole models. Levels that are not
 * here are skipped by name.
 */
#include "quantize/host.h"
#include "quantize/runtime/add_broadcast.h"
#include "quantize/runtime/conv2d.h"
#include "quantize/runtime/dense.h"
#include "quantize/runtime/dwconv2d.h"
#include "quantize/runtime/dwconv2d_bands.h"
#include "quantize/runtime/globalpool.h"
#include "tests/check.h"
#include "tests/q8_nets.h"
#include "train/zoo.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 150, GUARD = 128, MOST_MACS = 1 << 20 };

/* ---- random material ---- */

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

static int channels_of(base_rng *r)
{
    static const int n[] = {1, 3, 4, 5, 8, 16, 17, 24, 32, 33, 48, 49, 63, 64, 65, 100, 129};
    return n[base_rng_below(r, BASE_COUNT(n))];
}

/* Memory of exactly n bytes, so that reading beyond it is seen: all -128, all 127, or any. */
static int8_t *random_bytes(base_rng *r, size_t n, int lo)
{
    int8_t *v = malloc(n);
    assert_non_null(v);
    const int kind = between(r, 0, 5);
    for (size_t i = 0; i < n; i++)
        v[i] = (int8_t)(kind == 0 ? lo : kind == 1 ? 127 : between(r, lo, 127));
    return v;
}

static int random_zero(base_rng *r)
{
    const int kind = between(r, 0, 3);
    return kind == 0 ? -128 : kind == 1 ? 127 : between(r, -128, 127);
}

typedef struct rescale {
    int32_t *bias, *multiplier, *shift;
    int32_t zero, lo, hi, single;
} rescale;

/* Multipliers and shifts of kinds: those of models; the extremes; halves, which end on ties. Sums
 * stay within 32 bits, as the plain kernels demand. */
static rescale random_rescale(base_rng *r, int channels)
{
    const size_t n = (size_t)channels * 4;
    rescale s = {.bias = malloc(n), .multiplier = malloc(n), .shift = malloc(n)};
    assert_true(s.bias && s.multiplier && s.shift);
    static const int extremes[] = {-31, -30, -23, -22, -2, -1, 0, 1, 7, 30};
    const int layer = between(r, 0, 3);
    for (int c = 0; c < channels; c++) {
        const int size = between(r, 0, 3);
        s.bias[c] = size == 0   ? 2 * between(r, -1000000000, 1000000000)
                    : size == 1 ? between(r, -300, 300)
                                : between(r, -40000, 40000);
        s.multiplier[c] = (1 << 30) + (int32_t)base_rng_below(r, (1U << 30) - (1U << 24));
        if (between(r, 0, 2) == 0) s.multiplier[c] = 1 << 30;
        if (between(r, 0, 9) == 0) s.multiplier[c] = 0;
        s.shift[c] = between(r, -12, -5);
        if (layer == 1) s.shift[c] = between(r, -31, -1);
        if (layer == 2) s.shift[c] = extremes[base_rng_below(r, BASE_COUNT(extremes))];
        if (layer == 3) s.shift[c] = -1;
        if (s.shift[c] < 0 && between(r, 0, 9) == 0) s.multiplier[c] = INT32_MAX;
    }
    s.zero = random_zero(r);
    s.lo = between(r, 0, 1) ? s.zero : between(r, -128, 127);
    s.hi = between(r, 0, 1) ? 127 : between(r, s.lo, 127);
    if (between(r, 0, 2) == 0) s.lo = -128;
    s.single = between(r, 0, 1);
    return s;
}

static void free_rescale(rescale s)
{
    free(s.bias);
    free(s.multiplier);
    free(s.shift);
}

/* The geometry of one axis such that there is at least one output. */
typedef struct axis {
    int in, out, kernel, stride, dilation, before;
} axis;

static axis random_axis(base_rng *r, int max_in, int max_kernel)
{
    axis a = {1, 1, 1, 1, 1, 0};
    const int kind = between(r, 0, 7);
    if (kind == 0) return a;
    a.in = between(r, 1, max_in);
    a.out = a.in;
    if (kind == 1) return a;
    a.kernel = between(r, 1, max_kernel);
    a.stride = between(r, 1, 3);
    a.dilation = between(r, 0, 1) ? 1 : between(r, 1, 3);
    const int span = (a.kernel - 1) * a.dilation + 1;
    a.before = kind < 4 ? 0 : kind < 6 ? (span - 1) / 2 : between(r, 0, span + 2);
    const int after = kind < 4 ? 0 : a.before;
    const int room = a.in + a.before + after - span;
    a.out = room < 0 ? 1 : room / a.stride + 1;
    return a;
}

/* ---- one layer ---- */

static q8_level level_of(void **state)
{
    const q8_level level = *(const q8_level *)*state;
    if (!q8_level_here(level)) skip();
    return level;
}

/* The layer alone as a model: both ways on three inputs. fast: the plan must not fall back. */
static void compare(const nn_q8_kernel *kernel, void *p, size_t in, size_t out, q8_level level,
                    bool fast, base_rng *r, const char *what)
{
    base_err err = {0};
    q8_layer layer = {.n_in = kernel->n_in, .in = {0, 0}, .l = {.kernel = kernel, .p = p}};
    q8_value values[2] = {{.size = in}, {.size = out}};
    const q8_model m = {.layers = &layer, .n_layers = 1, .values = values};
    q8_host *plan = NULL;
    assert_int_equal(q8_host_new(&m, level, &plan, &err), BASE_OK);
    assert_int_equal(q8_host_fast_layers(plan), fast ? 1 : 0);
    int8_t *work = malloc(q8_host_work(plan)), *wanted = malloc(out), *got = malloc(out + GUARD);
    assert_true(work && wanted && got);
    for (int k = 0; k < 3; k++) {
        int8_t *x = random_bytes(r, in, -128);
        memset(got, k, out + GUARD);
        memset(work, 85 * k, q8_host_work(plan));
        kernel->run(p, (const int8_t *const[]){x, x}, wanted);
        q8_host_run(plan, x, got, work);
        for (size_t i = 0; i < out; i++)
            if (wanted[i] != got[i])
                fail_msg("%s: [%zu of %zu] %d, not %d", what, i, out, got[i], wanted[i]);
        for (size_t i = out; i < out + GUARD; i++) assert_int_equal(got[i], k);
        free(x);
    }
    free(work);
    free(wanted);
    free(got);
    q8_host_free(plan);
}

static void conv2d_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_conv2d(p, x[0], y);
}
static const nn_q8_kernel conv2d_kernel = {.name = "sotto_conv2d", .n_in = 1, .run = conv2d_plain};

static void one_conv2d(base_rng *r, q8_level level, bool negative)
{
    const axis h = random_axis(r, 13, 5), w = random_axis(r, 9, 4);
    const int groups = between(r, 0, 2) ? 1 : between(r, 2, 5);
    int depth = channels_of(r), per_group = channels_of(r);
    while ((int64_t)h.out * w.out * h.kernel * w.kernel * depth * per_group * groups > MOST_MACS) {
        depth = (depth + 1) / 2;
        per_group = (per_group + 1) / 2;
    }
    const int out_c = groups * per_group, fan = h.kernel * w.kernel * depth;
    const rescale s = random_rescale(r, out_c);
    int8_t *weight = random_bytes(r, (size_t)fan * (size_t)out_c, -127);
    if (negative) s.multiplier[out_c - 1] = -(1 << 30);
    sotto_conv2d_t p = {.in_h = h.in,
                        .in_w = w.in,
                        .in_c = groups * depth,
                        .out_h = h.out,
                        .out_w = w.out,
                        .out_c = out_c,
                        .kernel_h = h.kernel,
                        .kernel_w = w.kernel,
                        .stride_h = h.stride,
                        .stride_w = w.stride,
                        .dilation_h = h.dilation,
                        .dilation_w = w.dilation,
                        .pad_top = h.before,
                        .pad_left = w.before,
                        .groups = groups,
                        .in_zero = random_zero(r),
                        .out_zero = s.zero,
                        .lo = s.lo,
                        .hi = s.hi,
                        .single = s.single,
                        .weight = weight,
                        .bias = s.bias,
                        .multiplier = s.multiplier,
                        .shift = s.shift};
    char what[160];
    snprintf(what, sizeof what, "%dx%dx%d kernel %dx%d stride %dx%d dilation %dx%d groups %d to %d",
             p.in_h, p.in_w, p.in_c, p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.dilation_h,
             p.dilation_w, p.groups, p.out_c);
    compare(&conv2d_kernel, &p, (size_t)(h.in * w.in * p.in_c), (size_t)(h.out * w.out * out_c),
            level, !negative, r, what);
    free(weight);
    free_rescale(s);
}

static void conv2d(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 2 * ROUNDS; i++) one_conv2d(&r, level, false);
}

static void multipliers_below_0_fall_back(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(2, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 10; i++) one_conv2d(&r, level, true);
}

static void dwconv2d_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d(p, x[0], y);
}
static const nn_q8_kernel dwconv2d_kernel = {
    .name = "sotto_dwconv2d", .n_in = 1, .run = dwconv2d_plain};

static void dwconv2d(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const int channels = channels_of(&r);
        const axis h = random_axis(&r, i % 3 ? 12 : 130, i % 2 ? 5 : 13);
        const axis w = random_axis(&r, 7, 5);
        const rescale s = random_rescale(&r, channels);
        int8_t *weight = random_bytes(&r, (size_t)(h.kernel * w.kernel * channels), -127);
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
                              .in_zero = random_zero(&r),
                              .out_zero = s.zero,
                              .lo = s.lo,
                              .hi = s.hi,
                              .single = s.single,
                              .weight = weight,
                              .bias = s.bias,
                              .multiplier = s.multiplier,
                              .shift = s.shift};
        char what[160];
        snprintf(what, sizeof what, "%dx%dx%d kernel %dx%d stride %dx%d dilation %dx%d", p.in_h,
                 p.in_w, p.channels, p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.dilation_h,
                 p.dilation_w);
        compare(&dwconv2d_kernel, &p, (size_t)(h.in * w.in * channels),
                (size_t)(h.out * w.out * channels), level, true, &r, what);
        free(weight);
        free_rescale(s);
    }
}

static void bands_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dwconv2d_bands(p, x[0], y);
}
static const nn_q8_kernel bands_kernel = {
    .name = "sotto_dwconv2d_bands", .n_in = 1, .run = bands_plain};

static void bands(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const int channels = channels_of(&r), bands = between(&r, 1, 6);
        const axis h = random_axis(&r, i % 3 ? 12 : 60, i % 2 ? 5 : 13);
        axis w = random_axis(&r, 20, 5);
        w.out = (w.out + bands - 1) / bands * bands; /* what lies beyond the map is zeros */
        const rescale s = random_rescale(&r, channels * bands);
        const bool negative = i % 16 == 0;
        if (negative) s.multiplier[between(&r, 0, channels * bands - 1)] = -(1 << 30);
        int8_t *weight = random_bytes(&r, (size_t)(h.kernel * w.kernel * channels), -127);
        sotto_dwconv2d_bands_t p = {.in_h = h.in,
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
                                    .in_zero = random_zero(&r),
                                    .out_zero = s.zero,
                                    .lo = s.lo,
                                    .hi = s.hi,
                                    .single = s.single,
                                    .weight = weight,
                                    .bias = s.bias,
                                    .multiplier = s.multiplier,
                                    .shift = s.shift};
        char what[160];
        snprintf(what, sizeof what, "%dx%dx%d in %d bands, kernel %dx%d stride %dx%d", p.in_h,
                 p.in_w, p.channels, bands, p.kernel_h, p.kernel_w, p.stride_h, p.stride_w);
        compare(&bands_kernel, &p, (size_t)(h.in * w.in * channels),
                (size_t)(h.out * w.out * channels), level, !negative, &r, what);
        free(weight);
        free_rescale(s);
    }
}

static void dense_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dense(p, x[0], y);
}
static const nn_q8_kernel dense_kernel = {.name = "sotto_dense", .n_in = 1, .run = dense_plain};

static void dense(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const int in = between(&r, 1, 300), out = channels_of(&r);
        const rescale s = random_rescale(&r, out);
        int8_t *weight = random_bytes(&r, (size_t)(in * out), -127);
        sotto_dense_t p = {.in_n = in,
                           .out_n = out,
                           .in_zero = random_zero(&r),
                           .out_zero = s.zero,
                           .lo = s.lo,
                           .hi = s.hi,
                           .single = s.single,
                           .weight = weight,
                           .bias = s.bias,
                           .multiplier = s.multiplier,
                           .shift = s.shift};
        compare(&dense_kernel, &p, (size_t)in, (size_t)out, level, true, &r, "dense");
        free(weight);
        free_rescale(s);
    }
}

static void globalpool_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_globalpool(p, x[0], y);
}
static const nn_q8_kernel globalpool_kernel = {
    .name = "sotto_globalpool", .n_in = 1, .run = globalpool_plain};

static void globalpool(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        sotto_globalpool_t p = {between(&r, 1, i % 4 ? 20 : 700), channels_of(&r), -128, 127};
        if (between(&r, 0, 1)) p.lo = between(&r, -128, 127);
        if (between(&r, 0, 1)) p.hi = between(&r, p.lo, 127);
        compare(&globalpool_kernel, &p, (size_t)(p.positions * p.channels), (size_t)p.channels,
                level, true, &r, "globalpool");
    }
}

static void add_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add(p, x[0], x[1], y);
}
static const nn_q8_kernel add_kernel = {.name = "sotto_add", .n_in = 2, .run = add_plain};

static void add(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        const rescale s = random_rescale(&r, 3);
        sotto_add_t p = {.n = between(&r, 1, 400),
                         .x0_zero = random_zero(&r),
                         .x0_multiplier = s.multiplier[0],
                         .x0_shift = between(&r, -8, -1),
                         .x1_zero = random_zero(&r),
                         .x1_multiplier = s.multiplier[1],
                         .x1_shift = between(&r, -8, -1),
                         .out_zero = s.zero,
                         .out_multiplier = s.multiplier[2],
                         .out_shift = i % 2 ? between(&r, -21, -16) : -abs(s.shift[2]),
                         .lo = s.lo,
                         .hi = s.hi,
                         .single = s.single};
        compare(&add_kernel, &p, (size_t)p.n, (size_t)p.n, level, true, &r, "add");
        free_rescale(s);
    }
}

static void broadcast_plain(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_add_broadcast(p, x[0], x[1], y);
}
static const nn_q8_kernel broadcast_kernel = {
    .name = "sotto_add_broadcast", .n_in = 2, .run = broadcast_plain};

/* Both inputs are read from the same map, which is as large as the output. */
static void add_broadcast(void **state)
{
    const q8_level level = level_of(state);
    base_rng r = base_rng_at(8, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        const rescale s = random_rescale(&r, 3);
        sotto_add_broadcast_t p = {.sum = {.x0_zero = random_zero(&r),
                                           .x0_multiplier = s.multiplier[0],
                                           .x0_shift = between(&r, -8, -1),
                                           .x1_zero = random_zero(&r),
                                           .x1_multiplier = s.multiplier[1],
                                           .x1_shift = between(&r, -8, -1),
                                           .out_zero = s.zero,
                                           .out_multiplier = s.multiplier[2],
                                           .out_shift = between(&r, -21, -16),
                                           .lo = s.lo,
                                           .hi = s.hi,
                                           .single = s.single}};
        int32_t n = 1;
        for (int k = 3; k >= 0; n *= p.length[k--]) {
            p.length[k] = between(&r, 1, k == 3 ? 70 : 4);
            const int repeated = between(&r, 0, 2);
            p.step0[k] = repeated == 1 ? 0 : n;
            p.step1[k] = repeated == 2 ? 0 : n;
        }
        compare(&broadcast_kernel, &p, (size_t)n, (size_t)n, level, true, &r, "add_broadcast");
        free_rescale(s);
    }
}

/* ---- whole models ---- */

static void compare_model(const char *text, uint64_t seed, q8_options how, q8_level level,
                          const char *what)
{
    enum { CLIPS = 4 };
    base_err err = {0};
    nn_model *m = q8_random_model(text, seed);
    nn_real *inputs = q8_random_inputs(m->graph, CLIPS, seed);
    q8_model *q = NULL;
    q8_host *plan = NULL;
    if (q8_quantize(m, inputs, CLIPS, how, NULL, &q, &err) != BASE_OK ||
        q8_host_new(q, level, &plan, &err) != BASE_OK)
        fail_msg("%s: %s", what, err.message);
    const size_t out = q8_output_size(q);
    int8_t *work = malloc(q->work + 1), *own = malloc(q8_host_work(plan));
    int8_t *wanted = malloc(out), *got = malloc(out);
    assert_true(work && own && wanted && got);
    for (size_t i = 0; i < q->n_golden; i++) {
        const int8_t *x = q->golden + i * q8_input_size(q);
        q8_run(q, x, wanted, work);
        q8_host_run(plan, x, got, own);
        if (memcmp(wanted, got, out) != 0) fail_msg("%s differs on input %zu", what, i);
    }
    free(work);
    free(own);
    free(wanted);
    free(got);
    q8_host_free(plan);
    q8_model_free(q);
    base_free(inputs);
    nn_model_free(m);
}

/* In which forms nets are compared. */
static const q8_options forms[] = {
    {.rounding = Q8_TFLM}, {.rounding = Q8_SINGLE}, {.rounding = Q8_SINGLE, .weight_bits = "4"}};

static bool packs(const char *text)
{
    return strstr(text, "conv") || strstr(text, "dense");
}

static void nets(void **state)
{
    const q8_level level = level_of(state);
    for (size_t k = 0; k < Q8_NETS; k++)
        for (uint64_t seed = 0; seed < 3; seed++)
            for (size_t f = 0; f < BASE_COUNT(forms); f++) {
                if (forms[f].weight_bits && !packs(q8_nets[k])) continue;
                compare_model(q8_nets[k], seed, forms[f], level, "a net");
            }
}

static void zoo(void **state)
{
    static const char *const names[] = {"ds_cnn", "tc_resnet8",  "cnn",
                                        "dnn",    "matchboxnet", "tenet6",
                                        "murmur", "bc_resnet",   "sparknet"};
    const q8_level level = level_of(state);
    for (size_t i = 0; i < BASE_COUNT(names); i++) {
        base_err err = {0};
        base_str text = {0};
        const zoo_model *model;
        nn_graph *g = NULL;
        if (zoo_find(names[i], &model, &err) != BASE_OK ||
            zoo_build_default(model, ZOO_S, 10, &g, &err) != BASE_OK)
            fail_msg("%s", err.message);
        nn_print(g, &text);
        for (size_t f = 0; f < BASE_COUNT(forms); f++)
            compare_model(text.s, i, forms[f], level, names[i]);
        base_str_free(&text);
        nn_graph_free(g);
    }
}

/* ---- levels ---- */

static void levels_have_names_and_are_refused_elsewhere(void **state)
{
    (void)state;
    base_err err = {0};
    const q8_model m = {0};
    q8_host *plan = NULL;
    assert_string_equal(q8_level_name(Q8_PLAIN), "plain");
    assert_string_equal(q8_level_name(Q8_VNNI), "avx512vnni");
    assert_true(q8_level_here(Q8_PLAIN));
    assert_true(q8_level_here(q8_level_best()));
    for (int level = (int)q8_level_best() + 1; level <= Q8_LEVELS; level++) {
        assert_int_equal(q8_host_new(&m, (q8_level)level, &plan, &err), BASE_USAGE);
        assert_null(plan);
        assert_non_null(strstr(err.message, q8_level_name((q8_level)level)));
    }
    q8_host_free(NULL);
}

static void plain_is_the_runtime(void **state)
{
    (void)state;
    const q8_options how = {.rounding = Q8_SINGLE};
    for (size_t k = 0; k < Q8_NETS; k++) compare_model(q8_nets[k], 1, how, Q8_PLAIN, "a net");
}

static q8_level avx2 = Q8_AVX2, avx512vnni = Q8_VNNI;

#define AT(test, level)                                                                            \
    {                                                                                              \
#test " at " #level, test, NULL, NULL, &level                                              \
    }
#define AT_ALL(test) AT(test, avx2), AT(test, avx512vnni)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_ALL(conv2d),
        AT_ALL(dwconv2d),
        AT_ALL(bands),
        AT_ALL(dense),
        AT_ALL(globalpool),
        AT_ALL(add),
        AT_ALL(add_broadcast),
        AT_ALL(multipliers_below_0_fall_back),
        AT_ALL(nets),
        AT_ALL(zoo),
        cmocka_unit_test(levels_have_names_and_are_refused_elsewhere),
        cmocka_unit_test(plain_is_the_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
