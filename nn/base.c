/* Status, memory, strings, numbers and random numbers of nn/base.h. Threads are in pool.c, files in
 * file.c. */
#include "nn/base.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

base_status base_fail(base_err *err, base_status status, const char *fmt, ...)
{
    if (!err) return status;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    err->hint[0] = '\0';
    err->status = status;
    return status;
}

base_status base_hint(base_err *err, const char *fmt, ...)
{
    if (!err) return BASE_FAILED;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return err->status;
}

base_status base_nomem(base_err *err, size_t n)
{
    return base_fail(err, BASE_FAILED, "out of memory (%zu bytes wanted)", n);
}

/* ---- memory ---- */

void *base_alloc(size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n) || n > PTRDIFF_MAX - 64) return NULL;
    n = (n + 63) / 64 * 64 + (n == 0 ? 64 : 0);
    void *p = aligned_alloc(64, n);
    if (p) memset(p, 0, n);
    return p;
}

void base_free(void *p)
{
    free(p);
}

bool base_grow(void **items, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) return true;
    size_t n = *cap < 8 ? 8 : *cap * 2, bytes;
    if (n < want) n = want;
    if (__builtin_mul_overflow(n, size, &bytes)) return false;
    char *p = realloc(*items, bytes);
    if (!p) return false;
    memset(p + *cap * size, 0, bytes - *cap * size);
    *items = p;
    *cap = n;
    return true;
}

char *base_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = malloc(n);
    if (p) memcpy(p, s, n);
    return p;
}

/* An arena keeps a list of its allocations: each is its own heap block, so that the sanitizers see
 * an overrun of one small thing into the next. */
struct base_arena {
    void **blocks;
    size_t n, cap;
};

base_arena *base_arena_new(void)
{
    return calloc(1, sizeof(base_arena));
}

void base_arena_free(base_arena *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->n; i++) base_free(a->blocks[i]);
    free(a->blocks);
    free(a);
}

void *base_arena_alloc(base_arena *a, size_t count, size_t size)
{
    void **blocks = a->blocks;
    if (!base_grow((void **)&blocks, &a->cap, a->n + 1, sizeof *blocks)) return NULL;
    a->blocks = blocks;
    void *p = base_alloc(count, size);
    if (p) a->blocks[a->n++] = p;
    return p;
}

char *base_arena_printf(base_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *s = n < 0 ? NULL : base_arena_alloc(a, (size_t)n + 1, 1);
    if (s) vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

/* ---- strings ---- */

static bool str_room(base_str *b, size_t n)
{
    void *s = b->s;
    if (!b->failed && !base_grow(&s, &b->cap, b->len + n + 1, 1)) b->failed = true;
    b->s = s;
    return !b->failed;
}

void base_str_add_n(base_str *b, const char *bytes, size_t n)
{
    if (!str_room(b, n)) return;
    memcpy(b->s + b->len, bytes, n);
    b->len += n;
    b->s[b->len] = '\0';
}

void base_str_add(base_str *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0 && str_room(b, (size_t)n)) {
        vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void base_str_add_real(base_str *b, double v)
{
    char text[40] = "";
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    base_str_add(b, "%s", text);
}

void base_str_free(base_str *b)
{
    free(b->s);
    *b = (base_str){0};
}

/* Edit distance of words shorter than 48 characters, two neighbours changed over being one edit
 * (optimal string alignment); longer ones are never near. */
static int edit_distance(const char *a, const char *b)
{
    enum { MAX = 48 };
    size_t n = strlen(a), m = strlen(b);
    int rows[3][MAX], *before = rows[0], *last = rows[1], *row = rows[2];
    if (n >= MAX || m >= MAX) return MAX;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *free_row = before;
        before = last;
        last = row;
        row = free_row;
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *base_nearest(const char *word, const char *const *list, size_t n)
{
    const char *best = NULL;
    int least = (int)strlen(word) / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        int d = edit_distance(word, list[i]);
        if (d < least) {
            least = d;
            best = list[i];
        }
    }
    return best;
}

void base_hex(const uint8_t *bytes, size_t n, char *hex)
{
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

bool base_parse_int(const char *s, int64_t lo, int64_t hi, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || end == s || *end || isspace((unsigned char)s[0]) || v < lo || v > hi) return false;
    *out = v;
    return true;
}

bool base_parse_double(const char *s, double *out)
{
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || isspace((unsigned char)s[0]) || !isfinite(v)) return false;
    *out = v;
    return true;
}

/* ---- random numbers ---- */

/* Ten rounds of Philox4x32; the multipliers and key increments are those of the paper. */
static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The key mixes seed and purpose, the counter holds (draw, epoch, sample). */
base_rng base_rng_at(uint64_t seed, base_purpose purpose, uint32_t epoch, uint64_t sample)
{
    uint64_t k = seed + 0x9E3779B97F4A7C15u * ((uint64_t)purpose + 1);
    return (base_rng){
        .key = {(uint32_t)k, (uint32_t)(k >> 32)},
        .counter = {0, epoch, (uint32_t)sample, (uint32_t)(sample >> 32)},
    };
}

uint32_t base_rng_u32(base_rng *r)
{
    if (r->left == 0) {
        philox(r->counter, r->key, r->out);
        r->counter[0]++;
        r->left = 4;
    }
    return r->out[--r->left];
}

double base_rng_uniform(base_rng *r)
{
    uint64_t hi = base_rng_u32(r) >> 5, lo = base_rng_u32(r) >> 6;
    return (double)(hi * 67108864 + lo) / 9007199254740992.0; /* 53 bits */
}

uint32_t base_rng_below(base_rng *r, uint32_t n)
{
    uint32_t reject = (uint32_t)(-n) % n, v; /* 2^32 mod n values at the low end */
    do v = base_rng_u32(r);
    while (v < reject);
    return v % n;
}

double base_rng_normal(base_rng *r)
{
    double u = 1.0 - base_rng_uniform(r), v = base_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v); /* Box-Muller */
}

void base_shuffle(base_rng *r, uint32_t *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        uint32_t j = base_rng_below(r, (uint32_t)i), t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}
