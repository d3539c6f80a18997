/* onnx: models as .onnx files (onnx.ai), for ONNX Runtime and whatever else reads them: opset 13.
 *
 * A float model is written with ONNX's float operators. An int8 model has the form with
 * QuantizeLinear and DequantizeLinear around float operators: int8 weights with a scale by output
 * channel, int32 biases, and every value between layers rounded to its int8. Runtimes compute that
 * in integers or in float, and round otherwise than sotto's kernels do: results are a step apart
 * here and there (bench/peers/onnx.sh counts them).
 *
 * Input and output are those of the model, [N, time, frequency, channel] of any batch N, in float.
 * Labels, feature settings and the like are metadata.
 */
#ifndef QUANTIZE_ONNX_H
#define QUANTIZE_ONNX_H

#include "quantize/q8.h"

/* The bytes of a file; version: of sotto, as its producer. BASE_USAGE naming a node that has no
 * form. */
base_status onnx_export_q8(const q8_model *m, const char *version, base_str *bytes, base_err *err);
base_status onnx_export_float(const nn_model *m, const char *version, base_str *bytes,
                              base_err *err);

#endif
