/* emit: an int8 model as one C99 header: what it is and how to use it, the kernels that it needs,
 * its sizes, labels and features as macros, then layers, inference and self-test.
 */
#include "quantize/emit.h"
#include "quantize/runtime/requant.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* How to use it. */
static void put_net_use(emitter *e)
{
    base_str_add(
        e->out,
        " *     int8_t in[%s_INPUT_SIZE], out[%s_OUTPUT_SIZE];\n"
        " *     if (%s_selftest() != 0) fault(); // once at start, in development\n"
        " *     // features x[i], computed as %s_FEATURE_... say, become\n"
        " *     //   in[i] = clamp(round(x[i] / %s_INPUT_SCALE) + %s_INPUT_ZERO, -128, 127)\n"
        " *     %s_run(in, out);\n"
        " *     // the class is the index of the largest out; its name is %s_label(index)\n"
        " *\n"
        " * round: halves away from zero, in single precision. ",
        e->upper, e->upper, e->prefix, e->upper, e->upper, e->upper, e->prefix, e->prefix);
}

static void put_pipeline_use(emitter *e)
{
    base_str_add(
        e->out,
        " *     static %s_t s;                      // %s_FEATURE_RATE samples a second, 16 bits\n"
        " *     static int16_t samples[%s_HOP];\n"
        " *     if (%s_selftest(&s) != 0) fault(); // once at start, in development\n"
        " *     %s_init(&s);\n"
        " *     for (;;) {\n"
        " *         microphone(samples, %s_HOP);\n"
        " *         if (!%s_push(&s, samples, %s_HOP)) continue;\n"
        " *         const sotto_detection d = %s_result(&s);\n"
        " *         if (d.word >= 0) heard(%s_label(d.word), d.score);\n"
        " *     }\n"
        " *\n"
        " * or, of features of one's own, the net alone: %s_run(in, out) with int8_t\n"
        " * in[%s_INPUT_SIZE], out[%s_OUTPUT_SIZE]. ",
        e->prefix, e->upper, e->upper, e->prefix, e->prefix, e->upper, e->prefix, e->upper,
        e->prefix, e->prefix, e->prefix, e->upper, e->upper);
}

static void put_origin(emitter *e)
{
    base_str graph = {0};
    nn_print(e->m->folded.graph, &graph);
    emit_comment(e->out, graph.s ? graph.s : "");
    if (graph.failed) e->out->failed = true;
    base_str_free(&graph);
    base_str_add(e->out, " * Made from:\n");
    emit_comment(e->out, e->m->folded.provenance ? e->m->folded.provenance : "");
}

static void put_head(emitter *e)
{
    const q8_model *m = e->m;
    char in[64], out[64];
    nn_shape_text(m->values[0].shape, in);
    nn_shape_text(m->values[m->n_layers].shape, out);
    size_t weights, tables;
    q8_table_bytes(m, &weights, &tables);
    base_str_add(
        e->out,
        "/* %s: an int8 model of %d layers, %s in, %s out%s; made by sotto export. Include "
        "it in\n"
        " * one .c file; it is C99 and needs nothing but <stdint.h> and <string.h>, with\n"
        " * Helium the compiler's <arm_mve.h> too.\n"
        " *\n",
        e->prefix, m->n_layers, in, out,
        e->pipeline ? ",\n * with its front-end and post-processing in integers" : "");
    if (e->pipeline)
        put_pipeline_use(e);
    else
        put_net_use(e);
    base_str_add(
        e->out,
        "Values are kept in one static\n"
        " * buffer of %s_WORK_SIZE bytes, so it is not for two threads at once. Constants of the\n"
        " * net: %zu bytes of weights, %zu of biases, multipliers and shifts.\n"
        " *\n"
        " * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute "
        "this\n"
        " * software for any purpose with or without fee is hereby granted. The software is "
        "provided\n"
        " * \"as is\", without warranty of any kind.\n"
        " *\n"
        " * Rounding profile %s. SHA-256 of graph, quantization and tables:\n"
        " * %s\n"
        " * Graph:\n",
        e->upper, weights, tables, q8_rounding_name(m->rounding), e->hash);
    put_origin(e);
    base_str_add(e->out,
                 " */\n#ifndef %s_MODEL_H\n#define %s_MODEL_H\n\n#include <stdint.h>\n"
                 "#include <string.h>\n\n",
                 e->upper, e->upper);
}

static base_status put_kernels(emitter *e, base_err *err)
{
    BASE_TRY(emit_runtime(e, "quantize/runtime/checksum.h", err));
    BASE_TRY(emit_runtime(e, "quantize/runtime/requant.h", err));
    if (e->pipeline) {
        BASE_TRY(emit_runtime(e, "quantize/runtime/listener.h", err));
        BASE_TRY(emit_runtime(e, "quantize/runtime/selftest.h", err));
    }
    for (int k = 0; k < e->m->n_layers; k++) {
        char path[128];
        snprintf(path, sizeof path, "quantize/runtime/%s", e->m->layers[k].l.kernel->header);
        BASE_TRY(emit_runtime(e, path, err));
    }
    base_str_add(e->out,
                 "#if SOTTO_RUNTIME_VERSION != %d\n"
                 "#error \"%s needs version %d of the sotto runtime; export all models anew\"\n"
                 "#endif\n\n",
                 SOTTO_RUNTIME_VERSION, e->prefix, SOTTO_RUNTIME_VERSION);
    return BASE_OK;
}

