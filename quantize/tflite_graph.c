/* tflite_graph: the operators of a .tflite file as a graph. A tensor is the node that computes it;
 * fused activations are nodes of their own, and the batch, which is 1, is no part of a shape.
 */
#include "quantize/tflite_import.h"

#include <string.h>

/* ---- layers with weights ---- */

static base_status add_weights(tfl_importer *in, const tfl_op *op, const nn_node *y, tfl_weights w)
{
    const tfl_tensor *x = &in->t->tensor[op->in[0]];
    const size_t count = w.channels * w.taps * w.inner;
    BASE_TRY(tfl_quant_of(in, op, x, &w.in));
    BASE_TRY(tfl_quant_of(in, op, &in->t->tensor[op->out], &w.out));
    if ((size_t)tflite_count(w.w) != count || (w.b && (size_t)tflite_count(w.b) != w.channels))
        return tfl_refuse(in, op, "'%s' or its bias does not have %zu numbers for %zu outputs",
                          w.w->name, count, w.channels);
    const int axis = w.depthwise ? 3 : 0;
    if (w.w->type == TFL_INT8 && w.w->n_scales != 1 &&
        (w.w->n_scales != (int)w.channels || w.w->axis != axis))
        return tfl_refuse(in, op, "weights '%s' have %d scales along dimension %d", w.w->name,
                          w.w->n_scales, w.w->axis);
    for (int i = 0; i < w.w->n_scales; i++)
        if (w.w->zero[i] != 0)
            return tfl_refuse(in, op, "weights '%s' have zero point %d, not 0", w.w->name,
                              w.w->zero[i]);
    w.node = y;
    in->weights[in->n_weights++] = w;
    return BASE_OK;
}

/* Float layers may have int8 weights too: they stand for real numbers. */
static base_status weights_of(const tfl_importer *in, const tfl_op *op, int rank, tfl_weights *w)
{
    const tfl_tensor *t = tfl_tensor_of(in, op, 1);
    const bool int8 = in->int8 || (t && t->type == TFL_INT8);
    BASE_TRY(tfl_constant(in, op, 1, int8 ? TFL_INT8 : TFL_FLOAT32, &w->w));
    if (w->w->rank != rank)
        return tfl_refuse(in, op, "weights '%s' have %d dimensions, not %d", w->w->name, w->w->rank,
                          rank);
    if (!tfl_tensor_of(in, op, 2)) return BASE_OK;
    return tfl_constant(in, op, 2, in->int8 ? TFL_INT32 : TFL_FLOAT32, &w->b);
}

/* "c1" of a constant "c1.weight", else "". */
static const char *own_name(const tfl_tensor *c, const char *suffix, char name[NN_MAX_NAME])
{
    const char *end = strstr(c->name, suffix);
    snprintf(name, NN_MAX_NAME, "%.*s", end ? (int)(end - c->name) : 0, c->name);
    return name;
}

/* "same", "valid", or what is put around the input by an operator before. TensorFlow's rule of what
 * "same" is, which a node has for kernels that fit the input only, is written out for others. */
static base_status padding(const tfl_importer *in, const tfl_op *op, const int kernel[2],
                           const nn_node *x, char text[64])
{
    const int *p = in->pad[op->in[0]], stride[] = {op->o.stride_h, op->o.stride_w};
    const int dilation[] = {op->o.dilation_h, op->o.dilation_w}; /* 0 of pools */
    const bool same = op->o.padding == TFL_SAME && x->shape.n == 3;
    int64_t around[4] = {p[0], p[1], p[2], p[3]};
    if (op->o.padding != TFL_SAME && op->o.padding != TFL_VALID)
        return tfl_refuse(in, op, "padding %d is not known here", op->o.padding);
    const bool large = same && (kernel[0] > x->shape.d[0] || kernel[1] > x->shape.d[1]);
    for (int i = 0; large && i < 2 && stride[i] > 0; i++) {
        const int64_t size = x->shape.d[i], apart = dilation[i] > 1 ? dilation[i] : 1;
        const int64_t last = (size - 1) / stride[i] * stride[i] + (kernel[i] - 1) * apart;
        const int64_t need = last < size ? 0 : last + 1 - size;
        around[2 * i] = need / 2;
        around[2 * i + 1] = need - need / 2;
    }
    snprintf(text, 64, "%s", op->o.padding == TFL_SAME ? "same" : "valid");
    if (large || p[0] || p[1] || p[2] || p[3])
        snprintf(text, 64, "%lld,%lld,%lld,%lld", (long long)around[0], (long long)around[1],
                 (long long)around[2], (long long)around[3]);
    return BASE_OK;
}

