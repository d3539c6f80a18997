/* deploy: the layers of an int8 model as a microcontroller runs them fast: kernels with weights
 * laid out for them, biases that hold the zero point of the input, depthwise and pointwise
 * convolution in one pass, and results in the place of inputs where that can be. The integers that
 * come out are those of the model's own layers.
 */
#include "quantize/internal.h"
#include "quantize/runtime/conv2d.h"
#include "quantize/runtime/conv2d_gemm.h"
#include "quantize/runtime/dense.h"
#include "quantize/runtime/dense_pairs.h"
#include "quantize/runtime/dwconv2d.h"
#include "quantize/runtime/dwconv2d_bands.h"
#include "quantize/runtime/dwconv2d_taps.h"
#include "quantize/runtime/separable.h"

#include <stdlib.h>
#include <string.h>

/* ---- kernels ---- */

static void run_conv(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_conv2d_gemm(p, x[0], y, scratch);
}

static void run_depthwise(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_dwconv2d_taps(p, x[0], y, scratch);
}

static void run_separable(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_separable(p, x[0], y, scratch);
}

static void run_dense(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dense_pairs(p, x[0], y);
}

#define SCALE(type, of)                                                                            \
    NN_Q8_INT_OF(type, of.zero), NN_Q8_INT_OF(type, of.lo), NN_Q8_INT_OF(type, of.hi),             \
        NN_Q8_INT_OF(type, of.single), NN_Q8_I32S_OF(type, of.channel)
#define GEMM(type)                                                                                 \
    NN_Q8_INT_OF(type, gemm.n), NN_Q8_INT_OF(type, gemm.k), NN_Q8_I8S_OF(type, gemm.weight),       \
        SCALE(type, gemm.scale)
#define DEPTHWISE(type)                                                                            \
    NN_Q8_INT_OF(type, depthwise.pairs), NN_Q8_I8S_OF(type, depthwise.weight),                     \
        SCALE(type, depthwise.scale)
#define GRID(type)                                                                                 \
    NN_Q8_INT_OF(type, grid.in_h), NN_Q8_INT_OF(type, grid.in_w), NN_Q8_INT_OF(type, grid.in_c),   \
        NN_Q8_INT_OF(type, grid.out_h), NN_Q8_INT_OF(type, grid.out_w),                            \
        NN_Q8_INT_OF(type, grid.kernel_h), NN_Q8_INT_OF(type, grid.kernel_w),                      \
        NN_Q8_INT_OF(type, grid.stride_h), NN_Q8_INT_OF(type, grid.stride_w),                      \
        NN_Q8_INT_OF(type, grid.dilation_h), NN_Q8_INT_OF(type, grid.dilation_w),                  \
        NN_Q8_INT_OF(type, grid.pad_top), NN_Q8_INT_OF(type, grid.pad_left),                       \
        NN_Q8_INT_OF(type, grid.in_zero)

static const nn_q8_field conv_fields[] = {
    GRID(sotto_conv2d_gemm_t), NN_Q8_INT_OF(sotto_conv2d_gemm_t, flat), GEMM(sotto_conv2d_gemm_t)};
static const nn_q8_field depthwise_fields[] = {GRID(sotto_dwconv2d_taps_t),
                                               NN_Q8_INT_OF(sotto_dwconv2d_taps_t, bands),
                                               DEPTHWISE(sotto_dwconv2d_taps_t)};
static const nn_q8_field separable_fields[] = {
    GRID(sotto_separable_t), DEPTHWISE(sotto_separable_t), NN_Q8_INT_OF(sotto_separable_t, keep),
    GEMM(sotto_separable_t)};
static const nn_q8_field dense_fields[] = {GEMM(sotto_dense_pairs_t)};

#define KERNEL(file, table, function)                                                              \
    .name = "sotto_" #file, .header = #file ".h", .n_in = 1, .size = sizeof(sotto_##file##_t),     \
    .fields = table, .n_fields = BASE_COUNT(table), .run_in = function, .shaped = true
/* _over: the output may take the place of the input. */
static const nn_q8_kernel conv_kernel = {KERNEL(conv2d_gemm, conv_fields, run_conv)};
static const nn_q8_kernel conv_over_kernel = {KERNEL(conv2d_gemm, conv_fields, run_conv),
                                              .in_place = true};
static const nn_q8_kernel depthwise_kernel = {
    KERNEL(dwconv2d_taps, depthwise_fields, run_depthwise)};
static const nn_q8_kernel separable_kernel = {KERNEL(separable, separable_fields, run_separable)};
static const nn_q8_kernel separable_over_kernel = {
    KERNEL(separable, separable_fields, run_separable), .in_place = true};
