/* model: an int8 model from a float one, and its life. */
#include "quantize/internal.h"

#include <stdlib.h>
#include <string.h>

const char *q8_rounding_name(q8_rounding r)
{
    static const char *const names[Q8_ROUNDINGS] = {"tflm", "single"};
    return names[r];
}

void q8_model_free(q8_model *m)
{
    if (!m) return;
    nn_model_clear(&m->folded);
    base_arena_free(m->arena);
    free(m);
}

/* A list of strings as nn_model keeps it: one block, freed with free(). */
static char **copy_list(char *const *list, size_t n)
{
    size_t bytes = (n + 1) * sizeof(char *);
    for (size_t i = 0; i < n; i++) bytes += strlen(list[i]) + 1;
    char **copy = calloc(1, bytes);
    if (!copy) return NULL;
    char *at = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(list[i]) + 1;
        copy[i] = memcpy(at, list[i], length);
        at += length;
    }
    return copy;
}

static base_status copy_stats(const nn_model *from, nn_model *to, base_err *err)
{
    const size_t n = from->n_stats;
    if (!from->mean) return BASE_OK;
    to->mean = base_alloc(n, sizeof *to->mean);
    to->std = base_alloc(n, sizeof *to->std);
    if (!to->mean || !to->std) return base_nomem(err, n * sizeof *to->mean);
    memcpy(to->mean, from->mean, n * sizeof *to->mean);
    memcpy(to->std, from->std, n * sizeof *to->std);
    to->n_stats = n;
    return BASE_OK;
}

/* Everything of a model but graph and weights. */
base_status q8_copy_text(const nn_model *from, const char *calibration, nn_model *to, base_err *err)
{
    base_str provenance = {0};
    base_str_add(&provenance, "%s%s", from->provenance ? from->provenance : "",
                 calibration ? calibration : "");
    to->provenance = provenance.s;
    to->features = base_strdup(from->features ? from->features : "");
    to->labels = copy_list(from->labels, from->n_labels);
    to->n_labels = from->n_labels;
    if (provenance.failed || !to->features || !to->labels) return base_nomem(err, provenance.len);
    return copy_stats(from, to, err);
}

base_status q8_pick_golden(q8_model *q, const nn_real *inputs, size_t n, base_err *err)
{
    enum { CLIPS = 6, NOISE = 2 };
    const size_t size = q8_input_size(q), clips = n < CLIPS ? n : CLIPS;
    q->n_golden = clips + NOISE;
    q->golden = base_arena_alloc(q->arena, q->n_golden * size, 1);
    float *x = base_arena_alloc(q->arena, size, sizeof *x);
    if (!q->golden || !x) return base_nomem(err, q->n_golden * size);
    for (size_t c = 0; c < clips; c++) {
        for (size_t i = 0; i < size; i++) x[i] = (float)inputs[c * (n / clips) * size + i];
        q8_quantize_input(q, x, q->golden + c * size);
    }
    base_rng r = base_rng_at(0, BASE_RNG_SELECT, 0, 0);
    for (size_t i = clips * size; i < q->n_golden * size; i++)
        q->golden[i] = (int8_t)((int)base_rng_below(&r, 256) - 128);
    return BASE_OK;
}

/* Which layers are wide, and what follows for their scales. */
static base_status widen(q8_model *q, const nn_real *inputs, size_t n, const char *activations,
                         base_err *err)
{
    const nn_graph *g = q->folded.graph;
    const size_t nodes = (size_t)nn_graph_nodes(g);
    bool *wide = base_arena_alloc(q->arena, nodes, sizeof *wide), any = false;
    if (!wide) return base_nomem(err, nodes);
    BASE_TRY(q8_choose_wide(g, activations, q->arena, wide, err));
    for (size_t i = 0; i < nodes; i++) any |= wide[i];
    if (!any) return BASE_OK;
    q->wide = base_arena_alloc(q->arena, nodes, sizeof *q->wide);
    if (!q->wide) return base_nomem(err, nodes * sizeof *q->wide);
    for (size_t i = 0; i < nodes && q->folded.weight_bits; i++)
        if (wide[i]) q->folded.weight_bits[i] = 8; /* they have no packed form */
    return q8_wide_scales(g, q->folded.weights, inputs, n, wide, q->arena, q->wide, err);
}

static base_status quantize(q8_model *q, const nn_model *m, const nn_real *inputs, size_t n,
                            q8_options o, const char *calibration, base_err *err)
{
    q->arena = base_arena_new();
    q->rounding = !m->quant ? o.rounding : m->rounds_once ? Q8_SINGLE : Q8_TFLM;
    if (!q->arena) return base_nomem(err, 1);
    BASE_TRY(q8_fold(m->graph, m->weights, &q->folded.graph, &q->folded.weights, err));
    BASE_TRY(q8_copy_text(m, calibration, &q->folded, err));
    const size_t nodes = (size_t)nn_graph_nodes(q->folded.graph);
    q->quant = base_arena_alloc(q->arena, nodes, sizeof *q->quant);
    if (!q->quant) return base_nomem(err, nodes * sizeof *q->quant);
    const nn_graph *g = q->folded.graph;
    BASE_TRY(q8_weight_bits(m, g, o, &q->folded.weight_bits, err));
    if (o.like) {
        memcpy(q->folded.weights, o.like->folded.weights,
               nn_graph_params(g) * sizeof *q->folded.weights);
        memcpy(q->quant, o.like->quant, nodes * sizeof *q->quant);
    } else if (m->quant) {
        BASE_TRY(q8_trained_quant(m, g, q->quant, err));
    } else {
        if (o.equalize) BASE_TRY(q8_equalize(g, q->folded.weights, inputs, n, NULL, err));
        BASE_TRY(q8_calibrate(g, q->folded.weights, inputs, n, o, q->quant, err));
    }
    if (o.activations) BASE_TRY(widen(q, inputs, n, o.activations, err));
    BASE_TRY(q8_lower(q, err));
    if (o.correct_bias && !m->quant) BASE_TRY(q8_correct_bias(q, inputs, n, err));
    if (q8_check(q, "int8", err) != BASE_OK) {
        if (err) err->status = BASE_USAGE; /* no file: the scales are too far apart */
        return BASE_USAGE;
    }
    return q8_pick_golden(q, inputs, n, err);
}

base_status q8_quantize(const nn_model *m, const nn_real *inputs, size_t n, q8_options o,
                        const char *calibration, q8_model **q8, base_err *err)
{
    *q8 = NULL;
    q8_model *q = calloc(1, sizeof *q);
    if (!q) return base_nomem(err, sizeof *q);
    const base_status status = quantize(q, m, inputs, n, o, calibration, err);
    if (status == BASE_OK)
        *q8 = q;
    else
        q8_model_free(q);
    return status;
}
