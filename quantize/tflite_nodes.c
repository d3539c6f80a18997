/* tflite_nodes: the nodes of a folded graph as operators of a .tflite file, in order. relu and
 * relu6 become part of the operator before them where nothing else reads that.
 */
#include "nn/lower.h"
#include "quantize/tflite_export.h"

#include <math.h>
#include <string.h>

typedef struct tfl_form tfl_form;
typedef base_status (*form_fn)(tfl_exporter *e, const nn_node *n, const tfl_form *f);
struct tfl_form {
    const char *op;
    form_fn make;
    tfl_code code;
    bool fuses; /* an activation behind it */
};

/* ---- pieces ---- */

/* "c1.pad" and the like. */
typedef struct part {
    char s[2 * NN_MAX_NAME];
} part;
static part part_of(const nn_node *n, const char *what)
{
    part p;
    snprintf(p.s, sizeof p.s, "%s.%s", n->name, what);
    return p;
}

/* The node whose value the operator gives in the end. */
static const nn_node *end_of(const tfl_exporter *e, const nn_node *n)
{
    return e->fused ? e->fused : n;
}

/* An operator from tensors in[] to a new tensor of the node's shape, named after it (or after the
 * activation it does as well), which becomes the node's. */
static base_status put(tfl_exporter *e, const nn_node *n, tfl_code code, const int *in, int n_in,
                       tfl_options o)
{
    const nn_node *end = end_of(e, n);
    const int out = tfl_value(e, n, end->name, n->shape.n, n->shape.d);
    tfl_op *op = tfl_op_new(e, code, in, n_in, out);
    for (int k = 0; k < n_in; k++)
        if (in[k] < -1) return base_nomem(e->err, 1);
    if (out < 0 || !op) return base_nomem(e->err, 1);
    if (e->fused) o.activation = strcmp(end->op->name, "relu6") ? TFL_ACT_RELU : TFL_ACT_RELU6;
    op->o = o;
    e->tensor[n->index] = e->tensor[end->index] = out;
    return BASE_OK;
}

/* A RESHAPE of tensor x to a value of node n called `name` with one more dimension than `rank`. */
static int put_reshape(tfl_exporter *e, const nn_node *n, int x, const char *name, int rank,
                       const int *dim)
{
    const int all[TFL_MAX_DIMS] = {1, rank > 0 ? dim[0] : 0, rank > 1 ? dim[1] : 0,
                                   rank > 2 ? dim[2] : 0, rank > 3 ? dim[3] : 0};
    part p;
    snprintf(p.s, sizeof p.s, "%s.shape", name);
    const int shape = tfl_int_constant(e, p.s, 1, (const int[]){rank + 1}, all);
    const int out = tfl_value(e, n, name, rank, dim);
    if (shape < 0 || out < 0) return -1;
    return tfl_op_new(e, TFL_RESHAPE, (const int[]){x, shape}, 2, out) ? out : -1;
}

static int input_of(const tfl_exporter *e, const nn_node *n, int k)
{
    return e->tensor[n->in[k]->index];
}

/* ---- forms ---- */

/* Explicit padding is an operator of its own before a convolution. */
static base_status put_padding(tfl_exporter *e, const nn_node *n, const nn_pad *pad, int *x,
                               tfl_options *o)
{
    const int *p = pad->p;
    o->padding = pad->kind == NN_SAME ? TFL_SAME : TFL_VALID;
    if (pad->kind != NN_EXPLICIT || (!p[0] && !p[1] && !p[2] && !p[3])) return BASE_OK;
    const int around[] = {0, 0, p[0], p[1], p[2], p[3], 0, 0};
    const int *in = n->in[0]->shape.d;
    const int dim[] = {in[0] + p[0] + p[1], in[1] + p[2] + p[3], in[2]};
    const int c = tfl_int_constant(e, part_of(n, "around").s, 2, (const int[]){4, 2}, around);
    const int out = tfl_value(e, n->in[0], part_of(n, "pad").s, 3, dim);
    if (c < 0 || out < 0 || !tfl_op_new(e, TFL_PAD, (const int[]){*x, c}, 2, out))
        return base_nomem(e->err, 1);
    *x = out;
    return BASE_OK;
}

static tfl_options window_options(const nn_node *n)
{
    const int *kernel = q8_attribute(n, "kernel", NN_PAIR);
    const int *stride = q8_attribute(n, "stride", NN_PAIR);
    const int *dilation = q8_attribute(n, "dilation", NN_PAIR);
    return (tfl_options){.kernel_h = kernel[0],
                         .kernel_w = kernel[1],
                         .stride_h = stride[0],
                         .stride_w = stride[1],
                         .dilation_h = dilation ? dilation[0] : 0,
                         .dilation_w = dilation ? dilation[1] : 0};
}

