/* internal: what the files of quantize/ share among themselves.
 *
 * A chain is what one int8 layer computes: a node, then a batchnorm by bands where the node takes
 * one, and the activations and identities behind it that nothing else reads. All nodes of a chain
 * share one value and one quantization.
 */
#ifndef QUANTIZE_INTERNAL_H
#define QUANTIZE_INTERNAL_H

#include "quantize/q8.h"

typedef struct q8_chains {
    int *readers; /* how many inputs a node feeds, counting live readers only */
    int *only;    /* one node that reads it */
    bool *live;   /* the output depends on it */
    int *head;    /* first node of the chain a node belongs to; itself when it starts one */
    int *tail;    /* of a head: the last node of its chain */
    int *range;   /* of a head: the node whose values decide the quantization */
    int *affine;  /* of a head: the node of NN_BANDS' kind that is fused into it, or -1 */
} q8_chains;

/* Arrays are one per node and live in arena. */
base_status q8_chains_make(const nn_graph *g, base_arena *arena, q8_chains *c, base_err *err);

/* Everything of a model but graph, weights and quant; calibration (NULL: none) is added to
 * provenance.
 */
base_status q8_copy_text(const nn_model *from, const char *calibration, nn_model *to,
                         base_err *err);

/* Scale (single precision, as TFLite keeps it) and the zero point nearest to where 0 lies, of a
 * range that is widened to hold 0. */
nn_quant q8_quant_of_range(double lo, double hi);

/* Quantization of every node of g from that of the ends of its chains (of_end, one per node). */
base_status q8_quant_of_ends(const nn_graph *g, const nn_quant *of_end, nn_quant *quant,
                             base_err *err);
/* Quantization of every node of g, m's folded graph, from that which m was trained with. */
base_status q8_trained_quant(const nn_model *m, const nn_graph *g, nn_quant *quant, base_err *err);

/* How many bits the weights of every node of g have, by o.weight_bits or, without, as m was
 * trained; *bits (base_free) is NULL where all have 8. */
base_status q8_weight_bits(const nn_model *m, const nn_graph *g, q8_options o, int **bits,
                           base_err *err);

/* A node's attribute of this key and type, or NULL. */
const void *q8_attribute(const nn_node *n, const char *key, nn_attr_type type);

/* A node's parameter of this name among the graph's weights, or NULL. */
const nn_real *q8_param(const nn_node *n, const nn_real *weights, const char *name);

/* Why nn_copy of n into `to` gave nothing: the graph's error, or an input that was left out. */
base_status q8_no_copy(const nn_node *n, const nn_graph *to, base_err *err);

/* Replaces a folded graph and its weights (base_free) by those with parallel convolutions merged;
 * leaves both as they are when there is none or on an error. */
base_status q8_merge(nn_graph **g, nn_real **weights, base_err *err);

/* The integer that stands for the bound v of an activation, in 8 bits or wide; divided in single
 * precision, as TFLite does. */
int q8_bound(nn_quant q, bool wide, double v);

/* Whether n samples of the graph's input can be calibrated with: there are some, and one input. */
base_status q8_check_inputs(const nn_graph *g, size_t n, base_err *err);

/* Whether n is y = W x + b with weights [..., channels] of one input, which has an int8 form. */
bool q8_has_weights(const nn_node *n);

/* Some nodes of a graph as a net of their own: inputs are what they read from outside. */
typedef struct q8_part {
    nn_graph *graph;
    nn_net *net;
    int *from, n_in; /* the nodes of the whole graph that its inputs stand for, in order */
} q8_part;
/* inside: one per node of g; the last of those is what the net computes. weights are copied. */
base_status q8_part_new(const nn_graph *g, const nn_real *weights, const bool *inside, int batch,
                        base_arena *arena, q8_part *p, base_err *err);
void q8_part_free(q8_part *p);

/* The kernel of an activation that could not be fused. */
extern const nn_q8_kernel q8_clamp_kernel;

/* ---- 16-bit activations (quantize/wide.c) ---- */

/* Bits by option: "16" into *all, "c1=16" into of (one a node, 0 before), lists of them by commas.
 * BASE_USAGE naming what is no number and, with the nearest, what is no node. */
base_status q8_choose(const nn_graph *g, const char *option, const char *text, base_arena *arena,
                      int *all, int *of, base_err *err);

