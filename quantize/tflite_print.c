/* tflite_print: the plain structs of tflite.h as the bytes of a .tflite file. Every constant has a
 * buffer of its own, metadata follows; buffer 0 is the empty one.
 */
#include "quantize/flatbuffer.h"
#include "quantize/tflite_schema.h"

#include <string.h>

enum { CONSTANT_ALIGN = 16 };

typedef struct printing {
    const tfl_model *m;
    base_str *b;
    int *code;  /* of each operator: its place among the different ones */
    int *first; /* of each of those: the first operator of the kind */
    int n_codes;
} printing;

static void find_codes(printing *p)
{
    for (int k = 0; k < p->m->n_ops; k++) {
        const tfl_op *op = &p->m->op[k];
        int c = 0;
        while (c < p->n_codes && (p->m->op[p->first[c]].code != op->code ||
                                  p->m->op[p->first[c]].version != op->version))
            c++;
        if (c == p->n_codes) p->first[p->n_codes++] = k;
        p->code[k] = c;
    }
}

static void print_codes(const printing *p, size_t link)
{
    const size_t at = fb_put_offsets(p->b, link, (size_t)p->n_codes);
    for (int c = 0; c < p->n_codes; c++) {
        const tfl_op *op = &p->m->op[p->first[c]];
        fb_field f[] = {{CODE_BYTE, 1, op->code < 127 ? op->code : 127, 0},
                        {CODE_VERSION, 4, op->version, 0},
                        {CODE_WORD, 4, op->code, 0}};
        fb_put_table(p->b, at + 4 * (size_t)c, f, BASE_COUNT(f));
    }
}

static void print_quant(const printing *p, const tfl_tensor *t, size_t link)
{
    fb_field f[] = {{QUANT_SCALE, 4, 0, 0}, {QUANT_ZERO, 4, 0, 0}, {QUANT_AXIS, 4, t->axis, 0}};
    fb_put_table(p->b, link, f, BASE_COUNT(f));
    fb_put_f32s(p->b, f[0].at, t->scale, (size_t)t->n_scales);
    fb_put_i64s(p->b, f[1].at, t->zero, (size_t)t->n_scales);
}

static void print_tensors(const printing *p, size_t link)
{
    const size_t at = fb_put_offsets(p->b, link, (size_t)p->m->n_tensors);
    int buffer = 0;
    for (int i = 0; i < p->m->n_tensors; i++) {
        const tfl_tensor *t = &p->m->tensor[i];
        const bool quant = t->n_scales > 0;
        fb_field f[] = {{TENSOR_SHAPE, 4, 0, 0},
                        {TENSOR_TYPE, 1, t->type, 0},
                        {TENSOR_BUFFER, 4, t->bytes ? ++buffer : 0, 0},
                        {TENSOR_NAME, 4, 0, 0},
                        {TENSOR_QUANT, 4, 0, 0}};
        fb_put_table(p->b, at + 4 * (size_t)i, f, quant ? 5 : 4);
        fb_put_i32s(p->b, f[0].at, t->dim, (size_t)t->rank);
        fb_put_string(p->b, f[3].at, t->name);
        if (quant) print_quant(p, t, f[4].at);
    }
}

static void print_options(const printing *p, const tfl_row *row, const tfl_options *o, size_t link)
{
    fb_field f[16];
    for (int i = 0; i < row->n_options; i++) {
        const tfl_option *opt = &row->options[i];
        int32_t v; /* a real has the bits of its 4 bytes */
        memcpy(&v, (const char *)o + opt->offset, sizeof v);
        f[i] = (fb_field){opt->field, opt->kind == TFL_BYTE ? 1 : 4, v, 0};
    }
    fb_put_table(p->b, link, f, row->n_options);
}

