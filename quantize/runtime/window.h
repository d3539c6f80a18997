/* window: which taps of a sliding window lie inside the map; shared by convolution and pooling.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_WINDOW_H
#define SOTTO_WINDOW_H

#include <stdint.h>

/* The taps [first, last) of a window starting at `start` that lie inside 0 .. size-1. */
static inline void sotto_taps(int32_t start, int32_t size, int32_t kernel, int32_t dilation,
                              int32_t *first, int32_t *last)
{
    *first = start < 0 ? (dilation - 1 - start) / dilation : 0;
    *last = start < size ? (size - start + dilation - 1) / dilation : 0;
    if (*last > kernel) *last = kernel;
    if (*first > *last) *first = *last;
}

#endif