static const nn_q8_kernel dense_kernel = {.name = "sotto_dense_pairs",
                                          .header = "dense_pairs.h",
                                          .n_in = 1,
                                          .size = sizeof(sotto_dense_pairs_t),
                                          .fields = dense_fields,
                                          .n_fields = BASE_COUNT(dense_fields),
                                          .run = run_dense};

/* ---- tables ---- */

typedef struct deployer {
    const q8_model *from;
    q8_model *to;
    base_arena *arena;
    int *value; /* of each value of from, that of to */
    bool failed;
} deployer;

/* Weights of a layer as the lowering left them, and what becomes of its sums. */
typedef struct source {
    const int8_t *weight;
    int taps, outputs;
    int bands;                 /* 1, or biases, multipliers and shifts are [bands][outputs] */
    int tap_step, output_step; /* in weight */
    int32_t in_zero;
    const int32_t *bias, *multiplier, *shift;
    sotto_scale_t scale; /* without channel */
} source;

/* What scale.h asks of every channel; and no weight is -128, so that two products fit 16 bits. */
static bool scales(const source *s)
{
    for (int o = 0; o < s->bands * s->outputs; o++) {
        int64_t most = llabs((long long)s->bias[o]);
        for (int t = 0; t < s->taps; t++) {
            const int w = s->weight[o % s->outputs * s->output_step + t * s->tap_step];
            if (w == INT8_MIN) return false;
            most += 256 * abs(w);
        }
        if (most >= (int64_t)1 << 30 || s->shift[o] >= 0) return false;
    }
    return true;
}

static void *get(deployer *d, size_t n, size_t size)
{
    void *p = base_arena_alloc(d->arena, n, size);
    if (!p) d->failed = true;
    return p;
}

/* [bands][outputs][3] */
static sotto_scale_t scale_of(deployer *d, const source *s)
{
    sotto_scale_t scale = s->scale;
    const int n = s->bands * s->outputs;
    int32_t *channel = get(d, 3 * (size_t)n, sizeof *channel);
    if (!channel) return scale;
    for (int o = 0; o < n; o++) {
        const int8_t *w = s->weight + o % s->outputs * s->output_step;
        int32_t sum = 0;
        for (int t = 0; t < s->taps; t++) sum += w[t * s->tap_step];
        channel[3 * o] = s->bias[o] - s->in_zero * sum;
        channel[3 * o + 1] = s->multiplier[o];
        channel[3 * o + 2] = -1 - s->shift[o];
    }
    scale.channel = channel;
    return scale;
}

static int round_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

static sotto_gemm_t gemm_of(deployer *d, const source *s)
{
    const int k = round_up(s->taps, 4);
    int8_t *w = get(d, (size_t)k * (size_t)s->outputs, 1); /* zeros */
    sotto_gemm_t g = {.n = s->outputs, .k = k, .weight = w, .scale = scale_of(d, s)};
    if (!w) return g;
    for (int o = 0; o < s->outputs; o++)
        for (int t = 0; t < s->taps; t++)
            w[o * k + t] = s->weight[o * s->output_step + t * s->tap_step];
    return g;
}

static sotto_depthwise_t depthwise_of(deployer *d, const source *s)
{
    const int pairs = (s->taps + 1) / 2;
    int8_t *w = get(d, 2 * (size_t)pairs * (size_t)s->outputs, 1);
    sotto_depthwise_t p = {.pairs = pairs, .weight = w, .scale = scale_of(d, s)};
    if (!w) return p;
    for (int c = 0; c < s->outputs; c++)
        for (int t = 0; t < s->taps; t++) {
            int8_t *eight = w + 8 * (c / 4 * pairs + t / 2);
            eight[c % 4 / 2 * 4 + t % 2 * 2 + c % 2] =
                s->weight[c * s->output_step + t * s->tap_step];
        }
    return p;
}

/* ---- layers ---- */

#define GRID_OF(p, channels)                                                                       \
    {                                                                                              \
        (p)->in_h, (p)->in_w, channels, (p)->out_h, (p)->out_w, (p)->kernel_h, (p)->kernel_w,      \
            (p)->stride_h, (p)->stride_w, (p)->dilation_h, (p)->dilation_w, (p)->pad_top,          \
            (p)->pad_left, (p)->in_zero                                                            \
    }
#define SOURCE_OF(p, n_taps, n, tap, output)                                                       \
    {                                                                                              \
        .weight = (p)->weight, .taps = n_taps, .outputs = n, .bands = 1, .tap_step = tap,          \
        .output_step = output, .in_zero = (p)->in_zero, .bias = (p)->bias,                         \
        .multiplier = (p)->multiplier, .shift = (p)->shift, .scale = {                             \
            (p)->out_zero,                                                                         \
            (p)->lo,                                                                               \
            (p)->hi,                                                                               \
            (p)->single,                                                                           \
            NULL                                                                                   \
        }                                                                                          \
    }

