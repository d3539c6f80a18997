/* equalize: channels of like range. An int8 tensor has one scale, so a channel whose values are
 * small beside another's keeps few of its 256 steps. Where a layer with weights is followed by
 * activations f with f(s x) = s f(x) for s > 0, by pools, and then by one other layer with weights,
 * channel c can be divided by any s_c on the way out of the first (its weights and bias) and
 * multiplied on the way into the second (cross-layer equalization: Nagel et al., arXiv 1906.04721).
 *
 * Weights have a scale for each output channel here, so what is balanced is not the weights of the
 * first layer but the values between, against the weights of the second:
 *
 *   s_c = sqrt(largest value of channel c / largest weight that channel c meets)
 *
 * (as SmoothQuant, arXiv 2211.10438, does at transformers). A depthwise layer has a scale for each
 * input channel as well; before it s_c is the largest value itself, and all channels become alike.
 */
#include "quantize/internal.h"

#include <math.h>
#include <string.h>

enum { BATCH = 32, MOST_ROUNDS = 50 };

typedef struct pair {
    const nn_node *first, *second;
    const nn_node *between; /* whose values are quantized */
    int channels;
    double *largest; /* value of each channel between, as the weights are now */
    double *meets;   /* the largest weight of `second` on each channel */
} pair;

typedef struct equalizing {
    const nn_graph *g;
    nn_real *weights;
    pair *pairs;
    int n;
    base_arena *arena;
} equalizing;

bool q8_has_weights(const nn_node *n)
{
    const bool bias = n->n_params == 2 && n->param[1].role == NN_BIAS;
    return n->op->lower && n->n_in == 1 && (n->n_params == 1 || bias) &&
           n->param[0].role == NN_WEIGHT && strcmp(n->param[0].name, "weight") == 0 &&
           n->param[0].shape.n >= 2;
}

static int last_of(nn_shape s)
{
    return s.d[s.n - 1];
}

/* Whether f(s x) = s f(x) channel by channel. */
static bool passes(const nn_node *n)
{
    static const char *const pools[] = {"avgpool", "globalpool", "maxpool"};
    double lo, hi;
    if (n->op->flags & NN_IDENTITY) return true; /* a channel is the index modulo their number */
    if (n->op->clamp && n->op->clamp(n, &lo, &hi)) return lo == 0.0 && isinf(hi);
    for (size_t i = 0; i < BASE_COUNT(pools); i++)
        if (strcmp(n->op->name, pools[i]) == 0)
            return last_of(n->in[0]->shape) == last_of(n->shape);
    return false;
}

/* The layer that alone reads the channels of `first`, or NULL. */
static const nn_node *second_of(const nn_graph *g, const q8_chains *c, const nn_node *first)
{
    for (int at = first->index; c->readers[at] == 1;) {
        const nn_node *n = nn_graph_node(g, c->only[at]);
        if (q8_has_weights(n)) {
            const int channels = last_of(first->shape), in = last_of(n->in[0]->shape);
            return in == channels || (n->in[0]->shape.n == 1 && in % channels == 0) ? n : NULL;
        }
        if (!passes(n)) return NULL;
        at = n->index;
    }
    return NULL;
}

/* The input channel that weight i of a layer meets. */
static int channel_met(const nn_node *n, size_t i, int channels)
{
    const nn_shape w = n->param[0].shape;
    const int out = last_of(w), o = (int)(i % (size_t)out);
    if (w.n == 3) return o; /* depthwise */
    const int per = w.d[w.n - 2], groups = last_of(n->in[0]->shape) / per;
    const int in = (int)(i / (size_t)out % (size_t)per) + o / (out / groups) * per;
    return in % channels; /* flattened: several positions of a channel */
}

static base_status find_pairs(equalizing *e, base_err *err)
{
    const int n = nn_graph_nodes(e->g);
    q8_chains c;
    BASE_TRY(q8_chains_make(e->g, e->arena, &c, err));
    e->pairs = base_arena_alloc(e->arena, (size_t)n, sizeof *e->pairs);
    if (!e->pairs) return base_nomem(err, (size_t)n);
    for (int i = 0; i < n; i++) {
        const nn_node *first = nn_graph_node(e->g, i);
        const nn_node *second =
            c.live[i] && q8_has_weights(first) ? second_of(e->g, &c, first) : NULL;
        if (!second) continue;
        pair *p = &e->pairs[e->n++];
        *p = (pair){first, second, nn_graph_node(e->g, c.range[i]), last_of(first->shape), 0, 0};
        p->largest = base_arena_alloc(e->arena, (size_t)p->channels, sizeof *p->largest);
        p->meets = base_arena_alloc(e->arena, (size_t)p->channels, sizeof *p->meets);
        if (!p->largest || !p->meets) return base_nomem(err, (size_t)p->channels);
    }
    return BASE_OK;
}

