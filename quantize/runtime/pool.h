/* pool: the geometry that int8 pooling kernels share.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_POOL_H
#define SOTTO_POOL_H

#include "quantize/runtime/requant.h"
#include "quantize/runtime/window.h"

typedef struct sotto_pool_t {
    int32_t in_h, in_w, channels, out_h, out_w;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    int32_t lo, hi; /* clamp of the output */
} sotto_pool_t;

#endif
