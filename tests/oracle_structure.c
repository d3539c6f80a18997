/* Oracle of the operators that move values, and of matmul and softmax. Every element of y finds
 * what it is made of by its coordinates. */
#include "tests/oracle.h"

#include "tests/check.h"

#include <math.h>
#include <string.h>

/* Coordinates of flat index i in a tensor of shape s. */
static void coordinates(nn_shape s, size_t i, int at[NN_MAX_DIMS])
{
    for (int k = s.n - 1; k >= 0; k--) {
        at[k] = (int)(i % (size_t)s.d[k]);
        i /= (size_t)s.d[k];
    }
}

/* The element of input k at these coordinates, of sample b. */
static double element(const oracle_call *c, int k, size_t b, const int at[NN_MAX_DIMS])
{
    nn_shape s = c->node->in[k]->shape;
    size_t i = b;
    for (int a = 0; a < s.n; a++) {
        assert_true(at[a] >= 0 && at[a] < s.d[a]);
        i = i * (size_t)s.d[a] + (size_t)at[a];
    }
    return c->x[k][i];
}

/* Every element of y is what `value` says of its coordinates. */
static void by_coordinates(oracle_call *c, nn_shape out,
                           double (*value)(oracle_call *c, size_t b, int at[NN_MAX_DIMS]))
{
    size_t count = (size_t)nn_count(out);
    for (size_t i = 0; i < (size_t)c->batch * count; i++) {
        int at[NN_MAX_DIMS];
        coordinates(out, i % count, at);
        c->y[i] = value(c, i / count, at);
    }
}

/* ---- concat ---- */

static nn_shape concat_shape(const nn_node *n)
{
    nn_shape s = n->in[0]->shape;
    int axis = oracle_int(n, "axis");
    for (int k = 1; k < n->n_in; k++) s.d[axis] += n->in[k]->shape.d[axis];
    return s;
}

static double concat_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    int axis = oracle_int(c->node, "axis"), k = 0;
    while (at[axis] >= c->node->in[k]->shape.d[axis]) at[axis] -= c->node->in[k++]->shape.d[axis];
    return element(c, k, b, at);
}

static void concat_forward(oracle_call *c)
{
    by_coordinates(c, concat_shape(c->node), concat_value);
}

const oracle oracle_concat = {"concat", concat_shape, NULL, concat_forward, false};

/* ---- slice, split ---- */

static nn_shape slice_shape(const nn_node *n)
{
    nn_shape s = n->in[0]->shape;
    s.d[oracle_int(n, "axis")] = oracle_int(n, "size");
    return s;
}

static double slice_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    at[oracle_int(c->node, "axis")] += oracle_int(c->node, "begin");
    return element(c, 0, b, at);
}

static void slice_forward(oracle_call *c)
{
    by_coordinates(c, slice_shape(c->node), slice_value);
}

static nn_shape split_shape(const nn_node *n)
{
    nn_shape s = n->in[0]->shape;
    int axis = oracle_int(n, "axis"), parts = oracle_int(n, "parts"), length = 0;
    while (length * parts < s.d[axis]) length++;
    s.d[axis] = length;
    return s;
}

static double split_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    int axis = oracle_int(c->node, "axis");
    for (int k = 0; k < oracle_int(c->node, "part"); k++) at[axis] += split_shape(c->node).d[axis];
    return element(c, 0, b, at);
}

static void split_forward(oracle_call *c)
{
    by_coordinates(c, split_shape(c->node), split_value);
}

const oracle oracle_slice = {"slice", slice_shape, NULL, slice_forward, false};
const oracle oracle_split = {"split", split_shape, NULL, split_forward, false};

/* ---- reshape, transpose ---- */

/* Up to NN_MAX_DIMS numbers of an attribute like "1,0,2" or "49x10x1". */
static int numbers(const nn_node *n, const char *key, int out[NN_MAX_DIMS])
{
    base_str text = {0};
    nn_attr_get(n, key, &text);
    int count = sscanf(text.s, "%d%*[,x]%d%*[,x]%d%*[,x]%d", &out[0], &out[1], &out[2], &out[3]);
    base_str_free(&text);
    return count;
}

static nn_shape reshape_shape(const nn_node *n)
{
    nn_shape s = {0};
    s.n = numbers(n, "shape", s.d);
    return s;
}

