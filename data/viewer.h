/* viewer: how clips are looked at on pages: log-mel bands of every 10 ms (logmel_40x101), whatever
 * a model takes.
 */
#ifndef DATA_VIEWER_H
#define DATA_VIEWER_H

#include "data/data.h"

typedef struct data_viewer {
    size_t samples; /* of a clip */
    int frames, bins;
    int16_t *pcm;     /* samples: the clip, put here by the caller */
    float *features;  /* frames x bins, ln of power */
    float *picture;   /* bins x frames, for page_picture */
    float *clip;      /* scratch */
    dsp_frontend *fe; /* of one thread at a time */
} data_viewer;

base_status data_viewer_open(data_viewer *v, int samples, base_err *err);
void data_viewer_close(data_viewer *v); /* a zeroed one is fine */
void data_viewer_look(data_viewer *v);  /* features and picture of pcm */

#endif
