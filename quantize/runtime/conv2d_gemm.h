/* conv2d_gemm: conv2d.h with groups = 1, faster: the windows of four outputs are gathered as
 * columns and multiplied with the weights at once (gemm.h). y may be x where the window is one
 * position, strides are 1 and there are no more outputs than inputs.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CONV2D_GEMM_H
#define SOTTO_CONV2D_GEMM_H

#include "quantize/runtime/gemm.h"
#include "quantize/runtime/grid.h"

typedef struct sotto_conv2d_gemm_t {
    sotto_grid_t grid;
    int32_t flat; /* windows inside of the map lie in one piece of gemm.k bytes */
    sotto_gemm_t gemm;
} sotto_conv2d_gemm_t;

/* scratch: SOTTO_GEMM_SCRATCH(gemm.k) bytes. s: p, or another layer of its shape (gemm.h).
 * rows: of it, pad_top and out_h are taken: s->grid, or p->grid where p is some rows of such a
 * layer. */
SOTTO_INLINE void sotto_conv2d_gemm_as(const sotto_conv2d_gemm_t *s, const sotto_grid_t *rows,
                                       const sotto_conv2d_gemm_t *p, const int8_t *x, int8_t *y,
                                       void *scratch)
{
    const sotto_grid_t *g = &s->grid;
    const int32_t reach = (g->kernel_h - 1) * g->dilation_h, last = rows->out_h * g->out_w - 1;
    int32_t count = 0, at = 0;
    for (int32_t h = 0, top = -rows->pad_top; h < rows->out_h; h++, top += g->stride_h) {
        const int32_t inside = s->flat && top >= 0 && top + reach < g->in_h;
        for (int32_t w = 0, left = -g->pad_left; w < g->out_w; w++, left += g->stride_w, at++) {
            int8_t *const row = sotto_gemm_row(&s->gemm, scratch, count);
            const int8_t *from = row;
            if (inside)
                from = x + (top * g->in_w + left) * g->in_c;
            else
                sotto_gather(g, x, top, left, p->grid.in_zero, row);
            sotto_gemm_put(&s->gemm, scratch, count, from);
            if (++count < SOTTO_GEMM_COLUMNS && at < last) continue;
            sotto_gemm(&s->gemm, &p->gemm, scratch, count, y);
            y += count * s->gemm.n;
            count = 0;
        }
    }
}

static inline void sotto_conv2d_gemm(const sotto_conv2d_gemm_t *p, const int8_t *x, int8_t *y,
                                     void *scratch)
{
    sotto_conv2d_gemm_as(p, &p->grid, p, x, y, scratch);
}

#endif