static base_status make_conv(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    tfl_options o = window_options(n);
    const int *groups = q8_attribute(n, "groups", NN_INT);
    const int in = n->in[0]->shape.d[2], out = n->shape.d[2];
    const bool depthwise = f->code == TFL_DEPTHWISE_CONV_2D || (*groups == in && in > 1);
    const int dim[] = {depthwise ? 1 : out, o.kernel_h, o.kernel_w, depthwise ? out : in};
    int x = input_of(e, n, 0), w, b;
    o.depth_multiplier = depthwise ? out / in : 0;
    o.kernel_h = o.kernel_w = 0;
    BASE_TRY(put_padding(e, n, q8_attribute(n, "pad", NN_PAD), &x, &o));
    BASE_TRY(tfl_weights_of(e, n, dim, 4, depthwise ? 3 : 0, &w, &b));
    return put(e, n, depthwise ? TFL_DEPTHWISE_CONV_2D : TFL_CONV_2D, (const int[]){x, w, b}, 3, o);
}

/* FULLY_CONNECTED has one scale for all weights; with one for each output the layer is a 1x1
 * convolution over a map of one position. */
static base_status make_dense(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int in = n->in[0]->shape.d[0], out = n->shape.d[0];
    int w, b, x = input_of(e, n, 0);
    if (tfl_has_one_scale(e, n)) {
        BASE_TRY(tfl_weights_of(e, n, (const int[]){out, in, 0, 0}, 2, 0, &w, &b));
        return put(e, n, f->code, (const int[]){x, w, b}, 3, (tfl_options){0});
    }
    const nn_node *end = end_of(e, n);
    BASE_TRY(tfl_weights_of(e, n, (const int[]){out, 1, 1, in}, 4, 0, &w, &b));
    x = put_reshape(e, n->in[0], x, part_of(n, "in").s, 3, (const int[]){1, 1, in});
    const int map = tfl_value(e, n, part_of(n, "map").s, 3, (const int[]){1, 1, out});
    tfl_op *op = tfl_op_new(e, TFL_CONV_2D, (const int[]){x, w, b}, 3, map);
    if (x < 0 || map < 0 || !op) return base_nomem(e->err, 1);
    op->o = (tfl_options){.padding = TFL_VALID,
                          .stride_h = 1,
                          .stride_w = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .activation = !e->fused                             ? TFL_NONE
                                        : strcmp(end->op->name, "relu6") == 0 ? TFL_ACT_RELU6
                                                                              : TFL_ACT_RELU};
    const int y = put_reshape(e, n, map, end->name, 1, &out);
    e->tensor[n->index] = e->tensor[end->index] = y;
    return y < 0 ? base_nomem(e->err, 1) : BASE_OK;
}

static base_status make_pool(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    tfl_options o = window_options(n);
    const nn_pad *pad = q8_attribute(n, "pad", NN_PAD);
    const int x = input_of(e, n, 0), *p = pad->p;
    if (pad->kind == NN_EXPLICIT && (p[0] || p[1] || p[2] || p[3]))
        return nn_op_fail(n, e->err,
                          "TensorFlow Lite pools without padding of one's own (same or "
                          "valid)");
    o.padding = pad->kind == NN_SAME ? TFL_SAME : TFL_VALID;
    return put(e, n, f->code, &x, 1, o);
}

static base_status make_globalpool(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int *in = n->in[0]->shape.d, x = input_of(e, n, 0);
    const int map = tfl_value(e, n, part_of(n, "map").s, 3, (const int[]){1, 1, in[2]});
    tfl_op *op = tfl_op_new(e, f->code, &x, 1, map);
    if (map < 0 || !op) return base_nomem(e->err, 1);
    op->o = (tfl_options){
        .padding = TFL_VALID, .stride_h = 1, .stride_w = 1, .kernel_h = in[0], .kernel_w = in[1]};
    e->tensor[n->index] = put_reshape(e, n, map, n->name, 1, &in[2]);
    return e->tensor[n->index] < 0 ? base_nomem(e->err, 1) : BASE_OK;
}

