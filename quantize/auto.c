/* See quantize/auto.h. */
#include "quantize/auto.h"

#include "data/metrics.h"
#include "quantize/explain.h"

#include <stdlib.h>
#include <string.h>

enum { EXPLAINED = 128 }; /* calibration samples that layers are ranked on */

/* A layer whose bits could change. */
typedef struct candidate {
    const char *name; /* of its node */
    double cost;      /* the lower, the sooner it is tried */
} candidate;

typedef struct search {
    const quant_search *s;
    base_arena *arena;
    base_str weights, activations; /* what is kept: "c1=4,c2=4" */
    q8_model *base;                /* of these activations with 8-bit weights; NULL: not yet */
    double floor, accuracy;        /* to stay above; of what is kept */
    size_t bytes;                  /* of it */
} search;

/* ---- models ---- */

static q8_options options(const search *x, const char *weights, const char *activations)
{
    q8_options o = x->s->how;
    o.weight_bits = weights && weights[0] ? weights : NULL;
    o.activations = activations && activations[0] ? activations : NULL;
    o.like = x->base;
    return o;
}

static base_status quantized(const search *x, q8_options o, q8_model **q, base_err *err)
{
    return q8_quantize(x->s->model, x->s->inputs, x->s->n, o, NULL, q, err);
}

/* Accuracy of a model on the validation clips: q8, or the float model where that is NULL. */
static base_status measure(const search *x, const q8_model *q8, double *accuracy, base_err *err)
{
    const size_t classes = x->s->model->n_labels;
    int64_t *confusion = base_alloc(classes * classes, sizeof *confusion);
    if (!confusion) return base_nomem(err, classes * classes * sizeof *confusion);
    const base_status status = quant_evaluate(x->s->validation, q8 ? NULL : x->s->model, q8,
                                              confusion, confusion, NULL, err);
    if (status == BASE_OK) *accuracy = data_score_all(confusion, (int)classes).accuracy;
    base_free(confusion);
    return status;
}

static base_status try(const search *x, const char *weights, const char *activations,
                       quant_trial *t, base_err *err)
{
    q8_model *q;
    size_t arrays, tables;
    BASE_TRY(quantized(x, options(x, weights, activations), &q, err));
    q8_table_bytes(q, &arrays, &tables);
    t->bytes = arrays + tables;
    const base_status status = measure(x, q, &t->accuracy, err);
    q8_model_free(q);
    return status;
}

static void tell(const search *x, const quant_trial *t)
{
    if (x->s->tried) x->s->tried(x->s->ctx, t);
}

/* ---- ranking ---- */

static int by_cost(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->cost < y->cost || x->cost > y->cost) return x->cost < y->cost ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Bytes that 4-bit weights of a node save. */
static double saved(const nn_graph *g, const char *name)
{
    const nn_node *n = nn_graph_find(g, name);
    return n ? (double)n->param[0].count / 2 : 0;
}

/* Layers of a model with these bits that could have 16-bit activations, or that have 4-bit weights;
 * n of them, the cheapest first. */
static base_status rank(const search *x, const char *weights, const char *activations,
                        candidate **list, int *n, base_err *err)
{
    q8_model *q;
    quant_explanation e = {0};
    const bool pack = weights != NULL;
    BASE_TRY(quantized(x, options(x, weights, activations), &q, err));
    const size_t samples = x->s->n < EXPLAINED ? x->s->n : EXPLAINED;
    base_status status = quant_explain(q, x->s->inputs, samples, x->s->how.correct_bias,
                                       x->s->validation->threads, &e, err);
    *n = 0;
    *list = status == BASE_OK ? base_arena_alloc(x->arena, (size_t)e.n, sizeof **list) : NULL;
    if (status == BASE_OK && !*list) status = base_nomem(err, (size_t)e.n * sizeof **list);
    for (int i = 0; status == BASE_OK && i < e.n; i++) {
        const quant_row *r = &e.row[i];
        if (pack ? r->weight_bits != 4 : !r->can_widen || r->wide) continue;
        char *name = base_arena_alloc(x->arena, strlen(r->name) + 1, 1);
        if (!name) status = base_nomem(err, 1);
        if (!name) break;
        strcpy(name, r->name);
        const double cost = pack ? r->error / saved(q->folded.graph, name) : -r->error;
        (*list)[(*n)++] = (candidate){name, cost};
    }
    quant_explanation_free(&e);
    q8_model_free(q);
    if (status == BASE_OK) qsort(*list, (size_t)*n, sizeof **list, by_cost);
    return status;
}

