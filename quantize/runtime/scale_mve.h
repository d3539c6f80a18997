/* scale_mve: scale.h with Helium, four sums at once.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SCALE_MVE_H
#define SOTTO_SCALE_MVE_H

#include "quantize/runtime/scale.h"

#ifdef SOTTO_MVE

#include <arm_mve.h>

/* What is shifted to the right with one rounding, halves up, by 1 + channel[2]; times that of
 * sotto_scale_high. */
SOTTO_INLINE int32x4_t sotto_scale_away(int32x4_t high, int32_t single)
{
    return single ? high : vaddq_s32(high, vshrq_n_s32(high, 31));
}

/* Of four sums of one channel, without zero point. */
SOTTO_INLINE int32x4_t sotto_scaled_channel(int32x4_t sum, const int32_t *channel, int32_t single)
{
    const int32x4_t high =
        single ? vqdmulhq_n_s32(sum, channel[1]) : vqrdmulhq_n_s32(sum, channel[1]);
    return vrshlq_n_s32(sotto_scale_away(high, single), ~channel[2]);
}

/* Of four sums, each of its own channel. */
SOTTO_INLINE int32x4_t sotto_scaled_channels(int32x4_t sum, int32x4_t multiplier, int32x4_t shift,
                                             int32_t single)
{
    const int32x4_t high = single ? vqdmulhq_s32(sum, multiplier) : vqrdmulhq_s32(sum, multiplier);
    return vrshlq_s32(sotto_scale_away(high, single), vmvnq_s32(shift));
}

#endif
#endif
