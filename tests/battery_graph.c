/* Checks of what an operator says about itself: text, shapes, parameters, cost, descriptor. */
#include "tests/battery.h"

#include "tests/oracle.h"

#include <stdlib.h>
#include <string.h>

static nn_graph *parsed(const char *text, base_str *why)
{
    base_err err = {0};
    nn_graph *g = NULL;
    if (nn_parse(text, "case", &g, &err) == BASE_OK) return g;
    base_str_add(why, "does not parse: %s (%s)\n", err.message, text);
    return NULL;
}

/* ---- text ---- */

static void same_attributes(const nn_node *a, const nn_node *b, base_str *why)
{
    for (int k = 0; k < a->op->n_attrs; k++) {
        base_str s = {0}, t = {0};
        const char *key = a->op->attrs[k].key;
        if (!nn_attr_get(a, key, &s) || !nn_attr_get(b, key, &t) || strcmp(s.s, t.s) != 0)
            base_str_add(why, "'%s': %s=%s became %s\n", a->name, key, s.s, t.s);
        base_str_free(&s);
        base_str_free(&t);
    }
}

static void same_graph(const nn_graph *a, const nn_graph *b, base_str *why)
{
    if (nn_graph_nodes(a) != nn_graph_nodes(b)) base_str_add(why, "number of nodes changed\n");
    for (int i = 0; i < nn_graph_nodes(a) && i < nn_graph_nodes(b); i++) {
        const nn_node *m = nn_graph_node(a, i), *n = nn_graph_node(b, i);
        if (strcmp(m->name, n->name) != 0 || m->op != n->op || m->n_in != n->n_in)
            base_str_add(why, "'%s' became '%s'\n", m->name, n->name);
        for (int k = 0; k < m->n_in && k < n->n_in; k++)
            if (m->in[k]->index != n->in[k]->index)
                base_str_add(why, "'%s' has another input %d\n", m->name, k);
        if (!nn_same_shape(m->shape, n->shape))
            base_str_add(why, "'%s' has another shape\n", m->name);
        if (m->op == n->op) same_attributes(m, n, why);
    }
}

/* print(parse(text)) parses to the same graph and prints to the same bytes. */
void battery_text(const battery_case *c, base_str *why)
{
    base_str first = {0}, second = {0};
    nn_graph *g = parsed(c->text, why), *again = NULL;
    if (g) {
        nn_print(g, &first);
        again = parsed(first.s, why);
    }
    if (again) {
        nn_print(again, &second);
        if (strcmp(first.s, second.s) != 0)
            base_str_add(why, "print is no fixed point:\n%s---\n%s", first.s, second.s);
        same_graph(g, again, why);
    }
    base_str_free(&first);
    base_str_free(&second);
    nn_graph_free(g);
    nn_graph_free(again);
}

/* ---- shapes and parameters ---- */

static void compare_shape(const nn_node *n, const char *what, nn_shape a, nn_shape b, base_str *why)
{
    char s[64], t[64];
    if (!nn_same_shape(a, b))
        base_str_add(why, "'%s': shape of %s is %s, expected %s\n", n->name, what,
                     nn_shape_text(a, s), nn_shape_text(b, t));
}

void battery_shapes(const battery_case *c, base_str *why)
{
    nn_graph *g = parsed(c->text, why);
    for (int i = 0; g && i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        const oracle *o = oracle_find(n->op->name);
        if (o) compare_shape(n, "y", n->shape, o->shape(n), why);
    }
    nn_graph_free(g);
}

static size_t node_params(const nn_node *n, bool trainable, base_str *why)
{
    const oracle *o = oracle_find(n->op->name);
    oracle_param p[NN_MAX_PARAMS];
    int many = o && o->params ? o->params(n, p) : 0;
    if (many != n->n_params)
        base_str_add(why, "'%s' has %d parameters, expected %d\n", n->name, n->n_params, many);
    size_t sum = 0;
    for (int k = 0; k < many && k < n->n_params; k++) {
        const nn_param *q = &n->param[k];
        if (strcmp(p[k].name, q->name) != 0 || p[k].role != q->role)
            base_str_add(why, "'%s': parameter %d is '%s', expected '%s'\n", n->name, k, q->name,
                         p[k].name);
        compare_shape(n, q->name, q->shape, p[k].shape, why);
        if (q->count != (size_t)nn_count(q->shape))
            base_str_add(why, "'%s': '%s' counts %zu\n", n->name, q->name, q->count);
        if (!trainable || nn_role_trained(q->role)) sum += (size_t)nn_count(p[k].shape);
    }
    return sum;
}

/* Marks the elements of a parameter as taken; they must lie in the block and be free. */
static void take(const nn_node *n, const nn_param *p, char *taken, size_t size, base_str *why)
{
    if (p->offset + p->count > size) {
        base_str_add(why, "'%s': '%s' leaves the block of parameters\n", n->name, p->name);
        return;
    }
    for (size_t i = p->offset; i < p->offset + p->count; i++) {
        if (taken[i]) base_str_add(why, "'%s': '%s' overlaps another\n", n->name, p->name);
        if (taken[i]) return;
        taken[i] = 1;
    }
}

void battery_params(const battery_case *c, base_str *why)
{
    nn_graph *g = parsed(c->text, why);
    if (!g) return;
    size_t all = 0, trainable = 0;
    char *taken = calloc(nn_graph_params(g) + 1, 1);
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        all += node_params(n, false, why);
        trainable += node_params(n, true, why);
        for (int k = 0; k < n->n_params; k++) take(n, &n->param[k], taken, nn_graph_params(g), why);
    }
    if (nn_graph_params(g) != all || nn_graph_trainable(g) != trainable)
        base_str_add(why, "graph has %zu parameters, %zu trainable; expected %zu, %zu\n",
                     nn_graph_params(g), nn_graph_trainable(g), all, trainable);
    free(taken);
    nn_graph_free(g);
}

