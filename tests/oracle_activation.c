/* Oracle of sigmoid, tanh, gelu, hardsigmoid, hardswish, clip, noise (in evaluation), layernorm,
 * position and class_token. */
#include "tests/oracle.h"

#include <math.h>
#include <string.h>

static nn_shape first_shape(const nn_node *n)
{
    return n->in[0]->shape;
}

static size_t elements(const oracle_call *c)
{
    return (size_t)c->batch * (size_t)nn_count(c->node->in[0]->shape);
}

/* ---- elementwise ---- */

static void sigmoid_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = (1 + tanh(c->x[0][i] / 2)) / 2;
}

static void tanh_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++)
        c->y[i] = (double)(1 - 2 / (expl(2 * (long double)c->x[0][i]) + 1));
}

static void gelu_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) {
        long double x = (long double)c->x[0][i];
        c->y[i] = (double)(x * erfcl(-x / sqrtl(2)) / 2);
    }
}

static double hardsigmoid(double x)
{
    return (fabs(x + 3) - fabs(x - 3) + 6) / 12;
}

static void hardsigmoid_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = hardsigmoid(c->x[0][i]);
}

static void hardswish_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = c->x[0][i] * hardsigmoid(c->x[0][i]);
}

/* Between the bounds the distances to them have the same sign; else the nearer bound. */
static void clip_forward(oracle_call *c)
{
    double lo = oracle_real(c->node, "lo"), hi = oracle_real(c->node, "hi");
    for (size_t i = 0; i < elements(c); i++) {
        double x = c->x[0][i];
        if (isnan(x) || (x - lo) * (hi - x) >= 0)
            c->y[i] = x;
        else
            c->y[i] = fabs(x - lo) < fabs(hi - x) ? lo : hi;
    }
}

static void noise_forward(oracle_call *c)
{
    memcpy(c->y, c->x[0], elements(c) * sizeof *c->y);
}

const oracle oracle_sigmoid = {"sigmoid", first_shape, NULL, sigmoid_forward, false};
const oracle oracle_tanh = {"tanh", first_shape, NULL, tanh_forward, false};
const oracle oracle_gelu = {"gelu", first_shape, NULL, gelu_forward, false};
const oracle oracle_hardsigmoid = {"hardsigmoid", first_shape, NULL, hardsigmoid_forward, false};
const oracle oracle_hardswish = {"hardswish", first_shape, NULL, hardswish_forward, false};
const oracle oracle_clip = {"clip", first_shape, NULL, clip_forward, false};
const oracle oracle_noise = {
    .op = "noise", .shape = first_shape, .forward = noise_forward, .random = true};

/* ---- layernorm ---- */

static int layernorm_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    nn_shape in = n->in[0]->shape, s = oracle_shape1(in.d[in.n - 1]);
    out[0] = (oracle_param){"gamma", s, NN_GAIN};
    out[1] = (oracle_param){"beta", s, NN_BIAS};
    return 2;
}

/* Mean and variance of a row by Welford's update. */
static void layernorm_forward(oracle_call *c)
{
    nn_shape in = c->node->in[0]->shape;
    size_t length = (size_t)in.d[in.n - 1];
    double eps = oracle_real(c->node, "eps");
    for (size_t at = 0; at < elements(c); at += length) {
        double mean = 0, sum = 0;
        for (size_t i = 0; i < length; i++) {
            double v = c->x[0][at + i], delta = v - mean;
            mean += delta / (double)(i + 1);
            sum += delta * (v - mean);
        }
        double sigma = sqrt(sum / (double)length + eps);
        for (size_t i = 0; i < length; i++)
            c->y[at + i] = c->w[0][i] * ((c->x[0][at + i] - mean) / sigma) + c->w[1][i];
    }
}

const oracle oracle_layernorm = {"layernorm", first_shape, layernorm_params, layernorm_forward,
                                 false};

/* ---- position, class_token ---- */

static int position_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    out[0] = (oracle_param){"embedding", first_shape(n), NN_WEIGHT};
    return 1;
}

static void position_forward(oracle_call *c)
{
    size_t places = (size_t)nn_count(c->node->in[0]->shape);
    for (size_t i = 0; i < elements(c); i++) c->y[i] = c->w[0][i % places] + c->x[0][i];
}

static nn_shape class_token_shape(const nn_node *n)
{
    nn_shape in = first_shape(n);
    return oracle_shape3(1 + in.d[0], 1, in.d[2]);
}

static int class_token_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    out[0] = (oracle_param){"token", oracle_shape1(first_shape(n).d[2]), NN_WEIGHT};
    return 1;
}

static void class_token_forward(oracle_call *c)
{
    nn_shape in = first_shape(c->node);
    const double *x = c->x[0];
    double *y = c->y;
    for (int b = 0; b < c->batch; b++)
        for (int t = -1; t < in.d[0]; t++)
            for (int k = 0; k < in.d[2]; k++) *y++ = t < 0 ? c->w[0][k] : *x++;
}

const oracle oracle_position = {"position", first_shape, position_params, position_forward, false};
const oracle oracle_class_token = {"class_token", class_token_shape, class_token_params,
                                   class_token_forward, false};
