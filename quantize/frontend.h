/* frontend: the integer front-end (dsp/fixed.h) of an int8 model: on the host as on a device. */
#ifndef QUANTIZE_FRONTEND_H
#define QUANTIZE_FRONTEND_H

#include "dsp/fixed.h"
#include "quantize/q8.h"

/* From samples to the int8 input of m, by its features, their mean and std and the quantization of
 * its input. BASE_DATA when m has no features, BASE_USAGE when integers cannot compute them. Freed
 * with dsp_fixed_free. */
base_status q8_frontend_new(const q8_model *m, dsp_fixed **f, base_err *err);

/* C: its tables, `static const sotto_frontend_t PREFIX_frontend` and macros PREFIX_RATE (Hz),
 * PREFIX_FRAME_HOP (samples), PREFIX_FRAMES, PREFIX_BINS, PREFIX_CLIP_SAMPLES,
 * PREFIX_FRONTEND_MEMORY and PREFIX_FRONTEND_SCRATCH (int32_t). quantize/runtime/frontend.h stands
 * before it. */
base_status q8_emit_frontend(const q8_model *m, const char *prefix, base_str *out, base_err *err);
/* The same for settings without a model. */
void q8_put_frontend(const dsp_config *cfg, const dsp_fixed *f, const char *prefix, base_str *out);

#endif
