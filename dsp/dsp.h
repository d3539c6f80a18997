/* dsp: arrays in, arrays out. A clip of samples becomes a matrix of features (log-mel or MFCC),
 * described by one dsp_config; audio files become clips; clips and features are augmented.
 *
 * Samples are float in [-1, 1]. Features are time-major: out[t * bins + k], t = frame, k = band or
 * coefficient, and everything a model needs to repeat them is the text of its dsp_config.
 * A front-end computes, in this order (bracketed steps are optional):
 *   [level] -> [pre-emphasis] -> frames -> window -> |FFT| or |FFT|^2 -> mel -> ln -> [DCT] ->
 *   [(x - mean) / std]
 * Conventions follow TensorFlow's tf.signal and torchaudio, which the published recipes use.
 */
#ifndef DSP_DSP_H
#define DSP_DSP_H

#include "nn/base.h"

/* ---- description of features ---- */

typedef enum dsp_window {
    DSP_WINDOW_HANN,           /* periodic: 0.5 - 0.5 cos(2 pi n / N) */
    DSP_WINDOW_HANN_SYMMETRIC, /* 0.5 - 0.5 cos(2 pi n / (N - 1)) */
    DSP_WINDOW_HAMMING,        /* symmetric: 0.54 - 0.46 cos(2 pi n / (N - 1)) */
    DSP_WINDOW_RECT,
} dsp_window;
typedef enum dsp_spectrum { DSP_SPECTRUM_MAGNITUDE, DSP_SPECTRUM_POWER } dsp_spectrum;
typedef enum dsp_scale {
    DSP_SCALE_HTK,    /* 2595 log10(1 + f / 700) */
    DSP_SCALE_SLANEY, /* linear below 1 kHz, logarithmic above (Auditory Toolbox) */
} dsp_scale;
typedef enum dsp_triangles {
    DSP_TRIANGLES_MEL, /* sides straight over mel (tf.signal) */
    DSP_TRIANGLES_HZ,  /* sides straight over Hz (torchaudio, librosa) */
} dsp_triangles;
typedef enum dsp_floor { DSP_FLOOR_ADD, DSP_FLOOR_MAX } dsp_floor; /* ln(x + v), ln(max(x, v)) */
typedef enum dsp_dct {
    DSP_DCT_ORTHO, /* orthonormal DCT-II: sqrt(2/M), coefficient 0 sqrt(1/M) */
    DSP_DCT_TF,    /* tf.signal.mfccs: sqrt(2/M) for every coefficient */
} dsp_dct;
typedef enum dsp_level { DSP_LEVEL_NONE, DSP_LEVEL_MAX } dsp_level;
typedef enum dsp_normalize { DSP_NORMALIZE_NONE, DSP_NORMALIZE_FEATURE } dsp_normalize;
typedef enum dsp_arithmetic { DSP_FRONTEND_FLOAT, DSP_FRONTEND_FIXED } dsp_arithmetic;

/* Each member is one key of the same name (enumerations by their lower-case last word; area_norm
 * and center are yes or no). Enumerated members are int so that one table can reach all of them. */
typedef struct dsp_config {
    int rate;           /* Hz */
    int samples;        /* length of a clip, samples */
    double window_ms;   /* rounded to whole samples */
    double hop_ms;      /* rounded to whole samples */
    int fft;            /* points; at least the window, which is zero-padded to it. With center the
                         * window lies in the middle of the FFT frame, else at its start (phase only:
                         * features do not depend on it) */
    int window;         /* dsp_window */
    int center;         /* yes: frame t is centred on sample t * hop, the clip reflected at its ends
                         * (edge sample not repeated), 1 + samples / hop frames. No: frame t starts
                         * at sample t * hop, 1 + (samples - window) / hop frames */
    int spectrum;       /* dsp_spectrum */
    int mel_scale;      /* dsp_scale */
    int triangles;      /* dsp_triangles; the bin at 0 Hz never counts */
    int area_norm;      /* yes: each triangle divided by half its width in Hz (Slaney) */
    int mels;           /* bands */
    double f_lo, f_hi;  /* Hz: lower edge of the first, upper edge of the last band */
    int floor_kind;     /* dsp_floor */
    double floor;       /* v > 0 */
    int mfcc;           /* coefficients kept, from 0 on; 0: no DCT, features are log-mel */
    int dct;            /* dsp_dct */
    double preemphasis; /* a: y[i] = x[i] - a x[i-1], x[-1] = 0; 0 is none */
    int level;          /* dsp_level; max: the clip divided by its (signed) maximum as MLPerf Tiny
                         * does. A clip whose maximum is not above 0 stays as it is */
    int normalize;      /* dsp_normalize; feature: mean and std of each bin are given apart */
    int frontend;       /* dsp_arithmetic; fixed: samples are rounded to 16 bits and features are
                         * what the integers of a device stand for (dsp/fixed.h) */
} dsp_config;

