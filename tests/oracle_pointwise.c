/* Oracle of the operators without windows: input, batchnorm, relu, relu6, add, flatten, dropout (in
 * evaluation), cross_entropy. */
#include "tests/oracle.h"

#include "tests/check.h"

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

/* ---- input ---- */

/* From the printed line: "x = input 49x10x1". */
static nn_shape input_shape(const nn_node *n)
{
    base_str line = {0};
    nn_print_node(n, &line);
    nn_shape s = {0};
    const char *at = strstr(line.s, "input ");
    if (at) s.n = sscanf(at + strlen("input "), "%dx%dx%dx%d", &s.d[0], &s.d[1], &s.d[2], &s.d[3]);
    base_str_free(&line);
    return s;
}

const oracle oracle_input = {"input", input_shape, NULL, NULL, false};

/* ---- batchnorm ---- */

static int batchnorm_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    nn_shape in = n->in[0]->shape, s = oracle_shape1(in.d[in.n - 1]);
    out[0] = (oracle_param){"gamma", s, NN_GAIN};
    out[1] = (oracle_param){"beta", s, NN_BIAS};
    out[2] = (oracle_param){"mean", s, NN_STATISTIC};
    out[3] = (oracle_param){"var", s, NN_STATISTIC};
    return 4;
}

/* Welford: mean and sum of squared deviations of channel c over batch and positions. */
static void welford(const oracle_call *call, size_t c, size_t channels, double *mean, double *sum)
{
    size_t n = elements(call) / channels;
    *mean = *sum = 0;
    for (size_t i = 0; i < n; i++) {
        double v = call->x[0][i * channels + c], delta = v - *mean;
        *mean += delta / (double)(i + 1);
        *sum += delta * (v - *mean);
    }
}

static void batchnorm_forward(oracle_call *call)
{
    nn_shape s = call->node->in[0]->shape;
    size_t channels = (size_t)s.d[s.n - 1], n = elements(call) / channels;
    double eps = oracle_real(call->node, "eps");
    for (size_t c = 0; c < channels; c++) {
        double mean = call->w[2][c], var = call->w[3][c], sum;
        if (call->training) {
            welford(call, c, channels, &mean, &sum);
            var = sum / (double)n;
            if (call->observed[2]) call->observed[2][c] = mean;
            if (call->observed[3]) call->observed[3][c] = n > 1 ? sum / (double)(n - 1) : sum;
        }
        for (size_t i = 0; i < n; i++) {
            double standard = (call->x[0][i * channels + c] - mean) / sqrt(var + eps);
            call->y[i * channels + c] = call->w[0][c] * standard + call->w[1][c];
        }
    }
}

const oracle oracle_batchnorm = {"batchnorm", first_shape, batchnorm_params, batchnorm_forward,
                                 false};

/* ---- relu, relu6, add, flatten, dropout ---- */

static void relu_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = (c->x[0][i] + fabs(c->x[0][i])) / 2;
}

static void relu6_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) {
        double v = c->x[0][i];
        c->y[i] = (fabs(v) - fabs(v - 6)) / 2 + 3;
    }
}

static void add_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = c->x[0][i] + c->x[1][i];
}

static nn_shape flatten_shape(const nn_node *n)
{
    return oracle_shape1((int)nn_count(n->in[0]->shape));
}

static void copy_forward(oracle_call *c)
{
    memcpy(c->y, c->x[0], elements(c) * sizeof *c->y);
}

const oracle oracle_relu = {"relu", first_shape, NULL, relu_forward, false};
const oracle oracle_relu6 = {"relu6", first_shape, NULL, relu6_forward, false};
const oracle oracle_add = {"add", first_shape, NULL, add_forward, false};
const oracle oracle_flatten = {"flatten", flatten_shape, NULL, copy_forward, false};
const oracle oracle_dropout = {
    .op = "dropout", .shape = first_shape, .forward = copy_forward, .random = true};

/* ---- cross_entropy ---- */

static nn_shape scalar_shape(const nn_node *n)
{
    (void)n;
    return oracle_shape1(1);
}

/* -log softmax(x)_k = log sum_j exp(x_j - x_k), in long double, which needs no shift. */
static void cross_entropy_forward(oracle_call *c)
{
    size_t n = (size_t)nn_count(c->node->in[0]->shape);
    double smoothing = oracle_real(c->node, "smoothing");
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        const double *x = c->x[0] + b * n, *t = c->x[1] + b * n;
        long double loss = 0;
        for (size_t k = 0; k < n; k++) {
            double q = (1 - smoothing) * t[k] + smoothing / (double)n;
            long double sum = 0;
            for (size_t j = 0; j < n; j++) sum += expl((long double)x[j] - (long double)x[k]);
            loss += (long double)q * logl(sum);
        }
        c->y[b] = (double)loss;
    }
}

const oracle oracle_cross_entropy = {"cross_entropy", scalar_shape, NULL, cross_entropy_forward,
                                     false};