/* One input or two, nothing else to say. */
static base_status make_plain(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    int in[NN_MAX_IN];
    for (int k = 0; k < n->n_in; k++) in[k] = input_of(e, n, k);
    const int *axis = f->code == TFL_CONCATENATION ? q8_attribute(n, "axis", NN_INT) : NULL;
    return put(
        e, n, f->code, in, n->n_in,
        (tfl_options){.beta = f->code == TFL_SOFTMAX ? 1.0F : 0.0F, .axis = axis ? *axis + 1 : 0});
}

static base_status make_reduce(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const nn_list *axes = q8_attribute(n, "axes", NN_LIST);
    int v[NN_MAX_DIMS];
    for (int i = 0; i < axes->n; i++) v[i] = axes->d[i] + 1;
    const int c = tfl_int_constant(e, part_of(n, "axes").s, 1, &axes->n, v);
    const bool *keep = q8_attribute(n, "keep", NN_YESNO);
    return put(e, n, f->code, (const int[]){input_of(e, n, 0), c}, 2,
               (tfl_options){.keep_dims = *keep});
}

/* The sum of an int8 mean is that of a convolution with weights of 1 in a scale of 1 / count: by
 * channels where the last axis stays, else with one output. MEAN rounds in other ways. */
static base_status make_mean(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    if (!e->q || *(const bool *)q8_attribute(n, "tflite", NN_YESNO)) return make_reduce(e, n, f);
    const sotto_reduce_t r = nn_q8_reduce(n, *(const nn_list *)q8_attribute(n, "axes", NN_LIST));
    const bool stays = !(r.reduced[1] > 1 && r.reduced_step[1] == 1);
    const int high = r.reduced[0], wide = stays ? r.reduced[1] : 1;
    const int map[] = {stays ? high : r.kept[0] * high, stays ? r.kept[0] * wide : r.kept[1],
                       stays ? r.kept[1] : r.reduced[1]};
    const int out[] = {stays ? 1 : r.kept[0], stays ? r.kept[0] : r.kept[1], stays ? r.kept[1] : 1};
    const float share = 1.0F / (float)(nn_count(n->in[0]->shape) / nn_count(n->shape));
    int x = put_reshape(e, n->in[0], input_of(e, n, 0), part_of(n, "in").s, 3, map), w, b;
    BASE_TRY(tfl_ones(e, n, (const int[]){1, high, wide, map[2]}, stays ? 3 : 0, share, &w, &b));
    const int sum = tfl_value(e, n, part_of(n, "map").s, 3, out);
    tfl_op *op =
        tfl_op_new(e, stays ? TFL_DEPTHWISE_CONV_2D : TFL_CONV_2D, (const int[]){x, w, b}, 3, sum);
    if (x < 0 || sum < 0 || !op) return base_nomem(e->err, 1);
    op->o = (tfl_options){.padding = TFL_VALID,
                          .stride_h = stays ? 1 : high,
                          .stride_w = wide,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .depth_multiplier = stays};
    e->tensor[n->index] = put_reshape(e, n, sum, n->name, n->shape.n, n->shape.d);
    return e->tensor[n->index] < 0 ? base_nomem(e->err, 1) : BASE_OK;
}

static base_status make_transpose(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const nn_list *order = q8_attribute(n, "order", NN_LIST);
    int v[NN_MAX_DIMS + 1] = {0};
    for (int i = 0; i < order->n; i++) v[i + 1] = order->d[i] + 1;
    const int c = tfl_int_constant(e, part_of(n, "order").s, 1, (const int[]){order->n + 1}, v);
    return put(e, n, f->code, (const int[]){input_of(e, n, 0), c}, 2, (tfl_options){0});
}

static base_status make_slice(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int *axis = q8_attribute(n, "axis", NN_INT), *first = q8_attribute(n, "begin", NN_INT);
    const int rank = n->shape.n + 1;
    int begin[NN_MAX_DIMS + 1] = {0}, end[NN_MAX_DIMS + 1] = {1}, step[NN_MAX_DIMS + 1];
    for (int d = 0; d < rank; d++) step[d] = 1;
    memcpy(end + 1, n->in[0]->shape.d, (size_t)n->shape.n * sizeof *end);
    begin[*axis + 1] = *first;
    end[*axis + 1] = *first + n->shape.d[*axis];
    const int in[] = {input_of(e, n, 0),
                      tfl_int_constant(e, part_of(n, "begin").s, 1, &rank, begin),
                      tfl_int_constant(e, part_of(n, "end").s, 1, &rank, end),
                      tfl_int_constant(e, part_of(n, "step").s, 1, &rank, step)};
    return put(e, n, f->code, in, 4, (tfl_options){0});
}

