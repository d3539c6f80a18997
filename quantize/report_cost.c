/* report_cost: what models cost, layer by layer, on boards, and against each other. */
#include "data/page.h"
#include "data/paired.h"
#include "quantize/report.h"

#include <math.h>
#include <stdlib.h>

static double flash_of(const quant_estimate *e)
{
    return quant_whole(e->whole_flash, e->flash);
}
static double ram_of(const quant_estimate *e)
{
    return quant_whole(e->whole_ram, e->ram);
}

void report_layers(const report *r, base_str *out)
{
    static const char *const heads[] = {"layer",      "op",  "#MACs",       "#flash bytes",
                                        "#RAM alive", "#ms", "#of the time"};
    const quant_costs *costs = &r->deploy->work.deployed;
    const quant_estimate *e = &r->deploy->estimate;
    page_section(out, "layers", "Layers");
    page_paragraph(out, "As exported C runs them in int8; time estimated on %s.",
                   r->boards[0].target.name);
    page_table(out, "layer-costs", heads, BASE_COUNT(heads));
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *l = &costs->layer[i];
        if (l->is_input) continue;
        page_row(out);
        page_cell(out, l->name);
        page_cell(out, l->op);
        page_number(out, (double)l->macs, 0);
        page_number(out, (double)e->layer[i].flash, 0);
        page_number(out, (double)e->layer[i].live, 0);
        page_number(out, e->layer[i].ms, 3);
        page_percent(out, e->layer[i].ms / e->latency.value, 1);
    }
    page_table_end(out);
}

/* A figure, its error and what it rests on. */
static void put_figure(base_str *out, quant_figure f, double unit, int digits)
{
    char text[64] = "";
    page_number(out, f.value / unit, digits);
    if (isfinite(f.value))
        snprintf(text, sizeof text, "\xc2\xb1%.0f %% %s", f.error, quant_basis_name(f.basis));
    page_cell(out, text);
}

void report_boards(const report *r, base_str *out)
{
    static const char *const heads[] = {
        "board", "core", "fits",  "#flash KiB",  "error",      "#RAM KiB",
        "error", "#ms",  "error", "#duty cycle", "#energy uJ", "does not fit because"};
    page_section(out, "boards", "Boards");
    page_paragraph(out,
                   "Estimates. Flash and RAM are of the whole, with front-end and post-processing, "
                   "where that is known. An error of e %% means between value / (1 + e/100) and "
                   "value (1 + e/100).");
    page_table(out, "board-estimates", heads, BASE_COUNT(heads));
    for (size_t i = 0; i < r->n_boards; i++) {
        const quant_target *t = &r->boards[i].target;
        const quant_estimate *e = &r->boards[i].estimate;
        page_row(out);
        page_cell(out, t->name);
        page_cell(out, t->core_name);
        page_cell(out, e->fits ? "yes" : "no");
        put_figure(out, isfinite(e->whole_flash.value) ? e->whole_flash : e->flash, 1024, 1);
        put_figure(out, isfinite(e->whole_ram.value) ? e->whole_ram : e->ram, 1024, 1);
        put_figure(out, e->latency, 1, 2);
        page_percent(out, e->duty.value, 1);
        page_number(out, e->energy.value, 0);
        page_cell(out, e->why);
    }
    page_table_end(out);
}

/* ---- several models ---- */

static void put_models(const report *r, base_str *out)
{
    static const char *const heads[] = {"#",         "model",      "kind",     "#of",
                                        "#accuracy", "#from",      "#to",      "#macro F1",
                                        "#MACs",     "#flash KiB", "#RAM KiB", "#ms"};
    page_table(out, "models", heads, BASE_COUNT(heads));
    for (size_t i = 0; i < r->n_models; i++) {
        const report_model *m = &r->models[i];
        page_row(out);
        page_number(out, (double)i + 1, 0);
        page_cell(out, m->path);
        page_cell(out, report_kind(m));
        page_number(out, (double)m->score.n, 0);
        page_percent(out, m->score.accuracy, 2);
        page_percent(out, m->score.lo, 2);
        page_percent(out, m->score.hi, 2);
        page_percent(out, m->score.macro_f1, 2);
        page_number(out, (double)m->estimate.macs, 0);
        page_number(out, flash_of(&m->estimate) / 1024, 1);
        page_number(out, ram_of(&m->estimate) / 1024, 1);
        page_number(out, m->estimate.latency.value, 2);
    }
    page_table_end(out);
}

/* Whether both are models of the same classes, and so heard the same clips. */
static bool may_pair(const report_model *a, const report_model *b)
{
    return a->score.n == b->score.n &&
           nn_model_has_labels(a->model, (const char *const *)b->model->labels, b->model->n_labels);
}

static void put_pair(const report_model *m, const data_difference *t, double p, base_str *out)
{
    page_row(out);
    page_cell(out, m->path);
    page_cell(out, report_kind(m));
    page_number(out, t ? (double)t->only_a : (double)NAN, 0);
    page_number(out, t ? (double)t->only_b : (double)NAN, 0);
    page_percent(out, t ? t->value : (double)NAN, 2);
    page_percent(out, t ? t->lo : (double)NAN, 2);
    page_percent(out, t ? t->hi : (double)NAN, 2);
    page_number(out, p, 4);
    page_cell(out, !t                       ? "of other classes"
                   : p >= DATA_PAIRED_LEVEL ? "noise"
                   : t->value > 0           ? "better"
                                            : "worse");
}

