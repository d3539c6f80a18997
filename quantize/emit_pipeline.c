/* emit_pipeline: what stands around the net in exported C: front-end, post-processing, and
 * PREFIX_init, _push and _result, which go from samples to words.
 */
#include "quantize/emit.h"

static void put_posterior(emitter *e)
{
    const quant_pipeline *pl = e->pipeline;
    const sotto_posterior_t *t = &pl->posterior;
    const sotto_softmax_t *s = &t->softmax;
    base_str_add(e->out,
                 "/* An inference every %g ms; a word is detected by its score averaged over %d of "
                 "them: the\n * largest of all and at least %g, in %d of them the largest; then "
                 "none for %d. */\n"
                 "#define %s_POSTERIOR_SIZE SOTTO_POSTERIOR_SIZE(%d, %d) /* uint16_t */\n"
                 "static const uint8_t %s_posterior_mute[] = {",
                 1000.0 * pl->hop / pl->features.rate, (int)t->window, pl->threshold,
                 (int)t->min_count, (int)t->suppress, e->upper, (int)s->n, (int)t->window,
                 e->prefix);
    for (int32_t k = 0; k < s->n; k++) base_str_add(e->out, "%s%d", k ? ", " : "", t->mute[k]);
    base_str_add(e->out,
                 "};\nstatic const sotto_posterior_t %s_posterior = {\n"
                 "    .softmax = {.rows = %d, .n = %d, .multiplier = %d, .shift = %d, "
                 ".least = %d, .lo = %d, .hi = %d},\n"
                 "    .window = %d,\n    .reciprocal = %uU,\n    .threshold = %d,\n"
                 "    .min_count = %d,\n    .suppress = %d,\n    .mute = %s_posterior_mute};\n\n",
                 e->prefix, (int)s->rows, (int)s->n, (int)s->multiplier, (int)s->shift,
                 (int)s->least, (int)s->lo, (int)s->hi, (int)t->window, (unsigned)t->reciprocal,
                 (int)t->threshold, (int)t->min_count, (int)t->suppress, e->prefix);
}

/* The memory that the front-end works in: that of the net, unless steps keep something there. */
static void put_scratch(emitter *e)
{
    base_str_add(e->out, "static inline int32_t *%s_scratch(void)\n{\n", e->prefix);
    if (e->stream)
        base_str_add(e->out,
                     "    static int32_t scratch[%s_FRONTEND_SCRATCH];\n    return scratch;\n}\n\n",
                     e->upper);
    else
        base_str_add(e->out, "    return (int32_t *)(void *)%s_work();\n}\n\n", e->prefix);
}

static void put_state(emitter *e)
{
    const quant_pipeline *pl = e->pipeline;
    base_str_add(e->out,
                 "/* ---- from samples to words ---- */\n\n"
                 "/* Samples, and frames of features, from inference to inference; frames before "
                 "the first. */\n"
                 "#define %s_HOP %d\n#define %s_HOP_FRAMES %d\n#define %s_FIRST_FRAME %d\n\n",
                 e->upper, pl->hop, e->upper, pl->hop_frames, e->upper, pl->first_frame);
    put_scratch(e);
    base_str_add(e->out,
                 "/* All that is kept. */\n"
                 "typedef struct %s_t {\n"
                 "    sotto_listener listener;\n"
                 "    sotto_posterior_state posterior;\n"
                 "    sotto_detection detection;\n",
                 e->prefix);
    if (e->stream) base_str_add(e->out, "    %s_stream stream;\n", e->prefix);
    base_str_add(e->out,
                 "    int8_t in[%s_%s_SIZE], out[%s_OUTPUT_SIZE]; /* of the last inference */\n"
                 "    int32_t frontend[%s_FRONTEND_MEMORY];\n"
                 "    uint16_t scores[%s_POSTERIOR_SIZE];\n"
                 "} %s_t;\n\n",
                 e->upper, e->stream ? "STREAM_INPUT" : "INPUT", e->upper, e->upper, e->upper,
                 e->prefix);
}

static void put_init(emitter *e)
{
    base_str_add(
        e->out,
        "/* Starts, or starts anew. */\n"
        "static inline void %s_init(%s_t *s)\n{\n"
        "    sotto_listener_init(&%s_frontend, &s->listener, %s_FIRST_FRAME, s->frontend,\n"
        "                        %s_scratch());\n"
        "    sotto_posterior_init(&%s_posterior, &s->posterior, s->scores);\n",
        e->prefix, e->prefix, e->prefix, e->upper, e->prefix, e->prefix);
    if (e->stream) base_str_add(e->out, "    %s_stream_reset(&s->stream);\n", e->prefix);
    base_str_add(e->out, "    s->detection.word = -1;\n    s->detection.score = 0;\n}\n\n");
}

static void put_push(emitter *e)
{
    base_str_add(
        e->out,
        "/* n samples more: 16 bits, mono, %s_FEATURE_RATE a second. 1 when there has been an\n"
        " * inference, so that there is a new result; of several, which at most %s_HOP samples "
        "never\n"
        " * bring, a word that was heard stays. */\n"
        "static inline int %s_push(%s_t *s, const int16_t *samples, int32_t n)\n{\n"
        "    int fresh = 0;\n"
        "    while (n > 0) {\n"
        "        SOTTO_PROBE(%s_FRONTEND);\n"
        "        const int32_t used = sotto_listener_push%s(&%s_frontend, &s->listener,\n"
        "            %s_HOP_FRAMES, samples, n, s->in);\n"
        "        SOTTO_PROBE(%s_FRONTEND + 1);\n"
        "        samples += used;\n"
        "        n -= used;\n"
        "        if (!s->listener.due) continue;\n",
        e->upper, e->upper, e->prefix, e->prefix, e->upper, e->stream ? "_new" : "", e->prefix,
        e->upper, e->upper);
    if (e->stream)
        base_str_add(e->out,
                     "        SOTTO_PROBE(0);\n"
                     "        %s_stream_step(&s->stream, s->in, s->out);\n"
                     "        SOTTO_PROBE(%s_STAGES);\n",
                     e->prefix, e->upper);
    else
        base_str_add(e->out, "        %s_run(s->in, s->out);\n", e->prefix);
    base_str_add(
        e->out,
        "        const sotto_detection d = sotto_posterior_push(&%s_posterior, &s->posterior, "
        "s->out);\n"
        "        SOTTO_PROBE(%s_POSTERIOR + 1);\n"
        "        if (!fresh || d.word >= 0) s->detection = d;\n"
        "        fresh = 1;\n"
        "    }\n"
        "    return fresh;\n}\n\n"
        "/* What the last inference found. */\n"
        "static inline sotto_detection %s_result(const %s_t *s)\n{\n"
        "    return s->detection;\n}\n\n",
        e->prefix, e->upper, e->prefix, e->prefix);
}

void emit_pipeline(emitter *e)
{
    q8_put_frontend(&e->pipeline->features, e->pipeline->frontend, e->prefix, e->out);
    put_posterior(e);
    put_state(e);
    put_init(e);
    put_push(e);
}