static void reshape_forward(oracle_call *c)
{
    size_t count = (size_t)nn_count(c->node->in[0]->shape);
    memcpy(c->y, c->x[0], (size_t)c->batch * count * sizeof *c->y);
}

static nn_shape transpose_shape(const nn_node *n)
{
    int order[NN_MAX_DIMS];
    nn_shape s = {.n = numbers(n, "order", order)};
    for (int k = 0; k < s.n; k++) s.d[k] = n->in[0]->shape.d[order[k]];
    return s;
}

static double transpose_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    int order[NN_MAX_DIMS], from[NN_MAX_DIMS];
    int axes = numbers(c->node, "order", order);
    for (int k = 0; k < axes; k++) from[order[k]] = at[k];
    return element(c, 0, b, from);
}

static void transpose_forward(oracle_call *c)
{
    by_coordinates(c, transpose_shape(c->node), transpose_value);
}

const oracle oracle_reshape = {"reshape", reshape_shape, NULL, reshape_forward, false};
const oracle oracle_transpose = {"transpose", transpose_shape, NULL, transpose_forward, false};

/* ---- pad ---- */

static nn_shape pad_shape(const nn_node *n)
{
    int p[4];
    nn_shape s = n->in[0]->shape;
    assert_int_equal(numbers(n, "pad", p), 4);
    return oracle_shape3(p[0] + s.d[0] + p[1], p[2] + s.d[1] + p[3], s.d[2]);
}

static double pad_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    int p[4];
    const int *in = c->node->in[0]->shape.d;
    numbers(c->node, "pad", p);
    at[0] -= p[0], at[1] -= p[2];
    bool inside = at[0] >= 0 && at[0] < in[0] && at[1] >= 0 && at[1] < in[1];
    return inside ? element(c, 0, b, at) : oracle_real(c->node, "value");
}

static void pad_forward(oracle_call *c)
{
    by_coordinates(c, pad_shape(c->node), pad_value);
}

const oracle oracle_pad = {"pad", pad_shape, NULL, pad_forward, false};

/* ---- matmul ---- */

static nn_shape matmul_shape(const nn_node *n)
{
    nn_shape s = n->in[0]->shape, other = n->in[1]->shape;
    s.d[s.n - 1] = other.d[oracle_yes(n, "transpose") ? s.n - 2 : s.n - 1];
    return s;
}

/* The row of a at..., the column of b; the scale comes first. */
static double matmul_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    nn_shape left = c->node->in[0]->shape;
    bool transpose = oracle_yes(c->node, "transpose");
    int last = left.n - 1, from[NN_MAX_DIMS], with[NN_MAX_DIMS];
    double scale = oracle_real(c->node, "scale"), sum = 0;
    memcpy(from, at, sizeof from);
    memcpy(with, at, sizeof with);
    for (int k = left.d[last] - 1; k >= 0; k--) {
        from[last] = k;
        with[transpose ? last : last - 1] = k;
        with[transpose ? last - 1 : last] = at[last];
        sum += scale * element(c, 0, b, from) * element(c, 1, b, with);
        c->macs++;
    }
    return sum;
}

static void matmul_forward(oracle_call *c)
{
    by_coordinates(c, matmul_shape(c->node), matmul_value);
}

const oracle oracle_matmul = {"matmul", matmul_shape, NULL, matmul_forward, false};

/* ---- softmax ---- */

static nn_shape softmax_shape(const nn_node *n)
{
    return n->in[0]->shape;
}

/* 1 / sum_j exp(x_j - x_k), in long double, which needs no shift. */
static double softmax_value(oracle_call *c, size_t b, int at[NN_MAX_DIMS])
{
    nn_shape s = c->node->in[0]->shape;
    long double x = (long double)element(c, 0, b, at), sum = 0;
    for (at[s.n - 1] = 0; at[s.n - 1] < s.d[s.n - 1]; at[s.n - 1]++)
        sum += expl((long double)element(c, 0, b, at) - x);
    return (double)(1 / sum);
}

static void softmax_forward(oracle_call *c)
{
    by_coordinates(c, softmax_shape(c->node), softmax_value);
}

const oracle oracle_softmax = {"softmax", softmax_shape, NULL, softmax_forward, false};
