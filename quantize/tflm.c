/* A network as a .tflite file under TensorFlow Lite Micro with CMSIS-NN.
 *
 * Flash  the file + the code of the interpreter, the operators and the kernels.
 * Arena  values and scratch as they live, input and output included, + what stays: 8 bytes a
 *        channel (multiplier and shift) and LAYER_ARENA a layer (its node, its tensors).
 */
#include "quantize/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* what sotto export writes: */
    CHANNEL_FILE = 28, /* int32 bias; scale and int64 zero point of weights and of bias */
    LAYER_FILE = 260,  /* operator, tensors, names */
    FILE_BASE = 5100,
    CHANNEL_ARENA = 8,
    LAYER_ARENA = 220,  /* 192 in MLPerf Tiny's DS-CNN (22,820 bytes in all), 249 in person_detect
                         * (84,436, tflite-micro's README) */
    MVE_CHANNELS = 124, /* channels that CMSIS-NN's depthwise kernel unrolls with MVE */
    ALIGN = 16,
};
static const double FILE_ERROR = 5, ARENA_ERROR = 10; /* percent */

/* Bytes that CMSIS-NN works in for a layer. */
static int64_t scratch_of(const quant_layer_cost *c, bool mve)
{
    const int64_t taps = (int64_t)c->kernel_h * c->kernel_w;
    if (c->kind == QUANT_CONV && taps > 1 && c->outputs > 0)
        return 4 * c->macs / c->outputs; /* two patches of 16 bits, or four of 8 */
    if (c->kind == QUANT_DEPTHWISE && mve) return 4 * MVE_CHANNELS * taps;
    return 0;
}

/* Values and scratch alive at once, at most. */
static base_status peak(const quant_costs *costs, bool mve, int64_t *bytes, base_err *err)
{
    int64_t *live = calloc((size_t)costs->n, sizeof *live);
    if (!live) return base_nomem(err, (size_t)costs->n * sizeof *live);
    base_status status = quant_live_of(costs, live, err);
    *bytes = 0;
    for (int i = 0; i < costs->n && status == BASE_OK; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        const int64_t n = live[i] - c->scratch + scratch_of(c, mve);
        *bytes = n > *bytes ? n : *bytes;
    }
    free(live);
    return status;
}

base_status quant_tflm_memory(const quant_costs *costs, const quant_target *target, int64_t tflite,
                              quant_estimate *e, base_err *err)
{
    const quant_core *core = &target->core;
    int64_t bytes = 0, channels = 0;
    BASE_TRY(peak(costs, strstr(core->cmsis_isa, "mve") != NULL, &bytes, err));
    for (int i = 0; i < costs->n; i++) channels += costs->layer[i].channels;
    const double file = tflite > 0 ? (double)tflite
                                   : (double)(e->weights + CHANNEL_FILE * channels +
                                              LAYER_FILE * (int64_t)costs->n + FILE_BASE);
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN + CHANNEL_ARENA * channels +
            LAYER_ARENA * (int64_t)(costs->n - 1);
    e->work = bytes;
    e->ram = (quant_figure){(double)bytes, ARENA_ERROR, QUANT_INFERRED};
    e->code = (int64_t)core->tflm_code;
    e->tables = (int64_t)file - e->weights;
    if (core->tflm_code <= 0) {
        e->flash = (quant_figure){(double)NAN, (double)NAN, QUANT_UNKNOWN};
        return BASE_OK;
    }
    const double flash = file + core->tflm_code;
    const double unsure =
        hypot(core->tflm_error * core->tflm_code, tflite > 0 ? 0 : FILE_ERROR * file);
    e->flash = (quant_figure){flash, unsure / flash, QUANT_MEASURED};
    return BASE_OK;
}
