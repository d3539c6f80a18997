/* emit_stream: the inference hop by hop: what it keeps as a struct, the structs of rows of layers,
 * a reset and a step.
 */
#include "quantize/emit.h"

static void piece_name(const emitter *e, int i, char name[EMIT_NAME])
{
    const q8_piece *p = &e->stream->pieces[i];
    char layer[EMIT_NAME];
    if (p->whole)
        emit_layer_name(e, p->layer, name);
    else
        snprintf(name, EMIT_NAME, "%.*s_hop_%d", EMIT_NAME - 24,
                 emit_layer_name(e, p->layer, layer), i);
}

static void put_pieces(emitter *e)
{
    for (int i = 0; i < e->stream->n_pieces; i++) {
        const q8_piece *p = &e->stream->pieces[i];
        char name[EMIT_NAME];
        piece_name(e, i, name);
        if (!p->whole) emit_struct(e, p->layer, &p->l, name);
    }
}

static void put_place(emitter *e, int v, size_t at)
{
    const q8_model *m = &e->stream->net;
    const bool wide = m->values[v].wide;
    if (v == m->n_layers)
        base_str_add(e->out, "out");
    else if (v == 0 && e->stream->mode == Q8_STREAM_STATE)
        base_str_add(e->out, "frames + %zu", at);
    else
        base_str_add(e->out, "%swork + %zu%s", wide ? "(void *)(" : "", m->values[v].offset + at,
                     wide ? ")" : "");
}

static void put_piece(emitter *e, int i)
{
    const q8_piece *p = &e->stream->pieces[i];
    const q8_layer *l = &e->stream->net.layers[p->layer];
    char name[EMIT_NAME];
    piece_name(e, i, name);
    if (p->l.kernel->shaped)
        base_str_add(e->out, "    %s_shape_%d(&%s, ", e->prefix, emit_shape(e->m, p->layer), name);
    else
        base_str_add(e->out, "    %s(&%s, ", p->l.kernel->name, name);
    if (p->l.kernel->list) base_str_add(e->out, "(const int8_t *const[]){");
    for (int j = 0; j < l->n_in; j++) {
        if (j > 0) base_str_add(e->out, ", ");
        put_place(e, l->in[j], p->x[j]);
    }
    base_str_add(e->out, p->l.kernel->list ? "}, " : ", ");
    put_place(e, p->layer + 1, p->y);
    if (l->l.scratch > 0) base_str_add(e->out, ", work + %zu", l->scratch);
    base_str_add(e->out, ");\n");
}

static void put_head(emitter *e)
{
    const q8_stream *s = e->stream;
    const q8_model *m = &s->net;
    base_str_add(e->out,
                 "/* ---- hop by hop ----\n"
                 " *\n"
                 " *     static %s_stream stream;\n"
                 " *     int8_t frames[%s_STREAM_INPUT_SIZE], out[%s_STREAM_OUTPUT_SIZE];\n"
                 " *     %s_stream_reset(&stream);\n"
                 " *     // for every %d new frames of features:\n"
                 " *     %s_stream_step(&stream, frames, out);\n"
                 " *\n"
                 " * out is what %s.\n"
                 " * %lld multiply-accumulates a step; a run on the window takes %lld. */\n"
                 "#define %s_STREAM_HOP %d\n#define %s_STREAM_INPUT_SIZE %zu\n"
                 "#define %s_STREAM_SIZE %zu\n#define %s_STREAM_OUTPUT_SIZE %zu\n"
                 "typedef struct %s_stream {\n    int32_t buffer[%s_STREAM_SIZE / 4 + 1];\n"
                 "} %s_stream;\n\n",
                 e->prefix, e->upper, e->upper, e->prefix, s->hop, e->prefix,
                 s->mode == Q8_STREAM_WINDOW
                     ? "a run gives on the last frames, as many as it takes; those before\n"
                       " * the first ones are zeros (the input's zero point)"
                     : "a run over all frames since the reset would give",
                 (long long)s->macs, (long long)s->window_macs, e->upper, s->hop, e->upper,
                 s->hop_bytes, e->upper, m->work, e->upper, m->values[m->n_layers].size, e->prefix,
                 e->upper, e->prefix);
}

static void put_reset(emitter *e)
{
    const q8_value *in = &e->stream->net.values[0];
    base_str_add(e->out, "static inline void %s_stream_reset(%s_stream *s)\n{\n", e->prefix,
                 e->prefix);
    if (e->stream->mode == Q8_STREAM_STATE)
        base_str_add(e->out, "    memset(s, 0, sizeof *s);\n}\n\n");
    else
        base_str_add(e->out,
                     "    int8_t *const work = (int8_t *)s->buffer, *const window = work + %zu;\n"
                     "    int8_t out[%s_OUTPUT_SIZE];\n"
                     "    memset(window, %s_INPUT_ZERO, %s_INPUT_SIZE);\n"
                     "    for (int i = 0; i < %s_STAGES; i++) %s_stage(i, window, out, work);\n"
                     "}\n\n",
                     in->offset, e->upper, e->upper, e->upper, e->upper, e->prefix);
}

base_status emit_stream(emitter *e, base_err *err)
{
    const q8_stream *s = e->stream;
    const q8_value *in = &s->net.values[0];
    BASE_TRY(emit_runtime(e, "quantize/runtime/shift.h", err));
    put_head(e);
    put_pieces(e);
    put_reset(e);
    base_str_add(e->out,
                 "static inline void %s_stream_step(%s_stream *s, const int8_t "
                 "frames[%s_STREAM_INPUT_SIZE],\n    int8_t out[%s_STREAM_OUTPUT_SIZE])\n{\n"
                 "    int8_t *const work = (int8_t *)s->buffer;\n    (void)work;\n",
                 e->prefix, e->prefix, e->upper, e->upper);
    for (int i = 0; i < s->n_shifts; i++) {
        const q8_shift *h = &s->shifts[i];
        const size_t to = s->net.values[h->value].offset + h->to;
        if (h->bytes > 0)
            base_str_add(e->out, "    sotto_shift(work + %zu, %zu, %zu);\n", to, h->by, h->bytes);
    }
    if (s->mode == Q8_STREAM_WINDOW)
        base_str_add(e->out, "    memcpy(work + %zu, frames, %s_STREAM_INPUT_SIZE);\n",
                     in->offset + in->size - s->hop_bytes, e->upper);
    for (int i = 0; i < s->n_pieces; i++) put_piece(e, i);
    base_str_add(e->out, "}\n\n");
    return BASE_OK;
}
