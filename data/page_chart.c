/* page_chart: lines and points as inline SVG, in the colours of the page. */
#include "data/page.h"

#include <math.h>

enum {
    WIDTH = 420,
    HEIGHT = 270,
    LEFT = 52,
    RIGHT = 14,
    TOP = 12,
    BOTTOM = 42,
    COLOURS = PAGE_COLOURS
};

/* What an axis spans, and how far apart its ticks are (log: decades). */
typedef struct span {
    double lo, hi, step;
    bool log;
} span;

static void widen(span *s, double v)
{
    if (!isfinite(v) || (s->log && v <= 0)) return;
    s->lo = fmin(s->lo, v);
    s->hi = fmax(s->hi, v);
}

/* Ticks at 1, 2 or 5 times a power of ten, four to nine of them; the ends become ticks. */
static void settle(span *s)
{
    if (s->log) {
        s->lo /= 1.3;
        s->hi *= 1.6; /* room for labels */
        return;
    }
    if (s->hi <= s->lo) {
        const double room = fmax(fabs(s->lo) * 0.05, 1e-3);
        s->lo -= room;
        s->hi += room;
    }
    const double raw = (s->hi - s->lo) / 5, ten = pow(10, floor(log10(raw)));
    s->step = ten * (raw / ten > 5 ? 10 : raw / ten > 2 ? 5 : raw / ten > 1 ? 2 : 1);
    s->lo = floor(s->lo / s->step + 1e-9) * s->step;
    s->hi = ceil(s->hi / s->step - 1e-9) * s->step;
}

static double place(const span *s, double v, double from, double to)
{
    const double share =
        s->log ? log(v / s->lo) / log(s->hi / s->lo) : (v - s->lo) / (s->hi - s->lo);
    return from + share * (to - from);
}

static double px(const span *s, double v)
{
    return place(s, v, LEFT, WIDTH - RIGHT);
}
static double py(const span *s, double v)
{
    return place(s, v, HEIGHT - BOTTOM, TOP);
}

static void put_value(base_str *out, double v, bool percent)
{
    static const char unit[] = {0, 'k', 'M', 'G'};
    int k = 0;
    if (percent) {
        base_str_add(out, "%.6g %%", round(v * 1e6) / 1e4);
        return;
    }
    while (fabs(v) >= 1000 && k < 3) {
        v /= 1000;
        k++;
    }
    base_str_add(out, "%.4g", fabs(v) < 1e-9 ? 0 : v);
    if (k) base_str_add(out, " %c", unit[k]);
}

static void put_x(base_str *out, const span *s, double v)
{
    base_str_add(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", px(s, v),
                 HEIGHT - BOTTOM + 16);
    put_value(out, v, false);
    base_str_add(out, "</text>");
}

static void put_ticks(base_str *out, const page_axes *axes, const span *x, const span *y)
{
    for (int i = 0; y->lo + i * y->step < y->hi + y->step / 2; i++) {
        const double v = y->lo + i * y->step, at = py(y, v);
        base_str_add(out,
                     "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                     "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                     LEFT, WIDTH - RIGHT, at, at, LEFT - 5, at + 4);
        put_value(out, v, axes->percent);
        base_str_add(out, "</text>");
    }
    if (!x->log) {
        for (int i = 0; x->lo + i * x->step < x->hi + x->step / 2; i++)
            put_x(out, x, x->lo + i * x->step);
        return;
    }
    static const double often[] = {1, 1.5, 2, 3, 4, 6, 8}, seldom[] = {1, 2, 5};
    const double ratio = x->hi / x->lo;
    const double *digit = ratio < 12 ? often : seldom;
    const int n = ratio < 12 ? BASE_COUNT(often) : ratio < 300 ? BASE_COUNT(seldom) : 1;
    for (double ten = pow(10, floor(log10(x->lo))); ten < x->hi; ten *= 10)
        for (int k = 0; k < n; k++)
            if (digit[k] * ten >= x->lo && digit[k] * ten <= x->hi) put_x(out, x, digit[k] * ten);
}

static bool drawn(const page_series *s, size_t i, const span *x)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]) && !(x->log && s->x[i] <= 0);
}

static void put_line(base_str *out, const page_series *s, size_t colour, const span *x,
                     const span *y)
{
    base_str_add(out, "<path fill=\"none\" stroke-width=\"2\" style=\"stroke:var(--c%zu)\" d=\"",
                 colour);
    bool pen = false;
    for (size_t i = 0; i < s->n; i++) {
        if (!drawn(s, i, x)) continue;
        base_str_add(out, "%c%.1f %.1f", pen ? 'L' : 'M', px(x, s->x[i]), py(y, s->y[i]));
        pen = true;
    }
    base_str_add(out, "\"/>");
    if (s->n == 1 && drawn(s, 0, x)) /* a line of one point is a ring */
        base_str_add(out,
                     "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"8\" fill=\"none\" stroke-width=\"2\" "
                     "style=\"stroke:var(--c%zu)\"/>",
                     px(x, s->x[0]), py(y, s->y[0]), colour);
}

