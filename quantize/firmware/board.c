/* main: a keyword spotter on a board. What belongs to the board is in three functions that you
 * write: README.md says how.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "model.h"

/* Clocks, microphone, terminal. */
extern void board_start(void);
/* The self-test failed: this build does not compute what the host did. Does not return. */
extern void board_fault(int where);
/* A word was spoken. */
extern void board_heard(const char *word);

#ifdef KWS_HOP

/* Waits for n samples of the microphone: 16 bits, mono, KWS_FEATURE_RATE a second. With DMA it
 * fills one half of a buffer while the model works on the other. */
extern void board_samples(int16_t *to, int n);

static kws_t state;
static int16_t samples[KWS_HOP];

int main(void)
{
    board_start();
    if (kws_selftest() != 0) board_fault(kws_selftest());
    kws_init(&state);
    for (;;) {
        board_samples(samples, KWS_HOP);
        if (!kws_push(&state, samples, KWS_HOP)) continue;
        const sotto_detection d = kws_result(&state);
        if (d.word >= 0) board_heard(kws_label(d.word));
    }
}

#else

/* Waits for the features of the next inference, computed from the microphone's samples as
 * KWS_FEATURE_... in model.h say and quantized as its head says. */
extern void board_features(int8_t to[KWS_INPUT_SIZE]);

static int8_t in[KWS_INPUT_SIZE], out[KWS_OUTPUT_SIZE];

int main(void)
{
    board_start();
    if (kws_selftest() != 0) board_fault(kws_selftest());
    for (;;) {
        int best = 0;
        board_features(in);
        kws_run(in, out);
        for (int i = 1; i < KWS_OUTPUT_SIZE; i++)
            if (out[i] > out[best]) best = i;
        board_heard(kws_label(best));
    }
}

#endif
