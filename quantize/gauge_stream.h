/* quant_gauge_stream (of gauge.c): what a model hears in a long recording, at one threshold. */
#ifndef QUANTIZE_GAUGE_STREAM_H
#define QUANTIZE_GAUGE_STREAM_H

#include "quantize/gauge.h"
#include "quantize/stream.h"

typedef struct quant_gauge_stream {
    double threshold, hours;
    quant_score score; /* without confusion */
} quant_gauge_stream;

/* The recording and labels of g; threshold as g->most_alarms says. */
base_status quant_gauge_listen(const quant_gauge *g, const quant_subject *subject,
                               quant_gauge_stream *out, base_err *err);

#endif
