/* host_map: operators without weights. globalpool sums blocks of channels, add looks both inputs'
 * rescaled values up in tables and requantizes their sums.
 */
#include "quantize/host_layer.h"
#include "quantize/runtime/add_broadcast.h"
#include "quantize/runtime/globalpool.h"

#include <string.h>

enum { BLOCK = Q8_MAX_BLOCK, VALUES = 256 };

/* ---- globalpool ---- */

/* sum[c] = of x[i * row + c] over i < n <= 256: 16 bits hold it; the last one may be -2^15. */
static void sum_block(const int8_t *x, ptrdiff_t row, int n, int32_t sum[BLOCK])
{
    int16_t part[BLOCK] = {0};
    for (int i = 0; i < n; i++, x += row)
        for (int c = 0; c < BLOCK; c++) part[c] = (int16_t)(part[c] + x[c]);
    for (int c = 0; c < BLOCK; c++) sum[c] += part[c];
}

static void run_globalpool(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    const sotto_globalpool_t *p = s->layer->p;
    const int32_t half = p->positions / 2;
    (void)work;
    for (int first = 0; first < p->channels; first += BLOCK) {
        const int width = p->channels - first < BLOCK ? p->channels - first : BLOCK;
        int32_t sum[BLOCK] = {0};
        for (int i = 0; i < p->positions; i += VALUES) {
            const int n = p->positions - i < VALUES ? p->positions - i : VALUES;
            const int8_t *from = x[0] + (ptrdiff_t)i * p->channels + first;
            if (width == BLOCK) {
                sum_block(from, p->channels, n, sum);
                continue;
            }
            for (int r = 0; r < n; r++)
                for (int c = 0; c < width; c++) sum[c] += from[(ptrdiff_t)r * p->channels + c];
        }
        for (int c = 0; c < width; c++) {
            const int32_t mean = (sum[c] > 0 ? sum[c] + half : sum[c] - half) / p->positions;
            y[first + c] = sotto_clamp_i8(mean, p->lo, p->hi);
        }
    }
}

base_status q8_step_globalpool(q8_step *s, base_arena *arena, base_err *err)
{
    (void)arena;
    (void)err;
    s->run = run_globalpool;
    return BASE_OK;
}

/* ---- add ---- */

typedef struct add {
    int32_t x0[VALUES], x1[VALUES]; /* what each becomes; of x + 128 */
    uint8_t lane[BLOCK];            /* of each element of a block */
    q8_gemm gemm;                   /* of no taps: only its constants count */
} add;

/* Sums that wait for each other until there is a block of them. */
typedef struct adder {
    const q8_step *s;
    const add *a;
    q8_gemm gemm; /* whose biases are the sums */
    int32_t sum[BLOCK];
    int n; /* how many there are */
    int8_t *y, *work;
} adder;

static void start(adder *d, const q8_step *s, int8_t *y, int8_t *work)
{
    *d = (adder){.s = s, .a = s->data, .y = y, .work = work};
    d->gemm = d->a->gemm;
    d->gemm.scale.bias = d->sum;
}

static void flush(adder *d)
{
    int8_t out[BLOCK];
    d->s->isa->gemm(&d->gemm, d->work, &(const ptrdiff_t){0}, 1, out, 0);
    memcpy(d->y, out, (size_t)d->n);
    d->y += d->n;
    d->n = 0;
}

static void add_row(adder *d, const int8_t *x0, ptrdiff_t step0, const int8_t *x1, ptrdiff_t step1,
                    int n)
{
    const add *a = d->a;
    while (n > 0) {
        const int room = d->gemm.channels - d->n, m = n < room ? n : room;
        for (int k = 0; k < m; k++, x0 += step0, x1 += step1)
            d->sum[a->lane[d->n + k]] = a->x0[*x0 + 128] + a->x1[*x1 + 128];
        d->n += m;
        n -= m;
        if (d->n == d->gemm.channels) flush(d);
    }
}

static void run_add(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    const sotto_add_t *p = s->layer->p;
    adder d;
    start(&d, s, y, work);
    add_row(&d, x[0], 1, x[1], 1, p->n);
    if (d.n > 0) flush(&d);
}

static void run_add_broadcast(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    const sotto_add_broadcast_t *p = s->layer->p;
    adder d;
    start(&d, s, y, work);
    for (int i = 0; i < p->length[0]; i++)
        for (int j = 0; j < p->length[1]; j++)
            for (int k = 0; k < p->length[2]; k++)
                add_row(&d, x[0] + i * p->step0[0] + j * p->step0[1] + k * p->step0[2], p->step0[3],
                        x[1] + i * p->step1[0] + j * p->step1[1] + k * p->step1[2], p->step1[3],
                        p->length[3]);
    if (d.n > 0) flush(&d);
}

/* s->run stays the plain kernel where the arithmetic does not cover p. */
static base_status make_add(q8_step *s, const sotto_add_t *p,
                            void (*run)(const q8_step *, const int8_t *const *, int8_t *, int8_t *),
                            base_arena *arena, base_err *err)
{
    const int n = s->isa->lanes * s->isa->vectors;
    int32_t bias[BLOCK] = {0}, multiplier[BLOCK], shift[BLOCK];
    for (int k = 0; k < n; k++) {
        multiplier[k] = p->out_multiplier;
        shift[k] = p->out_shift;
    }
    const q8_layer_scale scale = {n, p->out_zero, p->lo, p->hi, p->single, bias, multiplier, shift};
    if (!q8_scale_fits(&scale)) return BASE_OK;
    add *a = base_arena_alloc(arena, 1, sizeof *a);
    if (!a) return base_nomem(err, sizeof *a);
    const int32_t unit = (int32_t)1 << 20;
    for (int v = 0; v < VALUES; v++) {
        a->x0[v] =
            sotto_requant((v - 128 - p->x0_zero) * unit, p->x0_multiplier, p->x0_shift, p->single);
        a->x1[v] =
            sotto_requant((v - 128 - p->x1_zero) * unit, p->x1_multiplier, p->x1_shift, p->single);
    }
    for (int k = 0; k < n; k++) a->lane[k] = (uint8_t)q8_block_lane(s->isa, s->isa->vectors, k);
    a->gemm.channels = n;
    s->data = a;
    s->run = run;
    return q8_scale_make(s->isa, &scale, false, 0, NULL, arena, &a->gemm.scale, err);
}

base_status q8_step_add(q8_step *s, base_arena *arena, base_err *err)
{
    return make_add(s, s->layer->p, run_add, arena, err);
}

base_status q8_step_add_broadcast(q8_step *s, base_arena *arena, base_err *err)
{
    const sotto_add_broadcast_t *p = s->layer->p;
    return make_add(s, &p->sum, run_add_broadcast, arena, err);
}
