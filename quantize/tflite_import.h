/* tflite_import: what the parts of importing share: tensors as nodes (tflite_tensor.c), operators
 * to a graph (tflite_graph.c), and that with its numbers to a model (tflite_import.c).
 */
#ifndef QUANTIZE_TFLITE_IMPORT_H
#define QUANTIZE_TFLITE_IMPORT_H

#include "quantize/tflite.h"

/* A layer's constants: [channels][taps][inner], or [taps][channels] when depthwise. */
typedef struct tfl_weights {
    const nn_node *node;
    const tfl_tensor *w, *b; /* b: NULL when there is none */
    size_t channels, taps, inner;
    bool depthwise;
    nn_quant in, out;
} tfl_weights;

/* A product and a sum with constants, which is what a batchnorm does. */
typedef struct tfl_affine {
    const nn_node *node;
    const tfl_tensor *mul, *add; /* NULL: none; numbers that repeat along the node's shape */
} tfl_affine;

typedef struct tfl_importer {
    const tfl_model *t;
    bool int8;
    nn_graph *g;
    nn_node **node;       /* of each tensor; NULL: constant, or not met yet */
    int (*pad)[4];        /* of each tensor: zeros around it that its reader puts there */
    int *readers;         /* of each tensor */
    bool *done;           /* operators that became part of one before them */
    nn_quant *quant;      /* of each node */
    tfl_weights *weights; /* of the layers that have some */
    int n_weights;
    tfl_affine *affine; /* of the batchnorms */
    int n_affine;
    base_arena *arena;
    base_err *err;
} tfl_importer;

/* BASE_DATA: "'file': operator 3 (CONV_2D to 'y'): " before the message. */
base_status tfl_refuse(const tfl_importer *in, const tfl_op *op, const char *fmt, ...)
    BASE_PRINTF(3, 4);

/* Input i of an operator; NULL when it is left out. */
const tfl_tensor *tfl_tensor_of(const tfl_importer *in, const tfl_op *op, int i);
/* The node of input i. BASE_DATA when it is a constant, or not of the model's type. */
base_status tfl_source(const tfl_importer *in, const tfl_op *op, int i, nn_node **x);
/* Input i that must be a constant of this type; one of at most `most` int32. */
base_status tfl_constant(const tfl_importer *in, const tfl_op *op, int i, int type,
                         const tfl_tensor **c);
base_status tfl_integers(const tfl_importer *in, const tfl_op *op, int i, int most, int *n,
                         int v[TFL_MAX_DIMS * 2]);
/* The shape of one sample. */
base_status tfl_shape_of(const tfl_importer *in, const tfl_op *op, const tfl_tensor *t,
                         nn_shape *s);
/* Scale and zero point of what is computed; zeros in a float model. */
base_status tfl_quant_of(const tfl_importer *in, const tfl_op *op, const tfl_tensor *t,
                         nn_quant *q);
/* That what an operator passes on, or clamps, keeps its quantization. */
base_status tfl_same_quant(const tfl_importer *in, const tfl_op *op);
/* The only operator that reads the tensor op computes, when it is the next one. */
const tfl_op *tfl_only_reader(const tfl_importer *in, const tfl_op *op);

/* The name of a tensor when a node can have it, else "": one is made up. */
const char *tfl_name_for(const tfl_importer *in, const char *name);
/* Appends a node with the quantization of tensor t. */
base_status tfl_append(tfl_importer *in, const tfl_op *op, const char *name, const char *kind,
                       nn_node *const *x, int n_x, const tfl_tensor *t, nn_node **y,
                       const char *attrs);
/* The result of op is node y. */
base_status tfl_result(tfl_importer *in, const tfl_op *op, nn_node *y);
/* One node, an activation behind it, and that is the result of op. own: the name of the first one
 * when there are two. */
base_status tfl_compute(tfl_importer *in, const tfl_op *op, int act, const char *own,
                        const char *kind, nn_node *const *x, int n_x, nn_node **head,
                        const char *fmt, ...) BASE_PRINTF(9, 10);

/* Fills g, quant and weights from t. */
base_status tfl_graph(tfl_importer *in);

#endif