/* Fill cfg from a named preset: mfcc_49x10 (MLPerf Tiny keyword spotting), logmel_40x101
 * (BC-ResNet), mfcc_40x98 (TC-ResNet, TENet), mfcc_40x101 (res8, res15), mfcc_64x98 (MatchboxNet),
 * mfcc_32x101 (SparkNet), mfcc_25x10 (Hello Edge's DNN), mfcc_20x49 and mfcc_30x49 (streaming
 * keyword spotting, arXiv 2005.06720). BASE_USAGE with the nearest name when unknown. */
base_status dsp_preset(const char *name, dsp_config *cfg, base_err *err);
/* The names, *n of them; static storage. */
const char *const *dsp_preset_names(size_t *n);
/* The preset that equals cfg in every key, or NULL. */
const char *dsp_preset_of(const dsp_config *cfg);

/* A preset with some keys changed, as "PRESET:key=value,key=value", or a preset alone. normalize,
 * which no preset has, stays as it is in *cfg unless it is among the keys. The result passes
 * dsp_config_check. BASE_USAGE as above and below; cfg is unchanged on failure. */
base_status dsp_variant(const char *text, dsp_config *cfg, base_err *err);

/* Set one key from text. BASE_USAGE: unknown key (hint: the nearest), value not of its kind or out
 * of its range (message names both). cfg is unchanged on failure. Keys are checked against each
 * other by dsp_config_check only. */
base_status dsp_config_set(dsp_config *cfg, const char *key, const char *value, base_err *err);

/* All keys as "key = value\n" lines in a fixed order; reading it back gives an equal cfg. This text
 * is what model files keep. */
void dsp_config_print(const dsp_config *cfg, base_str *out);

/* The inverse: every key must be there exactly once (but frontend, which is float where it is
 * absent), blank lines and '#' lines are skipped, and the result passes dsp_config_check. BASE_DATA
 * naming line and key. */
base_status dsp_config_parse(const char *text, dsp_config *cfg, base_err *err);

/* All keys equal. */
bool dsp_config_equal(const dsp_config *a, const dsp_config *b);
/* The first key in which they differ ("hop_ms: 20 here, 10 there"), or nothing when equal. */
void dsp_config_diff(const dsp_config *a, const dsp_config *b, base_str *out);

/* BASE_USAGE unless the keys make sense together: window within fft, at least one frame, hop of at
 * least a sample, bands inside 0 .. rate/2 and none without an FFT bin, mfcc <= mels. */
base_status dsp_config_check(const dsp_config *cfg, base_err *err);

/* Rows and columns of the feature matrix; cfg must pass dsp_config_check. */
void dsp_config_shape(const dsp_config *cfg, int *frames, int *bins);
/* Window and hop in samples. */
int dsp_config_window(const dsp_config *cfg);
int dsp_config_hop(const dsp_config *cfg);

/* Lower and upper edge of a mel band, Hz. */
void dsp_config_band(const dsp_config *cfg, int band, double *lo, double *hi);

/* For help texts and INI files: key i (NULL past the last), what it means, and what it takes
 * ("hann|hann_symmetric|hamming|rect", "1000 .. 192000"). */
const char *dsp_config_key(size_t i);
const char *dsp_config_help(size_t i);
void dsp_config_takes(size_t i, base_str *out);

/* ---- computing features ---- */

typedef struct dsp_frontend dsp_frontend;

/* Tables and scratch for cfg; BASE_USAGE as dsp_fixed_new with frontend = fixed. mean and std: bins
 * values each, copied, std > 0; required exactly with normalize = feature, else NULL. One front-end
 * is used by one thread at a time; making and freeing them is thread-safe. Free with
 * dsp_frontend_free. */
base_status dsp_frontend_new(const dsp_config *cfg, const float *mean, const float *std,
                             dsp_frontend **fe, base_err *err);
