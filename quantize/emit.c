/* emit: an int8 model as one C99 header. The kernels' text comes out of the program itself
 * (nn/embedded.h), each with its include guard, so that several models fit into one translation
 * unit; tables and structs are written by the kernels' field tables; values lie in the work buffer
 * where q8_place put them.
 */
#include "nn/embedded.h"
#include "quantize/internal.h"
#include "quantize/runtime/checksum.h"
#include "quantize/runtime/requant.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct emitter {
    const q8_model *m;
    const char *prefix;      /* "kws" */
    char upper[NN_MAX_NAME]; /* "KWS" */
    base_str *out;
    char hash[65];     /* of the model before q8_deploy */
    base_str included; /* paths of the runtime files written so far, one a line */
} emitter;

/* ---- pieces ---- */

/* Numbers separated by commas, in lines of at most 100 columns. */
static void put_numbers(base_str *out, const void *v, bool bytes, size_t n)
{
    size_t column = 4;
    base_str_add(out, "    ");
    for (size_t i = 0; i < n; i++) {
        char text[24];
        const int32_t value = bytes ? ((const int8_t *)v)[i] : ((const int32_t *)v)[i];
        /* INT32_MIN has no literal of its own type */
        const int length = value == INT32_MIN ? snprintf(text, sizeof text, "-2147483647 - 1,")
                                              : snprintf(text, sizeof text, "%d,", (int)value);
        if (column + (size_t)length > 100) {
            base_str_add(out, "\n    ");
            column = 4;
        }
        base_str_add(out, "%s", text);
        column += (size_t)length;
    }
    base_str_add(out, "\n");
}

/* The C name of layer k: prefix, number, and the node's name as far as it is an identifier. */
static const char *layer_name(const emitter *e, int k, char *name)
{
    const int n = snprintf(name, 2 * NN_MAX_NAME, "%s_%d_%s", e->prefix, k, e->m->layers[k].name);
    for (int i = 0; i < n && name[i]; i++)
        if (!isalnum((unsigned char)name[i])) name[i] = '_';
    return name;
}

/* The C name of an array of a layer: "gemm.weight" of a nested struct as "gemm_weight". */
static const char *array_name(const emitter *e, int k, const nn_q8_field *f,
                              char name[3 * NN_MAX_NAME])
{
    layer_name(e, k, name);
    const size_t n = strlen(name);
    snprintf(name + n, 3 * NN_MAX_NAME - n, "_%s", f->name);
    for (char *c = name + n; *c; c++)
        if (*c == '.') *c = '_';
    return name;
}

/* A string literal. */
static void put_string(base_str *out, const char *s)
{
    base_str_add(out, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\' || c == '?')
            base_str_add(out, "\\%c", c);
        else if (c < 32 || c >= 127)
            base_str_add(out, "\\%03o", c);
        else
            base_str_add(out, "%c", c);
    }
    base_str_add(out, "\"");
}

/* Text inside a comment: nothing in it may end it or open another, nor end its line unseen. */
static void put_comment(base_str *out, const char *line, size_t n)
{
    base_str_add(out, " *   ");
    for (size_t i = 0; i < n; i++) {
        const bool mark = i > 0 && ((line[i] == '/' && line[i - 1] == '*') ||
                                    (line[i] == '*' && line[i - 1] == '/'));
        if (mark) base_str_add(out, " ");
        base_str_add(out, "%c", line[i] == '\\' ? '/' : line[i] == '\r' ? ' ' : line[i]);
    }
    base_str_add(out, "\n");
}

static void put_comment_lines(base_str *out, const char *text)
{
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        if (!end) end = text + strlen(text);
        if (end > text) put_comment(out, text, (size_t)(end - text));
    }
}

