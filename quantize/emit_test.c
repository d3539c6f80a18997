/* emit_test: the self-test of exported C: a checksum of all tables, and golden inputs with
 * checksums of what every stage gives for them on the host.
 */
#include "quantize/emit.h"
#include "quantize/runtime/selftest.h"

#include <string.h>

/* The tables of the front-end after `sum`: their checksum, and C for it where e is there. */
static uint32_t frontend_sum(const quant_pipeline *pl, uint32_t sum, const emitter *e)
{
    size_t n;
    const dsp_fixed_field *fields = dsp_fixed_fields(pl->frontend, &n);
    for (size_t i = 0; i < n; i++) {
        const dsp_fixed_field *f = &fields[i];
        const int32_t count = (int32_t)f->count;
        if (f->type == DSP_FIXED_INT || count == 0) continue;
        const int bits = f->type == DSP_FIXED_I32 ? 32 : f->type == DSP_FIXED_U8 ? 8 : 16;
        sum = bits == 32   ? sotto_checksum_i32(sum, f->data, count)
              : bits == 16 ? sotto_checksum_i16(sum, f->data, count)
                           : sotto_checksum_i8(sum, f->data, count);
        if (!e) continue;
        base_str_add(e->out,
                     "    sum = sotto_checksum_i%d(sum, (const int%d_t *)%s_frontend.%s, %d);\n",
                     bits, bits, e->prefix, f->name, (int)count);
    }
    return sum;
}

static uint32_t table_sum(const q8_model *m, const quant_pipeline *pl)
{
    uint32_t sum = SOTTO_CHECKSUM_START;
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_layer *l = &m->layers[k].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            sum = a.bytes ? sotto_checksum_i8(sum, a.v, (int32_t)a.n)
                          : sotto_checksum_i32(sum, a.v, (int32_t)a.n);
        }
    }
    return pl ? frontend_sum(pl, sum, NULL) : sum;
}

static void put_table_sum(emitter *e)
{
    const q8_model *m = e->m;
    base_str_add(e->out,
                 "static inline uint32_t %s_checksum(void)\n{\n"
                 "    uint32_t sum = SOTTO_CHECKSUM_START;\n",
                 e->prefix);
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_layer *l = &m->layers[k].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            char name[EMIT_NAME];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            if (a.n == 0) continue;
            base_str_add(e->out, "    sum = sotto_checksum_i%s(sum, %s, %zu);\n",
                         a.bytes ? "8" : "32", emit_array_name(e, k, field, name), a.n);
        }
    }
    if (e->pipeline) frontend_sum(e->pipeline, 0, e);
    base_str_add(e->out, "    return sum;\n}\n\n");
}

/* The checksum of what every stage gives for one golden input. */
typedef struct sums {
    const q8_model *m;
    base_str *out;
} sums;

static void put_sum(void *ctx, int layer, const int8_t *y)
{
    const sums *s = ctx;
    const uint32_t sum =
        sotto_checksum_i8(SOTTO_CHECKSUM_START, y, (int32_t)s->m->values[layer + 1].size);
    base_str_add(s->out, "%s0x%08lxU,", layer % 7 ? " " : "\n        ", (unsigned long)sum);
}

static base_status put_sums(emitter *e, base_err *err)
{
    const q8_model *m = e->m;
    sums s = {m, e->out};
    int8_t *work = base_alloc(m->work + 1, 1), *y = base_alloc(q8_output_size(m), 1);
    const base_status status = work && y ? BASE_OK : base_nomem(err, m->work);
    base_str_add(e->out, "static const uint32_t %s_golden_sums[][%s_STAGES] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; status == BASE_OK && i < m->n_golden; i++) {
        base_str_add(e->out, "    {");
        q8_observe(m, m->golden + i * q8_input_size(m), y, work, put_sum, &s);
        base_str_add(e->out, "},\n");
    }
    base_str_add(e->out, "};\n\n");
    base_free(work);
    base_free(y);
    return status;
}

