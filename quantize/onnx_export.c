/* onnx_export: a model as an .onnx file: the pieces of a graph as messages, and the file. */
#include "quantize/onnx_export.h"
#include "nn/protobuf.h"

#include <stdlib.h>
#include <string.h>

/* ---- pieces ---- */

const char *onnx_name(onnx_exporter *e, const char *value, const char *part)
{
    const char *name = base_arena_printf(e->arena, "%s/%s", value, part);
    e->failed |= !name;
    return name ? name : "";
}

static void put_attr(onnx_exporter *e, const char *name, int type, base_str *attr)
{
    pb_put_string(attr, ATTR_NAME, name);
    pb_put_int(attr, ATTR_TYPE, type);
    pb_put_message(&e->attrs, NODE_ATTRIBUTE, attr);
}

void onnx_attr_int(onnx_exporter *e, const char *name, int v)
{
    base_str attr = {0};
    pb_put_int(&attr, ATTR_INT, v);
    put_attr(e, name, TYPE_INT, &attr);
}

void onnx_attr_ints(onnx_exporter *e, const char *name, int n, const int *v)
{
    base_str attr = {0};
    for (int i = 0; i < n; i++) pb_put_int(&attr, ATTR_INTS, v[i]);
    put_attr(e, name, TYPE_INTS, &attr);
}

void onnx_attr_float(onnx_exporter *e, const char *name, double v)
{
    base_str attr = {0};
    pb_put_float(&attr, ATTR_FLOAT, (float)v);
    put_attr(e, name, TYPE_FLOAT, &attr);
}

void onnx_attr_string(onnx_exporter *e, const char *name, const char *s)
{
    base_str attr = {0};
    pb_put_string(&attr, ATTR_STRING, s);
    put_attr(e, name, TYPE_STRING, &attr);
}

void onnx_op_outputs(onnx_exporter *e, const char *op, const char *const *in, int n_in,
                     const char *const *out, int n_out)
{
    base_str node = {0};
    for (int k = 0; k < n_in; k++) pb_put_string(&node, NODE_INPUT, in[k]);
    for (int k = 0; k < n_out; k++) pb_put_string(&node, NODE_OUTPUT, out[k]);
    pb_put_string(&node, NODE_NAME, out[n_out - 1]);
    pb_put_string(&node, NODE_OPERATOR, op);
    if (e->attrs.len > 0) base_str_add_n(&node, e->attrs.s, e->attrs.len);
    node.failed |= e->attrs.failed;
    base_str_free(&e->attrs);
    pb_put_message(&e->nodes, GRAPH_NODE, &node);
}

const char *onnx_op(onnx_exporter *e, const char *op, const char *const *in, int n_in,
                    const char *out)
{
    onnx_op_outputs(e, op, in, n_in, &out, 1);
    return out;
}

const char *onnx_op1(onnx_exporter *e, const char *op, const char *x, const char *out)
{
    return onnx_op(e, op, &x, 1, out);
}

const char *onnx_op2(onnx_exporter *e, const char *op, const char *a, const char *b,
                     const char *out)
{
    return onnx_op(e, op, (const char *const[]){a, b}, 2, out);
}

/* ---- constants ---- */

/* Element i of v, low byte first; returns its size. */
static size_t bytes_of(onnx_type type, const void *v, size_t i, char bytes[8])
{
    uint64_t bits = 0;
    uint32_t half;
    const size_t size = type == ONNX_INT8 ? 1 : type == ONNX_INT64 ? 8 : 4;
    if (type == ONNX_INT8) {
        bits = (uint8_t)((const int8_t *)v)[i];
    } else if (type == ONNX_INT64) {
        bits = (uint64_t)((const int64_t *)v)[i];
    } else {
        memcpy(&half, (const char *)v + 4 * i, sizeof half);
        bits = half;
    }
    for (size_t k = 0; k < size; k++) bytes[k] = (char)(uint8_t)(bits >> (8 * k));
    return size;
}

