/* grid: where a window lies over an H x W x C map, for the fast convolutions.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GRID_H
#define SOTTO_GRID_H

#include <stdint.h>
#include <string.h>

typedef struct sotto_grid_t {
    int32_t in_h, in_w, in_c, out_h, out_w;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, in_zero;
} sotto_grid_t;

/* n bytes, to[i] = from[i], or all of them zero where from is NULL. */
static inline void sotto_fill(int8_t *to, const int8_t *from, int32_t n, int32_t zero)
{
    for (int32_t i = 0; i < n; i++) to[i] = from ? from[i] : (int8_t)zero;
}

/* All taps under the window whose first tap is at row `top`, column `left`: [kernel_h][kernel_w][C]
 * values; those outside of the map are zero. */
static inline void sotto_gather(const sotto_grid_t *g, const int8_t *x, int32_t top, int32_t left,
                                int32_t zero, int8_t *to)
{
    const int32_t c = g->in_c;
    for (int32_t ky = 0, h = top; ky < g->kernel_h; ky++, h += g->dilation_h)
        for (int32_t kx = 0, w = left; kx < g->kernel_w; kx++, w += g->dilation_w, to += c) {
            const int32_t inside = h >= 0 && h < g->in_h && w >= 0 && w < g->in_w;
            sotto_fill(to, inside ? x + (h * g->in_w + w) * c : 0, c, zero);
        }
}

#endif
