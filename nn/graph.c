/* Graphs: nodes with names, shapes and parameters, built by calls; text.c builds them from text.
 * A graph owns its nodes (one arena). Errors are sticky: see nn/nn.h. */
#include "nn/graph.h"

#include "nn/attr.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int64_t nn_count(nn_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.n; i++) n *= s.d[i];
    return n;
}

bool nn_same_shape(nn_shape a, nn_shape b)
{
    return a.n == b.n && memcmp(a.d, b.d, (size_t)a.n * sizeof a.d[0]) == 0;
}

const char *nn_shape_text(nn_shape s, char buf[64])
{
    int at = 0;
    buf[0] = '\0';
    for (int i = 0; i < s.n; i++)
        at += snprintf(buf + at, 64 - (size_t)at, "%s%d", i ? "x" : "", s.d[i]);
    return buf;
}

nn_graph *nn_graph_new(void)
{
    nn_graph *g = calloc(1, sizeof *g);
    if (g) g->arena = base_arena_new();
    if (g && g->arena) return g;
    free(g);
    return NULL;
}

void nn_graph_free(nn_graph *g)
{
    if (!g) return;
    base_arena_free(g->arena);
    free(g->node);
    free(g);
}

int nn_graph_nodes(const nn_graph *g)
{
    return (int)g->n;
}

nn_node *nn_graph_node(const nn_graph *g, int i)
{
    return g->node[i];
}

nn_node *nn_graph_find(const nn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->node[i]->name, name) == 0) return g->node[i];
    return NULL;
}

nn_node *nn_graph_output(const nn_graph *g)
{
    return g->n > 0 ? g->node[g->n - 1] : NULL;
}

nn_node *nn_graph_input(const nn_graph *g, int k)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->node[i]->op->n_in == 0 && k-- == 0) return g->node[i];
    return NULL;
}

size_t nn_graph_params(const nn_graph *g)
{
    return g->n_params;
}

size_t nn_graph_trainable(const nn_graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        for (int k = 0; k < g->node[i]->n_params; k++)
            if (nn_role_trained(g->node[i]->param[k].role)) n += g->node[i]->param[k].count;
    return n;
}

base_status nn_graph_check(const nn_graph *g, base_err *err)
{
    if (g->err.status != BASE_OK) {
        if (err) *err = g->err;
        return g->err.status;
    }
    if (g->n == 0) return base_fail(err, BASE_USAGE, "graph has no nodes");
    return BASE_OK;
}

nn_cost nn_node_cost(const nn_node *n)
{
    nn_cost c = {.outputs = nn_count(n->shape)};
    c.pixels = n->shape.n == 3 ? (int64_t)n->shape.d[0] * n->shape.d[1] : 1;
    if (n->op->cost) n->op->cost(n, &c);
    return c;
}

nn_cost nn_graph_cost(const nn_graph *g)
{
    nn_cost sum = {0};
    for (size_t i = 0; i < g->n; i++) {
        nn_cost c = nn_node_cost(g->node[i]);
        sum.macs += c.macs;
        sum.outputs += c.outputs;
        sum.pixels += c.pixels;
        sum.weights += c.weights;
        sum.biases += c.biases;
    }
    return sum;
}

/* ---- building ---- */

void nn_declare(nn_node *n, const char *name, nn_shape shape, nn_role role, nn_init init,
                int fan_in, int fan_out)
{
    nn_param *p = &n->param[n->n_params++];
    *p = (nn_param){name, shape, role, init, fan_in, fan_out, 0, (size_t)nn_count(shape)};
}

static bool name_ok(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
    return n > 0 && s[n] == '\0' && n < NN_MAX_NAME && !(s[0] >= '0' && s[0] <= '9');
}

static base_status set_name(nn_node *n, const char *name, base_err *err)
{
    if (!name || !*name) {
        int k = 1;
        do snprintf(n->name, sizeof n->name, "%.30s_%d", n->op->name, k++);
        while (nn_graph_find(n->graph, n->name));
        return BASE_OK;
    }
    if (!name_ok(name))
        return base_fail(err, BASE_USAGE, "'%s' is no node name (letters, digits, _ and .)", name);
    if (nn_graph_find(n->graph, name))
        return base_fail(err, BASE_USAGE, "node name '%s' is used twice", name);
    snprintf(n->name, sizeof n->name, "%s", name);
    return BASE_OK;
}

static base_status set_inputs(nn_node *n, nn_node *const *in, int n_in, base_err *err)
{
    int most = n->op->n_in_most ? n->op->n_in_most : n->op->n_in;
    if (most > n->op->n_in && (n_in < n->op->n_in || n_in > most))
        return nn_op_fail(n, err, "takes %d to %d inputs, got %d", n->op->n_in, most, n_in);
    if (n_in < n->op->n_in || n_in > most)
        return nn_op_fail(n, err, "takes %d input%s, got %d", n->op->n_in,
                          n->op->n_in == 1 ? "" : "s", n_in);
    for (int k = 0; k < n_in; k++) n->in[k] = in[k];
    n->n_in = n_in;
    return BASE_OK;
}

