/* onnx_recurrent: layers over time. ONNX's own take [time, N, values], have their gates in another
 * order and their weights on the side. It knows no projection of what is fed back: as v' = m Q, the
 * m of each step times Q U is what v times U would be, and Q is a product behind the layer.
 *
 * Weights of int8 layers are written as the numbers that they stand for: their kernels keep states
 * in fixed point, and ONNX's layers take no integers.
 */
#include "quantize/onnx_export.h"

#include <math.h>
#include <string.h>

enum { GATES = 4 };

/* ---- numbers ---- */

/* The parameters of a node under their names, NULL: it has none. */
typedef struct numbers {
    const nn_real *weight, *recurrent, *bias, *recurrent_bias, *peephole, *projection;
    const nn_real *feature, *time;
} numbers;

static numbers float_numbers(const onnx_exporter *e, const nn_node *n)
{
    const nn_real *w = e->weights;
    return (numbers){q8_param(n, w, "weight"),   q8_param(n, w, "recurrent"),
                     q8_param(n, w, "bias"),     q8_param(n, w, "recurrent_bias"),
                     q8_param(n, w, "peephole"), q8_param(n, w, "projection"),
                     q8_param(n, w, "feature"),  q8_param(n, w, "time")};
}

/* The factor of sums of row o of the layer's array `name`. */
static double factor_of(const nn_q8_layer *l, const char *name, int o)
{
    char multiplier[32], shift[32];
    snprintf(multiplier, sizeof multiplier, "%s_multiplier", name);
    snprintf(shift, sizeof shift, "%s_shift", name);
    return ldexp(((const int32_t *)q8_layer_array(l, multiplier))[o],
                 ((const int32_t *)q8_layer_array(l, shift))[o] - 31);
}

/* Parameter `name`, [in][out], from int8 [out][in]: sums of values of unit `from` times these
 * become values of unit `to`. */
static const nn_real *product(onnx_exporter *e, const nn_node *n, const char *name, double from,
                              double to)
{
    const nn_q8_layer *l = onnx_layer_of(e, n);
    const int8_t *q = q8_layer_array(l, name);
    if (!q) return NULL;
    int k = 0;
    while (strcmp(n->param[k].name, name) != 0) k++;
    const int in = n->param[k].shape.d[0], out = n->param[k].shape.d[1];
    nn_real *w = base_arena_alloc(e->arena, (size_t)in * (size_t)out, sizeof *w);
    e->failed |= !w;
    for (int o = 0; w && o < out; o++)
        for (int i = 0; i < in; i++)
            w[i * out + o] = (nn_real)(q[o * in + i] * factor_of(l, name, o) * to / from);
    return w;
}

/* The biases `name` of the last `count` of n numbers, whose sums are those of `sums`. */
static const nn_real *biases(onnx_exporter *e, const nn_node *n, const char *name, const char *sums,
                             int all, int count, double to)
{
    const nn_q8_layer *l = onnx_layer_of(e, n);
    const int32_t *q = q8_layer_array(l, name);
    if (!q) return NULL;
    nn_real *b = base_arena_alloc(e->arena, (size_t)all, sizeof *b);
    e->failed |= !b;
    for (int o = all - count; b && o < all; o++)
        b[o] = (nn_real)(q[o - (all - count)] * factor_of(l, sums, o) * to);
    return b;
}

/* Fixed point of states and in front of functions: Q0.15, Q3.12; peepholes have Q15.16. */
static const double state = 1.0 / 32768, gate = 1.0 / 4096, peep = 1.0 / 65536;

static numbers gru_numbers(onnx_exporter *e, const nn_node *n, int h)
{
    if (!e->q) return float_numbers(e, n);
    const double in = e->q->quant[n->in[0]->index].scale;
    return (numbers){.weight = product(e, n, "weight", in, gate),
                     .recurrent = product(e, n, "recurrent", state, gate),
                     .bias = biases(e, n, "bias", "weight", 3 * h, 3 * h, gate),
                     .recurrent_bias = biases(e, n, "recurrent_bias", "recurrent", 3 * h, h, gate)};
}

