/* estimate: what a network costs on a board: flash, RAM, latency, energy, each with its error and
 * with what it rests on.
 *
 * Flash    weights (int8, or two of 4 bits a byte) + 12 bytes a channel (int32 bias, multiplier,
 *          shift) + the layers' constants + the code of the kernels in use.
 * RAM      the caller's input and output + one work buffer in which values that live at different
 *          times, and what recurrent layers work in, overlap (nn_plan). The whole is with what the
 *          front-end and post-processing keep; the front-end works in the same buffer, unless steps
 *          keep something there. The stack is not counted.
 * Latency  (instructions x cycles an instruction of the core + bytes of weights x cycles a byte of
 *          the board's flash) / clock; instructions as in instructions.h.
 * Energy   latency x clock x power per MHz.
 *
 * A streaming step has its own work and RAM; its flash is that of the network with its structs.
 *
 * Or the same network as a .tflite file under TensorFlow Lite Micro with CMSIS-NN (tflm.c).
 */
#ifndef QUANTIZE_ESTIMATE_H
#define QUANTIZE_ESTIMATE_H

#include "quantize/costs_stream.h"

typedef enum quant_runtime { QUANT_SOTTO, QUANT_CMSIS_NN, QUANT_RUNTIMES } quant_runtime;
const char *quant_runtime_name(quant_runtime runtime); /* "sotto", "cmsis-nn" */

/* value is NAN when nothing is known; then error is too. */
typedef struct quant_figure {
    double value, error; /* percent: between value / (1 + e/100) and value (1 + e/100) */
    quant_basis basis;
} quant_figure;

/* Bytes of front-end and post-processing in integers. */
typedef struct quant_front {
    int64_t tables;  /* of flash, code apart */
    int64_t kept;    /* by the caller, besides input and output */
    int64_t scratch; /* that the front-end works in */
} quant_front;

/* How the network is used. */
typedef struct quant_use {
    quant_runtime runtime;
    const dsp_config *features; /* NULL: not known; no duty cycle then */
    int frames;                 /* of them from one inference to the next; 0: one */
    const quant_front *front;   /* front-end and post-processing of sotto's; NULL: none */
    int64_t tflite;             /* bytes of the .tflite file; 0: estimated */
    const quant_step *step;     /* steps of the network, with sotto; NULL: whole runs */
} quant_use;

typedef struct quant_layer_estimate {
    int64_t flash; /* weights, tables and constants; code is counted once a model */
    int64_t live;  /* bytes of all values alive while the layer runs, and of its scratch */
    double instructions, ms; /* NAN when not known */
} quant_layer_estimate;

typedef struct quant_estimate {
    int64_t macs;
    int64_t weights, tables, code; /* bytes; of the .tflite file tables are what is no weight */
    int64_t work;                  /* bytes of RAM that are not the caller's */
    double instructions;
    quant_figure flash, ram;             /* bytes, of the net */
    quant_figure whole_flash, whole_ram; /* with front-end and post-processing; NAN: not known */
    quant_figure latency;                /* ms of one inference, or step */
    quant_figure frontend;               /* ms of one frame of features */
    double hop_ms;                       /* from one inference to the next; NAN when not known */
    quant_figure duty;   /* share of that time: inference, and the front-end of its frames where
                          * it is known */
    quant_figure energy; /* uJ of one inference */
    bool fits;           /* flash and RAM of the board hold it, the whole where it is known */
    char why[120];       /* why it does not fit; empty when it does */
    quant_layer_estimate *layer; /* as many as costs has, or the step's; freed by
                                  * quant_estimate_free */
} quant_estimate;

/* Integer front-end and post-processing alone, without a net. RAM is what they keep and work in and
 * the features of an inference in int8; a net may work where they do. */
typedef struct quant_front_cost {
    quant_figure flash, ram; /* bytes; flash NAN where the core's code is not known */
    quant_figure frame;      /* ms of one frame */
    double cycles;           /* of a second of audio */
    double share;            /* of the processor's time */
} quant_front_cost;
quant_front_cost quant_front_estimate(const quant_front *front, const dsp_config *features,
                                      const quant_target *target);

base_status quant_estimate_run(const quant_costs *costs, const quant_target *target, quant_use use,
                               quant_estimate *estimate, base_err *err);
void quant_estimate_free(quant_estimate *estimate);
/* The value of the whole where it is known, else that of the net. */
double quant_whole(quant_figure whole, quant_figure net);

/* Instructions of a layer by a table; NAN when its kernel was never counted. */
double quant_layer_instructions(const quant_layer_cost *layer, const quant_table *table,
                                quant_runtime runtime);

/* The variant of its kernel that a layer runs: "3x3", "flat", or nothing. */
void quant_layer_variant(const quant_layer_cost *layer, char variant[32]);

/* ---- TensorFlow Lite Micro, for estimate.c ---- */

/* Flash and RAM of the network there; code, work and tables of *e too. */
base_status quant_tflm_memory(const quant_costs *costs, const quant_target *target, int64_t tflite,
                              quant_estimate *e, base_err *err);

#endif
