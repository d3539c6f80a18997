/* The page of `sotto features explore -o`. */
#include "quantize/cmd_features_explore.h"

#include "data/page.h"

#include <math.h>

/* A chart of accuracy against a cost: the front, and what is behind it. */
static base_status put_chart(base_str *out, const explore_contest *k, const page_axes *axes,
                             explore_cost cost, double scale, base_err *err)
{
    double *v = base_alloc(8 * k->n, sizeof *v);
    const char **label = base_alloc(2 * k->n, sizeof *label);
    page_series s[] = {{.name = "on the front", .points = true},
                       {.name = "behind it", .points = true}};
    for (int i = 0; v && label && i < 2; i++) {
        double *x = v + 4 * (size_t)i * k->n, *y = x + k->n, *lo = y + k->n, *hi = lo + k->n;
        const char **names = label + (size_t)i * k->n;
        for (size_t j = 0; j < k->n; j++) {
            const explore_entry *e = &k->list[j];
            if (e->on_front != (i == 0)) continue;
            x[s[i].n] = e->cost[cost] * scale;
            y[s[i].n] = e->accuracy;
            /* of the difference from the best, around the best */
            lo[s[i].n] = j == k->best ? e->accuracy : k->list[k->best].accuracy + e->worse.lo;
            hi[s[i].n] = j == k->best ? e->accuracy : k->list[k->best].accuracy + e->worse.hi;
            names[s[i].n++] = e->name;
        }
        s[i].x = x;
        s[i].y = y;
        s[i].lo = lo;
        s[i].hi = hi;
        s[i].label = names;
    }
    if (v && label) page_chart(out, axes, s, BASE_COUNT(s));
    const base_status status = v && label ? BASE_OK : base_nomem(err, 8 * k->n * sizeof *v);
    base_free(v);
    base_free(label);
    return status;
}

static void put_table(base_str *out, const explore_contest *k)
{
    static const char *const heads[] = {
        "features", "#accuracy", "#difference", "#from",         "#to",  "verdict", "front",
        "#flash",   "#RAM",      "#Mcycles/s",  "#probe: flash", "#RAM", "#ms"};
    page_table(out, k->probe->name, heads, BASE_COUNT(heads));
    for (size_t i = 0; i < k->n; i++) {
        const explore_entry *e = &k->list[i];
        page_row(out);
        page_cell(out, e->name);
        page_percent(out, e->accuracy, 2);
        page_percent(out, e->worse.value, 2);
        page_percent(out, e->worse.lo, 2);
        page_percent(out, e->worse.hi, 2);
        page_cell(out, explore_verdict(k, i));
        page_cell(out, e->on_front ? "yes" : "no");
        page_number(out, e->front.flash.value, 0);
        page_number(out, e->front.ram.value, 0);
        page_number(out, e->front.cycles * 1e-6, 2);
        page_number(out, e->net.flash.value, 0);
        page_number(out, e->net.ram.value, 0);
        page_number(out, e->net.latency.value, 2);
    }
    page_table_end(out);
}

static base_status put_contest(base_str *out, const explore_contest *k, base_err *err)
{
    static const struct {
        const char *title, *x;
        double scale;
    } charts[] = {[EXPLORE_CYCLES] = {"Accuracy and time", "million cycles a second", 1e-6},
                  [EXPLORE_RAM] = {"Accuracy and RAM", "kB of RAM", 1e-3},
                  [EXPLORE_FLASH] = {"Accuracy and flash", "kB of flash", 1e-3}};
    page_section(out, k->probe->name, k->probe->about);
    page_paragraph(out, "%s pays: %s.", k->list[k->pays].name, k->why.s);
    page_figures(out);
    for (int i = 0; i < EXPLORE_COSTS; i++) {
        const page_axes axes = {.title = charts[i].title, .x = charts[i].x, .percent = true};
        BASE_TRY(put_chart(out, k, &axes, (explore_cost)i, charts[i].scale, err));
    }
    page_figures_end(out);
    put_table(out, k);
    return BASE_OK;
}

base_status explore_page(const explorer *x, base_err *err)
{
    base_str out = {0};
    base_status status = BASE_OK;
    page_begin(&out, "Do the features pay?");
    page_paragraph(&out,
                   "Accuracy on %zu %s clips, of a probe trained from %d seed%s, beside what the "
                   "features cost on %s in integers: bytes of flash and RAM, cycles of a second of "
                   "audio (error %.0f %%). Bars are 95 %% intervals of the difference from the "
                   "best, over the same clips.",
                   x->contests[0].list[0].trial.n, x->o.split, x->o.seeds,
                   x->o.seeds > 1 ? "s" : "", x->target.name,
                   x->contests[0].list[0].front.frame.error);
    for (size_t i = 0; i < x->n && status == BASE_OK; i++)
        status = put_contest(&out, &x->contests[i], err);
    page_end(&out);
    if (status == BASE_OK && out.failed) status = base_nomem(err, out.len);
    if (status == BASE_OK) status = base_write_file(x->c->output, out.s, out.len, err);
    base_str_free(&out);
    return status;
}