/* Each of the others against the first. */
static void put_pairs(const report *r, base_str *out)
{
    static const char *const heads[] = {"model",        "kind",        "#right alone",
                                        "#first alone", "#difference", "#from",
                                        "#to",          "#p (Holm)",   "verdict"};
    const report_model *first = &r->models[0];
    data_difference *t = base_alloc(r->n_models, sizeof *t);
    double *p = base_alloc(r->n_models, sizeof *p);
    size_t tests = 0, at = 0;
    out->failed = out->failed || !t || !p;
    page_paragraph(out, "Against the first, on the clips that one of the two has right alone "
                        "(McNemar, mid-p; of several corrected by Holm):");
    page_table(out, "pairs", heads, BASE_COUNT(heads));
    for (size_t i = 1; t && p && i < r->n_models; i++) {
        if (!may_pair(&r->models[i], first)) continue;
        t[i] = data_paired_test(r->models[i].right, first->right, (size_t)first->score.n);
        p[tests++] = t[i].p;
    }
    if (t && p) data_holm(p, tests);
    for (size_t i = 1; t && p && i < r->n_models; i++) {
        const report_model *m = &r->models[i];
        const bool pair = may_pair(m, first);
        put_pair(m, pair ? &t[i] : NULL, pair ? p[at++] : (double)NAN, out);
    }
    page_table_end(out);
    base_free(t);
    base_free(p);
}

/* x, y, lo, hi of n models, and their front: those that no other one beats. */
typedef struct cloud {
    double *x, *y, *lo, *hi, *front_x, *front_y;
    const char **label;
    char (*digits)[24];
    size_t n, front;
} cloud;

static int by_first(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

static void find_front(cloud *c, double (*pairs)[2])
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool beaten = false;
        for (size_t k = 0; k < c->n; k++)
            beaten = beaten || (c->x[k] <= c->x[i] && c->y[k] >= c->y[i] &&
                                (c->x[k] < c->x[i] || c->y[k] > c->y[i]));
        if (beaten) continue;
        pairs[n][0] = c->x[i];
        pairs[n++][1] = c->y[i];
    }
    qsort(pairs, n, sizeof *pairs, by_first);
    for (size_t i = 0; i < n; i++) {
        c->front_x[i] = pairs[i][0];
        c->front_y[i] = pairs[i][1];
    }
    c->front = n;
}

static void put_cloud(const cloud *c, const char *title, const char *x, base_str *out)
{
    const page_series series[] = {
        {.name = "model (number, 95 % interval)",
         .x = c->x,
         .y = c->y,
         .lo = c->lo,
         .hi = c->hi,
         .label = c->label,
         .n = c->n,
         .points = true},
        {.name = "Pareto front", .x = c->front_x, .y = c->front_y, .n = c->front}};
    page_chart(out, &(page_axes){.title = title, .x = x, .log_x = true, .percent = true}, series,
               2);
}

static void put_fronts(const report *r, cloud *c, double (*pairs)[2], base_str *out)
{
    for (size_t i = 0; i < c->n; i++) {
        const report_model *m = &r->models[i];
        c->x[i] = (double)m->estimate.macs;
        c->y[i] = m->score.accuracy;
        c->lo[i] = m->score.lo;
        c->hi[i] = m->score.hi;
        snprintf(c->digits[i], sizeof c->digits[i], "%zu", i + 1);
        c->label[i] = c->digits[i];
    }
    page_figures(out);
    find_front(c, pairs);
    put_cloud(c, "Accuracy against multiply-accumulates", "MACs", out);
    for (size_t i = 0; i < c->n; i++) c->x[i] = flash_of(&r->models[i].estimate) / 1024;
    find_front(c, pairs);
    put_cloud(c, "Accuracy against flash", "KiB of flash, in int8", out);
    page_figures_end(out);
}

static base_status put_validation(const report *r, base_str *out, base_err *err)
{
    page_series *series = base_alloc(r->n_models, sizeof *series);
    if (!series) return base_nomem(err, r->n_models * sizeof *series);
    size_t n = 0;
    for (size_t i = 0; i < r->n_models; i++) {
        const report_run *run = &r->models[i].run;
        if (run->n == 0) continue;
        series[n++] = (page_series){
            .name = r->models[i].path, .x = run->epoch, .y = run->val_accuracy, .n = run->n};
    }
    page_figures(out);
    if (n > 1)
        page_chart(out, &(page_axes){.title = "Validation accuracy", .x = "epoch", .percent = true},
                   series, n);
    page_figures_end(out);
    base_free(series);
    return BASE_OK;
}

base_status report_compare(const report *r, base_str *out, base_err *err)
{
    const size_t n = r->n_models;
    if (n < 2) return BASE_OK;
    page_section(out, "compare", "Models side by side");
    put_models(r, out);
    page_paragraph(out, "Costs are those of the int8 form, estimated on %s.",
                   r->boards[0].target.name);
    put_pairs(r, out);
    double *v = base_alloc(8 * n, sizeof *v);
    const char **label = base_alloc(n, sizeof *label);
    char(*digits)[24] = base_alloc(n, sizeof *digits);
    if (v && label && digits) {
        cloud c = {v, v + n, v + 2 * n, v + 3 * n, v + 4 * n, v + 5 * n, label, digits, n, 0};
        put_fronts(r, &c, (double(*)[2])(v + 6 * n), out);
    } else {
        out->failed = true;
    }
    base_free(v);
    base_free(label);
    base_free(digits);
    return put_validation(r, out, err);
}
