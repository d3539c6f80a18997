/* Named settings of a front-end: those that published models were trained on. */
#include "dsp/dsp.h"

#include <stdlib.h>
#include <string.h>

/* MLPerf Tiny v1.x, keyword spotting reference (get_dataset.py). Speech Commands clips, 1 s. */
static const dsp_config mfcc_49x10 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 30,
    .hop_ms = 20,
    .fft = 512,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_MAGNITUDE,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_MEL,
    .mels = 40,
    .f_lo = 20,
    .f_hi = 4000,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
    .mfcc = 10,
    .dct = DSP_DCT_TF,
    .level = DSP_LEVEL_MAX,
};
/* BC-ResNet (Kim et al., Interspeech 2021) and its repository: torchaudio's MelSpectrogram. */
static const dsp_config logmel_40x101 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 30,
    .hop_ms = 10,
    .fft = 512,
    .window = DSP_WINDOW_HANN,
    .center = 1,
    .spectrum = DSP_SPECTRUM_POWER,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_HZ,
    .mels = 40,
    .f_lo = 0,
    .f_hi = 8000,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
};
/* TC-ResNet (Choi et al., Interspeech 2019) and its repository: tf.contrib.signal. */
static const dsp_config mfcc_40x98 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 30,
    .hop_ms = 10,
    .fft = 512,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_POWER,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_MEL,
    .mels = 64,
    .f_lo = 80,
    .f_hi = 7600,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
    .mfcc = 40,
    .dct = DSP_DCT_TF,
};
/* Tang and Lin (ICASSP 2018) and their repository, honk: librosa's mel spectrogram, 20 Hz to 4 kHz.
 */
static const dsp_config mfcc_40x101 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 30,
    .hop_ms = 10,
    .fft = 480,
    .window = DSP_WINDOW_HANN,
    .center = 1,
    .spectrum = DSP_SPECTRUM_POWER,
    .mel_scale = DSP_SCALE_SLANEY,
    .triangles = DSP_TRIANGLES_HZ,
    .area_norm = 1,
    .mels = 40,
    .f_lo = 20,
    .f_hi = 4000,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
    .mfcc = 40,
    .dct = DSP_DCT_ORTHO,
};
/* MatchboxNet (Majumdar and Ginsburg, Interspeech 2020): torchaudio's MFCC, frames not padded. */
static const dsp_config mfcc_64x98 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 25,
    .hop_ms = 10,
    .fft = 512,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_POWER,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_HZ,
    .mels = 64,
    .f_lo = 0,
    .f_hi = 8000,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
    .mfcc = 64,
    .dct = DSP_DCT_ORTHO,
};
/* SparkNet (Svirsky et al., Interspeech 2024): 32 coefficients every 10 ms; bands as above. */
static const dsp_config mfcc_32x101 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 25,
    .hop_ms = 10,
    .fft = 512,
    .window = DSP_WINDOW_HANN,
    .center = 1,
    .spectrum = DSP_SPECTRUM_POWER,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_HZ,
    .mels = 64,
    .f_lo = 0,
    .f_hi = 8000,
    .floor_kind = DSP_FLOOR_ADD,
    .floor = 1e-6,
    .mfcc = 32,
    .dct = DSP_DCT_ORTHO,
};

/* Hello Edge (Zhang et al., arXiv 1711.07128) for its DNN and its small LSTM and GRU: 40 ms without
 * overlap. TensorFlow's Mfcc operator, which takes the root of the power spectrum it is given. */
