/* host_depth: depthwise convolution, channels in lanes.
 *
 * The rows under `taps` taps of a column of the kernel are interleaved once, for every column of
 * the map, into lines; the windows then read them at their columns, one instruction a group of
 * taps. A kernel that is higher than a group reads several lines. Bands share lines and weights.
 */
#include "quantize/host_layer.h"
#include "quantize/runtime/dwconv2d.h"
#include "quantize/runtime/dwconv2d_bands.h"

#include <string.h>

enum { LINE_BYTES = 1 << 14, EVEN = 4 };

typedef struct depth {
    const sotto_dwconv2d_t *p;
    int bands;              /* whose biases, multipliers and shifts are in p one after the other */
    int cols;               /* columns of a line */
    int groups, n;          /* groups of taps in a column of the kernel, and in all */
    int step;               /* rows from the beginning of one line to that of the next */
    int next;               /* lines from one group to the next */
    int chunk;              /* rows of output whose lines are there at a time */
    ptrdiff_t col;          /* bytes of a column */
    ptrdiff_t *at;          /* of each group of taps, from the columns of a position */
    int8_t *weight, *zeros; /* zeros: a block of zero points */
    q8_scale *scale;        /* of each band */
} depth;

/* ---- running ---- */

static int lines_of(const depth *d, int rows)
{
    return (rows - 1) * (d->p->stride_h / d->step) + (d->groups - 1) * d->next + 1;
}

/* The lines that `rows` rows of output from the first on need, of a block of channels. */
static void make_lines(const q8_step *s, const int8_t *x, int first, int rows, int channel,
                       int width, int8_t *q)
{
    const depth *d = s->data;
    const sotto_dwconv2d_t *p = d->p;
    q8_line l = {
        .cols = d->cols, .before = p->pad_left, .in = p->in_w, .width = width, .zero = p->in_zero};
    for (int i = 0; i < lines_of(d, rows); i++, q += d->cols * d->col) {
        for (int t = 0; t < s->isa->taps; t++) {
            const int row = first * p->stride_h - p->pad_top + i * d->step + t * p->dilation_h;
            const bool inside = row >= 0 && row < p->in_h;
            l.row[t] = inside ? x + (ptrdiff_t)row * p->in_w * p->channels + channel : d->zeros;
            l.step[t] = inside ? p->channels : 0;
        }
        s->isa->line(&l, q);
    }
}

/* Rows of output, c->q being the lines of the first; with bands, each of its columns by itself. */
static void run_rows(const q8_step *s, q8_columns c)
{
    const depth *d = s->data;
    if (d->bands == 1) {
        s->isa->columns(&c, d->scale);
        return;
    }
    const int rows = c.rows;
    c.rows = 1;
    c.cols /= d->bands;
    for (int r = 0; r < rows; r++) {
        const int8_t *next = c.q + c.row;
        for (int b = 0; b < d->bands; b++) {
            s->isa->columns(&c, &d->scale[b]);
            c.q += c.cols * c.col;
            c.y += c.cols * c.y_col;
        }
        c.q = next;
    }
}

static void run_depth(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    const depth *d = s->data;
    const sotto_dwconv2d_t *p = d->p;
    const int block = s->isa->lanes * s->isa->vectors;
    q8_columns c = {.n = d->n, .cols = p->out_w, .q = work, .at = d->at, .y_col = p->channels};
    c.row = p->stride_h / d->step * d->cols * d->col;
    c.col = p->stride_w * d->col;
    for (int channel = 0; channel < p->channels; channel += block) {
        c.width = p->channels - channel < block ? p->channels - channel : block;
        c.lane = channel;
        c.weight = d->weight + (ptrdiff_t)channel * d->n * Q8_GROUP;
        for (int first = 0; first < p->out_h; first += c.rows) {
            c.rows = p->out_h - first < d->chunk ? p->out_h - first : d->chunk;
            c.y = y + (ptrdiff_t)first * p->out_w * p->channels + channel;
            make_lines(s, x[0], first, c.rows, channel, c.width, work);
            run_rows(s, c);
        }
    }
}

/* ---- preparing ---- */

static void find_places(depth *d, q8_step *s)
{
    const sotto_dwconv2d_t *p = d->p;
    d->cols = (p->out_w - 1) * p->stride_w + (p->kernel_w - 1) * p->dilation_w + 1;
    d->col = (ptrdiff_t)s->isa->lanes * s->isa->vectors * Q8_GROUP;
    d->groups = (p->kernel_h + s->isa->taps - 1) / s->isa->taps;
    d->n = d->groups * p->kernel_w;
    d->step = d->groups == 1 ? p->stride_h : 1;
    d->next = s->isa->taps * p->dilation_h;
    d->chunk = 1;
    while (d->chunk < p->out_h && lines_of(d, d->chunk + 1) * d->cols * d->col <= LINE_BYTES)
        d->chunk++;
    if (d->chunk < p->out_h && d->chunk > EVEN) d->chunk -= d->chunk % EVEN;
    s->work = (size_t)lines_of(d, d->chunk) * (size_t)d->cols * (size_t)d->col;
}

