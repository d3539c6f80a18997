/* Oracle of the operators that repeat or reduce axes: add, mul, mean, max. Every element finds its
 * partner by its coordinates. */
#include "tests/oracle.h"

#include <math.h>
#include <string.h>

/* The flat index in a tensor of shape s of what lies at flat index i of full: axes of length 1 have
 * coordinate 0. */
static size_t partner(nn_shape full, nn_shape s, size_t i)
{
    size_t at[NN_MAX_DIMS], out = 0;
    for (int k = full.n - 1; k >= 0; k--) {
        at[k] = i % (size_t)full.d[k];
        i /= (size_t)full.d[k];
    }
    for (int k = 0; k < full.n; k++) out = out * (size_t)s.d[k] + (s.d[k] == 1 ? 0 : at[k]);
    return out;
}

/* ---- add, mul ---- */

static nn_shape larger(const nn_node *n)
{
    nn_shape s = n->in[0]->shape;
    for (int k = 0; k < s.n; k++)
        if (s.d[k] == 1) s.d[k] = n->in[1]->shape.d[k];
    return s;
}

static void pairs(oracle_call *c, bool product)
{
    nn_shape full = larger(c->node), a = c->node->in[0]->shape, b = c->node->in[1]->shape;
    size_t count = (size_t)nn_count(full);
    for (size_t s = 0; s < (size_t)c->batch; s++)
        for (size_t i = 0; i < count; i++) {
            double u = c->x[0][s * (size_t)nn_count(a) + partner(full, a, i)];
            double v = c->x[1][s * (size_t)nn_count(b) + partner(full, b, i)];
            c->y[s * count + i] = product ? u * v : u + v;
        }
}

static void add_forward(oracle_call *c)
{
    pairs(c, false);
}

static void mul_forward(oracle_call *c)
{
    pairs(c, true);
}

const oracle oracle_add = {"add", larger, NULL, add_forward, false};
const oracle oracle_mul = {"mul", larger, NULL, mul_forward, false};

/* ---- mean, max ---- */

/* Does the attribute "axes" name axis k? */
static bool named(const nn_node *n, int k)
{
    base_str text = {0};
    nn_attr_get(n, "axes", &text);
    bool is = text.s && strchr(text.s, '0' + k);
    base_str_free(&text);
    return is;
}

/* The shape of x with length 1 in the axes that are named. */
static nn_shape reduced(const nn_node *n)
{
    nn_shape s = n->in[0]->shape;
    for (int k = 0; k < s.n; k++)
        if (named(n, k)) s.d[k] = 1;
    return s;
}

static nn_shape reduced_shape(const nn_node *n)
{
    nn_shape s = n->in[0]->shape, out = {0};
    if (oracle_yes(n, "keep")) return reduced(n);
    for (int k = 0; k < s.n; k++)
        if (!named(n, k)) out.d[out.n++] = s.d[k];
    return out.n > 0 ? out : oracle_shape1(1);
}

static void mean_forward(oracle_call *c)
{
    nn_shape full = c->node->in[0]->shape, one = reduced(c->node);
    size_t count = (size_t)nn_count(full), results = (size_t)nn_count(one);
    for (size_t s = 0; s < (size_t)c->batch; s++)
        for (size_t i = 0; i < count; i++)
            c->y[s * results + partner(full, one, i)] +=
                c->x[0][s * count + i] * (double)results / (double)count;
}

static void max_forward(oracle_call *c)
{
    nn_shape full = c->node->in[0]->shape, one = reduced(c->node);
    size_t count = (size_t)nn_count(full), results = (size_t)nn_count(one);
    for (size_t i = 0; i < (size_t)c->batch * results; i++) c->y[i] = -(double)INFINITY;
    for (size_t s = 0; s < (size_t)c->batch; s++)
        for (size_t i = 0; i < count; i++) {
            double *y = &c->y[s * results + partner(full, one, i)], x = c->x[0][s * count + i];
            *y = isnan(*y) || isnan(x) ? (double)NAN : fmax(*y, x);
        }
}

const oracle oracle_mean = {"mean", reduced_shape, NULL, mean_forward, false};
const oracle oracle_max = {"max", reduced_shape, NULL, max_forward, false};
