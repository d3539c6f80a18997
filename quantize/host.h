/* host: int8 models on the host, fast. A plan holds the weights of a model in the order in which
 * one instruction set wants them; what it computes is what q8_run computes, bit for bit.
 *
 * Which layers have fast forms: conv2d, dwconv2d (with bands
 * too), dense, globalpool and add (broadcasting too). The others, and layers
 * with multipliers that no lowering makes (negative ones), run the kernels of quantize/runtime/.
 */
#ifndef QUANTIZE_HOST_H
#define QUANTIZE_HOST_H

#include "quantize/q8.h"

/* Instruction sets, each better than those before it. */
typedef enum q8_level {
    Q8_PLAIN, /* quantize/runtime/ as the compiler finds it */
    Q8_AVX2,  /* sums of two 16-bit products */
    Q8_VNNI,  /* AVX-512 with sums of four 8-bit products */
    Q8_LEVELS
} q8_level;

const char *q8_level_name(q8_level level); /* "plain", "avx2", "avx512vnni" */
bool q8_level_here(q8_level level);        /* whether this processor, and this build, has it */
q8_level q8_level_best(void);              /* the last one that is here */

typedef struct q8_host q8_host;

/* A plan of m, which must outlive it. BASE_USAGE when the level is not here; BASE_FAILED when there
 * is no memory. */
base_status q8_host_new(const q8_model *m, q8_level level, q8_host **plan, base_err *err);
void q8_host_free(q8_host *plan);
/* Layers that do not run the plain kernel. */
int q8_host_fast_layers(const q8_host *plan);
/* Bytes of the work buffer of q8_host_run. */
size_t q8_host_work(const q8_host *plan);
/* One inference. in: q8_input_size, out: q8_output_size, work: q8_host_work bytes, one per thread;
 * in and out do not overlap it. A plan may run in several threads at once. */
void q8_host_run(const q8_host *plan, const int8_t *in, int8_t *out, int8_t *work);
/* The same of layer k alone, with its own inputs and output. */
void q8_host_layer(const q8_host *plan, int k, const int8_t *const *x, int8_t *y, int8_t *work);

#endif
