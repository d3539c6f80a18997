/* conv2d_w4: sotto_conv2d with weights in 4 bits (quantize/runtime/int4.h). scratch: the unpacked
 * weights of some output channels.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CONV2D_W4_H
#define SOTTO_CONV2D_W4_H

#include "quantize/runtime/conv2d.h"
#include "quantize/runtime/int4.h"

typedef sotto_conv2d_t sotto_conv2d_w4_t; /* weight: packed */

static inline void sotto_conv2d_w4(const sotto_conv2d_w4_t *p, const int8_t *x, int8_t *y,
                                   void *scratch)
{
    const int32_t each = p->kernel_h * p->kernel_w * (p->in_c / p->groups);
    const int32_t most = sotto_int4_channels(each, p->out_c);
    for (int32_t o = 0; o < p->out_c; o += most) {
        const int32_t n = most < p->out_c - o ? most : p->out_c - o;
        sotto_int4_unpack(p->weight, o * each, n * each, scratch);
        sotto_conv2d_channels(p, scratch, o, n, x, y);
    }
}

#endif
