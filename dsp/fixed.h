/* fixed: the front-end in integers (quantize/runtime/frontend.h) for a dsp_config: its tables, and
 * the same code as on a device.
 */
#ifndef DSP_FIXED_H
#define DSP_FIXED_H

#include "dsp/dsp.h"
#include "quantize/runtime/frontend.h"

typedef struct dsp_fixed dsp_fixed;

/* BASE_USAGE naming the key when the integer front-end has no such setting: an fft that is no
 * multiple of 4 or has other factors than 2, 3 and 5, preemphasis with center, level with
 * floor_kind = max, too few or too many mels for the fft. cfg is checked as by dsp_config_check.
 * One object is used by one thread at a time. */
base_status dsp_fixed_new(const dsp_config *cfg, dsp_fixed **f, base_err *err);
void dsp_fixed_free(dsp_fixed *f); /* NULL is fine */

/* How a model takes features: int8 = zero + (x - mean) / std / scale. mean and std: one a feature,
 * NULL: 0 and 1. BASE_DATA naming a feature that integers cannot bring there. */
base_status dsp_fixed_input(dsp_fixed *f, const float *mean, const float *std, double scale,
                            int zero, base_err *err);

/* pcm: cfg->samples. out: frames x bins, the features that the integers stand for (not normalized);
 * or a model's input, after dsp_fixed_input. */
void dsp_fixed_features(dsp_fixed *f, const int16_t *pcm, float *out);
void dsp_fixed_run(dsp_fixed *f, const int16_t *pcm, int8_t *out);

/* What a device is given. */
const sotto_frontend_t *dsp_fixed_frontend(const dsp_fixed *f);

/* The members of that struct, in order, as C designators ("bands.fft.n"). */
typedef enum dsp_fixed_type {
    DSP_FIXED_INT, /* int32_t, one */
    DSP_FIXED_U8,  /* arrays of uint8_t, */
    DSP_FIXED_U16, /* uint16_t, */
    DSP_FIXED_I16, /* int16_t, */
    DSP_FIXED_I32, /* int32_t */
} dsp_fixed_type;
typedef struct dsp_fixed_field {
    const char *name;
    dsp_fixed_type type;
    size_t count;     /* of an array; 0: it is NULL */
    const void *data; /* the array, or where the number is */
} dsp_fixed_field;
const dsp_fixed_field *dsp_fixed_fields(const dsp_fixed *f, size_t *n);

#endif