static bool is_kernel(const q8_layer *l, const char *name)
{
    return strcmp(l->l.kernel->name, name) == 0;
}

static source conv_source(const sotto_conv2d_t *p)
{
    const int taps = p->kernel_h * p->kernel_w * p->in_c;
    return (source)SOURCE_OF(p, taps, p->out_c, 1, taps);
}

static source depthwise_source(const sotto_dwconv2d_t *p)
{
    return (source)SOURCE_OF(p, p->kernel_h * p->kernel_w, p->channels, p->channels, 1);
}

static source bands_source(const sotto_dwconv2d_bands_t *p)
{
    source s = SOURCE_OF(p, p->kernel_h * p->kernel_w, p->channels, p->channels, 1);
    s.bands = p->bands;
    return s;
}

static bool has_gemm(const q8_layer *l)
{
    if (!is_kernel(l, "sotto_conv2d")) return false;
    const sotto_conv2d_t *p = l->l.p;
    const source s = conv_source(p);
    return p->groups == 1 && scales(&s);
}

static bool fits_taps(source s)
{
    return s.outputs % 4 == 0 && s.taps <= SOTTO_DEPTHWISE_TAPS && scales(&s);
}

static bool has_taps(const q8_layer *l)
{
    return is_kernel(l, "sotto_dwconv2d") && fits_taps(depthwise_source(l->l.p));
}

static bool has_taps_in_bands(const q8_layer *l)
{
    return is_kernel(l, "sotto_dwconv2d_bands") && fits_taps(bands_source(l->l.p));
}

static bool is_pointwise(const sotto_conv2d_t *p)
{
    return p->kernel_h * p->kernel_w == 1 && p->stride_h * p->stride_w == 1 && p->pad_top == 0 &&
           p->pad_left == 0 && p->in_h == p->out_h && p->in_w == p->out_w;
}

/* Sets the struct, and the counts of its arrays, in the order of fields. */
static void set(deployer *d, nn_q8_layer *l, const nn_q8_kernel *kernel, const void *p,
                const size_t *count, int arrays)
{
    *l = (nn_q8_layer){.kernel = kernel, .p = get(d, 1, kernel->size)};
    if (l->p) memcpy(l->p, p, kernel->size);
    memcpy(l->count, count, (size_t)arrays * sizeof *count);
}

static void deploy_conv(deployer *d, const sotto_conv2d_t *c, nn_q8_layer *l)
{
    const source s = conv_source(c);
    const sotto_conv2d_gemm_t p = {
        .grid = GRID_OF(c, c->in_c),
        .flat = s.taps % 4 == 0 && c->dilation_w == 1 && c->pad_left == 0 &&
                (c->kernel_h == 1 || (c->dilation_h == 1 && c->kernel_w == c->in_w)) &&
                (c->out_w - 1) * c->stride_w + c->kernel_w <= c->in_w,
        .gemm = gemm_of(d, &s)};
    const size_t count[] = {(size_t)(p.gemm.n * p.gemm.k), 3 * (size_t)p.gemm.n};
    const bool over = is_pointwise(c) && c->out_c <= c->in_c;
    set(d, l, over ? &conv_over_kernel : &conv_kernel, &p, count, 2);
    l->scratch = (size_t)SOTTO_GEMM_SCRATCH(p.gemm.k);
}

static void deploy_taps(deployer *d, sotto_grid_t grid, source s, nn_q8_layer *l)
{
    const sotto_dwconv2d_taps_t p = {
        .grid = grid, .bands = s.bands, .depthwise = depthwise_of(d, &s)};
    const size_t count[] = {(size_t)(round_up(s.taps, 2) * s.outputs),
                            3 * (size_t)(s.bands * s.outputs)};
    set(d, l, &depthwise_kernel, &p, count, 2);
    l->scratch = (size_t)s.outputs;
}

static void deploy_depthwise(deployer *d, const sotto_dwconv2d_t *c, nn_q8_layer *l)
{
    deploy_taps(d, (sotto_grid_t)GRID_OF(c, c->channels), depthwise_source(c), l);
}

static void deploy_bands(deployer *d, const sotto_dwconv2d_bands_t *c, nn_q8_layer *l)
{
    deploy_taps(d, (sotto_grid_t)GRID_OF(c, c->channels), bands_source(c), l);
}