const char *onnx_tensor(onnx_exporter *e, const char *name, onnx_type type, int rank,
                        const int *dim, const void *v)
{
    base_str tensor = {0}, raw = {0};
    size_t count = 1;
    char bytes[8];
    for (int d = 0; d < rank; d++) {
        pb_put_int(&tensor, TENSOR_DIM, dim[d]);
        count *= (size_t)dim[d];
    }
    pb_put_int(&tensor, TENSOR_TYPE, type);
    pb_put_string(&tensor, TENSOR_NAME, name);
    for (size_t i = 0; v && i < count; i++)
        base_str_add_n(&raw, bytes, bytes_of(type, v, i, bytes));
    pb_put_message(&tensor, TENSOR_RAW, &raw);
    pb_put_message(&e->tensors, GRAPH_TENSOR, &tensor);
    e->failed |= !v;
    return name;
}

const char *onnx_ints(onnx_exporter *e, const char *name, int n, const int *v)
{
    int64_t *wide = base_arena_alloc(e->arena, (size_t)n, sizeof *wide);
    for (int i = 0; wide && i < n; i++) wide[i] = v[i];
    return onnx_tensor(e, name, ONNX_INT64, 1, &n, wide);
}

const char *onnx_number(onnx_exporter *e, const char *name, double v)
{
    const float number = (float)v;
    return onnx_tensor(e, name, ONNX_FLOAT, 0, NULL, &number);
}

const char *onnx_constant(onnx_exporter *e, const char *name, nn_shape s, bool planes,
                          const nn_real *v)
{
    const size_t count = (size_t)nn_count(s), channels = (size_t)s.d[s.n - 1];
    float *to = base_arena_alloc(e->arena, count, sizeof *to);
    for (size_t i = 0; to && v && i < count; i++)
        to[planes ? i % channels * (count / channels) + i / channels : i] = (float)v[i];
    const int front[] = {s.d[2], s.d[0], s.d[1]};
    return onnx_tensor(e, name, ONNX_FLOAT, s.n, planes ? front : s.d, to);
}

const char *onnx_rounded(onnx_exporter *e, const nn_node *n, const char *x, const char *name)
{
    const nn_quant q = e->q->quant[n->index];
    const int8_t zero = (int8_t)q.zero;
    const char *s = onnx_number(e, onnx_name(e, name, "scale"), q.scale);
    const char *z = onnx_tensor(e, onnx_name(e, name, "zero"), ONNX_INT8, 0, NULL, &zero);
    const char *y = onnx_name(e, name, "int8");
    onnx_op(e, "QuantizeLinear", (const char *const[]){x, s, z}, 3, y);
    return onnx_op(e, "DequantizeLinear", (const char *const[]){y, s, z}, 3, name);
}

/* ---- the file ---- */

/* Input or output: [N, shape...] of float. */
static void put_value(base_str *graph, int field, const nn_node *n)
{
    base_str value = {0}, type = {0}, tensor = {0}, shape = {0}, batch = {0};
    pb_put_string(&batch, DIM_NAME, "N");
    pb_put_message(&shape, SHAPE_DIM, &batch);
    for (int d = 0; d < n->shape.n; d++) {
        base_str dim = {0};
        pb_put_int(&dim, DIM_VALUE, n->shape.d[d]);
        pb_put_message(&shape, SHAPE_DIM, &dim);
    }
    pb_put_int(&tensor, TENSOR_TYPE_ELEMENT, ONNX_FLOAT);
    pb_put_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    pb_put_message(&type, TYPE_TENSOR, &tensor);
    pb_put_string(&value, VALUE_NAME, n->name);
    pb_put_message(&value, VALUE_TYPE, &type);
    pb_put_message(graph, field, &value);
}

static void put_metadata(base_str *model, const char *key, const char *text)
{
    base_str entry = {0};
    if (!text || !*text) return;
    pb_put_string(&entry, ENTRY_KEY, key);
    pb_put_string(&entry, ENTRY_VALUE, text);
    pb_put_message(model, MODEL_METADATA, &entry);
}

static void put_numbers(base_str *model, const char *key, const float *v, size_t n)
{
    base_str text = {0};
    for (size_t i = 0; v && i < n; i++) base_str_add(&text, "%s%.9g", i ? " " : "", (double)v[i]);
    put_metadata(model, key, text.s);
    model->failed |= text.failed;
    base_str_free(&text);
}

