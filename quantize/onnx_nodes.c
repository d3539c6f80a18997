/* onnx_nodes: the nodes of a folded graph as operators of an .onnx file, in order. Windows have the
 * channels first, and what follows them goes on so as long as it can; what is elementwise does not
 * care. An int8 value is rounded where the kernels round: behind each layer, with its activations.
 */
#include "quantize/onnx_export.h"

#include <math.h>
#include <string.h>

typedef base_status (*form_fn)(onnx_exporter *e, const onnx_call *c);
typedef enum layout { ROWS, PLANES, EITHER } layout;
typedef struct form {
    const char *name, *op; /* of the node, in ONNX */
    form_fn make;
    layout layout; /* that it takes */
} form;

/* ---- pieces ---- */

/* The axis of ONNX for axis d of a sample. */
static int axis_of(const onnx_call *c, int d)
{
    return !c->planes ? d + 1 : d == 2 ? 1 : d + 2;
}

/* Dimensions and axes of a sample, batch included, as the call wants them. */
static int full_rank(const onnx_call *c)
{
    return c->n->in[0]->shape.n + 1;
}

static const char *part(onnx_exporter *e, const onnx_call *c, const char *what)
{
    return onnx_name(e, c->out, what);
}

static const char *number(onnx_exporter *e, const onnx_call *c, const char *what, double v)
{
    return onnx_number(e, part(e, c, what), v);
}

/* [N, shape...] from x. */
static const char *reshaped(onnx_exporter *e, const char *x, nn_shape s, const char *out)
{
    int dim[NN_MAX_DIMS + 1] = {0}; /* 0: as it is */
    memcpy(dim + 1, s.d, (size_t)s.n * sizeof *dim);
    return onnx_op2(e, "Reshape", x, onnx_ints(e, onnx_name(e, out, "shape"), s.n + 1, dim), out);
}

static const char *transposed(onnx_exporter *e, const char *x, int rank, const int *order,
                              const char *out)
{
    onnx_attr_ints(e, "perm", rank, order);
    return onnx_op1(e, "Transpose", x, out);
}

/* ---- windows ---- */

static int after(nn_window w)
{
    const int last = (w.out - 1) * w.stride + (w.kernel - 1) * w.dilation + 1;
    const int more = last - w.before - w.in;
    return more > 0 ? more : 0;
}

/* dilation NULL: of a pool, which has none. */
static base_status put_window(onnx_exporter *e, const onnx_call *c, const int *dilation)
{
    static const int none[] = {1, 1};
    const int *kernel = q8_attribute(c->n, "kernel", NN_PAIR);
    const int *stride = q8_attribute(c->n, "stride", NN_PAIR);
    const nn_pad *pad = q8_attribute(c->n, "pad", NN_PAD);
    nn_window w[2];
    BASE_TRY(nn_windows(c->n, kernel, stride, dilation ? dilation : none, *pad, w, e->err));
    onnx_attr_ints(e, "kernel_shape", 2, kernel);
    onnx_attr_ints(e, "strides", 2, stride);
    if (dilation) onnx_attr_ints(e, "dilations", 2, dilation);
    onnx_attr_ints(e, "pads", 4, (const int[]){w[0].before, w[1].before, after(w[0]), after(w[1])});
    return BASE_OK;
}

static base_status make_conv(onnx_exporter *e, const onnx_call *c)
{
    const nn_node *n = c->n;
    const int *kernel = q8_attribute(n, "kernel", NN_PAIR);
    const int *groups = q8_attribute(n, "groups", NN_INT); /* NULL: depthwise */
    const int in = n->in[0]->shape.d[2], group = groups ? *groups : in;
    const int dim[] = {n->shape.d[2], in / group, kernel[0], kernel[1]};
    const char *w, *b;
    BASE_TRY(onnx_weights_of(e, n, c->out, 4, dim, &w, &b));
    onnx_attr_int(e, "group", group);
    BASE_TRY(put_window(e, c, q8_attribute(n, "dilation", NN_PAIR)));
    onnx_op(e, c->op, (const char *const[]){c->in[0], w, b}, *b ? 3 : 2, c->out);
    return BASE_OK;
}

