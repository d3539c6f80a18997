/* Optimizers over flat blocks: see nn/nn.h. Moments are kept in nn_real, two blocks for Adam, one
 * for momentum, in the layout of the weights. */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

struct nn_optim {
    const nn_graph *graph;
    nn_optim_options o;
    nn_real *state; /* [moments][parameters] */
    size_t params, n_state;
    int64_t steps;
};

nn_optim_options nn_optim_defaults(nn_optim_kind kind)
{
    nn_optim_options o = {.kind = kind,
                          .momentum = kind == NN_SGD ? 0.9 : 0,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .statistics = 0.1};
    if (kind == NN_ADAMW) o.weight_decay = 0.01;
    return o;
}

base_status nn_optim_new(const nn_graph *g, nn_optim_options o, nn_optim **optim, base_err *err)
{
    *optim = NULL;
    nn_optim *p = calloc(1, sizeof *p);
    if (!p) return base_nomem(err, sizeof *p);
    p->graph = g;
    p->o = o;
    p->params = nn_graph_params(g);
    p->n_state = p->params * (o.kind != NN_SGD ? 2 : o.momentum > 0 ? 1 : 0);
    p->state = base_alloc(p->n_state, sizeof *p->state);
    if (!p->state) {
        base_nomem(err, p->n_state * sizeof *p->state);
        free(p);
        return BASE_FAILED;
    }
    *optim = p;
    return BASE_OK;
}

void nn_optim_free(nn_optim *p)
{
    if (!p) return;
    base_free(p->state);
    free(p);
}

nn_real *nn_optim_state(nn_optim *p, size_t *n)
{
    *n = p->n_state;
    return p->state;
}

int64_t nn_optim_steps(const nn_optim *p)
{
    return p->steps;
}

void nn_optim_set_steps(nn_optim *p, int64_t steps)
{
    p->steps = steps;
}

/* A run of parameters of one role. */
typedef struct slice {
    size_t n;
    nn_real *w, *m, *v;
    const nn_real *g;
    double lr, decay;
} slice;

/* v = momentum v + g;  w -= lr v */
static void sgd(const nn_optim *p, slice s)
{
    nn_real momentum = (nn_real)p->o.momentum, lr = (nn_real)s.lr, decay = (nn_real)s.decay;
    for (size_t i = 0; i < s.n; i++) {
        nn_real d = s.g[i] + decay * s.w[i];
        if (s.m) d = s.m[i] = momentum * s.m[i] + d;
        s.w[i] -= lr * d;
    }
}

/* w -= lr mh / (sqrt(vh) + eps), with bias-corrected moments; AdamW decays w by lr itself */
static void adam(const nn_optim *p, slice s)
{
    const nn_optim_options *o = &p->o;
    double t = (double)p->steps, c1 = 1 - pow(o->beta1, t), c2 = 1 - pow(o->beta2, t);
    nn_real b1 = (nn_real)o->beta1, b2 = (nn_real)o->beta2, eps = (nn_real)o->epsilon;
    nn_real rate = (nn_real)(s.lr / c1), root = (nn_real)(1 / sqrt(c2));
    nn_real coupled = o->kind == NN_ADAM ? (nn_real)s.decay : 0;
    nn_real shrink = o->kind == NN_ADAMW ? (nn_real)(1 - s.lr * s.decay) : 1;
    for (size_t i = 0; i < s.n; i++) {
        nn_real g = s.g[i] + coupled * s.w[i];
        s.m[i] = b1 * s.m[i] + (1 - b1) * g;
        s.v[i] = b2 * s.v[i] + (1 - b2) * g * g;
#ifdef NN_DOUBLE
        nn_real denominator = sqrt(s.v[i]) * root + eps;
#else
        nn_real denominator = sqrtf(s.v[i]) * root + eps;
#endif
        s.w[i] = s.w[i] * shrink - rate * s.m[i] / denominator;
    }
}

static void follow(slice s, nn_real share)
{
    for (size_t i = 0; i < s.n; i++) s.w[i] += share * (s.g[i] - s.w[i]);
}

void nn_optim_step(nn_optim *p, nn_real *weights, const nn_real *grads, double lr)
{
    p->steps++;
    for (int i = 0; i < nn_graph_nodes(p->graph); i++) {
        const nn_node *n = nn_graph_node(p->graph, i);
        for (int k = 0; k < n->n_params; k++) {
            const nn_param *q = &n->param[k];
            slice s = {.n = q->count,
                       .w = weights + q->offset,
                       .g = grads + q->offset,
                       .m = p->n_state > 0 ? p->state + q->offset : NULL,
                       .v = p->n_state > p->params ? p->state + p->params + q->offset : NULL,
                       .lr = lr,
                       .decay = q->role == NN_WEIGHT ? p->o.weight_decay : 0};
            if (q->role == NN_STATISTIC)
                follow(s, (nn_real)p->o.statistics);
            else if (p->o.kind == NN_SGD)
                sgd(p, s);
            else
                adam(p, s);
        }
    }
}
