/* wide: 16-bit activations of chosen layers. Which layers, the scales of their values, and the
 * layers that convert between 8 and 16 bits.
 */
#include "nn/lower.h"
#include "quantize/internal.h"
#include "quantize/runtime/clip_i16.h"
#include "quantize/runtime/narrow.h"
#include "quantize/runtime/widen.h"

#include <math.h>
#include <string.h>

/* ---- kernels ---- */

static void run_widen(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_widen(p, x[0], nn_q8_y16(y));
}

static const nn_q8_field widen_fields[] = {
    NN_Q8_INT_OF(sotto_widen_t, n),
    NN_Q8_INT_OF(sotto_widen_t, zero),
};

static const nn_q8_kernel widen_kernel = {
    .name = "sotto_widen",
    .header = "widen.h",
    .n_in = 1,
    .size = sizeof(sotto_widen_t),
    .fields = widen_fields,
    .n_fields = BASE_COUNT(widen_fields),
    .run = run_widen,
};

static void run_narrow(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_narrow(p, nn_q8_x16(x[0]), y);
}

static const nn_q8_field narrow_fields[] = {
    NN_Q8_INT_OF(sotto_narrow_t, n),
    NN_Q8_INT_OF(sotto_narrow_t, zero),
    NN_Q8_INT_OF(sotto_narrow_t, multiplier),
    NN_Q8_INT_OF(sotto_narrow_t, shift),
};

static const nn_q8_kernel narrow_kernel = {
    .name = "sotto_narrow",
    .header = "narrow.h",
    .n_in = 1,
    .size = sizeof(sotto_narrow_t),
    .fields = narrow_fields,
    .n_fields = BASE_COUNT(narrow_fields),
    .run = run_narrow,
};

static void run_clip(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_clip_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_field clip_fields[] = {
    NN_Q8_INT_OF(sotto_clip_i16_t, n),
    NN_Q8_INT_OF(sotto_clip_i16_t, lo),
    NN_Q8_INT_OF(sotto_clip_i16_t, hi),
};

const nn_q8_kernel q8_clip_i16_kernel = {
    .name = "sotto_clip_i16",
    .header = "clip_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_clip_i16_t),
    .fields = clip_fields,
    .n_fields = BASE_COUNT(clip_fields),
    .run = run_clip,
    .in_place = true,
};

/* The 8-bit end of a conversion. */
static base_status check(const nn_node *n, nn_quant q, base_err *err)
{
    if (q.scale > 0.0 && isfinite(q.scale) && q.zero >= -128 && q.zero <= 127) return BASE_OK;
    return nn_op_fail(n, err, "it has no usable quantization: scale %g, zero point %d", q.scale,
                      q.zero);
}

base_status q8_lower_widen(const nn_node *n, const nn_q8_context *c, nn_q8_layer *l, base_err *err)
{
    BASE_TRY(check(n, c->in[0], err));
    sotto_widen_t *p = nn_q8_layer_new(&widen_kernel, c, l);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_widen_t){(int32_t)nn_count(n->shape), c->in[0].zero};
    return BASE_OK;
}

base_status q8_lower_narrow(const nn_node *n, const nn_q8_context *c, nn_q8_layer *l, base_err *err)
{
    BASE_TRY(check(n, c->out, err));
    sotto_narrow_t *p = nn_q8_layer_new(&narrow_kernel, c, l);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_narrow_t){.n = (int32_t)nn_count(n->shape), .zero = c->out.zero};
    if (nn_q8_multiplier(c->in[0].scale / c->out.scale, &p->multiplier, &p->shift)) return BASE_OK;
    return nn_op_fail(n, err, "cannot be requantized: scales %g to %g", c->in[0].scale,
                      c->out.scale);
}

/* ---- which layers ---- */

bool q8_has_wide(const nn_node *n)
{
    return n->op->clamp || (n->op->flags & NN_WIDE);
}

base_status q8_no_wide(const nn_node *n, base_err *err)
{
    nn_op_fail(n, err, "%s has no 16-bit form", n->op->name);
    return base_hint(err, "leave it at 8 bits: its inputs and outputs are converted");
}

static base_status no_node(const nn_graph *g, const char *name, const char *option, base_arena *a,
                           base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(g);
    const char **names = base_arena_alloc(a, n, sizeof *names);
    if (!names) return base_nomem(err, n);
    for (size_t i = 0; i < n; i++) names[i] = nn_graph_node(g, (int)i)->name;
    const char *near = base_nearest(name, names, n);
    base_fail(err, BASE_USAGE, "%s: there is no layer '%s'", option, name);
    return near ? base_hint(err, "did you mean '%s'?", near)
                : base_hint(err, "the layers are those of --explain");
}