void dsp_frontend_free(dsp_frontend *fe); /* NULL is fine */

/* pcm: cfg->samples values; out: frames x bins. Allocates nothing; the result depends on pcm and
 * cfg only. */
void dsp_frontend_run(dsp_frontend *fe, const float *pcm, float *out);
const dsp_config *dsp_frontend_config(const dsp_frontend *fe);

/* What a run is made of, for benches and for front-ends that run elsewhere. window: length values,
 * mel: mels x (fft/2 + 1), dct: mfcc x mels. Row-major, unpadded; each may be NULL. */
void dsp_tables(const dsp_config *cfg, double *window, double *mel, double *dct);

/* ---- audio files ---- */

typedef struct dsp_audio {
    float *pcm;            /* mono */
    size_t n;              /* samples */
    int rate;              /* Hz */
    int source_rate;       /* what the file had: Hz, */
    int source_channels;   /* channels, */
    int64_t source_frames; /* samples per channel */
} dsp_audio;

/* Read a file that libsndfile knows (wav, flac, ...), average its channels, resample to rate
 * (0: keep). BASE_DATA naming the file and the reason: missing, not audio, damaged or truncated,
 * without samples, samples that are not finite, longer than max_seconds; the source members are
 * then what the file's header says (frames -1: nothing) or 0 when it has none, and there is nothing
 * to free. dsp_audio_free frees. */
base_status dsp_audio_read(const char *path, int rate, double max_seconds, dsp_audio *audio,
                           base_err *err);
void dsp_audio_free(dsp_audio *audio); /* zeroes; safe twice */

/* Write n samples as a mono 16-bit wav, whole or not at all; clipped to [-1, 1). */
base_status dsp_audio_write(const char *path, int rate, const float *pcm, size_t n, base_err *err);

/* int16 <-> float by 1/32768; to_pcm16 rounds to nearest and clips. The round trip of int16 is
 * exact. */
void dsp_from_pcm16(float *out, const int16_t *in, size_t n);
void dsp_to_pcm16(int16_t *out, const float *in, size_t n);

/* n samples at rate `from` to round(n * to / from) samples at rate `to`, band-limited
 * (libsamplerate, sinc, 97 dB). Rates at most a factor 256 apart. *out is freed with base_free. */
base_status dsp_resample(const float *in, size_t n, int from, int to, float **out, size_t *n_out,
                         base_err *err);

/* ---- augmentation ---- */

/* out[i] = in[i - shift], zero where that is outside; out and in do not overlap. */
void dsp_shift(float *out, const float *in, size_t n, int shift);
/* pcm[i] += gain * noise[i] */
void dsp_mix(float *pcm, const float *noise, float gain, size_t n);
/* pcm[i] *= gain */
void dsp_gain(float *pcm, float gain, size_t n);
/* Clamp to [-1, 1]. */
void dsp_clamp(float *pcm, size_t n);

double dsp_energy(const float *pcm, size_t n); /* sum of squares */
/* Mean square of what is loud in a clip: of its whole blocks of `block` samples that lie within
 * 30 dB of the loudest, so that pauses around a word do not count. 0 when the clip is silent or
 * shorter than a block. */
double dsp_active_power(const float *pcm, size_t n, size_t block);
/* The gain at which noise has snr_db less power (mean square of its n samples) than
 * dsp_active_power(pcm, n, block); 0 when one of the two has none. */
float dsp_snr_gain(const float *pcm, const float *noise, size_t n, size_t block, double snr_db);

/* Change of speed (tempo and pitch together) by whole percents in [lo, hi], 50 <= lo <= hi <= 200:
 * windowed-sinc filters made once, then shared by threads. */
typedef struct dsp_speed dsp_speed;
base_status dsp_speed_new(int lo, int hi, dsp_speed **speed, base_err *err);
void dsp_speed_free(dsp_speed *speed);
/* out[i] = in at n/2 + (i - n/2) * percent / 100, zero outside: the middle stays where it is, the
 * length stays n. percent is brought into [lo, hi]; 100 copies. out and in do not overlap. */
void dsp_speed_run(const dsp_speed *speed, int percent, float *out, const float *in, size_t n);