/* Inputs, sums, and where in the work buffer a stage leaves what. */
static base_status put_golden(emitter *e, base_err *err)
{
    const q8_model *m = e->m;
    base_str_add(e->out, "static const int8_t %s_golden_in[][%s_INPUT_SIZE] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; i < m->n_golden; i++) {
        base_str_add(e->out, "    {\n");
        emit_numbers(e->out, m->golden + i * q8_input_size(m), true, q8_input_size(m));
        base_str_add(e->out, "    },\n");
    }
    base_str_add(e->out, "};\nstatic const int32_t %s_stage_values[][2] = {", e->prefix);
    for (int v = 1; v <= m->n_layers; v++)
        base_str_add(e->out, "%s{%zu, %zu},", v % 6 == 1 ? "\n    " : " ", m->values[v].offset,
                     m->values[v].size);
    base_str_add(e->out, "};\n");
    return put_sums(e, err);
}

/* What the runtime's own tests of what is around the net give here. */
static base_status host_sums(const quant_pipeline *pl, uint32_t *frontend, uint32_t *posterior,
                             base_err *err)
{
    const sotto_frontend_t *fe = dsp_fixed_frontend(pl->frontend);
    const sotto_posterior_t *t = &pl->posterior;
    const size_t size = (size_t)SOTTO_POSTERIOR_SIZE(t->softmax.n, t->window);
    sotto_frontend_state_t listening;
    sotto_posterior_state hearing;
    int32_t *memory = base_alloc((size_t)sotto_frontend_memory(fe), sizeof *memory);
    int32_t *scratch = base_alloc((size_t)sotto_frontend_scratch(fe), sizeof *scratch);
    uint16_t *scores = base_alloc(size, sizeof *scores);
    int8_t *row = base_alloc((size_t)(fe->bins + t->softmax.n), 1);
    const bool ok = memory && scratch && scores && row;
    if (ok) {
        sotto_frontend_init(fe, &listening, memory, scratch);
        sotto_posterior_init(t, &hearing, scores);
        *frontend = sotto_test_frontend(fe, &listening, row);
        *posterior = sotto_test_posterior(t, &hearing, row + fe->bins);
    }
    base_free(memory);
    base_free(scratch);
    base_free(scores);
    base_free(row);
    return ok ? BASE_OK : base_nomem(err, size);
}

static void put_table_test(emitter *e)
{
    base_str_add(e->out, "    if (%s_checksum() != UINT32_C(%lu)) return -1;\n", e->prefix,
                 (unsigned long)table_sum(e->m, e->pipeline));
}

static void put_net_test(emitter *e)
{
    base_str_add(e->out,
                 "    for (int g = 0; g < %zu; g++)\n"
                 "        for (int i = 0; i < %s_STAGES; i++) {\n"
                 "            const int32_t *const value = %s_stage_values[i];\n"
                 "            const int8_t *const y = i + 1 < %s_STAGES ? work + value[0] : out;\n"
                 "            %s_stage(i, %s_golden_in[g], out, work);\n"
                 "            if (sotto_checksum_i8(SOTTO_CHECKSUM_START, y, value[1]) !=\n"
                 "                %s_golden_sums[g][i])\n"
                 "                return i + 1;\n"
                 "        }\n",
                 e->m->n_golden, e->upper, e->prefix, e->upper, e->prefix, e->prefix, e->prefix);
}

/* The outputs of steps over the golden inputs, frame after frame, from a reset on. */
static base_status steps_sum(const emitter *e, uint32_t *sum, base_err *err)
{
    const q8_stream *s = e->stream;
    const q8_model *m = e->m;
    const size_t hops = q8_input_size(m) / s->hop_bytes, n = q8_output_size(&s->net);
    int8_t *work = base_alloc(s->net.work + 1, 1), *out = base_alloc(n, 1);
    const base_status status = work && out ? BASE_OK : base_nomem(err, s->net.work);
    *sum = SOTTO_CHECKSUM_START;
    if (status == BASE_OK) q8_stream_reset(s, work);
    for (size_t g = 0; status == BASE_OK && g < m->n_golden; g++)
        for (size_t i = 0; i < hops; i++) {
            const int8_t *frames = m->golden + g * q8_input_size(m) + i * s->hop_bytes;
            q8_stream_step(s, frames, out, work);
            *sum = sotto_checksum_i8(*sum, out, (int32_t)n);
        }
    base_free(work);
    base_free(out);
    return status;
}

