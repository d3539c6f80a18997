/* net: a graph with weights, run on batches. See nn/nn.h.
 *
 * Memory. Time has a step for the forward pass of each node and, in training, one for each backward
 * pass in reverse. Every value, gradient and saved tensor is a span of that time; nn_plan packs
 * them into one block per worker ("workspace"), sized for one shard. Nothing is allocated while
 * running. A node that may work in place shares its input's span. An activation that only bounds
 * its input (relu) is done by the node before it where that one can, and then takes no step.
 *
 * Order. A training batch is cut into a fixed number of shards; a shard runs forward and backward
 * through the whole graph in one worker's workspace while it is warm in cache, and leaves its
 * gradients in a block of its own. The blocks are then summed in shard order, so the result does
 * not depend on which worker ran what. Evaluation too cuts samples without regard to the number of
 * workers, because the bits of a matrix product depend on how many rows it has.
 */
#include "nn/blas.h"
#include "nn/op.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { EVALUATION_SHARDS = 8 };

/* Where a node's tensors lie in a workspace, in reals. */
typedef struct place {
    size_t value, grad, saved;
    bool external;   /* value is the caller's input */
    bool wants_grad; /* some parameter or wanted input lies before it, and the result behind */
    int owner;       /* node whose value span this shares, itself if none */
    int fresh;       /* node whose backward is the first to add to grad */
    int clamp_by;    /* the clamp (relu ...) behind it that this node does as well, -1 if none */
    bool absorbed;   /* is such a clamp: value and gradient are its producer's */
    bool replaced;   /* int8 gives its value, and backward wants nothing else of forward */
    nn_clamp within; /* its bounds */
} place;

typedef struct workspace {
    nn_real *block;
    int8_t *twin;
} workspace;

struct nn_net {
    const nn_graph *graph;
    nn_net_options o;
    int nodes, shard_batch;
    place *at;
    size_t scratch, block; /* offset of scratch; reals of a workspace */
    nn_real *weights, *grads, *shard_grads;
    size_t params;
    nn_real *watched, *input_grad[NN_MAX_IN];
    double *loss; /* of each shard */
    workspace *space;
    int n_spaces, *idle, n_idle; /* stack of workspaces nobody uses */
    pthread_mutex_t lock;
};

/* ---- planning ---- */

static int n_steps(const nn_net *net)
{
    return net->o.training ? 2 * net->nodes : net->nodes;
}

static int back_step(const nn_net *net, int node)
{
    return 2 * net->nodes - 1 - node;
}

/* The nodes that read node i: how many, and the last. */
static int consumers(const nn_net *net, int i, int *last)
{
    int count = 0;
    for (int j = i + 1; j < net->nodes; j++) {
        const nn_node *n = nn_graph_node(net->graph, j);
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k]->index != i) continue;
            count++;
            *last = j;
        }
    }
    return count;
}

/* The node whose inputs int8 computes node i from, or -1. */
static int twin_head(const nn_net *net, int i)
{
    return net->o.twin && i < net->o.twin->nodes ? net->o.twin->head[i] : -1;
}

/* Int8 computes some node from the inputs of node i. */
static bool is_twin_head(const nn_net *net, int i)
{
    int j = i;
    while (j < net->nodes && twin_head(net, j) != i) j++;
    return j < net->nodes;
}

static bool may_share(const nn_net *net, const nn_node *n)
{
    if (!(n->op->flags & NN_INPLACE) || is_twin_head(net, n->index)) return false;
    const nn_node *in = n->in[0];
    int last;
    return !net->at[in->index].external && in != net->o.watch &&
           consumers(net, in->index, &last) == 1 && !(in->op->flags & NN_KEEP_Y) &&
           !(n->op->flags & NN_KEEP_X);
}