static base_status make_pool(onnx_exporter *e, const onnx_call *c)
{
    BASE_TRY(put_window(e, c, NULL));
    onnx_op1(e, c->op, c->in[0], c->out);
    return BASE_OK;
}

static base_status make_globalpool(onnx_exporter *e, const onnx_call *c)
{
    const char *map = part(e, c, "map");
    if (!c->planes) {
        onnx_attr_ints(e, "axes", 2, (const int[]){1, 2});
        onnx_attr_int(e, "keepdims", 0);
        onnx_op1(e, "ReduceMean", c->in[0], c->out);
        return BASE_OK;
    }
    onnx_op1(e, c->op, c->in[0], e->q ? part(e, c, "mean") : map);
    if (e->q) onnx_rounded(e, c->n, part(e, c, "mean"), map);
    onnx_op1(e, "Flatten", map, c->out);
    return BASE_OK;
}

/* ---- products ---- */

static base_status make_dense(onnx_exporter *e, const onnx_call *c)
{
    const int dim[] = {c->n->shape.d[0], c->n->in[0]->shape.d[0]};
    const char *w, *b;
    BASE_TRY(onnx_weights_of(e, c->n, c->out, 2, dim, &w, &b));
    onnx_attr_int(e, "transB", 1);
    onnx_op(e, c->op, (const char *const[]){c->in[0], w, b}, *b ? 3 : 2, c->out);
    return BASE_OK;
}

static base_status make_matmul(onnx_exporter *e, const onnx_call *c)
{
    const bool *sideways = q8_attribute(c->n, "transpose", NN_YESNO);
    const double scale = *(const double *)q8_attribute(c->n, "scale", NN_REAL);
    const bool scaled = scale < 1 || scale > 1;
    const int rank = full_rank(c);
    const char *b = c->in[1];
    if (*sideways) {
        int order[NN_MAX_DIMS + 1];
        for (int d = 0; d < rank; d++) order[d] = d;
        order[rank - 1] = rank - 2;
        order[rank - 2] = rank - 1;
        b = transposed(e, b, rank, order, part(e, c, "sideways"));
    }
    const char *y = onnx_op2(e, c->op, c->in[0], b, scaled ? part(e, c, "product") : c->out);
    if (scaled) onnx_op2(e, "Mul", y, number(e, c, "factor", scale), c->out);
    return BASE_OK;
}

/* ---- elementwise ---- */

static base_status make_plain(onnx_exporter *e, const onnx_call *c)
{
    onnx_op(e, c->op, c->in, c->n->n_in, c->out);
    return BASE_OK;
}

static base_status make_clip(onnx_exporter *e, const onnx_call *c)
{
    double lo, hi;
    c->n->op->clamp(c->n, &lo, &hi);
    const char *in[] = {c->in[0], lo > -1e30 ? number(e, c, "lo", lo) : "",
                        hi < 1e30 ? number(e, c, "hi", hi) : ""};
    onnx_op(e, c->op, in, *in[2] ? 3 : *in[1] ? 2 : 1, c->out);
    return BASE_OK;
}

/* y = min(1, max(0, x/6 + 1/2)) */
static void put_hardsigmoid(onnx_exporter *e, const onnx_call *c, const char *out)
{
    onnx_attr_float(e, "alpha", 1.0 / 6);
    onnx_attr_float(e, "beta", 0.5);
    onnx_op1(e, "HardSigmoid", c->in[0], out);
}

static base_status make_hardsigmoid(onnx_exporter *e, const onnx_call *c)
{
    put_hardsigmoid(e, c, c->out);
    return BASE_OK;
}