static base_status put_steps_test(emitter *e, base_err *err)
{
    uint32_t sum = 0;
    if (!e->stream) return BASE_OK;
    BASE_TRY(steps_sum(e, &sum, err));
    base_str_add(e->out,
                 "    uint32_t steps = SOTTO_CHECKSUM_START;\n"
                 "    %s_stream_reset(&s->stream);\n"
                 "    for (int g = 0; g < %zu; g++)\n"
                 "        for (int i = 0; i < %s_INPUT_SIZE / %s_STREAM_INPUT_SIZE; i++) {\n"
                 "            %s_stream_step(&s->stream, %s_golden_in[g] + i * "
                 "%s_STREAM_INPUT_SIZE, out);\n"
                 "            steps = sotto_checksum_i8(steps, out, %s_STREAM_OUTPUT_SIZE);\n"
                 "        }\n"
                 "    if (steps != UINT32_C(%lu)) return %s_STAGES + 1;\n",
                 e->prefix, e->m->n_golden, e->upper, e->upper, e->prefix, e->prefix, e->upper,
                 e->upper, (unsigned long)sum, e->upper);
    return BASE_OK;
}

static const char result[] =
    "/* 0 when all is well, -1 when a table is not what was exported, else the number (from 1)\n"
    " * of the first stage that gives another result than on the host.";

static void put_net_selftest(emitter *e)
{
    base_str_add(e->out,
                 "%s */\nstatic inline int %s_selftest(void)\n{\n"
                 "    int8_t out[%s_OUTPUT_SIZE], *const work = %s_work();\n",
                 result, e->prefix, e->upper, e->prefix);
    put_table_test(e);
    put_net_test(e);
    base_str_add(e->out, "    return 0;\n}\n\n");
}

static base_status put_pipeline_selftest(emitter *e, base_err *err)
{
    uint32_t frontend = 0, posterior = 0;
    char work[64];
    if (e->stream && e->stream->mode == Q8_STREAM_WINDOW)
        snprintf(work, sizeof work, "(int8_t *)s->stream.buffer");
    else
        snprintf(work, sizeof work, "%s_work()", e->prefix);
    BASE_TRY(host_sums(e->pipeline, &frontend, &posterior, err));
    base_str_add(e->out,
                 "%s It works in s, which %s_init starts anew. */\n"
                 "static inline int %s_selftest(%s_t *s)\n{\n"
                 "    int8_t *const out = s->out;\n"
                 "    int8_t *const work = %s;\n"
                 "    %s_init(s);\n",
                 result, e->prefix, e->prefix, e->prefix, work, e->prefix);
    put_table_test(e);
    base_str_add(e->out,
                 "    if (sotto_test_frontend(&%s_frontend, &s->listener.frontend, s->in) != "
                 "UINT32_C(%lu))\n"
                 "        return %s_FRONTEND + 1;\n",
                 e->prefix, (unsigned long)frontend, e->upper);
    put_net_test(e);
    BASE_TRY(put_steps_test(e, err));
    base_str_add(e->out,
                 "    if (sotto_test_posterior(&%s_posterior, &s->posterior, out) != "
                 "UINT32_C(%lu))\n"
                 "        return %s_POSTERIOR + 1;\n"
                 "    %s_init(s);\n    return 0;\n}\n\n",
                 e->prefix, (unsigned long)posterior, e->upper, e->prefix);
    return BASE_OK;
}

base_status emit_selftest(emitter *e, base_err *err)
{
    BASE_TRY(put_golden(e, err));
    put_table_sum(e);
    if (!e->pipeline)
        put_net_selftest(e);
    else
        BASE_TRY(put_pipeline_selftest(e, err));
    base_str_add(e->out, "#endif\n");
    return BASE_OK;
}
