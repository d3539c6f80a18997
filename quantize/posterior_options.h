/* Options of a command, as rows of a popt table: for the settings of post-processing (p: a
 * quant_posterior *), and for steps (int *, const char **). */
#ifndef QUANTIZE_POSTERIOR_OPTIONS_H
#define QUANTIZE_POSTERIOR_OPTIONS_H

#include "quantize/posterior.h"

#define QUANT_POSTERIOR_OPTIONS(p)                                                                 \
    {"hop-ms",     0, POPT_ARG_DOUBLE,                                                             \
     &(p)->hop_ms, 0, "between inferences, a multiple of the features' hop; 0: about 100",         \
     "MS"},                                                                                        \
        {"average-ms", 0, POPT_ARG_DOUBLE, &(p)->average_ms, 0, "scores are averaged over this",   \
         "MS"},                                                                                    \
        {"threshold", 0, POPT_ARG_DOUBLE, &(p)->threshold, 0, "of the average, 0 to 1", "X"},      \
        {"suppress-ms",                                                                            \
         0,                                                                                        \
         POPT_ARG_DOUBLE,                                                                          \
         &(p)->suppress_ms,                                                                        \
         0,                                                                                        \
         "after a detection there is none for this",                                               \
         "MS"},                                                                                    \
    {                                                                                              \
        "min-count", 0, POPT_ARG_INT, &(p)->min_count, 0,                                          \
            "inferences of the average in which the word was the likeliest", "N"                   \
    }

/* Names of q8_stream_mode. */
#define QUANT_STREAM_MODES                                                                         \
    {                                                                                              \
        "auto", "window", "state", NULL                                                            \
    }
#define QUANT_STREAM_OPTIONS(hop, mode)                                                            \
    {"hop", 0, POPT_ARG_INT, hop, 0, "frames of a streaming step (0: none)", "FRAMES"},            \
    {                                                                                              \
        "stream", 0, POPT_ARG_STRING, mode, 0,                                                     \
            "window, state, or auto: state where all layers allow it", "MODE"                      \
    }

#endif
