/* host_avx2: see host_isa.h. Inputs and weights as 16 bits, two products to a lane of 256-bit
 * vectors: the instruction for four 8-bit products saturates their sums, which would not be exact.
 */
#include "quantize/host_isa.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 8, VECTORS = 2, BYTES = 32, BLOCK = 16, ROWS = 5, AHEAD = 4 };

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void store(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* The first n <= BLOCK of the bytes at x. */
INLINE __m128i load_bytes(const int8_t *x, int n)
{
    if (n == BLOCK) return _mm_loadu_si128((const __m128i *)(const void *)x);
    int8_t v[BLOCK] = {0};
    memcpy(v, x, (size_t)n);
    return _mm_loadu_si128((const __m128i *)(const void *)v);
}

INLINE void store_bytes(int8_t *y, int n, __m128i v)
{
    int8_t bytes[BLOCK];
    _mm_storeu_si128((__m128i *)(void *)(n < BLOCK ? bytes : y), v);
    if (n < BLOCK) memcpy(y, bytes, (size_t)n);
}

/* ---- from sums to bytes ---- */

typedef struct constants {
    __m256i m[2], add[2], sign[2], up[2], left, right;
} constants;

/* The upper half of each 64 bits in both halves. */
INLINE __m256i upper(__m256i v)
{
    return _mm256_shuffle_epi32(v, 0xF5);
}

INLINE constants constants_at(const q8_scale *s, int lane, bool simple)
{
    constants k;
    k.m[0] = load(s->multiplier + lane);
    k.m[1] = upper(k.m[0]);
    k.right = load(s->right + lane);
    if (!simple) k.left = load(s->left + lane);
    for (int i = 0; i < 2; i++) {
        const int wide = lane + i * LANES / 2;
        k.add[i] = load(s->add + wide);
        if (simple) continue;
        k.sign[i] = load(s->sign + wide);
        k.up[i] = load(s->up + wide);
    }
    return k;
}

INLINE __m256i requant(__m256i sum, const constants *k, bool simple)
{
    if (!simple) sum = _mm256_sllv_epi32(sum, k->left);
    const __m256i x[2] = {sum, upper(sum)};
    __m256i v[2];
    for (int i = 0; i < 2; i++) {
        v[i] = _mm256_add_epi64(_mm256_mul_epi32(x[i], k->m[i]), k->add[i]);
        if (simple) continue;
        v[i] = _mm256_sub_epi64(v[i], _mm256_and_si256(x[i], k->sign[i]));
        v[i] = _mm256_sllv_epi64(v[i], k->up[i]);
    }
    return _mm256_srav_epi32(_mm256_blend_epi32(upper(v[0]), v[1], 0xAA), k->right);
}

INLINE void requant_rows(int rows, const q8_scale *s, int lane, bool simple,
                         __m256i (*sum)[VECTORS])
{
    for (int v = 0; v < VECTORS; v++) {
        const constants k = constants_at(s, lane + v * LANES, simple);
        for (int r = 0; r < rows; r++) sum[r][v] = requant(sum[r][v], &k, simple);
    }
}

/* Rows of sums of channels lane .. to the first of them at y, y_row apart; only `width` of them. A
 * call of its own, so that the sums are in registers in the loops before it. */
TARGET static __attribute__((noinline)) void finish(int rows, const q8_scale *s, int lane,
                                                    int width, __m256i (*sum)[VECTORS], int8_t *y,
                                                    ptrdiff_t y_row)
{
    if (s->simple)
        requant_rows(rows, s, lane, true, sum);
    else
        requant_rows(rows, s, lane, false, sum);
    const __m256i zero = _mm256_set1_epi16((short)(s->simple ? 0 : s->zero));
    const __m128i lo = _mm_set1_epi8((char)s->lo), hi = _mm_set1_epi8((char)s->hi);
    for (int r = 0; r < rows; r++) {
        __m256i v = _mm256_adds_epi16(_mm256_packs_epi32(sum[r][0], sum[r][1]), zero);
        v = _mm256_permute4x64_epi64(_mm256_packs_epi16(v, v), 0x08);
        const __m128i bytes = _mm_min_epi8(_mm_max_epi8(_mm256_castsi256_si128(v), lo), hi);
        store_bytes(y + r * y_row, width < BLOCK ? width : BLOCK, bytes);
    }
}

/* ---- matrix product ---- */

TARGET static void widen(const int8_t *x, size_t n, void *to)
{
    int16_t *y = to;
    for (size_t i = 0; i < n; i++) y[i] = x[i];
}

/* A tile: rows of the block whose first lane is `lane`. */
INLINE void tile(int rows, const q8_gemm *g, int lane, const char *map, const ptrdiff_t *at_row,
                 int8_t *y, ptrdiff_t y_row)
{
    const char *w = (const char *)g->weight + (ptrdiff_t)lane * g->groups * Q8_GROUP;
    const char *a[ROWS];
    __m256i sum[ROWS][VECTORS], out[ROWS][VECTORS];
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++) {
        a[r] = map + at_row[r];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(g->scale.bias + lane + v * LANES);
    }
    for (int k = 0; k < g->groups; k++, w += VECTORS * BYTES) {
        const __m256i weight[VECTORS] = {load(w), load(w + BYTES)};
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            int32_t x;
            memcpy(&x, a[r] + g->at[k], sizeof x);
            const __m256i xs = _mm256_set1_epi32(x);
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(xs, weight[v]));
        }
    }
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) out[r][v] = sum[r][v];
    finish(rows, &g->scale, lane, g->channels - lane, out, y + lane, y_row);
}

