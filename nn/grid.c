/* See nn/grid.h. */
#include "nn/grid.h"

static bool broadcast(nn_shape a, nn_shape b, nn_shape *full)
{
    *full = a;
    if (a.n != b.n) return false;
    for (int i = 0; i < a.n; i++) {
        if (a.d[i] != b.d[i] && a.d[i] != 1 && b.d[i] != 1) return false;
        if (b.d[i] > a.d[i]) full->d[i] = b.d[i];
    }
    return true;
}

/* Strides of a tensor of shape s along the axes of full, batch first. */
static void strides(nn_shape s, nn_shape full, int64_t *out)
{
    int64_t stride = 1;
    for (int i = full.n - 1; i >= 0; i--) {
        out[i + 1] = s.d[i] == full.d[i] ? stride : 0;
        stride *= s.d[i];
    }
    out[0] = stride;
}

nn_grid nn_grid_of(int batch, nn_shape full, nn_shape a, nn_shape b)
{
    nn_grid g = {.n = full.n + 1, .d = {batch}};
    for (int i = 0; i < full.n; i++) g.d[i + 1] = full.d[i];
    strides(a, full, g.a);
    strides(b, full, g.b);
    int to = 0; /* join each axis to the one before where a and b allow it */
    for (int i = 1; i < g.n; i++) {
        bool joins = g.a[to] == g.a[i] * g.d[i] && g.b[to] == g.b[i] * g.d[i];
        if (g.d[to] == 1 || joins)
            g.d[to] *= g.d[i];
        else
            g.d[++to] = g.d[i];
        g.a[to] = g.a[i];
        g.b[to] = g.b[i];
    }
    g.n = to + 1;
    return g;
}

base_status nn_grid_pair_shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    if (broadcast(n->in[0]->shape, n->in[1]->shape, &n->shape)) return BASE_OK;
    return nn_op_fail(n, err, "shapes differ: '%s' is %s, '%s' is %s", n->in[0]->name,
                      nn_shape_text(n->in[0]->shape, a), n->in[1]->name,
                      nn_shape_text(n->in[1]->shape, b));
}

nn_grid nn_grid_pair(const nn_node *n, int batch)
{
    return nn_grid_of(batch, n->shape, n->in[0]->shape, n->in[1]->shape);
}

void nn_grid_blocks(const nn_grid *g, void (*visit)(void *ctx, nn_block b), void *ctx)
{
    int64_t at[NN_MAX_DIMS + 1] = {0};
    int last = g->n - 1, outer = g->n - 3;
    nn_block b = {.rows = 1, .n = g->d[last], .step_a = g->a[last], .step_b = g->b[last]};
    if (last > 0) b.rows = g->d[last - 1], b.row_a = g->a[last - 1], b.row_b = g->b[last - 1];
    for (;;) {
        visit(ctx, b);
        b.y += b.rows * b.n;
        int i = outer;
        for (; i >= 0; i--) {
            b.a += g->a[i];
            b.b += g->b[i];
            if (++at[i] < g->d[i]) break;
            b.a -= g->a[i] * g->d[i];
            b.b -= g->b[i] * g->d[i];
            at[i] = 0;
        }
        if (i < 0) return;
    }
}