/* The unit of what is fed back follows from that of the output. */
static numbers lstm_numbers(onnx_exporter *e, const nn_node *n, int h)
{
    if (!e->q) return float_numbers(e, n);
    const nn_q8_layer *l = onnx_layer_of(e, n);
    const double in = e->q->quant[n->in[0]->index].scale;
    const double fed = ldexp(q8_layer_int(l, "out_multiplier"), q8_layer_int(l, "out_shift") - 31) *
                       e->q->quant[n->index].scale;
    const int32_t *q = q8_layer_array(l, "peephole");
    nn_real *p = q ? base_arena_alloc(e->arena, 3 * (size_t)h, sizeof *p) : NULL;
    e->failed |= q && !p;
    for (int i = 0; p && i < 3 * h; i++) p[i] = (nn_real)(q[i] * peep);
    return (numbers){.weight = product(e, n, "weight", in, gate),
                     .recurrent = product(e, n, "recurrent", fed, gate),
                     .bias = biases(e, n, "bias", "weight", GATES * h, GATES * h, gate),
                     .peephole = p,
                     .projection = product(e, n, "projection", state, fed)};
}

/* The unit between the filters is any. */
static numbers svdf_numbers(onnx_exporter *e, const nn_node *n, int units)
{
    if (!e->q) return float_numbers(e, n);
    const double in = e->q->quant[n->in[0]->index].scale, out = e->q->quant[n->index].scale;
    return (numbers){.feature = product(e, n, "feature", in, 1),
                     .time = product(e, n, "time", 1, out),
                     .bias = biases(e, n, "bias", "time", units, units, out)};
}

/* ---- gru, lstm ---- */

/* Weights of gates, [rows][n][h], as [1][n in this order][h][rows]. */
static const char *put_gates(onnx_exporter *e, const char *name, const nn_real *from, int rows,
                             int n, int h, const int *order)
{
    const int dim[] = {1, n * h, rows};
    float *to = base_arena_alloc(e->arena, (size_t)dim[1] * (size_t)rows, sizeof *to);
    for (int g = 0; to && from && g < n; g++)
        for (int j = 0; j < h; j++)
            for (int i = 0; i < rows; i++)
                to[(g * h + j) * rows + i] = (float)from[(i * n + order[g]) * h + j];
    return onnx_tensor(e, name, ONNX_FLOAT, 3, dim, to);
}

/* Biases of gates, [n][h] each, as [1][2][n in this order][h]: those of the input's weights, then
 * those of the recurrent ones (NULL: zeros). */
static const char *put_biases(onnx_exporter *e, const char *name, const nn_real *input,
                              const nn_real *recurrent, int n, int h, const int *order)
{
    const int dim[] = {1, 2 * n * h};
    float *to = base_arena_alloc(e->arena, (size_t)dim[1], sizeof *to);
    for (int g = 0; to && input && g < n; g++)
        for (int j = 0; j < h; j++) {
            to[g * h + j] = (float)input[order[g] * h + j];
            to[(n + g) * h + j] = recurrent ? (float)recurrent[order[g] * h + j] : 0;
        }
    return onnx_tensor(e, name, ONNX_FLOAT, 2, dim, to);
}

static nn_shape frames_of(const nn_node *n)
{
    const nn_shape x = n->in[0]->shape;
    return (nn_shape){2, {x.d[0], (int)(nn_count(x) / x.d[0])}};
}