/* ---- the search ---- */

/* The kept choices with this layer's 4-bit weights or 16-bit activations; the trial is kept when
 * it is wanted anyway, or within the drop and smaller. */
static base_status step(search *x, const char *layer, bool activations, bool anyway, base_err *err)
{
    base_str *grows = activations ? &x->activations : &x->weights;
    const size_t before = grows->len;
    quant_trial t = {.layer = layer, .activations = activations};
    base_str_add(grows, "%s%s=%d", before ? "," : "", layer, activations ? 16 : 4);
    if (grows->failed) return base_nomem(err, grows->len);
    BASE_TRY(try(x, x->weights.s, x->activations.s, &t, err));
    t.kept = anyway || (t.accuracy >= x->floor && t.bytes < x->bytes);
    if (t.kept) {
        x->accuracy = t.accuracy;
        x->bytes = t.bytes;
    } else {
        grows->len = before;
        grows->s[before] = '\0';
    }
    tell(x, &t);
    return BASE_OK;
}

/* 16 bits until the accuracy is there. */
static base_status widen(search *x, base_err *err)
{
    candidate *list;
    int n;
    if (x->accuracy >= x->floor) return BASE_OK;
    BASE_TRY(rank(x, NULL, NULL, &list, &n, err));
    double best = x->accuracy;
    for (int i = 0; i < n && x->accuracy < x->floor; i++) {
        BASE_TRY(step(x, list[i].name, true, true, err));
        if (x->accuracy > best) best = x->accuracy;
    }
    if (x->accuracy >= x->floor) return BASE_OK;
    base_fail(err, BASE_GATE,
              "no model is within the drop: the best has %.2f %% of the validation clips right, "
              "%.2f %% are wanted",
              100 * best, 100 * x->floor);
    return base_hint(err, "allow more by --max-drop, or train with train.qat=yes");
}

static base_status pack(search *x, base_err *err)
{
    candidate *list;
    int n;
    BASE_TRY(quantized(x, options(x, NULL, x->activations.s), &x->base, err));
    BASE_TRY(rank(x, "4", x->activations.s, &list, &n, err));
    for (int i = 0; i < n; i++) BASE_TRY(step(x, list[i].name, false, false, err));
    return BASE_OK;
}

static base_status find(search *x, quant_found *found, base_err *err)
{
    quant_trial t = {.kept = true};
    BASE_TRY(measure(x, NULL, &found->float_accuracy, err));
    x->floor = found->float_accuracy - x->s->most_drop - 1e-12;
    BASE_TRY(try(x, NULL, NULL, &t, err));
    tell(x, &t);
    x->accuracy = t.accuracy;
    x->bytes = t.bytes;
    BASE_TRY(widen(x, err));
    return pack(x, err);
}

base_status quant_find_bits(const quant_search *s, quant_found *found, base_err *err)
{
    search x = {.s = s, .arena = base_arena_new()};
    *found = (quant_found){0};
    if (!x.arena) return base_nomem(err, 1);
    const base_status status = find(&x, found, err);
    found->accuracy = x.accuracy;
    found->bytes = x.bytes;
    if (status == BASE_OK && x.weights.len) found->weights = x.weights.s;
    if (status == BASE_OK && x.activations.len) found->activations = x.activations.s;
    if (!found->weights) base_str_free(&x.weights);
    if (!found->activations) base_str_free(&x.activations);
    q8_model_free(x.base);
    base_arena_free(x.arena);
    return status;
}

void quant_found_clear(quant_found *f)
{
    free(f->weights);
    free(f->activations);
    *f = (quant_found){0};
}
