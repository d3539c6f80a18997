/* Oracle of trees. The nodes of a branch are found by counting: a branch is a run of nodes, and
 * every node but its first is left or right of that. */
#include "tests/oracle.h"

#include <limits.h>
#include <math.h>

static nn_shape shape(const nn_node *n)
{
    return oracle_shape1(oracle_int(n, "out"));
}

static int params(const nn_node *n, oracle_param out[NN_MAX_PARAMS])
{
    const int trees = oracle_int(n, "trees"), leaves = oracle_int(n, "leaves");
    const int outputs = oracle_int(n, "out");
    const nn_shape nodes = oracle_shape3(trees, oracle_yes(n, "shared") ? 1 : outputs, leaves - 1);
    out[0] = (oracle_param){"feature", nodes, NN_STRUCTURE};
    out[1] = (oracle_param){"threshold", nodes, NN_STRUCTURE};
    out[2] = (oracle_param){"left", nodes, NN_STRUCTURE};
    out[3] = (oracle_param){"leaf", oracle_shape3(trees, leaves, outputs), NN_WEIGHT};
    out[4] = (oracle_param){"bias", oracle_shape1(outputs), NN_BIAS};
    return 5;
}

static int rounded(double v, int most)
{
    const double r = isnan(v) ? 0 : fmin(fmax(floor(v + 0.5), 0), most);
    return (int)r;
}

/* The leaf that x ends in of the nodes first .. last - 1 of a tree, whose leftmost leaf is that
 * with the number of the first node; far below 0 where what is asked for is no number. */
static int leaf_between(const oracle_call *c, size_t tree, int first, int last, const double *x)
{
    if (first == last) return first;
    const size_t i = tree + (size_t)first;
    const int middle = first + 1 + rounded(c->w[2][i], last - first - 1);
    const int asks = rounded(c->w[0][i], c->node->in[0]->shape.d[0] - 1);
    if (isnan(x[asks])) return INT_MIN / 2;
    /* left of `middle` the leaves are those of the nodes less one: the first node has none */
    return x[asks] < c->w[1][i] ? leaf_between(c, tree, first + 1, middle, x) - 1
                                : leaf_between(c, tree, middle, last, x);
}

static void forward(oracle_call *c)
{
    const nn_node *n = c->node;
    const size_t trees = (size_t)oracle_int(n, "trees"), leaves = (size_t)oracle_int(n, "leaves");
    const size_t outputs = (size_t)oracle_int(n, "out"), in = (size_t)n->in[0]->shape.d[0];
    const size_t each = oracle_yes(n, "shared") ? 1 : outputs;
    for (size_t b = 0; b < (size_t)c->batch; b++)
        for (size_t o = 0; o < outputs; o++) {
            double sum = c->w[4][o];
            for (size_t t = 0; t < trees; t++) {
                const size_t tree = (t * each + o % each) * (leaves - 1);
                const int l = leaf_between(c, tree, 0, (int)leaves - 1, c->x[0] + b * in);
                sum += l < 0 ? (double)NAN : c->w[3][(t * leaves + (size_t)l) * outputs + o];
                c->macs++;
            }
            c->y[b * outputs + o] = sum;
        }
}

const oracle oracle_trees = {"trees", shape, params, forward, false};
