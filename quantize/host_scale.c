/* host_scale: channels, their constants and weights in the order of an instruction set's lanes. */
#include "quantize/host_layer.h"

#include <string.h>

enum { MOST_SIMPLE = 22 };

bool q8_scale_fits(const q8_layer_scale *l)
{
    if (l->lo < -128 || l->lo > l->hi || l->hi > 127 || l->zero < -128 || l->zero > 127)
        return false;
    for (int c = 0; c < l->channels; c++)
        if (l->multiplier[c] < 0 || l->shift[c] < -31 || l->shift[c] > 30) return false;
    return true;
}

int q8_block_vectors(const q8_isa *isa, int channels, int c, bool narrow)
{
    const int vectors = (channels - c + isa->lanes - 1) / isa->lanes;
    return narrow && isa->narrow && vectors < isa->vectors ? vectors : isa->vectors;
}

int q8_block_lane(const q8_isa *isa, int vectors, int c)
{
    return c / 4 % vectors * isa->lanes + c / (4 * vectors) * 4 + c % 4;
}

int q8_lanes(const q8_isa *isa, int channels, bool narrow)
{
    const int block = isa->lanes * isa->vectors, last = (channels - 1) / block * block;
    return last + q8_block_vectors(isa, channels, last, narrow) * isa->lanes;
}

/* The lane of channel c among those of all blocks, and the first of its block. */
static int lane_of(const q8_isa *isa, int channels, bool narrow, int c, int *first, int *vectors)
{
    const int block = isa->lanes * isa->vectors;
    *first = c / block * block;
    *vectors = q8_block_vectors(isa, channels, *first, narrow);
    return *first + q8_block_lane(isa, *vectors, c - *first);
}

static int right_of(const q8_layer_scale *l, int c)
{
    return l->multiplier[c] == 0 ? 1 /* 0 is 0 however it is shifted */
           : l->shift[c] > 0     ? 0
                                 : -l->shift[c];
}

static void put_channel(const q8_isa *isa, const q8_layer_scale *l, int c, int lane, q8_scale *s)
{
    const int n = right_of(l, c), vector = lane / isa->lanes * isa->lanes;
    const int wide = vector + (lane - vector) / 2 + lane % 2 * isa->lanes / 2;
    s->multiplier[lane] = l->multiplier[c];
    s->left[lane] = n == 0 ? l->shift[c] : 0;
    s->right[lane] = n == 0 ? 0 : n - 1;
    s->add[wide] = (int64_t)1 << (30 + n);
    if (n > 0 && !l->single) s->add[wide] += (int64_t)1 << 30;
    if (s->simple) s->add[wide] += l->zero * ((int64_t)1 << (31 + n));
    s->sign[wide] = n == 0 || l->single ? 0 : (int64_t)1 << 31;
    s->up[wide] = n == 0 ? 1 : 0;
}

base_status q8_scale_make(const q8_isa *isa, const q8_layer_scale *l, bool narrow, int in_zero,
                          const int32_t *sums, base_arena *arena, q8_scale *s, base_err *err)
{
    const size_t n = (size_t)q8_lanes(isa, l->channels, narrow);
    *s = (q8_scale){
        .simple = l->single || l->lo >= l->zero, .lo = l->lo, .hi = l->hi, .zero = l->zero};
    for (int c = 0; c < l->channels; c++)
        if (right_of(l, c) < 1 || right_of(l, c) > MOST_SIMPLE) s->simple = false;
    int32_t **const i32[] = {&s->bias, &s->multiplier, &s->left, &s->right};
    int64_t **const i64[] = {&s->add, &s->sign, &s->up};
    for (size_t i = 0; i < BASE_COUNT(i32); i++)
        if (!(*i32[i] = base_arena_alloc(arena, n, sizeof **i32[i]))) return base_nomem(err, n);
    for (size_t i = 0; i < BASE_COUNT(i64); i++)
        if (!(*i64[i] = base_arena_alloc(arena, n, sizeof **i64[i]))) return base_nomem(err, n);
    for (int c = 0; c < l->channels; c++) {
        int first, vectors;
        const int lane = lane_of(isa, l->channels, narrow, c, &first, &vectors);
        const uint32_t sum = sums ? (uint32_t)sums[c] : 0;
        put_channel(isa, l, c, lane, s);
        s->bias[lane] = (int32_t)((uint32_t)l->bias[c] - (uint32_t)(isa->offset + in_zero) * sum);
    }
    return BASE_OK;
}

void q8_put_weight(const q8_isa *isa, void *to, int channels, bool narrow, int groups, int c, int k,
                   int8_t w)
{
    int first, vectors;
    const int lane = lane_of(isa, channels, narrow, c, &first, &vectors) - first;
    const size_t group = (size_t)first * (size_t)groups +
                         (size_t)(k / isa->taps) * (size_t)(vectors * isa->lanes) + (size_t)lane;
    const size_t at = group * (size_t)isa->taps + (size_t)(k % isa->taps);
    if (isa->element == 1)
        ((int8_t *)to)[at] = w;
    else
        ((int16_t *)to)[at] = w;
}
