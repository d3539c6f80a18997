/* stream: clips of a pack as one long recording, for what listens without end. Words lie at random
 * times over background noise that no pause interrupts.
 */
#ifndef DATA_STREAM_H
#define DATA_STREAM_H

#include "data/data.h"

/* Everything is a pure function of these settings and the pack. */
typedef struct data_stream {
    const char *keywords; /* "yes,no": labelled by name; all other words are DATA_UNKNOWN, or where
                           * the split has explicit clips of that, only these */
    data_split split;     /* whose clips, and whose part of the noise recordings */
    double minutes;
    double gap;           /* seconds between two words: uniform in [gap / 2, 3 gap / 2) */
    double snr;           /* dB by which a word is louder than the noise (dsp_active_power) */
    double unknown_share; /* of the words, those that are no keyword */
    uint64_t seed;
} data_stream;
data_stream data_stream_default(void);

typedef struct data_stream_word {
    double start, end; /* seconds: of the clip, which the word is somewhere within */
    const char *word;  /* a keyword or DATA_UNKNOWN; lives as long as the recording */
} data_stream_word;

typedef struct data_stream_result {
    float *pcm; /* at DATA_RATE */
    size_t n;
    data_stream_word *words; /* by start */
    size_t n_words;
    base_arena *arena; /* of everything but pcm */
} data_stream_result;

/* Words are as loud as the median clip of the split, each of them; clips are used up in a random
 * order before one comes again; steps at their ends are smoothed. The noise is of stretches that
 * fade into each other, of one power. BASE_DATA when the split has no clip of a keyword, or of
 * another word where there is to be one. Free with data_stream_free. */
base_status data_stream_make(const data_stream *what, const data_pack *pack, data_stream_result *r,
                             base_err *err);
void data_stream_free(data_stream_result *r);

/* "start<tab>end<tab>word\n", seconds, as Audacity writes labels. */
void data_stream_labels(const data_stream_result *r, base_str *text);

#endif
