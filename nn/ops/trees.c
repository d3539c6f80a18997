/* trees: x [I] -> y [O], decision trees. In each of `trees` rounds t one tree (shared=yes) or one
 * for each output (shared=no) says in which of its leaves l x ends:
 *   y_o = bias_o + sum_t leaf[t, l, o]
 * A tree of L leaves has L - 1 nodes in preorder and its leaves from left to right: node i asks
 * whether x[feature_i] < threshold_i; if so, its left branch follows, which has left_i nodes, else
 * the right one behind that. Numbers of nodes and features are rounded and kept within what there
 * is, so that any parameters are trees. Where a node asks for what is no number, neither is y_o.
 *
 * y is constant in x, thresholds and features but for steps, so backward gives no gradient but to
 * leaves and biases; features, thresholds and branches (NN_STRUCTURE) are what a fit
 * (train/fit_forest.c) makes of them.
 *
 * In int8 leaves are weights, symmetric for each output, and thresholds are exact: the smallest
 * int8 value whose real value is not below; a threshold above all of them is the largest.
 */
#include "quantize/runtime/trees.h"
#include "nn/lower.h"

#include <math.h>
#include <string.h>

enum { MOST_LEAVES = 256, MOST_INPUTS = 65536, MOST_TREE_LEAVES = 65536 };

typedef struct trees {
    int trees, leaves, out;
    bool shared;
} trees;

static const nn_attr attrs[] = {
    {"trees", NN_INT, offsetof(trees, trees), NULL, 1, MOST_TREE_LEAVES, "rounds of trees", false},
    {"leaves", NN_INT, offsetof(trees, leaves), NULL, 2, MOST_LEAVES, "leaves of a tree", false},
    {"out", NN_INT, offsetof(trees, out), NULL, 1, 65536, "outputs", false},
    {"shared", NN_YESNO, offsetof(trees, shared), "yes", 0, 0, "one tree a round for all outputs",
     false},
};

enum { FEATURE, THRESHOLD, LEFT, LEAF, BIAS };

/* Trees of a round. */
static int each(const trees *p)
{
    return p->shared ? 1 : p->out;
}

static base_status shape(nn_node *n, base_err *err)
{
    const trees *p = n->attrs;
    if (n->in[0]->shape.n != 1) {
        base_status s = nn_need_dims(n, 0, 1, err);
        base_hint(err, "put a flatten or globalpool before it");
        return s;
    }
    if (n->in[0]->shape.d[0] > MOST_INPUTS)
        return nn_op_fail(n, err, "%d inputs, at most %d", n->in[0]->shape.d[0], MOST_INPUTS);
    if ((int64_t)p->trees * p->leaves > MOST_TREE_LEAVES)
        return nn_op_fail(n, err, "trees=%d of leaves=%d are more than %d leaves", p->trees,
                          p->leaves, MOST_TREE_LEAVES);
    const nn_shape nodes = {3, {p->trees, each(p), p->leaves - 1}};
    n->shape = (nn_shape){1, {p->out}};
    nn_declare(n, "feature", nodes, NN_STRUCTURE, NN_ZEROS, 0, 0);
    nn_declare(n, "threshold", nodes, NN_STRUCTURE, NN_ZEROS, 0, 0);
    nn_declare(n, "left", nodes, NN_STRUCTURE, NN_ZEROS, 0, 0);
    nn_declare(n, "leaf", (nn_shape){3, {p->trees, p->leaves, p->out}}, NN_WEIGHT,
               NN_GLOROT_UNIFORM, p->trees, p->out);
    nn_declare(n, "bias", n->shape, NN_BIAS, NN_ZEROS, p->trees, p->out);
    return BASE_OK;
}

/* v rounded, within 0 .. most. */
static int whole(nn_real v, int most)
{
    return !(v > 0) ? 0 : v >= (nn_real)most ? most : (int)((double)v + 0.5);
}

/* The leaf of tree k, counted over all rounds, in which x ends; -1 where it asks for no number. */
static int leaf_of(const nn_node *n, const nn_real *const *w, int k, const nn_real *x)
{
    const trees *p = n->attrs;
    const ptrdiff_t first = (ptrdiff_t)k * (p->leaves - 1);
    const int features = n->in[0]->shape.d[0];
    int leaf = 0;
    for (int nodes = p->leaves - 1, at = 0; nodes > 0;) {
        const ptrdiff_t i = first + at;
        const int left = whole(w[LEFT][i], nodes - 1);
        const nn_real v = x[whole(w[FEATURE][i], features - 1)];
        if (v != v) return -1;
        const bool below = v < w[THRESHOLD][i];
        at += below ? 1 : left + 1;
        leaf += below ? 0 : left + 1;
        nodes = below ? left : nodes - left - 1;
    }
    return leaf;
}

