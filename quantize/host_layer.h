/* host_layer: one layer of a host plan. */
#ifndef QUANTIZE_HOST_LAYER_H
#define QUANTIZE_HOST_LAYER_H

#include "nn/op.h"
#include "quantize/host_isa.h"

typedef struct q8_step q8_step;
struct q8_step {
    const nn_q8_layer *layer;
    const q8_isa *isa; /* NULL: the plain kernel */
    /* data: what prepare made of the layer; work: `work` bytes, aligned to 64 */
    void (*run)(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work);
    void *data;
    size_t work;
};

/* A step that computes layer l, with isa where there is a fast form; memory is the arena's. */
base_status q8_step_make(const nn_q8_layer *l, const q8_isa *isa, base_arena *arena, q8_step *s,
                         base_err *err);

/* The fast forms, called by q8_step_make: fill data, run and work. */
base_status q8_step_conv2d(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_dense(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_dwconv2d(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_dwconv2d_bands(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_globalpool(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_add(q8_step *s, base_arena *arena, base_err *err);
base_status q8_step_add_broadcast(q8_step *s, base_arena *arena, base_err *err);

/* ---- constants (host_scale.c) ---- */

/* Requantization as a layer has it; arrays are of channels. */
typedef struct q8_layer_scale {
    int channels, zero, lo, hi, single;
    const int32_t *bias, *multiplier, *shift;
} q8_layer_scale;

/* Whether the fast forms' arithmetic covers it. */
bool q8_scale_fits(const q8_layer_scale *l);

/* Vectors of the block that begins at channel c: fewer than a whole block's only where narrow. */
int q8_block_vectors(const q8_isa *isa, int channels, int c, bool narrow);
/* Where channel c of a block of so many vectors is: a lane of the block. */
int q8_block_lane(const q8_isa *isa, int vectors, int c);
/* Lanes of all blocks. */
int q8_lanes(const q8_isa *isa, int channels, bool narrow);

/* The constants in the order of lanes; biases are less (isa->offset + in_zero) * sum of weights:
 * sums, NULL: no weights. */
base_status q8_scale_make(const q8_isa *isa, const q8_layer_scale *l, bool narrow, int in_zero,
                          const int32_t *sums, base_arena *arena, q8_scale *s, base_err *err);

/* Weight w of channel c and tap k, as the k-th of `groups` groups of taps a lane has: block by
 * block, group by group, lane by lane. */
void q8_put_weight(const q8_isa *isa, void *to, int channels, bool narrow, int groups, int c, int k,
                   int8_t w);

#endif