static base_status import_conv(tfl_importer *in, const tfl_op *op)
{
    const bool depthwise = op->code == TFL_DEPTHWISE_CONV_2D;
    tfl_weights w = {.depthwise = depthwise};
    nn_node *x, *y;
    char pad[64], name[NN_MAX_NAME];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(weights_of(in, op, 4, &w));
    const int *d = w.w->dim, out = depthwise ? d[3] : d[0], inner = depthwise ? 1 : d[3];
    if (x->shape.n != 3 || x->shape.d[2] % inner)
        return tfl_refuse(in, op, "weights '%s' do not fit the channels of '%s'", w.w->name,
                          x->name);
    w.channels = (size_t)out;
    w.taps = (size_t)d[1] * (size_t)d[2];
    w.inner = (size_t)inner;
    BASE_TRY(padding(in, op, d + 1, x, pad));
    own_name(w.w, ".weight", name);
    const char *bias = w.b ? "yes" : "no";
    if (depthwise && out == x->shape.d[2])
        BASE_TRY(tfl_compute(in, op, op->o.activation, name, "dwconv2d", &x, 1, &y,
                             "kernel=%dx%d stride=%dx%d dilation=%dx%d pad=%s bias=%s", d[1], d[2],
                             op->o.stride_h, op->o.stride_w, op->o.dilation_h, op->o.dilation_w,
                             pad, bias));
    else
        BASE_TRY(
            tfl_compute(in, op, op->o.activation, name, "conv2d", &x, 1, &y,
                        "out=%d kernel=%dx%d stride=%dx%d dilation=%dx%d groups=%d pad=%s bias=%s",
                        out, d[1], d[2], op->o.stride_h, op->o.stride_w, op->o.dilation_h,
                        op->o.dilation_w, x->shape.d[2] / inner, pad, bias));
    return add_weights(in, op, y, w);
}

/* FULLY_CONNECTED, or what import_reshape has found to be one: then `to` gives its result. */
static base_status import_dense_to(tfl_importer *in, const tfl_op *op, const tfl_op *to)
{
    tfl_weights w = {.taps = 1};
    nn_node *x, *y;
    char name[NN_MAX_NAME];
    const int rank = op == to ? 2 : 4;
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(weights_of(in, op, rank, &w));
    if (op->o.weights_format != 0)
        return tfl_refuse(in, op, "weights of format %d are not known here", op->o.weights_format);
    if (nn_count(x->shape) != w.w->dim[rank - 1])
        return tfl_refuse(in, op, "weights '%s' take %d inputs, '%s' has %lld", w.w->name,
                          w.w->dim[rank - 1], x->name, (long long)nn_count(x->shape));
    w.channels = (size_t)w.w->dim[0];
    w.inner = (size_t)w.w->dim[rank - 1];
    if (x->shape.n > 1)
        BASE_TRY(tfl_append(in, op, "", "flatten", &x, 1, &in->t->tensor[op->in[0]], &x, ""));
    BASE_TRY(tfl_compute(in, to, op->o.activation, own_name(w.w, ".weight", name), "dense", &x, 1,
                         &y, "out=%d bias=%s", w.w->dim[0], w.b ? "yes" : "no"));
    return add_weights(in, op, y, w);
}

