/* columns: depthwise convolution of maps with many channels, a vector of channels at a time down
 * the columns of the map.
 *
 * In a column every output has the same taps along the width; away from the upper and lower edge it
 * has all of them along the height too. Some outputs of a column share each weight that is loaded,
 * their sums stay in registers, and the map is read where it lies, without a copy for its padding.
 * The last vector of channels reaches back where they are no whole number of vectors.
 */
#ifndef NN_COLUMNS_H
#define NN_COLUMNS_H

#include "nn/op.h"

/* Whether there are channels enough; few are better taken as long rows (nn/rows.h). */
bool nn_columns_fit(int channels);

/* y [out] = bias (NULL: 0) + x [in] * weight [taps][channels], kept within the clamp (NULL: not),
 * for `batch` samples. */
void nn_columns_forward(const nn_window win[2], int channels, int batch, const nn_real *x,
                        const nn_real *weight, const nn_real *bias, const nn_clamp *clamp,
                        nn_real *y);
/* dx += dy * weight turned round; fresh: =. Stride 1 only; scratch as large as weight. */
void nn_columns_backward_x(const nn_window win[2], int channels, int batch, const nn_real *dy,
                           const nn_real *weight, nn_real *dx, bool fresh, nn_real *scratch);
/* dweight [taps][channels] += sum of dy x */
void nn_columns_backward_weight(const nn_window win[2], int channels, int batch, const nn_real *x,
                                const nn_real *dy, nn_real *dweight);

#endif
