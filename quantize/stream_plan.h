/* stream_plan: what a model computes for every hop of new frames, where frames are rows of its
 * input, along the first axis.
 *
 *   window  the input is a window that moves on by a hop. A row of a layer that depends neither on
 *           the padding at the ends of the window nor on new frames is what it was, some rows
 *           further down: such rows are kept and moved, the others are computed. The result is that
 *           of q8_run on the window, which begins as frames of zeros (the input's zero point).
 *   state   all layers go frame by frame, and recurrent ones (gru, lstm, svdf) keep their state:
 *           the result is that of a run over all frames since the reset, its last rows.
 *
 * Some rows of a layer are a layer of the same kernel and arrays with other numbers in its struct,
 * so that plans need no kernels of their own.
 */
#ifndef QUANTIZE_STREAM_PLAN_H
#define QUANTIZE_STREAM_PLAN_H

#include "quantize/q8.h"

typedef enum q8_stream_mode {
    Q8_STREAM_AUTO, /* state where all layers allow it, else window */
    Q8_STREAM_WINDOW,
    Q8_STREAM_STATE,
} q8_stream_mode;
const char *q8_stream_mode_name(q8_stream_mode mode); /* "auto", "window", "state" */

/* A layer, or rows of it. */
typedef struct q8_piece {
    int layer;
    bool whole;   /* the layer itself */
    int rows, of; /* that it computes, of those that the layer does; whole: 1 of 1 */
    int64_t macs;
    size_t x[NN_MAX_IN]; /* bytes into its inputs */
    size_t y;            /* and into its output */
    nn_q8_layer l;
} q8_piece;

/* Bytes of a value that stay what they were: they come down from `by` bytes above `to`. */
typedef struct q8_shift {
    int value;
    size_t to, by, bytes;
} q8_shift;

typedef struct q8_stream {
    q8_model net; /* layers as exported C runs them, and the places of their values: all of the
                   * window in window mode, a hop in state mode */
    q8_stream_mode mode;
    int hop;          /* frames */
    size_t hop_bytes; /* of the input */
    q8_shift *shifts;
    q8_piece *pieces; /* in order */
    int n_shifts, n_pieces;
    int64_t macs, window_macs; /* of a hop, and of q8_run */
    int64_t *layer_macs;       /* of a run, by layer of net */
    base_arena *arena;
} q8_stream;

/* m is borrowed. hop: 1 .. frames of the window. Where hop is no multiple of the strides in time up
 * to some layer, that layer is computed whole. BASE_USAGE naming the layer that keeps no state. */
base_status q8_stream_new(const q8_model *m, q8_stream_mode mode, int hop, q8_stream **stream,
                          base_err *err);
void q8_stream_free(q8_stream *s);

/* work: net.work bytes, aligned to 4, which hold all that is kept from one hop to the next. */
void q8_stream_reset(const q8_stream *s, int8_t *work);
/* frames: hop_bytes. out: q8_output_size(&net); it does not overlap work. */
void q8_stream_step(const q8_stream *s, const int8_t *frames, int8_t *out, int8_t *work);

#endif
