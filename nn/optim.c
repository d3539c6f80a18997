/* Optimizers over flat blocks: see nn/nn.h. Moments are kept in nn_real: first moments in the
 * layout of the weights, then second ones, in that layout or one a tensor. */
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>

struct nn_optim {
    const nn_graph *graph;
    nn_optim_options o;
    nn_real *state; /* first and second moments */
    size_t n_first, n_second;
    double *decay; /* of each tensor */
    int64_t steps;
};

nn_optim_options nn_optim_defaults(nn_optim_kind kind)
{
    nn_optim_options o = {.kind = kind,
                          .momentum = kind == NN_SGD ? 0.9 : 0,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .rho = 0.9,
                          .epsilon = 1e-8,
                          .statistics = 0.1};
    if (kind == NN_ADAMW) o.weight_decay = 0.01;
    if (kind == NN_NOVOGRAD) o.beta1 = 0.95, o.beta2 = 0.5;
    return o;
}

static size_t count_tensors(const nn_graph *g)
{
    size_t n = 0;
    for (int i = 0; i < nn_graph_nodes(g); i++) n += (size_t)nn_graph_node(g, i)->n_params;
    return n;
}

static base_status allocate(nn_optim *p, base_err *err)
{
    size_t params = nn_graph_params(p->graph), tensors = count_tensors(p->graph);
    bool momentum = p->o.kind == NN_SGD || p->o.kind == NN_RMSPROP;
    p->n_first = momentum && p->o.momentum <= 0 ? 0 : params;
    p->n_second = p->o.kind == NN_SGD ? 0 : p->o.kind == NN_NOVOGRAD ? tensors : params;
    p->state = base_alloc(p->n_first + p->n_second, sizeof *p->state);
    p->decay = base_alloc(tensors, sizeof *p->decay);
    if (!p->state || !p->decay) return base_nomem(err, 2 * params * sizeof *p->state);
    const char *groups = p->o.decay_groups ? p->o.decay_groups : "";
    BASE_TRY(nn_decay_factors(p->graph, groups, p->decay, err));
    for (size_t i = 0; i < tensors; i++) p->decay[i] *= p->o.weight_decay;
    p->o.decay_groups = NULL;
    return BASE_OK;
}

base_status nn_optim_new(const nn_graph *g, nn_optim_options o, nn_optim **optim, base_err *err)
{
    *optim = NULL;
    nn_optim *p = calloc(1, sizeof *p);
    if (!p) return base_nomem(err, sizeof *p);
    p->graph = g;
    p->o = o;
    base_status s = allocate(p, err);
    if (s == BASE_OK)
        *optim = p;
    else
        nn_optim_free(p);
    return s;
}

void nn_optim_free(nn_optim *p)
{
    if (!p) return;
    base_free(p->state);
    base_free(p->decay);
    free(p);
}

