/* tflite_read: a .tflite file as the plain structs of tflite.h, with everything checked. */
#include "quantize/flatbuffer.h"
#include "quantize/tflite_schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THINGS = 1 << 14, MAX_COUNT = 1 << 28 };

typedef struct reading {
    fb_reader r;
    tfl_model *m;
    fb_vector buffers, codes;
    bool *known; /* tensors that are constant, the input, or computed so far */
    base_err *err;
} reading;

static base_status bad(const reading *in, const char *fmt, ...) BASE_PRINTF(2, 3);
static base_status bad(const reading *in, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return base_fail(in->err, BASE_DATA, "'%s': %s", in->m->file, what);
}

static base_status sound(const reading *in)
{
    if (!in->r.wrong) return BASE_OK;
    bad(in, "%s (byte %zu of %zu)", in->r.wrong, in->r.wrong_at, in->r.n);
    return base_hint(in->err, "the file is damaged or cut short: get it again");
}

static base_status read_shape(reading *in, fb_table from, tfl_tensor *t)
{
    const fb_vector shape = fb_vector_of(from, TENSOR_SHAPE, 4);
    if (shape.n > TFL_MAX_DIMS)
        return bad(in, "tensor '%s' has %zu dimensions (at most %d)", t->name, shape.n,
                   TFL_MAX_DIMS);
    t->rank = (int)shape.n;
    int64_t count = 1;
    for (size_t d = 0; d < shape.n; d++) {
        t->dim[d] = fb_item_i32(shape, d);
        if (t->dim[d] < 1 || (count *= t->dim[d]) > MAX_COUNT)
            return bad(in, "tensor '%s': dimension %zu is %d", t->name, d, t->dim[d]);
    }
    return BASE_OK;
}

static base_status read_quant(reading *in, fb_table from, tfl_tensor *t)
{
    const fb_table q = fb_child(from, TENSOR_QUANT);
    const fb_vector scale = fb_vector_of(q, QUANT_SCALE, 4), zero = fb_vector_of(q, QUANT_ZERO, 8);
    const int64_t axis = fb_i32(q, QUANT_AXIS, 0);
    if (scale.n == 0) return BASE_OK;
    if (axis < 0 || (axis > 0 && axis >= t->rank))
        return bad(in, "tensor '%s' is quantized along dimension %lld of %d", t->name,
                   (long long)axis, t->rank);
    const bool all = t->rank > 0 && scale.n == (size_t)t->dim[axis];
    if ((scale.n != 1 && !all) || (zero.n != 0 && zero.n != scale.n))
        return bad(in, "tensor '%s' has %zu scales and %zu zero points", t->name, scale.n, zero.n);
    float *s = base_arena_alloc(in->m->arena, scale.n, sizeof *s);
    int32_t *z = base_arena_alloc(in->m->arena, scale.n, sizeof *z);
    if (!s || !z) return base_nomem(in->err, scale.n * sizeof *s);
    for (size_t i = 0; i < scale.n; i++) {
        const int64_t point = zero.n ? fb_item_i64(zero, i) : 0;
        s[i] = fb_item_f32(scale, i);
        z[i] = (int32_t)point;
        if (point < INT8_MIN || point > UINT8_MAX || !(s[i] >= 0.0F && s[i] < 1e30F))
            return bad(in, "tensor '%s' has scale %g and zero point %lld", t->name, (double)s[i],
                       (long long)point);
    }
    t->scale = s;
    t->zero = z;
    t->n_scales = (int)scale.n;
    t->axis = (int)axis;
    return BASE_OK;
}

static base_status read_tensor(reading *in, fb_table from, tfl_tensor *t)
{
    t->name = fb_string(from, TENSOR_NAME, in->m->arena);
    if (!t->name) return base_nomem(in->err, 1);
    t->type = (int)fb_i8(from, TENSOR_TYPE, TFL_FLOAT32);
    BASE_TRY(read_shape(in, from, t));
    BASE_TRY(read_quant(in, from, t));
    const int64_t buffer = fb_u32(from, TENSOR_BUFFER, 0);
    if (buffer == 0) return BASE_OK;
    if ((size_t)buffer >= in->buffers.n)
        return bad(in, "tensor '%s' is in buffer %lld of %zu", t->name, (long long)buffer,
                   in->buffers.n);
    const fb_vector data = fb_vector_of(fb_item(in->buffers, (size_t)buffer), BUFFER_DATA, 1);
    if (data.n == 0) return BASE_OK;
    t->data = in->r.bytes + data.at;
    t->bytes = data.n;
    const size_t size = tfl_element_size(t->type);
    if (size == 0 || t->bytes == size * (size_t)tflite_count(t)) return BASE_OK;
    return bad(in, "tensor '%s' has %zu bytes, its shape wants %zu", t->name, t->bytes,
               size * (size_t)tflite_count(t));
}

