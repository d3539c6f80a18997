/* Cyclic redundancy checks: see nn/base.h. */
#include "nn/base.h"

static uint32_t crc_of(uint32_t polynomial, const uint8_t *s, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= s[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

uint32_t base_crc32(const void *bytes, size_t n)
{
    return crc_of(0xedb88320, bytes, n);
}

uint32_t base_crc32c(const void *bytes, size_t n)
{
    return crc_of(0x82f63b78, bytes, n);
}