/* The last step at which the value of node i is read. */
static int value_end(const nn_net *net, int i)
{
    const nn_node *n = nn_graph_node(net->graph, i);
    int end = i, last;
    if (consumers(net, i, &last) == 0) return n_steps(net); /* the result */
    for (int j = i + 1; j < net->nodes; j++) {
        const nn_node *c = nn_graph_node(net->graph, j);
        const int head = twin_head(net, j);
        for (int k = 0; head >= 0 && k < nn_graph_node(net->graph, head)->n_in; k++)
            if (nn_graph_node(net->graph, head)->in[k] == n && end < j) end = j;
        for (int k = 0; k < c->n_in; k++) {
            if (c->in[k] != n) continue;
            if (end < j) end = j;
            if (net->o.training && c->op->flags & NN_KEEP_X && end < back_step(net, j))
                end = back_step(net, j);
        }
    }
    if (net->o.training && n->op->flags & NN_KEEP_Y) end = back_step(net, i);
    return end;
}

/* Node i is a clamp that its input's operator does as well, in the same pass. */
static void absorb(nn_net *net, int i)
{
    const nn_node *n = nn_graph_node(net->graph, i);
    double lo, hi;
    const unsigned clamps = net->o.training ? NN_CLAMPS : NN_CLAMPS | NN_CLAMPS_FORWARD;
    if (!n->op->clamp || !may_share(net, n) || !(n->in[0]->op->flags & clamps)) return;
    if (!n->op->clamp(n, &lo, &hi)) return;
    place *p = &net->at[i], *producer = &net->at[n->in[0]->index];
    p->absorbed = true;
    p->within = (nn_clamp){(nn_real)lo, (nn_real)hi};
    producer->clamp_by = i;
    producer->fresh = p->fresh;
}

/* What the last node does not depend on has no gradient: nobody would give it one. */
static void drop_dead_gradients(nn_net *net)
{
    for (int i = net->nodes - 2; i >= 0; i--) {
        bool alive = false;
        for (int j = i + 1; j < net->nodes; j++) {
            const nn_node *n = nn_graph_node(net->graph, j);
            for (int k = 0; k < n->n_in; k++)
                if (n->in[k]->index == i && net->at[j].wants_grad) alive = true;
        }
        if (!alive) net->at[i].wants_grad = false;
    }
}

static void mark_nodes(nn_net *net)
{
    for (int i = 0; i < net->nodes; i++) {
        const nn_node *n = nn_graph_node(net->graph, i);
        place *p = &net->at[i];
        p->external = n->op->n_in == 0;
        p->wants_grad = n->n_params > 0 || (p->external && net->o.input_grads);
        for (int k = 0; k < n->n_in; k++)
            if (net->at[n->in[k]->index].wants_grad) p->wants_grad = true;
        p->owner = may_share(net, n) ? net->at[n->in[0]->index].owner : i;
        p->fresh = p->clamp_by = -1;
        consumers(net, i, &p->fresh);
        absorb(net, i);
    }
    for (int i = 0; i < net->nodes; i++) {
        place *p = &net->at[i];
        const int end = p->clamp_by >= 0 ? p->clamp_by : i;
        p->replaced = twin_head(net, end) == i && !nn_graph_node(net->graph, i)->op->saved;
    }
    if (net->o.training) drop_dead_gradients(net);
}

/* Spans 3i, 3i+1, 3i+2: value, gradient and saved of node i. */
static void fill_spans(const nn_net *net, nn_span *span)
{
    int batch = net->shard_batch;
    for (int i = 0; i < net->nodes; i++) {
        const nn_node *n = nn_graph_node(net->graph, i);
        const place *p = &net->at[i];
        size_t size = (size_t)(batch * nn_count(n->shape));
        int end = value_end(net, i);
        if (p->absorbed && net->o.training) end = back_step(net, n->in[0]->index);
        if (p->owner == i && !p->external)
            span[3 * i] = (nn_span){size, 0, i, end};
        else if (!p->external && span[3 * p->owner].last < end)
            span[3 * p->owner].last = end;
        if (!net->o.training) continue;
        if (p->wants_grad && !p->absorbed)
            span[3 * i + 1] = (nn_span){
                size, 0, p->fresh < 0 ? net->nodes : back_step(net, p->fresh), back_step(net, i)};
        if (n->op->saved)
            span[3 * i + 2] = (nn_span){n->op->saved(n, batch), 0, i, back_step(net, i)};
    }
}

