/* survey: the clips of a pack or of a folder of words, and what is to be known of each of them, for
 * commands that look at a whole data set (lint, stats, explore).
 */
#ifndef DATA_SURVEY_H
#define DATA_SURVEY_H

#include "data/level.h"

/* A clip, wherever it lies. Indices as in data_clip. */
typedef struct data_recording {
    const char *name; /* "yes/0a7c2a8d_nohash_0.wav" */
    int word, speaker;
    data_split split;
} data_recording;

typedef struct data_recordings data_recordings;
/* A pack, or a folder as sotto data import takes it. BASE_DATA when it is neither. */
base_status data_recordings_open(const char *path, data_recordings **r, base_err *err);
void data_recordings_close(data_recordings *r); /* NULL is fine */
/* All below are thread-safe; strings live as long as the recordings. */
size_t data_recordings_count(const data_recordings *r);
data_recording data_recordings_at(const data_recordings *r, size_t i);
const char *const *data_recordings_words(const data_recordings *r, size_t *n);
const char *const *data_recordings_speakers(const data_recordings *r, size_t *n);

/* Samples of a clip as they would be in a pack. */
typedef struct data_sound {
    int16_t *pcm; /* freed with base_free */
    size_t n;
    int rate, channels; /* of the file */
} data_sound;
/* BASE_DATA when a file cannot be read, or the pack has become shorter. */
base_status data_recordings_read(const data_recordings *r, size_t i, data_sound *sound,
                                 base_err *err);

/* Clip i as `samples` samples, as data_pack_read_clip gives them. */
base_status data_recordings_read_clip(const data_recordings *r, size_t i, size_t samples,
                                      int16_t *pcm, base_err *err);

/* What is known of one clip. */
typedef struct data_facts {
    char *unreadable; /* why; NULL: all below holds */
    size_t samples;
    int rate, channels; /* of the file */
    data_level level;
    uint8_t hash[DATA_HASH_BYTES]; /* as in data_clip */
    dsp_print *prints;             /* NULL: none were asked for, or the clip is too short */
    size_t nprints;
} data_facts;

typedef struct data_survey_options {
    int threads;
    bool prints;              /* fingerprints too */
    const volatile int *stop; /* as in data_import, like the rest */
    void (*progress)(void *ctx, int64_t done, int64_t total);
    void *ctx;
} data_survey_options;

/* *facts: one for each clip; they do not depend on the number of threads. Freed with
 * data_survey_free. */
base_status data_survey_run(const data_recordings *r, const data_survey_options *o,
                            data_facts **facts, base_err *err);
void data_survey_free(data_facts *facts, size_t n); /* NULL is fine */

#endif
