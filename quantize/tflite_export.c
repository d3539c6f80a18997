/* tflite_export: a model as a .tflite file. An int8 model keeps only the multipliers of its layers;
 * the file wants scales of weights in single precision, from which TensorFlow Lite computes the
 * multipliers. They were made from such scales, so that there is exactly one that gives them back.
 */
#include "quantize/tflite_export.h"
#include "quantize/tflite_schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO_MEMORY = -2 }; /* -1 is a tensor left out */

/* ---- tensors and operators ---- */

/* Grows an arena array: it is copied to one of twice the size. */
static bool grow(base_arena *arena, void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return true;
    const size_t more = *cap ? 2 * *cap : 64;
    void *copy = base_arena_alloc(arena, more, size);
    if (!copy) return false;
    if (n > 0) memcpy(copy, *items, n * size);
    *items = copy;
    *cap = more;
    return true;
}

static tfl_tensor *tensor_new(tfl_exporter *e, const char *name, int type, int rank, const int *dim)
{
    tfl_model *t = &e->t;
    char *copy = base_arena_printf(t->arena, "%s", name);
    if (!copy || !grow(t->arena, (void **)&t->tensor, (size_t)t->n_tensors, &e->tensors_cap,
                       sizeof *t->tensor))
        return NULL;
    tfl_tensor *to = &t->tensor[t->n_tensors++];
    *to = (tfl_tensor){.name = copy, .type = type, .rank = rank};
    memcpy(to->dim, dim, (size_t)rank * sizeof *dim);
    return to;
}

/* n scales, all zero points 0. */
static float *scales_new(tfl_exporter *e, tfl_tensor *t, size_t n, int axis)
{
    float *scale = base_arena_alloc(e->t.arena, n, sizeof *scale);
    t->zero = base_arena_alloc(e->t.arena, n, sizeof *t->zero);
    t->scale = scale;
    t->n_scales = (int)n;
    t->axis = axis;
    return t->zero ? scale : NULL;
}

static bool set_quant(tfl_exporter *e, tfl_tensor *t, nn_quant q)
{
    int32_t *zero = base_arena_alloc(e->t.arena, 1, sizeof *zero);
    float *scale = scales_new(e, t, 1, 0);
    if (!zero || !scale) return false;
    *zero = q.zero;
    *scale = (float)q.scale;
    t->zero = zero;
    return true;
}

int tfl_value(tfl_exporter *e, const nn_node *n, const char *name, int rank, const int *dim)
{
    int all[TFL_MAX_DIMS] = {1};
    memcpy(all + 1, dim, (size_t)rank * sizeof *dim);
    tfl_tensor *t = tensor_new(e, name, e->q ? TFL_INT8 : TFL_FLOAT32, rank + 1, all);
    if (!t || (e->q && !set_quant(e, t, e->q->quant[n->index]))) return NO_MEMORY;
    return e->t.n_tensors - 1;
}

/* The data of a constant, to be filled. */
static void *data_new(tfl_exporter *e, tfl_tensor *t, size_t size)
{
    t->bytes = (size_t)tflite_count(t) * size;
    void *data = base_arena_alloc(e->t.arena, t->bytes, 1);
    t->data = data;
    return data;
}

int tfl_int_constant(tfl_exporter *e, const char *name, int rank, const int *dim, const int *v)
{
    tfl_tensor *t = tensor_new(e, name, TFL_INT32, rank, dim);
    int32_t *data = t ? data_new(e, t, sizeof *data) : NULL;
    if (!data) return NO_MEMORY;
    memcpy(data, v, t->bytes);
    return e->t.n_tensors - 1;
}

float *tfl_float_constant(tfl_exporter *e, const char *name, int rank, const int *dim, int *tensor)
{
    tfl_tensor *t = tensor_new(e, name, TFL_FLOAT32, rank, dim);
    *tensor = e->t.n_tensors - 1;
    return t ? data_new(e, t, sizeof(float)) : NULL;
}

int tfl_number(tfl_exporter *e, const nn_node *n, const char *what, double v)
{
    char name[2 * NN_MAX_NAME];
    snprintf(name, sizeof name, "%s.%s", n->name, what);
    tfl_tensor *t = tensor_new(e, name, e->q ? TFL_INT8 : TFL_FLOAT32, 1, (const int[]){1});
    void *data = t ? data_new(e, t, e->q ? 1 : 4) : NULL;
    if (!data) return NO_MEMORY;
    if (!e->q) {
        *(float *)data = (float)v;
        return e->t.n_tensors - 1;
    }
    const nn_quant q = e->q->quant[n->index];
    *(int8_t *)data = (int8_t)q8_bound(q, false, v);
    return set_quant(e, t, q) ? e->t.n_tensors - 1 : NO_MEMORY;
}