static base_status plan(nn_net *net, base_err *err)
{
    enum { ALIGN = 16 }; /* reals: a cache line or more */
    nn_span *span = calloc((size_t)net->nodes * 3, sizeof *span);
    if (!span) return base_nomem(err, (size_t)net->nodes * 3 * sizeof *span);
    mark_nodes(net);
    fill_spans(net, span);
    net->scratch = nn_plan(span, 3 * net->nodes, ALIGN);
    size_t most = 0;
    for (int i = 0; i < net->nodes; i++) {
        const nn_node *n = nn_graph_node(net->graph, i);
        place *p = &net->at[i];
        p->value = span[3 * p->owner].offset;
        p->grad = p->absorbed ? net->at[n->in[0]->index].grad : span[3 * i + 1].offset;
        p->saved = span[3 * i + 2].offset;
        size_t s = n->op->scratch ? n->op->scratch(n, net->shard_batch) : 0;
        if (s > most) most = s;
    }
    net->block = net->scratch + most;
    free(span);
    return BASE_OK;
}

/* ---- life ---- */

static base_status allocate(nn_net *net, base_err *err)
{
    const nn_net_options *o = &net->o;
    bool ok = true;
    size_t shards = o->training ? (size_t)o->shards : 0, batch = (size_t)o->batch;
    net->weights = base_alloc(net->params, sizeof(nn_real));
    net->grads = base_alloc(net->params, sizeof(nn_real));
    net->shard_grads = base_alloc(shards * net->params, sizeof(nn_real));
    net->loss = base_alloc(shards, sizeof(double));
    net->space = calloc((size_t)net->n_spaces, sizeof *net->space);
    net->idle = calloc((size_t)net->n_spaces, sizeof *net->idle);
    ok = net->weights && net->grads && net->shard_grads && net->loss && net->space && net->idle;
    for (int i = 0; ok && i < net->n_spaces; i++) {
        ok = (net->space[i].block = base_alloc(net->block, sizeof(nn_real))) != NULL;
        if (ok && o->twin) ok = (net->space[i].twin = base_alloc(o->twin->work, 1)) != NULL;
        net->idle[net->n_idle++] = i;
    }
    if (ok && o->watch)
        ok = (net->watched =
                  base_alloc(batch * (size_t)nn_count(o->watch->shape), sizeof(nn_real))) != NULL;
    for (int k = 0; ok && o->input_grads && k < NN_MAX_IN; k++) {
        const nn_node *in = nn_graph_input(net->graph, k);
        if (in)
            ok = (net->input_grad[k] =
                      base_alloc(batch * (size_t)nn_count(in->shape), sizeof(nn_real))) != NULL;
    }
    return ok ? BASE_OK : base_nomem(err, net->block * sizeof(nn_real));
}

base_status nn_net_new(const nn_graph *g, nn_net_options o, nn_net **result, base_err *err)
{
    *result = NULL;
    BASE_TRY(nn_graph_check(g, err));
    if (!o.training) o.shards = o.batch < EVALUATION_SHARDS ? o.batch : EVALUATION_SHARDS;
    if (o.batch < 1 || o.shards < 1 || o.shards > o.batch)
        return base_fail(err, BASE_USAGE, "%d shards of a batch of %d are not possible", o.shards,
                         o.batch);
    if (o.training && !(nn_graph_output(g)->op->flags & NN_LOSS))
        return base_fail(err, BASE_USAGE, "node '%s' is no loss: nothing to train for",
                         nn_graph_output(g)->name);
    nn_net *net = calloc(1, sizeof *net);
    if (!net) return base_nomem(err, sizeof *net);
    nn_blas_single_thread();
    net->graph = g;
    net->o = o;
    net->nodes = nn_graph_nodes(g);
    net->shard_batch = (o.batch + o.shards - 1) / o.shards;
    net->params = nn_graph_params(g);
    net->n_spaces = base_pool_threads(o.pool);
    pthread_mutex_init(&net->lock, NULL);
    net->at = calloc((size_t)net->nodes, sizeof *net->at);
    base_status s = net->at ? plan(net, err) : base_nomem(err, sizeof *net->at);
    if (s == BASE_OK) s = allocate(net, err);
    if (s != BASE_OK)
        nn_net_free(net);
    else
        *result = net;
    return s;
}

