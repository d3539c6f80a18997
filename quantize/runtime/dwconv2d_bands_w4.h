/* dwconv2d_bands_w4: sotto_dwconv2d_bands with weights in 4 bits (quantize/runtime/int4.h).
 * scratch: the unpacked weights of some channels.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DWCONV2D_BANDS_W4_H
#define SOTTO_DWCONV2D_BANDS_W4_H

#include "quantize/runtime/dwconv2d_bands.h"
#include "quantize/runtime/int4.h"

typedef sotto_dwconv2d_bands_t sotto_dwconv2d_bands_w4_t; /* weight: packed */

static inline void sotto_dwconv2d_bands_w4(const sotto_dwconv2d_bands_w4_t *p, const int8_t *x,
                                           int8_t *y, void *scratch)
{
    const int32_t taps = p->kernel_h * p->kernel_w;
    const int32_t most = sotto_int4_channels(taps, p->channels);
    for (int32_t c = 0; c < p->channels; c += most) {
        const int32_t n = most < p->channels - c ? most : p->channels - c;
        int8_t *weight = scratch;
        for (int32_t k = 0; k < taps; k++)
            sotto_int4_unpack(p->weight, k * p->channels + c, n, weight + k * n);
        sotto_dwconv2d_bands_channels(p, weight, c, n, x, y);
    }
}

#endif