tfl_op *tfl_op_new(tfl_exporter *e, tfl_code code, const int *in, int n_in, int out)
{
    tfl_model *t = &e->t;
    if (!grow(t->arena, (void **)&t->op, (size_t)t->n_ops, &e->ops_cap, sizeof *t->op)) return NULL;
    tfl_op *op = &t->op[t->n_ops++];
    *op = (tfl_op){.code = (int)code,
                   .version = tfl_version((int)code, e->q != NULL),
                   .n_in = n_in,
                   .out = out};
    memcpy(op->in, in, (size_t)n_in * sizeof *in);
    return op;
}

/* ---- weights ---- */

static const nn_q8_layer *layer_of(const tfl_exporter *e, const nn_node *n)
{
    for (int i = 0; i < e->q->n_layers; i++)
        if (e->q->layers[i].node == n->index) return &e->layer[i];
    return NULL;
}

/* The scale of weights that gives this multiplier and shift again: TensorFlow Lite multiplies it by
 * the input's in single precision where all outputs have one (`one`), else in double. False when no
 * number of single precision does. */
static bool scale_back(const tfl_exporter *e, const nn_node *n, int32_t multiplier, int32_t shift,
                       bool one, float *scale)
{
    const double in = e->q->quant[n->in[0]->index].scale, out = e->q->quant[n->index].scale;
    const double real = multiplier ? ldexp(multiplier, shift - 31) : ldexp(1, -40);
    float s = (float)(real * out / in);
    *scale = s;
    if (!multiplier) return true;
    for (int i = 0; i < 2; i++) s = nextafterf(s, 0.0F);
    for (int i = 0; i < 5; i++, s = nextafterf(s, HUGE_VALF)) {
        int32_t m, k;
        const double product = one ? (double)((float)in * s) : in * (double)s;
        *scale = s;
        if (nn_q8_multiplier(product / out, &m, &k) && m == multiplier && k == shift) return true;
    }
    return false;
}

bool tfl_has_one_scale(const tfl_exporter *e, const nn_node *n)
{
    float scale;
    if (!e->q) return true;
    const nn_q8_layer *l = layer_of(e, n);
    const int32_t *multiplier = q8_layer_array(l, "multiplier"),
                  *shift = q8_layer_array(l, "shift");
    for (int o = 1; o < n->shape.d[n->shape.n - 1]; o++)
        if (multiplier[o] != multiplier[0] || shift[o] != shift[0]) return false;
    return scale_back(e, n, multiplier[0], shift[0], true, &scale);
}

static base_status weight_scales(tfl_exporter *e, const nn_node *n, tfl_tensor *t, size_t channels,
                                 int axis)
{
    const nn_q8_layer *l = layer_of(e, n);
    const int32_t *multiplier = q8_layer_array(l, "multiplier"),
                  *shift = q8_layer_array(l, "shift");
    const bool one = t->rank == 2; /* of FULLY_CONNECTED, which has no scale by channel */
    float *scale = scales_new(e, t, one ? 1 : channels, axis);
    if (!scale) return base_nomem(e->err, channels);
    for (int o = 0; o < t->n_scales; o++)
        if (!scale_back(e, n, multiplier[o], shift[o], one, &scale[o])) {
            nn_op_fail(n, e->err, "the scale of output %d's weights is not one of single precision",
                       o);
            return base_hint(e->err, "quantize the float model again with this version");
        }
    return BASE_OK;
}

/* Where weight (o, tap, i) of a layer lies among the float weights, and in a file. */
typedef struct layout {
    size_t channels, taps, inner; /* inner: inputs of a group */
    size_t groups;
    bool depthwise; /* in the file: [taps][channels] */
} layout;

static layout layout_of(const nn_node *n, const int *dim, int rank, int axis)
{
    layout y = {.channels = (size_t)dim[axis], .depthwise = rank == 4 && axis == 3};
    y.taps = rank == 4 ? (size_t)dim[1] * (size_t)dim[2] : 1;
    y.inner = n->param[0].count / y.channels / y.taps;
    y.groups = y.depthwise ? 1 : (size_t)dim[rank - 1] / y.inner;
    return y;
}

