/* tflite_schema: the part of TensorFlow Lite's schema that sotto reads and writes: field numbers of
 * the tables, and the options of the operators (see tflite.h for the source).
 */
#ifndef QUANTIZE_TFLITE_SCHEMA_H
#define QUANTIZE_TFLITE_SCHEMA_H

#include "quantize/tflite.h"

enum { TFL_VERSION = 3 };
#define TFL_IDENTIFIER "TFL3"

/* Field numbers of the schema's tables. */
enum { MODEL_VERSION, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
enum { MODEL_METADATA = 6 };
enum { CODE_BYTE, CODE_CUSTOM, CODE_VERSION, CODE_WORD };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPS, GRAPH_NAME };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANT };
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
enum { OP_CODE, OP_INPUTS, OP_OUTPUTS, OP_OPTIONS_TYPE, OP_OPTIONS };
enum { BUFFER_DATA };
enum { METADATA_NAME, METADATA_BUFFER };

typedef enum tfl_kind { TFL_BYTE, TFL_WORD, TFL_REAL } tfl_kind;
typedef struct tfl_option {
    int field;
    tfl_kind kind;
    size_t offset; /* in tfl_options */
    int fallback;
} tfl_option;

typedef struct tfl_row {
    int code;
    int int8_version; /* of the operator that takes int8; float is version 1 */
    int options_type; /* number in the union BuiltinOptions, 0: none is needed */
    const tfl_option *options;
    int n_options;
} tfl_row;

const tfl_row *tfl_row_of(int code); /* NULL: an operator that is not known here */

int tfl_version(int code, bool int8); /* of an operator that is known */

/* Bytes of one element, 0 for types that are not known here. */
size_t tfl_element_size(int type);

#endif
