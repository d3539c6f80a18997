/* sotto sweep plot: the Pareto front as a picture. */
#include "quantize/explain.h"
#include "quantize/internal.h"
#include "train/cli.h"
#include "train/sweep.h"

#include <math.h>
#include <string.h>

base_status cmd_sweep_plot(cli *c, int argc, char **argv, base_err *err);

enum { FRONT, TOLD, PAUSED, REJECTED, GROUPS };

static const char *const styles[GROUPS] = {
    [FRONT] = "points pt 7 ps 1.3 lc '#c44e52' title 'front'",
    [TOLD] = "points pt 7 ps 0.9 lc '#4c72b0' title 'trained to the end'",
    [PAUSED] = "points pt 6 ps 0.9 lc '#8c8c8c' title 'stopped early'",
    [REJECTED] = "points pt 2 ps 0.7 lc '#dd8452' title 'rejected (no accuracy is known)'"};

/* What a picture is of: names of the axes, and the ranges of what has both values. */
typedef struct picture {
    const sweep *s;
    const char *x, *y; /* x NULL: trials in their order */
    double x_lo, x_hi, y_lo, y_hi;
    bool is_log; /* x */
} picture;

static double x_of(const picture *p, size_t i)
{
    return p->x ? sweep_result(&p->s->trials[i], p->x) : (double)i + 1;
}

static int group_of(const picture *p, size_t i)
{
    const sweep_state state = p->s->trials[i].state;
    if (sweep_on_front(p->s, i)) return FRONT;
    return state == SWEEP_TOLD ? TOLD : state == SWEEP_REJECTED ? REJECTED : PAUSED;
}

/* Ranges with a margin; false when there is nothing to draw. */
static bool find_ranges(picture *p)
{
    p->x_lo = p->y_lo = HUGE_VAL;
    p->x_hi = p->y_hi = -HUGE_VAL;
    for (size_t i = 0; i < p->s->n; i++) {
        const double x = x_of(p, i), y = sweep_result(&p->s->trials[i], p->y);
        if (group_of(p, i) == REJECTED || !isfinite(x) || !isfinite(y)) continue;
        p->x_lo = fmin(p->x_lo, x), p->x_hi = fmax(p->x_hi, x);
        p->y_lo = fmin(p->y_lo, y), p->y_hi = fmax(p->y_hi, y);
    }
    if (p->x_lo > p->x_hi) return false;
    const double y = fmax(p->y_hi - p->y_lo, 1e-6);
    p->is_log = p->x_lo > 0 && p->x_hi > 10 * p->x_lo;
    if (p->is_log) {
        p->x_lo /= 1.2, p->x_hi *= 1.2;
    } else {
        const double x = fmax(p->x_hi - p->x_lo, 1e-6);
        p->x_lo -= 0.05 * x, p->x_hi += 0.05 * x;
    }
    p->y_lo -= 0.12 * y, p->y_hi += 0.06 * y;
    return true;
}

/* Places of a group's trials as two arrays of gnuplot; what was rejected stands at the bottom.
 * Returns how many there are. */
static int add_group(const picture *p, int group, base_str *script)
{
    base_str xs = {0}, ys = {0};
    int n = 0;
    for (size_t i = 0; i < p->s->n; i++) {
        const double low = p->y_lo + 0.03 * (p->y_hi - p->y_lo);
        const double x = x_of(p, i);
        const double y = group == REJECTED ? low : sweep_result(&p->s->trials[i], p->y);
        if (group_of(p, i) != group || !isfinite(y) || !(x >= p->x_lo && x <= p->x_hi)) continue;
        base_str_add(&xs, "%s%.9g", n ? "," : "", x);
        base_str_add(&ys, "%s%.9g", n ? "," : "", y);
        if (group == FRONT)
            base_str_add(script, "set label '%zu' at %.9g,%.9g offset 0.7,-0.5 font ',9'; ", i + 1,
                         x, y);
        n++;
    }
    if (n > 0)
        base_str_add(script, "array x%d[%d] = [%s]; array y%d[%d] = [%s]; ", group, n, xs.s, group,
                     n, ys.s);
    script->failed |= xs.failed || ys.failed;
    base_str_free(&xs);
    base_str_free(&ys);
    return n;
}

static base_status draw(picture *p, const char *path, base_err *err)
{
    base_str script = {0}, plot = {0};
    if (!find_ranges(p))
        return base_fail(err, BASE_DATA, "'%s' has no trial with a %s%s%s yet", p->s->dir, p->y,
                         p->x ? " and a " : "", p->x ? p->x : "");
    base_str_add(&script,
                 "set terminal %s size 900,600 font 'Sans,11' background '#ffffff'; "
                 "set grid lt 1 lc '#dddddd'; set border 3; set tics nomirror; "
                 "set key outside bottom center horizontal; set xlabel '%s' noenhanced; "
                 "set ylabel '%s' noenhanced; %sset xrange [%.9g:%.9g]; set yrange [%.9g:%.9g]; ",
                 quant_plot_terminal(path), p->x ? p->x : "trial", p->y,
                 p->is_log ? "set logscale x; " : "", p->x_lo, p->x_hi, p->y_lo, p->y_hi);
    for (int g = GROUPS - 1; g >= 0; g--)
        if (add_group(p, g, &script) > 0)
            base_str_add(&plot, "%s x%d using (x%d[$1]):(y%d[$1]) with %s", plot.len ? "," : "plot",
                         g, g, g, styles[g]);
    base_str_add(&script, "%s", plot.s ? plot.s : "");
    script.failed |= plot.failed;
    base_str_free(&plot);
    return quant_plot_draw(&script, path, err);
}

/* The first and the second objective, unless they are named. */
static base_status choose_axes(const sweep *s, picture *p, char names[2][64], base_err *err)
{
    int sign;
    if (!p->y) p->y = sweep_objective(&s->space, 0, names[0], &sign);
    if (!p->x) p->x = sweep_objective(&s->space, 1, names[1], &sign);
    if (p->y && strchr(p->y, '\'') == NULL && (!p->x || strchr(p->x, '\'') == NULL)) return BASE_OK;
    base_fail(err, BASE_USAGE, "what to draw of '%s': its [sweep] has no maximize and no minimize",
              s->dir);
    return base_hint(err, "name results: --x latency_ms --y val_accuracy");
}

base_status cmd_sweep_plot(cli *c, int argc, char **argv, base_err *err)
{
    picture p = {0};
    const struct poptOption options[] = {
        {"x", '\0', POPT_ARG_STRING, &p.x, 0, "result or cost (the second objective)", "NAME"},
        {"y", '\0', POPT_ARG_STRING, &p.y, 0, "likewise (the first objective)", "NAME"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "SWEEP",
        .about =
            "Every trial by its objectives, the Pareto front marked; what was rejected stands\n"
            "at the bottom, at what it would have cost. gnuplot draws it.",
        .min_args = 1,
        .max_args = 1,
        .output = "the picture, a .png or .svg file",
        .takes = CLI_OUTPUT_NEEDED};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(quant_plot_check(c->output, err));
    sweep s;
    char names[2][64];
    BASE_TRY(sweep_open(c->args[0], &s, err));
    p.s = &s;
    base_status status = choose_axes(&s, &p, names, err);
    if (status == BASE_OK) status = draw(&p, c->output, err);
    if (status == BASE_OK) cli_put_text(c, "picture", c->output);
    sweep_close(&s);
    return status;
}
