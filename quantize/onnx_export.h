/* onnx_export: what the files of exporting share: nodes as operators (onnx_nodes.c,
 * onnx_recurrent.c), constants with the numbers of layers (onnx_weights.c), and the file around
 * them with its pieces (onnx_export.c).
 *
 * A value is known by its name. Ours is [N, time, frequency, channel]; ONNX's windows want the
 * channels first, [N, channel, time, frequency], here called planes. A node's value is there in one
 * or both: "c1" and "c1/planes". Names of all else begin with the name of a value, too, and nodes
 * have no '/' in theirs.
 */
#ifndef QUANTIZE_ONNX_EXPORT_H
#define QUANTIZE_ONNX_EXPORT_H

#include "quantize/internal.h"
#include "quantize/onnx.h"
#include "quantize/onnx_schema.h"

typedef struct onnx_exporter {
    const q8_model *q;  /* NULL: float */
    nn_q8_layer *layer; /* its layers, with weights of 4 bits as int8 */
    const nn_graph *g;
    const nn_real *weights; /* of the float model */
    q8_chains chains;
    const char **rows, **planes; /* of each node: its value, NULL: not there */
    base_str nodes, tensors;     /* of the graph, as fields */
    base_str attrs;              /* of the next operator */
    bool failed;                 /* there was no memory for a name */
    base_arena *arena;
    base_err *err;
} onnx_exporter;

/* ---- pieces; memory is checked at the end ---- */

const char *onnx_name(onnx_exporter *e, const char *value, const char *part); /* "c1/scale" */

/* Attributes, all before their operator. */
void onnx_attr_int(onnx_exporter *e, const char *name, int v);
void onnx_attr_ints(onnx_exporter *e, const char *name, int n, const int *v);
void onnx_attr_float(onnx_exporter *e, const char *name, double v);
void onnx_attr_string(onnx_exporter *e, const char *name, const char *s);

/* An operator; returns out. Inputs and outputs that are left out are "". */
const char *onnx_op(onnx_exporter *e, const char *op, const char *const *in, int n_in,
                    const char *out);
void onnx_op_outputs(onnx_exporter *e, const char *op, const char *const *in, int n_in,
                     const char *const *out, int n_out);
const char *onnx_op1(onnx_exporter *e, const char *op, const char *x, const char *out);
const char *onnx_op2(onnx_exporter *e, const char *op, const char *a, const char *b,
                     const char *out);

/* Constants; all return the name. v: floats, int8_t, int32_t or int64_t, as type says. */
const char *onnx_tensor(onnx_exporter *e, const char *name, onnx_type type, int rank,
                        const int *dim, const void *v);
const char *onnx_ints(onnx_exporter *e, const char *name, int n, const int *v); /* int64, a row */
const char *onnx_number(onnx_exporter *e, const char *name, double v);          /* float */
/* Numbers of this shape, planes: three dimensions, channels to the front. */
const char *onnx_constant(onnx_exporter *e, const char *name, nn_shape s, bool planes,
                          const nn_real *v);

/* int8: x rounded to an integer of node n's quantization and back as value `name`; the integer is
 * called name/int8. */
const char *onnx_rounded(onnx_exporter *e, const nn_node *n, const char *x, const char *name);

/* ---- numbers of layers ---- */

/* int8: the layer that computes n, or NULL. */
const nn_q8_layer *onnx_layer_of(const onnx_exporter *e, const nn_node *n);

/* Weights and bias ("": none) of n, a convolution or a dense layer, for operator `out`. dim: as the
 * file wants the weights, outputs first. */
base_status onnx_weights_of(onnx_exporter *e, const nn_node *n, const char *out, int rank,
                            const int *dim, const char **weights, const char **bias);
/* y = mul x + add of batchnorm n, by bands and channels, as [bands][channels] in the arena. */
base_status onnx_affine_of(onnx_exporter *e, const nn_node *n, int *bands, double **mul,
                           double **add);

/* ---- nodes ---- */

/* A node that is being written. */
typedef struct onnx_call {
    const nn_node *n;
    const char *op;            /* ONNX's operator */
    const char *in[NN_MAX_IN]; /* values of the node's inputs */
    bool planes;               /* as which they are given, and the result is wanted */
    const char *out;           /* name of the result; of pieces on the way: onnx_name(out, ..) */
} onnx_call;

base_status onnx_gru(onnx_exporter *e, const onnx_call *c);
base_status onnx_lstm(onnx_exporter *e, const onnx_call *c);
base_status onnx_svdf(onnx_exporter *e, const onnx_call *c);

/* All live nodes as operators. */
base_status onnx_nodes(onnx_exporter *e);

#endif
