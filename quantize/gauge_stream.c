/* See quantize/gauge_stream.h. */
#include "quantize/gauge_stream.h"

#include <math.h>
#include <stdlib.h>

enum { HOURS_MAX = 6 };

/* What listening needs. */
typedef struct ear {
    const quant_gauge *g;
    const quant_subject *subject;
    dsp_config features;
    quant_pipeline device;
    bool fixed; /* features in integers: device */
    int hop;    /* samples */
    uint8_t *mute;
    sotto_posterior_t runtime; /* with mute */
} ear;

static base_status open_ear(ear *e, base_err *err)
{
    const nn_model *m = e->subject->model;
    const quant_posterior *p = &e->g->posterior;
    BASE_TRY(quant_features(m, &e->features, err));
    BASE_TRY(quant_posterior_hop(p, &e->features, &e->hop, err));
    e->fixed = e->subject->q8 && quant_pipeline_possible(e->subject->q8, NULL);
    if (e->fixed) BASE_TRY(quant_pipeline_new(e->subject->q8, p, NULL, &e->device, err));
    e->mute = base_alloc(m->n_labels + 1, sizeof *e->mute);
    if (!e->mute) return base_nomem(err, m->n_labels);
    return quant_posterior_runtime(p, 1000.0 * e->hop / e->features.rate, m,
                                   quant_heard_quant(e->subject), e->mute, &e->runtime, err);
}

/* The point with the fewest false alarms, then the most hits, of those that exceed the limit. */
static const quant_operation *quietest(const quant_operation curve[QUANT_CURVE])
{
    const quant_operation *best = &curve[0];
    for (int i = 1; i < QUANT_CURVE; i++) {
        const quant_score *s = &curve[i].score, *b = &best->score;
        if (s->false_alarms < b->false_alarms ||
            (s->false_alarms == b->false_alarms && s->hits > b->hits))
            best = &curve[i];
    }
    return best;
}

/* At the threshold that misses fewest words within the limit of false alarms. */
static base_status choose(const ear *e, const quant_heard *h, const quant_labels *said,
                          quant_gauge_stream *out, base_err *err)
{
    quant_operation *curve = base_alloc(QUANT_CURVE, sizeof *curve);
    if (!curve) return base_nomem(err, QUANT_CURVE * sizeof *curve);
    base_status status = quant_curve(h, &e->runtime, said, e->g->tolerance_ms / 1000, curve, err);
    if (status == BASE_OK) {
        const quant_operation *o = quant_curve_at(curve, e->g->most_alarms);
        if (!o) o = quietest(curve);
        out->threshold = o->threshold;
        out->score = o->score;
    }
    base_free(curve);
    return status;
}

static base_status at_threshold(const ear *e, const quant_heard *h, const quant_labels *said,
                                quant_gauge_stream *out, base_err *err)
{
    quant_detections found = {0};
    out->threshold = e->g->posterior.threshold;
    base_status status = quant_detect(h, &e->runtime, &found, err);
    if (status == BASE_OK)
        status = quant_score_detections(h, &e->runtime, said, &found, e->g->tolerance_ms / 1000,
                                        NULL, &out->score, err);
    free(found.list);
    return status;
}

static base_status hear(const ear *e, const quant_labels *said, quant_gauge_stream *out,
                        base_err *err)
{
    dsp_audio audio;
    quant_heard h;
    const quant_listener l = {.subject = e->subject,
                              .pipeline = e->fixed ? &e->device : NULL,
                              .hop = e->hop,
                              .threads = e->g->threads,
                              .progress = e->g->progress,
                              .ctx = e->g->ctx};
    BASE_TRY(dsp_audio_read(e->g->recording, e->features.rate, HOURS_MAX * 3600, &audio, err));
    base_status status = quant_hear(&l, audio.pcm, audio.n, &h, err);
    out->hours = (double)audio.n / audio.rate / 3600;
    dsp_audio_free(&audio);
    if (status != BASE_OK) return status;
    status = isfinite(e->g->most_alarms) ? choose(e, &h, said, out, err)
                                         : at_threshold(e, &h, said, out, err);
    quant_heard_free(&h);
    return status;
}

base_status quant_gauge_listen(const quant_gauge *g, const quant_subject *subject,
                               quant_gauge_stream *out, base_err *err)
{
    ear e = {.g = g, .subject = subject};
    quant_labels said = {0};
    base_status status = quant_labels_read(g->labels, subject->model, &said, err);
    if (status == BASE_OK) status = open_ear(&e, err);
    if (status == BASE_OK) status = hear(&e, &said, out, err);
    free(said.list);
    base_free(e.mute);
    quant_pipeline_free(&e.device);
    return status;
}
