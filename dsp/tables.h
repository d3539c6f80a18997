/* tables (private to dsp/): where the mel bands lie. The tables themselves come from dsp_tables. */
#ifndef DSP_TABLES_H
#define DSP_TABLES_H

#include "dsp/dsp.h"

/* Hz of edge i of mels + 2 edges equally spaced on the mel scale: band b rises from edge b to
 * edge b + 1 and falls to edge b + 2. */
double dsp_mel_edge(const dsp_config *cfg, int i);

#endif
