/* tflite_schema: operators by number, with their options; numbers of constants. */
#include "quantize/tflite_schema.h"

#include "quantize/flatbuffer.h"

#define AT(member) offsetof(tfl_options, member)
static const tfl_option conv_options[] = {
    {0, TFL_BYTE, AT(padding), 0},    {1, TFL_WORD, AT(stride_w), 0},
    {2, TFL_WORD, AT(stride_h), 0},   {3, TFL_BYTE, AT(activation), 0},
    {4, TFL_WORD, AT(dilation_w), 1}, {5, TFL_WORD, AT(dilation_h), 1}};
static const tfl_option depthwise_options[] = {
    {0, TFL_BYTE, AT(padding), 0},    {1, TFL_WORD, AT(stride_w), 0},
    {2, TFL_WORD, AT(stride_h), 0},   {3, TFL_WORD, AT(depth_multiplier), 0},
    {4, TFL_BYTE, AT(activation), 0}, {5, TFL_WORD, AT(dilation_w), 1},
    {6, TFL_WORD, AT(dilation_h), 1}};
static const tfl_option pool_options[] = {
    {0, TFL_BYTE, AT(padding), 0},  {1, TFL_WORD, AT(stride_w), 0},
    {2, TFL_WORD, AT(stride_h), 0}, {3, TFL_WORD, AT(kernel_w), 0},
    {4, TFL_WORD, AT(kernel_h), 0}, {5, TFL_BYTE, AT(activation), 0}};
static const tfl_option dense_options[] = {{0, TFL_BYTE, AT(activation), 0},
                                           {1, TFL_BYTE, AT(weights_format), 0},
                                           {2, TFL_BYTE, AT(keep_dims), 0}};
static const tfl_option softmax_options[] = {{0, TFL_REAL, AT(beta), 0}};
static const tfl_option concat_options[] = {{0, TFL_WORD, AT(axis), 0},
                                            {1, TFL_BYTE, AT(activation), 0}};
static const tfl_option sum_options[] = {{0, TFL_BYTE, AT(activation), 0}};
static const tfl_option reduce_options[] = {{0, TFL_BYTE, AT(keep_dims), 0}};
static const tfl_option slice_options[] = {{0, TFL_WORD, AT(begin_mask), 0},
                                           {1, TFL_WORD, AT(end_mask), 0},
                                           {2, TFL_WORD, AT(ellipsis_mask), 0},
                                           {3, TFL_WORD, AT(new_axis_mask), 0},
                                           {4, TFL_WORD, AT(shrink_axis_mask), 0}};

#define ROW(code, version, type, options)                                                          \
    {                                                                                              \
        code, version, type, options, BASE_COUNT(options)                                          \
    }
static const tfl_row rows[] = {
    ROW(TFL_ADD, 2, 11, sum_options),
    ROW(TFL_AVERAGE_POOL_2D, 2, 5, pool_options),
    ROW(TFL_CONCATENATION, 2, 10, concat_options),
    ROW(TFL_CONV_2D, 3, 1, conv_options),
    ROW(TFL_DEPTHWISE_CONV_2D, 3, 2, depthwise_options),
    {TFL_DEQUANTIZE, 2, 0, NULL, 0},
    ROW(TFL_FULLY_CONNECTED, 4, 8, dense_options),
    {TFL_LOGISTIC, 2, 0, NULL, 0},
    ROW(TFL_MAX_POOL_2D, 2, 5, pool_options),
    ROW(TFL_MUL, 2, 21, sum_options),
    {TFL_RELU, 2, 0, NULL, 0},
    {TFL_RELU_N1_TO_1, 1, 0, NULL, 0},
    {TFL_RELU6, 2, 0, NULL, 0},
    {TFL_RESHAPE, 1, 0, NULL, 0},
    ROW(TFL_SOFTMAX, 2, 9, softmax_options),
    {TFL_TANH, 2, 0, NULL, 0},
    {TFL_PAD, 2, 0, NULL, 0},
    {TFL_TRANSPOSE, 2, 0, NULL, 0},
    ROW(TFL_MEAN, 2, 27, reduce_options),
    {TFL_SQUEEZE, 1, 0, NULL, 0},
    ROW(TFL_STRIDED_SLICE, 2, 32, slice_options),
    {TFL_MAXIMUM, 2, 0, NULL, 0},
    {TFL_MINIMUM, 2, 0, NULL, 0},
    ROW(TFL_REDUCE_MAX, 2, 27, reduce_options),
    {TFL_QUANTIZE, 1, 0, NULL, 0},
    {TFL_HARD_SWISH, 1, 0, NULL, 0},
};

const tfl_row *tfl_row_of(int code)
{
    for (size_t i = 0; i < BASE_COUNT(rows); i++)
        if (rows[i].code == code) return &rows[i];
    return NULL;
}

int tfl_version(int code, bool int8)
{
    return int8 ? tfl_row_of(code)->int8_version : 1;
}