static void put_shape(emitter *e, const char *which, const q8_value *v)
{
    base_str_add(e->out, "#define %s_%s_SIZE %zu\n", e->upper, which, v->size);
    for (int d = 0; d < v->shape.n; d++)
        base_str_add(e->out, "#define %s_%s_DIM%d %d\n", e->upper, which, d, v->shape.d[d]);
    base_str_add(e->out, "#define %s_%s_SCALE %.9gF\n", e->upper, which, v->quant.scale);
    base_str_add(e->out, "#define %s_%s_ZERO (%d)\n", e->upper, which, v->quant.zero);
}

static void put_reals(emitter *e, const char *name, const float *v, size_t n)
{
    base_str_add(e->out, "#define %s_FEATURE_%s {", e->upper, name);
    for (size_t i = 0; i < n; i++)
        base_str_add(e->out, "%s%s%.9eF", i ? "," : "", i % 6 ? " " : " \\\n    ", (double)v[i]);
    base_str_add(e->out, "}\n");
}

/* The feature settings: every "key = value" line a macro, numbers as numbers. */
static void put_features(emitter *e)
{
    const nn_model *m = &e->m->folded;
    const char *text = m->features ? m->features : "";
    for (const char *end; *text; text = *end ? end + 1 : end) {
        char key[64], value[128];
        double number;
        end = strchr(text, '\n');
        if (!end) end = text + strlen(text);
        char line[256];
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        if (sscanf(line, " %63[a-z0-9_] = %127[^\n]", key, value) != 2) continue;
        for (char *c = key; *c; c++) *c = (char)toupper((unsigned char)*c);
        base_str_add(e->out, "#define %s_FEATURE_%s ", e->upper, key);
        if (base_parse_double(value, &number))
            base_str_add(e->out, "%s", value);
        else
            emit_string(e->out, value);
        base_str_add(e->out, "\n");
    }
    if (!m->mean) return;
    put_reals(e, "MEAN", m->mean, m->n_stats);
    put_reals(e, "STD", m->std, m->n_stats);
}

static void put_macros(emitter *e)
{
    const q8_model *m = e->m;
    put_shape(e, "INPUT", &m->values[0]);
    put_shape(e, "OUTPUT", &m->values[m->n_layers]);
    base_str_add(e->out, "#define %s_WORK_SIZE %zu\n", e->upper, e->work);
    base_str_add(e->out, "#define %s_MODEL_HASH \"%s\"\n", e->upper, e->hash);
    put_features(e);
    base_str_add(e->out, "#define %s_LABEL_COUNT %zu\n", e->upper, m->folded.n_labels);
    if (m->folded.n_labels > 0) {
        base_str_add(e->out, "#define %s_LABELS {", e->upper);
        for (size_t i = 0; i < m->folded.n_labels; i++) {
            base_str_add(e->out, "%s", i == 0 ? "" : i % 8 ? ", " : ", \\\n    ");
            emit_string(e->out, m->folded.labels[i]);
        }
        base_str_add(e->out,
                     "}\n\n/* The name of a class; \"?\" outside of them. */\n"
                     "static inline const char *%s_label(int i)\n{\n"
                     "    static const char *const names[] = %s_LABELS;\n"
                     "    return i >= 0 && i < %s_LABEL_COUNT ? names[i] : \"?\";\n}\n",
                     e->prefix, e->upper, e->upper);
    }
    base_str_add(e->out, "\n");
}

static base_status check_prefix(const char *prefix, base_err *err)
{
    bool ok = islower((unsigned char)*prefix) && strlen(prefix) < 24;
    for (const char *c = prefix; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_') ok = false;
    if (ok && strcmp(prefix, "sotto") != 0) return BASE_OK;
    base_fail(err, BASE_USAGE, "'%s' cannot begin the names of an exported model", prefix);
    return base_hint(err, "take lower-case letters, digits and _, a letter first, at most 23, "
                          "other than sotto");
}

static base_status emit(emitter *e, base_err *err)
{
    put_head(e);
    BASE_TRY(put_kernels(e, err));
    put_macros(e);
    emit_layers(e);
    emit_run(e);
    if (e->stream) BASE_TRY(emit_stream(e, err));
    if (e->pipeline) emit_pipeline(e);
    return emit_selftest(e, err);
}

static base_status emit_deployed(const q8_model *m, const q8_export *how, base_arena *arena,
                                 base_str *text, base_err *err)
{
    q8_model deployed;
    emitter e = {.m = &deployed,
                 .prefix = how->prefix,
                 .pipeline = how->pipeline,
                 .stream = how->stream,
                 .out = text};
    for (size_t i = 0; e.prefix[i]; i++) e.upper[i] = (char)toupper((unsigned char)e.prefix[i]);
    BASE_TRY(q8_hash(m, e.hash, err));
    if (e.stream && e.stream->mode == Q8_STREAM_WINDOW)
        e.m = &e.stream->net; /* a reset runs it where steps go on */
    else
        BASE_TRY(q8_deploy(m, arena, &deployed, err));
    e.work = e.stream ? e.m->work : quant_pipeline_work(e.pipeline, e.m->work);
    const base_status status = emit(&e, err);
    const bool failed = text->failed || e.included.failed;
    base_str_free(&e.included);
    return status == BASE_OK && failed ? base_nomem(err, text->len) : status;
}

base_status q8_emit(const q8_model *m, const q8_export *how, base_str *text, base_err *err)
{
    BASE_TRY(check_prefix(how->prefix, err));
    base_arena *arena = base_arena_new();
    if (!arena) return base_nomem(err, 1);
    const base_status status = emit_deployed(m, how, arena, text, err);
    base_arena_free(arena);
    return status;
}
