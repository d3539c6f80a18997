/* pipeline: all that a device runs, from samples to words: front-end in integers, net and
 * post-processing. The host computes with the same code (quantize/runtime/).
 */
#ifndef QUANTIZE_PIPELINE_H
#define QUANTIZE_PIPELINE_H

#include "quantize/frontend.h"
#include "quantize/posterior.h"

typedef struct quant_pipeline {
    dsp_config features;
    dsp_fixed *frontend;
    int hop, hop_frames; /* from inference to inference: samples, frames */
    double threshold;    /* 0 .. 1 */
    uint8_t *mute;       /* one a label, of posterior */
    sotto_posterior_t posterior;
} quant_pipeline;

/* BASE_DATA when m has no features or labels, BASE_USAGE when integers cannot compute its features
 * (dsp_fixed_new) or p is wrong (quant_posterior_runtime). Freed with quant_pipeline_free, which
 * takes one of zeros too. */
base_status quant_pipeline_new(const q8_model *m, const quant_posterior *p,
                               quant_pipeline *pipeline, base_err *err);
void quant_pipeline_free(quant_pipeline *pipeline);

/* Whether it can be, for some settings; if not, why. */
bool quant_pipeline_possible(const q8_model *m, base_err *why);

/* Bytes of prefix_t on a 32-bit machine, which a user keeps. */
size_t quant_pipeline_state(const quant_pipeline *pipeline, const q8_model *m);

/* Bytes of the work buffer of exported C whose net works in `net` of them: the front-end works
 * there too. pipeline may be NULL. */
size_t quant_pipeline_work(const quant_pipeline *pipeline, size_t net);

/* Samples from the start of a stream to the end of the first window. */
int quant_pipeline_first(const quant_pipeline *pipeline);

/* m with its pipeline (NULL: the net alone) as C, as q8_emit: macro PREFIX_HOP (samples), type
 * prefix_t, functions prefix_init, prefix_push and prefix_result. */
base_status q8_emit_pipeline(const q8_model *m, const quant_pipeline *pipeline, const char *prefix,
                             base_str *text, base_err *err);

#endif
