/* host_isa: what the fast forms of the int8 kernels need of an instruction set.
 *
 * A lane is an int32 sum of one output channel. One instruction adds to it `taps` products, of a
 * group: 4 bytes of inputs and of weights. Channels come in blocks of `vectors` vectors of `lanes`
 * lanes; channel c of a block with v vectors is in vector c / 4 % v, lane c / (4 v) * 4 + c % 4,
 * which is the order that packing vectors to bytes within 128 bits undoes.
 *
 * Sums begin with bias - (offset + in_zero) * sum of weights, inputs are x + offset, so every sum
 * is that of the plain kernel modulo 2^32. Then with ab = sum * multiplier in 64 bits and n =
 * -shift, sotto_requant is
 *
 *   (ab + 2^(30+n)) >> (31 + n)                         rounding once, and for n = 0
 *   (ab + 2^(30+n) + 2^30 - [sum < 0] 2^31) >> (31 + n) rounding twice, for n > 0
 *
 * (the rounding of the high multiply is halves up; that of the shift is halves away from zero,
 * hence the [sum < 0]; it makes no difference where the high half is 0). The last 32 bits are
 * dropped by taking upper halves. Where no [sum < 0] counts, because the layer rounds once or
 * because lo >= out_zero, so that negative results are all clamped, and all shifts go right by
 * 1 .. 22, it is `simple`: out_zero, moved to the left by 31 + n, is in what is added to ab.
 */
#ifndef QUANTIZE_HOST_ISA_H
#define QUANTIZE_HOST_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { Q8_GROUP = 4, Q8_MAX_TAPS = 4, Q8_MAX_BLOCK = 64 };

/* Constants by channel, in the order of lanes. Those of 64 bits have, for each vector, first the
 * even lanes, then the odd ones. */
typedef struct q8_scale {
    bool simple;
    int lo, hi, zero; /* of the output */
    int32_t *bias, *multiplier;
    int32_t *left;      /* shift to the left before the product */
    int32_t *right;     /* n - 1, or 0 */
    int64_t *add;       /* to the product */
    int64_t *sign, *up; /* 2^31 where [sum < 0] counts; 1 where n = 0: a shift to the left */
} q8_scale;

/* y[r][c] = clamp(zero + requant(sum over groups g of map[at_row[r] + at[g]] weight[c][g])) for
 * c < channels; offsets in bytes. */
typedef struct q8_gemm {
    int groups, channels;
    ptrdiff_t *at;
    void *weight; /* [block][group][vector][lane][taps] */
    q8_scale scale;
} q8_gemm;

/* A block of channels of a depthwise convolution at rows x cols positions of a map of columns,
 * each the interleaved rows of `taps` taps: y[h][w] = ... sum over n of
 * columns[h row + w col + at[n]] weight[n]; strides in bytes. */
typedef struct q8_columns {
    int n, rows, cols, width; /* width: channels that there are */
    const int8_t *q;
    ptrdiff_t row, col;
    const ptrdiff_t *at;
    const void *weight; /* [n][vector][lane][taps] */
    int lane;           /* the block's first, in scale */
    int8_t *y;
    ptrdiff_t y_col; /* channels; rows follow one another */
} q8_columns;

/* One line of such a map: `cols` columns of which the first is `before` before the rows begin and
 * the rows have `in`; row[i] is where tap i reads, step[i] apart (0: a row of zero points). */
typedef struct q8_line {
    int cols, before, in, width, zero;
    const int8_t *row[Q8_MAX_TAPS];
    ptrdiff_t step[Q8_MAX_TAPS];
} q8_line;

typedef struct q8_isa {
    int lanes, vectors, taps;
    bool narrow; /* the last block of a gemm may have fewer vectors */
    int element; /* bytes of an input as gemm reads it */
    int offset;  /* added to inputs */
    /* Inputs as gemm reads them: x[0..n-1]. */
    void (*widen)(const int8_t *x, size_t n, void *to);
    /* Rows of y are y_row apart. */
    void (*gemm)(const q8_gemm *g, const void *map, const ptrdiff_t *at_row, int rows, int8_t *y,
                 ptrdiff_t y_row);
    void (*line)(const q8_line *l, int8_t *q);
    void (*columns)(const q8_columns *c, const q8_scale *s);
} q8_isa;

/* NULL where the compiler's target does not know it. */
const q8_isa *q8_isa_avx2(void);
const q8_isa *q8_isa_vnni(void);

#endif
