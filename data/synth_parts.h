/* synth_parts: the pieces of synth.h: voices, takes of words, clips, noises. */
#ifndef DATA_SYNTH_PARTS_H
#define DATA_SYNTH_PARTS_H

#include "nn/base.h"

enum { DATA_SYNTH_RATE = 16000, DATA_SYNTH_SAMPLES = 16000, DATA_SYNTH_NOISE_SECONDS = 40 };

/* ---- voices ---- */

/* What makes a voice recognisable: a variant of espeak-ng or a voice of flite. */
typedef struct data_timbre {
    bool flite;
    char name[48]; /* "" is espeak-ng without a variant */
} data_timbre;

typedef struct data_voices {
    data_timbre *timbres; /* in a fixed order: espeak-ng's by name, then flite's */
    size_t n_timbres, timbres_cap;
    char (*accents)[48]; /* voice files of espeak-ng ("gmw/en-US"), by name */
    size_t n_accents, accents_cap;
    bool espeak, flite; /* whether there are voices of this program */
} data_voices;

/* Ask the programs for their voices, except those that whisper or cannot be understood.
 * BASE_FAILED with the packages to install when there is none. */
base_status data_voices_find(data_voices *voices, base_err *err);
void data_voices_free(data_voices *voices);

/* How something is said. */
typedef struct data_voice {
    const data_timbre *timbre;
    const char *accent; /* of espeak-ng; NULL for flite */
    double pitch;       /* 0 .. 1, low to high */
    double rate;        /* 1 is the program's usual tempo */
    double size;        /* scales pitch and formants together, like a smaller or larger head */
} data_voice;

/* Samples at DATA_SYNTH_RATE without the silence around them; freed with base_free. */
typedef struct data_take {
    float *pcm;
    size_t n;
} data_take;

/* Say each of n texts (letters, digits, ' and spaces) into takes[0..n-1], which the caller releases
 * with data_takes_free, also after a failure. scratch is the name of a wav that may be overwritten.
 * stop may be NULL. */
base_status data_voice_say(const data_voice *voice, const char *const *texts, size_t n,
                           const char *scratch, const volatile int *stop, data_take *takes,
                           base_err *err);
/* When take, of that text, is longer than `samples`: say it again, faster, until it is not.
 * BASE_USAGE when that does not help. */
base_status data_voice_say_within(const data_voice *voice, const char *text, size_t samples,
                                  const char *scratch, const volatile int *stop, data_take *take,
                                  base_err *err);
void data_takes_free(data_take *takes, size_t n);

/* ---- clips ---- */

typedef struct data_span {
    size_t first, n; /* samples */
} data_span;

/* Where pcm is louder than -48 dB of its maximum, with 20 ms around it. Pauses shorter than `pause`
 * seconds belong to a span. At most max spans are written; the result counts all of them. */
size_t data_synth_spans(const float *pcm, size_t n, int rate, double pause, data_span *spans,
                        size_t max);

/* One second with the take inside it: its maximum at `level`, wholly inside and near the middle,
 * over a faint noise of RMS `floor`. take->n <= DATA_SYNTH_SAMPLES. */
void data_synth_place(const data_take *take, double level, double floor, base_rng *rng,
                      float clip[DATA_SYNTH_SAMPLES]);

/* Write a 16-bit mono wav without waiting for the disk. */
base_status data_synth_write(const char *path, const float *pcm, size_t n, base_err *err);

/* ---- noises ---- */

typedef enum data_noise_kind {
    DATA_NOISE_WHITE, /* flat */
    DATA_NOISE_PINK,  /* -3 dB an octave from 20 Hz */
    DATA_NOISE_BROWN, /* -6 dB an octave from 20 Hz */
    DATA_NOISE_HUM,   /* mains: 50 Hz, in the second half 60 Hz, with harmonics */
    DATA_NOISE_KINDS,
} data_noise_kind;
const char *data_noise_name(data_noise_kind kind); /* "white_noise" */

/* n samples of noise with RMS 0.1 and no sample beyond 1. */
void data_noise_make(data_noise_kind kind, uint64_t seed, float *pcm, size_t n);
/* Scale to that RMS, less where a sample would exceed 1. */
void data_noise_normalize(float *pcm, size_t n);

#endif
