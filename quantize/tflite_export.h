/* tflite_export: what the two halves of exporting share: nodes as operators (tflite_nodes.c), and
 * the file around them with its numbers (tflite_export.c).
 */
#ifndef QUANTIZE_TFLITE_EXPORT_H
#define QUANTIZE_TFLITE_EXPORT_H

#include "quantize/internal.h"
#include "quantize/tflite.h"

typedef struct tfl_exporter {
    tfl_model t;
    const q8_model *q;  /* NULL: float */
    nn_q8_layer *layer; /* its layers, with weights of 4 bits as int8 */
    const nn_graph *g;
    const nn_real *weights; /* of the float model */
    q8_chains chains;
    int *tensor;          /* of each node */
    const nn_node *fused; /* activation that the operator being made does as well, or NULL */
    size_t tensors_cap, ops_cap;
    base_err *err;
} tfl_exporter;

/* Tensors; all return the index, below -1 without memory. A value has the quantization of node n.
 */
int tfl_value(tfl_exporter *e, const nn_node *n, const char *name, int rank, const int *dim);
int tfl_int_constant(tfl_exporter *e, const char *name, int rank, const int *dim, const int *v);
/* Constants of a float node: tensor of type float32, to be filled. NULL: no memory. */
float *tfl_float_constant(tfl_exporter *e, const char *name, int rank, const int *dim, int *tensor);
/* One number of the kind of node n's values. */
int tfl_number(tfl_exporter *e, const nn_node *n, const char *what, double v);
/* Weights and bias of a node as two tensors. dim: the weights' in
 * the file, `axis` is that of the outputs; of two dimensions all outputs have one scale. */
base_status tfl_weights_of(tfl_exporter *e, const nn_node *n, const int dim[4], int rank, int axis,
                           int *weights, int *bias);

/* Whether one scale does for all weights of an int8 layer; true for float. */
bool tfl_has_one_scale(const tfl_exporter *e, const nn_node *n);

/* An operator without options, to be filled in; NULL: no memory. */
tfl_op *tfl_op_new(tfl_exporter *e, tfl_code code, const int *in, int n_in, int out);

/* All live nodes as operators. */
base_status tfl_nodes(tfl_exporter *e);

#endif
