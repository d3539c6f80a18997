/* pipeline: all that a device runs, from samples to words: front-end in integers, net and
 * post-processing. The host computes with the same code (quantize/runtime/).
 */
#ifndef QUANTIZE_PIPELINE_H
#define QUANTIZE_PIPELINE_H

#include "quantize/estimate.h"
#include "quantize/frontend.h"
#include "quantize/posterior.h"

typedef struct quant_pipeline {
    dsp_config features;
    const q8_stream *stream; /* borrowed; NULL: the net runs on whole windows */
    dsp_fixed *frontend;
    int hop;                     /* samples from inference to inference, */
    int hop_frames, first_frame; /* frames, and before the first inference */
    double threshold;            /* 0 .. 1 */
    uint8_t *mute;               /* one a label, of posterior */
    sotto_posterior_t posterior;
} quant_pipeline;

/* stream: steps of m that the net goes by, which decide the hop (p->hop_ms is 0 or that); may be
 * NULL. BASE_DATA when m has no features or labels; BASE_USAGE when integers cannot compute its
 * features (dsp_fixed_new), p is wrong (quant_posterior_runtime), or features have a level, which
 * would change frames that steps have taken. Freed with quant_pipeline_free, which takes one of
 * zeros too. */
base_status quant_pipeline_new(const q8_model *m, const quant_posterior *p, const q8_stream *stream,
                               quant_pipeline *pipeline, base_err *err);
void quant_pipeline_free(quant_pipeline *pipeline);

/* Whether it can be, for some settings and whole windows; if not, why. */
bool quant_pipeline_possible(const q8_model *m, base_err *why);

/* Bytes of prefix_t on a 32-bit machine, which a user keeps. */
size_t quant_pipeline_state(const quant_pipeline *pipeline, const q8_model *m);

/* Bytes of the buffer, besides, of exported C whose net works in `net` of them: the front-end works
 * there too. pipeline may be NULL. */
size_t quant_pipeline_work(const quant_pipeline *pipeline, size_t net);

/* What stands around a net of so many classes, whose scores are averaged over `window` inferences.
 * BASE_USAGE as dsp_fixed_new. */
base_status quant_front_of(const dsp_config *features, int classes, int window, quant_front *front,
                           base_err *err);

/* Samples from the start of a stream to the first inference. */
int quant_pipeline_first(const quant_pipeline *pipeline);

#endif