/* ---- sections ---- */

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
        "/* %s: an int8 model of %d layers, %s in, %s out; made by sotto export. Include it in "
        "one\n"
        " * .c file; it is C99 and needs nothing but <stdint.h> and <string.h>.\n"
        " *\n"
        " *     int8_t in[%s_INPUT_SIZE], out[%s_OUTPUT_SIZE];\n"
        " *     if (%s_selftest() != 0) fault(); // once at start, in development\n"
        " *     // features x[i], computed as %s_FEATURE_... say, become\n"
        " *     //   in[i] = clamp(round(x[i] / %s_INPUT_SCALE) + %s_INPUT_ZERO, -128, 127)\n"
        " *     %s_run(in, out);\n"
        " *     // the class is the index of the largest out; its name is %s_label(index)\n"
        " *\n"
        " * round: halves away from zero, in single precision. %s_run keeps its values in one "
        "static\n"
        " * buffer of %s_WORK_SIZE bytes, so it is not for two threads at once. Constants: %zu "
        "bytes\n"
        " * of weights, %zu of biases, multipliers and shifts.\n"
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
        e->prefix, m->n_layers, in, out, e->upper, e->upper, e->prefix, e->upper, e->upper,
        e->upper, e->prefix, e->prefix, e->prefix, e->upper, weights, tables,
        q8_rounding_name(m->rounding), e->hash);
    base_str graph = {0};
    nn_print(m->folded.graph, &graph);
    put_comment_lines(e->out, graph.s ? graph.s : "");
    if (graph.failed) e->out->failed = true;
    base_str_free(&graph);
    base_str_add(e->out, " * Made from:\n");
    put_comment_lines(e->out, m->folded.provenance ? m->folded.provenance : "");
    base_str_add(e->out,
                 " */\n#ifndef %s_MODEL_H\n#define %s_MODEL_H\n\n#include <stdint.h>\n"
                 "#include <string.h>\n\n",
                 e->upper, e->upper);
}

/* A runtime file once, what it includes first, without its own #include lines. */
static base_status put_runtime(emitter *e, const char *path, base_err *err)
{
    static const char local[] = "#include \"", system[] = "#include <";
    char line[128];
    snprintf(line, sizeof line, "%s\n", path);
    if (e->included.s && strstr(e->included.s, line)) return BASE_OK;
    base_str_add(&e->included, "%s", line);
    const nn_embedded *file = nn_embedded_find(path);
    if (!file) return base_fail(err, BASE_FAILED, "this program lacks the runtime file %s", path);
    base_str text = {0};
    base_status status = BASE_OK;
    for (const char *at = file->text, *end; *at && status == BASE_OK; at = *end ? end + 1 : end) {
        end = strchr(at, '\n');
        if (!end) end = at + strlen(at);
        if (strncmp(at, local, sizeof local - 1) == 0) {
            const char *name = at + sizeof local - 1;
            snprintf(line, sizeof line, "%.*s", (int)strcspn(name, "\"\n"), name);
            status = put_runtime(e, line, err);
        } else if (strncmp(at, system, sizeof system - 1) != 0) {
            base_str_add_n(&text, at, (size_t)(end - at));
            base_str_add(&text, "\n");
        }
    }
    if (text.s) base_str_add(e->out, "%s\n", text.s);
    if (text.failed) e->out->failed = true;
    base_str_free(&text);
    return status;
}

