/* Oracle of gru, lstm and svdf: the formulas number by number, one sample and one frame after the
 * other. */
#include "tests/oracle.h"

#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double sigma(double v)
{
    return (1 + tanh(v / 2)) / 2;
}

static int values_in(const nn_node *n)
{
    int in = 1;
    for (int k = 1; k < n->in[0]->shape.n; k++) in *= n->in[0]->shape.d[k];
    return in;
}

static nn_shape state_shape(const nn_node *n, int out)
{
    return oracle_yes(n, "sequence") ? oracle_shape3(n->in[0]->shape.d[0], 1, out)
                                     : oracle_shape1(out);
}

/* sum_i v[i] w[i, column]; w has `columns` columns. */
static double dot(oracle_call *c, const double *v, int n, const double *w, int columns, int column)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += v[i] * w[i * columns + column];
        c->macs++;
    }
    return sum;
}

/* Runs step(c, x_t, v, cell) over time for each sample; v holds what is put out and fed back. */
typedef void step_fn(oracle_call *c, const double *x, double *v, double *cell);
static void over_time(oracle_call *c, int out, int cells, step_fn *step)
{
    int frames = c->node->in[0]->shape.d[0], in = values_in(c->node);
    bool reverse = oracle_yes(c->node, "reverse"), sequence = oracle_yes(c->node, "sequence");
    for (int b = 0; b < c->batch; b++) {
        double *v = calloc((size_t)out, sizeof *v), *cell = calloc((size_t)cells, sizeof *cell);
        double *y = c->y + (ptrdiff_t)b * out * (sequence ? frames : 1);
        assert_true(v && cell);
        for (int done = 0; done < frames; done++) {
            int t = reverse ? frames - done - 1 : done;
            step(c, c->x[0] + ((ptrdiff_t)b * frames + t) * in, v, cell);
            memcpy(sequence ? y + (ptrdiff_t)t * out : y, v, (size_t)out * sizeof *v);
        }
        free(v);
        free(cell);
    }
}

/* ---- gru ---- */

static nn_shape gru_shape(const nn_node *n)
{
    return state_shape(n, oracle_int(n, "units"));
}

static int gru_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int h = oracle_int(n, "units");
    out[0] = (oracle_param){"weight", {2, {values_in(n), 3 * h}}, NN_WEIGHT};
    out[1] = (oracle_param){"recurrent", {2, {h, 3 * h}}, NN_WEIGHT};
    out[2] = (oracle_param){"bias", oracle_shape1(3 * h), NN_BIAS};
    out[3] = (oracle_param){"recurrent_bias", oracle_shape1(3 * h), NN_BIAS};
    return oracle_yes(n, "reset_after") ? 4 : 3;
}

static void gru_step(oracle_call *c, const double *x, double *h, double *next)
{
    int units = oracle_int(c->node, "units"), in = values_in(c->node), all = 3 * units;
    bool after = oracle_yes(c->node, "reset_after");
    const double *w = c->w[0], *u = c->w[1], *b = c->w[2], *rb = c->w[3];
    double *reset = calloc((size_t)units, sizeof *reset);
    double *gated = calloc((size_t)units, sizeof *gated);
    for (int j = 0; j < units; j++) {
        double sum = dot(c, x, in, w, all, j) + b[j] + dot(c, h, units, u, all, j);
        reset[j] = sigma(sum + (after ? rb[j] : 0));
        gated[j] = reset[j] * h[j];
    }
    for (int j = 0; j < units; j++) {
        int jz = units + j, jn = 2 * units + j;
        double sum = dot(c, x, in, w, all, jz) + b[jz] + dot(c, h, units, u, all, jz);
        double z = sigma(sum + (after ? rb[jz] : 0)), inner;
        if (after)
            inner = reset[j] * (dot(c, h, units, u, all, jn) + rb[jn]);
        else
            inner = dot(c, gated, units, u, all, jn);
        next[j] = (1 - z) * tanh(dot(c, x, in, w, all, jn) + b[jn] + inner) + z * h[j];
    }
    memcpy(h, next, (size_t)units * sizeof *h);
    free(reset);
    free(gated);
}

static void gru_forward(oracle_call *c)
{
    int units = oracle_int(c->node, "units");
    over_time(c, units, units, gru_step);
}

const oracle oracle_gru = {"gru", gru_shape, gru_params, gru_forward, false};

/* ---- lstm ---- */

static int lstm_out(const nn_node *n)
{
    int p = oracle_int(n, "projection");
    return p > 0 ? p : oracle_int(n, "units");
}

static nn_shape lstm_shape(const nn_node *n)
{
    return state_shape(n, lstm_out(n));
}

