/* checksum: FNV-1a (32 bit) over constant tables, so that the self-test of an exported model finds
 * flash that does not hold what it should.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_CHECKSUM_H
#define SOTTO_CHECKSUM_H

#include <stdint.h>

#define SOTTO_CHECKSUM_START UINT32_C(2166136261)

static inline uint32_t sotto_checksum_byte(uint32_t sum, uint32_t byte)
{
    return (sum ^ (byte & 255U)) * UINT32_C(16777619);
}

static inline uint32_t sotto_checksum_i8(uint32_t sum, const int8_t *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++) sum = sotto_checksum_byte(sum, (uint8_t)v[i]);
    return sum;
}

/* Low byte first, whatever the byte order of the machine. */
static inline uint32_t sotto_checksum_i16(uint32_t sum, const int16_t *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        sum = sotto_checksum_byte(sum, (uint32_t)v[i]);
        sum = sotto_checksum_byte(sum, (uint32_t)v[i] >> 8);
    }
    return sum;
}

static inline uint32_t sotto_checksum_i32(uint32_t sum, const int32_t *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        for (int32_t shift = 0; shift < 32; shift += 8)
            sum = sotto_checksum_byte(sum, (uint32_t)v[i] >> shift);
    return sum;
}

#endif
