/* listener: from samples that come in pieces of any size to the int8 input of a model, every few
 * frames.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_LISTENER_H
#define SOTTO_LISTENER_H

#include "quantize/runtime/frontend.h"

typedef struct sotto_listener {
    sotto_frontend_state_t frontend;
    int32_t wait; /* frames until the next inference */
    int32_t due;  /* the last push gave an input */
} sotto_listener;

/* memory, scratch: as sotto_frontend_init takes them; first: frames before the first inference, for
 * windows as many as one has. */
static inline void sotto_listener_init(const sotto_frontend_t *p, sotto_listener *s, int32_t first,
                                       int32_t *memory, int32_t *scratch)
{
    sotto_frontend_init(p, &s->frontend, memory, scratch);
    s->wait = first;
    s->due = 0;
}

/* Take some of n samples, at most until an inference is due, which is every hop frames: gives how
 * many were taken. When s->due is set, input has the window: frames x bins numbers. */
static inline int32_t sotto_listener_push(const sotto_frontend_t *p, sotto_listener *s, int32_t hop,
                                          const int16_t *x, int32_t n, int8_t *input)
{
    const int32_t used = sotto_frontend_push(p, &s->frontend, x, n);
    if (s->frontend.ready) s->wait--;
    s->due = s->wait == 0;
    if (!s->due) return used;
    s->wait = hop;
    sotto_frontend_window(p, &s->frontend, input);
    return used;
}

/* The same for a net that takes only the new frames: when s->due is set, input has them, hop x bins
 * numbers. The first inference comes after hop frames. */
static inline int32_t sotto_listener_push_new(const sotto_frontend_t *p, sotto_listener *s,
                                              int32_t hop, const int16_t *x, int32_t n,
                                              int8_t *input)
{
    const int32_t used = sotto_frontend_push(p, &s->frontend, x, n);
    s->due = 0;
    if (!s->frontend.ready) return used;
    sotto_frontend_newest(p, &s->frontend, input + (hop - s->wait) * p->bins);
    s->wait--;
    s->due = s->wait == 0;
    if (s->due) s->wait = hop;
    return used;
}

#endif
