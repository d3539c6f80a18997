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

/* Every second of eight channels, the even or the odd ones: byte offsets of what
 * sotto_scale_t.channel has of each. */
SOTTO_INLINE uint32x4_t sotto_depthwise_second(void)
{
    return vmulq_n_u32(vidupq_n_u32(0, 8), 3);
}

/* Their outputs without bounds; channel: of the first; those that are not here give anything. */
SOTTO_INLINE int32x4_t sotto_depthwise_end(sotto_end_t e, int32_t zero, const int32_t *channel,
                                           int32x4_t sum, mve_pred16_t here)
{
    const uint32x4_t at = sotto_depthwise_second();
    const int32x4_t multiplier = vldrwq_gather_offset_z_s32(channel + 1, at, here);
    const int32x4_t shift = vldrwq_gather_offset_z_s32(channel + 2, at, here);
    return vaddq_n_s32(sotto_scaled_channels(sum, multiplier, shift, e.single), zero);
}

/* n of eight channels from c on, 4 or 8. */
SOTTO_INLINE void sotto_depthwise_eight(const sotto_depthwise_t *s, const sotto_depthwise_t *d,
                                        const int8_t *const *tap, int32_t c, int32_t n, int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &d->scale);
    const uint32_t next = 8 * (uint32_t)s->pairs; /* four channels on */
    const int32_t *channel = d->scale.channel + 3 * c;
    const int8_t *w = d->weight + 2 * s->pairs * c;
    const mve_pred16_t here = vctp16q((uint32_t)n), second = vctp32q((uint32_t)n / 2);
    /* 0 1 4 5, then the same `next` bytes on */
    const uint16x8_t one = vidupq_n_u16(0, 1);
    const uint16x8_t four = vandq_u16(one, vdupq_n_u16(4));
    const uint16x8_t at =
        vaddq_u16(vaddq_u16(vandq_u16(one, vdupq_n_u16(3)), vandq_u16(one, vdupq_n_u16(2))),
                  vmulq_n_u16(four, (uint16_t)(next / 4)));
    const uint32x4_t of = sotto_depthwise_second();
    int32x4_t even = vldrwq_gather_offset_z_s32(channel, of, second);
    int32x4_t odd = vldrwq_gather_offset_z_s32(channel + 3, of, second);
    for (int32_t t = s->pairs; t > 0; t--, tap += 2, w += 8) {
        int16x8_t p =
            vmulq_s16(vldrbq_z_s16(tap[0] + c, here), vldrbq_gather_offset_z_s16(w, at, here));
        p = vaddq_s16(p, vmulq_s16(vldrbq_z_s16(tap[1] + c, here),
                                   vldrbq_gather_offset_z_s16(w + 2, at, here)));
        even = vaddq_s32(even, vmovlbq_s16(p));
        odd = vaddq_s32(odd, vmovltq_s16(p));
    }
    even = sotto_depthwise_end(e, d->scale.zero, channel, even, second);
    odd = sotto_depthwise_end(e, d->scale.zero, channel + 3, odd, second);
    int16x8_t all = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
    all = vminq_s16(vmaxq_s16(all, vdupq_n_s16((int16_t)e.lo)), vdupq_n_s16((int16_t)e.hi));
    vstrbq_p_s16(y, all, here);
}

/* One position; y: [channels], which are a multiple of 4. s: d, or another layer of its shape. */
SOTTO_INLINE void sotto_depthwise(const sotto_depthwise_t *s, const sotto_depthwise_t *d,
                                  const int8_t *const *tap, int32_t channels, int8_t *y)
{
    for (int32_t c = 0; c < channels; c += 8)
        sotto_depthwise_eight(s, d, tap, c, channels - c < 8 ? channels - c : 8, y + c);
}

#endif
#endif
