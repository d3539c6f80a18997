/* host_conv: convolution and dense layers as matrix products of patches and weights.
 *
 * The input is padded with its zero point and brought to the instruction set's form: the map. The
 * patch of an output position is one or several runs of the map (the taps of a row of the kernel,
 * or more where they follow one another), and a run is groups of taps, read where they lie: the
 * product is given the offsets of positions and of groups. Weights after the last tap of a run are
 * 0, so whatever is read there does not count.
 */
#include "quantize/host_layer.h"
#include "quantize/runtime/conv2d.h"
#include "quantize/runtime/dense.h"

#include <string.h>

typedef struct conv {
    sotto_conv2d_t p;
    int map_h, map_w; /* what the windows reach, at least as wide as the input */
    bool padded;
    int run, run_groups;    /* taps of a run, and the groups they are */
    ptrdiff_t *at, *at_row; /* in the map: of the groups of a patch, of positions */
    q8_gemm *gemm;          /* one a group of channels */
    size_t map_size, map_start;
} conv;

/* ---- running ---- */

static const int8_t *pad(const conv *c, const int8_t *x, int8_t *to)
{
    if (!c->padded) return x;
    const sotto_conv2d_t *p = &c->p;
    const size_t row = (size_t)(p->in_w * p->in_c);
    memset(to, p->in_zero, c->map_size);
    to += p->pad_left * p->in_c;
    for (int h = 0; h < p->in_h && h + p->pad_top < c->map_h; h++)
        memcpy(to + (ptrdiff_t)(h + p->pad_top) * c->map_w * p->in_c, x + (size_t)h * row, row);
    return to - p->pad_left * p->in_c;
}

static void run_conv(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    const conv *c = s->data;
    const sotto_conv2d_t *p = &c->p;
    char *map = (char *)work + c->map_start;
    const int per_group = p->out_c / p->groups;
    s->isa->widen(pad(c, x[0], work), c->map_size, map);
    for (int g = 0; g < p->groups; g++)
        s->isa->gemm(&c->gemm[g], map + (ptrdiff_t)g * (p->in_c / p->groups) * s->isa->element,
                     c->at_row, p->out_h * p->out_w, y + g * per_group, p->out_c);
}

/* ---- preparing ---- */

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Taps that follow one another in the map are one run. */
static void find_runs(conv *c, const q8_isa *isa)
{
    const sotto_conv2d_t *p = &c->p;
    const int depth = p->in_c / p->groups;
    const bool whole = depth == p->in_c && (p->dilation_w == 1 || p->kernel_w == 1);
    c->run = (whole ? p->kernel_w : 1) * depth;
    if (whole && p->kernel_w == c->map_w && (p->dilation_h == 1 || p->kernel_h == 1))
        c->run *= p->kernel_h;
    c->run_groups = (c->run + isa->taps - 1) / isa->taps;
}

static base_status find_places(conv *c, const q8_isa *isa, base_arena *arena, base_err *err)
{
    const sotto_conv2d_t *p = &c->p;
    const int depth = p->in_c / p->groups, taps = p->kernel_h * p->kernel_w;
    const int runs = taps * depth / c->run, groups = runs * c->run_groups;
    const int positions = p->out_h * p->out_w;
    const ptrdiff_t pixel = (ptrdiff_t)p->in_c * isa->element, row = c->map_w * pixel;
    c->at = base_arena_alloc(arena, (size_t)groups, sizeof *c->at);
    c->at_row = base_arena_alloc(arena, (size_t)positions, sizeof *c->at_row);
    if (!c->at || !c->at_row) return base_nomem(err, (size_t)(groups + positions));
    for (int k = 0; k < groups; k++) {
        const int tap = k / c->run_groups * (c->run / depth);
        c->at[k] = tap / p->kernel_w * p->dilation_h * row +
                   tap % p->kernel_w * p->dilation_w * pixel + k % c->run_groups * Q8_GROUP;
    }
    for (int i = 0; i < positions; i++)
        c->at_row[i] = i / p->out_w * p->stride_h * row + i % p->out_w * p->stride_w * pixel;
    return BASE_OK;
}

