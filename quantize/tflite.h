/* tflite: models of TensorFlow Lite, in and out.
 *
 *   tflite_load, tflite_save     a .tflite file and the plain structs below (tflite_file.c)
 *   tflite_import                those become a float model or an int8 one
 *   tflite_export_*              and back
 *
 * Numbers of operators, types and fields are those of TensorFlow's tensorflow/lite/schema/
 * schema.fbs, version 3; they are fixed for ever by that file's own rule.
 */
#ifndef QUANTIZE_TFLITE_H
#define QUANTIZE_TFLITE_H

#include "quantize/q8.h"

/* ---- what a file holds ---- */

enum { TFL_MAX_DIMS = 6, TFL_MAX_IN = 16 };

typedef enum tfl_type { /* TensorType */
                        TFL_FLOAT32 = 0,
                        TFL_INT32 = 2,
                        TFL_UINT8 = 3,
                        TFL_INT8 = 9,
} tfl_type;

typedef enum tfl_code { /* BuiltinOperator */
                        TFL_ADD = 0,
                        TFL_AVERAGE_POOL_2D = 1,
                        TFL_CONCATENATION = 2,
                        TFL_CONV_2D = 3,
                        TFL_DEPTHWISE_CONV_2D = 4,
                        TFL_DEQUANTIZE = 6,
                        TFL_FULLY_CONNECTED = 9,
                        TFL_LOGISTIC = 14,
                        TFL_MAX_POOL_2D = 17,
                        TFL_MUL = 18,
                        TFL_RELU = 19,
                        TFL_RELU_N1_TO_1 = 20,
                        TFL_RELU6 = 21,
                        TFL_RESHAPE = 22,
                        TFL_SOFTMAX = 25,
                        TFL_TANH = 28,
                        TFL_PAD = 34,
                        TFL_TRANSPOSE = 39,
                        TFL_MEAN = 40,
                        TFL_SQUEEZE = 43,
                        TFL_STRIDED_SLICE = 45,
                        TFL_MAXIMUM = 55,
                        TFL_MINIMUM = 57,
                        TFL_REDUCE_MAX = 82,
                        TFL_QUANTIZE = 114,
                        TFL_HARD_SWISH = 117,
} tfl_code;

typedef enum tfl_padding { TFL_SAME = 0, TFL_VALID = 1 } tfl_padding;
typedef enum tfl_activation {
    TFL_NONE = 0,
    TFL_ACT_RELU,
    TFL_ACT_RELU_N1_TO_1,
    TFL_ACT_RELU6
} tfl_activation;

/* What any operator here may be given; those that an operator has not are 0. */
typedef struct tfl_options {
    int32_t padding, stride_h, stride_w, kernel_h, kernel_w, dilation_h, dilation_w;
    int32_t depth_multiplier, activation, axis, keep_dims, weights_format;
    int32_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
    float beta;
} tfl_options;

typedef struct tfl_tensor {
    const char *name;
    int type; /* a tfl_type, or one that is not known here */
    int rank, dim[TFL_MAX_DIMS];
    const uint8_t *data; /* constants: `bytes` little-endian bytes, fully inside the file */
    size_t bytes;        /* 0: computed, or the model's input */
    const float *scale;  /* n_scales, one or one for each index of dimension `axis` */
    const int32_t *zero;
    int n_scales, axis;
} tfl_tensor;

typedef struct tfl_op {
    int code;                      /* a tfl_code, or one that is not known here */
    int version;                   /* of the operator */
    int n_in, in[TFL_MAX_IN], out; /* tensors; in: -1 where one is left out */
    tfl_options o;
} tfl_op;

/* Text or bytes beside the graph; what sotto writes is read back, others are left alone. */
typedef struct tfl_metadata {
    const char *name;
    const uint8_t *data;
    size_t bytes;
} tfl_metadata;

typedef struct tfl_model {
    const char *file, *description;
    tfl_tensor *tensor;
    tfl_op *op;
    tfl_metadata *metadata;
    int n_tensors, n_ops, n_metadata;
    int input, output; /* tensors */
    base_arena *arena; /* holds everything */
} tfl_model;

/* BASE_DATA naming the file and what is wrong with it; whatever the bytes are, every index and
 * length in the result is sound: tensors and operators exist, operators read what is constant, the
 * input or computed before, and constants have as many bytes as their shape says. */
base_status tflite_load(const char *path, tfl_model **m, base_err *err);
base_status tflite_parse(const char *file, const void *bytes, size_t n, tfl_model **m,
                         base_err *err);
void tflite_free(tfl_model *m);
/* The bytes of a file; freed with base_str_free. */
base_status tflite_print(const tfl_model *m, base_str *bytes, base_err *err);

const char *tflite_op_name(int code, char buf[32]); /* "CONV_2D", "operator 99" */

/* Number i of a constant. */
int32_t tflite_i32(const tfl_tensor *t, size_t i);
float tflite_f32(const tfl_tensor *t, size_t i);
int64_t tflite_count(const tfl_tensor *t); /* elements */

/* ---- models ---- */

/* What a file made elsewhere does not say. NULL, 0: what the file says, if it was made here. */
typedef struct tflite_given {
    const char *features; /* settings as text (dsp_config_print) */
    char *const *labels;
    size_t n_labels;
} tflite_given;

/* One of *m (float) and *q8 is set. BASE_DATA naming operator, number and tensor where there is
 * something that sotto has no operator for. */
base_status tflite_import(const tfl_model *t, const tflite_given *given, nn_model **m,
                          q8_model **q8, base_err *err);

/* The bytes of a .tflite file that gives the same results: bit for bit those of TensorFlow Lite's
 * own kernels for int8. BASE_USAGE naming a node that TensorFlow Lite has no operator for. */
base_status tflite_export_q8(const q8_model *m, base_str *bytes, base_err *err);
base_status tflite_export_float(const nn_model *m, base_str *bytes, base_err *err);

#endif