static base_status make_pad(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int *p = ((const nn_pad *)q8_attribute(n, "pad", NN_PAD))->p;
    const int around[] = {0, 0, p[0], p[1], p[2], p[3], 0, 0};
    if (fabs(*(const double *)q8_attribute(n, "value", NN_REAL)) > 0)
        return nn_op_fail(n, e->err, "there is a TensorFlow Lite form of value=0 only");
    const int c = tfl_int_constant(e, part_of(n, "around").s, 2, (const int[]){4, 2}, around);
    return put(e, n, f->code, (const int[]){input_of(e, n, 0), c}, 2, (tfl_options){0});
}

static base_status make_hardswish(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const double in = e->q ? e->q->quant[n->in[0]->index].scale : 0;
    if (e->q && in >= 127.9 * e->q->quant[n->index].scale)
        return nn_op_fail(n, e->err, "TensorFlow Lite has no HARD_SWISH from scale %g to %g", in,
                          e->q->quant[n->index].scale);
    return make_plain(e, n, f);
}

/* x s(x) */
static base_status make_silu(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int x = input_of(e, n, 0);
    const int gate = tfl_value(e, n, part_of(n, "gate").s, n->shape.n, n->shape.d);
    if (e->q) return nn_op_fail(n, e->err, "there is a TensorFlow Lite form of float only");
    if (gate < 0 || !tfl_op_new(e, f->code, &x, 1, gate)) return base_nomem(e->err, 1);
    return put(e, n, TFL_MUL, (const int[]){x, gate}, 2, (tfl_options){0});
}

/* A batchnorm that could not be folded: a product and a sum with constants, which with bands are a
 * row of channels for each frequency. */
static base_status make_batchnorm(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int bands = *(const int *)q8_attribute(n, "bands", NN_INT);
    const double eps = *(const double *)q8_attribute(n, "eps", NN_REAL);
    const nn_real *gamma = q8_param(n, e->weights, "gamma"),
                  *beta = q8_param(n, e->weights, "beta");
    const nn_real *mean = q8_param(n, e->weights, "mean"), *var = q8_param(n, e->weights, "var");
    const int channels = n->shape.d[n->shape.n - 1], rows = bands > 1 ? n->shape.d[1] : 1;
    const int dim[] = {1, 1, 1, rows, channels}, *from = dim + 4 - n->shape.n;
    int in[2] = {input_of(e, n, 0)}, c;
    if (e->q) return nn_op_fail(n, e->err, "there is a TensorFlow Lite form of float only");
    float *mul = tfl_float_constant(e, part_of(n, "mul").s, n->shape.n + 1, from, &in[1]);
    float *add = tfl_float_constant(e, part_of(n, "add").s, n->shape.n + 1, from, &c);
    const int scaled = tfl_value(e, n, part_of(n, "scaled").s, n->shape.n, n->shape.d);
    if (!mul || !add || scaled < 0 || !tfl_op_new(e, TFL_MUL, in, 2, scaled))
        return base_nomem(e->err, (size_t)channels);
    for (int i = 0; i < rows * channels; i++) {
        const int k = i / channels / (rows / bands) * channels + i % channels;
        const double scale = (gamma ? (double)gamma[k] : 1) / sqrt((double)var[k] + eps);
        mul[i] = (float)scale;
        add[i] = (float)((beta ? (double)beta[k] : 0) - (double)mean[k] * scale);
    }
    return put(e, n, f->code, (const int[]){scaled, c}, 2, (tfl_options){0});
}

/* MAXIMUM with the lower bound, MINIMUM with the upper one. */
static base_status make_clip(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const double *lo = q8_attribute(n, "lo", NN_REAL), *hi = q8_attribute(n, "hi", NN_REAL);
    const bool both = *lo > -1e30 && *hi < 1e30;
    int x = input_of(e, n, 0);
    if (*lo <= -1e30)
        return put(e, n, TFL_MINIMUM, (const int[]){x, tfl_number(e, n, "hi", *hi)}, 2,
                   (tfl_options){0});
    if (!both)
        return put(e, n, f->code, (const int[]){x, tfl_number(e, n, "lo", *lo)}, 2,
                   (tfl_options){0});
    const int c = tfl_number(e, n, "lo", *lo);
    const int half = tfl_value(e, n, part_of(n, "low").s, n->shape.n, n->shape.d);
    if (c < 0 || half < 0 || !tfl_op_new(e, f->code, (const int[]){x, c}, 2, half))
        return base_nomem(e->err, 1);
    return put(e, n, TFL_MINIMUM, (const int[]){half, tfl_number(e, n, "hi", *hi)}, 2,
               (tfl_options){0});
}

