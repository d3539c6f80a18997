/* size: what a model takes of flash and RAM: this program less the same with -DEMPTY. The caller's
 * memory is counted: input and output, or the state.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"
#include "model.h"

#if defined(EMPTY)
int main(void)
{
    return 0;
}
#elif defined(KWS_HOP)
kws_t state;
int16_t samples[KWS_HOP];

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
