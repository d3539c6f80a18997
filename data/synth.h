/* synth: spoken words without recordings. Every English voice of espeak-ng and flite is a speaker;
 * it says every word at a rate and pitch of its own, and the clips are laid out as Speech Commands
 * lays them out, so that import, splits and training see nothing unusual.
 *
 *   <word>/<8 hex digits>_nohash_<n>.wav    1 s at 16 kHz, the word somewhere inside it
 *   _background_noise_/<kind>.wav           white, pink, brown, hum and babble
 *
 * The synthesizers are programs, run here; what they give depends on their version, all else on the
 * seed alone.
 */
#ifndef DATA_SYNTH_H
#define DATA_SYNTH_H

#include "nn/base.h"

typedef struct data_synth {
    const char *const *words;   /* said by every speaker, n_words of them */
    const char *const *unknown; /* said for _unknown_: a share of them by each speaker; may be 0 */
    size_t n_words, n_unknown;
    int speakers; /* at least 3 */
    int clips;    /* of a word by one speaker, each at another rate and pitch */
    int threads;
    uint64_t seed;
    const volatile int *stop; /* when it becomes nonzero: BASE_INTERRUPTED; may be NULL */
    void (*progress)(void *ctx, int64_t done, int64_t total); /* calling thread; may be NULL */
    void *ctx;
} data_synth;

typedef struct data_synth_result {
    int64_t clips, speakers, noises;
    int64_t espeak, flite; /* speakers from each program; 0: it is not installed */
    int64_t split[3];      /* speakers in training, validation, test (data_which_set) */
} data_synth_result;

/* The default words: yes no up down left right go stop, and twenty other words for _unknown_. */
const char *const *data_synth_words(size_t *n);
const char *const *data_synth_unknown(size_t *n);

/* Make the folder `dir`, whole or not at all: it appears when everything in it is complete. It may
 * exist already when it is empty. BASE_USAGE: dir is not empty, a word that cannot name a folder
 * or occurs twice. BASE_FAILED: neither program is installed, or they cannot be run. */
base_status data_synth_run(const data_synth *what, const char *dir, data_synth_result *result,
                           base_err *err);

#endif