static void read_options(const tfl_row *row, fb_table from, tfl_options *o)
{
    for (int i = 0; i < row->n_options; i++) {
        const tfl_option *p = &row->options[i];
        void *at = (char *)o + p->offset;
        if (p->kind == TFL_REAL)
            *(float *)at = fb_f32(from, p->field, (float)p->fallback);
        else
            *(int32_t *)at = (int32_t)(p->kind == TFL_BYTE ? fb_i8(from, p->field, p->fallback)
                                                           : fb_i32(from, p->field, p->fallback));
    }
}

static base_status read_code(reading *in, fb_table from, int k, tfl_op *op)
{
    char buf[32];
    const int64_t index = fb_u32(from, OP_CODE, 0);
    if ((size_t)index >= in->codes.n)
        return bad(in, "operator %d is of kind %lld of %zu", k, (long long)index, in->codes.n);
    const fb_table code = fb_item(in->codes, (size_t)index);
    const int64_t byte = fb_i8(code, CODE_BYTE, 0), word = fb_i32(code, CODE_WORD, 0);
    op->code = (int)(word > byte ? word : byte);
    op->version = (int)fb_i32(code, CODE_VERSION, 1);
    if (tfl_row_of(op->code)) return BASE_OK;
    const fb_vector outputs = fb_vector_of(from, OP_OUTPUTS, 4);
    const int64_t out = outputs.n ? fb_item_i32(outputs, 0) : -1;
    bad(in, "operator %d is %s, of which there is no form here; it computes tensor '%s'", k,
        tflite_op_name(op->code, buf),
        out >= 0 && out < in->m->n_tensors ? in->m->tensor[out].name : "?");
    return base_hint(in->err, "README.md lists the operators that can be imported");
}

static base_status read_op(reading *in, fb_table from, int k, tfl_op *op)
{
    char buf[32];
    BASE_TRY(read_code(in, from, k, op));
    const char *name = tflite_op_name(op->code, buf);
    const fb_vector inputs = fb_vector_of(from, OP_INPUTS, 4);
    const fb_vector outputs = fb_vector_of(from, OP_OUTPUTS, 4);
    if (inputs.n < 1 || inputs.n > TFL_MAX_IN || outputs.n != 1)
        return bad(in, "operator %d (%s) has %zu inputs and %zu outputs", k, name, inputs.n,
                   outputs.n);
    op->n_in = (int)inputs.n;
    op->out = fb_item_i32(outputs, 0);
    if (op->out < 0 || op->out >= in->m->n_tensors || in->known[op->out])
        return bad(in, "operator %d (%s) computes tensor %d, which %s", k, name, op->out,
                   op->out < 0 || op->out >= in->m->n_tensors ? "is not there"
                                                              : "has a value already");
    for (int i = 0; i < op->n_in; i++) {
        op->in[i] = fb_item_i32(inputs, (size_t)i);
        if (op->in[i] >= in->m->n_tensors || (op->in[i] >= 0 && !in->known[op->in[i]]) ||
            (op->in[i] < 0 && i == 0))
            return bad(in, "operator %d (%s) reads tensor %d, which has no value there", k, name,
                       op->in[i]);
        if (op->in[i] < 0) op->in[i] = -1;
    }
    in->known[op->out] = true;
    read_options(tfl_row_of(op->code), fb_child(from, OP_OPTIONS), &op->o);
    return sound(in);
}

/* The one tensor that a graph takes or gives. */
static base_status read_end(reading *in, fb_table graph, int field, const char *what, int *tensor)
{
    const fb_vector v = fb_vector_of(graph, field, 4);
    if (v.n != 1) return bad(in, "the graph has %zu %s, not 1", v.n, what);
    *tensor = fb_item_i32(v, 0);
    if (*tensor >= 0 && *tensor < in->m->n_tensors) return BASE_OK;
    return bad(in, "the graph's %s are tensor %d of %d", what, *tensor, in->m->n_tensors);
}

