/* Random forests. See train/fit_trees.h.
 *
 * Features are replaced by the number of their thresholds that lie at or below them, once for all
 * trees; a split is then found in counts of classes by such numbers.
 */
#include "train/fit_trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CUTS = 255, BINS = CUTS + 1 };

typedef struct forest {
    const fit_samples *s;
    const fit_trees *to;
    uint64_t seed;
    nn_real *cut;  /* [dims, CUTS]: thresholds, ascending, */
    int *n_cuts;   /* [dims]: how many */
    uint8_t *bin;  /* [dims, n] */
    int tried;     /* features a node */
    bool *no_room; /* of every tree */
} forest;

/* A leaf of a growing tree and its best split. */
typedef struct branch {
    int begin, end; /* its samples in index */
    int node, feature, cut;
    double gain; /* 0: it has no split */
} branch;

typedef struct growing {
    const forest *f;
    base_rng rng;
    uint32_t *index;   /* n samples, those of a leaf together */
    uint32_t *feature; /* dims, in an order that changes */
    int *count;        /* [BINS, classes]: samples of a leaf, */
    int *all, *left;   /* [classes]: of all bins, and of those so far */
    branch *leaf;      /* leaves */
    fit_node *node;    /* 2 leaves - 1 */
    int *at;           /* of each node */
    int leaves;
} growing;

/* ---- thresholds ---- */

static int ascending(const void *a, const void *b)
{
    const nn_real x = *(const nn_real *)a, y = *(const nn_real *)b;
    return (x > y) - (x < y);
}

/* Between two neighbours of different value at each of CUTS quantiles. */
static int find_cuts(const nn_real *sorted, int n, nn_real *cut)
{
    int cuts = 0;
    for (int q = 1; q <= CUTS; q++) {
        int64_t i = (int64_t)n * q / BINS;
        while (i > 0 && i < n && sorted[i - 1] >= sorted[i]) i++;
        if (i == 0 || i >= n) continue;
        nn_real middle = sorted[i - 1] + (sorted[i] - sorted[i - 1]) / 2;
        if (middle <= sorted[i - 1]) middle = sorted[i];
        if (cuts == 0 || middle > cut[cuts - 1]) cut[cuts++] = middle;
    }
    return cuts;
}

