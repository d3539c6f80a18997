/* workload: a model as estimates see it: its costs, its features, and its streaming steps.
 */
#ifndef QUANTIZE_WORKLOAD_H
#define QUANTIZE_WORKLOAD_H

#include "quantize/estimate.h"

typedef struct quant_workload {
    nn_model *model;      /* owned; a graph at least; NULL where it is int8 */
    q8_model *int8;       /* owned; NULL where it is not, until steps are asked for */
    quant_costs costs;    /* as a runtime with a kernel for every layer has them */
    quant_costs deployed; /* as exported C has them */
    dsp_config features;
    bool knows_features;
    quant_front front; /* of the features; kept 0: not known, or none in integers */
    int frames;        /* of features from one inference to the next */
    int64_t tflite;    /* bytes of the file, 0: not known */
    quant_step step;   /* hop 0: whole runs */
} quant_workload;

/* Of a model file, or of a graph, which *s then owns in every case. To be freed after errors too.
 */
base_status quant_workload_of_model(const char *file, quant_workload *s, base_err *err);
base_status quant_workload_of_graph(nn_graph *graph, quant_workload *s, base_err *err);
/* Steps of `hop` frames; a model that is not int8 gets random weights for it. */
base_status quant_workload_stream(quant_workload *s, q8_stream_mode mode, int hop, base_err *err);
/* What stands around the net, for an inference every hop_ms (0: about 100), or with steps every
 * step. BASE_USAGE naming --hop-ms. Nothing without features. */
base_status quant_workload_listen(quant_workload *s, double hop_ms, base_err *err);
void quant_workload_free(quant_workload *s);

#endif