static base_status import_dense(tfl_importer *in, const tfl_op *op)
{
    return import_dense_to(in, op, op);
}

/* ---- others ---- */

static base_status import_pool(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    char pad[64];
    const int kernel[] = {op->o.kernel_h, op->o.kernel_w};
    const tfl_op *next = tfl_only_reader(in, op);
    BASE_TRY(tfl_source(in, op, 0, &x));
    if (op->code == TFL_AVERAGE_POOL_2D && next && next->code == TFL_RESHAPE && x->shape.n == 3 &&
        kernel[0] == x->shape.d[0] && kernel[1] == x->shape.d[1] && op->o.padding == TFL_VALID &&
        op->o.activation == TFL_NONE && in->t->tensor[next->out].rank == 2) {
        BASE_TRY(tfl_same_quant(in, next));
        BASE_TRY(tfl_compute(in, next, TFL_NONE, "", "globalpool", &x, 1, &y, " "));
        in->done[next - in->t->op] = true;
        return BASE_OK;
    }
    BASE_TRY(padding(in, op, kernel, x, pad));
    return tfl_compute(in, op, op->o.activation, "",
                       op->code == TFL_MAX_POOL_2D ? "maxpool" : "avgpool", &x, 1, &y,
                       "kernel=%dx%d stride=%dx%d pad=%s", kernel[0], kernel[1], op->o.stride_h,
                       op->o.stride_w, pad);
}

/* The constant that a float ADD or MUL reads, as input *at; NULL when there is none. */
static const tfl_tensor *operand(const tfl_importer *in, const tfl_op *op, int *at)
{
    for (*at = 0; *at < 2; (*at)++) {
        const tfl_tensor *c = tfl_tensor_of(in, op, *at);
        if (c && c->bytes > 0 && c->type == TFL_FLOAT32 && !in->int8) return c;
    }
    return NULL;
}

/* Frequencies by which a constant differs: 1 when it repeats along all but the channels, 0 when it
 * is no factor of so many channels. */
static int bands_of(const tfl_tensor *c, nn_shape s)
{
    const int channels = s.d[s.n - 1];
    const int64_t n = tflite_count(c);
    if (n == 1 || (n == channels && c->dim[c->rank - 1] == channels)) return 1;
    const bool rows = s.n == 3 && c->rank > 1 && n == (int64_t)s.d[1] * channels &&
                      c->dim[c->rank - 1] == channels && c->dim[c->rank - 2] == s.d[1];
    return rows ? s.d[1] : 0;
}

/* A product with a constant and a sum with one behind it, or one of them: a batchnorm. */
static base_status import_affine(tfl_importer *in, const tfl_op *op, const tfl_tensor *c, int at)
{
    nn_node *x, *y;
    char name[NN_MAX_NAME];
    const tfl_op *next = tfl_only_reader(in, op);
    tfl_affine a = {.mul = op->code == TFL_MUL ? c : NULL, .add = op->code == TFL_ADD ? c : NULL};
    BASE_TRY(tfl_source(in, op, 1 - at, &x));
    if (a.mul && next && next->code == TFL_ADD && op->o.activation == TFL_NONE)
        a.add = operand(in, next, &at);
    if (a.mul && a.add) in->done[next - in->t->op] = true;
    const int m = a.mul ? bands_of(a.mul, x->shape) : 1, b = a.add ? bands_of(a.add, x->shape) : 1;
    if (m == 0 || b == 0)
        return tfl_refuse(in, op, "constant '%s' does not repeat along '%s'",
                          (m ? a.add : a.mul)->name, x->name);
    const tfl_op *last = a.mul && a.add ? next : op;
    BASE_TRY(tfl_compute(in, last, last->o.activation, own_name(c, a.mul ? ".mul" : ".add", name),
                         "batchnorm", &x, 1, &y, "eps=1e-12 bands=%d gamma=%s beta=%s",
                         m > b ? m : b, a.mul ? "yes" : "no", a.add ? "yes" : "no"));
    a.node = y;
    in->affine[in->n_affine++] = a;
    return BASE_OK;
}