static base_status make_hardswish(onnx_exporter *e, const onnx_call *c)
{
    put_hardsigmoid(e, c, part(e, c, "gate"));
    onnx_op2(e, c->op, c->in[0], part(e, c, "gate"), c->out);
    return BASE_OK;
}

static base_status make_silu(onnx_exporter *e, const onnx_call *c)
{
    const char *gate = onnx_op1(e, "Sigmoid", c->in[0], part(e, c, "gate"));
    onnx_op2(e, c->op, c->in[0], gate, c->out);
    return BASE_OK;
}

/* x (1 + erf(x / sqrt(2))) / 2 */
static base_status make_gelu(onnx_exporter *e, const onnx_call *c)
{
    const char *v = onnx_op2(e, "Mul", c->in[0], number(e, c, "root", sqrt(0.5)), part(e, c, "v"));
    const char *erf = onnx_op1(e, "Erf", v, part(e, c, "erf"));
    const char *twice = onnx_op2(e, "Add", erf, number(e, c, "one", 1), part(e, c, "twice"));
    const char *y = onnx_op2(e, "Mul", c->in[0], twice, part(e, c, "double"));
    onnx_op2(e, c->op, y, number(e, c, "half", 0.5), c->out);
    return BASE_OK;
}

/* A batchnorm that is no part of the weights before it: with bands, a row of channels for each
 * frequency. */
static base_status make_batchnorm(onnx_exporter *e, const onnx_call *c)
{
    const nn_shape s = c->n->shape;
    int bands;
    double *mul, *add;
    BASE_TRY(onnx_affine_of(e, c->n, &bands, &mul, &add));
    const int channels = s.d[s.n - 1], rows = bands > 1 ? s.d[1] : 1, count = rows * channels;
    const nn_shape all = {3, {1, rows, channels}}, one = {1, {channels}};
    nn_real *v = base_arena_alloc(e->arena, 2 * (size_t)count, sizeof *v);
    if (!v) return base_nomem(e->err, (size_t)count);
    for (int i = 0; i < count; i++) {
        const int k = i / channels / (rows / bands) * channels + i % channels;
        v[i] = (nn_real)mul[k];
        v[count + i] = (nn_real)add[k];
    }
    const nn_shape shape = s.n == 3 ? all : one;
    const char *m = onnx_constant(e, part(e, c, "mul"), shape, c->planes, v);
    const char *a = onnx_constant(e, part(e, c, "add"), shape, c->planes, v + count);
    onnx_op2(e, "Add", onnx_op2(e, "Mul", c->in[0], m, part(e, c, "scaled")), a, c->out);
    return BASE_OK;
}

static base_status make_position(onnx_exporter *e, const onnx_call *c)
{
    const nn_param *p = &c->n->param[0];
    const char *w =
        onnx_constant(e, part(e, c, "embedding"), p->shape, c->planes, e->weights + p->offset);
    onnx_op2(e, c->op, c->in[0], w, c->out);
    return BASE_OK;
}

/* ---- along axes ---- */

static base_status make_softmax(onnx_exporter *e, const onnx_call *c)
{
    onnx_attr_int(e, "axis", axis_of(c, c->n->shape.n - 1));
    return make_plain(e, c);
}

static const char *mean_of(onnx_exporter *e, const onnx_call *c, const char *x, const char *what)
{
    const int axis = axis_of(c, c->n->shape.n - 1);
    onnx_attr_ints(e, "axes", 1, &axis);
    return onnx_op1(e, "ReduceMean", x, part(e, c, what));
}

