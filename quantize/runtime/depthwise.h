/* depthwise: all channels of one position of a depthwise convolution, from pointers to its taps;
 * four channels and two taps are multiplied at once. Shared by dwconv2d_taps.h and separable.h.
 *
 *   y[c] = clamp(zero + scale(bias[c] + sum over t of weight[t][c] tap[t][c]))
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_H
#define SOTTO_DEPTHWISE_H

#include "quantize/runtime/depthwise_dsp.h"
#include "quantize/runtime/depthwise_mve.h"
#include "quantize/runtime/depthwise_plain.h"
#include "quantize/runtime/depthwise_v6m.h"
#include "quantize/runtime/grid.h"

/* sotto_depthwise_sums, of the machine: sums of four channels from c on. tap: pointers to channel
 * 0, an even number of them, then two that are NULL. Returns the weights that come next. */

#ifndef SOTTO_MVE
/* One position; y: [channels], which are a multiple of 4. s: d, or another layer of its shape. */
SOTTO_INLINE void sotto_depthwise(const sotto_depthwise_t *s, const sotto_depthwise_t *d,
                                  const int8_t *const *tap, int32_t channels, int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &d->scale);
    const int32_t *channel = d->scale.channel;
    const int8_t *w = d->weight;
    for (int32_t c = 0; c < channels; c += 4, channel += 12, y += 4) {
        int32_t sum[4] = {channel[0], channel[3], channel[6], channel[9]};
        w = sotto_depthwise_sums(tap, c, w, sum);
        sum[0] = sotto_scaled(sum[0], channel[1], channel[2], e.single);
        sum[1] = sotto_scaled(sum[1], channel[4], channel[5], e.single);
        sum[2] = sotto_scaled(sum[2], channel[7], channel[8], e.single);
        sum[3] = sotto_scaled(sum[3], channel[10], channel[11], e.single);
        y[0] = sotto_scale_end(e, sum[0]);
        y[1] = sotto_scale_end(e, sum[1]);
        y[2] = sotto_scale_end(e, sum[2]);
        y[3] = sotto_scale_end(e, sum[3]);
    }
}
#endif

/* Memory of the map from which positions are read: all lie at x, but bytes first .. end - 1 at
 * kept; outside: C times in_zero. */
typedef struct sotto_map_t {
    const int8_t *x, *kept, *outside;
    int32_t first, end;
} sotto_map_t;

/* Pointers to the taps of the window at row `top`, column `left`, as sotto_depthwise takes them. */
SOTTO_INLINE void sotto_point(const sotto_grid_t *g, sotto_map_t m, int32_t top, int32_t left,
                              const int8_t **tap)
{
    const int32_t c = g->in_c, step = g->dilation_w * c;
    for (int32_t ky = 0, h = top; ky < g->kernel_h; ky++, h += g->dilation_h) {
        int32_t at = (h * g->in_w + left) * c;
        for (int32_t kx = 0, w = left; kx < g->kernel_w; kx++, w += g->dilation_w, at += step)
            if (h < 0 || h >= g->in_h || w < 0 || w >= g->in_w)
                *tap++ = m.outside;
            else
                *tap++ = at < m.end ? m.kept + (at - m.first) : m.x + at;
    }
    if (g->kernel_h * g->kernel_w % 2) *tap++ = m.outside;
    tap[0] = tap[1] = 0;
}

#endif
