/* posterior: how the outputs of a model that listens without end become detections; the settings
 * in milliseconds and as the runtime takes them (quantize/runtime/posterior.h).
 */
#ifndef QUANTIZE_POSTERIOR_H
#define QUANTIZE_POSTERIOR_H

#include "dsp/dsp.h"
#include "quantize/q8.h"
#include "quantize/runtime/posterior.h"

typedef struct quant_posterior {
    double hop_ms;      /* between inferences: whole hops of the features; 0: as many as fit into
                         * 100 ms, at least one */
    double average_ms;  /* scores are averaged over this */
    double threshold;   /* of the average, 0 .. 1 */
    double suppress_ms; /* after a detection there is none for this */
    int min_count;      /* inferences of the average in which the word's score was the largest */
} quant_posterior;

/* What does well on Speech Commands (bench/RESULTS.md). */
quant_posterior quant_posterior_default(void);

/* The samples between inferences of a model with these features. BASE_USAGE naming --hop-ms when
 * they are no whole hops of it. */
base_status quant_posterior_hop(const quant_posterior *p, const dsp_config *features, int *samples,
                                base_err *err);

/* The runtime's settings for a model with these labels; out: the quantization of its outputs, that
 * of scores (scale 1/256, zero point -128) or of logits. Times are rounded to whole inferences,
 * which are hop_ms apart. mute: one a label, kept by t: _silence_ and _unknown_ are. BASE_USAGE
 * naming the option (--threshold, ...), its value and its range. */
base_status quant_posterior_runtime(const quant_posterior *p, double hop_ms, const nn_model *m,
                                    nn_quant out, uint8_t *mute, sotto_posterior_t *t,
                                    base_err *err);

#endif
