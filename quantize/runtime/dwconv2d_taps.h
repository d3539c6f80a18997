/* dwconv2d_taps: dwconv2d.h and dwconv2d_bands.h faster, for channels that are a multiple of 4 and
 * at most SOTTO_DEPTHWISE_TAPS taps (depthwise.h).
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DWCONV2D_TAPS_H
#define SOTTO_DWCONV2D_TAPS_H

#include "quantize/runtime/depthwise.h"

typedef struct sotto_dwconv2d_taps_t {
    sotto_grid_t grid;
    int32_t bands; /* of as many columns each, with channels of scale.h of their own: [bands][C] */
    sotto_depthwise_t depthwise;
} sotto_dwconv2d_taps_t;

/* scratch: C bytes. s: p, or another layer of its shape; rows: as in conv2d_gemm.h. */
SOTTO_INLINE void sotto_dwconv2d_taps_as(const sotto_dwconv2d_taps_t *s, const sotto_grid_t *rows,
                                         const sotto_dwconv2d_taps_t *p, const int8_t *x, int8_t *y,
                                         void *scratch)
{
    const sotto_grid_t *g = &s->grid;
    const sotto_map_t map = {x, 0, scratch, 0, 0};
    const int8_t *tap[SOTTO_DEPTHWISE_TAPS + 2];
    memset(scratch, p->grid.in_zero, (size_t)g->in_c);
    const int32_t width = g->out_w / s->bands;
    for (int32_t h = 0, top = -rows->pad_top; h < rows->out_h; h++, top += g->stride_h) {
        sotto_depthwise_t band = p->depthwise;
        for (int32_t w = 0, end = width, left = -g->pad_left; w < g->out_w; end += width) {
            for (; w < end; w++, left += g->stride_w, y += g->in_c) {
                sotto_point(g, map, top, left, tap);
                sotto_depthwise(&s->depthwise, &band, tap, g->in_c, y);
            }
            band.scale.channel += 3 * g->in_c;
        }
    }
}

static inline void sotto_dwconv2d_taps(const sotto_dwconv2d_taps_t *p, const int8_t *x, int8_t *y,
                                       void *scratch)
{
    sotto_dwconv2d_taps_as(p, &p->grid, p, x, y, scratch);
}

#endif