static int lstm_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int h = oracle_int(n, "units"), r = lstm_out(n), count = 3;
    out[0] = (oracle_param){"weight", {2, {values_in(n), 4 * h}}, NN_WEIGHT};
    out[1] = (oracle_param){"recurrent", {2, {r, 4 * h}}, NN_WEIGHT};
    out[2] = (oracle_param){"bias", oracle_shape1(4 * h), NN_BIAS};
    if (oracle_yes(n, "peephole"))
        out[count++] = (oracle_param){"peephole", {2, {3, h}}, NN_WEIGHT};
    if (oracle_int(n, "projection") > 0)
        out[count++] = (oracle_param){"projection", {2, {h, r}}, NN_WEIGHT};
    return count;
}

/* Gate k (i, f, g, o) of unit j before its function, without the peephole. */
static double lstm_sum(oracle_call *c, const double *x, const double *v, int k, int j)
{
    int h = oracle_int(c->node, "units"), column = k * h + j;
    return dot(c, x, values_in(c->node), c->w[0], 4 * h, column) +
           dot(c, v, lstm_out(c->node), c->w[1], 4 * h, column) + c->w[2][column];
}

/* Peephole k (to i, f, o) of unit j times a cell. */
static double peep(oracle_call *c, int k, int j, double cell)
{
    if (!oracle_yes(c->node, "peephole")) return 0;
    c->macs++;
    return c->w[3][k * oracle_int(c->node, "units") + j] * cell;
}

static void lstm_step(oracle_call *c, const double *x, double *v, double *cell)
{
    int h = oracle_int(c->node, "units"), out = lstm_out(c->node);
    bool projected = oracle_int(c->node, "projection") > 0;
    double *m = calloc((size_t)h, sizeof *m);
    for (int j = 0; j < h; j++) {
        double i = sigma(lstm_sum(c, x, v, 0, j) + peep(c, 0, j, cell[j]));
        double f = sigma(lstm_sum(c, x, v, 1, j) + peep(c, 1, j, cell[j]));
        cell[j] = f * cell[j] + i * tanh(lstm_sum(c, x, v, 2, j));
        m[j] = sigma(lstm_sum(c, x, v, 3, j) + peep(c, 2, j, cell[j])) * tanh(cell[j]);
    }
    const double *q = c->w[oracle_yes(c->node, "peephole") ? 4 : 3];
    for (int j = 0; j < out; j++) v[j] = projected ? dot(c, m, h, q, out, j) : m[j];
    free(m);
}

static void lstm_forward(oracle_call *c)
{
    over_time(c, lstm_out(c->node), oracle_int(c->node, "units"), lstm_step);
}

const oracle oracle_lstm = {"lstm", lstm_shape, lstm_params, lstm_forward, false};

/* ---- svdf ---- */

static nn_shape svdf_shape(const nn_node *n)
{
    int frames = n->in[0]->shape.d[0], less = oracle_int(n, "memory") - 1;
    return oracle_shape3(oracle_yes(n, "causal") ? frames : frames - less, 1,
                         oracle_int(n, "units"));
}

static int svdf_params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    int units = oracle_int(n, "units");
    out[0] = (oracle_param){"feature", {2, {values_in(n), units}}, NN_WEIGHT};
    out[1] = (oracle_param){"time", {2, {oracle_int(n, "memory"), units}}, NN_WEIGHT};
    out[2] = (oracle_param){"bias", oracle_shape1(units), NN_BIAS};
    return 3;
}

/* The features of one sample at frame t, zeros before the first frame. */
static void svdf_features(oracle_call *c, int b, int t, double *f)
{
    int units = oracle_int(c->node, "units"), in = values_in(c->node);
    const double *x = c->x[0] + ((ptrdiff_t)b * c->node->in[0]->shape.d[0] + t) * in;
    for (int u = 0; u < units; u++) f[u] = t < 0 ? 0 : dot(c, x, in, c->w[0], units, u);
}

/* Frame by frame: features go to every output that will see them. */
static void svdf_forward(oracle_call *c)
{
    int frames = c->node->in[0]->shape.d[0], units = oracle_int(c->node, "units");
    int memory = oracle_int(c->node, "memory"), outputs = svdf_shape(c->node).d[0];
    int start = outputs - frames; /* 0, or as many frames less as only fill the memory */
    double *f = calloc((size_t)units, sizeof *f);
    for (int i = 0; i < c->batch * outputs * units; i++) c->y[i] = c->w[2][i % units];
    for (int b = 0; b < c->batch; b++)
        for (int t = 1 - memory; t < frames; t++) {
            svdf_features(c, b, t, f);
            for (int age = 0; age < memory; age++) {
                int out = t + age + start;
                if (out < 0 || out >= outputs) continue;
                for (int u = 0; u < units; u++, c->macs++)
                    c->y[(b * outputs + out) * units + u] +=
                        f[u] * c->w[1][(memory - 1 - age) * units + u];
            }
        }
    free(f);
}

const oracle oracle_svdf = {"svdf", svdf_shape, svdf_params, svdf_forward, false};