static base_status read_graph(reading *in, fb_table graph)
{
    tfl_model *m = in->m;
    const fb_vector tensors = fb_vector_of(graph, GRAPH_TENSORS, 4);
    const fb_vector ops = fb_vector_of(graph, GRAPH_OPS, 4);
    if (tensors.n == 0 || ops.n == 0 || tensors.n > MAX_THINGS || ops.n > MAX_THINGS)
        return bad(in, "the graph has %zu tensors and %zu operators", tensors.n, ops.n);
    m->tensor = base_arena_alloc(m->arena, tensors.n, sizeof *m->tensor);
    m->op = base_arena_alloc(m->arena, ops.n, sizeof *m->op);
    in->known = base_arena_alloc(m->arena, tensors.n, sizeof *in->known);
    if (!m->tensor || !m->op || !in->known) return base_nomem(in->err, tensors.n);
    m->n_tensors = (int)tensors.n;
    m->n_ops = (int)ops.n;
    for (int i = 0; i < m->n_tensors; i++) {
        BASE_TRY(read_tensor(in, fb_item(tensors, (size_t)i), &m->tensor[i]));
        BASE_TRY(sound(in));
        in->known[i] = m->tensor[i].bytes > 0;
    }
    BASE_TRY(read_end(in, graph, GRAPH_INPUTS, "inputs", &m->input));
    BASE_TRY(read_end(in, graph, GRAPH_OUTPUTS, "outputs", &m->output));
    if (m->tensor[m->input].bytes > 0)
        return bad(in, "input '%s' is a constant", m->tensor[m->input].name);
    in->known[m->input] = true;
    for (int k = 0; k < m->n_ops; k++) BASE_TRY(read_op(in, fb_item(ops, (size_t)k), k, &m->op[k]));
    if (!in->known[m->output])
        return bad(in, "no operator computes output '%s'", m->tensor[m->output].name);
    return sound(in);
}

static base_status read_metadata(reading *in, fb_table root)
{
    tfl_model *m = in->m;
    const fb_vector list = fb_vector_of(root, MODEL_METADATA, 4);
    if (list.n > MAX_THINGS) return bad(in, "there are %zu pieces of metadata", list.n);
    m->metadata = base_arena_alloc(m->arena, list.n + 1, sizeof *m->metadata);
    if (!m->metadata) return base_nomem(in->err, list.n);
    for (size_t i = 0; i < list.n; i++) {
        const fb_table from = fb_item(list, i);
        const int64_t buffer = fb_u32(from, METADATA_BUFFER, 0);
        if ((size_t)buffer >= in->buffers.n) continue;
        const fb_vector data = fb_vector_of(fb_item(in->buffers, (size_t)buffer), BUFFER_DATA, 1);
        tfl_metadata *to = &m->metadata[m->n_metadata++];
        *to =
            (tfl_metadata){fb_string(from, METADATA_NAME, m->arena), in->r.bytes + data.at, data.n};
        if (!to->name) return base_nomem(in->err, 1);
    }
    return sound(in);
}

static base_status read_model(reading *in)
{
    if (!fb_identifier(&in->r, TFL_IDENTIFIER)) {
        bad(in, "this is no TensorFlow Lite model (bytes 4 to 7 are not \"TFL3\")");
        return base_hint(in->err, "import reads .tflite files");
    }
    const fb_table root = fb_root(&in->r);
    const int64_t version = fb_u32(root, MODEL_VERSION, 0);
    BASE_TRY(sound(in));
    if (version != TFL_VERSION)
        return bad(in, "schema version %lld is not known here (3 is)", (long long)version);
    in->m->description = fb_string(root, MODEL_DESCRIPTION, in->m->arena);
    if (!in->m->description) return base_nomem(in->err, 1);
    in->buffers = fb_vector_of(root, MODEL_BUFFERS, 4);
    in->codes = fb_vector_of(root, MODEL_CODES, 4);
    const fb_vector graphs = fb_vector_of(root, MODEL_SUBGRAPHS, 4);
    BASE_TRY(sound(in));
    if (graphs.n != 1) return bad(in, "there are %zu graphs, not 1", graphs.n);
    BASE_TRY(read_graph(in, fb_item(graphs, 0)));
    return read_metadata(in, root);
}

base_status tflite_parse(const char *file, const void *bytes, size_t n, tfl_model **model,
                         base_err *err)
{
    *model = NULL;
    base_arena *arena = base_arena_new();
    tfl_model *m = arena ? base_arena_alloc(arena, 1, sizeof *m) : NULL;
    uint8_t *copy = m ? base_arena_alloc(arena, n + 1, 1) : NULL;
    base_status status = copy ? BASE_OK : base_nomem(err, n);
    if (copy) {
        memcpy(copy, bytes, n);
        m->arena = arena;
        m->file = base_arena_printf(arena, "%s", file);
        reading in = {.r = {.bytes = copy, .n = n}, .m = m, .err = err};
        status = m->file ? read_model(&in) : base_nomem(err, 1);
    }
    if (status == BASE_OK)
        *model = m;
    else
        base_arena_free(arena);
    return status;
}

base_status tflite_load(const char *path, tfl_model **m, base_err *err)
{
    char *bytes = NULL;
    size_t n = 0;
    *m = NULL;
    BASE_TRY(base_read_file(path, (size_t)64 << 20, &bytes, &n, err));
    const base_status status = tflite_parse(path, bytes, n, m, err);
    free(bytes);
    return status;
}

void tflite_free(tfl_model *m)
{
    if (m) base_arena_free(m->arena);
}