static base_status make_layernorm(onnx_exporter *e, const onnx_call *c)
{
    const double eps = *(const double *)q8_attribute(c->n, "eps", NN_REAL);
    const int channels = c->n->shape.d[c->n->shape.n - 1];
    const nn_shape s = c->planes ? (nn_shape){3, {1, 1, channels}} : (nn_shape){1, {channels}};
    const char *mean = mean_of(e, c, c->in[0], "mean");
    const char *x = onnx_op2(e, "Sub", c->in[0], mean, part(e, c, "centred"));
    const char *square = onnx_op2(e, "Mul", x, x, part(e, c, "square"));
    const char *var = mean_of(e, c, square, "var");
    const char *sum = onnx_op2(e, "Add", var, number(e, c, "eps", eps), part(e, c, "sum"));
    const char *sigma = onnx_op1(e, "Sqrt", sum, part(e, c, "sigma"));
    const char *unit = onnx_op2(e, "Div", x, sigma, part(e, c, "unit"));
    const char *gamma =
        onnx_constant(e, part(e, c, "gamma"), s, c->planes, q8_param(c->n, e->weights, "gamma"));
    const char *beta =
        onnx_constant(e, part(e, c, "beta"), s, c->planes, q8_param(c->n, e->weights, "beta"));
    const char *scaled = onnx_op2(e, "Mul", unit, gamma, part(e, c, "scaled"));
    onnx_op2(e, c->op, scaled, beta, c->out);
    return BASE_OK;
}

/* With planes, time and frequency are axes 2 and 3; if one of them goes, the channels are to come
 * last again. */
static base_status make_reduce(onnx_exporter *e, const onnx_call *c)
{
    const nn_list *axes = q8_attribute(c->n, "axes", NN_LIST);
    const bool *keep = q8_attribute(c->n, "keep", NN_YESNO);
    const int left = full_rank(c) - axes->n;
    int v[NN_MAX_DIMS];
    bool channels = false;
    for (int i = 0; i < axes->n; i++) {
        v[i] = axis_of(c, axes->d[i]);
        channels |= axes->d[i] == 2;
    }
    const bool turn = c->planes && !*keep && left == 3 && !channels;
    const bool none = !*keep && left == 1; /* one element is left */
    onnx_attr_ints(e, "axes", axes->n, v);
    onnx_attr_int(e, "keepdims", *keep || none);
    const char *y = turn || none ? part(e, c, "reduced") : c->out;
    onnx_op1(e, c->op, c->in[0], y);
    if (turn) transposed(e, y, 3, (const int[]){0, 2, 1}, c->out);
    if (none) reshaped(e, y, c->n->shape, c->out);
    return BASE_OK;
}

static base_status make_concat(onnx_exporter *e, const onnx_call *c)
{
    onnx_attr_int(e, "axis", axis_of(c, *(const int *)q8_attribute(c->n, "axis", NN_INT)));
    return make_plain(e, c);
}

static base_status put_slice(onnx_exporter *e, const onnx_call *c, int axis, int first, int size)
{
    const int place = axis_of(c, axis), end = first + size;
    const char *in[] = {c->in[0], onnx_ints(e, part(e, c, "first"), 1, &first),
                        onnx_ints(e, part(e, c, "end"), 1, &end),
                        onnx_ints(e, part(e, c, "axis"), 1, &place)};
    onnx_op(e, c->op, in, 4, c->out);
    return BASE_OK;
}

static base_status make_slice(onnx_exporter *e, const onnx_call *c)
{
    return put_slice(e, c, *(const int *)q8_attribute(c->n, "axis", NN_INT),
                     *(const int *)q8_attribute(c->n, "begin", NN_INT),
                     *(const int *)q8_attribute(c->n, "size", NN_INT));
}

static base_status make_split(onnx_exporter *e, const onnx_call *c)
{
    const int axis = *(const int *)q8_attribute(c->n, "axis", NN_INT), size = c->n->shape.d[axis];
    return put_slice(e, c, axis, size * *(const int *)q8_attribute(c->n, "part", NN_INT), size);
}

