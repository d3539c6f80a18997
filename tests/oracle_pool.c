/* Oracle of avgpool, maxpool and globalpool. Padding is no data: the average divides by the number
 * of taps that lie on the input (as TFLite does), the maximum sees -infinity there. A NaN in a
 * window is its result. */
#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>

typedef struct pool {
    int channels;
    const double *x, *real; /* padded sample; 1 on data, 0 on padding */
    double *y, *taken;      /* sums or maxima; number of real taps */
} pool;

static void average_visit(void *ctx, size_t pixel, size_t tap, size_t out)
{
    pool *p = ctx;
    size_t n = (size_t)p->channels;
    (void)tap;
    for (size_t c = 0; c < n; c++) {
        p->y[out * n + c] += p->x[pixel * n + c];
        p->taken[out * n + c] += p->real[pixel * n + c];
    }
}

static void maximum_visit(void *ctx, size_t pixel, size_t tap, size_t out)
{
    pool *p = ctx;
    size_t n = (size_t)p->channels;
    (void)tap;
    for (size_t c = 0; c < n; c++) {
        double v = p->x[pixel * n + c], *best = &p->y[out * n + c];
        if (isnan(v) || v > *best) *best = isnan(*best) ? *best : v;
        p->taken[out * n + c] = 1;
    }
}

static void pool_run(oracle_call *call, double fill,
                     void (*visit)(void *ctx, size_t pixel, size_t tap, size_t out))
{
    oracle_window win = oracle_window_of(call->node);
    size_t in = (size_t)nn_count(call->node->in[0]->shape);
    pool p = {.channels = call->node->in[0]->shape.d[2]};
    size_t out = (size_t)win.h.out * (size_t)win.w.out * (size_t)p.channels;
    double *ones = malloc(in * sizeof *ones);
    for (size_t i = 0; i < in; i++) ones[i] = 1;
    double *real = oracle_padded(&win, ones, p.channels, 0);
    for (int b = 0; b < call->batch; b++) {
        double *padded = oracle_padded(&win, call->x[0] + (size_t)b * in, p.channels, fill);
        p.x = padded, p.real = real;
        p.y = call->y + (size_t)b * out;
        p.taken = calloc(out, sizeof *p.taken);
        for (size_t i = 0; i < out; i++) p.y[i] = fill;
        oracle_scatter(&win, visit, &p);
        for (size_t i = 0; i < out; i++) p.y[i] /= p.taken[i];
        free(p.taken);
        free(padded);
    }
    free(real);
    free(ones);
}

static nn_shape window_shape(const nn_node *n)
{
    oracle_window win = oracle_window_of(n);
    return oracle_shape3(win.h.out, win.w.out, n->in[0]->shape.d[2]);
}

static void avgpool_forward(oracle_call *c)
{
    pool_run(c, 0, average_visit);
}

static void maxpool_forward(oracle_call *c)
{
    pool_run(c, -(double)INFINITY, maximum_visit);
}

const oracle oracle_avgpool = {"avgpool", window_shape, NULL, avgpool_forward, false};
const oracle oracle_maxpool = {"maxpool", window_shape, NULL, maxpool_forward, false};

/* ---- globalpool ---- */

static nn_shape globalpool_shape(const nn_node *n)
{
    return oracle_shape1(n->in[0]->shape.d[2]);
}

/* The mean as a running mean: m += (x - m) / k. */
static void globalpool_forward(oracle_call *call)
{
    nn_shape s = call->node->in[0]->shape;
    int pixels = s.d[0] * s.d[1], channels = s.d[2];
    for (int b = 0; b < call->batch; b++)
        for (int c = 0; c < channels; c++) {
            double mean = 0;
            for (int i = 0; i < pixels; i++)
                mean += (call->x[0][(b * pixels + i) * channels + c] - mean) / (i + 1);
            call->y[b * channels + c] = mean;
        }
}

const oracle oracle_globalpool = {"globalpool", globalpool_shape, NULL, globalpool_forward, false};