static base_status import_pair(tfl_importer *in, const tfl_op *op)
{
    nn_node *x[2], *y;
    int at;
    const tfl_tensor *c = operand(in, op, &at);
    if (c) return import_affine(in, op, c, at);
    BASE_TRY(tfl_source(in, op, 0, &x[0]));
    BASE_TRY(tfl_source(in, op, 1, &x[1]));
    return tfl_compute(in, op, op->o.activation, "", op->code == TFL_ADD ? "add" : "mul", x, 2, &y,
                       " ");
}

static base_status import_concat(tfl_importer *in, const tfl_op *op)
{
    nn_node *x[TFL_MAX_IN], *y;
    for (int i = 0; i < op->n_in; i++) BASE_TRY(tfl_source(in, op, i, &x[i]));
    const int rank = x[0]->shape.n + 1, axis = op->o.axis < 0 ? op->o.axis + rank : op->o.axis;
    return tfl_compute(in, op, op->o.activation, "", "concat", x, op->n_in, &y, "axis=%d",
                       axis - 1);
}

static base_status import_reduce(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    int n, v[TFL_MAX_DIMS * 2];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(tfl_integers(in, op, 1, TFL_MAX_DIMS, &n, v));
    char axes[64] = "";
    for (int i = 0, used = 0; i < n; i++)
        used += snprintf(axes + used, sizeof axes - (size_t)used, "%s%d", i ? "," : "",
                         (v[i] < 0 ? v[i] + x->shape.n + 1 : v[i]) - 1);
    const bool mean = op->code == TFL_MEAN;
    return tfl_compute(in, op, op->o.activation, "", mean ? "mean" : "max", &x, 1, &y,
                       "axes=%s keep=%s%s", axes, op->o.keep_dims ? "yes" : "no",
                       mean && in->int8 ? " tflite=yes" : "");
}

/* A layer with one scale for each output, which FULLY_CONNECTED has not: a convolution between two
 * reshapes, over a map of one position. */
static const tfl_op *dense_behind(const tfl_importer *in, const tfl_op *op, const nn_node *x)
{
    const tfl_op *conv = tfl_only_reader(in, op), *after = conv ? tfl_only_reader(in, conv) : NULL;
    if (!after || conv->code != TFL_CONV_2D || after->code != TFL_RESHAPE || x->shape.n != 1 ||
        conv->n_in < 2 || conv->in[1] < 0)
        return NULL;
    const tfl_tensor *w = &in->t->tensor[conv->in[1]], *y = &in->t->tensor[after->out];
    const bool is = w->rank == 4 && w->dim[1] == 1 && w->dim[2] == 1 &&
                    w->dim[3] == x->shape.d[0] && y->rank == 2 && y->dim[1] == w->dim[0];
    return is ? conv : NULL;
}

/* RESHAPE, SQUEEZE: what matters is the shape of the result. */
static base_status import_reshape(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    nn_shape s;
    char text[64];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(tfl_same_quant(in, op));
    const tfl_op *conv = dense_behind(in, op, x);
    if (conv) {
        in->node[op->out] = x;
        BASE_TRY(tfl_same_quant(in, conv + 1));
        in->done[conv - in->t->op] = in->done[conv + 1 - in->t->op] = true;
        return import_dense_to(in, conv, conv + 1);
    }
    BASE_TRY(tfl_shape_of(in, op, &in->t->tensor[op->out], &s));
    if (nn_same_shape(s, x->shape)) return tfl_result(in, op, x);
    if (s.n == 1) return tfl_compute(in, op, op->o.activation, "", "flatten", &x, 1, &y, " ");
    return tfl_compute(in, op, op->o.activation, "", "reshape", &x, 1, &y, "shape=%s",
                       nn_shape_text(s, text));
}

