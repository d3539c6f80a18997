/* axis: runs of positions along one axis of a tensor, as concat, slice and split move them. The
 * run alone is the `part`, contiguous; the tensor that it is a run of is the `whole`. */
#ifndef NN_AXIS_H
#define NN_AXIS_H

#include "nn/lower.h"

/* In the whole, a run is `pieces` pieces of n numbers, at, at + step, at + 2 step ... */
typedef struct nn_run {
    ptrdiff_t pieces, n, at, step;
} nn_run;

/* Input k must have that axis. */
base_status nn_need_axis(const nn_node *n, int k, int axis, base_err *err);

/* Positions begin .. begin+size-1 along an axis of `batch` tensors of shape `whole`. */
nn_run nn_run_of(int batch, nn_shape whole, int axis, int begin, int size);

void nn_run_read(nn_run r, const nn_real *whole, nn_real *part);      /* part = whole */
void nn_run_read_add(nn_run r, const nn_real *whole, nn_real *part);  /* part += whole */
void nn_run_write(nn_run r, const nn_real *part, nn_real *whole);     /* whole = part */
void nn_run_write_add(nn_run r, const nn_real *part, nn_real *whole); /* whole += part */

/* The int8 layer of a node whose y is a run of x[0]. */
base_status nn_q8_run(const nn_node *n, nn_run r, const nn_q8_context *c, nn_q8_layer *layer,
                      base_err *err);

#endif
