/* string: copies by words where both ends are aligned.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "string.h"

#include <stdint.h>

#undef memcpy
#undef memmove
#undef memset

typedef uint32_t __attribute__((may_alias)) word;

/* Or the compiler would see what a loop does, and call the function that it is in. */
#define AS_WRITTEN __attribute__((optimize("no-tree-loop-distribute-patterns"), used))

AS_WRITTEN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *y = to;
    const uint8_t *x = from;
    if ((((uintptr_t)y | (uintptr_t)x) & 3) == 0)
        for (; n >= 4; n -= 4, x += 4, y += 4) *(word *)y = *(const word *)x;
    while (n-- > 0) *y++ = *x++;
    return to;
}

AS_WRITTEN void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *y = to;
    const uint8_t *x = from;
    if (y <= x || y >= x + n) return memcpy(to, from, n);
    while (n-- > 0) y[n] = x[n];
    return to;
}

AS_WRITTEN void *memset(void *to, int value, size_t n)
{
    uint8_t *y = to;
    const word four = (uint8_t)value * UINT32_C(0x01010101);
    for (; n > 0 && ((uintptr_t)y & 3) != 0; n--) *y++ = (uint8_t)value;
    for (; n >= 4; n -= 4, y += 4) *(word *)y = four;
    while (n-- > 0) *y++ = (uint8_t)value;
    return to;
}

AS_WRITTEN int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
}

AS_WRITTEN size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n]) n++;
    return n;
}