static base_status put_kernels(emitter *e, base_err *err)
{
    BASE_TRY(put_runtime(e, "quantize/runtime/checksum.h", err));
    BASE_TRY(put_runtime(e, "quantize/runtime/requant.h", err));
    for (int k = 0; k < e->m->n_layers; k++) {
        char path[128];
        snprintf(path, sizeof path, "quantize/runtime/%s", e->m->layers[k].l.kernel->header);
        BASE_TRY(put_runtime(e, path, err));
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
            put_string(e->out, value);
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
    base_str_add(e->out, "#define %s_WORK_SIZE %zu\n", e->upper, m->work);
    base_str_add(e->out, "#define %s_MODEL_HASH \"%s\"\n", e->upper, e->hash);
    put_features(e);
    base_str_add(e->out, "#define %s_LABEL_COUNT %zu\n", e->upper, m->folded.n_labels);
    if (m->folded.n_labels > 0) {
        base_str_add(e->out, "#define %s_LABELS {", e->upper);
        for (size_t i = 0; i < m->folded.n_labels; i++) {
            base_str_add(e->out, "%s", i == 0 ? "" : i % 8 ? ", " : ", \\\n    ");
            put_string(e->out, m->folded.labels[i]);
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

/* Arrays of a layer with a check of their size, then its struct. */
static void put_layer(emitter *e, int k)
{
    const nn_q8_layer *l = &e->m->layers[k].l;
    char name[3 * NN_MAX_NAME];
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type == NN_Q8_INT) continue;
        const q8_array a = q8_field_stored(l, field, array++);
        if (a.n == 0) continue;
        array_name(e, k, field, name);
        base_str_add(e->out, "static const int%s_t %s[]%s = {\n", a.bytes ? "8" : "32", name,
                     a.bytes ? " SOTTO_ALIGNED" : "");
        put_numbers(e->out, a.v, a.bytes, a.n);
        base_str_add(e->out, "};\ntypedef char %s_size[sizeof %s == %zu ? 1 : -1];\n", name, name,
                     a.bytes ? a.n : 4 * a.n);
    }
    char array_of[3 * NN_MAX_NAME];
    layer_name(e, k, name);
    base_str_add(e->out, "static const %s_t %s = {", l->kernel->name, name);
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        base_str_add(e->out, "%s\n    .%s = ", f ? "," : "", field->name);
        if (field->type == NN_Q8_INT)
            base_str_add(e->out, "%d", (int)*q8_field_int(l, field));
        else if (l->count[array++] > 0)
            base_str_add(e->out, "%s", array_name(e, k, field, array_of));
        else
            base_str_add(e->out, "0"); /* NULL */
    }
    base_str_add(e->out, "};\n\n");
}

static void put_value(emitter *e, int v)
{
    if (v == 0)
        base_str_add(e->out, "in");
    else if (v == e->m->n_layers)
        base_str_add(e->out, "out");
    else if (e->m->values[v].wide)
        base_str_add(e->out, "(void *)(work + %zu)", e->m->values[v].offset);
    else
        base_str_add(e->out, "work + %zu", e->m->values[v].offset);
}

/* ---- shapes ---- */

static bool ends_in_zero(const char *name)
{
    const size_t n = strlen(name);
    return n >= 4 && strcmp(name + n - 4, "zero") == 0;
}

/* The first layer of the shape of layer k, k itself when there is none before. */
static int shape_of(const q8_model *m, int k)
{
    const nn_q8_layer *l = &m->layers[k].l;
    for (int j = 0; j < k; j++) {
        const nn_q8_layer *o = &m->layers[j].l;
        bool same = o->kernel == l->kernel;
        for (int f = 0; same && f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            same = field->type != NN_Q8_INT || ends_in_zero(field->name) ||
                   *q8_field_int(l, field) == *q8_field_int(o, field);
        }
        if (same) return j;
    }
    return k;
}

/* One function for all layers of a shape, in which the shape is constant. */
static void put_shapes(emitter *e)
{
    const q8_model *m = e->m;
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_kernel *kernel = m->layers[k].l.kernel;
        char name[2 * NN_MAX_NAME];
        if (!kernel->shaped || shape_of(m, k) != k) continue;
        base_str_add(e->out,
                     "SOTTO_APART void %s_shape_%d(const %s_t *p, const int8_t *x, int8_t *y, "
                     "void *scratch)\n{\n    %s_as(&%s, p, x, y, scratch);\n}\n\n",
                     e->prefix, k, kernel->name, kernel->name, layer_name(e, k, name));
    }
}

/* Names of the stages, and the probe between them, which a user may define. */
static void put_stages(emitter *e)
{
    const q8_model *m = e->m;
    base_str_add(
        e->out,
        "/* The stages of %s_run; SOTTO_PROBE(i) stands before stage i and, with %s_STAGES,\n"
        " * behind the last one: define it to count instructions or time. */\n"
        "#ifndef SOTTO_PROBE\n#define SOTTO_PROBE(i) ((void)0)\n#endif\n"
        "#define %s_STAGES %d\n"
        "static inline const char *%s_stage_name(int i)\n{\n"
        "    static const char *const names[] = {",
        e->prefix, e->upper, e->upper, m->n_layers, e->prefix);
    for (int k = 0; k < m->n_layers; k++) {
        base_str_add(e->out, "%s", k == 0 ? "" : k % 8 ? ", " : ",\n        ");
        put_string(e->out, m->layers[k].name);
    }
    base_str_add(e->out, "};\n    return i >= 0 && i < %s_STAGES ? names[i] : \"?\";\n}\n\n",
                 e->upper);
}

