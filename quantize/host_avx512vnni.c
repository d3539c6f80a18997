/* host_avx512vnni: see host_isa.h. Bytes x ^ 0x80 = x + 128 without sign times weights with sign,
 * four to a lane of 512-bit vectors.
 */
#include "quantize/host_isa.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 16, VECTORS = 4, BYTES = 64, BLOCK = 64, MAX_ROWS = 8, AHEAD = 4 };

INLINE __m512i load(const void *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __mmask64 first(int n)
{
    return n >= BLOCK ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1;
}

/* ---- from sums to bytes ---- */

typedef struct constants {
    __m512i m[2], add[2], sign[2], up[2], left, right;
} constants;

/* The upper half of each 64 bits in both halves. */
INLINE __m512i upper(__m512i v)
{
    return _mm512_shuffle_epi32(v, (_MM_PERM_ENUM)0xF5);
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

INLINE __m512i requant(__m512i sum, const constants *k, bool simple)
{
    if (!simple) sum = _mm512_sllv_epi32(sum, k->left);
    const __m512i x[2] = {sum, upper(sum)};
    __m512i v[2];
    for (int i = 0; i < 2; i++) {
        v[i] = _mm512_add_epi64(_mm512_mul_epi32(x[i], k->m[i]), k->add[i]);
        if (simple) continue;
        v[i] = _mm512_sub_epi64(v[i], _mm512_and_si512(x[i], k->sign[i]));
        v[i] = _mm512_sllv_epi64(v[i], k->up[i]);
    }
    const __m512i high = _mm512_mask_shuffle_epi32(v[1], 0x5555, v[0], (_MM_PERM_ENUM)0xF5);
    return _mm512_srav_epi32(high, k->right);
}

/* Two vectors at a time: their constants stay in registers while rows pass. half: 16 bits each. */
INLINE void requant_rows(int rows, int vectors, const q8_scale *s, int lane, bool simple,
                         __m512i (*sum)[VECTORS], __m512i (*half)[2])
{
    const __m512i zero = _mm512_set1_epi16((short)s->zero);
    for (int i = 0; 2 * i < vectors; i++) {
        const int a = 2 * i, b = a + 1 < vectors ? a + 1 : a;
        const constants ka = constants_at(s, lane + a * LANES, simple);
        const constants kb = constants_at(s, lane + b * LANES, simple);
        for (int r = 0; r < rows; r++) {
            const __m512i va = requant(sum[r][a], &ka, simple);
            const __m512i vb = requant(sum[r][b], &kb, simple);
            half[r][i] = _mm512_packs_epi32(va, vb);
            if (!simple) half[r][i] = _mm512_adds_epi16(half[r][i], zero);
        }
    }
}

/* Which 32 bits of packed bytes come where, where there are fewer vectors than four. */
INLINE __m512i in_order(int vectors)
{
    static const int32_t at[VECTORS][LANES] = {
        {0, 4, 8, 12}, {0, 1, 4, 5, 8, 9, 12, 13}, {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14}, {0}};
    return load(at[vectors - 1]);
}

/* Rows of sums of channels lane .. to the first of them at y, y_row apart; only `width` of them. A
 * call of its own, so that the sums are in registers in the loops before it. */
TARGET static __attribute__((noinline)) void finish(int rows, int vectors, const q8_scale *s,
                                                    int lane, int width, __m512i (*sum)[VECTORS],
                                                    int8_t *y, ptrdiff_t y_row)
{
    __m512i half[MAX_ROWS][2];
    if (s->simple)
        requant_rows(rows, vectors, s, lane, true, sum, half);
    else
        requant_rows(rows, vectors, s, lane, false, sum, half);
    const __mmask64 mask = first(width);
    const __m512i lo = _mm512_set1_epi8((char)s->lo), hi = _mm512_set1_epi8((char)s->hi);
    const __m512i order = in_order(vectors);
    const int second = vectors > 2 ? 1 : 0;
    const bool clamps = s->lo > -128 || s->hi < 127;
    for (int r = 0; r < rows; r++) {
        __m512i bytes = _mm512_packs_epi16(half[r][0], half[r][second]);
        if (clamps) bytes = _mm512_min_epi8(_mm512_max_epi8(bytes, lo), hi);
        if (vectors < VECTORS) bytes = _mm512_permutexvar_epi32(order, bytes);
        _mm512_mask_storeu_epi8(y + r * y_row, mask, bytes);
    }
}

/* ---- matrix product ---- */

TARGET static void widen(const int8_t *x, size_t n, void *to)
{
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    char *y = to;
    for (size_t i = 0; i < n; i += BYTES) {
        const __mmask64 mask = first(n - i < BYTES ? (int)(n - i) : BYTES);
        const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
        _mm512_mask_storeu_epi8(y + i, mask, _mm512_xor_si512(v, flip));
    }
}

/* A tile: rows of one block, whose first lane is `lane`. */
INLINE void tile(int rows, int vectors, const q8_gemm *g, int lane, const char *map,
                 const ptrdiff_t *at_row, int8_t *y, ptrdiff_t y_row)
{
    const char *w = (const char *)g->weight + (ptrdiff_t)lane * g->groups * Q8_GROUP;
    const char *a[MAX_ROWS];
    __m512i sum[MAX_ROWS][VECTORS], out[MAX_ROWS][VECTORS], weight[VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        a[r] = map + at_row[r];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[r][v] = load(g->scale.bias + lane + v * LANES);
    }
    for (int k = 0; k < g->groups; k++, w += vectors * BYTES) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) weight[v] = load(w + v * BYTES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            int32_t x;
            memcpy(&x, a[r] + g->at[k], sizeof x);
            const __m512i xs = _mm512_set1_epi32(x);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], xs, weight[v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) out[r][v] = sum[r][v];
    finish(rows, vectors, &g->scale, lane, g->channels - lane, out, y + lane, y_row);
}

/* All rows of one block. The last tile may compute some rows again. */
#define COLUMN(vectors, high)                                                                      \
    TARGET static void column_##vectors(const q8_gemm *g, int lane, const char *map,               \
                                        const ptrdiff_t *at, int rows, int8_t *y, ptrdiff_t y_row) \
    {                                                                                              \
        for (int r = 0; r < rows && rows < high; r++)                                              \
            tile(1, vectors, g, lane, map, at + r, y + r * y_row, y_row);                          \
        for (int r = 0; r < rows && rows >= high; r += high) {                                     \
            if (r > rows - high) r = rows - high;                                                  \
            tile(high, vectors, g, lane, map, at + r, y + r * y_row, y_row);                       \
        }                                                                                          \
    }
