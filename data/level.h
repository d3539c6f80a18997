/* level: how loud a clip is, where its word lies in it, and what is wrong with its samples. Pure
 * functions of 16-bit samples at DATA_RATE. Levels are in dB of full scale (dBFS): 0 is the power
 * of a signal that is always at its largest value; a sine at full scale has -3.
 */
#ifndef DATA_LEVEL_H
#define DATA_LEVEL_H

#include "data/data.h"

enum { DATA_BLOCK = DATA_RATE / 100 }; /* powers are taken of blocks of 10 ms */
#define DATA_LEAST_DB (-120.0)         /* instead of minus infinity */

typedef struct data_level {
    double peak;     /* largest size of a sample, 0 .. 1 */
    double mean;     /* DC offset, -1 .. 1; what follows is without it */
    double clipped;  /* share of samples in flat tops: 3 or more equal ones at the clip's highest
                      * or lowest value, where that is beyond 0.1 */
    double rms_db;   /* of the whole clip */
    double loud_db;  /* the loudest block */
    double noise_db; /* the block that 10 % are quieter than, all-zero blocks apart */
    double snr_db;   /* speech over noise; 0 when there is no speech */
    /* Of blocks after pre-emphasis (x[i] - 0.97 x[i - 1]), so that hum and rumble hide nothing: */
    double rise;       /* the loudest over the noise, dB */
    double head, tail; /* the louder of the first two, of the last two, to the loudest, dB, <= 0 */
    double start, end; /* seconds: of the first and last run of 3 blocks that stand out, 9 dB above
                        * the noise and within 30 dB of the loudest; equal when there is none */
} data_level;

/* pcm: n samples. powers: 3 * (n / DATA_BLOCK) numbers of scratch. */
data_level data_level_of(const int16_t *pcm, size_t n, double *powers);

#endif