static void see(void *ctx, const nn_node *n, const nn_real *y, int samples)
{
    equalizing *e = ctx;
    const size_t count = (size_t)samples * (size_t)nn_count(n->shape);
    for (int k = 0; k < e->n; k++) {
        pair *p = &e->pairs[k];
        if (p->between != n) continue;
        for (size_t i = 0; i < count; i++) {
            double *largest = &p->largest[i % (size_t)p->channels];
            *largest = fmax(*largest, fabs((double)y[i]));
        }
    }
}

static base_status see_all(equalizing *e, const nn_real *inputs, size_t n, base_err *err)
{
    const size_t in = (size_t)nn_count(nn_graph_input(e->g, 0)->shape);
    nn_net *net = NULL;
    BASE_TRY(nn_net_new(e->g, (nn_net_options){.batch = BATCH, .shards = 1}, &net, err));
    memcpy(nn_net_weights(net), e->weights, nn_graph_params(e->g) * sizeof *e->weights);
    for (size_t i = 0; i < n; i += BATCH) {
        const nn_real *x = inputs + i * in;
        nn_net_observe(net, &x, n - i < BATCH ? (int)(n - i) : BATCH, NULL, see, e);
    }
    nn_net_free(net);
    return BASE_OK;
}

/* Divide channel c of the first layer by s[c] and multiply it in the second. */
static void scale(equalizing *e, const pair *p, const double *s)
{
    const size_t channels = (size_t)p->channels;
    for (int k = 0; k < p->first->n_params; k++) {
        nn_real *w = e->weights + p->first->param[k].offset;
        for (size_t i = 0; i < p->first->param[k].count; i++)
            w[i] = (nn_real)((double)w[i] / s[i % channels]);
    }
    nn_real *w = e->weights + p->second->param[0].offset;
    for (size_t i = 0; i < p->second->param[0].count; i++)
        w[i] = (nn_real)((double)w[i] * s[channel_met(p->second, i, p->channels)]);
}

/* One pair; returns the largest |log s| of its channels. */
static double balance(equalizing *e, pair *p, double *s)
{
    const bool depthwise = p->second->param[0].shape.n == 3;
    const nn_real *w = e->weights + p->second->param[0].offset;
    double change = 0.0;
    for (int c = 0; c < p->channels; c++) p->meets[c] = 0.0;
    for (size_t i = 0; i < p->second->param[0].count; i++) {
        double *meets = &p->meets[channel_met(p->second, i, p->channels)];
        *meets = fmax(*meets, fabs((double)w[i]));
    }
    for (int c = 0; c < p->channels; c++) {
        const double ratio =
            depthwise ? p->largest[c] * p->largest[c] : p->largest[c] / p->meets[c];
        s[c] = ratio > 0.0 && isfinite(ratio) ? sqrt(ratio) : 1.0; /* dead channels stay */
        p->largest[c] /= s[c];
        change = fmax(change, fabs(log(s[c])));
    }
    scale(e, p, s);
    return change;
}

static base_status equalize(equalizing *e, const nn_real *inputs, size_t n, base_err *err)
{
    int most = 1;
    BASE_TRY(q8_check_inputs(e->g, n, err));
    e->arena = base_arena_new();
    if (!e->arena) return base_nomem(err, 1);
    BASE_TRY(find_pairs(e, err));
    if (e->n == 0) return BASE_OK;
    BASE_TRY(see_all(e, inputs, n, err));
    for (int k = 0; k < e->n; k++) most = e->pairs[k].channels > most ? e->pairs[k].channels : most;
    double *s = base_arena_alloc(e->arena, (size_t)most, sizeof *s);
    if (!s) return base_nomem(err, (size_t)most);
    double change = 1.0;
    for (int round = 0; round < MOST_ROUNDS && change > 1e-3; round++) {
        change = 0.0;
        for (int k = 0; k < e->n; k++) change = fmax(change, balance(e, &e->pairs[k], s));
    }
    return BASE_OK;
}

base_status q8_equalize(const nn_graph *g, nn_real *weights, const nn_real *inputs, size_t n,
                        int *pairs, base_err *err)
{
    equalizing e = {.g = g, .weights = weights};
    const base_status status = equalize(&e, inputs, n, err);
    if (pairs) *pairs = e.n;
    base_arena_free(e.arena);
    return status;
}
