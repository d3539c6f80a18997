/* See nn/gemm.h. */
#include "nn/gemm.h"

#include "nn/vector.h"

#ifdef __AVX512F__
enum { ROWS = 12 }; /* 24 of 32 registers accumulate */
#else
enum { ROWS = 6 }; /* 12 of 16 */
#endif

enum { LANES = NN_LANES, PANEL = 2 * LANES, DEPTH = 256 };

typedef nn_vector vec;

/* Rows p0 .. p0+depth-1 and columns j0 .. j0+width-1 of B as [depth][PANEL], zeros after width. */
static void pack(nn_real *panel, const nn_real *b, ptrdiff_t b_row, ptrdiff_t b_col, int depth,
                 int width)
{
    for (int p = 0; p < depth; p++) {
        const nn_real *from = b + p * b_row;
        nn_real *to = panel + (ptrdiff_t)p * PANEL;
        for (int j = 0; j < width; j++) to[j] = from[j * b_col];
        for (int j = width; j < PANEL; j++) to[j] = 0;
    }
}

/* One tile, rows and vectors known to the compiler: out[rows][PANEL]. */
static inline __attribute__((always_inline)) void multiply(int rows, int vectors, int depth,
                                                           const nn_real *a, ptrdiff_t a_row,
                                                           ptrdiff_t a_col, const nn_real *panel,
                                                           vec out[ROWS][2])
{
    vec sum[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vec){0};
    for (int p = 0; p < depth; p++, panel += PANEL, a += a_col) {
        vec b0 = *(const vec *)panel, b1 = vectors > 1 ? *(const vec *)(panel + LANES) : b0;
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            sum[i][0] += a[i * a_row] * b0;
            if (vectors > 1) sum[i][1] += a[i * a_row] * b1;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        out[i][0] = sum[i][0];
        out[i][1] = sum[i][1];
    }
}

/* Any number of rows up to ROWS, by the kernels there are: ROWS, 4 and 1. */
static inline __attribute__((always_inline)) void tile_of(int vectors, int rows, int depth,
                                                          const nn_real *a, ptrdiff_t a_row,
                                                          ptrdiff_t a_col, const nn_real *panel,
                                                          vec out[ROWS][2])
{
    int i = 0;
    if (rows == ROWS) {
        multiply(ROWS, vectors, depth, a, a_row, a_col, panel, out);
        return;
    }
    for (; i + 4 <= rows; i += 4)
        multiply(4, vectors, depth, a + i * a_row, a_row, a_col, panel, out + i);
    for (; i < rows; i++) multiply(1, vectors, depth, a + i * a_row, a_row, a_col, panel, out + i);
}

static void tile(int rows, int vectors, int depth, const nn_real *a, ptrdiff_t a_row,
                 ptrdiff_t a_col, const nn_real *panel, vec out[ROWS][2])
{
    if (vectors == 2)
        tile_of(2, rows, depth, a, a_row, a_col, panel, out);
    else
        tile_of(1, rows, depth, a, a_row, a_col, panel, out);
}

/* Whole vectors, then runs of four, then the rest: most products here are 8 to 20 columns wide. */
typedef nn_real four
    __attribute__((vector_size(4 * sizeof(nn_real)), aligned(sizeof(nn_real)), may_alias));

static void store_row(int width, nn_real beta, const nn_real *from, nn_real *c)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES) {
        vec v = *(const vec *)(from + j);
        if (beta != 0) v += beta * *(const vec *)(c + j);
        *(vec *)(c + j) = v;
    }
    for (; j + 4 <= width; j += 4) {
        four v = *(const four *)(from + j);
        if (beta != 0) v += beta * *(const four *)(c + j);
        *(four *)(c + j) = v;
    }
    for (; j < width; j++) c[j] = beta == 0 ? from[j] : beta * c[j] + from[j];
}

static void store(int rows, int width, nn_real beta, const vec out[ROWS][2], nn_real *c,
                  ptrdiff_t ldc)
{
    for (int i = 0; i < rows; i++, c += ldc) store_row(width, beta, (const nn_real *)out[i], c);
}

void nn_gemm_small(int m, int n, int k, const nn_real *a, ptrdiff_t a_row, ptrdiff_t a_col,
                   const nn_real *b, ptrdiff_t b_row, ptrdiff_t b_col, nn_real beta, nn_real *c,
                   ptrdiff_t ldc)
{
    nn_real panel[DEPTH * PANEL] __attribute__((aligned(NN_VECTOR_BYTES)));
    vec out[ROWS][2];
    for (int j = 0; j < n; j += PANEL) {
        int width = n - j < PANEL ? n - j : PANEL, vectors = width > LANES ? 2 : 1;
        for (int p = 0; p < k || p == 0; p += DEPTH) {
            int depth = k - p < DEPTH ? k - p : DEPTH;
            nn_real scale = p == 0 ? beta : 1;
            pack(panel, b + p * b_row + j * b_col, b_row, b_col, depth, width);
            for (int i = 0; i < m; i += ROWS) {
                int rows = m - i < ROWS ? m - i : ROWS;
                tile(rows, vectors, depth, a + i * a_row + p * a_col, a_row, a_col, panel, out);
                store(rows, width, scale, (const vec(*)[2])out, c + i * ldc + j, ldc);
            }
        }
    }
}
