/* rows: depthwise convolution with stride 1 as products of long rows.
 *
 * A row of the map is width x channels contiguous numbers; with the weights of each tap repeated
 * along it, a tap is one elementwise product of a row of x (moved by the tap) and that row of
 * weights, whatever the number of channels. x is first copied with its padding, so no tap has an
 * edge case. The gradient of x is the same with the taps turned round; that of the weights sums
 * the products over rows and folds the row at the end.
 */
#ifndef NN_ROWS_H
#define NN_ROWS_H

#include "nn/op.h"

/* One axis of a map, stride 1. */
typedef struct nn_axis {
    int in, out, kernel, dilation, before;
} nn_axis;

typedef struct nn_rows {
    nn_axis h, w;
    int channels;
} nn_rows;

/* Whether the windows fit; a map one column wide is taken as one row of its height. */
bool nn_rows_of(const nn_window win[2], int channels, nn_rows *r);
size_t nn_rows_scratch(const nn_rows *r); /* reals for any of the calls below */

/* y [out] = bias (NULL: 0) + x [in] * weight [taps][channels], kept within the clamp (NULL: not),
 * for `batch` samples. */
void nn_rows_forward(const nn_rows *r, int batch, const nn_real *x, const nn_real *weight,
                     const nn_real *bias, const nn_clamp *clamp, nn_real *y, nn_real *scratch);
/* dx += dy * weight turned round; fresh: = */
void nn_rows_backward_x(const nn_rows *r, int batch, const nn_real *dy, const nn_real *weight,
                        nn_real *dx, bool fresh, nn_real *scratch);
/* dweight [taps][channels] += sum of dy x */
void nn_rows_backward_weight(const nn_rows *r, int batch, const nn_real *x, const nn_real *dy,
                             nn_real *dweight, nn_real *scratch);

#endif
