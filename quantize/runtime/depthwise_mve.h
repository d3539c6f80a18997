/* depthwise_mve: depthwise.h with Helium, eight channels at once. The sum of two products fits 16
 * bits.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_DEPTHWISE_MVE_H
#define SOTTO_DEPTHWISE_MVE_H

#include "quantize/runtime/depthwise_t.h"
#include "quantize/runtime/scale_mve.h"

#ifdef SOTTO_MVE

/* Predicated loads cost more than plain ones: `whole` is a constant where this is inlined. */
SOTTO_INLINE int16x8_t sotto_load_eight(const int8_t *p, int32_t whole, mve_pred16_t here)
{
    return whole ? vldrbq_s16(p) : vldrbq_z_s16(p, here);
}
SOTTO_INLINE int16x8_t sotto_gather_eight(const int8_t *p, uint16x8_t at, int32_t whole,
                                          mve_pred16_t here)
{
    return whole ? vldrbq_gather_offset_s16(p, at) : vldrbq_gather_offset_z_s16(p, at, here);
}
SOTTO_INLINE int32x4_t sotto_gather_four(const int32_t *p, uint32x4_t at, int32_t whole,
                                         mve_pred16_t here)
{
    return whole ? vldrwq_gather_offset_s32(p, at) : vldrwq_gather_offset_z_s32(p, at, here);
}

/* Byte offsets of the weights of a tap for eight channels: 0 1 4 5, the same `four` bytes on. */
SOTTO_INLINE uint16x8_t sotto_depthwise_weights(int32_t four)
{
    const uint16x8_t i = vidupq_n_u16(0, 1), odd = vandq_u16(i, vdupq_n_u16(1));
    const uint16x8_t half = vandq_u16(i, vdupq_n_u16(2)), other = vshrq_n_u16(i, 2);
    return vaddq_u16(vaddq_u16(odd, vaddq_u16(half, half)), vmulq_n_u16(other, (uint16_t)four));
}

/* Eight channels from c on, or the four that are left. */
SOTTO_INLINE void sotto_depthwise_eight(const sotto_depthwise_t *s, const sotto_depthwise_t *d,
                                        const int8_t *const *tap, int32_t c, int32_t whole,
                                        int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &d->scale);
    const int32_t pairs = s->pairs, *const channel = d->scale.channel + 3 * c;
    const int8_t *w = d->weight + 2 * pairs * c;
    const mve_pred16_t here = vctp16q(4), half = vctp32q(2);
    const uint16x8_t at = sotto_depthwise_weights(8 * pairs), more = vaddq_n_u16(at, 2);
    const uint32x4_t of = vmulq_n_u32(vidupq_n_u32(0, 8), 3); /* bytes: every second channel */
    int32x4_t even = sotto_gather_four(channel, of, whole, half);
    int32x4_t odd = sotto_gather_four(channel + 3, of, whole, half);
    for (int32_t t = 0; t < pairs; t++, w += 8) {
        const int8_t *const a = tap[2 * t] + c, *const b = tap[2 * t + 1] + c;
        const int16x8_t of_a =
            vmulq_s16(sotto_load_eight(a, whole, here), sotto_gather_eight(w, at, whole, here));
        const int16x8_t of_b =
            vmulq_s16(sotto_load_eight(b, whole, here), sotto_gather_eight(w, more, whole, here));
        const int16x8_t both = vaddq_s16(of_a, of_b);
        even = vaddq_s32(even, vmovlbq_s16(both));
        odd = vaddq_s32(odd, vmovltq_s16(both));
    }
    even = sotto_scaled_channels(even, sotto_gather_four(channel + 1, of, whole, half),
                                 sotto_gather_four(channel + 2, of, whole, half), e.single);
    odd = sotto_scaled_channels(odd, sotto_gather_four(channel + 4, of, whole, half),
                                sotto_gather_four(channel + 5, of, whole, half), e.single);
    int16x8_t v = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
    v = vqaddq_n_s16(v, (int16_t)d->scale.zero);
    v = vminq_s16(vmaxq_s16(v, vdupq_n_s16((int16_t)e.lo)), vdupq_n_s16((int16_t)e.hi));
    if (whole)
        vstrbq_s16(y, v);
    else
        vstrbq_p_s16(y, v, here);
}

/* One position; y: [channels], which are a multiple of 4. s: d, or another layer of its shape. */
SOTTO_INLINE void sotto_depthwise(const sotto_depthwise_t *s, const sotto_depthwise_t *d,
                                  const int8_t *const *tap, int32_t channels, int8_t *y)
{
    int32_t c = 0;
    for (; c + 8 <= channels; c += 8) sotto_depthwise_eight(s, d, tap, c, 1, y + c);
    if (c < channels) sotto_depthwise_eight(s, d, tap, c, 0, y + c);
}

#endif
#endif