COLUMN(1, 8)
COLUMN(2, 8)
COLUMN(3, 6)
COLUMN(4, 5)

static void gemm(const q8_gemm *g, const void *map, const ptrdiff_t *at_row, int rows, int8_t *y,
                 ptrdiff_t y_row)
{
    for (int lane = 0; lane < g->channels; lane += BLOCK) {
        const int left = g->channels - lane;
        if (left > 3 * LANES)
            column_4(g, lane, map, at_row, rows, y, y_row);
        else if (left > 2 * LANES)
            column_3(g, lane, map, at_row, rows, y, y_row);
        else if (left > LANES)
            column_2(g, lane, map, at_row, rows, y, y_row);
        else
            column_1(g, lane, map, at_row, rows, y, y_row);
    }
}

/* ---- depthwise ---- */

TARGET static void line(const q8_line *l, int8_t *q)
{
    const __mmask64 mask = first(l->width);
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    const __m512i zero = _mm512_set1_epi8((char)(l->zero + 128));
    for (int c = 0; c < l->cols; c++, q += VECTORS * BYTES) {
        const ptrdiff_t at = c - l->before;
        if (at < 0 || at >= l->in) {
            for (int v = 0; v < VECTORS; v++) _mm512_storeu_si512(q + v * BYTES, zero);
            continue;
        }
        __m512i x[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            x[i] =
                _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, l->row[i] + at * l->step[i]), flip);
        const __m512i a = _mm512_unpacklo_epi8(x[0], x[1]), b = _mm512_unpacklo_epi8(x[2], x[3]);
        const __m512i c_ = _mm512_unpackhi_epi8(x[0], x[1]), d = _mm512_unpackhi_epi8(x[2], x[3]);
        _mm512_storeu_si512(q, _mm512_unpacklo_epi16(a, b));
        _mm512_storeu_si512(q + BYTES, _mm512_unpackhi_epi16(a, b));
        _mm512_storeu_si512(q + 2 * BYTES, _mm512_unpacklo_epi16(c_, d));
        _mm512_storeu_si512(q + 3 * BYTES, _mm512_unpackhi_epi16(c_, d));
    }
}

/* `ahead` positions, whose columns begin at q. */
INLINE void positions(int ahead, const q8_columns *c, const q8_scale *s, const int8_t *const *q,
                      int8_t *y)
{
    const char *w = c->weight;
    __m512i sum[MAX_ROWS][VECTORS], out[MAX_ROWS][VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < ahead; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(s->bias + c->lane + v * LANES);
    for (int n = 0; n < c->n; n++, w += VECTORS * BYTES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const __m512i weight = load(w + v * BYTES);
#pragma GCC unroll 4
            for (int r = 0; r < ahead; r++)
                sum[r][v] =
                    _mm512_dpbusd_epi32(sum[r][v], load(q[r] + c->at[n] + v * BYTES), weight);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ahead; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) out[r][v] = sum[r][v];
    finish(ahead, VECTORS, s, c->lane, c->width, out, y, c->y_col);
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

const q8_isa *q8_isa_vnni(void)
{
    static const q8_isa isa = {.lanes = LANES,
                               .vectors = VECTORS,
                               .taps = 4,
                               .narrow = true,
                               .element = 1,
                               .offset = 128,
                               .widen = widen,
                               .gemm = gemm,
                               .line = line,
                               .columns = columns};
    return &isa;
}

#else

const q8_isa *q8_isa_vnni(void)
{
    return NULL;
}

#endif