/* A shoebox room, one source and one microphone in it; metres and seconds. */
typedef struct dsp_room {
    double size[3], source[3], microphone[3];
    double rt60; /* time in which sound decays by 60 dB (T30: twice that from -5 to -35 dB) */
} dsp_room;
/* A room as homes and offices have them: 3 .. 8 by 3 .. 6 by 2.4 .. 3.5 m, source and microphone at
 * least 0.5 m from its walls and from each other, rt60 in [rt60_lo, rt60_hi]; all uniform. */
dsp_room dsp_room_draw(double rt60_lo, double rt60_hi, base_rng *rng);
/* Its impulse response as n samples from the arrival of the direct sound on, by images of the
 * source (Allen & Berkley, JASA 65(4), 1979) to the nearest sample, with their high-pass filter at
 * rate / 160 Hz. All walls absorb alike, as much as rt60 asks for (Lehmann & Johansson, JASA
 * 124(1), 2008). The direct sound has size 1 before the filter. BASE_USAGE: source or microphone
 * outside of the room or at the same place, rt60 not above 0. */
base_status dsp_room_response(const dsp_room *room, int rate, float *h, size_t n, base_err *err);

/* One impulse response. */
typedef struct dsp_rir {
    const float *h;
    size_t n, direct; /* samples; where the direct sound is, below n */
} dsp_rir;
/* Where the direct sound of a recorded response is taken to be: its (first) largest sample. */
size_t dsp_rir_direct(const float *h, size_t n);

/* Responses made ready for clips of `samples` samples, then shared by threads. count >= 1; what
 * lies more than `samples` before or after the direct sound is cut off. Free with dsp_rirs_free. */
typedef struct dsp_rirs dsp_rirs;
base_status dsp_rirs_new(const dsp_rir *list, size_t count, size_t samples, dsp_rirs **rirs,
                         base_err *err);
void dsp_rirs_free(dsp_rirs *rirs); /* NULL is fine */
size_t dsp_rirs_count(const dsp_rirs *rirs);
/* What one thread convolves with; rirs must outlive it. */
typedef struct dsp_reverb dsp_reverb;
base_status dsp_reverb_new(const dsp_rirs *rirs, dsp_reverb **reverb, base_err *err);
void dsp_reverb_free(dsp_reverb *reverb); /* NULL is fine */
/* pcm (`samples` of them) becomes pcm * response `which` < count, the direct sound where it was,
 * cut to its length and scaled to the energy that it had. */
void dsp_reverb_run(dsp_reverb *reverb, size_t which, float *pcm);

/* SpecAugment (Park et al., Interspeech 2019) without warping: time_masks blocks of frames and
 * freq_masks blocks of bins are set to value. Widths are uniform integers in [0, width), starts
 * uniform over where the block fits; widths beyond the matrix are cut to it. */
typedef struct dsp_mask {
    int time_masks, time_width; /* frames */
    int freq_masks, freq_width; /* bins */
    float value;
} dsp_mask;
void dsp_spec_mask(float *features, int frames, int bins, const dsp_mask *mask, base_rng *rng);

/* ---- fingerprints ---- */

enum { DSP_PRINT_RATE = 16000, DSP_PRINT_HOP = 160, DSP_PRINT_WEAK = 3 };

/* One frame of a fingerprint (Haitsma and Kalker, ISMIR 2002): where bands rise against their
 * neighbours and the frame before. Two recordings of the same sound agree in most bits, whatever
 * their gain; of different sounds about half are equal. */
typedef struct dsp_print {
    uint32_t bits;
    uint8_t weak[DSP_PRINT_WEAK]; /* the bits that would change most easily, the first first */
    bool loud;                    /* within 20 dB of the loudest frame: the others are noise */
} dsp_print;

/* Made for clips at DSP_PRINT_RATE; used by one thread at a time, made and freed by any. */
typedef struct dsp_fingerprint dsp_fingerprint;
base_status dsp_fingerprint_new(dsp_fingerprint **f, base_err *err);
void dsp_fingerprint_free(dsp_fingerprint *f); /* NULL is fine */
/* Frames of a clip: of 128 ms, DSP_PRINT_HOP samples apart, but the first. */
size_t dsp_fingerprint_frames(size_t samples);
/* out, and loudness for scratch: dsp_fingerprint_frames(samples) each. */
void dsp_fingerprint_run(dsp_fingerprint *f, const int16_t *pcm, size_t samples, float *loudness,
                         dsp_print *out);

#endif
