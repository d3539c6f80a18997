/* q8: from a float model to an int8 model, in a file, on the host and as C.
 *
 *   fold       batchnorm into the convolution or dense layer before it
 *   merge      parallel convolutions whose outputs are summed into one
 *   equalize   channels of consecutive layers scaled to like ranges, by option
 *   calibrate  a range for every node from the values that real clips give
 *   simulate   what training with simulated int8 starts from, and its ranges as it goes on
 *   twin       the int8 model that such training computes with
 *   wide       16-bit activations of chosen layers, by option
 *   lower      layers of quantize/runtime/ kernels with integers only (nn/ops/<op>.c does it)
 *   bias       the mean error of every layer taken out through its bias, by option
 *   run        the same kernels on the host: what a device computes, bit for bit
 *              (quantize/host.h does it fast, with the same bits)
 *   emit       one C99 header
 *
 * Int8 is TFLite's scheme (DESIGN, int8 is a contract): weights symmetric per output channel,
 * activations asymmetric per tensor, int32 biases; requantizations round by the model's profile.
 */
#ifndef QUANTIZE_Q8_H
#define QUANTIZE_Q8_H

#include "nn/nn.h"
#include "nn/op.h"

/* ---- the model ---- */

/* How requantizations round (quantize/runtime/requant.h). Softmax's own arithmetic is the same. */
typedef enum q8_rounding {
    Q8_TFLM,   /* twice, as TensorFlow Lite for Microcontrollers does */
    Q8_SINGLE, /* once, halves up, as its kernels built with TFLITE_SINGLE_ROUNDING do */
} q8_rounding;
enum { Q8_ROUNDINGS = Q8_SINGLE + 1 };
const char *q8_rounding_name(q8_rounding r); /* "tflm", "single" */

/* A buffer. Value 0 is the model's input; value k + 1 is what layer k computes. Input and output
 * of the model are the caller's memory, the others lie in one work buffer. */
typedef struct q8_value {
    nn_shape shape;
    size_t size;   /* bytes: elements, twice as many where wide */
    size_t offset; /* in the work buffer; 0 for input and output */
    bool wide;     /* int16_t: -32767 .. 32767 with zero point 0; never input or output */
    nn_quant quant;
    int first, last; /* layers (0 ..) that write and last read it; the input is there before 0 */
    bool kept;       /* from one run to the next, in streaming (quantize/stream_plan.h) */
} q8_value;

typedef struct q8_layer {
    char name[NN_MAX_NAME + 8]; /* of the node that computes, e.g. "c1"; "c1:widen" */
    int node;                   /* its index in folded.graph: cost, attributes */
    int end;                    /* index of the last node fused into it (activation), or node */
    bool converts; /* what node and end compute, between 8 and 16 bits; no node's own layer */
    int n_in;
    int in[NN_MAX_IN]; /* values */
    size_t scratch;    /* offset of the kernel's scratch in the work buffer */
    bool kept;         /* the scratch, from one run to the next, in streaming */
    nn_q8_layer l;     /* kernel, struct and arrays */
} q8_layer;

typedef struct q8_model {
    nn_model folded; /* the float model without batchnorm: graph, weights, labels, features;
                      * provenance says how it was trained and calibrated */
    q8_rounding rounding;
    nn_quant *quant; /* of every node of folded.graph, in 8 bits */
    double *wide; /* of every node: the scale of its 16-bit values, 0: it has 8 bits; NULL: all */
    q8_layer *layers;
    int n_layers;
    q8_value *values; /* n_layers + 1; the last one is the output */
    size_t work;    /* bytes of the work buffer: the peak of what is alive at once, with scratch */
    int8_t *golden; /* inputs of the self-test, n_golden x input size: calibration clips, noise */
    size_t n_golden;
    base_arena *arena;
} q8_model;

size_t q8_input_size(const q8_model *m);
size_t q8_output_size(const q8_model *m);
/* Bytes of constant tables: int8 weights, and all of int32 (biases, multipliers, shifts ...). */
void q8_table_bytes(const q8_model *m, size_t *weights, size_t *tables);
void q8_model_free(q8_model *m);

/* ---- making one ---- */

/* How the range of an activation is chosen from what calibration saw. */
typedef enum q8_range {
    Q8_RANGE_MINMAX,     /* smallest to largest */
    Q8_RANGE_PERCENTILE, /* the middle q8_options.percentile % of the values */
    Q8_RANGE_MSE,        /* least mean square error of the quantized values */
    Q8_RANGE_KL,         /* least Kullback-Leibler divergence of their distribution */
} q8_range;

typedef struct q8_options {
    q8_range range;
    double percentile;    /* 0: 99.99 */
    bool equalize;        /* q8_equalize before calibration */
    bool correct_bias;    /* biases of the integers (never folded.weights) take out mean errors */
    q8_rounding rounding; /* a model that was trained with simulated int8 keeps its own */
    const char *activations; /* bits: "16" for every layer that has such a form, "c1=16,p1=16" by
                              * node, both ("c1=8,16"); NULL: 8 */
    /* Bits of weights by node of the folded graph: "c1=8,p*=4,*=4", words pattern=bits (*, ? and
     * [...] as in a shell), the first that matches counts; those that nothing matches have 8. A
     * number alone is for all that have such a form. NULL: 8, or what the model was trained with */
    const char *weight_bits;
    /* Of the same float model with the same options but weight_bits: its ranges are taken, which
     * spares their search; NULL: none */
    const struct q8_model *like;
} q8_options;