base_status q8_choose(const nn_graph *g, const char *option, const char *text, base_arena *arena,
                      int *all, int *of, base_err *err)
{
    char *item = base_arena_printf(arena, "%s", text);
    if (!item) return base_nomem(err, strlen(text));
    *all = 0;
    for (char *end; item; item = end) {
        int64_t bits = 0;
        end = strchr(item, ',');
        if (end) *end++ = 0;
        char *number = strchr(item, '=');
        if (number) *number++ = 0;
        if (!base_parse_int(number ? number : item, 1, 64, &bits)) {
            base_fail(err, BASE_USAGE, "%s: '%s' is no number of bits", option,
                      number ? number : item);
            return base_hint(err, "as in %s 16 or %s c1=16,p1=16", option, option);
        }
        const nn_node *n = number ? nn_graph_find(g, item) : NULL;
        if (number && !n) return no_node(g, item, option, arena, err);
        *(n ? &of[n->index] : all) = (int)bits;
    }
    return BASE_OK;
}

base_status q8_choose_wide(const nn_graph *g, const char *text, base_arena *arena, bool *wide,
                           base_err *err)
{
    q8_chains c;
    int all = 0, *bits = base_arena_alloc(arena, (size_t)nn_graph_nodes(g), sizeof *bits);
    if (!bits) return base_nomem(err, (size_t)nn_graph_nodes(g));
    BASE_TRY(q8_chains_make(g, arena, &c, err));
    BASE_TRY(q8_choose(g, "--activations", text, arena, &all, bits, err));
    for (int i = -1; i < nn_graph_nodes(g); i++) {
        const int b = i < 0 ? all : bits[i];
        if (b == 0 || b == 8 || b == 16) continue;
        base_fail(err, BASE_USAGE, "--activations: %d bits of '%s'", b,
                  i < 0 ? "all" : nn_graph_node(g, i)->name);
        return base_hint(err, "activations have 8 or 16 bits");
    }
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *head = nn_graph_node(g, c.head[i]);
        if (!c.live[i] || head->n_in == 0) continue;
        if (bits[i] == 16 && !q8_has_wide(head)) return q8_no_wide(head, err);
        if (bits[i])
            wide[head->index] = bits[i] == 16;
        else if (head->index == i)
            wide[i] = all == 16 && q8_has_wide(head);
    }
    return BASE_OK;
}

/* ---- scales ---- */

typedef struct reach {
    double *of; /* largest magnitude of each node's values */
} reach;

static void see(void *ctx, const nn_node *n, const nn_real *y, int samples)
{
    const reach *r = ctx;
    const size_t count = (size_t)samples * (size_t)nn_count(n->shape);
    for (size_t i = 0; i < count; i++) r->of[n->index] = fmax(r->of[n->index], fabs((double)y[i]));
}

static base_status find_reach(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                              size_t n, reach *r, base_err *err)
{
    enum { BATCH = 32 };
    const size_t in = (size_t)nn_count(nn_graph_input(g, 0)->shape);
    nn_net *net = NULL;
    BASE_TRY(nn_net_new(g, (nn_net_options){.batch = BATCH, .shards = 1}, &net, err));
    memcpy(nn_net_weights(net), weights, nn_graph_params(g) * sizeof *weights);
    for (size_t i = 0; i < n; i += BATCH) {
        const nn_real *x = inputs + i * in;
        nn_net_observe(net, &x, n - i < BATCH ? (int)(n - i) : BATCH, NULL, see, r);
    }
    nn_net_free(net);
    return BASE_OK;
}

/* Values of other clips go further than those seen: one of 15 bits is left to them. */
base_status q8_wide_scales(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                           size_t n, const bool *wide, base_arena *arena, double *scale,
                           base_err *err)
{
    const size_t nodes = (size_t)nn_graph_nodes(g);
    q8_chains c;
    reach r = {base_arena_alloc(arena, nodes, sizeof *r.of)};
    if (!r.of) return base_nomem(err, nodes * sizeof *r.of);
    BASE_TRY(q8_chains_make(g, arena, &c, err));
    BASE_TRY(find_reach(g, weights, inputs, n, &r, err));
    for (size_t i = 0; i < nodes; i++) {
        const double most = r.of[c.range[c.head[i]]];
        if (wide[i]) scale[i] = most > 0.0 ? (double)(float)(2.0 * most / 32767.0) : 1.0;
    }
    return BASE_OK;
}

base_status q8_refuse_wide(const q8_model *m, const char *format, base_err *err)
{
    for (int i = 0; i < m->n_layers; i++) {
        const q8_layer *l = &m->layers[i];
        if (!m->values[i + 1].wide || l->converts) continue;
        nn_op_fail(nn_graph_node(m->folded.graph, l->node), err,
                   "16-bit activations have no %s form here", format);
        return base_hint(err, "quantize without --activations, or leave '%s' at 8 bits", l->name);
    }
    return BASE_OK;
}
