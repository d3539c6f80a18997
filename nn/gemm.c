/* See nn/gemm.h. */
#include "nn/gemm.h"

#include "nn/vector.h"

#ifdef __AVX512F__
enum { ROWS = 12 }; /* 24 of 32 registers accumulate */
#else
enum { ROWS = 6 }; /* 12 of 16 */
#endif

enum { LANES = NN_LANES, PANEL = 2 * LANES, DEPTH = 256, SHORT = 64, CACHED = 6144 };

typedef nn_vector vec;

/* ---- B as panels ---- */

/* Interleaving two vectors: the lower and the upper half of a0 b0 a1 b1 ... */
#ifndef NN_DOUBLE
#ifdef __AVX512F__
#define LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#else
#define LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER 4, 12, 5, 13, 6, 14, 7, 15
#endif
#endif

/* A square of LANES x LANES: to(p, j) = from(j, p). With LANES = 2^k, k rounds of interleaving row
 * i with row i + LANES/2 exchange rows and columns. */
static void transpose(const nn_real *from, ptrdiff_t from_row, nn_real *to, ptrdiff_t to_row)
{
#ifdef LOWER
    vec v[2][LANES];
    int k = 0;
    for (int i = 0; i < LANES; i++) v[0][i] = *(const vec *)(from + i * from_row);
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2, k = !k)
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            v[!k][2 * i] = __builtin_shufflevector(v[k][i], v[k][i + LANES / 2], LOWER);
            v[!k][2 * i + 1] = __builtin_shufflevector(v[k][i], v[k][i + LANES / 2], UPPER);
        }
    for (int i = 0; i < LANES; i++) *(vec *)(to + i * to_row) = v[k][i];
#else
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < LANES; j++) to[j * to_row + i] = from[i * from_row + j];
#endif
}

/* depth rows and width columns of B as [depth][row], zeros after width. */
static void pack(nn_real *panel, const nn_real *b, ptrdiff_t b_row, ptrdiff_t b_col, int depth,
                 int width, int row)
{
    const int whole = b_col == 1 || b_row == 1 ? width / LANES * LANES : 0;
    const int deep = b_col == 1 ? depth : depth / LANES * LANES;
    for (int j = 0; j < whole; j += LANES) {
        if (b_col == 1)
            for (int p = 0; p < depth; p++)
                *(vec *)(panel + (ptrdiff_t)p * row + j) = *(const vec *)(b + p * b_row + j);
        else
            for (int p = 0; p < deep; p += LANES)
                transpose(b + p + j * b_col, b_col, panel + (ptrdiff_t)p * row + j, row);
    }
    for (int p = 0; p < depth; p++) {
        const nn_real *from = b + p * b_row;
        nn_real *to = panel + (ptrdiff_t)p * row;
        for (int j = p < deep ? whole : 0; j < width; j++) to[j] = from[j * b_col];
        for (int j = width; j < row; j++) to[j] = 0;
    }
}

/* ---- tiles ---- */

/* What a tile reads: depth steps of rows of A and a panel of B. */
typedef struct operands {
    int depth;
    const nn_real *a, *b;
    ptrdiff_t a_row, a_col, b_row;
} operands;

/* Where a tile goes: C = beta add + A B, within the clamp if there is one. */
typedef struct result {
    nn_real *c;
    const nn_real *add;
    ptrdiff_t c_row, add_row;
    nn_real beta;
    const nn_clamp *clamp;
} result;

/* One tile, rows and vectors known to the compiler. Rows of A are addressed by threes, from a
 * pointer, one and two steps on, because twelve addresses are more than there are registers. */
static inline __attribute__((always_inline)) void multiply(int rows, int vectors, const operands *o,
                                                           const result *r)
{
    vec sum[ROWS][2];
    const nn_real *a[4], *b = o->b;
    const ptrdiff_t step = o->a_row, a_col = o->a_col, b_row = o->b_row;
    for (int i = 0; i < 4; i++) a[i] = o->a + 3 * i * step;
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vec){0};
    for (int p = 0; p < o->depth; p++, b += b_row) {
        vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + LANES) : b0;
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const nn_real v = a[i / 3][i % 3 * step];
            sum[i][0] += v * b0;
            if (vectors > 1) sum[i][1] += v * b1;
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) a[i] += a_col;
    }
    const result to = *r;
    const nn_clamp within = to.clamp ? *to.clamp : (nn_clamp){0, 0};
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            if (to.beta != 0) sum[i][v] += to.beta * ((const vec *)(to.add + i * to.add_row))[v];
            if (to.clamp) nn_vector_clamp(&sum[i][v], within.lo, within.hi);
            ((vec *)(to.c + i * to.c_row))[v] = sum[i][v];
        }
    }
}

/* A kernel for each number of rows and vectors. */
#define TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define KERNELS(n)                                                                                 \
    static void narrow_##n(const operands *o, const result *r)                                     \
    {                                                                                              \
        multiply(n < ROWS ? n : ROWS, 1, o, r);                                                    \
    }                                                                                              \
    static void wide_##n(const operands *o, const result *r)                                       \
    {                                                                                              \
        multiply(n < ROWS ? n : ROWS, 2, o, r);                                                    \
    }