/* [N, T, rest...] as [T, N, values]. */
static const char *frames_first(onnx_exporter *e, const onnx_call *c)
{
    const nn_shape s = frames_of(c->n);
    const int dim[] = {0, s.d[0], s.d[1]};
    const char *shape = onnx_ints(e, onnx_name(e, c->out, "shape"), 3, dim);
    const char *x = onnx_op2(e, "Reshape", c->in[0], shape, onnx_name(e, c->out, "frames"));
    onnx_attr_ints(e, "perm", 3, (const int[]){1, 0, 2});
    return onnx_op1(e, "Transpose", x, onnx_name(e, c->out, "steps"));
}

/* The layer with its inputs; projection: as a constant, or NULL. Y is [T, 1, N, H], the last state
 * [1, N, H]. */
static void put_layer(onnx_exporter *e, const onnx_call *c, const char *const *in, int n_in, int h,
                      const char *projection)
{
    const bool *reverse = q8_attribute(c->n, "reverse", NN_YESNO);
    const bool *sequence = q8_attribute(c->n, "sequence", NN_YESNO);
    const char *y = onnx_name(e, c->out, *sequence ? "all" : "last"), *out[] = {y, y};
    if (!*sequence) out[0] = "";
    onnx_attr_int(e, "hidden_size", h);
    onnx_attr_string(e, "direction", *reverse ? "reverse" : "forward");
    onnx_op_outputs(e, c->op, in, n_in, out, *sequence ? 1 : 2);
    if (projection) y = onnx_op2(e, "MatMul", y, projection, onnx_name(e, c->out, "projected"));
    if (*sequence) {
        onnx_attr_ints(e, "perm", 4, (const int[]){2, 0, 1, 3});
        onnx_op1(e, "Transpose", y, c->out);
    } else {
        const int first = 0;
        const char *axes = onnx_ints(e, onnx_name(e, c->out, "axes"), 1, &first);
        onnx_op2(e, "Squeeze", y, axes, c->out);
    }
}

base_status onnx_gru(onnx_exporter *e, const onnx_call *c)
{
    static const int order[] = {1, 0, 2}; /* z, r, n of r, z, n */
    const nn_node *n = c->n;
    const int h = *(const int *)q8_attribute(n, "units", NN_INT), in = frames_of(n).d[1];
    const bool *after = q8_attribute(n, "reset_after", NN_YESNO);
    const numbers v = gru_numbers(e, n, h);
    const char *inputs[] = {
        frames_first(e, c), put_gates(e, onnx_name(e, c->out, "weight"), v.weight, in, 3, h, order),
        put_gates(e, onnx_name(e, c->out, "recurrent"), v.recurrent, h, 3, h, order),
        put_biases(e, onnx_name(e, c->out, "bias"), v.bias, v.recurrent_bias, 3, h, order)};
    onnx_attr_int(e, "linear_before_reset", *after);
    put_layer(e, c, inputs, 4, h, NULL);
    return BASE_OK;
}

/* Q U: [H, P] times [P, 4H]. */
static const nn_real *fed_back(onnx_exporter *e, const nn_real *q, const nn_real *u, int h, int p)
{
    const int columns = GATES * h;
    nn_real *to = base_arena_alloc(e->arena, (size_t)h * (size_t)columns, sizeof *to);
    e->failed |= !to;
    for (int i = 0; to && u && i < h; i++)
        for (int o = 0; o < columns; o++) {
            double sum = 0;
            for (int k = 0; k < p; k++) sum += (double)q[i * p + k] * (double)u[k * columns + o];
            to[i * columns + o] = (nn_real)sum;
        }
    return to;
}

/* [3][h] as [1][i, o, f of i, f, o][h] */
static const char *put_peephole(onnx_exporter *e, const char *name, const nn_real *from, int h)
{
    static const int order[] = {0, 2, 1};
    const int dim[] = {1, 3 * h};
    float *to = base_arena_alloc(e->arena, (size_t)dim[1], sizeof *to);
    for (int i = 0; to && i < 3 * h; i++) to[i] = (float)from[order[i / h] * h + i % h];
    return onnx_tensor(e, name, ONNX_FLOAT, 2, dim, to);
}