/* p: top, bottom, left, right */
static const char *padded(onnx_exporter *e, const onnx_call *c, const int p[4], double value,
                          const char *out)
{
    int around[8] = {0};
    for (int d = 0; d < 2; d++) {
        around[axis_of(c, d)] = p[2 * d];
        around[4 + axis_of(c, d)] = p[2 * d + 1];
    }
    const char *in[] = {c->in[0], onnx_ints(e, part(e, c, "around"), 8, around),
                        number(e, c, "value", value)};
    return onnx_op(e, "Pad", in, 3, out);
}

static base_status make_pad(onnx_exporter *e, const onnx_call *c)
{
    padded(e, c, ((const nn_pad *)q8_attribute(c->n, "pad", NN_PAD))->p,
           *(const double *)q8_attribute(c->n, "value", NN_REAL), c->out);
    return BASE_OK;
}

/* A row of zeros in front, to which the token is added: it is the same for every sample. */
static base_status make_class_token(onnx_exporter *e, const onnx_call *c)
{
    const nn_param *p = &c->n->param[0];
    nn_real *v = base_arena_alloc(e->arena, (size_t)nn_count(c->n->shape), sizeof *v);
    if (!v) return base_nomem(e->err, p->count);
    memcpy(v, e->weights + p->offset, p->count * sizeof *v);
    const char *x = padded(e, c, (const int[]){1, 0, 0, 0}, 0, part(e, c, "longer"));
    const char *token = onnx_constant(e, part(e, c, "token"), c->n->shape, c->planes, v);
    onnx_op2(e, c->op, x, token, c->out);
    return BASE_OK;
}

static base_status make_reshape(onnx_exporter *e, const onnx_call *c)
{
    reshaped(e, c->in[0], c->n->shape, c->out);
    return BASE_OK;
}

static base_status make_transpose(onnx_exporter *e, const onnx_call *c)
{
    const nn_list *order = q8_attribute(c->n, "order", NN_LIST);
    int v[NN_MAX_DIMS + 1] = {0};
    for (int i = 0; i < order->n; i++) v[i + 1] = order->d[i] + 1;
    transposed(e, c->in[0], order->n + 1, v, c->out);
    return BASE_OK;
}

/* ---- all of them ---- */

static const form forms[] = {
    {"conv2d", "Conv", make_conv, PLANES},
    {"dwconv2d", "Conv", make_conv, PLANES},
    {"dense", "Gemm", make_dense, ROWS},
    {"matmul", "MatMul", make_matmul, ROWS},
    {"gru", "GRU", onnx_gru, ROWS},
    {"lstm", "LSTM", onnx_lstm, ROWS},
    {"svdf", "Conv", onnx_svdf, ROWS},
    {"avgpool", "AveragePool", make_pool, PLANES},
    {"maxpool", "MaxPool", make_pool, PLANES},
    {"globalpool", "GlobalAveragePool", make_globalpool, EITHER},
    {"batchnorm", "Add", make_batchnorm, EITHER},
    {"layernorm", "Add", make_layernorm, EITHER},
    {"position", "Add", make_position, EITHER},
    {"class_token", "Add", make_class_token, EITHER},
    {"add", "Add", make_plain, EITHER},
    {"mul", "Mul", make_plain, EITHER},
    {"relu", "Relu", make_plain, EITHER},
    {"relu6", "Clip", make_clip, EITHER},
    {"clip", "Clip", make_clip, EITHER},
    {"sigmoid", "Sigmoid", make_plain, EITHER},
    {"tanh", "Tanh", make_plain, EITHER},
    {"silu", "Mul", make_silu, EITHER},
    {"gelu", "Mul", make_gelu, EITHER},
    {"hardsigmoid", "HardSigmoid", make_hardsigmoid, EITHER},
    {"hardswish", "Mul", make_hardswish, EITHER},
    {"softmax", "Softmax", make_softmax, EITHER},
    {"mean", "ReduceMean", make_reduce, EITHER},
    {"max", "ReduceMax", make_reduce, EITHER},
    {"concat", "Concat", make_concat, EITHER},
    {"slice", "Slice", make_slice, EITHER},
    {"split", "Slice", make_split, EITHER},
    {"pad", "Pad", make_pad, EITHER},
    {"flatten", "Reshape", make_reshape, ROWS},
    {"reshape", "Reshape", make_reshape, ROWS},
    {"transpose", "Transpose", make_transpose, ROWS},
};