static q8_layer_scale scale_of(const sotto_dwconv2d_t *p, int band)
{
    const int at = band * p->channels;
    return (q8_layer_scale){p->channels,  p->out_zero,        p->lo,        p->hi, p->single,
                            p->bias + at, p->multiplier + at, p->shift + at};
}

static base_status pack(depth *d, const q8_isa *isa, base_arena *arena, base_err *err)
{
    const sotto_dwconv2d_t *p = d->p;
    const size_t lanes = (size_t)q8_lanes(isa, p->channels, false);
    d->at = base_arena_alloc(arena, (size_t)d->n, sizeof *d->at);
    d->weight = base_arena_alloc(arena, (size_t)d->n * lanes, Q8_GROUP);
    d->zeros = base_arena_alloc(arena, Q8_MAX_BLOCK, 1);
    int32_t *sums = base_arena_alloc(arena, (size_t)p->channels, sizeof *sums);
    if (!d->at || !d->weight || !d->zeros || !sums) return base_nomem(err, lanes);
    memset(d->zeros, p->in_zero, Q8_MAX_BLOCK);
    for (int n = 0; n < d->n; n++)
        d->at[n] =
            ((ptrdiff_t)(n / p->kernel_w) * d->next * d->cols + n % p->kernel_w * p->dilation_w) *
            d->col;
    for (int ky = 0; ky < p->kernel_h; ky++)
        for (int kx = 0; kx < p->kernel_w; kx++)
            for (int c = 0; c < p->channels; c++) {
                const int8_t w = p->weight[((ptrdiff_t)ky * p->kernel_w + kx) * p->channels + c];
                const int n = ky / isa->taps * p->kernel_w + kx;
                q8_put_weight(isa, d->weight, p->channels, false, d->n, c,
                              n * isa->taps + ky % isa->taps, w);
                sums[c] += w;
            }
    d->scale = base_arena_alloc(arena, (size_t)d->bands, sizeof *d->scale);
    if (!d->scale) return base_nomem(err, (size_t)d->bands * sizeof *d->scale);
    for (int b = 0; b < d->bands; b++) {
        const q8_layer_scale scale = scale_of(p, b);
        BASE_TRY(q8_scale_make(isa, &scale, false, p->in_zero, sums, arena, &d->scale[b], err));
    }
    return BASE_OK;
}

static base_status make(q8_step *s, const sotto_dwconv2d_t *p, int bands, base_arena *arena,
                        base_err *err)
{
    for (int b = 0; b < bands; b++) {
        const q8_layer_scale scale = scale_of(p, b);
        if (!q8_scale_fits(&scale)) return BASE_OK;
    }
    depth *d = base_arena_alloc(arena, 1, sizeof *d);
    if (!d) return base_nomem(err, sizeof *d);
    d->p = p;
    d->bands = bands;
    find_places(d, s);
    BASE_TRY(pack(d, s->isa, arena, err));
    s->data = d;
    s->run = run_depth;
    return BASE_OK;
}

base_status q8_step_dwconv2d(q8_step *s, base_arena *arena, base_err *err)
{
    return make(s, s->layer->p, 1, arena, err);
}

base_status q8_step_dwconv2d_bands(q8_step *s, base_arena *arena, base_err *err)
{
    const sotto_dwconv2d_bands_t *b = s->layer->p;
    sotto_dwconv2d_t *p = base_arena_alloc(arena, 1, sizeof *p);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_dwconv2d_t){.in_h = b->in_h,
                            .in_w = b->in_w,
                            .channels = b->channels,
                            .out_h = b->out_h,
                            .out_w = b->out_w,
                            .kernel_h = b->kernel_h,
                            .kernel_w = b->kernel_w,
                            .stride_h = b->stride_h,
                            .stride_w = b->stride_w,
                            .dilation_h = b->dilation_h,
                            .dilation_w = b->dilation_w,
                            .pad_top = b->pad_top,
                            .pad_left = b->pad_left,
                            .in_zero = b->in_zero,
                            .out_zero = b->out_zero,
                            .lo = b->lo,
                            .hi = b->hi,
                            .single = b->single,
                            .weight = b->weight,
                            .bias = b->bias,
                            .multiplier = b->multiplier,
                            .shift = b->shift};
    return make(s, p, b->bands, arena, err);
}
