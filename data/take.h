/* take: one recording of a word: is it good enough, where is the word in it, and its file. */
#ifndef DATA_TAKE_H
#define DATA_TAKE_H

#include "data/level.h"

/* What is wrong with a take: the first that holds. */
typedef enum data_fault {
    DATA_TAKE_GOOD,
    DATA_TAKE_SILENT,  /* loudest 10 ms below -50 dBFS: is the microphone on? */
    DATA_TAKE_NO_WORD, /* nothing stands out of the noise (data_level) */
    DATA_TAKE_CLIPPED, /* 0.1 % of the samples or more in flat tops */
    DATA_TAKE_QUIET,   /* peak below -26 dBFS */
    DATA_TAKE_NOISY,   /* SNR below what is wanted */
    DATA_TAKE_CUT,     /* the word begins in the first or ends in the last 20 ms */
    DATA_TAKE_LONG,    /* the word is longer than a second */
    DATA_FAULTS,
} data_fault;
const char *data_fault_name(data_fault f);   /* "clipped" */
const char *data_fault_advice(data_fault f); /* "speak softer, or turn the gain down" */

/* What is wrong with a recording of this length and level. snr: the least, dB. */
data_fault data_fault_of(const data_level *l, double seconds, double snr);

/* First of the n samples of the second (DATA_RATE samples) that has the word of a recording in its
 * middle, as far as the recording reaches; 0 when it is no longer than that. */
size_t data_take_start(const data_level *l, size_t n);

/* Write pcm as dir/<word>/<speaker>_nohash_<i>.wav with the first number i that is free, whole or
 * not at all; nothing is ever written over. *name: what comes after dir/, freed with free(). */
base_status data_take_save(const char *dir, const char *word, const char *speaker,
                           const int16_t *pcm, size_t n, char **name, base_err *err);
/* BASE_USAGE when this cannot be the speaker in a file name: empty, with '/' or "_nohash_", or with
 * a '.' in front. */
base_status data_take_speaker(const char *speaker, base_err *err);

#endif