static int bin_of(const nn_real *cut, int cuts, nn_real x)
{
    int lo = 0, hi = cuts;
    while (lo < hi) {
        const int middle = (lo + hi) / 2;
        if (cut[middle] <= x)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static base_status make_bins(forest *f, base_err *err)
{
    const size_t n = (size_t)f->s->n, dims = (size_t)f->s->dims;
    nn_real *sorted = base_alloc(n, sizeof *sorted);
    if (!sorted) return base_nomem(err, n * sizeof *sorted);
    for (size_t j = 0; j < dims; j++) {
        nn_real *cut = f->cut + j * CUTS;
        for (size_t i = 0; i < n; i++) sorted[i] = f->s->x[i * dims + j];
        qsort(sorted, n, sizeof *sorted, ascending);
        f->n_cuts[j] = find_cuts(sorted, f->s->n, cut);
        for (size_t i = 0; i < n; i++)
            f->bin[j * n + i] = (uint8_t)bin_of(cut, f->n_cuts[j], f->s->x[i * dims + j]);
    }
    base_free(sorted);
    return BASE_OK;
}

/* ---- one tree ---- */

/* Samples by bin of a feature and class. */
static void count_classes(const growing *g, const branch *b, size_t feature)
{
    const fit_samples *s = g->f->s;
    const uint8_t *bin = g->f->bin + feature * (size_t)s->n;
    memset(g->count, 0, (size_t)BINS * (size_t)s->classes * sizeof *g->count);
    for (int i = b->begin; i < b->end; i++)
        g->count[bin[g->index[i]] * s->classes + s->label[g->index[i]]]++;
}

/* The Gini impurity of n samples is n - squares / n, where squares are those of the class counts:
 * a split is the better, the more its parts' squares / n are above the whole's. */
static void try_feature(const growing *g, branch *b, size_t feature)
{
    const int classes = g->f->s->classes, n = b->end - b->begin;
    int *all = g->all, *left = g->left;
    double squares_l = 0, squares_r = 0;
    count_classes(g, b, feature);
    memset(all, 0, (size_t)classes * sizeof *all);
    memset(left, 0, (size_t)classes * sizeof *left);
    for (int i = 0; i < BINS * classes; i++) all[i % classes] += g->count[i];
    for (int k = 0; k < classes; k++) squares_r += (double)all[k] * all[k];
    const double whole = squares_r / n;
    for (int c = 0, n_l = 0; c < g->f->n_cuts[feature]; c++) {
        for (int k = 0; k < classes; k++) {
            const int moved = g->count[c * classes + k], right = all[k] - left[k];
            squares_l += (double)moved * (2.0 * left[k] + moved);
            squares_r -= (double)moved * (2.0 * right - moved);
            left[k] += moved;
            n_l += moved;
        }
        if (n_l == 0) continue;
        if (n_l == n) return;
        const double gain = squares_l / n_l + squares_r / (n - n_l) - whole;
        if (gain <= b->gain) continue;
        b->gain = gain;
        b->feature = (int)feature;
        b->cut = c;
    }
}

static void find_split(growing *g, branch *b)
{
    const uint32_t dims = (uint32_t)g->f->s->dims;
    b->gain = 1e-9; /* of rounding in the sums */
    b->feature = -1;
    for (uint32_t t = 0; t < (uint32_t)g->f->tried; t++) {
        const uint32_t k = t + base_rng_below(&g->rng, dims - t), drawn = g->feature[k];
        g->feature[k] = g->feature[t];
        g->feature[t] = drawn;
        try_feature(g, b, drawn);
    }
    if (b->feature < 0) b->gain = 0;
}

/* The leaf becomes a node with two leaves, the left of which takes its place. */
static void split(growing *g, branch *b)
{
    const forest *f = g->f;
    const uint8_t *bin = f->bin + (size_t)b->feature * (size_t)f->s->n;
    int middle = b->begin;
    for (int i = b->begin; i < b->end; i++) {
        const uint32_t sample = g->index[i];
        if (bin[sample] > b->cut) continue;
        g->index[i] = g->index[middle];
        g->index[middle++] = sample;
    }
    const int nodes = 2 * g->leaves - 1;
    g->node[b->node] =
        (fit_node){.left = nodes,
                   .right = nodes + 1,
                   .feature = b->feature,
                   .threshold = (double)f->cut[(size_t)b->feature * CUTS + (size_t)b->cut]};
    branch *right = &g->leaf[g->leaves++];
    *right = (branch){.begin = middle, .end = b->end, .node = nodes + 1};
    *b = (branch){.begin = b->begin, .end = middle, .node = nodes};
    g->node[nodes] = g->node[nodes + 1] = (fit_node){0};
    find_split(g, b);
    find_split(g, right);
}

static void grow(growing *g, int tree)
{
    const fit_samples *s = g->f->s;
    g->rng = base_rng_at(g->f->seed, BASE_RNG_FIT, (uint32_t)tree, 0);
    for (int i = 0; i < s->n; i++) g->index[i] = base_rng_below(&g->rng, (uint32_t)s->n);
    for (int j = 0; j < s->dims; j++) g->feature[j] = (uint32_t)j;
    g->leaf[0] = (branch){.begin = 0, .end = s->n};
    g->node[0] = (fit_node){0};
    g->leaves = 1;
    find_split(g, &g->leaf[0]);
    while (g->leaves < g->f->to->leaves) {
        branch *best = g->leaf;
        for (int i = 1; i < g->leaves; i++)
            if (g->leaf[i].gain > best->gain) best = &g->leaf[i];
        if (!(best->gain > 0)) return;
        split(g, best);
    }
}

/* Shares of the classes, by the number of trees. */
static void put_tree(const growing *g, int tree)
{
    const fit_trees *to = g->f->to;
    const size_t classes = (size_t)to->classes, all = (size_t)to->leaves * classes;
    nn_real *leaf = to->leaf + (size_t)tree * all;
    memset(leaf, 0, all * sizeof *leaf);
    fit_trees_put(to, tree, g->node, g->at);
    for (int l = 0; l < g->leaves; l++) {
        const branch *b = &g->leaf[l];
        nn_real *share = leaf + (size_t)g->at[b->node] * classes;
        const double all_trees = (double)(b->end - b->begin) * to->trees;
        memset(g->all, 0, classes * sizeof *g->all);
        for (int i = b->begin; i < b->end; i++) g->all[g->f->s->label[g->index[i]]]++;
        for (size_t k = 0; k < classes; k++) share[k] = (nn_real)(g->all[k] / all_trees);
    }
}

static void grow_one(void *ctx, int tree)
{
    const forest *f = ctx;
    const size_t n = (size_t)f->s->n, dims = (size_t)f->s->dims, leaves = (size_t)f->to->leaves;
    const size_t classes = (size_t)f->s->classes, counts = BINS * classes;
    growing g = {.f = f,
                 .index = base_alloc(n + dims, sizeof *g.index),
                 .count = base_alloc(counts + 2 * classes + 2 * leaves, sizeof *g.count),
                 .leaf = base_alloc(leaves, sizeof *g.leaf),
                 .node = base_alloc(2 * leaves, sizeof *g.node)};
    f->no_room[tree] = !g.index || !g.count || !g.leaf || !g.node;
    if (!f->no_room[tree]) {
        g.feature = g.index + n;
        g.all = g.count + counts;
        g.left = g.all + classes;
        g.at = g.left + classes;
        grow(&g, tree);
        put_tree(&g, tree);
    }
    base_free(g.index);
    base_free(g.count);
    base_free(g.leaf);
    base_free(g.node);
}

/* ---- all of them ---- */

base_status fit_forest(const fit_samples *s, uint64_t seed, base_pool *pool, const fit_trees *to,
                       base_err *err)
{
    const size_t n = (size_t)s->n, dims = (size_t)s->dims, trees = (size_t)to->trees;
    forest f = {.s = s,
                .to = to,
                .seed = seed,
                .cut = base_alloc(dims * CUTS, sizeof *f.cut),
                .n_cuts = base_alloc(dims, sizeof *f.n_cuts),
                .bin = base_alloc(dims * n, 1),
                .tried = (int)fmax(1, round(sqrt(s->dims))),
                .no_room = base_alloc(trees, sizeof *f.no_room)};
    const bool room = f.cut && f.n_cuts && f.bin && f.no_room;
    base_status status = room ? make_bins(&f, err) : base_nomem(err, dims * n);
    if (status == BASE_OK) {
        memset(to->bias, 0, (size_t)to->classes * sizeof *to->bias);
        base_pool_run(pool, to->trees, grow_one, &f);
        for (size_t t = 0; t < trees && status == BASE_OK; t++)
            if (f.no_room[t]) status = base_nomem(err, n * sizeof(uint32_t));
    }
    base_free(f.cut);
    base_free(f.n_cuts);
    base_free(f.bin);
    base_free(f.no_room);
    return status;
}
