/* stream: a model on recordings that go on and on, as a device hears them: every hop its features
 * of the last window, the net, and the post-processing of the runtime. Then what it found against
 * what was said: false rejections and false alarms.
 */
#ifndef QUANTIZE_STREAM_H
#define QUANTIZE_STREAM_H

#include "quantize/evaluate.h"
#include "quantize/host.h"
#include "quantize/pipeline.h"

/* ---- listening ---- */

typedef struct quant_listener {
    const quant_subject *subject;
    const quant_pipeline *pipeline; /* of an int8 model: features in integers, as on a device; NULL:
                                     * in float */
    int hop;                        /* samples between inferences (quant_posterior_hop) */
    int threads;
    quant_progress progress; /* in inferences; may be NULL */
    void *ctx;
} quant_listener;

/* What a net says of a recording. */
typedef struct quant_heard {
    int classes;
    int rate, hop, window; /* Hz, samples; inference i is there at hop i + window samples */
    int64_t samples, n;    /* of the recording; inferences */
    nn_quant quant;        /* of out */
    int8_t *out;           /* n x classes: an int8 net's outputs; of a float net its scores */
} quant_heard;

/* The quantization of what is heard: that of an int8 model's outputs, or that of scores. */
nn_quant quant_heard_quant(const quant_subject *s);

/* The part of it that a pipeline is for; h: what is known before the first inference. */
base_status quant_hear_device(const quant_listener *l, q8_host *host, const float *pcm,
                              quant_heard *h, base_err *err);

/* pcm: n samples at the rate of the model's features. BASE_DATA when the model has no features or
 * labels, or when there are fewer samples than it wants to see. Does not depend on the number of
 * threads. Free with quant_heard_free. */
base_status quant_hear(const quant_listener *l, const float *pcm, size_t n, quant_heard *h,
                       base_err *err);
void quant_heard_free(quant_heard *h);

typedef struct quant_detection {
    double seconds; /* when it is known: the end of the window of that inference */
    int word;       /* class */
    double score;   /* 0 .. 1 */
} quant_detection;

typedef struct quant_detections {
    quant_detection *list;
    size_t n, cap;
} quant_detections;

/* The runtime on all of it; d->list is replaced, and freed with free(). */
base_status quant_detect(const quant_heard *h, const sotto_posterior_t *t, quant_detections *d,
                         base_err *err);

/* ---- what was said ---- */

typedef struct quant_label {
    double start, end; /* seconds */
    int word;          /* class */
} quant_label;

typedef struct quant_labels {
    quant_label *list; /* by start */
    size_t n;
} quant_labels;

/* Lines "start<tab>end<tab>word" in seconds, as `sotto data stream` and Audacity write them; empty
 * lines and those from '#' on are skipped. BASE_DATA naming file and line: no such line, an end
 * before its start, a word that is no label of m. list is freed with free(). */
base_status quant_labels_read(const char *path, const nn_model *m, quant_labels *labels,
                              base_err *err);

/* A detection is a hit when its word was said: a label with it that no other detection has hit yet
 * and that start <= seconds <= end + tolerance. Every other one is a false alarm: of another word,
 * of the same again, of none. */
typedef struct quant_score {
    int64_t words, hits, false_alarms; /* words: labels of classes that are not mute */
    double false_rejection_rate;       /* 1 - hits / words; NaN without words */
    double false_alarms_per_hour;
    /* (classes + 1) x (classes + 1), or NULL: what was said, the last row nothing; what was
     * detected during it, the last column nothing. A false alarm counts for the last label that it
     * is within. */
    int64_t *confusion;
} quant_score;

/* confusion: zeroed, or NULL. */
base_status quant_score_detections(const quant_heard *h, const sotto_posterior_t *t,
                                   const quant_labels *said, const quant_detections *found,
                                   double tolerance, int64_t *confusion, quant_score *score,
                                   base_err *err);

/* ---- the operating curve ---- */

enum { QUANT_CURVE = 255 };

typedef struct quant_operation {
    double threshold;
    quant_score score;
} quant_operation;

/* The other settings as they are, thresholds 1/256 .. 255/256. */
base_status quant_curve(const quant_heard *h, const sotto_posterior_t *t, const quant_labels *said,
                        double tolerance, quant_operation curve[QUANT_CURVE], base_err *err);

/* The point of the curve with the fewest false rejections (then false alarms, then the lowest
 * threshold) among those with at most so many false alarms an hour; NULL: none. */
const quant_operation *quant_curve_at(const quant_operation curve[QUANT_CURVE], double per_hour);

/* The curve, of a recording in which words were said, as a picture (gnuplot); path as for
 * quant_plot_check. */
base_status quant_plot_curve(const quant_operation curve[QUANT_CURVE], const char *path,
                             base_err *err);

#endif