base_status onnx_lstm(onnx_exporter *e, const onnx_call *c)
{
    static const int order[] = {0, 3, 1, 2}; /* i, o, f, g of i, f, g, o */
    const nn_node *n = c->n;
    const int h = *(const int *)q8_attribute(n, "units", NN_INT), in = frames_of(n).d[1];
    const int p = *(const int *)q8_attribute(n, "projection", NN_INT);
    const numbers v = lstm_numbers(e, n, h);
    const nn_real *u = v.projection ? fed_back(e, v.projection, v.recurrent, h, p) : v.recurrent;
    const char *inputs[] = {
        frames_first(e, c),
        put_gates(e, onnx_name(e, c->out, "weight"), v.weight, in, GATES, h, order),
        put_gates(e, onnx_name(e, c->out, "recurrent"), u, h, GATES, h, order),
        put_biases(e, onnx_name(e, c->out, "bias"), v.bias, NULL, GATES, h, order),
        "",
        "",
        "",
        v.peephole ? put_peephole(e, onnx_name(e, c->out, "peephole"), v.peephole, h) : ""};
    const char *q = v.projection ? onnx_constant(e, onnx_name(e, c->out, "projection"),
                                                 (nn_shape){2, {h, p}}, false, v.projection)
                                 : NULL;
    put_layer(e, c, inputs, v.peephole ? 8 : 4, h, q);
    return BASE_OK;
}

/* ---- svdf ---- */

/* [columns][rows] of [rows][columns], as [columns, 1, high, wide]. */
static const char *put_filters(onnx_exporter *e, const char *name, const nn_real *from, int rows,
                               int columns, bool high)
{
    const int dim[] = {columns, 1, high ? rows : 1, high ? 1 : rows};
    float *to = base_arena_alloc(e->arena, (size_t)rows * (size_t)columns, sizeof *to);
    for (int i = 0; to && from && i < rows * columns; i++)
        to[i] = (float)from[i % rows * columns + i / rows];
    return onnx_tensor(e, name, ONNX_FLOAT, 4, dim, to);
}

/* Frames as the rows of a picture: a convolution over a row, one along the columns. */
base_status onnx_svdf(onnx_exporter *e, const onnx_call *c)
{
    const nn_node *n = c->n;
    const nn_shape s = frames_of(n);
    const int units = *(const int *)q8_attribute(n, "units", NN_INT);
    const int memory = *(const int *)q8_attribute(n, "memory", NN_INT);
    const bool *causal = q8_attribute(n, "causal", NN_YESNO);
    const int dim[] = {0, 1, s.d[0], s.d[1]};
    const numbers v = svdf_numbers(e, n, units);
    const char *shape = onnx_ints(e, onnx_name(e, c->out, "shape"), 4, dim);
    const char *x = onnx_op2(e, "Reshape", c->in[0], shape, onnx_name(e, c->out, "picture"));
    const char *feature =
        put_filters(e, onnx_name(e, c->out, "feature"), v.feature, s.d[1], units, false);
    const char *time = put_filters(e, onnx_name(e, c->out, "time"), v.time, memory, units, true);
    const char *bias =
        onnx_constant(e, onnx_name(e, c->out, "bias"), (nn_shape){1, {units}}, false, v.bias);
    const char *f = onnx_op2(e, c->op, x, feature, onnx_name(e, c->out, "features"));
    onnx_attr_int(e, "group", units);
    onnx_attr_ints(e, "pads", 4, (const int[]){*causal ? memory - 1 : 0, 0, 0, 0});
    const char *y = onnx_op(e, c->op, (const char *const[]){f, time, bias}, 3,
                            onnx_name(e, c->out, "filtered"));
    onnx_attr_ints(e, "perm", 4, (const int[]){0, 2, 3, 1});
    onnx_op1(e, "Transpose", y, c->out);
    return BASE_OK;
}
