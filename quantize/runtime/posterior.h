/* posterior: from what a net says, inference after inference, to words that were spoken. The scores
 * of the last inferences are averaged (posterior smoothing: Chen, Parada & Heigold,
 * "Small-footprint keyword spotting using deep neural networks", ICASSP 2014; used on
 * microcontrollers by Zhang et al., "Hello Edge", arXiv 1711.07128). A word is detected when its
 * average is the largest of all classes and at least the threshold, when it was the largest in
 * enough of these inferences, and when no detection came shortly before (suppression): the four
 * settings of TensorFlow's RecognizeCommands. A class that is mute (silence, other words) takes
 * part in the averages, but is never detected.
 *
 * Times are counted in inferences, scores in 1/256: 0 .. 255. Averages are sums that are kept up to
 * date and compared with a threshold for sums, so that nothing is divided. Before the first
 * inference all scores are 0.
 *
 *     sotto_posterior_init(&settings, &state, memory);
 *     for (;;) {
 *         ... run the net every hop ...
 *         const sotto_detection d = sotto_posterior_push(&settings, &state, out);
 *         if (d.word >= 0) heard(d.word);
 *     }
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_POSTERIOR_H
#define SOTTO_POSTERIOR_H

#include "quantize/runtime/softmax.h"

#include <string.h>

/* The most inferences that are averaged: sums stay below 2^16, and the average is exact. */
#define SOTTO_POSTERIOR_WINDOW 256

/* How many uint16_t the memory of a state has. */
#define SOTTO_POSTERIOR_SIZE(classes, window) (2 * (classes) + ((window) * (classes) + 1) / 2)

typedef struct sotto_posterior_t {
    sotto_softmax_t softmax; /* n: the classes. rows 1: the net gives logits, of which these are the
                              * scores; rows 0: it gives scores (scale 1/256, zero point -128) */
    int32_t window;          /* inferences that are averaged: 1 .. SOTTO_POSTERIOR_WINDOW */
    uint32_t reciprocal;     /* 2^24 / window, rounded up */
    int32_t threshold;       /* of the sum of a word's scores over the window: 1 .. 255 window */
    int32_t min_count;       /* inferences of the window in which its score was the largest */
    int32_t suppress;        /* inferences after a detection in which there is no other */
    const uint8_t *mute;     /* by class, not 0: never detected */
} sotto_posterior_t;

typedef struct sotto_posterior_state {
    uint16_t *sum, *count; /* by class: of the scores in the window, how often the largest */
    uint8_t *scores;       /* a ring of `window` rows, one score a class */
    int32_t row;           /* the oldest of them */
    int32_t quiet;         /* inferences left of the suppression */
} sotto_posterior_state;

typedef struct sotto_detection {
    int32_t word;  /* class, or -1: nothing new was heard */
    int32_t score; /* its average, 0 .. 255, rounded down; 0 without a word */
} sotto_detection;

/* memory: SOTTO_POSTERIOR_SIZE(classes, window) uint16_t, for as long as the state. Also starts
 * anew.
 */
static inline void sotto_posterior_init(const sotto_posterior_t *p, sotto_posterior_state *s,
                                        uint16_t *memory)
{
    const int32_t n = p->softmax.n;
    memset(memory, 0, 2 * (uint32_t)SOTTO_POSTERIOR_SIZE(n, p->window));
    s->sum = memory;
    s->count = memory + n;
    s->scores = (uint8_t *)(memory + 2 * n);
    s->row = 0;
    s->quiet = 0;
}

/* The largest of n scores, the first of equals; -1 when all are 0. */
static inline int32_t sotto_posterior_largest(const uint8_t *score, int32_t n)
{
    int32_t best = -1, most = 0;
    for (int32_t i = 0; i < n; i++)
        if (score[i] > most) {
            best = i;
            most = score[i];
        }
    return best;
}

/* The oldest scores of the window give way to those of out, the net's output. */
static inline void sotto_posterior_slide(const sotto_posterior_t *p, sotto_posterior_state *s,
                                         const int8_t *out)
{
    const int32_t n = p->softmax.n;
    uint8_t *const row = s->scores + s->row * n;
    int32_t best = sotto_posterior_largest(row, n);
    if (best >= 0) s->count[best]--;
    for (int32_t i = 0; i < n; i++) s->sum[i] = (uint16_t)(s->sum[i] - row[i]);
    if (p->softmax.rows)
        sotto_softmax(&p->softmax, out, (int8_t *)row);
    else
        memcpy(row, out, (uint32_t)n);
    for (int32_t i = 0; i < n; i++) {
        row[i] = (uint8_t)(row[i] ^ 0x80); /* int8_t + 128 */
        s->sum[i] = (uint16_t)(s->sum[i] + row[i]);
    }
    best = sotto_posterior_largest(row, n);
    if (best >= 0) s->count[best]++;
    s->row = s->row + 1 < p->window ? s->row + 1 : 0;
}

/* One inference more. out: the net's output, one int8_t a class. */
static inline sotto_detection sotto_posterior_push(const sotto_posterior_t *p,
                                                   sotto_posterior_state *s, const int8_t *out)
{
    sotto_detection d = {-1, 0};
    int32_t best = 0;
    sotto_posterior_slide(p, s, out);
    for (int32_t i = 1; i < p->softmax.n; i++)
        if (s->sum[i] > s->sum[best]) best = i;
    if (s->quiet > 0) {
        s->quiet--;
    } else if (!p->mute[best] && s->sum[best] >= p->threshold && s->count[best] >= p->min_count) {
        d.word = best;
        d.score = (int32_t)(s->sum[best] * p->reciprocal >> 24);
        s->quiet = p->suppress;
    }
    return d;
}

#endif