/* Group g: its weights in order, and its constants. */
static base_status pack(const conv *c, int g, const q8_isa *isa, base_arena *arena, base_err *err)
{
    const sotto_conv2d_t *p = &c->p;
    const int channels = p->out_c / p->groups, first = g * channels;
    const int fan = p->in_c / p->groups * p->kernel_h * p->kernel_w;
    q8_gemm *m = &c->gemm[g];
    m->channels = channels;
    m->groups = fan / c->run * c->run_groups;
    m->at = c->at;
    const size_t groups = (size_t)m->groups * (size_t)q8_lanes(isa, channels, true);
    m->weight = base_arena_alloc(arena, groups, Q8_GROUP);
    int32_t *sums = base_arena_alloc(arena, (size_t)channels, sizeof *sums);
    if (!m->weight || !sums) return base_nomem(err, groups * Q8_GROUP);
    for (int o = 0; o < channels; o++)
        for (int k = 0; k < fan; k++) {
            const int8_t w = p->weight[(ptrdiff_t)(first + o) * fan + k];
            sums[o] += w;
            q8_put_weight(isa, m->weight, channels, true, m->groups, o,
                          k / c->run * c->run_groups * isa->taps + k % c->run, w);
        }
    const q8_layer_scale scale = {.channels = channels,
                                  .zero = p->out_zero,
                                  .lo = p->lo,
                                  .hi = p->hi,
                                  .single = p->single,
                                  .bias = p->bias + first,
                                  .multiplier = p->multiplier + first,
                                  .shift = p->shift + first};
    return q8_scale_make(isa, &scale, true, p->in_zero, sums, arena, &m->scale, err);
}

static base_status make(q8_step *s, const sotto_conv2d_t *p, base_arena *arena, base_err *err)
{
    const q8_layer_scale scale = {p->out_c,  p->out_zero, p->lo,         p->hi,
                                  p->single, p->bias,     p->multiplier, p->shift};
    if (!q8_scale_fits(&scale)) return BASE_OK;
    conv *c = base_arena_alloc(arena, 1, sizeof *c);
    if (!c) return base_nomem(err, sizeof *c);
    c->p = *p;
    const int reach = (p->out_w - 1) * p->stride_w + (p->kernel_w - 1) * p->dilation_w + 1;
    c->map_w = larger(reach, p->pad_left + p->in_w);
    c->map_h = (p->out_h - 1) * p->stride_h + (p->kernel_h - 1) * p->dilation_h + 1;
    c->padded = p->pad_top > 0 || c->map_w > p->in_w || c->map_h > p->in_h;
    c->map_size = (size_t)c->map_h * (size_t)c->map_w * (size_t)p->in_c;
    c->map_start = c->padded ? (c->map_size + 63) / 64 * 64 : 0;
    s->work = c->map_start + c->map_size * (size_t)s->isa->element + Q8_GROUP;
    find_runs(c, s->isa);
    BASE_TRY(find_places(c, s->isa, arena, err));
    c->gemm = base_arena_alloc(arena, (size_t)p->groups, sizeof *c->gemm);
    if (!c->gemm) return base_nomem(err, (size_t)p->groups * sizeof *c->gemm);
    for (int g = 0; g < p->groups; g++) BASE_TRY(pack(c, g, s->isa, arena, err));
    s->data = c;
    s->run = run_conv;
    return BASE_OK;
}

base_status q8_step_conv2d(q8_step *s, base_arena *arena, base_err *err)
{
    return make(s, s->layer->p, arena, err);
}

/* A convolution of one position. */
base_status q8_step_dense(q8_step *s, base_arena *arena, base_err *err)
{
    const sotto_dense_t *d = s->layer->p;
    const sotto_conv2d_t p = {.in_h = 1,
                              .in_w = 1,
                              .in_c = d->in_n,
                              .out_h = 1,
                              .out_w = 1,
                              .out_c = d->out_n,
                              .kernel_h = 1,
                              .kernel_w = 1,
                              .stride_h = 1,
                              .stride_w = 1,
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .groups = 1,
                              .in_zero = d->in_zero,
                              .out_zero = d->out_zero,
                              .lo = d->lo,
                              .hi = d->hi,
                              .single = d->single,
                              .weight = d->weight,
                              .bias = d->bias,
                              .multiplier = d->multiplier,
                              .shift = d->shift};
    return make(s, &p, arena, err);
}