static const dsp_config mfcc_25x10 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 40,
    .hop_ms = 40,
    .fft = 1024,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_MAGNITUDE,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_MEL,
    .mels = 40,
    .f_lo = 20,
    .f_hi = 4000,
    .floor_kind = DSP_FLOOR_MAX,
    .floor = 1e-12,
    .mfcc = 10,
    .dct = DSP_DCT_TF,
};
/* Streaming keyword spotting (Rybakov et al., arXiv 2005.06720) and its repository. */
static const dsp_config mfcc_20x49 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 40,
    .hop_ms = 20,
    .fft = 1024,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_MAGNITUDE,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_MEL,
    .mels = 40,
    .f_lo = 20,
    .f_hi = 7600,
    .floor_kind = DSP_FLOOR_MAX,
    .floor = 1e-12,
    .mfcc = 20,
    .dct = DSP_DCT_TF,
};
/* The same source, for its SVDF: twice the bands. */
static const dsp_config mfcc_30x49 = {
    .rate = 16000,
    .samples = 16000,
    .window_ms = 40,
    .hop_ms = 20,
    .fft = 1024,
    .window = DSP_WINDOW_HANN,
    .spectrum = DSP_SPECTRUM_MAGNITUDE,
    .mel_scale = DSP_SCALE_HTK,
    .triangles = DSP_TRIANGLES_MEL,
    .mels = 80,
    .f_lo = 20,
    .f_hi = 7600,
    .floor_kind = DSP_FLOOR_MAX,
    .floor = 1e-12,
    .mfcc = 30,
    .dct = DSP_DCT_TF,
};

static const char *const preset_names[] = {"mfcc_49x10",  "logmel_40x101", "mfcc_40x98",
                                           "mfcc_40x101", "mfcc_64x98",    "mfcc_32x101",
                                           "mfcc_25x10",  "mfcc_20x49",    "mfcc_30x49"};
static const dsp_config *const presets[] = {&mfcc_49x10,  &logmel_40x101, &mfcc_40x98,
                                            &mfcc_40x101, &mfcc_64x98,    &mfcc_32x101,
                                            &mfcc_25x10,  &mfcc_20x49,    &mfcc_30x49};

const char *const *dsp_preset_names(size_t *n)
{
    *n = BASE_COUNT(preset_names);
    return preset_names;
}

base_status dsp_preset(const char *name, dsp_config *cfg, base_err *err)
{
    for (size_t i = 0; i < BASE_COUNT(presets); i++) {
        if (strcmp(name, preset_names[i]) != 0) continue;
        *cfg = *presets[i];
        return BASE_OK;
    }
    base_fail(err, BASE_USAGE, "no feature preset is called '%s'", name);
    const char *near = base_nearest(name, preset_names, BASE_COUNT(preset_names));
    if (near) return base_hint(err, "did you mean '%s'?", near), BASE_USAGE;
    base_str all = {0};
    for (size_t i = 0; i < BASE_COUNT(preset_names); i++)
        base_str_add(&all, "%s%s", i ? ", " : "", preset_names[i]);
    base_hint(err, "presets: %s", all.failed ? "?" : all.s);
    base_str_free(&all);
    return BASE_USAGE;
}

/* The next of "key=value,key=value", which is *at, into cfg. */
static base_status next_key(char **at, dsp_config *cfg, base_err *err)
{
    char *pair = *at, *end = strchr(pair, ','), *value = strchr(pair, '=');
    *at = end ? end + 1 : pair + strlen(pair);
    if (end) *end = '\0';
    if (!value || (end && value > end)) {
        base_fail(err, BASE_USAGE, "features: '%s' is no key=value", pair);
        return base_hint(err, "as in logmel_40x101:mels=20,hop_ms=20");
    }
    *value = '\0';
    return dsp_config_set(cfg, pair, value + 1, err);
}

base_status dsp_variant(const char *text, dsp_config *cfg, base_err *err)
{
    char *copy = base_strdup(text);
    if (!copy) return base_nomem(err, strlen(text));
    char *keys = copy + strcspn(copy, ":");
    if (*keys) *keys++ = '\0';
    dsp_config c;
    base_status status = dsp_preset(copy, &c, err);
    if (status == BASE_OK) c.normalize = cfg->normalize;
    while (status == BASE_OK && *keys) status = next_key(&keys, &c, err);
    if (status == BASE_OK) status = dsp_config_check(&c, err);
    if (status == BASE_OK) *cfg = c;
    free(copy);
    return status;
}

const char *dsp_preset_of(const dsp_config *cfg)
{
    for (size_t i = 0; i < BASE_COUNT(presets); i++)
        if (dsp_config_equal(cfg, presets[i])) return preset_names[i];
    return NULL;
}