/* Whether an operator is a convolution that can have the zeros around its input as its own. */
static bool takes_padding(const tfl_importer *in, const tfl_op *op, const int around[4])
{
    if (op->code != TFL_CONV_2D && op->code != TFL_DEPTHWISE_CONV_2D) return false;
    if (op->o.padding != TFL_VALID || op->n_in < 2 || op->in[1] < 0) return false;
    const int *kernel = &in->t->tensor[op->in[1]].dim[1];
    const int64_t h = (int64_t)(kernel[0] - 1) * op->o.dilation_h;
    const int64_t w = (int64_t)(kernel[1] - 1) * op->o.dilation_w;
    return around[0] <= h && around[1] <= h && around[2] <= w && around[3] <= w;
}

static base_status import_pad(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    int n, v[TFL_MAX_DIMS * 2];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(tfl_integers(in, op, 1, TFL_MAX_DIMS * 2, &n, v));
    BASE_TRY(tfl_same_quant(in, op));
    if (n != 8 || x->shape.n != 3 || v[0] || v[1] || v[6] || v[7])
        return tfl_refuse(in, op, "pads more than time and frequency");
    const tfl_op *next = tfl_only_reader(in, op);
    if (next && takes_padding(in, next, v + 2)) {
        memcpy(in->pad[op->out], v + 2, sizeof in->pad[op->out]);
        in->node[op->out] = x;
        return BASE_OK;
    }
    return tfl_compute(in, op, op->o.activation, "", "pad", &x, 1, &y, "pad=%d,%d,%d,%d", v[2],
                       v[3], v[4], v[5]);
}

static base_status import_transpose(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    int n, v[TFL_MAX_DIMS * 2];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(tfl_integers(in, op, 1, TFL_MAX_DIMS, &n, v));
    BASE_TRY(tfl_same_quant(in, op));
    if (n < 2 || v[0] != 0) return tfl_refuse(in, op, "moves the batch");
    char order[64] = "";
    for (int i = 1, used = 0; i < n; i++)
        used +=
            snprintf(order + used, sizeof order - (size_t)used, "%s%d", i > 1 ? "," : "", v[i] - 1);
    return tfl_compute(in, op, op->o.activation, "", "transpose", &x, 1, &y, "order=%s", order);
}

static int bounded(int v, int size)
{
    v = v < 0 ? v + size : v;
    return v < 0 ? 0 : v > size ? size : v;
}

/* One slice for each axis that is cut. */
static base_status import_slice(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    int n[3], begin[TFL_MAX_DIMS * 2], end[TFL_MAX_DIMS * 2], step[TFL_MAX_DIMS * 2];
    char attrs[64];
    const tfl_tensor *t = &in->t->tensor[op->in[0]], *out = &in->t->tensor[op->out];
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(tfl_integers(in, op, 1, TFL_MAX_DIMS, &n[0], begin));
    BASE_TRY(tfl_integers(in, op, 2, TFL_MAX_DIMS, &n[1], end));
    BASE_TRY(tfl_integers(in, op, 3, TFL_MAX_DIMS, &n[2], step));
    BASE_TRY(tfl_same_quant(in, op));
    if (n[0] != n[1] || n[0] != n[2] || n[0] > t->rank || op->o.ellipsis_mask ||
        op->o.new_axis_mask || (op->o.shrink_axis_mask & 1))
        return tfl_refuse(in, op, "this kind of slice is not known here");
    for (int d = 0; d < n[0]; d++) {
        const int size = t->dim[d];
        const int a = op->o.begin_mask >> d & 1 ? 0 : bounded(begin[d], size);
        int b = op->o.end_mask >> d & 1 ? size : bounded(end[d], size);
        if (op->o.shrink_axis_mask >> d & 1) b = a + 1;
        if (step[d] != 1 || (d == 0 && b - a != 1))
            return tfl_refuse(in, op, "steps of %d along dimension %d are not known here", step[d],
                              d);
        if (b - a == size) continue;
        snprintf(attrs, sizeof attrs, "axis=%d begin=%d size=%d", d - 1, a, b - a);
        BASE_TRY(tfl_append(in, op, out->name, "slice", &x, 1, out, &y, attrs));
        x = y;
    }
    nn_shape s;
    BASE_TRY(tfl_shape_of(in, op, out, &s));
    if (nn_same_shape(s, x->shape)) return tfl_result(in, op, x);
    return tfl_compute(in, op, op->o.activation, "", "reshape", &x, 1, &y, "shape=%s",
                       nn_shape_text(s, attrs));
}