/* Of output o in round t: where its value lies in `leaf`, -1: nowhere; *l is the leaf of the output
 * before. */
static ptrdiff_t place_of(const nn_node *n, const nn_args *a, const nn_real *x, int t, int o,
                          int *l)
{
    const trees *p = n->attrs;
    if (o < each(p)) *l = leaf_of(n, a->w, t * each(p) + o, x);
    return *l < 0 ? -1 : ((ptrdiff_t)t * p->leaves + *l) * p->out + o;
}

static void forward(const nn_node *n, const nn_args *a)
{
    const trees *p = n->attrs;
    const nn_real *x = a->x[0];
    nn_real *y = a->y;
    for (int b = 0; b < a->batch; b++, x += n->in[0]->shape.d[0], y += p->out) {
        memcpy(y, a->w[BIAS], (size_t)p->out * sizeof *y);
        for (int t = 0, l = 0; t < p->trees; t++)
            for (int o = 0; o < p->out; o++) {
                const ptrdiff_t at = place_of(n, a, x, t, o, &l);
                y[o] += at < 0 ? (nn_real)NAN : a->w[LEAF][at];
            }
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const trees *p = n->attrs;
    const nn_real *x = a->x[0], *dy = a->dy;
    for (int b = 0; b < a->batch; b++, x += n->in[0]->shape.d[0], dy += p->out) {
        for (int o = 0; o < p->out; o++) a->dw[BIAS][o] += dy[o];
        for (int t = 0, l = 0; t < p->trees; t++)
            for (int o = 0; o < p->out; o++) {
                const ptrdiff_t at = place_of(n, a, x, t, o, &l);
                if (at >= 0) a->dw[LEAF][at] += dy[o];
            }
    }
}

/* A value of a leaf for each output of each round; what is compared is no product. */
static void cost(const nn_node *n, nn_cost *c)
{
    const trees *p = n->attrs;
    c->macs = (int64_t)p->trees * p->out;
    c->weights = (int64_t)n->param[LEAF].count;
    c->biases = p->out;
}

/* ---- int8 ---- */

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_trees_t, rounds),   NN_Q8_INT_OF(sotto_trees_t, each),
    NN_Q8_INT_OF(sotto_trees_t, nodes),    NN_Q8_INT_OF(sotto_trees_t, out_n),
    NN_Q8_INT_OF(sotto_trees_t, out_zero), NN_Q8_INT_OF(sotto_trees_t, lo),
    NN_Q8_INT_OF(sotto_trees_t, hi),       NN_Q8_INT_OF(sotto_trees_t, single),
    NN_Q8_I8S_OF(sotto_trees_t, node),     NN_Q8_I8S_OF(sotto_trees_t, leaf),
    NN_Q8_I32S_OF(sotto_trees_t, bias),    NN_Q8_I32S_OF(sotto_trees_t, multiplier),
    NN_Q8_I32S_OF(sotto_trees_t, shift),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_trees(p, x[0], y, scratch);
}

static bool within(const int8_t *node, int nodes, int inputs)
{
    if (nodes == 0) return true;
    const int left = (uint8_t)node[3];
    return ((uint8_t)node[0] | (uint8_t)node[1] << 8) < inputs && left < nodes &&
           within(node + SOTTO_TREES_NODE, left, inputs) &&
           within(node + (left + 1) * SOTTO_TREES_NODE, nodes - left - 1, inputs);
}

/* Every node has an input of its layer and as many nodes on its left as there are. */
static const char *harm(const void *layer, const int64_t *inputs)
{
    const sotto_trees_t *p = layer;
    for (int32_t t = 0; t < p->rounds * p->each; t++)
        if (!within(p->node + (ptrdiff_t)t * p->nodes * SOTTO_TREES_NODE, p->nodes, (int)inputs[0]))
            return "a tree has a node of an input or a branch that is not there";
    return NULL;
}

static const nn_q8_products sums[] = {
    {"leaf", "bias", "multiplier", "shift", "out_n", 1, NN_Q8_BOUND_I8}};

