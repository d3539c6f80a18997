/* estimate: what a network costs on a board: flash, RAM, multiply-accumulates, latency, energy,
 * each with its error. Works on a list of layers, which comes from a graph of operators (trained
 * or not) with what inference fuses already fused: batchnorm and activations vanish into the layer
 * before them, dropout and loss are gone.
 *
 * Flash  weights (int8, or two of 4 bits a byte) + 12 bytes a channel (int32 bias, multiplier,
 * shift) + the layers' constants
 *        + the code of the kernels in use.
 * RAM    the caller's input and output + one work buffer in which values that live at different
 *        times, and what recurrent layers work in, overlap (nn_plan). Stack and the audio front-end
 * are not counted. Time   cycles of the core by kind of layer, times the board's scale, over its
 * clock.
 */
#ifndef QUANTIZE_ESTIMATE_H
#define QUANTIZE_ESTIMATE_H

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
    int64_t rows;                  /* kernel rows over all outputs: outputs x kernel height */
    int64_t weights;               /* bytes */
    int64_t channels;              /* with bias, multiplier and shift of their own */
    int64_t constants; /* bytes of the kernel's struct on a 32-bit machine, and of other tables */
    int64_t scratch;   /* bytes an int8 kernel works in */
    bool in_place;     /* may write over its first input when it is the last reader */
    double work, size; /* kind OTHER: of an element and of code, of what add's take; of another
                        * kind: of code, of what the kind's takes */
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
/* Weights of 4 bits where m, of whose graph the costs are, has them. Time is taken for that of 8
 * bits: counted instructions (PACKED=1 bench/count_instructions.sh) are 2 to 13 % more in
 * convolutions (42 to 61 % in depthwise ones on a Cortex-M0+), 14 % less to 6 % more in dense. */
void quant_costs_pack(quant_costs *costs, const nn_model *m);

/* Bytes that inference needs for values of `element` bytes (1: int8, 4: float; wide ones twice):
 * the work buffer, and all with the caller's input and output. BASE_FAILED without memory. */
typedef struct quant_memory {
    int64_t work, ram;
} quant_memory;
base_status quant_memory_of(const quant_costs *costs, int element, quant_memory *memory,
                            base_err *err);

typedef struct quant_layer_estimate {
    int64_t flash; /* weights, tables and constants; code is counted once a model */
    int64_t live;  /* bytes of all values alive while the layer runs, the caller's included, and of
                    * its scratch */
    double cycles, ms;
} quant_layer_estimate;

typedef struct quant_estimate {
    int64_t macs;
    int64_t weights, tables, code, flash; /* bytes; flash is the sum of the three */
    int64_t work, ram;                    /* bytes; ram is work with input and output */
    double flash_error; /* percent; RAM has none: buffers are planned, not estimated */
    double cycles, ms, latency_error; /* of the kernels that sotto exports */
    double cmsis_ms, cmsis_error;     /* of CMSIS-NN on the same layers; NAN when not known */
    double uj, energy_error; /* energy of one inference; uj is NAN when the power is not known */
    bool fits;
    char why[120];               /* why it does not fit; empty when it does */
    quant_layer_estimate *layer; /* as many as costs has; freed by quant_estimate_free */
} quant_estimate;

base_status quant_estimate_run(const quant_costs *costs, const quant_target *target,
                               quant_estimate *estimate, base_err *err);
void quant_estimate_free(quant_estimate *estimate);

/* Cycles of one layer by one set of coefficients, before the board's scale. */
double quant_layer_cycles(const quant_layer_cost *layer, const quant_cycles *cycles);

#endif