/* Activations: one input, the same shape. */
static base_status import_activation(tfl_importer *in, const tfl_op *op)
{
    const char *kind = op->code == TFL_RELU         ? "relu"
                       : op->code == TFL_RELU6      ? "relu6"
                       : op->code == TFL_LOGISTIC   ? "sigmoid"
                       : op->code == TFL_TANH       ? "tanh"
                       : op->code == TFL_SOFTMAX    ? "softmax"
                       : op->code == TFL_HARD_SWISH ? "hardswish"
                                                    : "clip";
    nn_node *x, *y;
    BASE_TRY(tfl_source(in, op, 0, &x));
    if (op->code == TFL_SOFTMAX && (op->o.beta < 1.0F || op->o.beta > 1.0F))
        return tfl_refuse(in, op, "beta is %g, not 1", (double)op->o.beta);
    if (op->code == TFL_RELU || op->code == TFL_RELU6 || op->code == TFL_RELU_N1_TO_1)
        BASE_TRY(tfl_same_quant(in, op));
    return tfl_compute(in, op, op->o.activation, "", kind, &x, 1, &y, "%s",
                       op->code == TFL_RELU_N1_TO_1 ? "lo=-1 hi=1" : "");
}

/* The number that MAXIMUM or MINIMUM compares with. */
static base_status bound_of(const tfl_importer *in, const tfl_op *op, double *v)
{
    const tfl_tensor *c;
    nn_quant q;
    BASE_TRY(tfl_constant(in, op, 1, in->int8 ? TFL_INT8 : TFL_FLOAT32, &c));
    BASE_TRY(tfl_same_quant(in, op));
    BASE_TRY(tfl_quant_of(in, op, &in->t->tensor[op->in[0]], &q));
    if (tflite_count(c) != 1)
        return tfl_refuse(in, op, "constant '%s' has %lld numbers, not 1", c->name,
                          (long long)tflite_count(c));
    *v = in->int8 ? q.scale * ((int8_t)c->data[0] - q.zero) : (double)tflite_f32(c, 0);
    return BASE_OK;
}

/* The two halves of a clip, or one of them. */
static base_status import_bound(tfl_importer *in, const tfl_op *op)
{
    nn_node *x, *y;
    double v[2] = {-1e30, 1e30};
    const tfl_op *next = tfl_only_reader(in, op);
    const bool both = op->code == TFL_MAXIMUM && next && next->code == TFL_MINIMUM;
    BASE_TRY(tfl_source(in, op, 0, &x));
    BASE_TRY(bound_of(in, op, &v[op->code == TFL_MINIMUM]));
    if (both) {
        BASE_TRY(bound_of(in, next, &v[1]));
        in->done[next - in->t->op] = true;
    }
    if (in->int8 && v[0] >= v[1]) { /* one value is left: a quarter of a step to both sides of it */
        const double quarter = in->quant[x->index].scale / 4;
        v[0] = v[1] - quarter;
        v[1] += quarter;
    }
    return tfl_compute(in, both ? next : op, TFL_NONE, "", "clip", &x, 1, &y, "lo=%.17g hi=%.17g",
                       v[0], v[1]);
}