static void put_points(base_str *out, const page_series *s, size_t colour, const span *x,
                       const span *y)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!drawn(s, i, x)) continue;
        const double cx = px(x, s->x[i]), cy = py(y, s->y[i]);
        if (s->lo && isfinite(s->lo[i]) && isfinite(s->hi[i]))
            base_str_add(out,
                         "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
                         "style=\"stroke:var(--c%zu)\" opacity=\".55\"/>",
                         cx, cx, py(y, s->lo[i]), py(y, s->hi[i]), colour);
        base_str_add(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" style=\"fill:var(--c%zu)\"/>",
                     cx, cy, colour);
    }
}

/* ---- labels: beside their points, over no other label or point where there is room ---- */

enum { TAKEN = 128, MARK = 5, GAP = 6, ABOVE = 10, BELOW = 3 };

typedef struct box {
    double x0, x1, y0, y1;
} box;

/* Places that are taken; more than TAKEN are not minded. */
typedef struct taken {
    box list[TAKEN];
    size_t n;
} taken;

static void take(taken *t, const box *b)
{
    if (t->n < TAKEN) t->list[t->n++] = *b;
}

static bool inside(const box *b)
{
    return b->x0 >= LEFT && b->x1 <= WIDTH && b->y0 >= 0 && b->y1 <= HEIGHT - BOTTOM;
}

static bool is_free(const taken *t, const box *b)
{
    for (size_t i = 0; i < t->n; i++) {
        const box *o = &t->list[i];
        if (b->x0 < o->x1 && o->x0 < b->x1 && b->y0 < o->y1 && o->y0 < b->y1) return false;
    }
    return inside(b);
}

/* Of text of 12 pixels in a wide font. */
static double width_of(const char *text)
{
    const double letter = 7;
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80; /* bytes that begin a character */
    return letter * n;
}

/* The baseline, and whether the text ends or begins beside the point: the first place of these that
 * is free, else the first within the chart. */
static void put_label(base_str *out, taken *t, const char *text, double cx, double cy)
{
    static const int lines[] = {-5, 13, -18, 26};
    const double width = width_of(text);
    box best = {0};
    bool ends = false;
    double y = cy;
    for (int i = 0, least = 3; i < 2 * (int)BASE_COUNT(lines) && least > 0; i++) {
        const bool left = i % 2 == 1;
        const double at = cy + lines[i / 2], from = left ? cx - GAP - width : cx + GAP;
        const box b = {from, from + width, at - ABOVE, at + BELOW};
        const int score = is_free(t, &b) ? 0 : inside(&b) ? 1 : 2;
        if (score >= least) continue;
        least = score;
        best = b;
        ends = left;
        y = at;
    }
    take(t, &best);
    base_str_add(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", ends ? cx - GAP : cx + GAP, y,
                 ends ? " text-anchor=\"end\"" : "");
    page_text(out, text);
    base_str_add(out, "</text>");
}

static void put_labels(base_str *out, const page_series *series, size_t n, const span *x,
                       const span *y)
{
    taken t = {.n = 0};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; series[k].points && i < series[k].n; i++) {
            if (!drawn(&series[k], i, x)) continue;
            const double cx = px(x, series[k].x[i]), cy = py(y, series[k].y[i]);
            take(&t, &(box){cx - MARK, cx + MARK, cy - MARK, cy + MARK});
        }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; series[k].points && series[k].label && i < series[k].n; i++)
            if (series[k].label[i] && drawn(&series[k], i, x))
                put_label(out, &t, series[k].label[i], px(x, series[k].x[i]),
                          py(y, series[k].y[i]));
}

static void put_names(base_str *out, const page_axes *axes)
{
    base_str_add(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
                 HEIGHT - 8);
    page_text(out, axes->x);
    base_str_add(out, "</text></svg><figcaption>");
    page_text(out, axes->title);
}

static void put_legend(base_str *out, const page_series *series, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!series[i].name) continue;
        base_str_add(out, " <span style=\"color:var(--c%zu)\">&#9632;</span>&#160;", i % COLOURS);
        page_text(out, series[i].name);
    }
    base_str_add(out, "</figcaption></figure>\n");
}

void page_chart(base_str *out, const page_axes *axes, const page_series *series, size_t n)
{
    span x = {HUGE_VAL, -HUGE_VAL, 0, axes->log_x}, y = {HUGE_VAL, -HUGE_VAL, 0, false};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < series[k].n; i++) {
            if (!drawn(&series[k], i, &x)) continue;
            widen(&x, series[k].x[i]);
            widen(&y, series[k].y[i]);
            if (series[k].lo) widen(&y, series[k].lo[i]);
            if (series[k].hi) widen(&y, series[k].hi[i]);
        }
    if (!isfinite(x.lo) || !isfinite(y.lo)) return;
    settle(&x);
    settle(&y);
    base_str_add(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
                 HEIGHT);
    page_text(out, axes->title);
    base_str_add(out, "\">");
    put_ticks(out, axes, &x, &y);
    for (size_t k = 0; k < n; k++)
        (series[k].points ? put_points : put_line)(out, &series[k], k % COLOURS, &x, &y);
    put_labels(out, series, n, &x, &y);
    put_names(out, axes);
    put_legend(out, series, n);
}
