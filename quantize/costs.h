/* costs: what a network needs of a machine: layers in the order of execution with their work, their
 * bytes and their buffers. It comes from a graph of operators, trained or not, with what inference
 * fuses already fused: batchnorm and activations vanish into the layer before them, dropout and
 * loss are gone.
 */
#ifndef QUANTIZE_COSTS_H
#define QUANTIZE_COSTS_H

#include "quantize/q8.h"
#include "quantize/target.h"

typedef struct quant_layer_cost {
    char name[NN_MAX_NAME], op[NN_MAX_NAME];
    quant_kind kind;
    const char *kernel; /* of quantize/runtime/; NULL: there is no int8 form, cycles are a guess */
    bool is_input;      /* a buffer that the caller fills: no work */
    bool wide;          /* its output has 16 bits */
    int in[NN_MAX_IN];  /* layers whose outputs are read; all come before */
    int n_in;
    int64_t macs, inputs, outputs; /* inputs: elements of the first input */
    int64_t rows;           /* kernel rows over all outputs: outputs x kernel height; of trees
                             * comparisons */
    int64_t pixels;         /* outputs of one channel */
    int kernel_h, kernel_w; /* 1 where there is none */
    int in_channels;        /* of the first input */
    int reach;       /* convolutions of stride 1 that keep the size: elements of one channel between
                      * the first under a window and its middle; else 0 */
    bool pointwise;  /* a window of one element, stride 1, no padding */
    bool flat;       /* a window lies in one piece of memory */
    int64_t weights; /* bytes */
    int64_t channels;    /* with bias, multiplier and shift of their own */
    int64_t constants;   /* bytes of the kernel's struct on a 32-bit machine, and of other tables */
    int64_t scratch;     /* bytes an int8 kernel works in */
    bool in_place;       /* may write over its first input when it is the last reader */
    double work, size;   /* kind OTHER: of an element, of what add's takes; code, of what the kind's
                          * takes (clamp's of kind OTHER) */
    double part, padded; /* rows of a layer: their share of it, else 0, and what they take by what
                          * a share of its instructions would be */
    bool takes_affine, takes_bands; /* while a graph is read: a batchnorm may still be folded in */
} quant_layer_cost;

typedef struct quant_costs {
    quant_layer_cost *layer; /* owned; freed by quant_costs_free */
    int n;
} quant_costs;

/* Layers of a graph in the order of execution, the loss and what only it needs left out.
 * BASE_USAGE for a graph without layers. */
base_status quant_costs_of_graph(const nn_graph *graph, quant_costs *costs, base_err *err);
/* The same of an int8 model, with 16-bit layers and those that convert; cycles are those of 8 bits.
 */
base_status quant_costs_of_q8(const q8_model *m, quant_costs *costs, base_err *err);
void quant_costs_free(quant_costs *costs);
/* Weights of 4 bits where m, of whose graph the costs are, has them. */
void quant_costs_pack(quant_costs *costs, const nn_model *m);

/* The layers as exported C runs them (quantize/deploy.c): fast kernels, a depthwise convolution and
 * the pointwise one behind it in one. An int8 model keeps slow kernels where sums may be large,
 * which costs do not know. */
base_status quant_costs_deploy(const quant_costs *from, quant_costs *to, base_err *err);
/* The same with the kernels that an int8 model has: net is what q8_deploy made of the one that from
 * is of. Layer k of it is layer k + 1 of the costs. */
base_status quant_costs_deploy_as(const quant_costs *from, const q8_model *net, quant_costs *to,
                                  base_err *err);

/* Bytes that inference needs for values of `element` bytes (1: int8, 4: float; wide ones twice):
 * the work buffer, and all with the caller's input and output. BASE_FAILED without memory. */
typedef struct quant_memory {
    int64_t work, ram;
} quant_memory;
base_status quant_memory_of(const quant_costs *costs, int element, quant_memory *memory,
                            base_err *err);
/* Bytes alive while each layer runs: all values, the caller's included, and its scratch; live has
 * room for costs->n. */
base_status quant_live_of(const quant_costs *costs, int64_t *live, base_err *err);

#endif
