/* emit_net: layers as constant tables and structs, written by the kernels' field tables, and the
 * inference as a sequence of calls; values lie in the work buffer where q8_place put them.
 */
#include "quantize/emit.h"

#include <string.h>

void emit_struct(emitter *e, int k, const nn_q8_layer *l, const char *name)
{
    char array_of[EMIT_NAME];
    base_str_add(e->out, "static const %s_t %s = {", e->m->layers[k].l.kernel->name, name);
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        base_str_add(e->out, "%s\n    .%s = ", f ? "," : "", field->name);
        if (field->type == NN_Q8_INT)
            base_str_add(e->out, "%d", (int)*q8_field_int(l, field));
        else if (l->count[array++] > 0)
            base_str_add(e->out, "%s", emit_array_name(e, k, field, array_of));
        else
            base_str_add(e->out, "0"); /* NULL */
    }
    base_str_add(e->out, "};\n\n");
}

/* Arrays of a layer with a check of their size, then its struct. */
static void put_layer(emitter *e, int k)
{
    const nn_q8_layer *l = &e->m->layers[k].l;
    char name[EMIT_NAME];
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type == NN_Q8_INT) continue;
        const q8_array a = q8_field_stored(l, field, array++);
        if (a.n == 0) continue;
        emit_array_name(e, k, field, name);
        base_str_add(e->out, "static const int%s_t %s[]%s = {\n", a.bytes ? "8" : "32", name,
                     a.bytes ? " SOTTO_ALIGNED" : "");
        emit_numbers(e->out, a.v, a.bytes, a.n);
        base_str_add(e->out, "};\ntypedef char %s_size[sizeof %s == %zu ? 1 : -1];\n", name, name,
                     a.bytes ? a.n : 4 * a.n);
    }
    emit_layer_name(e, k, name);
    emit_struct(e, k, l, name);
}

void emit_layers(emitter *e)
{
    for (int k = 0; k < e->m->n_layers; k++) put_layer(e, k);
}

/* ---- places ---- */

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

/* ---- one function a shape ---- */

static bool ends_in_zero(const char *name)
{
    const size_t n = strlen(name);
    return n >= 4 && strcmp(name + n - 4, "zero") == 0;
}

int emit_shape(const q8_model *m, int k)
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

/* One function for all layers of a shape, in which the shape is constant; but rows of layers have
 * rows of their own. */
static void put_shapes(emitter *e)
{
    const q8_model *m = e->m;
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_kernel *kernel = m->layers[k].l.kernel;
        char name[EMIT_NAME];
        if (!kernel->shaped || emit_shape(m, k) != k) continue;
        base_str_add(e->out,
                     "SOTTO_APART void %s_shape_%d(const %s_t *p, const int8_t *x, int8_t *y, "
                     "void *scratch)\n{\n    %s_as(&%s, &%s%sgrid, p, x, y, scratch);\n}\n\n",
                     e->prefix, k, kernel->name, kernel->name, emit_layer_name(e, k, name),
                     e->stream ? "p" : name, e->stream ? "->" : ".");
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
        "#define %s_STAGES %d\n",
        e->prefix, e->upper, e->upper, m->n_layers);
    if (e->pipeline)
        base_str_add(e->out,
                     "/* Those around it, each with a probe of its number + 1 behind it. */\n"
                     "#define %s_FRONTEND (%s_STAGES + 1)\n#define %s_POSTERIOR (%s_STAGES + 2)\n",
                     e->upper, e->upper, e->upper, e->upper);
    base_str_add(e->out,
                 "static inline const char *%s_stage_name(int i)\n{\n"
                 "    static const char *const names[] = {",
                 e->prefix);
    for (int k = 0; k < m->n_layers; k++) {
        base_str_add(e->out, "%s", k == 0 ? "" : k % 8 ? ", " : ",\n        ");
        emit_string(e->out, m->layers[k].name);
    }
    if (e->pipeline)
        base_str_add(e->out, ",\n        \"%s\", \"front-end\", \"posterior\"",
                     e->stream ? "steps" : "?");
    base_str_add(e->out, "};\n    return i >= 0 && i < %s_STAGES%s ? names[i] : \"?\";\n}\n\n",
                 e->upper, e->pipeline ? " + 3" : "");
}

static void put_call(emitter *e, int k)
{
    const q8_model *m = e->m;
    const q8_layer *l = &m->layers[k];
    char name[EMIT_NAME];
    if (l->l.kernel->shaped)
        base_str_add(e->out, "%s_shape_%d", e->prefix, emit_shape(m, k));
    else
        base_str_add(e->out, "%s", l->l.kernel->name);
    base_str_add(e->out, "(&%s, ", emit_layer_name(e, k, name));
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

void emit_run(emitter *e)
{
    const q8_model *m = e->m;
    put_shapes(e);
    put_stages(e);
    base_str_add(e->out,
                 "static inline void %s_stage(int i, const int8_t *in, int8_t *out, int8_t *work)\n"
                 "{\n    (void)work;\n    switch (i) {\n",
                 e->prefix);
    for (int k = 0; k < m->n_layers; k++) {
        base_str_add(e->out, "    case %d: ", k);
        put_call(e, k);
        base_str_add(e->out, "        break;\n");
    }
    base_str_add(e->out,
                 "    default: break;\n    }\n}\n\n"
                 "/* The work buffer, of words, so that it is aligned. */\n"
                 "static inline int8_t *%s_work(void)\n{\n"
                 "    static int32_t buffer[%s_WORK_SIZE / 4 + 1];\n"
                 "    return (int8_t *)buffer;\n}\n\n"
                 "/* One inference; in and out do not overlap. */\n"
                 "static inline void %s_run(const int8_t in[%s_INPUT_SIZE], int8_t "
                 "out[%s_OUTPUT_SIZE])\n{\n"
                 "    for (int i = 0; i < %s_STAGES; i++) {\n        SOTTO_PROBE(i);\n"
                 "        %s_stage(i, in, out, %s_work());\n    }\n"
                 "    SOTTO_PROBE(%s_STAGES);\n}\n\n",
                 e->prefix, e->upper, e->prefix, e->upper, e->upper, e->upper, e->prefix, e->prefix,
                 e->upper);
}