/* What a file has no place for. */
static base_status describe(const onnx_exporter *e, const nn_model *m, base_str *model)
{
    base_str labels = {0};
    char hash[65] = "";
    for (size_t i = 0; i < m->n_labels; i++)
        base_str_add(&labels, "%s%s", i ? "\n" : "", m->labels[i]);
    put_metadata(model, "sotto.labels", labels.s);
    model->failed |= labels.failed;
    base_str_free(&labels);
    put_metadata(model, "sotto.features", m->features);
    put_numbers(model, "sotto.mean", m->mean, m->n_stats);
    put_numbers(model, "sotto.std", m->std, m->n_stats);
    put_metadata(model, "sotto.provenance", m->provenance);
    if (e->q) BASE_TRY(q8_hash(e->q, hash, e->err));
    put_metadata(model, "sotto.hash", hash);
    return BASE_OK;
}

static void put_graph(onnx_exporter *e, base_str *model)
{
    base_str graph = {0}, opset = {0};
    pb_put_string(&graph, GRAPH_NAME, "sotto");
    base_str_add_n(&graph, e->nodes.s, e->nodes.len);
    if (e->tensors.len > 0) base_str_add_n(&graph, e->tensors.s, e->tensors.len);
    put_value(&graph, GRAPH_INPUT, nn_graph_input(e->g, 0));
    put_value(&graph, GRAPH_OUTPUT, nn_graph_output(e->g));
    graph.failed |= e->failed || e->nodes.failed || e->tensors.failed;
    pb_put_message(model, MODEL_GRAPH, &graph);
    pb_put_int(&opset, OPSET_VERSION, ONNX_OPSET);
    pb_put_message(model, MODEL_OPSET, &opset);
}

static base_status build(onnx_exporter *e, const nn_model *m, const char *version, base_str *model)
{
    e->arena = base_arena_new();
    if (!e->arena) return base_nomem(e->err, 1);
    if (!nn_graph_input(e->g, 0) || nn_graph_input(e->g, 1))
        return base_fail(e->err, BASE_USAGE, "an .onnx file has one input here, this graph has %s",
                         nn_graph_input(e->g, 0) ? "several" : "none");
    BASE_TRY(q8_chains_make(e->g, e->arena, &e->chains, e->err));
    if (e->q) BASE_TRY(q8_unpack_all(e->q, e->arena, &e->layer, e->err));
    BASE_TRY(onnx_nodes(e));
    pb_put_int(model, MODEL_IR_VERSION, ONNX_IR_VERSION);
    pb_put_string(model, MODEL_PRODUCER, "sotto");
    pb_put_string(model, MODEL_PRODUCER_VERSION, version);
    put_graph(e, model);
    BASE_TRY(describe(e, m, model));
    return model->failed ? base_nomem(e->err, model->len) : BASE_OK;
}

static base_status export(onnx_exporter *e, const nn_model *m, const char *version, base_str *bytes)
{
    const base_status status = build(e, m, version, bytes);
    base_str_free(&e->nodes);
    base_str_free(&e->tensors);
    base_str_free(&e->attrs);
    base_arena_free(e->arena);
    if (status != BASE_OK) base_str_free(bytes);
    return status;
}

base_status onnx_export_q8(const q8_model *m, const char *version, base_str *bytes, base_err *err)
{
    BASE_TRY(q8_refuse_wide(m, "ONNX", err));
    onnx_exporter e = {.q = m, .g = m->folded.graph, .weights = m->folded.weights, .err = err};
    return export(&e, &m->folded, version, bytes);
}

base_status onnx_export_float(const nn_model *m, const char *version, base_str *bytes,
                              base_err *err)
{
    nn_graph *g = NULL;
    nn_real *weights = NULL;
    BASE_TRY(q8_fold(m->graph, m->weights, &g, &weights, err));
    onnx_exporter e = {.g = g, .weights = weights, .err = err};
    const base_status status = export(&e, m, version, bytes);
    base_free(weights);
    nn_graph_free(g);
    return status;
}
