/* What is estimated, read from a file or made of a graph.
 */
#include "quantize/workload.h"
#include "quantize/measure.h"
#include "quantize/pipeline.h"
#include "quantize/tflite.h"

#include <math.h>
#include <stdlib.h>

static base_status read_costs(quant_workload *s, base_err *err)
{
    const nn_model *m = s->int8 ? &s->int8->folded : s->model;
    base_str file = {0};
    BASE_TRY(s->int8 ? quant_costs_of_q8(s->int8, &s->costs, err)
                     : quant_costs_of_graph(m->graph, &s->costs, err));
    quant_costs_pack(&s->costs, m);
    s->knows_features =
        m->features && *m->features && dsp_config_parse(m->features, &s->features, NULL) == BASE_OK;
    if (s->int8 && tflite_export_q8(s->int8, &file, NULL) == BASE_OK) s->tflite = (int64_t)file.len;
    base_str_free(&file);
    return quant_costs_deploy(&s->costs, &s->deployed, err);
}

base_status quant_workload_of_model(const char *file, quant_workload *s, base_err *err)
{
    bool int8 = false;
    *s = (quant_workload){.tflite = 0};
    BASE_TRY(q8_is_model(file, &int8, err));
    BASE_TRY(int8 ? q8_load(file, &s->int8, err) : nn_model_load(file, &s->model, err));
    return read_costs(s, err);
}

base_status quant_workload_of_graph(nn_graph *graph, quant_workload *s, base_err *err)
{
    *s = (quant_workload){.model = calloc(1, sizeof *s->model)};
    if (!s->model) {
        nn_graph_free(graph);
        return base_nomem(err, sizeof *s->model);
    }
    s->model->graph = graph;
    return read_costs(s, err);
}

base_status quant_workload_stream(quant_workload *s, q8_stream_mode mode, int hop, base_err *err)
{
    q8_stream *stream = NULL;
    if (!s->int8) BASE_TRY(quant_untrained(s->model->graph, &s->int8, err));
    BASE_TRY(q8_stream_new(s->int8, mode, hop, &stream, err));
    const base_status status = quant_step_of(stream, &s->costs, &s->step, err);
    q8_stream_free(stream);
    return status;
}

base_status quant_workload_listen(quant_workload *s, double hop_ms, base_err *err)
{
    base_err none = {0};
    quant_posterior p = quant_posterior_default();
    int hop = 0;
    p.hop_ms = s->step.hop ? s->step.hop * s->features.hop_ms : hop_ms;
    if (!s->knows_features) return BASE_OK;
    BASE_TRY(quant_posterior_hop(&p, &s->features, &hop, err));
    s->frames = hop / dsp_config_hop(&s->features);
    const int64_t classes = s->costs.layer[s->costs.n - 1].outputs;
    const int window = (int)fmax(round(p.average_ms * s->features.rate / 1000 / hop), 1);
    if (classes < 1000) quant_front_of(&s->features, (int)classes, window, &s->front, &none);
    return BASE_OK;
}

void quant_workload_free(quant_workload *s)
{
    nn_model_free(s->model);
    q8_model_free(s->int8);
    quant_costs_free(&s->costs);
    quant_costs_free(&s->deployed);
    quant_step_free(&s->step);
}
