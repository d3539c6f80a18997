/* recurrent: what gated recurrent operators (gru, lstm) share. The products of all frames of a
 * batch with the input weights are one matrix product before the loop over time, their gradients
 * one after it; a step of the loop works on the whole batch. */
#ifndef NN_RECURRENT_H
#define NN_RECURRENT_H

#include "nn/op.h"

/* x [batch, frames, in], gates [batch, frames, gates], put out and fed back: [batch, out]. */
typedef struct nn_recurrent {
    int batch, frames, in, gates, out;
    bool reverse;  /* time is walked from the last frame to the first */
    bool sequence; /* y is what every frame puts out, else only the last step */
} nn_recurrent;

/* A row of numbers for each sample and frame, or only for each sample (frame = 0). */
typedef struct nn_history {
    nn_real *v;
    int sample, frame; /* from one row to the next, in reals */
} nn_history;
/* Rows of `width` from *memory, which moves behind them: of every frame, or of the last one. */
nn_history nn_history_every(const nn_recurrent *r, int width, nn_real **memory);
nn_history nn_history_last(const nn_recurrent *r, int width, nn_real **memory);
nn_real *nn_history_row(nn_history rows, int sample, int frame);

/* Shape inference: x [T, rest...] -> y [T, 1, out] or [out]; in: the product of rest. */
base_status nn_recurrent_shape(nn_node *n, int out, bool sequence, int *in, base_err *err);

/* The frame of step s, 0 .. frames-1. */
int nn_recurrent_frame(const nn_recurrent *r, int s);

/* gates = x W + bias, W [in, gates] */
void nn_recurrent_input(const nn_recurrent *r, const nn_real *x, const nn_real *w,
                        const nn_real *bias, nn_real *gates);
/* dW += x^T dgates, dbias += sums of dgates, dx += dgates W^T unless NULL */
void nn_recurrent_input_backward(const nn_recurrent *r, const nn_real *x, const nn_real *w,
                                 const nn_real *dgates, nn_real *dx, nn_real *dw, nn_real *dbias);
/* sum[width] += the sum of `rows` rows of v, ld apart */
void nn_recurrent_sums(int rows, int width, const nn_real *v, int ld, nn_real *sum);

/* After step s: value [batch, out] goes to y, and to the row that the next step begins with. */
void nn_recurrent_emit(const nn_recurrent *r, int s, const nn_real *value, nn_real *y,
                       nn_history before);
/* Before step s of backward: what dy says about its value is added to dvalue [batch, out]. */
void nn_recurrent_collect(const nn_recurrent *r, int s, const nn_real *dy, nn_real *dvalue);
/* The row of `rows` for the state after step s, or NULL when no step reads it. */
nn_real *nn_recurrent_next(const nn_recurrent *r, nn_history rows, int sample, int s);

/* to [columns, rows] = from [rows, columns] transposed, so that a product in every step reads rows
 */
void nn_recurrent_transpose(const nn_real *from, int rows, int columns, nn_real *to);

/* v = 1 / (1 + exp(-v)) and v = tanh(v), n elements */
void nn_recurrent_logistic(nn_real *v, int n);
void nn_recurrent_tanh(nn_real *v, int n);

#endif
