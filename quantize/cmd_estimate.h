/* What the files of `sotto estimate` share: cmd_estimate.c, and cmd_estimate_measure.c for
 * --measure.
 */
#ifndef QUANTIZE_CMD_ESTIMATE_H
#define QUANTIZE_CMD_ESTIMATE_H

#include "quantize/estimate.h"
#include "quantize/stream_plan.h"
#include "train/cli.h"

enum { BY_LATENCY, BY_ENERGY };

typedef struct estimate_options {
    const char *target, *runtime, *by;
    const char *opt, *stream;                  /* opt: of the compiler, for --measure */
    double hop_ms;                             /* between inferences; 0: about 100 */
    int hop;                                   /* frames of a step; 0: whole runs */
    int layers, list, measure, fit, order;     /* order: BY_LATENCY ...; < 0: as asked for */
    double flash_kb, ram_kb, latency_ms, duty; /* limits; 0: none */
    bool runs[QUANT_RUNTIMES];
    q8_stream_mode mode;
} estimate_options;

/* An estimate and what it is of. */
typedef struct estimate_result {
    quant_target target;
    quant_runtime runtime;
    quant_estimate e;
    int place;  /* in the order asked for */
    double key; /* by which it is ranked */
} estimate_result;

/* Why an estimate is not within the limits, into why; false when it is. A figure that is not known
 * is within none. */
bool estimate_exceeds(const estimate_options *o, const quant_estimate *e, char *why, size_t n);

/* The same n boards, compiled and run, as tables. */
base_status estimate_measure(cli *c, const estimate_options *o, const estimate_result *r, size_t n,
                             base_err *err);

#endif
