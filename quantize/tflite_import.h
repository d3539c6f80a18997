/* tflite_import: what the two halves of importing share: operators to a graph (tflite_graph.c), and
 * that with its numbers to a model (tflite_import.c).
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
    base_arena *arena;
    base_err *err;
} tfl_importer;

/* BASE_DATA: "'file': operator 3 (CONV_2D to 'y'): " before the message. */
base_status tfl_refuse(const tfl_importer *in, const tfl_op *op, const char *fmt, ...)
    BASE_PRINTF(3, 4);

/* Fills g, quant and weights from t. */
base_status tfl_graph(tfl_importer *in);

#endif
