/* posterior: see posterior.h. */
#include "quantize/posterior.h"

#include "data/data.h"
#include "nn/lower.h"

#include <math.h>
#include <string.h>

enum { USUAL_HOP_MS = 100 };

quant_posterior quant_posterior_default(void)
{
    return (quant_posterior){
        .average_ms = 500, .threshold = 0.8, .suppress_ms = 1000, .min_count = 2};
}

base_status quant_posterior_hop(const quant_posterior *p, const dsp_config *features, int *samples,
                                base_err *err)
{
    const double hop = dsp_config_hop(features), wanted = p->hop_ms * features->rate / 1000;
    const double usual = floor(USUAL_HOP_MS * features->rate / 1000.0 / hop);
    const double hops = p->hop_ms > 0 ? round(wanted / hop) : fmax(usual, 1);
    *samples = (int)(hops * hop);
    if (p->hop_ms == 0) return BASE_OK;
    if (p->hop_ms > 0 && p->hop_ms <= 10000 && hops >= 1 && fabs(wanted - *samples) < 0.5)
        return BASE_OK;
    base_fail(err, BASE_USAGE, "--hop-ms %g: the features of the model have a hop of %g ms",
              p->hop_ms, 1000 * hop / features->rate);
    return base_hint(err, "take a multiple of it, up to 10000");
}

static base_status check(const char *option, double v, double lo, double hi, base_err *err)
{
    if (v >= lo && v <= hi) return BASE_OK;
    return base_fail(err, BASE_USAGE, "%s %g is outside of %g .. %g", option, v, lo, hi);
}

static base_status check_all(const quant_posterior *p, double hop_ms, base_err *err)
{
    const double most = SOTTO_POSTERIOR_WINDOW * hop_ms;
    BASE_TRY(check("--average-ms", p->average_ms, 0, most, err));
    BASE_TRY(check("--threshold", p->threshold, 0, 1, err));
    BASE_TRY(check("--suppress-ms", p->suppress_ms, 0, 60000, err));
    return check("--min-count", p->min_count, 0, SOTTO_POSTERIOR_WINDOW, err);
}

static bool is_mute(const char *label)
{
    return strcmp(label, DATA_SILENCE) == 0 || strcmp(label, DATA_UNKNOWN) == 0;
}

base_status quant_posterior_runtime(const quant_posterior *p, double hop_ms, const nn_model *m,
                                    nn_quant out, uint8_t *mute, sotto_posterior_t *t,
                                    base_err *err)
{
    BASE_TRY(check_all(p, hop_ms, err));
    const bool scores = out.zero == -128 && fabs(out.scale * 256 - 1) < 1e-6;
    const int window = (int)fmax(round(p->average_ms / hop_ms), 1);
    if (p->min_count > window) {
        base_fail(err, BASE_USAGE,
                  "--min-count %d: only %d inferences of %g ms are averaged (--average-ms %g)",
                  p->min_count, window, hop_ms, p->average_ms);
        return base_hint(err, "average over more, or count less");
    }
    *t = (sotto_posterior_t){
        .window = window,
        .reciprocal = (uint32_t)ceil(16777216.0 / window),
        .threshold =
            (int32_t)fmin(fmax(ceil(p->threshold * 256 * window - 1e-6), 1), 255.0 * window),
        .min_count = p->min_count,
        .suppress = (int32_t)round(p->suppress_ms / hop_ms),
        .mute = mute,
    };
    for (size_t k = 0; k < m->n_labels; k++) mute[k] = is_mute(m->labels[k]);
    if (nn_q8_softmax(scores ? 1 : out.scale, !scores, (int32_t)m->n_labels, &t->softmax))
        return BASE_OK;
    return base_fail(err, BASE_DATA,
                     "the scale of the model's outputs is %g: their softmax has no int8 form",
                     out.scale);
}
