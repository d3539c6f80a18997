/* depthwise_plain: the sums of depthwise.h in plain C.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_PLAIN_H
#define SOTTO_DEPTHWISE_PLAIN_H

#include "quantize/runtime/depthwise_t.h"

#ifdef SOTTO_PLAIN

SOTTO_INLINE const int8_t *sotto_depthwise_sums(const int8_t *const *tap, int32_t c,
                                                const int8_t *w, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (; *tap; tap += 2, w += 8) {
        const int8_t *const a = tap[0] + c, *const b = tap[1] + c;
        s0 += a[0] * w[0];
        s0 += b[0] * w[2];
        s1 += a[1] * w[1];
        s1 += b[1] * w[3];
        s2 += a[2] * w[4];
        s2 += b[2] * w[6];
        s3 += a[3] * w[5];
        s3 += b[3] * w[7];
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
    return w;
}

#endif
#endif