void nn_net_free(nn_net *net)
{
    if (!net) return;
    for (int i = 0; net->space && i < net->n_spaces; i++) {
        base_free(net->space[i].block);
        base_free(net->space[i].twin);
    }
    for (int k = 0; k < NN_MAX_IN; k++) base_free(net->input_grad[k]);
    base_free(net->weights);
    base_free(net->grads);
    base_free(net->shard_grads);
    base_free(net->loss);
    base_free(net->watched);
    free(net->space);
    free(net->idle);
    free(net->at);
    pthread_mutex_destroy(&net->lock);
    free(net);
}

nn_real *nn_net_weights(nn_net *net)
{
    return net->weights;
}

nn_real *nn_net_grads(nn_net *net)
{
    return net->grads;
}

const nn_real *nn_net_watched(const nn_net *net)
{
    return net->watched;
}

const nn_real *nn_net_input_grad(const nn_net *net, int k)
{
    return net->input_grad[k];
}

size_t nn_net_bytes(const nn_net *net)
{
    size_t shards = net->o.training ? (size_t)net->o.shards : 0;
    return (net->block * (size_t)net->n_spaces + net->params * (shards + 2)) * sizeof(nn_real);
}

/* ---- running ---- */

/* One call's data, shared by its jobs. */
typedef struct run {
    nn_net *net;
    const nn_real *const *in;
    nn_real *out;
    int n, chunk;
    uint64_t seed;
    uint32_t step;
    nn_net_observer observe;
    void *observer;
} run;

static int take_space(nn_net *net)
{
    pthread_mutex_lock(&net->lock);
    int i = net->idle[--net->n_idle];
    pthread_mutex_unlock(&net->lock);
    return i;
}

static void give_space(nn_net *net, int i)
{
    pthread_mutex_lock(&net->lock);
    net->idle[net->n_idle++] = i;
    pthread_mutex_unlock(&net->lock);
}

/* Samples first .. first+batch-1 of a run in a workspace. */
typedef struct shard {
    const run *r;
    nn_real *block;
    int8_t *twin;
    nn_real *grads; /* of this shard, NULL in evaluation */
    int first, batch;
} shard;

static const nn_real *value_of(const shard *s, const nn_node *n)
{
    const nn_net *net = s->r->net;
    if (!net->at[n->index].external) return s->block + net->at[n->index].value;
    int k = 0;
    while (nn_graph_input(net->graph, k) != n) k++;
    return s->r->in[k] + s->first * nn_count(n->shape);
}

static nn_args args_of(const shard *s, const nn_node *n)
{
    const nn_net *net = s->r->net;
    const place *p = &net->at[n->index];
    nn_args a = {.batch = s->batch,
                 .training = net->o.training,
                 .saved = s->block + p->saved,
                 .scratch = s->block + net->scratch,
                 .seed = s->r->seed,
                 .step = s->r->step,
                 .first = s->first,
                 .y = p->external ? NULL : s->block + p->value,
                 .dy = s->block + p->grad};
    if (p->clamp_by >= 0 && !s->r->observe) a.clamp = &net->at[p->clamp_by].within;
    for (int k = 0; k < n->n_in; k++) {
        const place *in = &net->at[n->in[k]->index];
        a.x[k] = value_of(s, n->in[k]);
        a.dx[k] = net->o.training && in->wants_grad ? s->block + in->grad : NULL;
    }
    for (int k = 0; k < n->n_params; k++) {
        a.w[k] = net->weights + n->param[k].offset;
        a.dw[k] = s->grads ? s->grads + n->param[k].offset : NULL;
    }
    return a;
}