TILES(KERNELS)

typedef void (*kernel)(const operands *o, const result *r);
#define PAIR(n) {narrow_##n, wide_##n},
static const kernel kernels[][2] = {TILES(PAIR)};

/* Whole vectors, then runs of four, then the rest: most products here are 8 to 20 columns wide. */
typedef nn_real four
    __attribute__((vector_size(4 * sizeof(nn_real)), aligned(sizeof(nn_real)), may_alias));

static void store_row(int width, nn_real beta, const nn_real *from, const nn_real *add, nn_real *c)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES) {
        vec v = *(const vec *)(from + j);
        if (beta != 0) v += beta * *(const vec *)(add + j);
        *(vec *)(c + j) = v;
    }
    for (; j + 4 <= width; j += 4) {
        four v = *(const four *)(from + j);
        if (beta != 0) v += beta * *(const four *)(add + j);
        *(four *)(c + j) = v;
    }
    for (; j < width; j++) c[j] = beta == 0 ? from[j] : beta * add[j] + from[j];
}

/* A tile narrower than its vectors goes by way of `tile`. */
static void store(int rows, int width, const nn_real *tile, ptrdiff_t row, result r)
{
    for (int i = 0; i < rows; i++, r.c += r.c_row, r.add += r.add_row, tile += row) {
        store_row(width, r.beta, tile, r.add, r.c);
        if (!r.clamp) continue;
        const nn_clamp within = *r.clamp;
        for (int j = 0; j < width; j++) r.c[j] = nn_clamped(within, r.c[j]);
    }
}

/* A strip of C: all its rows, `width` columns, one block of the depth. Rows are dealt out evenly,
 * so that no tile is a small remainder. */
static void strip(int m, int width, operands o, ptrdiff_t b_col, result r)
{
    nn_real panel[DEPTH * PANEL] __attribute__((aligned(NN_VECTOR_BYTES)));
    nn_real tile[ROWS * PANEL] __attribute__((aligned(NN_VECTOR_BYTES)));
    const int vectors = width > LANES ? 2 : 1, tiles = (m + ROWS - 1) / ROWS;
    const ptrdiff_t row = vectors * LANES;
    const bool whole = width == row;
    const result aside = {.c = tile, .add = tile, .c_row = row};
    if (b_col != 1 || !whole || tiles > 2) {
        pack(panel, o.b, o.b_row, b_col, o.depth, width, (int)row);
        o.b = panel;
        o.b_row = row;
    }
    for (int t = 0, i = 0, next, rows; t < tiles; t++, i = next) {
        next = (int)((int64_t)m * (t + 1) / tiles);
        rows = next - i;
        kernels[rows - 1][vectors - 1](&o, whole ? &r : &aside);
        if (!whole) store(rows, width, tile, row, r);
        o.a += rows * o.a_row;
        r.c += rows * r.c_row;
        r.add += rows * r.add_row;
    }
}

/* Blocks of the depth: the first starts from beta add, the last ends within the clamp. */
static void product(int m, int n, int k, operands all, ptrdiff_t b_col, result to)
{
    int block = all.a_row == 1 && CACHED / m < DEPTH ? CACHED / m : DEPTH;
    if (block < SHORT) block = SHORT;
    for (int p = 0; p < k || p == 0; p += block) {
        for (int j = 0; j < n; j += PANEL) {
            operands o = all;
            result r = to;
            o.depth = k - p < block ? k - p : block;
            o.a += p * o.a_col;
            o.b += p * o.b_row + j * b_col;
            r.c += j;
            if (p > 0)
                r.add = r.c, r.add_row = r.c_row, r.beta = 1;
            else if (r.beta != 0)
                r.add += j;
            if (p + block < k) r.clamp = NULL;
            strip(m, n - j < PANEL ? n - j : PANEL, o, b_col, r);
        }
    }
}

void nn_gemm_small(int m, int n, int k, const nn_real *a, ptrdiff_t a_row, ptrdiff_t a_col,
                   const nn_real *b, ptrdiff_t b_row, ptrdiff_t b_col, nn_real beta, nn_real *c,
                   ptrdiff_t ldc)
{
    const operands o = {.a = a, .b = b, .a_row = a_row, .a_col = a_col, .b_row = b_row};
    const result r = {.c = c, .add = c, .c_row = ldc, .add_row = ldc, .beta = beta};
    product(m, n, k, o, b_col, r);
}

void nn_gemm_small_layer(int m, int n, int k, const nn_real *x, ptrdiff_t ldx, const nn_real *w,
                         ptrdiff_t ldw, const nn_real *bias, const nn_clamp *clamp, nn_real *y,
                         ptrdiff_t ldy)
{
    const operands o = {.a = x, .b = w, .a_row = ldx, .a_col = 1, .b_row = ldw};
    const result r = {
        .c = y, .add = bias ? bias : y, .c_row = ldy, .beta = bias ? 1 : 0, .clamp = clamp};
    product(m, n, k, o, 1, r);
}