static const char *const names[] = {"ADD",
                                    "AVERAGE_POOL_2D",
                                    "CONCATENATION",
                                    "CONV_2D",
                                    "DEPTHWISE_CONV_2D",
                                    "DEPTH_TO_SPACE",
                                    "DEQUANTIZE",
                                    "EMBEDDING_LOOKUP",
                                    "FLOOR",
                                    "FULLY_CONNECTED",
                                    "HASHTABLE_LOOKUP",
                                    "L2_NORMALIZATION",
                                    "L2_POOL_2D",
                                    "LOCAL_RESPONSE_NORMALIZATION",
                                    "LOGISTIC",
                                    "LSH_PROJECTION",
                                    "LSTM",
                                    "MAX_POOL_2D",
                                    "MUL",
                                    "RELU",
                                    "RELU_N1_TO_1",
                                    "RELU6",
                                    "RESHAPE",
                                    "RESIZE_BILINEAR",
                                    "RNN",
                                    "SOFTMAX",
                                    "SPACE_TO_DEPTH",
                                    "SVDF",
                                    "TANH",
                                    "CONCAT_EMBEDDINGS",
                                    "SKIP_GRAM",
                                    "CALL",
                                    "CUSTOM",
                                    "EMBEDDING_LOOKUP_SPARSE",
                                    "PAD",
                                    "UNIDIRECTIONAL_SEQUENCE_RNN",
                                    "GATHER",
                                    "BATCH_TO_SPACE_ND",
                                    "SPACE_TO_BATCH_ND",
                                    "TRANSPOSE",
                                    "MEAN",
                                    "SUB",
                                    "DIV",
                                    "SQUEEZE",
                                    "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                    "STRIDED_SLICE",
                                    "BIDIRECTIONAL_SEQUENCE_RNN",
                                    "EXP",
                                    "TOPK_V2",
                                    "SPLIT",
                                    "LOG_SOFTMAX",
                                    "DELEGATE",
                                    "BIDIRECTIONAL_SEQUENCE_LSTM",
                                    "CAST",
                                    "PRELU",
                                    "MAXIMUM",
                                    "ARG_MAX",
                                    "MINIMUM",
                                    "LESS",
                                    "NEG",
                                    "PADV2",
                                    "GREATER",
                                    "GREATER_EQUAL",
                                    "LESS_EQUAL",
                                    "SELECT",
                                    "SLICE",
                                    "SIN",
                                    "TRANSPOSE_CONV",
                                    "SPARSE_TO_DENSE",
                                    "TILE",
                                    "EXPAND_DIMS",
                                    "EQUAL",
                                    "NOT_EQUAL",
                                    "LOG",
                                    "SUM",
                                    "SQRT",
                                    "RSQRT",
                                    "SHAPE",
                                    "POW",
                                    "ARG_MIN",
                                    "FAKE_QUANT",
                                    "REDUCE_PROD",
                                    "REDUCE_MAX",
                                    "PACK",
                                    "LOGICAL_OR",
                                    "ONE_HOT",
                                    "LOGICAL_AND",
                                    "LOGICAL_NOT",
                                    "UNPACK",
                                    "REDUCE_MIN",
                                    "FLOOR_DIV",
                                    "REDUCE_ANY",
                                    "SQUARE",
                                    "ZEROS_LIKE",
                                    "FILL",
                                    "FLOOR_MOD",
                                    "RANGE",
                                    "RESIZE_NEAREST_NEIGHBOR",
                                    "LEAKY_RELU",
                                    "SQUARED_DIFFERENCE",
                                    "MIRROR_PAD",
                                    "ABS",
                                    "SPLIT_V",
                                    "UNIQUE",
                                    "CEIL",
                                    "REVERSE_V2",
                                    "ADD_N",
                                    "GATHER_ND",
                                    "COS",
                                    "WHERE",
                                    "RANK",
                                    "ELU",
                                    "REVERSE_SEQUENCE",
                                    "MATRIX_DIAG",
                                    "QUANTIZE",
                                    "MATRIX_SET_DIAG",
                                    "ROUND",
                                    "HARD_SWISH"};

const char *tflite_op_name(int code, char buf[32])
{
    if (code >= 0 && (size_t)code < BASE_COUNT(names)) return names[code];
    snprintf(buf, 32, "operator %d", code);
    return buf;
}

/* ---- constants ---- */

int32_t tflite_i32(const tfl_tensor *t, size_t i)
{
    return fb_load_i32(t->data + 4 * i);
}

float tflite_f32(const tfl_tensor *t, size_t i)
{
    return fb_load_f32(t->data + 4 * i);
}

int64_t tflite_count(const tfl_tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}

size_t tfl_element_size(int type)
{
    switch (type) {
    case TFL_FLOAT32:
    case TFL_INT32: return 4;
    case TFL_UINT8:
    case TFL_INT8: return 1;
    default: return 0;
    }
}