static void put_run(emitter *e)
{
    const q8_model *m = e->m;
    base_str_add(e->out,
                 "/* One inference; in and out do not overlap. */\n"
                 "static inline void %s_run(const int8_t in[%s_INPUT_SIZE], int8_t "
                 "out[%s_OUTPUT_SIZE])\n{\n",
                 e->prefix, e->upper, e->upper);
    if (m->work > 0) /* words, so that the buffer is aligned */
        base_str_add(e->out,
                     "    static int32_t buffer[(%s_WORK_SIZE + 3) / 4];\n"
                     "    int8_t *const work = (int8_t *)buffer;\n",
                     e->upper);
    for (int k = 0; k < m->n_layers; k++) {
        const q8_layer *l = &m->layers[k];
        char name[2 * NN_MAX_NAME];
        base_str_add(e->out, "    SOTTO_PROBE(%d);\n    ", k);
        if (l->l.kernel->shaped)
            base_str_add(e->out, "%s_shape_%d", e->prefix, shape_of(m, k));
        else
            base_str_add(e->out, "%s", l->l.kernel->name);
        base_str_add(e->out, "(&%s, ", layer_name(e, k, name));
        if (l->l.kernel->list) base_str_add(e->out, "(const int8_t *const[]){");
        for (int j = 0; j < l->n_in; j++) {
            if (j > 0) base_str_add(e->out, ", ");
            put_value(e, l->in[j]);
        }
        base_str_add(e->out, l->l.kernel->list ? "}, " : ", ");
        put_value(e, k + 1);
        if (l->l.scratch > 0) base_str_add(e->out, ", work + %zu", l->scratch);
        base_str_add(e->out, ");\n");
    }
    base_str_add(e->out, "    SOTTO_PROBE(%s_STAGES);\n}\n\n", e->upper);
}

/* ---- self-test ---- */

static uint32_t table_sum(const q8_model *m)
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
    return sum;
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
            char name[3 * NN_MAX_NAME];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            if (a.n == 0) continue;
            base_str_add(e->out, "    sum = sotto_checksum_i%s(sum, %s, %zu);\n",
                         a.bytes ? "8" : "32", array_name(e, k, field, name), a.n);
        }
    }
    base_str_add(e->out, "    return sum;\n}\n\n");
}

static base_status put_selftest(emitter *e, base_err *err)
{
    const q8_model *m = e->m;
    int8_t *y;
    BASE_TRY(q8_golden_outputs(m, &y, err));
    base_str_add(e->out, "static const int8_t %s_golden_in[][%s_INPUT_SIZE] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; i < m->n_golden; i++) {
        base_str_add(e->out, "    {\n");
        put_numbers(e->out, m->golden + i * q8_input_size(m), true, q8_input_size(m));
        base_str_add(e->out, "    },\n");
    }
    base_str_add(e->out, "};\nstatic const int8_t %s_golden_out[][%s_OUTPUT_SIZE] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; i < m->n_golden; i++) {
        base_str_add(e->out, "    {\n");
        put_numbers(e->out, y + i * q8_output_size(m), true, q8_output_size(m));
        base_str_add(e->out, "    },\n");
    }
    base_free(y);
    base_str_add(e->out, "};\n\n");
    put_table_sum(e);
    base_str_add(
        e->out,
        "/* 0 when all is well, -1 when a table is not what was exported, else the number\n"
        " * (from 1) of the golden input that gives another result than on the host. */\n"
        "static inline int %s_selftest(void)\n{\n"
        "    int8_t out[%s_OUTPUT_SIZE];\n"
        "    if (%s_checksum() != UINT32_C(%lu)) return -1;\n"
        "    for (int i = 0; i < %zu; i++) {\n"
        "        %s_run(%s_golden_in[i], out);\n"
        "        if (memcmp(out, %s_golden_out[i], sizeof out) != 0) return i + 1;\n"
        "    }\n"
        "    return 0;\n}\n\n#endif\n",
        e->prefix, e->upper, e->prefix, (unsigned long)table_sum(m), m->n_golden, e->prefix,
        e->prefix, e->prefix);
    return BASE_OK;
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
    for (int k = 0; k < e->m->n_layers; k++) put_layer(e, k);
    put_shapes(e);
    put_stages(e);
    put_run(e);
    return put_selftest(e, err);
}

static base_status emit_deployed(const q8_model *m, base_arena *arena, const char *prefix,
                                 base_str *text, base_err *err)
{
    q8_model deployed;
    emitter e = {.m = &deployed, .prefix = prefix, .out = text};
    for (size_t i = 0; prefix[i]; i++) e.upper[i] = (char)toupper((unsigned char)prefix[i]);
    BASE_TRY(q8_hash(m, e.hash, err));
    BASE_TRY(q8_deploy(m, arena, &deployed, err));
    const base_status status = emit(&e, err);
    const bool failed = text->failed || e.included.failed;
    base_str_free(&e.included);
    return status == BASE_OK && failed ? base_nomem(err, text->len) : status;
}

base_status q8_emit(const q8_model *m, const char *prefix, base_str *text, base_err *err)
{
    BASE_TRY(check_prefix(prefix, err));
    base_arena *arena = base_arena_new();
    if (!arena) return base_nomem(err, 1);
    const base_status status = emit_deployed(m, arena, prefix, text, err);
    base_arena_free(arena);
    return status;
}
