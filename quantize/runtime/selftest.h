/* selftest: checksums of what a front-end and post-processing give for inputs that need no memory:
 * the same on the host and on a device, or one of them computes something else.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_SELFTEST_H
#define SOTTO_SELFTEST_H

#include "quantize/runtime/checksum.h"
#include "quantize/runtime/frontend.h"
#include "quantize/runtime/posterior.h"

#define SOTTO_TEST_FRAMES 8
#define SOTTO_TEST_BLOCK  32

/* The features of noise that becomes quieter from frame to frame. s was initialised; row: bins
 * numbers to work in. */
static inline uint32_t sotto_test_frontend(const sotto_frontend_t *p, sotto_frontend_state_t *s,
                                           int8_t *row)
{
    uint32_t sum = SOTTO_CHECKSUM_START, seed = 1;
    int32_t frames = 0;
    while (frames < SOTTO_TEST_FRAMES) {
        int16_t x[SOTTO_TEST_BLOCK];
        for (int32_t i = 0; i < SOTTO_TEST_BLOCK; i++) {
            seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
            x[i] = (int16_t)(((int32_t)(seed >> 16) - 32768) >> 2 * frames);
        }
        for (int32_t at = 0; at < SOTTO_TEST_BLOCK && frames < SOTTO_TEST_FRAMES;) {
            at += sotto_frontend_push(p, s, x + at, SOTTO_TEST_BLOCK - at);
            if (!s->ready) continue;
            sotto_frontend_newest(p, s, row);
            sum = sotto_checksum_i8(sum, row, p->bins);
            frames++;
        }
    }
    return sum;
}

/* The detections of outputs that are sure of one class after another. s was initialised; out: one
 * number a class to work in. */
static inline uint32_t sotto_test_posterior(const sotto_posterior_t *p, sotto_posterior_state *s,
                                            int8_t *out)
{
    uint32_t sum = SOTTO_CHECKSUM_START;
    const int32_t n = p->softmax.n;
    for (int32_t k = 0; k < n; k++) {
        memset(out, -128, (uint32_t)n);
        out[k] = 127;
        for (int32_t i = 0; i < p->window + 1; i++) {
            const sotto_detection d = sotto_posterior_push(p, s, out);
            const int32_t said[] = {d.word, d.score};
            sum = sotto_checksum_i32(sum, said, 2);
        }
    }
    return sum;
}

#endif
