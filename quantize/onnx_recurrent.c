/* onnx_recurrent: layers over time. ONNX's own take [time, N, values], have their gates in another
 * order and their weights on the side. It knows no projection of what is fed back: as v' = m Q, the
 * m of each step times Q U is what v times U would be, and Q is a product behind the layer.
 */
#include "quantize/onnx_export.h"

#include <string.h>

enum { GATES = 4 };

/* Weights of gates, [rows][n][h], as [1][n in this order][h][rows]. */
static const char *put_gates(onnx_exporter *e, const char *name, const nn_real *from, int rows,
                             int n, int h, const int *order)
{
    const int dim[] = {1, n * h, rows};
    float *to = base_arena_alloc(e->arena, (size_t)dim[1] * (size_t)rows, sizeof *to);
    for (int g = 0; to && g < n; g++)
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
    for (int g = 0; to && g < n; g++)
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
    const nn_real *w = q8_param(n, e->weights, "weight"), *b = q8_param(n, e->weights, "bias");
    if (e->q) return nn_op_fail(n, e->err, "there is an ONNX form of float only");
    const char *inputs[] = {frames_first(e, c),
                            put_gates(e, onnx_name(e, c->out, "weight"), w, in, 3, h, order),
                            put_gates(e, onnx_name(e, c->out, "recurrent"),
                                      q8_param(n, e->weights, "recurrent"), h, 3, h, order),
                            put_biases(e, onnx_name(e, c->out, "bias"), b,
                                       q8_param(n, e->weights, "recurrent_bias"), 3, h, order)};
    onnx_attr_int(e, "linear_before_reset", *after);
    put_layer(e, c, inputs, 4, h, NULL);
    return BASE_OK;
}

/* Q U: [H, P] times [P, 4H]. */
static nn_real *fed_back(onnx_exporter *e, const nn_real *q, const nn_real *u, int h, int p)
{
    const int columns = GATES * h;
    nn_real *to = base_arena_alloc(e->arena, (size_t)h * (size_t)columns, sizeof *to);
    for (int i = 0; to && i < h; i++)
        for (int o = 0; o < columns; o++) {
            double sum = 0;
            for (int k = 0; k < p; k++) sum += (double)q[i * p + k] * (double)u[k * columns + o];
            to[i * columns + o] = (nn_real)sum;
        }
    return to;
}

base_status onnx_lstm(onnx_exporter *e, const onnx_call *c)
{
    static const int order[] = {0, 3, 1, 2}; /* i, o, f, g of i, f, g, o */
    static const int peep_order[] = {0, 2, 1};
    const nn_node *n = c->n;
    const int h = *(const int *)q8_attribute(n, "units", NN_INT), in = frames_of(n).d[1];
    const int p = *(const int *)q8_attribute(n, "projection", NN_INT);
    const nn_real *u = q8_param(n, e->weights, "recurrent"), *b = q8_param(n, e->weights, "bias");
    const nn_real *peephole = q8_param(n, e->weights, "peephole");
    const nn_real *q = q8_param(n, e->weights, "projection");
    if (e->q) return nn_op_fail(n, e->err, "there is an ONNX form of float only");
    if (q) u = fed_back(e, q, u, h, p);
    if (!u) return base_nomem(e->err, (size_t)h);
    const char *w = put_gates(e, onnx_name(e, c->out, "weight"), q8_param(n, e->weights, "weight"),
                              in, GATES, h, order);
    const char *r = put_gates(e, onnx_name(e, c->out, "recurrent"), u, h, GATES, h, order);
    const char *bias = put_biases(e, onnx_name(e, c->out, "bias"), b, NULL, GATES, h, order);
    const char *inputs[] = {frames_first(e, c), w, r, bias, "", "", "", NULL};
    const char *projection = NULL;
    if (peephole) {
        inputs[7] = onnx_name(e, c->out, "peephole");
        float *to = base_arena_alloc(e->arena, 3 * (size_t)h, sizeof *to);
        for (int i = 0; to && i < 3 * h; i++)
            to[i] = (float)peephole[peep_order[i / h] * h + i % h];
        onnx_tensor(e, inputs[7], ONNX_FLOAT, 2, (const int[]){1, 3 * h}, to);
    }
    if (q)
        projection =
            onnx_constant(e, onnx_name(e, c->out, "projection"), (nn_shape){2, {h, p}}, false, q);
    put_layer(e, c, inputs, peephole ? 8 : 4, h, projection);
    return BASE_OK;
}

/* ---- svdf ---- */

/* [columns][rows] of [rows][columns], as [columns, 1, high, wide]. */
static const char *put_filters(onnx_exporter *e, const char *name, const nn_real *from, int rows,
                               int columns, bool high)
{
    const int dim[] = {columns, 1, high ? rows : 1, high ? 1 : rows};
    float *to = base_arena_alloc(e->arena, (size_t)rows * (size_t)columns, sizeof *to);
    for (int i = 0; to && i < rows * columns; i++)
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
    if (e->q) return nn_op_fail(n, e->err, "there is an ONNX form of float only");
    const char *shape = onnx_ints(e, onnx_name(e, c->out, "shape"), 4, dim);
    const char *x = onnx_op2(e, "Reshape", c->in[0], shape, onnx_name(e, c->out, "picture"));
    const char *feature = put_filters(e, onnx_name(e, c->out, "feature"),
                                      q8_param(n, e->weights, "feature"), s.d[1], units, false);
    const char *time = put_filters(e, onnx_name(e, c->out, "time"), q8_param(n, e->weights, "time"),
                                   memory, units, true);
    const char *bias = onnx_constant(e, onnx_name(e, c->out, "bias"), (nn_shape){1, {units}}, false,
                                     q8_param(n, e->weights, "bias"));
    const char *f = onnx_op2(e, c->op, x, feature, onnx_name(e, c->out, "features"));
    onnx_attr_int(e, "group", units);
    onnx_attr_ints(e, "pads", 4, (const int[]){*causal ? memory - 1 : 0, 0, 0, 0});
    const char *y = onnx_op(e, c->op, (const char *const[]){f, time, bias}, 3,
                            onnx_name(e, c->out, "filtered"));
    onnx_attr_ints(e, "perm", 4, (const int[]){0, 2, 3, 1});
    onnx_op1(e, "Transpose", y, c->out);
    return BASE_OK;
}
