/* pipeline: see pipeline.h. */
#include "quantize/pipeline.h"

#include "quantize/evaluate.h"

/* The hop of steps, which settings do not contradict. */
static base_status steps_hop(const quant_posterior *p, quant_pipeline *pl, base_err *err)
{
    const quant_posterior every = {.hop_ms = 1000.0 * pl->stream->hop *
                                             dsp_config_hop(&pl->features) / pl->features.rate};
    if (pl->features.level != DSP_LEVEL_NONE) {
        base_fail(err, BASE_USAGE,
                  "steps of a hop, and features with level = max: a louder sample "
                  "changes all frames before it");
        return base_hint(err, "train on features without a level, leave --hop out, or take --net");
    }
    if (p->hop_ms > 0 && p->hop_ms != every.hop_ms)
        return base_fail(err, BASE_USAGE, "--hop-ms %g: steps of %d frames are %g ms", p->hop_ms,
                         pl->stream->hop, every.hop_ms);
    return quant_posterior_hop(&every, &pl->features, &pl->hop, err);
}

static base_status fill(const q8_model *m, const quant_posterior *p, quant_pipeline *pl,
                        base_err *err)
{
    const nn_model *folded = &m->folded;
    const q8_model *net = pl->stream ? &pl->stream->net : m;
    if (folded->n_labels == 0 || folded->n_labels != q8_output_size(net))
        return base_fail(err, BASE_DATA, "the model has %zu outputs but %zu labels",
                         q8_output_size(net), folded->n_labels);
    BASE_TRY(quant_features(folded, &pl->features, err));
    BASE_TRY(pl->stream ? steps_hop(p, pl, err)
                        : quant_posterior_hop(p, &pl->features, &pl->hop, err));
    BASE_TRY(q8_frontend_new(m, &pl->frontend, err));
    pl->mute = base_alloc(folded->n_labels, sizeof *pl->mute);
    if (!pl->mute) return base_nomem(err, folded->n_labels);
    pl->hop_frames = pl->hop / dsp_config_hop(&pl->features);
    pl->first_frame = pl->stream ? pl->hop_frames : dsp_fixed_frontend(pl->frontend)->frames;
    pl->threshold = p->threshold;
    return quant_posterior_runtime(p, 1000.0 * pl->hop / pl->features.rate, folded,
                                   m->values[m->n_layers].quant, pl->mute, &pl->posterior, err);
}

base_status quant_pipeline_new(const q8_model *m, const quant_posterior *p, const q8_stream *stream,
                               quant_pipeline *pl, base_err *err)
{
    *pl = (quant_pipeline){.stream = stream};
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

bool quant_pipeline_possible(const q8_model *m, base_err *why)
{
    quant_pipeline pl;
    const quant_posterior p = quant_posterior_default();
    if (quant_pipeline_new(m, &p, NULL, &pl, why) != BASE_OK) return false;
    quant_pipeline_free(&pl);
    return true;
}

int quant_pipeline_first(const quant_pipeline *pl)
{
    const sotto_frontend_t *fe = dsp_fixed_frontend(pl->frontend);
    const int first = sotto_frontend_first(fe);
    const int last = (pl->first_frame - 1) * fe->hop + fe->bands.window - fe->ahead;
    return last > first ? last : first;
}

size_t quant_pipeline_work(const quant_pipeline *pl, size_t net)
{
    if (!pl) return net;
    const size_t scratch =
        sizeof(int32_t) * (size_t)sotto_frontend_scratch(dsp_fixed_frontend(pl->frontend));
    return scratch > net ? scratch : net;
}

static size_t in_words(size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

/* Bytes of kws_t besides steps, input and output. */
static size_t kept(const sotto_frontend_t *fe, int classes, int window)
{
    /* 32-bit words of the states of listener and posterior, and of a detection */
    enum { WORDS = 14 + 5 + 2 };
    const size_t scores = sizeof(uint16_t) * (size_t)SOTTO_POSTERIOR_SIZE(classes, window);
    return 4 * (WORDS + (size_t)sotto_frontend_memory(fe)) + in_words(scores);
}

size_t quant_pipeline_state(const quant_pipeline *pl, const q8_model *m)
{
    const sotto_posterior_t *t = &pl->posterior;
    const size_t in = pl->stream ? pl->stream->hop_bytes : q8_input_size(m);
    const size_t steps = pl->stream ? 4 * (pl->stream->net.work / 4 + 1) : 0;
    return kept(dsp_fixed_frontend(pl->frontend), t->softmax.n, t->window) +
           in_words(in + (size_t)t->softmax.n) + steps;
}

base_status quant_front_of(const dsp_config *features, int classes, int window, quant_front *front,
                           base_err *err)
{
    static const int size[] = {[DSP_FIXED_U8] = 1,
                               [DSP_FIXED_U16] = 2,
                               [DSP_FIXED_I16] = 2,
                               [DSP_FIXED_INT] = 0,
                               [DSP_FIXED_I32] = 4};
    dsp_fixed *f = NULL;
    size_t n = 0;
    BASE_TRY(dsp_fixed_new(features, &f, err));
    const sotto_frontend_t *fe = dsp_fixed_frontend(f);
    const dsp_fixed_field *fields = dsp_fixed_fields(f, &n);
    *front =
        (quant_front){.tables = (int64_t)(4 * n + (size_t)classes + sizeof(sotto_posterior_t)),
                      .kept = (int64_t)kept(fe, classes, window),
                      .scratch = (int64_t)(sizeof(int32_t) * (size_t)sotto_frontend_scratch(fe))};
    for (size_t i = 0; i < n; i++) front->tables += size[fields[i].type] * (int64_t)fields[i].count;
    dsp_fixed_free(f);
    return BASE_OK;
}
