/* Oracle of dtw: the best path to a pair of frames by recursion from its end, each pair once. */
#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>

static nn_shape shape(const nn_node *n)
{
    return oracle_shape1(oracle_int(n, "out"));
}

static int params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    const nn_shape in = n->in[0]->shape;
    const int width = (int)nn_count(in) / in.d[0];
    const nn_shape value = {4, {oracle_int(n, "out"), oracle_int(n, "each"), in.d[0], width}};
    out[0] = (oracle_param){"value", value, NN_WEIGHT};
    out[1] = (oracle_param){"scale", oracle_shape1(1), NN_GAIN};
    return 2;
}

typedef struct warp {
    int frames, width, band;
    const double *x, *m;
    double *known; /* of every pair; negative: not yet */
    int64_t *macs;
} warp;

static double path_to(const warp *w, int i, int j)
{
    if (i == -1 && j == -1) return 0;
    if (i < 0 || j < 0 || abs(i - j) > w->band) return (double)INFINITY;
    double *known = &w->known[i * w->frames + j];
    if (*known >= 0) return *known;
    double d = 0;
    for (int f = 0; f < w->width; f++, ++*w->macs)
        d += fabs(w->x[i * w->width + f] - w->m[j * w->width + f]);
    const double both = path_to(w, i - 1, j - 1) + 2 * d;
    return *known = fmin(both, fmin(path_to(w, i - 1, j), path_to(w, i, j - 1)) + d);
}

static double distance(const warp *w)
{
    for (int i = 0; i < w->frames * w->frames; i++) w->known[i] = -1;
    const double far = path_to(w, w->frames - 1, w->frames - 1);
    /* pairs that no path to the end goes through are compared all the same */
    for (int i = 0; i < w->frames; i++)
        for (int j = 0; j < w->frames; j++)
            if (abs(i - j) <= w->band) path_to(w, i, j);
    return far;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void forward(oracle_call *c)
{
    const nn_node *n = c->node;
    const int size = (int)nn_count(n->in[0]->shape), frames = n->in[0]->shape.d[0];
    const int out = oracle_int(n, "out"), each = oracle_int(n, "each");
    const int nearest = oracle_int(n, "nearest");
    warp w = {frames, size / frames, oracle_int(n, "band"), .macs = &c->macs};
    double *far = calloc((size_t)each, sizeof *far);
    w.known = malloc((size_t)frames * (size_t)frames * sizeof *w.known);
    for (int b = 0; b < c->batch; b++) {
        int numbers = 1;
        for (int i = 0; i < size; i++) numbers = numbers && !isnan(c->x[0][b * size + i]);
        for (int k = 0; k < out; k++) {
            double mean = 0;
            for (int t = 0; t < each && numbers; t++) {
                w.x = c->x[0] + (ptrdiff_t)b * size;
                w.m = c->w[0] + (ptrdiff_t)(k * each + t) * size;
                far[t] = distance(&w);
            }
            if (numbers) qsort(far, (size_t)each, sizeof *far, by_size);
            for (int t = 0; t < nearest; t++) mean += far[t] / nearest;
            c->y[b * out + k] = numbers ? -c->w[1][0] * mean / (2.0 * size) : (double)NAN;
        }
    }
    free(w.known);
    free(far);
}

const oracle oracle_dtw = {"dtw", shape, params, forward, false};