/* ---- cost ---- */

static int64_t count_role(const nn_node *n, nn_role role)
{
    int64_t sum = 0;
    for (int k = 0; k < n->n_params; k++)
        if (n->param[k].role == role) sum += nn_count(n->param[k].shape);
    return sum;
}

static void compare_count(const char *what, int64_t is, int64_t expected, base_str *why)
{
    if (is != expected)
        base_str_add(why, "cost: %s is %lld, expected %lld\n", what, (long long)is,
                     (long long)expected);
}

/* MACs as the oracle counted them while computing. */
void battery_cost(const battery_case *c, base_str *why)
{
    rig r;
    if (!rig_open(&r, c, 1, false, why)) return;
    int64_t macs = 0;
    if (r.n->n_in > 0) free(rig_oracle(&r, NULL, &macs));
    nn_cost cost = nn_node_cost(r.n);
    nn_shape s = r.n->shape;
    compare_count("macs", cost.macs, macs, why);
    compare_count("outputs", cost.outputs, r.n->n_in > 0 ? nn_count(s) : cost.outputs, why);
    if (s.n == 3 && r.n->n_in > 0)
        compare_count("pixels", cost.pixels, (int64_t)s.d[0] * s.d[1], why);
    if (count_role(r.n, NN_WEIGHT) > 0) {
        compare_count("weights", cost.weights, count_role(r.n, NN_WEIGHT), why);
        compare_count("biases", cost.biases, count_role(r.n, NN_BIAS), why);
    }
    nn_cost sum = {0}, all = nn_graph_cost(r.g);
    for (int i = 0; i < nn_graph_nodes(r.g); i++) {
        nn_cost one = nn_node_cost(nn_graph_node(r.g, i));
        sum.macs += one.macs, sum.outputs += one.outputs, sum.weights += one.weights;
    }
    compare_count("macs of the graph", all.macs, sum.macs, why);
    compare_count("outputs of the graph", all.outputs, sum.outputs, why);
    compare_count("weights of the graph", all.weights, sum.weights, why);
    rig_close(&r);
}

/* ---- descriptor ---- */

static void descriptor_lowering(const nn_op *op, base_str *why)
{
    int ways = (op->lower || op->affine) + (op->clamp != NULL);
    bool deployed = op->n_in > 0 && !(op->flags & (NN_LOSS | NN_IDENTITY));
    if (deployed && ways > 1) base_str_add(why, "has clamp beside lower or affine\n");
    if (!deployed && ways != 0) base_str_add(why, "is never deployed, but can be lowered\n");
}

static void descriptor_attributes(const nn_op *op, base_str *why)
{
    for (int k = 0; k < op->n_attrs; k++) {
        const nn_attr *a = &op->attrs[k];
        if (!a->key || !a->help || !*a->help) base_str_add(why, "attribute %d has no help\n", k);
        if (a->offset >= op->attr_size)
            base_str_add(why, "attribute %d lies outside its struct\n", k);
        bool number = a->type == NN_INT || a->type == NN_PAIR || a->type == NN_REAL;
        if (number && !(a->lo < a->hi)) base_str_add(why, "attribute %s has no range\n", a->key);
    }
}

/* Does any case declare weights, which an inference reads? */
static bool has_weights(const nn_op *op, base_str *why)
{
    bool yes = false;
    for (int i = 0; i < op->n_cases; i++) {
        nn_graph *g = parsed(op->cases[i], why);
        if (!g) continue;
        if (strcmp(nn_graph_output(g)->op->name, op->name) != 0)
            base_str_add(why, "case %d does not end in %s\n", i, op->name);
        yes = yes || count_role(nn_graph_output(g), NN_WEIGHT) > 0;
        nn_graph_free(g);
    }
    return yes;
}

/* A state goes with a stream, and some case has one. */
static void descriptor_stream(const nn_op *op, base_str *why)
{
    bool streams = false;
    if (!op->state != !op->stream) base_str_add(why, "has one of state and stream\n");
    for (int i = 0; op->state && i < op->n_cases; i++) {
        nn_graph *g = parsed(op->cases[i], why);
        streams = streams || (g && op->state(nn_graph_output(g)) > 0);
        nn_graph_free(g);
    }
    if (op->state && !streams) base_str_add(why, "has a state, but no case that streams\n");
}

void battery_descriptor(const nn_op *op, base_str *why)
{
    if (!op->summary || !*op->summary) base_str_add(why, "has no summary\n");
    if (op->n_cases < 1 || !op->cases) base_str_add(why, "has no case\n");
    if (!op->shape) base_str_add(why, "has no shape\n");
    if (op->n_in > 0 && (!op->forward || !op->backward))
        base_str_add(why, "has no forward or no backward\n");
    const oracle *o = oracle_find(op->name);
    if (!o) base_str_add(why, "has no oracle in tests/oracle.c\n");
    if (o && op->n_in > 0 && !o->forward) base_str_add(why, "has no forward in its oracle\n");
    if (has_weights(op, why) && !op->cost) base_str_add(why, "has weights, but no cost\n");
    descriptor_lowering(op, why);
    descriptor_stream(op, why);
    descriptor_attributes(op, why);
}