/* over: the result takes the place of the input. */
static void deploy_separable(deployer *d, const sotto_dwconv2d_t *c, const sotto_conv2d_t *next,
                             bool over, nn_q8_layer *l)
{
    const source s = depthwise_source(c), t = conv_source(next);
    const sotto_separable_t p = {.grid = GRID_OF(c, c->channels),
                                 .depthwise = depthwise_of(d, &s),
                                 .keep = over ? c->pad_top * c->in_w + c->pad_left : 0,
                                 .gemm = gemm_of(d, &t)};
    const size_t count[] = {(size_t)(round_up(s.taps, 2) * c->channels), 3 * (size_t)c->channels,
                            (size_t)(p.gemm.n * p.gemm.k), 3 * (size_t)p.gemm.n};
    set(d, l, over ? &separable_over_kernel : &separable_kernel, &p, count, 4);
    l->scratch = (size_t)SOTTO_SEPARABLE_SCRATCH(c->channels, p.keep);
}

static bool deploy_dense(deployer *d, const sotto_dense_t *c, nn_q8_layer *l)
{
    const source s = SOURCE_OF(c, c->in_n, c->out_n, 1, c->in_n);
    if (c->in_n % 4 || !scales(&s)) return false;
    const sotto_dense_pairs_t p = {.gemm = gemm_of(d, &s)};
    const size_t count[] = {(size_t)(p.gemm.n * p.gemm.k), 3 * (size_t)p.gemm.n};
    set(d, l, &dense_kernel, &p, count, 2);
    return true;
}

/* ---- the model ---- */

/* Whether layers k and k + 1 are a depthwise convolution and the pointwise one behind it alone. */
static bool are_separable(const q8_model *m, int k)
{
    if (k + 1 >= m->n_layers || !has_taps(&m->layers[k]) || !has_gemm(&m->layers[k + 1]))
        return false;
    const q8_value *between = &m->values[k + 1];
    return is_pointwise(m->layers[k + 1].l.p) && m->layers[k + 1].in[0] == k + 1 &&
           between->last == k + 1 && between->first == k;
}

/* Whether a separable convolution may write over its input: the map of between, of one size. */
static bool may_write_over(const q8_model *m, int k)
{
    const sotto_dwconv2d_t *p = m->layers[k].l.p;
    const sotto_conv2d_t *next = m->layers[k + 1].l.p;
    const int x = m->layers[k].in[0];
    return x > 0 && m->values[x].last == k && k + 2 < m->n_layers && p->in_h == p->out_h &&
           p->in_w == p->out_w && p->stride_h * p->stride_w == 1 && next->out_c == p->channels &&
           p->pad_top * p->in_w + p->pad_left > 0;
}

/* Layer k of from, with the next one where they are one; returns how many layers it stands for. */
static int deploy_layer(deployer *d, int k)
{
    const q8_layer *l = &d->from->layers[k];
    q8_layer *to = &d->to->layers[d->to->n_layers++];
    *to = *l;
    for (int j = 0; j < l->n_in; j++) to->in[j] = d->value[l->in[j]];
    const bool two = are_separable(d->from, k);
    if (two) {
        const bool over = may_write_over(d->from, k);
        deploy_separable(d, l->l.p, l[1].l.p, over, &to->l);
        to->end = l[1].end;
        snprintf(to->name, sizeof to->name, "%.*s+%.*s", NN_MAX_NAME / 2, l->name, NN_MAX_NAME / 2,
                 l[1].name);
    } else if (has_gemm(l))
        deploy_conv(d, l->l.p, &to->l);
    else if (has_taps(l))
        deploy_depthwise(d, l->l.p, &to->l);
    else if (has_taps_in_bands(l))
        deploy_bands(d, l->l.p, &to->l);
    else if (is_kernel(l, "sotto_dense"))
        deploy_dense(d, l->l.p, &to->l);
    return two ? 2 : 1;
}

base_status q8_deploy(const q8_model *m, base_arena *arena, q8_model *to, base_err *err)
{
    const size_t n = (size_t)m->n_layers;
    deployer d = {.from = m, .to = to, .arena = arena};
    *to = *m;
    to->arena = arena;
    to->n_layers = 0;
    to->layers = get(&d, n, sizeof *to->layers);
    to->values = get(&d, n + 1, sizeof *to->values);
    d.value = get(&d, n + 1, sizeof *d.value);
    if (d.failed) return base_nomem(err, n * sizeof *to->layers);
    to->values[0] = m->values[0];
    for (int k = 0; k < m->n_layers;) {
        k += deploy_layer(&d, k);
        d.value[k] = to->n_layers;
        to->values[to->n_layers] = m->values[k];
    }
    return d.failed ? base_nomem(err, n) : q8_place(to, err);
}

base_status q8_exported_work(const q8_model *m, size_t *bytes, base_err *err)
{
    q8_model deployed;
    base_arena *arena = base_arena_new();
    if (!arena) return base_nomem(err, 1);
    const base_status status = q8_deploy(m, arena, &deployed, err);
    if (status == BASE_OK) *bytes = deployed.work;
    base_arena_free(arena);
    return status;
}
