/* lower: what the int8 lowerings of several operators share, beside nn/op.h. */
#ifndef NN_LOWER_H
#define NN_LOWER_H

#include "nn/op.h"
#include "quantize/runtime/add.h"
#include "quantize/runtime/copy.h"
#include "quantize/runtime/reduce.h"
#include "quantize/runtime/softmax.h"

/* ---- field tables ---- */

#define NN_Q8_INT4_OF(type, field)                                                                 \
    NN_Q8_INT_OF(type, field[0]), NN_Q8_INT_OF(type, field[1]), NN_Q8_INT_OF(type, field[2]),      \
        NN_Q8_INT_OF(type, field[3])

#define NN_Q8_ADD_OF(type, field)                                                                  \
    NN_Q8_INT_OF(type, field.n), NN_Q8_INT_OF(type, field.x0_zero),                                \
        NN_Q8_INT_OF(type, field.x0_multiplier), NN_Q8_INT_OF(type, field.x0_shift),               \
        NN_Q8_INT_OF(type, field.x1_zero), NN_Q8_INT_OF(type, field.x1_multiplier),                \
        NN_Q8_INT_OF(type, field.x1_shift), NN_Q8_INT_OF(type, field.out_zero),                    \
        NN_Q8_INT_OF(type, field.out_multiplier), NN_Q8_INT_OF(type, field.out_shift),             \
        NN_Q8_INT_OF(type, field.lo), NN_Q8_INT_OF(type, field.hi),                                \
        NN_Q8_INT_OF(type, field.single)

#define NN_Q8_REDUCE_OF(type, field)                                                               \
    NN_Q8_INT_OF(type, field.kept[0]), NN_Q8_INT_OF(type, field.kept[1]),                          \
        NN_Q8_INT_OF(type, field.kept_step[0]), NN_Q8_INT_OF(type, field.kept_step[1]),            \
        NN_Q8_INT_OF(type, field.reduced[0]), NN_Q8_INT_OF(type, field.reduced[1]),                \
        NN_Q8_INT_OF(type, field.reduced_step[0]), NN_Q8_INT_OF(type, field.reduced_step[1])

#define NN_Q8_RESCALE_OF(type, field)                                                              \
    NN_Q8_INT_OF(type, field.in_zero), NN_Q8_INT_OF(type, field.out_zero),                         \
        NN_Q8_INT_OF(type, field.multiplier), NN_Q8_INT_OF(type, field.shift),                     \
        NN_Q8_INT_OF(type, field.lo), NN_Q8_INT_OF(type, field.hi),                                \
        NN_Q8_INT_OF(type, field.single)

/* ---- parts of kernels' structs ---- */

/* The largest bias of a sum of `fan` products. */
double nn_q8_room(const nn_q8_context *c, size_t fan);

/* 16-bit values as kernels get them: at multiples of 4. */
static inline const int16_t *nn_q8_x16(const int8_t *x)
{
    return (const int16_t *)(const void *)x;
}
static inline int16_t *nn_q8_y16(int8_t *y)
{
    return (int16_t *)(void *)y;
}

/* zero + round(real / scale), halves away from zero, within int8. */
int8_t nn_q8_value(nn_quant q, double real);

/* A lower() of its own for elementwise functions: a table of forward's results. */
base_status nn_q8_lower_table(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer,
                              base_err *err);

/* The layer that looks its results up: values[x + 128], which are then clamped. */
base_status nn_q8_table(const nn_node *n, const nn_q8_context *c, const int8_t values[256],
                        nn_q8_layer *layer, base_err *err);

/* The sum of values quantized as a and b, into c->out; n elements. */
base_status nn_q8_sum(const nn_node *n, const nn_q8_context *c, nn_quant a, nn_quant b,
                      sotto_add_t *p, base_err *err);

/* From c->in[k] to c->out. */
base_status nn_q8_rescale(const nn_node *n, const nn_q8_context *c, int k, sotto_rescale_t *p,
                          base_err *err);

/* A softmax of n inputs with this scale in `rows` rows, without bounds; false when the scale has no
 * such form. */
bool nn_q8_softmax(double scale, int32_t rows, int32_t n, sotto_softmax_t *p);

/* How a node with two inputs walks its output, and they along. */
void nn_q8_broadcast(const nn_node *n, int32_t length[4], int32_t step0[4], int32_t step1[4]);

/* x[0] of a node that reduces these axes of it. */
sotto_reduce_t nn_q8_reduce(const nn_node *n, nn_list axes);

/* A depthwise convolution of c->in[0], with c->w[0] [taps][channels] and c->w[1] (NULL: zeros)
 * then scaled by c->mul and c->add where there are such. */
base_status nn_q8_depthwise(const nn_node *n, const nn_q8_context *c, const nn_window win[2],
                            int channels, nn_q8_layer *layer, base_err *err);

#endif