/* The value of node i as int8 gives it. */
static void run_twin(const shard *s, int i, nn_real *y)
{
    const nn_net *net = s->r->net;
    const int head = twin_head(net, i);
    const nn_real *x[NN_MAX_IN] = {0};
    if (head < 0) return;
    const nn_node *n = nn_graph_node(net->graph, head);
    for (int k = 0; k < n->n_in; k++) x[k] = value_of(s, n->in[k]);
    net->o.twin->compute(net->o.twin->ctx, i, s->batch, x, y, s->twin);
}

static void run_forward(const shard *s)
{
    const nn_graph *g = s->r->net->graph;
    for (int i = 0; i < s->r->net->nodes; i++) {
        const nn_node *n = nn_graph_node(g, i);
        const place *p = &s->r->net->at[i];
        nn_args a = args_of(s, n);
        if (s->r->observe || (!p->absorbed && !p->replaced)) n->op->forward(n, &a);
        run_twin(s, i, a.y);
        if (s->r->observe) s->r->observe(s->r->observer, n, value_of(s, n), s->batch);
    }
}

/* The input of n whose gradient lies at `grad`, -1: none. */
static int input_at(const nn_net *net, const nn_node *n, size_t grad)
{
    for (int k = 0; k < n->n_in; k++) {
        const place *in = &net->at[n->in[k]->index];
        if (in->wants_grad && in->grad == grad) return k;
    }
    return -1;
}

/* Gradients that this node is the first to add to start at zero, or it writes them itself: then bit
 * k of the result is set for its input k. It cannot where one input stands twice. */
static unsigned begin_gradients(const shard *s, int node)
{
    const nn_net *net = s->r->net;
    const nn_node *n = nn_graph_node(net->graph, node);
    const bool twice = n->n_in > 1 && n->in[0] == n->in[1];
    const bool writes = n->op->flags & NN_FRESH && net->at[node].wants_grad && !twice;
    unsigned fresh = 0;
    for (int i = 0; i < node; i++) {
        const place *p = &net->at[i];
        if (p->fresh != node || !p->wants_grad || p->absorbed) continue;
        const int k = writes ? input_at(net, n, p->grad) : -1;
        size_t count = (size_t)(s->batch * nn_count(nn_graph_node(net->graph, i)->shape));
        if (k >= 0)
            fresh |= 1U << k;
        else
            memset(s->block + p->grad, 0, count * sizeof(nn_real));
    }
    return fresh;
}

static void run_backward(const shard *s)
{
    const nn_net *net = s->r->net;
    nn_real *seed = s->block + net->at[net->nodes - 1].grad;
    for (int b = 0; b < s->batch; b++) seed[b] = 1 / (nn_real)s->r->n;
    for (int i = net->nodes - 1; i >= 0; i--) {
        const nn_node *n = nn_graph_node(net->graph, i);
        const place *p = &net->at[i];
        if (p->absorbed) continue;
        unsigned fresh = begin_gradients(s, i); /* also where it has nothing to add itself */
        if (!p->wants_grad) continue;
        nn_args a = args_of(s, n);
        a.fresh = fresh;
        n->op->backward(n, &a);
    }
}

static void keep_watched(const shard *s)
{
    const nn_net *net = s->r->net;
    if (net->o.watch) {
        size_t count = (size_t)nn_count(net->o.watch->shape);
        memcpy(net->watched + (size_t)s->first * count, value_of(s, net->o.watch),
               (size_t)s->batch * count * sizeof(nn_real));
    }
}