static const nn_q8_kernel kernel = {
    .name = "sotto_trees",
    .header = "trees.h",
    .n_in = 1,
    .size = sizeof(sotto_trees_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .sums = sums,
    .n_sums = BASE_COUNT(sums),
    .run_in = run_q8,
    .harm = harm,
};

/* The least q with scale (q - zero) >= v, within int8; not a number: no x is below. */
static int8_t threshold_of(double v, nn_quant in)
{
    if (!(v > in.scale * (INT8_MIN - in.zero))) return INT8_MIN;
    if (v >= in.scale * (INT8_MAX - in.zero)) return INT8_MAX;
    int q = (int)floor(v / in.scale) + in.zero;
    while (in.scale * (q - in.zero) < v) q++;
    return (int8_t)q;
}

/* The nodes of a branch, which begins at node `first` of all. */
static void pack(const nn_node *n, const nn_q8_context *c, ptrdiff_t first, int nodes, int8_t *to)
{
    while (nodes > 0) {
        const int feature = whole(c->w[FEATURE][first], n->in[0]->shape.d[0] - 1);
        const int left = whole(c->w[LEFT][first], nodes - 1);
        to[0] = (int8_t)(uint8_t)(feature & 255);
        to[1] = (int8_t)(uint8_t)(feature >> 8);
        to[2] = threshold_of((double)c->w[THRESHOLD][first], c->in[0]);
        to[3] = (int8_t)(uint8_t)left;
        pack(n, c, first + 1, left, to + SOTTO_TREES_NODE);
        to += (left + 1) * SOTTO_TREES_NODE;
        first += left + 1;
        nodes -= left + 1;
    }
}

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const trees *a = n->attrs;
    const size_t all = (size_t)a->trees * (size_t)each(a), nodes = (size_t)a->leaves - 1;
    const size_t leaves = (size_t)a->trees * (size_t)a->leaves, out = (size_t)a->out;
    BASE_TRY(nn_q8_check(n, c, err));
    nn_q8_context sums_of = *c; /* leaves are added, not multiplied with inputs */
    sums_of.in[0] = (nn_quant){1, 0};
    sums_of.w[0] = c->w[LEAF];
    sums_of.w[1] = c->w[BIAS];
    nn_q8_weights w;
    BASE_TRY(nn_q8_quantize(n, &sums_of, leaves, out, false, &w, err));
    sotto_trees_t *p = nn_q8_layer_new(&kernel, c, layer);
    int8_t *node = base_arena_alloc(c->arena, all * nodes, SOTTO_TREES_NODE);
    if (!p || !node) return base_nomem(err, all * nodes * SOTTO_TREES_NODE);
    for (size_t t = 0; t < all; t++)
        pack(n, c, (ptrdiff_t)(t * nodes), (int)nodes, node + t * nodes * SOTTO_TREES_NODE);
    *p = (sotto_trees_t){a->trees,  each(a), (int32_t)nodes, a->out, c->out.zero,  c->lo,  c->hi,
                         c->single, node,    w.weight,       w.bias, w.multiplier, w.shift};
    const size_t count[] = {all * nodes * SOTTO_TREES_NODE, leaves * out, out, out, out};
    memcpy(layer->count, count, sizeof count);
    layer->scratch = out * sizeof(int32_t);
    return BASE_OK;
}

static void q8_size(const nn_node *n, nn_q8_size *s)
{
    const int64_t out = n->shape.d[0];
    s->weights = (int64_t)(n->param[LEAF].count + SOTTO_TREES_NODE * n->param[FEATURE].count);
    s->tables = 12 * out;
    s->scratch = (size_t)out * sizeof(int32_t);
}

NN_CASES("x = input 7; y = trees(x) trees=3 leaves=5 out=4",
         "x = input 7; y = trees(x) trees=3 leaves=5 out=4 shared=no",
         "x = input 64; y = trees(x) trees=10 leaves=2 out=12",
         "x = input 1; y = trees(x) trees=1 leaves=2 out=1",
         "x = input 300; y = trees(x) trees=2 leaves=256 out=3");

const nn_op nn_op_trees = {
    .name = "trees",
    .summary = "decision trees, whose leaves are summed",
    .n_in = 1,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(trees),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .q8_size = q8_size,
    .cases = cases,
    .n_cases = N_CASES,
};
