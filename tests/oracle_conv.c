/* Oracle of conv2d, dwconv2d and dense.
 *
 *   conv2d    y[h,w,o] = bias[o] + sum over kh, kw, i of x[h s + kh d - p, ..., g I + i] *
 *             weight[kh,kw,i,o], where o belongs to group g and a group has I = cin / groups inputs
 *   dwconv2d  conv2d with as many groups as channels: weight[kh,kw,c] is weight[kh,kw,0,c]
 *   dense     y[o] = bias[o] + sum_i x[i] weight[i,o]
 */
#include "tests/oracle.h"

#include <stdlib.h>
#include <string.h>

typedef struct conv {
    oracle_window win;
    int cin, cout, groups;
    const double *x, *weight; /* x: one padded sample */
    double *y;
    int64_t macs;
} conv;

/* One pixel times one tap: every input channel reaches the outputs of its group. */
static void conv_visit(void *ctx, size_t pixel, size_t tap, size_t out)
{
    conv *c = ctx;
    int per_in = c->cin / c->groups, per_out = c->cout / c->groups;
    for (int i = 0; i < c->cin; i++)
        for (int j = 0; j < per_out; j++) {
            int o = i / per_in * per_out + j;
            size_t row = tap * (size_t)per_in + (size_t)(i % per_in);
            c->y[out * (size_t)c->cout + (size_t)o] += c->x[pixel * (size_t)c->cin + (size_t)i] *
                                                       c->weight[row * (size_t)c->cout + (size_t)o];
            c->macs++;
        }
}

static void conv_run(oracle_call *call, int cout, int groups)
{
    conv c = {.win = oracle_window_of(call->node), .cout = cout, .groups = groups};
    c.cin = call->node->in[0]->shape.d[2];
    c.weight = call->w[0];
    bool bias = oracle_yes(call->node, "bias");
    size_t in = (size_t)nn_count(call->node->in[0]->shape);
    size_t out = (size_t)c.win.h.out * (size_t)c.win.w.out * (size_t)cout;
    for (int b = 0; b < call->batch; b++) {
        double *padded = oracle_padded(&c.win, call->x[0] + (size_t)b * in, c.cin, 0);
        c.x = padded;
        c.y = call->y + (size_t)b * out;
        for (size_t i = 0; i < out; i++) c.y[i] = bias ? call->w[1][i % (size_t)cout] : 0;
        oracle_scatter(&c.win, conv_visit, &c);
        free(padded);
    }
    call->macs = c.macs;
}

/* ---- conv2d ---- */

static nn_shape conv2d_shape(const nn_node *n)
{
    oracle_window win = oracle_window_of(n);
    return oracle_shape3(win.h.out, win.w.out, oracle_int(n, "out"));
}

static int conv2d_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int k[2], cin = n->in[0]->shape.d[2], cout = oracle_int(n, "out");
    oracle_pair(n, "kernel", k);
    nn_shape weight = {4, {k[0], k[1], cin / oracle_int(n, "groups"), cout}};
    out[0] = (oracle_param){"weight", weight, NN_WEIGHT};
    out[1] = (oracle_param){"bias", oracle_shape1(cout), NN_BIAS};
    return oracle_yes(n, "bias") ? 2 : 1;
}

static void conv2d_forward(oracle_call *c)
{
    conv_run(c, oracle_int(c->node, "out"), oracle_int(c->node, "groups"));
}

const oracle oracle_conv2d = {"conv2d", conv2d_shape, conv2d_params, conv2d_forward, false};

/* ---- dwconv2d ---- */

static nn_shape dwconv2d_shape(const nn_node *n)
{
    oracle_window win = oracle_window_of(n);
    return oracle_shape3(win.h.out, win.w.out, n->in[0]->shape.d[2]);
}

static int dwconv2d_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int k[2], c = n->in[0]->shape.d[2];
    oracle_pair(n, "kernel", k);
    out[0] = (oracle_param){"weight", oracle_shape3(k[0], k[1], c), NN_WEIGHT};
    out[1] = (oracle_param){"bias", oracle_shape1(c), NN_BIAS};
    return oracle_yes(n, "bias") ? 2 : 1;
}

static void dwconv2d_forward(oracle_call *c)
{
    int channels = c->node->in[0]->shape.d[2];
    conv_run(c, channels, channels);
}

const oracle oracle_dwconv2d = {"dwconv2d", dwconv2d_shape, dwconv2d_params, dwconv2d_forward,
                                false};

/* ---- dense ---- */

static nn_shape dense_shape(const nn_node *n)
{
    return oracle_shape1(oracle_int(n, "out"));
}

static int dense_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int cout = oracle_int(n, "out");
    nn_shape weight = {2, {(int)nn_count(n->in[0]->shape), cout}};
    out[0] = (oracle_param){"weight", weight, NN_WEIGHT};
    out[1] = (oracle_param){"bias", oracle_shape1(cout), NN_BIAS};
    return oracle_yes(n, "bias") ? 2 : 1;
}

/* Input by input, each adds its row of the matrix; the bias comes last. */
static void dense_forward(oracle_call *c)
{
    size_t in = (size_t)nn_count(c->node->in[0]->shape), out = (size_t)oracle_int(c->node, "out");
    memset(c->y, 0, (size_t)c->batch * out * sizeof *c->y);
    for (size_t i = 0; i < in; i++)
        for (size_t b = 0; b < (size_t)c->batch; b++)
            for (size_t o = 0; o < out; o++) {
                c->y[b * out + o] += c->x[0][b * in + i] * c->w[0][i * out + o];
                c->macs++;
            }
    if (!oracle_yes(c->node, "bias")) return;
    for (size_t i = 0; i < (size_t)c->batch * out; i++) c->y[i] += c->w[1][i % out];
}

const oracle oracle_dense = {"dense", dense_shape, dense_params, dense_forward, false};
