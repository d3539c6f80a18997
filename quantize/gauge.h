/* gauge: figures of a model by name, each with the interval that it lies in: from the clips of a
 * pack, from a long recording, and from what a board is estimated to take.
 *
 *   accuracy accuracy_int8 accuracy_fixed recall.WORD precision.WORD   Wilson's 95 % interval
 *   macro_f1                                                           bootstrap, 95 %
 *   frr                 words missed in the recording; Wilson's
 *   fa_per_hour         false alarms in it; exact of Poisson counts, 95 %
 *   flash_kb ram_kb     with front-end and post-processing where known; the error of the estimate
 *   latency_ms energy_uj                                               the error of the estimate
 *   duty_percent        (inferences a second x latency + frames a second x front-end)
 *   current_ma          duty x the board's power while it computes / volts
 *
 * What a device would run is the int8 model where there is one. Only what is asked for is measured.
 */
#ifndef QUANTIZE_GAUGE_H
#define QUANTIZE_GAUGE_H

#include "quantize/evaluate.h"
#include "quantize/posterior.h"

typedef struct quant_gauge {
    const char *model; /* a file or a run, float or int8 */
    const char *int8;  /* the int8 model of a float one; NULL: none */
    const char *pack;  /* NULL: no clips */
    data_split split;
    const char *recording, *labels; /* NULL: none */
    quant_posterior posterior;
    double tolerance_ms; /* as `sotto stream` */
    double most_alarms;  /* an hour: the threshold is the one of these that misses fewest words, or
                          * has fewest alarms where none is; NaN: that of posterior */
    const char *board;   /* NULL: none */
    double per_second;   /* inferences */
    double volts;        /* of the supply; 0: that of the board's profile */
    int threads;
    quant_progress progress; /* may be NULL */
    void *ctx;
} quant_gauge;

/* value, lo and hi are NaN when nothing was measured; note says why then, and else of what. */
typedef struct quant_reading {
    double value, lo, hi;
    char note[160];
} quant_reading;

/* n figures by name into readings; *threshold is that of the recording, NaN when there was none.
 * BASE_USAGE for recall.X without a label X; failures of loading, evaluating and listening. */
base_status quant_gauge_read(const quant_gauge *g, const char *const *names, size_t n,
                             quant_reading *readings, double *threshold, base_err *err);

/* Those of them that a board has, of an untrained graph as its int8 model would have them. Owns the
 * graph in every case; of *g only what belongs to the board is looked at. */
bool quant_gauge_is_of_board(const char *name);
base_status quant_gauge_graph(const quant_gauge *g, nn_graph *graph, const dsp_config *features,
                              const char *const *names, size_t n, quant_reading *readings,
                              base_err *err);

#endif
