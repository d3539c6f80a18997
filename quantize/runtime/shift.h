/* shift: bytes of a map that come down, for streaming.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SHIFT_H
#define SOTTO_SHIFT_H

#include <stdint.h>
#include <string.h>

/* n bytes come to `to` from by > 0 bytes above, in pieces that do not overlap. */
static inline void sotto_shift(int8_t *to, int32_t by, int32_t n)
{
    for (; n > by; n -= by, to += by) memcpy(to, to + by, (size_t)by);
    memcpy(to, to + by, (size_t)n);
}

#endif
