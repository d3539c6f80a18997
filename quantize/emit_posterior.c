/* emit_posterior: the settings of post-processing as C. */
#include "quantize/evaluate.h"
#include "quantize/posterior.h"

#include <ctype.h>
#include <string.h>

enum { PREFIX_MAX = 64 };

static void put(const sotto_posterior_t *t, const char *prefix, base_str *out)
{
    const sotto_softmax_t *s = &t->softmax;
    base_str_add(out, "static const uint8_t %s_posterior_mute[] = {", prefix);
    for (int32_t k = 0; k < s->n; k++) base_str_add(out, "%s%d", k ? ", " : "", t->mute[k]);
    base_str_add(out,
                 "};\nstatic const sotto_posterior_t %s_posterior = {\n"
                 "    .softmax = {.rows = %d, .n = %d, .multiplier = %d, .shift = %d, "
                 ".least = %d, .lo = %d, .hi = %d},\n"
                 "    .window = %d,\n    .reciprocal = %uu,\n    .threshold = %d,\n"
                 "    .min_count = %d,\n    .suppress = %d,\n    .mute = %s_posterior_mute};\n\n",
                 prefix, (int)s->rows, (int)s->n, (int)s->multiplier, (int)s->shift, (int)s->least,
                 (int)s->lo, (int)s->hi, (int)t->window, (unsigned)t->reciprocal, (int)t->threshold,
                 (int)t->min_count, (int)t->suppress, prefix);
}

base_status q8_emit_posterior(const q8_model *m, const quant_posterior *p, const char *prefix,
                              base_str *out, base_err *err)
{
    dsp_config features;
    sotto_posterior_t t;
    int hop;
    char upper[PREFIX_MAX] = {0};
    const nn_model *folded = &m->folded;
    if (folded->n_labels != q8_output_size(m))
        return base_fail(err, BASE_DATA, "the model has %zu outputs but %zu labels",
                         q8_output_size(m), folded->n_labels);
    BASE_TRY(quant_features(folded, &features, err));
    BASE_TRY(quant_posterior_hop(p, &features, &hop, err));
    uint8_t *mute = base_alloc(folded->n_labels, sizeof *mute);
    if (!mute) return base_nomem(err, folded->n_labels);
    const double hop_ms = 1000.0 * hop / features.rate;
    const base_status status =
        quant_posterior_runtime(p, hop_ms, folded, m->values[m->n_layers].quant, mute, &t, err);
    if (status == BASE_OK) {
        for (size_t i = 0; prefix[i] && i + 1 < sizeof upper; i++)
            upper[i] = (char)toupper((unsigned char)prefix[i]);
        base_str_add(
            out,
            "/* An inference every %g ms; detections (sotto_posterior_push): scores averaged "
            "over %d of\n * them, at least %g, in %d of them the largest; then none for %d. "
            "*/\n",
            hop_ms, (int)t.window, p->threshold, (int)t.min_count, (int)t.suppress);
        base_str_add(out,
                     "#define %s_HOP_SAMPLES %d\n"
                     "#define %s_POSTERIOR_SIZE SOTTO_POSTERIOR_SIZE(%d, %d) /* uint16_t */\n",
                     upper, hop, upper, (int)t.softmax.n, (int)t.window);
        put(&t, prefix, out);
    }
    base_free(mute);
    return status == BASE_OK && out->failed ? base_nomem(err, out->len) : status;
}
