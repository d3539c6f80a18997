/* grid: walking a tensor together with two others that are broadcast to its shape.
 * Elementwise operators read with it, reductions write with it (the result is then the tensor that
 * is broadcast). */
#ifndef NN_GRID_H
#define NN_GRID_H

#include "nn/op.h"

/* The full tensor is contiguous. step: what one more along the last axis means in a and b, 0 where
 * they are broadcast. Axes along which all three go on without a gap are one. */
typedef struct nn_grid {
    int n; /* axes, the batch first */
    int64_t d[NN_MAX_DIMS + 1], a[NN_MAX_DIMS + 1], b[NN_MAX_DIMS + 1];
} nn_grid;

/* a and b have as many axes as full; each of length 1 or full's. */
nn_grid nn_grid_of(int batch, nn_shape full, nn_shape a, nn_shape b);

/* Of an operator with two inputs that are broadcast to each other: its shape(), axes of length 1
 * being repeated, and the walk over its output. */
base_status nn_grid_pair_shape(nn_node *n, base_err *err);
nn_grid nn_grid_pair(const nn_node *n, int batch);

/* A block of `rows` runs of n elements along the last axis. y, a and b are where its first run
 * begins; the full tensor goes on without gaps, a and b by row_a and row_b from run to run. */
typedef struct nn_block {
    ptrdiff_t y, a, b;
    ptrdiff_t rows, n;
    ptrdiff_t row_a, row_b;
    ptrdiff_t step_a, step_b; /* 0 or 1 in a grid of nn_grid_of */
} nn_block;
/* Calls visit for the blocks of the last two axes. */
void nn_grid_blocks(const nn_grid *g, void (*visit)(void *ctx, nn_block b), void *ctx);

#endif