/* Which chains q8_options.activations wants wide: wide (one a node, false before) of their heads.
 * BASE_USAGE for a node that has no such form. */
base_status q8_choose_wide(const nn_graph *g, const char *text, base_arena *arena, bool *wide,
                           base_err *err);
bool q8_has_wide(const nn_node *n);
base_status q8_no_wide(const nn_node *n, base_err *err);

/* The scales of 16-bit values of these heads, from n samples of the input. */
base_status q8_wide_scales(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                           size_t n, const bool *wide, base_arena *arena, double *scale,
                           base_err *err);

/* The kernel of an activation that could not be fused, and layers of n's values between widths. */
extern const nn_q8_kernel q8_clip_i16_kernel;
base_status q8_lower_widen(const nn_node *n, const nn_q8_context *c, nn_q8_layer *l, base_err *err);
base_status q8_lower_narrow(const nn_node *n, const nn_q8_context *c, nn_q8_layer *l,
                            base_err *err);

/* The field of a kernel's struct: where an int lies, and an array. */
int32_t *q8_field_int(const nn_q8_layer *l, const nn_q8_field *f);
const void **q8_field_array(const nn_q8_layer *l, const nn_q8_field *f);

/* Fields of a layer's struct by name: an array, NULL when there is none, and a number that is
 * there. */
const void *q8_layer_array(const nn_q8_layer *l, const char *name);
int32_t q8_layer_int(const nn_q8_layer *l, const char *name);

/* An array of a layer's struct as it is stored: n int8_t (bytes) or int32_t. array: its number
 * among the array fields. */
typedef struct q8_array {
    const void *v;
    size_t n;
    bool bytes;
} q8_array;
q8_array q8_field_stored(const nn_q8_layer *l, const nn_q8_field *f, int array);

/* A layer of the same results with int8 weights, in arena; l itself where it has no packed ones. */
base_status q8_unpack(const nn_q8_layer *l, base_arena *arena, nn_q8_layer *plain, base_err *err);
/* All layers of m so, in order. */
base_status q8_unpack_all(const q8_model *m, base_arena *arena, nn_q8_layer **plain, base_err *err);

/* The kernel of layer l; scratch: l->scratch bytes, aligned to 4. */
void q8_layer_run(const nn_q8_layer *l, const int8_t *const *x, int8_t *y, void *scratch);

/* Whether the arrays of all layers can do no harm: BASE_DATA "where: layer 'c1': bias 3 is
 * 2147483647: ..." when a sum may overflow or a number is none that a lowering makes. */
base_status q8_check(const q8_model *m, const char *where, base_err *err);

/* The layers of m with the kernels that exported C runs (quantize/deploy.c). *to borrows from m and
 * has what is new in arena; it is not freed. */
base_status q8_deploy(const q8_model *m, base_arena *arena, q8_model *to, base_err *err);

/* The lower-level half of q8_quantize: layers and values from m->folded and m->quant, all in
 * m->arena. */
base_status q8_lower(q8_model *m, base_err *err);

/* Mean output errors taken out of the biases of m's integers, layer by layer, by n inputs. */
base_status q8_correct_bias(q8_model *m, const nn_real *inputs, size_t n, base_err *err);

/* BASE_USAGE naming a layer with 16-bit activations, if there is one: a format has none. */
base_status q8_refuse_wide(const q8_model *m, const char *format, base_err *err);

/* The integer i of a value of this kind. */
int q8_integer(const q8_value *v, const int8_t *y, size_t i);

/* Place the values and scratch of m in its work buffer: fills first, last, offsets and m->work. */
base_status q8_place(q8_model *m, base_err *err);

/* The inputs of the self-test: some of n calibration clips, and noise over the whole range. */
base_status q8_pick_golden(q8_model *m, const nn_real *inputs, size_t n, base_err *err);

/* The terminal of gnuplot that draws what the name ends in; NULL: none does. */
const char *quant_plot_terminal(const char *path);
/* The picture of a script (freed) into path, whole or not at all. */
base_status quant_plot_draw(base_str *script, const char *path, base_err *err);

/* What the golden inputs give: n_golden x output size, freed with base_free. */
base_status q8_golden_outputs(const q8_model *m, int8_t **out, base_err *err);

#endif