/* The largest tensor that is taken for a keyword model rather than for a slip of the pen. */
enum { MAX_ELEMENTS = 1 << 28 };

static base_status check_size(const nn_node *n, base_err *err)
{
    char buf[64];
    for (int k = -1; k < n->n_params; k++) {
        nn_shape s = k < 0 ? n->shape : n->param[k].shape;
        double count = 1;
        for (int i = 0; i < s.n; i++) count *= s.d[i];
        if (count > MAX_ELEMENTS || count < 1)
            return nn_op_fail(n, err, "%s has shape %s: 1 to %d elements are possible",
                              k < 0 ? "output" : n->param[k].name, nn_shape_text(s, buf),
                              MAX_ELEMENTS);
    }
    return BASE_OK;
}

static base_status make_node(nn_graph *g, const nn_op *op, const char *name, nn_node *const *in,
                             int n_in, const char *attrs, const nn_node *like, base_err *err)
{
    nn_node *n = base_arena_alloc(g->arena, 1, sizeof *n), **nodes = g->node;
    if (!n || !base_grow((void **)&nodes, &g->cap, g->n + 1, sizeof *nodes))
        return base_nomem(err, sizeof *n);
    g->node = nodes;
    n->op = op;
    n->graph = g;
    n->index = (int)g->n;
    n->line = g->line;
    if (op->attr_size > 0 && !(n->attrs = base_arena_alloc(g->arena, 1, op->attr_size)))
        return base_nomem(err, op->attr_size);
    BASE_TRY(set_name(n, name, err));
    if (like && op->attr_size > 0) memcpy(n->attrs, like->attrs, op->attr_size);
    BASE_TRY(nn_attrs_parse(n, attrs, !like, err));
    BASE_TRY(set_inputs(n, in, n_in, err));
    BASE_TRY(op->shape(n, err));
    BASE_TRY(check_size(n, err));
    for (int k = 0; k < n->n_params; k++) {
        n->param[k].offset = g->n_params;
        g->n_params += n->param[k].count;
    }
    g->node[g->n++] = n;
    return BASE_OK;
}

nn_node *nn_graph_add(nn_graph *g, const char *op_name, const char *name, nn_node *const *in,
                      int n_in, const char *attrs, const nn_node *like)
{
    if (g->err.status != BASE_OK) return NULL;
    for (int k = 0; k < n_in; k++)
        if (!in[k]) return NULL;
    const nn_op *op = nn_op_find(op_name);
    base_err err = {0};
    if (!op) {
        const char *near = nn_op_nearest(op_name);
        base_fail(&err, BASE_USAGE, "unknown operator '%s'", op_name);
        if (near) base_hint(&err, "did you mean '%s'?", near);
    } else if (make_node(g, op, name, in, n_in, attrs, like, &err) == BASE_OK) {
        return nn_graph_output(g);
    }
    g->err = err;
    return NULL;
}

static nn_node *add_va(nn_graph *g, const char *op, const char *name, nn_node *const *in, int n_in,
                       const char *fmt, va_list ap)
{
    char attrs[512];
    int length = vsnprintf(attrs, sizeof attrs, fmt, ap);
    if (length >= 0 && (size_t)length < sizeof attrs)
        return nn_graph_add(g, op, name, in, n_in, attrs, NULL);
    if (g->err.status == BASE_OK)
        base_fail(&g->err, BASE_USAGE, "%s '%s': attributes of %d characters", op, name ? name : "",
                  length);
    return NULL;
}

nn_node *nn_append(nn_graph *g, const char *op, const char *name, nn_node *const *in, int n_in,
                   const char *attrs, ...)
{
    va_list ap;
    va_start(ap, attrs);
    nn_node *n = add_va(g, op, name, in, n_in, attrs, ap);
    va_end(ap);
    return n;
}

nn_node *nn_append1(const char *op, nn_node *x, const char *name, const char *attrs, ...)
{
    if (!x) return NULL;
    va_list ap;
    va_start(ap, attrs);
    nn_node *n = add_va(x->graph, op, name, &x, 1, attrs, ap);
    va_end(ap);
    return n;
}

nn_node *nn_append2(const char *op, nn_node *x, nn_node *y, const char *name, const char *attrs,
                    ...)
{
    if (!x || !y) return NULL;
    va_list ap;
    va_start(ap, attrs);
    nn_node *n = add_va(x->graph, op, name, (nn_node *[]){x, y}, 2, attrs, ap);
    va_end(ap);
    return n;
}

nn_node *nn_append3(const char *op, nn_node *x, nn_node *y, nn_node *z, const char *name,
                    const char *attrs, ...)
{
    if (!x || !y || !z) return NULL;
    va_list ap;
    va_start(ap, attrs);
    nn_node *n = add_va(x->graph, op, name, (nn_node *[]){x, y, z}, 3, attrs, ap);
    va_end(ap);
    return n;
}

nn_node *nn_copy(nn_graph *g, const nn_node *n, nn_node *const *in, const char *changes)
{
    return nn_graph_add(g, n->op->name, n->name, in, n->n_in, changes, n);
}
