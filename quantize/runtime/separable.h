/* separable: a depthwise convolution and the pointwise one behind it in one pass: four positions of
 * the former are computed into the columns of the latter (gemm.h), so that the map between the two
 * is never there.
 *
 * With `keep` > 0, y may be x: of what is overwritten, the last `keep` positions are kept, which is
 * as far back as a window reaches. That needs strides of 1 and maps of the same size.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SEPARABLE_H
#define SOTTO_SEPARABLE_H

#include "quantize/runtime/depthwise.h"
#include "quantize/runtime/gemm.h"

typedef struct sotto_separable_t {
    sotto_grid_t grid;
    sotto_depthwise_t depthwise;
    int32_t keep;
    sotto_gemm_t gemm; /* k is the channels */
} sotto_separable_t;

/* Bytes of scratch for c channels: a position outside of the map, those kept, gemm's. */
#define SOTTO_SEPARABLE_SCRATCH(c, keep) ((c) + (keep) * (c) + SOTTO_GEMM_SCRATCH(c))

/* Keeps count positions of n bytes at x, which are about to be overwritten. */
static inline void sotto_keep(int8_t *kept, int32_t keep, const int8_t *x, int32_t count, int32_t n)
{
    if (count > keep) {
        x += (count - keep) * n;
        count = keep;
    }
    sotto_move(kept, kept + count * n, (keep - count) * n);
    sotto_move(kept + (keep - count) * n, x, count * n);
}

/* scratch: SOTTO_SEPARABLE_SCRATCH bytes. s: p, or another layer of its shape; rows: as in
 * conv2d_gemm.h.
 */
SOTTO_INLINE void sotto_separable_as(const sotto_separable_t *s, const sotto_grid_t *rows,
                                     const sotto_separable_t *p, const int8_t *x, int8_t *y,
                                     void *scratch)
{
    const sotto_grid_t *g = &s->grid;
    const int32_t c = g->in_c, last = rows->out_h * g->out_w - 1;
    int8_t *const outside = scratch, *const kept = outside + c;
    void *const columns = kept + s->keep * c;
    sotto_map_t map = {x, kept, outside, -s->keep * c, 0};
    const int8_t *tap[SOTTO_DEPTHWISE_TAPS + 2];
    int32_t count = 0, at = 0;
    memset(outside, p->grid.in_zero, (size_t)c);
    for (int32_t h = 0, top = -rows->pad_top; h < rows->out_h; h++, top += g->stride_h)
        for (int32_t w = 0, left = -g->pad_left; w < g->out_w; w++, left += g->stride_w, at++) {
            int8_t *const row = sotto_gemm_row(&s->gemm, columns, count);
            sotto_point(g, map, top, left, tap);
            sotto_depthwise(&s->depthwise, &p->depthwise, tap, c, row);
            sotto_gemm_put(&s->gemm, columns, count, row);
            if (++count < SOTTO_GEMM_COLUMNS && at < last) continue;
            if (s->keep > 0) {
                sotto_keep(kept, s->keep, x + map.end, count, c);
                map.first += count * c;
                map.end += count * c;
            }
            sotto_gemm(&s->gemm, &p->gemm, columns, count, y);
            y += count * s->gemm.n;
            count = 0;
        }
}

static inline void sotto_separable(const sotto_separable_t *p, const int8_t *x, int8_t *y,
                                   void *scratch)
{
    sotto_separable_as(p, &p->grid, p, x, y, scratch);
}

#endif