/* The place in the file; weights of other groups are 0 there. */
static size_t place(const layout *y, size_t o, size_t tap, size_t i)
{
    const size_t group = o / (y->channels / y->groups);
    return y->depthwise ? tap * y->channels + o
                        : (o * y->taps + tap) * y->inner * y->groups + group * y->inner + i;
}

static void fill_weights(const tfl_exporter *e, const nn_node *n, const layout *y, void *to)
{
    const nn_q8_layer *l = e->q ? layer_of(e, n) : NULL;
    const int8_t *from8 = l ? q8_layer_array(l, "weight") : NULL;
    const nn_real *from = e->weights + n->param[0].offset;
    const bool by_tap = strcmp(n->op->name, "dwconv2d") == 0;
    for (size_t o = 0; o < y->channels; o++)
        for (size_t tap = 0; tap < y->taps; tap++)
            for (size_t i = 0; i < y->inner; i++) {
                const size_t at = place(y, o, tap, i);
                if (l)
                    ((int8_t *)to)[at] =
                        from8[by_tap ? tap * y->channels + o : (o * y->taps + tap) * y->inner + i];
                else
                    ((float *)to)[at] = (float)from[(tap * y->inner + i) * y->channels + o];
            }
}

/* A bias of zeros where the node has none: some kernels of TensorFlow Lite cannot do without. */
static base_status add_bias(tfl_exporter *e, const nn_node *n, const tfl_tensor *w, size_t channels,
                            int *bias)
{
    char name[2 * NN_MAX_NAME];
    const int dim = (int)channels;
    snprintf(name, sizeof name, "%s.bias", n->name);
    const float *of_weights = w->scale;
    const int scales = w->n_scales;
    tfl_tensor *t = tensor_new(e, name, e->q ? TFL_INT32 : TFL_FLOAT32, 1, &dim);
    void *to = t ? data_new(e, t, 4) : NULL;
    if (!to) return base_nomem(e->err, channels);
    *bias = e->t.n_tensors - 1;
    for (size_t o = 0; o < channels; o++)
        if (e->q)
            ((int32_t *)to)[o] = ((const int32_t *)q8_layer_array(layer_of(e, n), "bias"))[o];
        else if (n->n_params > 1)
            ((float *)to)[o] = (float)e->weights[n->param[1].offset + o];
    if (!e->q) return BASE_OK;
    float *scale = scales_new(e, t, (size_t)scales, 0);
    if (!scale) return base_nomem(e->err, channels);
    for (int o = 0; o < scales; o++)
        scale[o] = (float)(e->q->quant[n->in[0]->index].scale * (double)of_weights[o]);
    return BASE_OK;
}

base_status tfl_weights_of(tfl_exporter *e, const nn_node *n, const int dim[4], int rank, int axis,
                           int *weights, int *bias)
{
    char name[2 * NN_MAX_NAME];
    const layout y = layout_of(n, dim, rank, axis);
    const char *kernel = e->q ? layer_of(e, n)->kernel->name : NULL;
    if (kernel && strcmp(kernel + strlen("sotto_"), n->op->name) != 0)
        return nn_op_fail(n, e->err, "there is no TensorFlow Lite form of its kernel %s", kernel);
    snprintf(name, sizeof name, "%s.weight", n->name);
    tfl_tensor *t = tensor_new(e, name, e->q ? TFL_INT8 : TFL_FLOAT32, rank, dim);
    void *to = t ? data_new(e, t, e->q ? 1 : 4) : NULL;
    if (!to) return base_nomem(e->err, n->param[0].count);
    *weights = e->t.n_tensors - 1;
    fill_weights(e, n, &y, to);
    if (e->q) BASE_TRY(weight_scales(e, n, t, y.channels, axis));
    return add_bias(e, n, &e->t.tensor[*weights], y.channels, bias);
}

base_status tfl_ones(tfl_exporter *e, const nn_node *n, const int dim[4], int axis, float scale,
                     int *weights, int *bias)
{
    char name[2 * NN_MAX_NAME];
    const int channels = dim[axis];
    snprintf(name, sizeof name, "%s.ones", n->name);
    tfl_tensor *w = tensor_new(e, name, TFL_INT8, 4, dim);
    void *one = w ? data_new(e, w, 1) : NULL;
    float *of_weights = one ? scales_new(e, w, (size_t)channels, axis) : NULL;
    *weights = e->t.n_tensors - 1;
    snprintf(name, sizeof name, "%s.bias", n->name);
    tfl_tensor *b = of_weights ? tensor_new(e, name, TFL_INT32, 1, &channels) : NULL;
    float *of_bias = b && data_new(e, b, 4) ? scales_new(e, b, (size_t)channels, 0) : NULL;
    *bias = e->t.n_tensors - 1;
    if (!of_bias) return base_nomem(e->err, (size_t)channels);
    memset(one, 1, e->t.tensor[*weights].bytes);
    for (int o = 0; o < channels; o++) {
        of_weights[o] = scale;
        of_bias[o] = (float)(e->q->quant[n->in[0]->index].scale * (double)scale);
    }
    return BASE_OK;
}