/* Graph and weights without identities, parallel convolutions, and batchnorm (but one by bands or
 * behind no convolution or dense layer of its own); weights is freed with base_free, the graph with
 * nn_graph_free. Evaluation gives the same values. BASE_USAGE naming a loss. */
base_status q8_fold(const nn_graph *g, const nn_real *weights, nn_graph **folded,
                    nn_real **folded_weights, base_err *err);

/* Scale and zero point of every node (quant: one per node of the folded graph) in 8 bits, from n
 * samples of its input (n x input shape). 0 is always exact. Nodes whose int8 operator keeps its
 * input's quantization, and layers that an activation is fused into, get that of their partner;
 * inputs of a concat that nothing else reads get that of the concat; some operators (sigmoid,
 * softmax) have one of their own. */
base_status q8_calibrate(const nn_graph *g, const nn_real *weights, const nn_real *inputs, size_t n,
                         q8_options o, nn_quant *quant, base_err *err);

/* Cross-layer equalization of a folded graph: channels between two layers with weights are scaled
 * to like ranges, by the values that n samples of its input give. The graph computes the same but
 * for rounding. *pairs (may be NULL): how many pairs of layers there were. */
base_status q8_equalize(const nn_graph *g, nn_real *weights, const nn_real *inputs, size_t n,
                        int *pairs, base_err *err);

/* All of it: fold, calibrate on n input samples, lower, plan. Labels, features and provenance are
 * copied from m; calibration (text, "key = value\n" lines; may be NULL) is added to provenance.
 * Any inputs do for an untrained model of which only costs are wanted. */
base_status q8_quantize(const nn_model *m, const nn_real *inputs, size_t n, q8_options o,
                        const char *calibration, q8_model **q8, base_err *err);

/* What training with simulated quantization starts from: m folded, with the quantization of the
 * nodes at which int8 rounds (quant), chosen from n input samples. Freed with nn_model_free. */
base_status q8_simulated(const nn_model *m, const nn_real *inputs, size_t n, q8_options o,
                         nn_model **start, base_err *err);

/* The ranges of quant (0: none) moved by this share, 0 .. 1, of the way to what q8_calibrate finds
 * with these weights. */
base_status q8_move_ranges(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                           size_t n, q8_options o, double share, nn_quant *quant, base_err *err);

/* The int8 model of a folded graph whose weights and ranges change (nn_twin). `start`, of
 * q8_simulated, is borrowed. q8_twin_set lowers again, while no net runs with it; whatever it
 * fails with, no net may run until one has succeeded. weights are not kept. */
typedef struct q8_twin q8_twin;
base_status q8_twin_new(const nn_model *start, q8_twin **twin, base_err *err);
base_status q8_twin_set(q8_twin *t, const nn_real *weights, const nn_quant *quant, base_err *err);
const nn_twin *q8_twin_net(const q8_twin *t);
void q8_twin_free(q8_twin *t);

/* ---- files ---- */

/* The folded float model's file (nn_model_write) with group "q8": every integer as it runs, nothing
 * recomputed on loading, and the golden inputs with their outputs. Loading a float model is
 * BASE_DATA with a hint; golden outputs that come out differently here are BASE_MISMATCH. */
base_status q8_save(const q8_model *m, const char *path, base_err *err);
base_status q8_load(const char *path, q8_model **m, base_err *err);
/* Whether the file is a model with group "q8"; BASE_DATA when it is no model. */
base_status q8_is_model(const char *path, bool *is, base_err *err);

/* ---- running ---- */

/* zero + round(x / scale), halves away from zero, clamped to int8; single precision. */
void q8_quantize_input(const q8_model *m, const float *x, int8_t *q);
/* One inference. work: m->work bytes, aligned to 4, one per thread; in and out do not overlap it.
 */
void q8_run(const q8_model *m, const int8_t *in, int8_t *out, int8_t *work);
/* The same, showing what each layer gives (y: the bytes of value layer + 1) as it is computed. */
typedef void (*q8_observer)(void *ctx, int layer, const int8_t *y);
void q8_observe(const q8_model *m, const int8_t *in, int8_t *out, int8_t *work, q8_observer observe,
                void *ctx);

/* ---- C ---- */

/* SHA-256 of what decides the results: graph, quantization, every integer; in hexadecimal. */
base_status q8_hash(const q8_model *m, char hex[65], base_err *err);

/* Bytes of the work buffer of exported C; q8_model.work is that of the host's plain kernels. */
base_status q8_exported_work(const q8_model *m, size_t *bytes, base_err *err);

struct quant_pipeline;
struct q8_stream;
typedef struct q8_export {
    const char *prefix;                    /* a C identifier in lower case ("kws") */
    const struct quant_pipeline *pipeline; /* of m, from samples to words: macro PREFIX_HOP
                                            * (samples), type prefix_t, functions prefix_init,
                                            * prefix_push and prefix_result; NULL: the net alone */
    const struct q8_stream *stream;        /* of m, hop by hop: prefix_stream_reset and _step, which
                                            * a pipeline then uses; NULL: without */
} q8_export;
/* One self-contained C99 header. */
base_status q8_emit(const q8_model *m, const q8_export *how, base_str *text, base_err *err);

#endif