nn_real *nn_optim_state(nn_optim *p, size_t *n)
{
    *n = p->n_first + p->n_second;
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

/* ---- the rules ---- */

/* A run of parameters of one role. */
typedef struct slice {
    size_t n;
    nn_real *w, *m, *v; /* weights, first and second moments; NULL: none */
    const nn_real *g;
    double lr, decay;
} slice;

static nn_real square_root(nn_real v)
{
#ifdef NN_DOUBLE
    return sqrt(v);
#else
    return sqrtf(v);
#endif
}

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

/* v = momentum v + g;  w -= lr (g + momentum v) */
static void nesterov(const nn_optim *p, slice s)
{
    nn_real momentum = (nn_real)p->o.momentum, lr = (nn_real)s.lr, decay = (nn_real)s.decay;
    for (size_t i = 0; i < s.n; i++) {
        nn_real g = s.g[i] + decay * s.w[i];
        s.m[i] = momentum * s.m[i] + g;
        s.w[i] -= lr * (g + momentum * s.m[i]);
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
        nn_real denominator = square_root(s.v[i]) * root + eps;
        s.w[i] = s.w[i] * shrink - rate * s.m[i] / denominator;
    }
}

/* v = rho v + (1 - rho) g^2;  m = momentum m + g / (sqrt(v) + eps);  w -= lr m */
static void rmsprop(const nn_optim *p, slice s)
{
    nn_real momentum = (nn_real)p->o.momentum, lr = (nn_real)s.lr, decay = (nn_real)s.decay;
    nn_real rho = (nn_real)p->o.rho, eps = (nn_real)p->o.epsilon;
    for (size_t i = 0; i < s.n; i++) {
        nn_real g = s.g[i] + decay * s.w[i];
        s.v[i] = rho * s.v[i] + (1 - rho) * g * g;
        nn_real d = g / (square_root(s.v[i]) + eps);
        if (s.m) d = s.m[i] = momentum * s.m[i] + d;
        s.w[i] -= lr * d;
    }
}

static double sum_of_squares(const nn_real *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sum;
}

/* v = b2 v + (1 - b2) ||g||^2;  m = b1 m + g / (sqrt(v) + eps) + decay w;  w -= lr m
 * v is one number for the tensor and starts as its first ||g||^2. */
static void novograd(const nn_optim *p, slice s)
{
    const nn_optim_options *o = &p->o;
    double squares = sum_of_squares(s.g, s.n), v = (double)*s.v;
    v = v > 0 ? o->beta2 * v + (1 - o->beta2) * squares : squares;
    *s.v = (nn_real)v;
    nn_real b1 = (nn_real)o->beta1, lr = (nn_real)s.lr, decay = (nn_real)s.decay;
    nn_real scale = (nn_real)(1 / (sqrt(v) + o->epsilon));
    for (size_t i = 0; i < s.n; i++) {
        s.m[i] = b1 * s.m[i] + scale * s.g[i] + decay * s.w[i];
        s.w[i] -= lr * s.m[i];
    }
}

static void follow(slice s, nn_real share)
{
    for (size_t i = 0; i < s.n; i++) s.w[i] += share * (s.g[i] - s.w[i]);
}

static void update(const nn_optim *p, slice s)
{
    switch (p->o.kind) {
    case NN_SGD:
        if (p->o.nesterov && s.m)
            nesterov(p, s);
        else
            sgd(p, s);
        return;
    case NN_ADAM:
    case NN_ADAMW: adam(p, s); return;
    case NN_RMSPROP: rmsprop(p, s); return;
    case NN_NOVOGRAD: novograd(p, s); return;
    }
}

void nn_optim_step(nn_optim *p, nn_real *weights, const nn_real *grads, double lr)
{
    size_t tensor = 0;
    p->steps++;
    for (int i = 0; i < nn_graph_nodes(p->graph); i++) {
        const nn_node *n = nn_graph_node(p->graph, i);
        for (int k = 0; k < n->n_params; k++, tensor++) {
            const nn_param *q = &n->param[k];
            size_t second = p->n_first + (p->o.kind == NN_NOVOGRAD ? tensor : q->offset);
            slice s = {.n = q->count,
                       .w = weights + q->offset,
                       .g = grads + q->offset,
                       .m = p->n_first ? p->state + q->offset : NULL,
                       .v = p->n_second ? p->state + second : NULL,
                       .lr = lr,
                       .decay = p->decay[tensor]};
            if (q->role == NN_STATISTIC)
                follow(s, (nn_real)p->o.statistics);
            else if (nn_role_trained(q->role))
                update(p, s);
        }
    }
}

/* ---- gradients before, weights after a step ---- */

double nn_clip_norm(const nn_graph *g, nn_real *grads, double most)
{
    double squares = 0;
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++)
            if (nn_role_trained(n->param[k].role))
                squares += sum_of_squares(grads + n->param[k].offset, n->param[k].count);
    }
    double norm = sqrt(squares);
    if (!isfinite(norm) || norm <= most) return norm;
    nn_real scale = (nn_real)(most / norm);
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++) {
            const nn_param *q = &n->param[k];
            if (!nn_role_trained(q->role)) continue;
            for (size_t j = q->offset; j < q->offset + q->count; j++) grads[j] *= scale;
        }
    }
    return norm;
}

void nn_average(nn_real *average, const nn_real *weights, size_t n, double decay, int64_t t)
{
    double early = (1 + (double)t) / (10 + (double)t);
    nn_real share = (nn_real)(1 - (decay < early ? decay : early));
    for (size_t i = 0; i < n; i++) average[i] += share * (weights[i] - average[i]);
}