bool tfl_clamps(const tfl_exporter *e, const nn_node *n)
{
    const nn_q8_layer *l = layer_of(e, n);
    for (int f = 0; l && f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type != NN_Q8_INT) continue;
        const int32_t v = *q8_field_int(l, field);
        if (strcmp(field->name, "lo") == 0 && v > -128) return true;
        if (strcmp(field->name, "hi") == 0 && v < 127) return true;
    }
    return false;
}

/* ---- the file ---- */

static void put_metadata(tfl_exporter *e, const char *name, const void *data, size_t bytes)
{
    if (bytes) e->t.metadata[e->t.n_metadata++] = (tfl_metadata){name, data, bytes};
}

/* What a .tflite file has no place for; import reads it. */
static base_status describe(tfl_exporter *e, const nn_model *m, base_str *labels)
{
    enum { PIECES = 5 };
    e->t.metadata = base_arena_alloc(e->t.arena, PIECES, sizeof *e->t.metadata);
    for (size_t i = 0; i < m->n_labels; i++) base_str_add(labels, "%s\n", m->labels[i]);
    if (!e->t.metadata || labels->failed) return base_nomem(e->err, PIECES);
    put_metadata(e, "sotto.features", m->features, m->features ? strlen(m->features) : 0);
    put_metadata(e, "sotto.labels", labels->s, labels->len);
    put_metadata(e, "sotto.mean", m->mean, m->mean ? m->n_stats * sizeof *m->mean : 0);
    put_metadata(e, "sotto.std", m->std, m->std ? m->n_stats * sizeof *m->std : 0);
    put_metadata(e, "sotto.provenance", m->provenance, m->provenance ? strlen(m->provenance) : 0);
    return BASE_OK;
}

static base_status build(tfl_exporter *e, const nn_model *m, base_str *labels, base_str *bytes)
{
    e->t.arena = base_arena_new();
    if (!e->t.arena) return base_nomem(e->err, 1);
    e->t.description = "sotto";
    if (!nn_graph_input(e->g, 0) || nn_graph_input(e->g, 1))
        return base_fail(e->err, BASE_USAGE, "a .tflite file has one input here, this graph has %s",
                         nn_graph_input(e->g, 0) ? "several" : "none");
    BASE_TRY(q8_chains_make(e->g, e->t.arena, &e->chains, e->err));
    if (e->q) BASE_TRY(q8_unpack_all(e->q, e->t.arena, &e->layer, e->err));
    BASE_TRY(tfl_nodes(e));
    BASE_TRY(describe(e, m, labels));
    return tflite_print(&e->t, bytes, e->err);
}

static base_status export(tfl_exporter *e, const nn_model *m, base_str *bytes)
{
    base_str labels = {0};
    const base_status status = build(e, m, &labels, bytes);
    base_str_free(&labels);
    base_arena_free(e->t.arena);
    if (status != BASE_OK) base_str_free(bytes);
    return status;
}

base_status tflite_export_q8(const q8_model *m, base_str *bytes, base_err *err)
{
    BASE_TRY(q8_refuse_wide(m, "TensorFlow Lite", err));
    if (m->rounding != Q8_TFLM) {
        base_fail(err, BASE_USAGE,
                  "the kernels of TensorFlow Lite round twice, this model once: "
                  "its rounding is '%s'",
                  q8_rounding_name(m->rounding));
        return base_hint(err, "quantize the float model with --rounding tflm, or export C");
    }
    tfl_exporter e = {.q = m, .g = m->folded.graph, .weights = m->folded.weights, .err = err};
    return export(&e, &m->folded, bytes);
}

base_status tflite_export_float(const nn_model *m, base_str *bytes, base_err *err)
{
    nn_graph *g = NULL;
    nn_real *weights = NULL;
    BASE_TRY(q8_fold(m->graph, m->weights, &g, &weights, err));
    tfl_exporter e = {.g = g, .weights = weights, .err = err};
    const base_status status = export(&e, m, bytes);
    base_free(weights);
    nn_graph_free(g);
    return status;
}
