/* Oracle of elementwise operators: input, batchnorm, relu, relu6, silu, flatten, dropout (in
 * evaluation). */
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
    int bands = oracle_int(n, "bands"), count = 0;
    if (bands > 1) s = (nn_shape){2, {bands, in.d[2]}};
    if (oracle_yes(n, "gamma")) out[count++] = (oracle_param){"gamma", s, NN_GAIN};
    if (oracle_yes(n, "beta")) out[count++] = (oracle_param){"beta", s, NN_BIAS};
    out[count++] = (oracle_param){"mean", s, NN_STATISTIC};
    out[count++] = (oracle_param){"var", s, NN_STATISTIC};
    return count;
}

/* The parameter of element i: its channel, and with bands also where its frequency lies. */
static size_t batchnorm_slot(const nn_node *n, size_t i)
{
    nn_shape s = n->in[0]->shape;
    size_t channels = (size_t)s.d[s.n - 1], channel = i % channels;
    size_t bands = (size_t)oracle_int(n, "bands");
    if (bands == 1) return channel;
    size_t width = (size_t)s.d[1], frequency = i / channels % width;
    return frequency * bands / width * channels + channel;
}

/* Welford: mean and sum of squared deviations of the n elements of one slot. */
static size_t welford(const oracle_call *call, size_t slot, double *mean, double *sum)
{
    size_t n = 0;
    *mean = *sum = 0;
    for (size_t i = 0; i < elements(call); i++) {
        if (batchnorm_slot(call->node, i) != slot) continue;
        double v = call->x[0][i], delta = v - *mean;
        *mean += delta / (double)++n;
        *sum += delta * (v - *mean);
    }
    return n;
}

static void batchnorm_forward(oracle_call *call)
{
    oracle_param p[NN_MAX_PARAMS];
    int m = batchnorm_params(call->node, p) - 2; /* the number of "mean" */
    double eps = oracle_real(call->node, "eps");
    const bool gamma = oracle_yes(call->node, "gamma"), beta = oracle_yes(call->node, "beta");
    for (size_t c = 0; c < (size_t)nn_count(p[m].shape); c++) {
        double mean = call->w[m][c], var = call->w[m + 1][c], sum;
        if (call->training) {
            size_t n = welford(call, c, &mean, &sum);
            var = sum / (double)n;
            if (call->observed[m]) call->observed[m][c] = mean;
            if (call->observed[m + 1])
                call->observed[m + 1][c] = n > 1 ? sum / (double)(n - 1) : sum;
        }
        for (size_t i = 0; i < elements(call); i++) {
            if (batchnorm_slot(call->node, i) != c) continue;
            double standard = (call->x[0][i] - mean) / sqrt(var + eps);
            call->y[i] = gamma ? standard * call->w[0][c] : standard;
            if (beta) call->y[i] += call->w[m - 1][c];
        }
    }
}

const oracle oracle_batchnorm = {"batchnorm", first_shape, batchnorm_params, batchnorm_forward,
                                 false};

/* ---- relu, relu6, silu, flatten, dropout ---- */

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

static void silu_forward(oracle_call *c)
{
    for (size_t i = 0; i < elements(c); i++) c->y[i] = c->x[0][i] * (1 + tanh(c->x[0][i] / 2)) / 2;
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
const oracle oracle_silu = {"silu", first_shape, NULL, silu_forward, false};
const oracle oracle_flatten = {"flatten", flatten_shape, NULL, copy_forward, false};
const oracle oracle_dropout = {
    .op = "dropout", .shape = first_shape, .forward = copy_forward, .random = true};
