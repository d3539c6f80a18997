/* protobuf: fields of messages. */
#include "nn/protobuf.h"

#include <string.h>

enum wire { VARINT = 0, EIGHT_BYTES = 1, LENGTH = 2, FOUR_BYTES = 5 };

static void put_varint(base_str *b, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v > 0x7F; v >>= 7) bytes[n++] = (char)(uint8_t)(v | 0x80);
    bytes[n++] = (char)(uint8_t)v;
    base_str_add_n(b, bytes, n);
}

static void put_tag(base_str *b, int field, enum wire wire)
{
    put_varint(b, (uint64_t)field << 3 | wire);
}

void pb_put_int(base_str *b, int field, int64_t v)
{
    put_tag(b, field, VARINT);
    put_varint(b, (uint64_t)v);
}

static void put_fixed(base_str *b, uint64_t bits, int n)
{
    char bytes[8];
    for (int i = 0; i < n; i++) bytes[i] = (char)(uint8_t)(bits >> (8 * i));
    base_str_add_n(b, bytes, (size_t)n);
}

void pb_put_float(base_str *b, int field, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_tag(b, field, FOUR_BYTES);
    put_fixed(b, bits, 4);
}

void pb_put_double(base_str *b, int field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_tag(b, field, EIGHT_BYTES);
    put_fixed(b, bits, 8);
}

void pb_put_bytes(base_str *b, int field, const void *data, size_t n)
{
    put_tag(b, field, LENGTH);
    put_varint(b, n);
    if (n > 0) base_str_add_n(b, data, n);
}

void pb_put_string(base_str *b, int field, const char *s)
{
    pb_put_bytes(b, field, s, strlen(s));
}

void pb_put_message(base_str *b, int field, base_str *inner)
{
    pb_put_bytes(b, field, inner->s, inner->len);
    b->failed |= inner->failed;
    base_str_free(inner);
}
