/* product: int8 weights of layers that multiply with integers of other formats than activations:
 * states in 16 bits, inputs of gates. */
#ifndef NN_PRODUCT_H
#define NN_PRODUCT_H

#include "nn/op.h"

/* Units of fixed point (quantize/runtime/fixed.h): of sums in front of a gate, Q3.12, and of states
 * within -1 .. 1, Q0.15. */
#define NN_Q8_GATE  (1.0 / 4096.0)
#define NN_Q8_STATE (1.0 / 32768.0)

/* y[c] = bias[c] + sum over i < fan of x[i] w[i][c], where x[i] = in[c] * an integer within -most
 * .. most, and y[c] = out[c] * an integer. */
typedef struct nn_q8_product {
    size_t fan, channels;
    const nn_real *w;    /* [fan][stride], from the first channel on */
    size_t stride;       /* at least channels */
    const nn_real *bias; /* [channels]; NULL: none */
    double most;
    const double *in; /* [channels] */
    double *out;      /* [channels]; 0: filled with the scale at which the largest y is 32767 */
} nn_q8_product;

/* Room for weights of `channels` channels, and for `biases` biases (0: NULL), in the context's
 * memory. */
base_status nn_q8_product_room(const nn_q8_context *c, size_t fan, size_t channels, size_t biases,
                               nn_q8_weights *to, base_err *err);

/* Fills weights, symmetric in -127 .. 127 per channel and stored [channels][fan], and what brings
 * the 32-bit sums to y. A channel's scale is raised where its sums would not fit. BASE_USAGE naming
 * the channel when something is not finite or a y does not fit 29 bits. */
base_status nn_q8_product_make(const nn_node *n, const nn_q8_product *p, const nn_q8_weights *to,
                               base_err *err);

/* v in all of n elements of the context's memory, or NULL. */
double *nn_q8_scales(const nn_q8_context *c, size_t n, double v);

/* From a state of 16 bits, in units of `unit`, to the output's scale. */
base_status nn_q8_state_rescale(const nn_node *n, const nn_q8_context *c, double unit,
                                int32_t *multiplier, int32_t *shift, base_err *err);

#endif
