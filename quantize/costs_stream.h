/* costs_stream: what a streaming step needs of a machine: rows of layers as layers, and the bytes
 * of maps that move.
 */
#ifndef QUANTIZE_COSTS_STREAM_H
#define QUANTIZE_COSTS_STREAM_H

#include "quantize/costs.h"
#include "quantize/stream_plan.h"

typedef struct quant_step {
    quant_costs costs; /* without constants: those are the layers' own */
    int hop;           /* frames */
    int64_t work, ram; /* bytes that it keeps, and all with the caller's frames and output */
    int64_t constants; /* bytes of the structs of rows */
    q8_stream_mode mode;
} quant_step;

/* costs: of the int8 model that the plan is of, before they are deployed. */
base_status quant_step_of(const q8_stream *stream, const quant_costs *costs, quant_step *step,
                          base_err *err);
void quant_step_free(quant_step *step);

#endif