static base_status make_reshape(tfl_exporter *e, const nn_node *n, const tfl_form *f)
{
    const int x = input_of(e, n, 0);
    (void)f;
    const bool same = nn_same_shape(n->shape, n->in[0]->shape);
    e->tensor[n->index] = same ? x : put_reshape(e, n, x, n->name, n->shape.n, n->shape.d);
    return e->tensor[n->index] < 0 ? base_nomem(e->err, 1) : BASE_OK;
}

static const tfl_form forms[] = {
    {"conv2d", make_conv, TFL_CONV_2D, true},
    {"dwconv2d", make_conv, TFL_DEPTHWISE_CONV_2D, true},
    {"dense", make_dense, TFL_FULLY_CONNECTED, true},
    {"avgpool", make_pool, TFL_AVERAGE_POOL_2D, true},
    {"maxpool", make_pool, TFL_MAX_POOL_2D, true},
    {"globalpool", make_globalpool, TFL_AVERAGE_POOL_2D, false},
    {"add", make_plain, TFL_ADD, true},
    {"mul", make_plain, TFL_MUL, true},
    {"batchnorm", make_batchnorm, TFL_ADD, true},
    {"concat", make_plain, TFL_CONCATENATION, false},
    {"softmax", make_plain, TFL_SOFTMAX, false},
    {"sigmoid", make_plain, TFL_LOGISTIC, false},
    {"tanh", make_plain, TFL_TANH, false},
    {"hardswish", make_hardswish, TFL_HARD_SWISH, false},
    {"relu", make_plain, TFL_RELU, false},
    {"relu6", make_plain, TFL_RELU6, false},
    {"clip", make_clip, TFL_MAXIMUM, false},
    {"silu", make_silu, TFL_LOGISTIC, false},
    {"mean", make_mean, TFL_MEAN, false},
    {"max", make_reduce, TFL_REDUCE_MAX, false},
    {"transpose", make_transpose, TFL_TRANSPOSE, false},
    {"slice", make_slice, TFL_STRIDED_SLICE, false},
    {"pad", make_pad, TFL_PAD, false},
    {"flatten", make_reshape, TFL_RESHAPE, false},
    {"reshape", make_reshape, TFL_RESHAPE, false},
};

/* The activation behind n that its operator can do as well, or NULL. TensorFlow Lite 2.2.0 leaves
 * out that of an int8 DEPTHWISE_CONV_2D. */
static const nn_node *activation_of(const tfl_exporter *e, const nn_node *n)
{
    const bool by_channel =
        strcmp(n->op->name, "conv2d") == 0 || strcmp(n->op->name, "dwconv2d") == 0;
    if (e->chains.readers[n->index] != 1) return NULL;
    if (e->q && by_channel && tfl_clamps(e, n)) return NULL;
    const nn_node *next = nn_graph_node(e->g, e->chains.only[n->index]);
    const bool is = strcmp(next->op->name, "relu") == 0 || strcmp(next->op->name, "relu6") == 0;
    return is ? next : NULL;
}

static base_status make_node(tfl_exporter *e, const nn_node *n)
{
    for (size_t i = 0; i < BASE_COUNT(forms); i++) {
        if (strcmp(forms[i].op, n->op->name) != 0) continue;
        e->fused = forms[i].fuses ? activation_of(e, n) : NULL;
        return forms[i].make(e, n, &forms[i]);
    }
    return nn_op_fail(n, e->err, "there is no TensorFlow Lite form of this operator here");
}

base_status tfl_nodes(tfl_exporter *e)
{
    const int n = nn_graph_nodes(e->g);
    const nn_node *x = nn_graph_input(e->g, 0), *y = nn_graph_output(e->g);
    e->tensor = base_arena_alloc(e->t.arena, (size_t)n, sizeof *e->tensor);
    if (!e->tensor) return base_nomem(e->err, (size_t)n);
    for (int i = 0; i < n; i++) e->tensor[i] = -1;
    e->t.input = e->tensor[x->index] = tfl_value(e, x, x->name, x->shape.n, x->shape.d);
    if (e->t.input < 0) return base_nomem(e->err, 1);
    for (int i = 0; i < n; i++)
        if (e->chains.live[i] && e->tensor[i] < 0) BASE_TRY(make_node(e, nn_graph_node(e->g, i)));
    e->t.output = e->tensor[y->index];
    if (e->t.n_ops > 0) return BASE_OK;
    return base_fail(e->err, BASE_USAGE, "the graph computes nothing: there is no operator");
}
