/* size: what a model takes of flash and RAM: this program less the same with -DEMPTY. The caller's
 * memory is counted: the state, or with -DNET (of net.h, a header of the net alone) input and
 * output.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"
#ifdef NET
#include "net.h"
#else
#include "model.h"
#endif

#if defined(EMPTY)
int main(void)
{
    return 0;
}
#elif defined(KWS_HOP)
kws_t state;
extern int16_t samples[];
int16_t samples[1]; /* the caller's, not of the model */

int main(void)
{
    kws_init(&state);
    return kws_push(&state, samples, KWS_HOP) ? kws_result(&state).word : 0;
}
#else
int8_t in[KWS_INPUT_SIZE], out[KWS_OUTPUT_SIZE];

int main(void)
{
    kws_run(in, out);
    return out[0];
}
#endif
