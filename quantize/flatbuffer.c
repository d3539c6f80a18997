/* flatbuffer: see flatbuffer.h. */
#include "quantize/flatbuffer.h"

#include <string.h>

/* ---- numbers ---- */

static uint64_t load(const uint8_t *at, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v |= (uint64_t)at[i] << (8 * i);
    return v;
}

int32_t fb_load_i32(const uint8_t *at)
{
    return (int32_t)(uint32_t)load(at, 4);
}

int64_t fb_load_i64(const uint8_t *at)
{
    return (int64_t)load(at, 8);
}

float fb_load_f32(const uint8_t *at)
{
    const uint32_t bits = (uint32_t)load(at, 4);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ---- reading ---- */

static void wrong(fb_reader *r, size_t at, const char *what)
{
    if (r->wrong) return;
    r->wrong = what;
    r->wrong_at = at;
}

static bool inside(const fb_reader *r, size_t at, size_t size)
{
    return at <= r->n && size <= r->n - at;
}

/* Where the offset at `at` leads; 0 when nowhere. */
static size_t follow(fb_reader *r, size_t at)
{
    if (!inside(r, at, 4)) {
        wrong(r, at, "an offset lies beyond the end");
        return 0;
    }
    const size_t offset = (size_t)load(r->bytes + at, 4);
    if (offset == 0 || !inside(r, at + offset, 4)) {
        wrong(r, at, "an offset leads beyond the end");
        return 0;
    }
    return at + offset;
}

static fb_table table_at(fb_reader *r, size_t at)
{
    const fb_table none = {.r = r};
    if (at == 0) return none;
    const int64_t back = inside(r, at, 4) ? fb_load_i32(r->bytes + at) : 0;
    const int64_t vtable = (int64_t)at - back;
    if (vtable < 0 || !inside(r, (size_t)vtable, 4)) {
        wrong(r, at, "the fields of a table lie beyond the ends");
        return none;
    }
    const size_t size = (size_t)load(r->bytes + vtable, 2);
    if (size < 4 || size % 2 || !inside(r, (size_t)vtable, size)) {
        wrong(r, (size_t)vtable, "a table's list of fields is damaged");
        return none;
    }
    return (fb_table){r, at, (size_t)vtable, (size - 4) / 2};
}

/* Where a field of `size` bytes lies; 0 when absent. */
static size_t field_at(fb_table t, int field, size_t size)
{
    if (t.at == 0 || (size_t)field >= t.fields) return 0;
    const size_t offset = (size_t)load(t.r->bytes + t.vtable + 4 + 2 * (size_t)field, 2);
    if (offset == 0) return 0;
    if (!inside(t.r, t.at + offset, size)) {
        wrong(t.r, t.at, "a field lies beyond the end");
        return 0;
    }
    return t.at + offset;
}

fb_table fb_root(fb_reader *r)
{
    return table_at(r, follow(r, 0));
}

bool fb_identifier(const fb_reader *r, const char id[4])
{
    return r->n >= 8 && memcmp(r->bytes + 4, id, 4) == 0;
}

int64_t fb_i8(fb_table t, int field, int64_t fallback)
{
    const size_t at = field_at(t, field, 1);
    return at ? (int8_t)t.r->bytes[at] : fallback;
}

int64_t fb_u8(fb_table t, int field, int64_t fallback)
{
    const size_t at = field_at(t, field, 1);
    return at ? t.r->bytes[at] : fallback;
}

int64_t fb_i32(fb_table t, int field, int64_t fallback)
{
    const size_t at = field_at(t, field, 4);
    return at ? fb_load_i32(t.r->bytes + at) : fallback;
}

int64_t fb_u32(fb_table t, int field, int64_t fallback)
{
    const size_t at = field_at(t, field, 4);
    return at ? (int64_t)load(t.r->bytes + at, 4) : fallback;
}

float fb_f32(fb_table t, int field, float fallback)
{
    const size_t at = field_at(t, field, 4);
    return at ? fb_load_f32(t.r->bytes + at) : fallback;
}

static size_t target(fb_table t, int field)
{
    const size_t at = field_at(t, field, 4);
    return at ? follow(t.r, at) : 0;
}

fb_table fb_child(fb_table t, int field)
{
    return table_at(t.r, target(t, field));
}

fb_vector fb_vector_of(fb_table t, int field, size_t size)
{
    const size_t at = target(t, field);
    if (at == 0) return (fb_vector){.r = t.r};
    const size_t n = (size_t)load(t.r->bytes + at, 4); /* follow saw these 4 */
    if (n > (t.r->n - at - 4) / size) {
        wrong(t.r, at, "a list goes on beyond the end");
        return (fb_vector){.r = t.r};
    }
    return (fb_vector){t.r, at + 4, n};
}

fb_table fb_item(fb_vector v, size_t i)
{
    return table_at(v.r, follow(v.r, v.at + 4 * i));
}

int32_t fb_item_i32(fb_vector v, size_t i)
{
    return fb_load_i32(v.r->bytes + v.at + 4 * i);
}

int64_t fb_item_i64(fb_vector v, size_t i)
{
    return fb_load_i64(v.r->bytes + v.at + 8 * i);
}

float fb_item_f32(fb_vector v, size_t i)
{
    return fb_load_f32(v.r->bytes + v.at + 4 * i);
}

char *fb_string(fb_table t, int field, base_arena *arena)
{
    const fb_vector v = fb_vector_of(t, field, 1);
    const size_t n = v.n < 255 ? v.n : 255;
    char *s = base_arena_alloc(arena, n + 1, 1);
    if (s && n > 0) memcpy(s, v.r->bytes + v.at, n);
    return s;
}

/* ---- writing ---- */

static void store(base_str *b, size_t at, uint64_t v, size_t size)
{
    if (b->failed) return;
    for (size_t i = 0; i < size; i++) b->s[at + i] = (char)(uint8_t)(v >> (8 * i));
}

static void append(base_str *b, uint64_t v, size_t size)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(uint8_t)(v >> (8 * i));
    base_str_add_n(b, bytes, size);
}

