/* stream_rows: rows of a layer, along the first axis of its values, as a layer. */
#ifndef QUANTIZE_STREAM_ROWS_H
#define QUANTIZE_STREAM_ROWS_H

#include "quantize/stream_plan.h"

/* How rows of a layer's output depend on rows of its inputs: row j on rows j * stride - before up
 * to j * stride - before + extent - 1. */
typedef struct q8_rows {
    int in, out; /* rows */
    int stride, before, extent;
} q8_rows;

/* False where the kernel does not go by rows. */
bool q8_rows_of(const q8_model *m, int layer, q8_rows *r);

/* Rows first .. end - 1 of a layer for which q8_rows_of is true, and which has `macs` in all; its
 * struct lies in arena. */
base_status q8_rows_make(const q8_model *m, int layer, int first, int end, int64_t macs,
                         base_arena *arena, q8_piece *piece, base_err *err);

#endif