static void print_ops(const printing *p, size_t link)
{
    const size_t at = fb_put_offsets(p->b, link, (size_t)p->m->n_ops);
    for (int k = 0; k < p->m->n_ops; k++) {
        const tfl_op *op = &p->m->op[k];
        const tfl_row *row = tfl_row_of(op->code);
        fb_field f[] = {{OP_CODE, 4, p->code[k], 0},
                        {OP_INPUTS, 4, 0, 0},
                        {OP_OUTPUTS, 4, 0, 0},
                        {OP_OPTIONS_TYPE, 1, row->options_type, 0},
                        {OP_OPTIONS, 4, 0, 0}};
        fb_put_table(p->b, at + 4 * (size_t)k, f, row->options_type ? 5 : 3);
        fb_put_i32s(p->b, f[1].at, op->in, (size_t)op->n_in);
        fb_put_i32s(p->b, f[2].at, &op->out, 1);
        if (row->options_type) print_options(p, row, &op->o, f[4].at);
    }
}

static void print_graph(const printing *p, size_t link)
{
    const size_t at = fb_put_offsets(p->b, link, 1);
    fb_field f[] = {{GRAPH_TENSORS, 4, 0, 0},
                    {GRAPH_INPUTS, 4, 0, 0},
                    {GRAPH_OUTPUTS, 4, 0, 0},
                    {GRAPH_OPS, 4, 0, 0}};
    fb_put_table(p->b, at, f, BASE_COUNT(f));
    print_tensors(p, f[0].at);
    fb_put_i32s(p->b, f[1].at, &p->m->input, 1);
    fb_put_i32s(p->b, f[2].at, &p->m->output, 1);
    print_ops(p, f[3].at);
}

static void print_buffer(const printing *p, size_t link, const uint8_t *data, size_t n)
{
    fb_field f[] = {{BUFFER_DATA, 4, 0, 0}};
    fb_put_table(p->b, link, f, n > 0);
    if (n > 0) fb_put_bytes(p->b, f[0].at, data, n, CONSTANT_ALIGN);
}

static void print_buffers(const printing *p, size_t link, int constants)
{
    size_t at = fb_put_offsets(p->b, link, (size_t)(1 + constants + p->m->n_metadata));
    print_buffer(p, at, NULL, 0);
    for (int i = 0; i < p->m->n_tensors; i++)
        if (p->m->tensor[i].bytes)
            print_buffer(p, at += 4, p->m->tensor[i].data, p->m->tensor[i].bytes);
    for (int i = 0; i < p->m->n_metadata; i++)
        print_buffer(p, at += 4, p->m->metadata[i].data, p->m->metadata[i].bytes);
}

static void print_metadata(const printing *p, size_t link, int constants)
{
    const size_t at = fb_put_offsets(p->b, link, (size_t)p->m->n_metadata);
    for (int i = 0; i < p->m->n_metadata; i++) {
        fb_field f[] = {{METADATA_NAME, 4, 0, 0}, {METADATA_BUFFER, 4, 1 + constants + i, 0}};
        fb_put_table(p->b, at + 4 * (size_t)i, f, BASE_COUNT(f));
        fb_put_string(p->b, f[0].at, p->m->metadata[i].name);
    }
}

base_status tflite_print(const tfl_model *m, base_str *bytes, base_err *err)
{
    const size_t ops = (size_t)m->n_ops;
    printing p = {.m = m, .b = bytes};
    p.code = base_arena_alloc(m->arena, ops, sizeof *p.code);
    p.first = base_arena_alloc(m->arena, ops, sizeof *p.first);
    if (!p.code || !p.first) return base_nomem(err, ops);
    find_codes(&p);
    int constants = 0;
    for (int i = 0; i < m->n_tensors; i++) constants += m->tensor[i].bytes > 0;
    fb_field f[] = {{MODEL_VERSION, 4, TFL_VERSION, 0}, {MODEL_CODES, 4, 0, 0},
                    {MODEL_SUBGRAPHS, 4, 0, 0},         {MODEL_DESCRIPTION, 4, 0, 0},
                    {MODEL_BUFFERS, 4, 0, 0},           {MODEL_METADATA, 4, 0, 0}};
    fb_begin(bytes, TFL_IDENTIFIER);
    fb_put_table(bytes, 0, f, BASE_COUNT(f));
    print_codes(&p, f[1].at);
    print_graph(&p, f[2].at);
    fb_put_string(bytes, f[3].at, m->description);
    print_buffers(&p, f[4].at, constants);
    print_metadata(&p, f[5].at, constants);
    return bytes->failed ? base_nomem(err, bytes->len) : BASE_OK;
}