static void keep_input_grads(const shard *s)
{
    const nn_net *net = s->r->net;
    for (int k = 0; net->o.input_grads && k < NN_MAX_IN; k++) {
        const nn_node *in = nn_graph_input(net->graph, k);
        if (!in) break;
        size_t count = (size_t)nn_count(in->shape);
        memcpy(net->input_grad[k] + (size_t)s->first * count, s->block + net->at[in->index].grad,
               (size_t)s->batch * count * sizeof(nn_real));
    }
}

static void forward_job(void *ctx, int job)
{
    run *r = ctx;
    nn_net *net = r->net;
    int space = take_space(net), first = job * r->chunk;
    shard s = {.r = r, .block = net->space[space].block, .twin = net->space[space].twin};
    s.first = first;
    s.batch = r->n - first < r->chunk ? r->n - first : r->chunk;
    run_forward(&s);
    const nn_node *last = nn_graph_output(net->graph);
    size_t count = (size_t)nn_count(last->shape);
    if (r->out)
        memcpy(r->out + (size_t)first * count, value_of(&s, last),
               (size_t)s.batch * count * sizeof(nn_real));
    give_space(net, space);
}

void nn_net_forward(nn_net *net, const nn_real *const *in, int n, nn_real *out)
{
    nn_net_observe(net, in, n, out, NULL, NULL);
}

void nn_net_observe(nn_net *net, const nn_real *const *in, int n, nn_real *out,
                    nn_net_observer observe, void *observer)
{
    run r = {.net = net, .in = in, .out = out, .n = n, .observe = observe, .observer = observer};
    r.chunk = net->shard_batch;
    if (n > 0)
        base_pool_run(observe ? NULL : net->o.pool, (n + r.chunk - 1) / r.chunk, forward_job, &r);
}

static void step_job(void *ctx, int job)
{
    run *r = ctx;
    nn_net *net = r->net;
    int shards = net->o.shards, space = take_space(net);
    int first = (int)((int64_t)r->n * job / shards),
        next = (int)((int64_t)r->n * (job + 1) / shards);
    shard s = {.r = r,
               .block = net->space[space].block,
               .twin = net->space[space].twin,
               .grads = net->shard_grads + (size_t)job * net->params,
               .first = first,
               .batch = next - first};
    memset(s.grads, 0, net->params * sizeof *s.grads);
    net->loss[job] = 0;
    if (s.batch > 0) {
        run_forward(&s);
        keep_watched(&s);
        const nn_real *loss = value_of(&s, nn_graph_output(net->graph));
        for (int b = 0; b < s.batch; b++) net->loss[job] += (double)loss[b];
        run_backward(&s);
        keep_input_grads(&s);
    }
    give_space(net, space);
}

/* Gradients are sums; observed statistics are means weighted by the shards' samples. */
static void reduce(nn_net *net, int n)
{
    int shards = net->o.shards;
    memset(net->grads, 0, net->params * sizeof(nn_real));
    for (int s = 0; s < shards; s++) {
        int64_t first = (int64_t)n * s / shards, next = (int64_t)n * (s + 1) / shards;
        const nn_real *from = net->shard_grads + (size_t)s * net->params;
        nn_real share = (nn_real)(next - first) / (nn_real)n;
        for (int i = 0; i < net->nodes; i++) {
            const nn_node *node = nn_graph_node(net->graph, i);
            for (int k = 0; k < node->n_params; k++) {
                const nn_param *p = &node->param[k];
                nn_real f = p->role == NN_STATISTIC ? share : 1;
                for (size_t j = p->offset; j < p->offset + p->count; j++)
                    net->grads[j] += f * from[j];
            }
        }
    }
}

double nn_net_step(nn_net *net, const nn_real *const *in, int n, uint64_t seed, uint32_t step)
{
    run r = {.net = net, .in = in, .n = n, .seed = seed, .step = step};
    base_pool_run(net->o.pool, net->o.shards, step_job, &r);
    reduce(net, n);
    double loss = 0;
    for (int s = 0; s < net->o.shards; s++) loss += net->loss[s];
    return loss / n;
}