/* At the ends of a model that takes and gives real numbers, or unsigned bytes. */
static base_status import_convert(tfl_importer *in, const tfl_op *op)
{
    nn_node *x = in->node[op->in[0]];
    const bool first = op->in[0] == in->t->input, last = op->out == in->t->output;
    if (!x || !in->int8 || !(op->code == TFL_QUANTIZE ? first || last : last))
        return tfl_refuse(in, op, "converts in the middle of the graph");
    const tfl_tensor *a = &in->t->tensor[op->in[0]], *b = &in->t->tensor[op->out];
    if (op->code == TFL_QUANTIZE && a->n_scales == 1 && b->n_scales == 1) {
        const int shift = (a->type == TFL_UINT8 ? 128 : 0) - (b->type == TFL_UINT8 ? 128 : 0);
        if (a->scale[0] < b->scale[0] || a->scale[0] > b->scale[0] ||
            a->zero[0] - b->zero[0] != shift)
            return tfl_refuse(in, op, "changes scale %g to %g", (double)a->scale[0],
                              (double)b->scale[0]);
    }
    if (first) BASE_TRY(tfl_quant_of(in, op, b, &in->quant[x->index]));
    return tfl_result(in, op, x);
}

typedef base_status (*import_fn)(tfl_importer *in, const tfl_op *op);

static import_fn import_of(int code)
{
    switch (code) {
    case TFL_CONV_2D:
    case TFL_DEPTHWISE_CONV_2D: return import_conv;
    case TFL_FULLY_CONNECTED: return import_dense;
    case TFL_AVERAGE_POOL_2D:
    case TFL_MAX_POOL_2D: return import_pool;
    case TFL_ADD:
    case TFL_MUL: return import_pair;
    case TFL_CONCATENATION: return import_concat;
    case TFL_MEAN:
    case TFL_REDUCE_MAX: return import_reduce;
    case TFL_RESHAPE:
    case TFL_SQUEEZE: return import_reshape;
    case TFL_PAD: return import_pad;
    case TFL_TRANSPOSE: return import_transpose;
    case TFL_STRIDED_SLICE: return import_slice;
    case TFL_MAXIMUM:
    case TFL_MINIMUM: return import_bound;
    case TFL_QUANTIZE:
    case TFL_DEQUANTIZE: return import_convert;
    default: return import_activation;
    }
}

static base_status import_input(tfl_importer *in)
{
    const tfl_tensor *t = &in->t->tensor[in->t->input];
    const tfl_op *op = &in->t->op[0];
    nn_shape s;
    char text[64];
    BASE_TRY(tfl_shape_of(in, op, t, &s));
    const char *name = tfl_name_for(in, t->name);
    nn_node *x =
        nn_append(in->g, "input", *name ? name : "x", NULL, 0, "%s", nn_shape_text(s, text));
    if (!x) return tfl_refuse(in, op, "input '%s' cannot be %s", t->name, text);
    in->node[in->t->input] = x;
    return in->int8 && t->type == TFL_INT8 ? tfl_quant_of(in, op, t, &in->quant[x->index])
                                           : BASE_OK;
}

base_status tfl_graph(tfl_importer *in)
{
    const tfl_model *t = in->t;
    for (int k = 0; k < t->n_ops; k++)
        for (int i = 0; i < t->op[k].n_in; i++)
            if (t->op[k].in[i] >= 0) in->readers[t->op[k].in[i]]++;
    in->readers[t->output]++;
    BASE_TRY(import_input(in));
    for (int k = 0; k < t->n_ops; k++) {
        const tfl_op *op = &t->op[k];
        if (in->done[k]) continue; /* became part of what was before */
        BASE_TRY(import_of(op->code)(in, op));
    }
    if (in->node[t->output] == nn_graph_output(in->g)) return BASE_OK;
    return base_fail(in->err, BASE_DATA, "'%s': output '%s' is not what is computed last", t->file,
                     t->tensor[t->output].name);
}