/* Zeros until `ahead` bytes more lead to a multiple of align. */
static void pad(base_str *b, size_t ahead, size_t align)
{
    while (!b->failed && (b->len + ahead) % align) base_str_add_n(b, "", 1);
}

/* The offset at `link` leads to what comes next. */
static void link_here(base_str *b, size_t link)
{
    store(b, link, b->len - link, 4);
}

void fb_begin(base_str *b, const char id[4])
{
    append(b, 0, 4);
    base_str_add_n(b, id, 4);
}

void fb_put_table(base_str *b, size_t link, fb_field *fields, int n)
{
    const int known = n > 0 ? fields[n - 1].field + 1 : 0;
    const size_t size = 4 + 2 * (size_t)known;
    size_t end = 4;
    pad(b, size, 4);
    const size_t vtable = b->len, table = vtable + size;
    for (int i = 0; i < n; i++) { /* large ones first: every one is aligned */
        if (fields[i].size != 4) continue;
        fields[i].at = table + end;
        end += 4;
    }
    for (int i = 0; i < n; i++)
        if (fields[i].size == 1) fields[i].at = table + end++;
    append(b, size, 2);
    append(b, end, 2);
    for (int f = 0, i = 0; f < known; f++)
        append(b, fields[i].field == f ? fields[i++].at - table : 0, 2);
    link_here(b, link);
    append(b, size, 4);
    for (size_t i = 4; i < end; i++) append(b, 0, 1);
    for (int i = 0; i < n; i++)
        store(b, fields[i].at, (uint64_t)fields[i].value, (size_t)fields[i].size);
}

/* The head of a vector whose elements begin at a multiple of align. */
static void put_length(base_str *b, size_t link, size_t n, size_t align)
{
    pad(b, 4, align);
    link_here(b, link);
    append(b, n, 4);
}

void fb_put_bytes(base_str *b, size_t link, const void *data, size_t n, size_t align)
{
    put_length(b, link, n, align);
    base_str_add_n(b, data, n);
}

void fb_put_i32s(base_str *b, size_t link, const int32_t *v, size_t n)
{
    put_length(b, link, n, 4);
    for (size_t i = 0; i < n; i++) append(b, (uint32_t)v[i], 4);
}

void fb_put_f32s(base_str *b, size_t link, const float *v, size_t n)
{
    put_length(b, link, n, 4);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        append(b, bits, 4);
    }
}

void fb_put_i64s(base_str *b, size_t link, const int32_t *v, size_t n)
{
    put_length(b, link, n, 8);
    for (size_t i = 0; i < n; i++) append(b, (uint64_t)(int64_t)v[i], 8);
}

size_t fb_put_offsets(base_str *b, size_t link, size_t n)
{
    put_length(b, link, n, 4);
    const size_t first = b->len;
    for (size_t i = 0; i < n; i++) append(b, 0, 4);
    return first;
}

void fb_put_string(base_str *b, size_t link, const char *s)
{
    put_length(b, link, strlen(s), 4);
    base_str_add_n(b, s, strlen(s) + 1);
}
