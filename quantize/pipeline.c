/* pipeline: see pipeline.h. */
#include "quantize/pipeline.h"

#include "quantize/evaluate.h"

static base_status fill(const q8_model *m, const quant_posterior *p, quant_pipeline *pl,
                        base_err *err)
{
    const nn_model *folded = &m->folded;
    if (folded->n_labels == 0 || folded->n_labels != q8_output_size(m))
        return base_fail(err, BASE_DATA, "the model has %zu outputs but %zu labels",
                         q8_output_size(m), folded->n_labels);
    BASE_TRY(quant_features(folded, &pl->features, err));
    BASE_TRY(quant_posterior_hop(p, &pl->features, &pl->hop, err));
    BASE_TRY(q8_frontend_new(m, &pl->frontend, err));
    pl->mute = base_alloc(folded->n_labels, sizeof *pl->mute);
    if (!pl->mute) return base_nomem(err, folded->n_labels);
    pl->hop_frames = pl->hop / dsp_config_hop(&pl->features);
    pl->threshold = p->threshold;
    return quant_posterior_runtime(p, 1000.0 * pl->hop / pl->features.rate, folded,
                                   m->values[m->n_layers].quant, pl->mute, &pl->posterior, err);
}

base_status quant_pipeline_new(const q8_model *m, const quant_posterior *p, quant_pipeline *pl,
                               base_err *err)
{
    *pl = (quant_pipeline){0};
    const base_status status = fill(m, p, pl, err);
    if (status != BASE_OK) quant_pipeline_free(pl);
    return status;
}

void quant_pipeline_free(quant_pipeline *pl)
{
    dsp_fixed_free(pl->frontend);
    base_free(pl->mute);
    *pl = (quant_pipeline){0};
}

int quant_pipeline_first(const quant_pipeline *pl)
{
    const sotto_frontend_t *fe = dsp_fixed_frontend(pl->frontend);
    const int first = sotto_frontend_first(fe);
    const int last = (fe->frames - 1) * fe->hop + fe->bands.window - fe->ahead;
    return last > first ? last : first;
}

size_t quant_pipeline_work(const quant_pipeline *pl, size_t net)
{
    if (!pl) return net;
    const size_t scratch =
        sizeof(int32_t) * (size_t)sotto_frontend_scratch(dsp_fixed_frontend(pl->frontend));
    return scratch > net ? scratch : net;
}

bool quant_pipeline_possible(const q8_model *m, base_err *why)
{
    quant_pipeline pl;
    const quant_posterior p = quant_posterior_default();
    if (quant_pipeline_new(m, &p, &pl, why) != BASE_OK) return false;
    quant_pipeline_free(&pl);
    return true;
}

size_t quant_pipeline_state(const quant_pipeline *pl, const q8_model *m)
{
    /* 32-bit words of the states of listener and posterior, and of a detection */
    enum { WORDS = 14 + 5 + 2 };
    const sotto_posterior_t *t = &pl->posterior;
    const size_t rows = q8_input_size(m) + q8_output_size(m);
    const size_t scores = sizeof(uint16_t) * (size_t)SOTTO_POSTERIOR_SIZE(t->softmax.n, t->window);
    const size_t kept = (size_t)sotto_frontend_memory(dsp_fixed_frontend(pl->frontend));
    return 4 * (WORDS + kept) + (rows + 3) / 4 * 4 + (scores + 3) / 4 * 4;
}
