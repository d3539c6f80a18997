/* depthwise_t: what depthwise.h multiplies with.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_T_H
#define SOTTO_DEPTHWISE_T_H

#include "quantize/runtime/scale.h"

#define SOTTO_DEPTHWISE_TAPS 32 /* at most; an odd number of them is made even */

typedef struct sotto_depthwise_t {
    int32_t pairs; /* of taps */
    /* [C / 4][taps / 2][8]: of taps a, b and channels 0 .. 3: a0 a1 b0 b1 a2 a3 b2 b3; aligned to
     * 4. C is a multiple of 4; a tap that is not there has weight 0. */
    const int8_t *weight;
    sotto_scale_t scale;
} sotto_depthwise_t;

#endif
