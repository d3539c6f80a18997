/* fold: a graph as it is deployed. Batchnorm becomes part of the convolution or dense layer before
 * it (w' = w mul, b' = b mul + add, by output channel) where there is one and it has no bands,
 * identities that keep their shape (dropout) disappear. Driven by the descriptors: `affine`,
 * NN_IDENTITY, NN_LOSS and the `bias` attribute.
 */
#include "quantize/internal.h"

#include <string.h>

typedef struct folding {
    const nn_graph *from;
    const nn_real *weights;
    int *readers;   /* of each old node */
    int *only;      /* the last node that reads it, the one when readers is 1 */
    nn_node **node; /* old node to new */
    int *source;    /* new node to the old one it was copied from */
    bool *folded;   /* old affine nodes that became part of another */
    nn_graph *to;
    base_arena *arena;
} folding;

static bool vanishes(const nn_node *n)
{
    return (n->op->flags & NN_IDENTITY) && nn_same_shape(n->shape, n->in[0]->shape);
}

static bool is_affine(const nn_node *n)
{
    return n->op->affine && n->op->affine(n, NULL, NULL, NULL) == 1;
}

/* The affine node that can be folded next behind old node `at`, or NULL. */
static const nn_node *next_affine(const folding *f, const nn_node *at)
{
    while (f->readers[at->index] == 1) {
        at = nn_graph_node(f->from, f->only[at->index]);
        if (is_affine(at)) return at;
        if (!vanishes(at)) return NULL;
    }
    return NULL;
}

/* Whether node n holds weights [fan][channels] and can have a bias. */
static bool takes_affine(const nn_node *n)
{
    base_str text = {0};
    const bool has = nn_attr_get(n, "bias", &text);
    base_str_free(&text);
    return has && n->op->lower && n->n_params > 0 && n->param[0].role == NN_WEIGHT;
}

base_status q8_no_copy(const nn_node *n, const nn_graph *to, base_err *err)
{
    BASE_TRY(nn_graph_check(to, err));
    return nn_op_fail(n, err, "reads a node that is not part of the deployed graph");
}

static base_status copy_node(folding *f, const nn_node *n, base_err *err)
{
    nn_node *in[NN_MAX_IN] = {0};
    for (int k = 0; k < n->n_in; k++) in[k] = f->node[n->in[k]->index];
    if (n->op->flags & NN_LOSS) {
        base_fail(err, BASE_USAGE, "%s '%s': a loss has no place in a deployed graph", n->op->name,
                  n->name);
        return base_hint(err, "end the graph at the node before it");
    }
    if (vanishes(n) || f->folded[n->index]) {
        f->node[n->index] = in[0];
        return BASE_OK;
    }
    bool affine = false;
    if (takes_affine(n))
        for (const nn_node *a = n; (a = next_affine(f, a)) != NULL;)
            f->folded[a->index] = affine = true;
    nn_node *copy = nn_copy(f->to, n, in, affine ? "bias=yes" : "");
    if (!copy) return q8_no_copy(n, f->to, err);
    f->node[n->index] = copy;
    f->source[copy->index] = n->index;
    return BASE_OK;
}

static base_status count_readers(folding *f, base_err *err)
{
    const int n = nn_graph_nodes(f->from);
    f->readers = base_arena_alloc(f->arena, (size_t)n, sizeof *f->readers);
    f->only = base_arena_alloc(f->arena, (size_t)n, sizeof *f->only);
    f->node = base_arena_alloc(f->arena, (size_t)n, sizeof *f->node);
    f->source = base_arena_alloc(f->arena, (size_t)n, sizeof *f->source);
    f->folded = base_arena_alloc(f->arena, (size_t)n, sizeof *f->folded);
    if (!f->readers || !f->only || !f->node || !f->source || !f->folded)
        return base_nomem(err, (size_t)n);
    for (int i = 0; i < n; i++) {
        const nn_node *node = nn_graph_node(f->from, i);
        for (int k = 0; k < node->n_in; k++) {
            f->readers[node->in[k]->index]++;
            f->only[node->in[k]->index] = i;
        }
    }
    return BASE_OK;
}

/* Multiply and add the affine nodes behind old node n into the new weights and bias. */
static base_status apply_affine(const folding *f, const nn_node *n, nn_real *w, size_t count,
                                nn_real *bias, size_t channels, base_err *err)
{
    double *mul = base_arena_alloc(f->arena, channels, sizeof *mul);
    double *add = base_arena_alloc(f->arena, channels, sizeof *add);
    if (!mul || !add) return base_nomem(err, channels);
    for (const nn_node *a = n; (a = next_affine(f, a)) != NULL;) {
        const nn_real *params[NN_MAX_PARAMS] = {0};
        for (int k = 0; k < a->n_params; k++) params[k] = f->weights + a->param[k].offset;
        a->op->affine(a, params, mul, add);
        for (size_t i = 0; i < count; i++) w[i] = (nn_real)((double)w[i] * mul[i % channels]);
        for (size_t o = 0; o < channels; o++)
            bias[o] = (nn_real)((double)bias[o] * mul[o] + add[o]);
    }
    return BASE_OK;
}

static base_status fold_weights(const folding *f, nn_real *weights, base_err *err)
{
    for (int i = 0; i < nn_graph_nodes(f->to); i++) {
        const nn_node *n = nn_graph_node(f->to, i);
        const nn_node *old = nn_graph_node(f->from, f->source[i]);
        for (int k = 0; k < old->n_params; k++)
            for (int j = 0; j < n->n_params; j++)
                if (strcmp(n->param[j].name, old->param[k].name) == 0)
                    memcpy(weights + n->param[j].offset, f->weights + old->param[k].offset,
                           n->param[j].count * sizeof *weights);
        const nn_node *next = takes_affine(old) ? next_affine(f, old) : NULL;
        if (!next) continue;
        BASE_TRY(apply_affine(f, old, weights + n->param[0].offset, n->param[0].count,
                              weights + n->param[1].offset, n->param[1].count, err));
    }
    return BASE_OK;
}

static base_status fold(folding *f, nn_real **weights, base_err *err)
{
    f->arena = base_arena_new();
    f->to = nn_graph_new();
    if (!f->arena || !f->to) return base_nomem(err, 1);
    BASE_TRY(count_readers(f, err));
    const int n = nn_graph_nodes(f->from);
    for (int i = 0; i < n; i++) BASE_TRY(copy_node(f, nn_graph_node(f->from, i), err));
    BASE_TRY(nn_graph_check(f->to, err));
    const nn_node *out = nn_graph_output(f->from);
    if (f->node[out->index] != nn_graph_output(f->to))
        return base_fail(err, BASE_USAGE, "%s '%s' is the output but not computed last",
                         out->op->name, out->name);
    const size_t count = nn_graph_params(f->to);
    *weights = base_alloc(count ? count : 1, sizeof **weights);
    if (!*weights) return base_nomem(err, count * sizeof **weights);
    return fold_weights(f, *weights, err);
}

base_status q8_fold(const nn_graph *g, const nn_real *weights, nn_graph **folded,
                    nn_real **folded_weights, base_err *err)
{
    folding f = {.from = g, .weights = weights};
    *folded_weights = NULL;
    base_status status = fold(&f, folded_weights, err);
    if (status == BASE_OK) status = q8_merge(&f.to, folded_weights, err);
    if (status != BASE_OK) {
        base_free(*folded_weights);
        nn_graph_free(f.to);
        f.to = NULL;
        *folded_weights = NULL;
    }
    base_arena_free(f.arena);
    *folded = f.to;
    return status;
}
