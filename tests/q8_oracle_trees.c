/* Int8 trees and templates once more. See tests/q8_oracle.h. */
#include "tests/q8_oracle.h"

#include "tests/check.h"
#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>

/* trees: where the double oracle goes with the values that the inputs stand for, thresholds above
 * all of them being the largest; its sums are those of whole numbers. */
void q8_oracle_trees(const q8_call *q)
{
    enum { THRESHOLD = 1, LEAF = 3, BIAS = 4 };
    const nn_node *n = q->node;
    const nn_q8_context *c = q->c;
    const int outputs = n->shape.d[0], fan = (int)n->param[LEAF].count / outputs;
    const int64_t inputs = nn_count(n->in[0]->shape);
    const double largest = c->in[0].scale * (127 - c->in[0].zero);
    double *x = malloc((size_t)inputs * sizeof *x), *y = malloc((size_t)outputs * sizeof *y);
    double *w[NN_MAX_PARAMS] = {0};
    q8_factor *f = malloc((size_t)outputs * sizeof *f);
    assert_true(x && y && f);
    for (int64_t i = 0; i < inputs; i++) x[i] = c->in[0].scale * (q->x[0][i] - c->in[0].zero);
    for (int k = 0; k < n->n_params; k++) {
        w[k] = malloc(n->param[k].count * sizeof *w[k]);
        assert_non_null(w[k]);
        for (size_t i = 0; i < n->param[k].count; i++)
            w[k][i] = k == THRESHOLD ? fmin((double)c->w[k][i], largest) : (double)c->w[k][i];
    }
    for (int o = 0; o < outputs; o++) {
        const double scale = q8_scale_of(c->w[LEAF] + o, fan, outputs, 8);
        for (int i = 0; i < fan; i++)
            w[LEAF][i * outputs + o] =
                (double)q8_weight_of((double)c->w[LEAF][i * outputs + o], scale, 8);
        w[BIAS][o] = (double)q8_steps((double)c->w[BIAS][o] / scale, 1, 0);
        f[o] = q8_factor_of(scale / c->out.scale);
    }
    oracle_call call = {.node = n, .batch = 1, .x = {x}, .y = y};
    for (int k = 0; k < n->n_params; k++) call.w[k] = w[k];
    oracle_find("trees")->forward(&call);
    for (int o = 0; o < outputs; o++)
        q->y[o] = q8_clamped(c, q8_times((int64_t)y[o], f[o], c->single) + c->out.zero);
    for (int k = 0; k < n->n_params; k++) free(w[k]);
    free(x);
    free(y);
    free(f);
}

/* dtw: whole numbers are compared, which the double oracle does exactly. */
void q8_oracle_dtw(const q8_call *q)
{
    const nn_node *n = q->node;
    const nn_q8_context *c = q->c;
    const int size = (int)nn_count(n->in[0]->shape), outputs = n->shape.d[0];
    const size_t values = n->param[0].count;
    double *x = malloc((size_t)size * sizeof *x), *m = malloc(values * sizeof *m);
    double *y = malloc((size_t)outputs * sizeof *y), one = 1;
    assert_true(x && m && y);
    for (int i = 0; i < size; i++) x[i] = q->x[0][i];
    for (size_t i = 0; i < values; i++) {
        const double v = (double)q8_steps((double)c->w[0][i], c->in[0].scale, c->in[0].zero);
        m[i] = fmin(127, fmax(-128, v));
    }
    const double parts = 2.0 * size * oracle_int(n, "nearest"); /* of a sum in a mean */
    const q8_factor f = q8_factor_of((double)c->w[1][0] * c->in[0].scale / c->out.scale / parts);
    oracle_find("dtw")->forward(
        &(oracle_call){.node = n, .batch = 1, .x = {x}, .w = {m, &one}, .y = y});
    for (int o = 0; o < outputs; o++) {
        const int64_t sum = llround(y[o] * parts);
        q->y[o] = q8_clamped(c, q8_times(sum, f, c->single) + c->out.zero);
    }
    free(x);
    free(m);
    free(y);
}
