/* simulate: quantization-aware training starts from a folded model that knows where int8 rounds,
 * and ends in one whose ranges are taken as they are. Int8 rounds once a chain, behind its last
 * node.
 */
#include "quantize/internal.h"

#include <stdlib.h>
#include <string.h>

/* Of all nodes only the ends of chains keep their quantization. */
static base_status keep_ends(const nn_graph *g, nn_quant *quant, base_err *err)
{
    base_arena *arena = base_arena_new();
    q8_chains c;
    base_status status = arena ? q8_chains_make(g, arena, &c, err) : base_nomem(err, 1);
    for (int i = 0; status == BASE_OK && i < nn_graph_nodes(g); i++)
        if (!c.live[i] || c.tail[c.head[i]] != i) quant[i] = (nn_quant){0};
    base_arena_free(arena);
    return status;
}

static base_status simulated(const nn_model *m, const nn_real *inputs, size_t n, q8_options o,
                             nn_model *start, base_err *err)
{
    BASE_TRY(q8_fold(m->graph, m->weights, &start->graph, &start->weights, err));
    BASE_TRY(q8_copy_text(m, NULL, start, err));
    BASE_TRY(q8_weight_bits(m, start->graph, o, &start->weight_bits, err));
    start->rounds_once = o.rounding == Q8_SINGLE;
    const size_t nodes = (size_t)nn_graph_nodes(start->graph);
    start->quant = base_alloc(nodes, sizeof *start->quant);
    if (!start->quant) return base_nomem(err, nodes * sizeof *start->quant);
    if (o.equalize) BASE_TRY(q8_equalize(start->graph, start->weights, inputs, n, NULL, err));
    BASE_TRY(q8_calibrate(start->graph, start->weights, inputs, n, o, start->quant, err));
    return keep_ends(start->graph, start->quant, err);
}

base_status q8_simulated(const nn_model *m, const nn_real *inputs, size_t n, q8_options o,
                         nn_model **start, base_err *err)
{
    *start = calloc(1, sizeof **start);
    if (!*start) return base_nomem(err, sizeof **start);
    const base_status status = simulated(m, inputs, n, o, *start, err);
    if (status == BASE_OK) return BASE_OK;
    nn_model_free(*start);
    *start = NULL;
    return status;
}

/* The quantization of a chain's end for all of its nodes. */
static base_status fill(const nn_graph *g, const q8_chains *c, const nn_quant *of_end,
                        nn_quant *quant, base_err *err)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const int end = c->tail[c->head[i]];
        if (!c->live[i]) continue;
        if (!(of_end[end].scale > 0))
            return base_fail(err, BASE_DATA, "the model was trained without a range for '%s'",
                             nn_graph_node(g, end)->name);
        quant[i] = of_end[end];
    }
    return BASE_OK;
}

base_status q8_quant_of_ends(const nn_graph *g, const nn_quant *of_end, nn_quant *quant,
                             base_err *err)
{
    base_arena *arena = base_arena_new();
    q8_chains c;
    base_status status = arena ? q8_chains_make(g, arena, &c, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = fill(g, &c, of_end, quant, err);
    base_arena_free(arena);
    return status;
}

base_status q8_trained_quant(const nn_model *m, const nn_graph *g, nn_quant *quant, base_err *err)
{
    const int nodes = nn_graph_nodes(g);
    nn_quant *of_end = base_alloc((size_t)nodes, sizeof *of_end);
    if (!of_end) return base_nomem(err, (size_t)nodes * sizeof *of_end);
    for (int i = 0; i < nodes; i++) {
        const nn_node *n = nn_graph_find(m->graph, nn_graph_node(g, i)->name);
        if (n) of_end[i] = m->quant[n->index];
    }
    const base_status status = q8_quant_of_ends(g, of_end, quant, err);
    base_free(of_end);
    return status;
}

/* ---- averaged ranges ---- */

/* Between two: both ends of the range. */
static nn_quant between(nn_quant a, nn_quant b, double share)
{
    const double lo = (1 - share) * a.scale * (-128 - a.zero) + share * b.scale * (-128 - b.zero);
    const double hi = (1 - share) * a.scale * (127 - a.zero) + share * b.scale * (127 - b.zero);
    return q8_quant_of_range(lo, hi);
}

base_status q8_move_ranges(const nn_graph *g, const nn_real *weights, const nn_real *inputs,
                           size_t n, q8_options o, double share, nn_quant *quant, base_err *err)
{
    const int nodes = nn_graph_nodes(g);
    nn_quant *now = base_alloc((size_t)nodes, sizeof *now);
    if (!now) return base_nomem(err, (size_t)nodes * sizeof *now);
    const base_status status = q8_calibrate(g, weights, inputs, n, o, now, err);
    for (int i = 0; status == BASE_OK && i < nodes; i++)
        if (quant[i].scale > 0) quant[i] = between(quant[i], now[i], share);
    base_free(now);
    return status;
}