/* The last tile may compute some rows again. */
TARGET static void gemm(const q8_gemm *g, const void *map, const ptrdiff_t *at_row, int rows,
                        int8_t *y, ptrdiff_t y_row)
{
    for (int lane = 0; lane < g->channels; lane += BLOCK) {
        for (int r = 0; r < rows && rows < ROWS; r++)
            tile(1, g, lane, map, at_row + r, y + r * y_row, y_row);
        for (int r = 0; r < rows && rows >= ROWS; r += ROWS) {
            if (r > rows - ROWS) r = rows - ROWS;
            tile(ROWS, g, lane, map, at_row + r, y + r * y_row, y_row);
        }
    }
}

/* ---- depthwise ---- */

TARGET static void line(const q8_line *l, int8_t *q)
{
    const __m256i zero = _mm256_set1_epi16((short)l->zero);
    for (int c = 0; c < l->cols; c++, q += VECTORS * BYTES) {
        const ptrdiff_t at = c - l->before;
        __m256i x[2] = {zero, zero};
        for (int i = 0; i < 2 && at >= 0 && at < l->in; i++)
            x[i] = _mm256_cvtepi8_epi16(load_bytes(l->row[i] + at * l->step[i], l->width));
        store(q, _mm256_unpacklo_epi16(x[0], x[1]));
        store(q + BYTES, _mm256_unpackhi_epi16(x[0], x[1]));
    }
}

/* `ahead` positions, whose columns begin at q. */
INLINE void positions(int ahead, const q8_columns *c, const q8_scale *s, const int8_t *const *q,
                      int8_t *y)
{
    const char *w = c->weight;
    __m256i sum[ROWS][VECTORS], out[ROWS][VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < ahead; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(s->bias + c->lane + v * LANES);
    for (int n = 0; n < c->n; n++, w += VECTORS * BYTES)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) {
            const __m256i weight = load(w + v * BYTES);
#pragma GCC unroll 4
            for (int r = 0; r < ahead; r++)
                sum[r][v] = _mm256_add_epi32(
                    sum[r][v], _mm256_madd_epi16(load(q[r] + c->at[n] + v * BYTES), weight));
        }
#pragma GCC unroll 4
    for (int r = 0; r < ahead; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) out[r][v] = sum[r][v];
    finish(ahead, s, c->lane, c->width, out, y, c->y_col);
}

TARGET static void columns(const q8_columns *c, const q8_scale *s)
{
    const int8_t *q[AHEAD], *row = c->q, *at = row;
    int8_t *y = c->y;
    for (int left = c->rows * c->cols, w = 0, n; left > 0; left -= n, y += n * c->y_col) {
        n = left < AHEAD ? 1 : AHEAD;
        for (int r = 0; r < n; r++) {
            q[r] = at;
            at += c->col;
            if (++w < c->cols) continue;
            w = 0;
            at = row += c->row;
        }
        if (n == AHEAD)
            positions(AHEAD, c, s, q, y);
        else
            positions(1, c, s, q, y);
    }
}

const q8_isa *q8_isa_avx2(void)
{
    static const q8_isa isa = {.lanes = LANES,
                               .vectors = VECTORS,
                               .taps = 2,
                               .element = 2,
                               .widen = widen,
                               .gemm = gemm,
                               .line = line,
                               .columns = columns};
    return &isa;
}

#else

const q8_isa *q8_isa_avx2(void)
{
    return NULL;
}

#endif