static const form *form_of(const nn_node *n)
{
    for (size_t i = 0; i < BASE_COUNT(forms); i++)
        if (strcmp(forms[i].name, n->op->name) == 0) return &forms[i];
    return NULL;
}

/* The value of node n in the layout that is wanted, from the other one where it is not there. */
static const char *value_of(onnx_exporter *e, const nn_node *n, bool planes)
{
    static const int front[] = {0, 3, 1, 2}, back[] = {0, 2, 3, 1};
    const char **to = planes ? &e->planes[n->index] : &e->rows[n->index];
    const char *from = planes ? e->rows[n->index] : e->planes[n->index];
    if (*to) return *to;
    const char *name = planes ? onnx_name(e, n->name, "planes") : n->name;
    const char *moved = e->q ? onnx_name(e, name, "moved") : name;
    transposed(e, from, 4, planes ? front : back, moved);
    *to = e->q ? onnx_rounded(e, n, moved, name) : name;
    return *to;
}

/* Whether n is to have channels first: it must, or it may and an input has them nowhere else. */
static bool wants_planes(const onnx_exporter *e, const nn_node *n, const form *f)
{
    bool only = false;
    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k]->shape.n != 3) return false;
        only |= !e->rows[n->in[k]->index];
    }
    return f->layout == PLANES || (f->layout == EITHER && only);
}

/* int8: whether the kernels round the value of n. Activations and a batchnorm that come next in its
 * chain are done before. */
static bool is_rounded(const onnx_exporter *e, const nn_node *n)
{
    if (!e->q) return false;
    if (e->chains.tail[e->chains.head[n->index]] == n->index) return true;
    const nn_op *next = nn_graph_node(e->g, e->chains.only[n->index])->op;
    return !next->clamp && !next->affine;
}

static base_status make_node(onnx_exporter *e, const nn_node *n)
{
    const form *f = form_of(n);
    if (!f) return nn_op_fail(n, e->err, "there is no ONNX form of this operator here");
    onnx_call c = {.n = n, .op = f->op, .planes = wants_planes(e, n, f)};
    for (int k = 0; k < n->n_in; k++) c.in[k] = value_of(e, n->in[k], c.planes);
    const bool front = c.planes && n->shape.n == 3;
    const char *name = front ? onnx_name(e, n->name, "planes") : n->name;
    c.out = is_rounded(e, n) ? onnx_name(e, name, "real") : name;
    BASE_TRY(f->make(e, &c));
    if (is_rounded(e, n)) onnx_rounded(e, n, c.out, name);
    (front ? e->planes : e->rows)[n->index] = name;
    return BASE_OK;
}

base_status onnx_nodes(onnx_exporter *e)
{
    const int n = nn_graph_nodes(e->g);
    const nn_node *x = nn_graph_input(e->g, 0), *y = nn_graph_output(e->g);
    e->rows = base_arena_alloc(e->arena, (size_t)n, sizeof *e->rows);
    e->planes = base_arena_alloc(e->arena, (size_t)n, sizeof *e->planes);
    if (!e->rows || !e->planes) return base_nomem(e->err, (size_t)n);
    if (x == y)
        return base_fail(e->err, BASE_USAGE, "the graph computes nothing: there is no operator");
    e->rows[x->index] =
        e->q ? onnx_rounded(e, x, x->name, onnx_name(e, x->name, "rounded")) : x->name;
    for (int i = 0; i < n; i++)
        if (e->chains.live[i] && i != x->index) BASE_TRY(make_node(e, nn_graph_node(e->g, i)));
    value_of(e, y, false);
    return BASE_OK;
}
