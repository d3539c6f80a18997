/* flatbuffer: the binary format that .tflite files have, read with every bound checked and written
 * front to back. A buffer is tables that point forward to what they hold (flatbuffers.dev,
 * "Internals"): a table begins with the distance back to its vtable, and that says where each of
 * its numbered fields lies, 0 where it has its default. Everything is little-endian and aligned to
 * its own size.
 */
#ifndef QUANTIZE_FLATBUFFER_H
#define QUANTIZE_FLATBUFFER_H

#include "nn/base.h"

/* ---- reading ---- */

/* What is asked for beyond the bytes, or misplaced, is remembered in `wrong` (the first time) and
 * read as absent, so that callers check once in a while. Nothing outside the bytes is ever touched.
 */
typedef struct fb_reader {
    const uint8_t *bytes;
    size_t n;
    const char *wrong; /* static text; NULL: all well */
    size_t wrong_at;
} fb_reader;

typedef struct fb_table {
    fb_reader *r;
    size_t at;             /* 0: there is none, and all its fields are absent */
    size_t vtable, fields; /* where the vtable begins, how many fields it knows */
} fb_table;

typedef struct fb_vector {
    fb_reader *r;
    size_t at; /* of element 0 */
    size_t n;  /* 0 when absent */
} fb_vector;

fb_table fb_root(fb_reader *r);
bool fb_identifier(const fb_reader *r, const char id[4]);

/* Scalars; `fallback` when absent. */
int64_t fb_i8(fb_table t, int field, int64_t fallback);
int64_t fb_u8(fb_table t, int field, int64_t fallback);
int64_t fb_i32(fb_table t, int field, int64_t fallback);
int64_t fb_u32(fb_table t, int field, int64_t fallback);
float fb_f32(fb_table t, int field, float fallback);

fb_table fb_child(fb_table t, int field);
/* Elements of `size` bytes each. */
fb_vector fb_vector_of(fb_table t, int field, size_t size);
/* Element i < n of a vector of tables, int32, int64 and float. */
fb_table fb_item(fb_vector v, size_t i);
int32_t fb_item_i32(fb_vector v, size_t i);
int64_t fb_item_i64(fb_vector v, size_t i);
float fb_item_f32(fb_vector v, size_t i);
/* A copy of a string (of its first 255 bytes) in the arena, "" when absent; NULL: no memory. */
char *fb_string(fb_table t, int field, base_arena *arena);

/* Numbers as a buffer holds them, from any address. */
int32_t fb_load_i32(const uint8_t *at);
int64_t fb_load_i64(const uint8_t *at);
float fb_load_f32(const uint8_t *at);

/* ---- writing ---- */

/* Bytes are appended to a base_str, whose `failed` is checked at the end. Things are written after
 * what refers to them: a table or a vector of offsets reserves places, and `link` is the place that
 * is to lead to the thing written. */
typedef struct fb_field {
    int field;
    int size;      /* bytes: 1 or 4; an offset has 4 */
    int64_t value; /* of offsets: 0 */
    size_t at;     /* result: where it lies, for what is linked there */
} fb_field;

/* Begins a buffer: the place that leads to the root (link 0), and the identifier. */
void fb_begin(base_str *b, const char id[4]);
/* Writes a table with these fields (ascending, at most 16), all of which are then present. */
void fb_put_table(base_str *b, size_t link, fb_field *fields, int n);
/* n bytes, the first aligned to `align` >= 4; n numbers. */
void fb_put_bytes(base_str *b, size_t link, const void *data, size_t n, size_t align);
void fb_put_i32s(base_str *b, size_t link, const int32_t *v, size_t n);
void fb_put_f32s(base_str *b, size_t link, const float *v, size_t n);
/* As int64. */
void fb_put_i64s(base_str *b, size_t link, const int32_t *v, size_t n);
/* A vector of n offsets; returns where the first lies, the others follow by 4. */
size_t fb_put_offsets(base_str *b, size_t link, size_t n);
void fb_put_string(base_str *b, size_t link, const char *s);

#endif
