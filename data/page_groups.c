/* page_groups: charts of many groups at once: bars, histograms one above the other, maps. */
#include "data/page.h"

#include <math.h>

enum { WIDTH = 420, LEFT = 86, RIGHT = 40, ROW = 18, TOP = 4, AXIS = 34 };

static void open_figure(base_str *out, const char *title, int width, int height, const char *kind)
{
    base_str_add(out, "<figure%s><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", kind,
                 width, height);
    page_text(out, title);
    base_str_add(out, "\">");
}

static void put_label(base_str *out, double x, double y, const char *anchor, const char *text)
{
    base_str_add(out, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    page_text(out, text);
    base_str_add(out, "</text>");
}

/* ---- bars ---- */

static void put_bar(base_str *out, const page_bars_spec *b, size_t i, double most)
{
    const double y = TOP + (double)i * ROW, wide = WIDTH - LEFT - RIGHT;
    double x = LEFT;
    int64_t sum = 0;
    put_label(out, LEFT - 5, y + 13, "end", b->names[i]);
    for (size_t k = 0; k < b->n_parts; k++) {
        const int64_t count = b->counts[i * b->n_parts + k];
        const double w = (double)count / most * wide;
        sum += count;
        if (count == 0) continue;
        base_str_add(out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                     "style=\"fill:var(--c%zu)\"><title>",
                     x, y + 2, fmax(w - 0.7, 0.3), ROW - 4, k % PAGE_COLOURS);
        page_text(out, b->names[i]);
        base_str_add(out, ", ");
        page_text(out, b->parts[k]);
        base_str_add(out, ": %lld</title></rect>", (long long)count);
        x += w;
    }
    base_str_add(out, "<text x=\"%.1f\" y=\"%.1f\">%lld</text>", x + 4, y + 13, (long long)sum);
}

void page_bars(base_str *out, const page_bars_spec *b)
{
    double most = 1;
    for (size_t i = 0; i < b->n; i++) {
        double sum = 0;
        for (size_t k = 0; k < b->n_parts; k++) sum += (double)b->counts[i * b->n_parts + k];
        most = fmax(most, sum);
    }
    open_figure(out, b->title, WIDTH, 2 * TOP + (int)b->n * ROW, "");
    for (size_t i = 0; i < b->n; i++) put_bar(out, b, i, most);
    base_str_add(out, "</svg><figcaption>");
    page_text(out, b->title);
    for (size_t k = 0; k < b->n_parts; k++) {
        base_str_add(out, " <span style=\"color:var(--c%zu)\">&#9632;</span>&#160;",
                     k % PAGE_COLOURS);
        page_text(out, b->parts[k]);
    }
    base_str_add(out, "</figcaption></figure>\n");
}

/* ---- histograms ---- */

enum { STRIP = 26, MOST_BINS = 100 };

static double median_of_bins(const size_t *count, int bins, size_t n, double lo, double width)
{
    double below = 0;
    int b = 0;
    while (b < bins - 1 && below + (double)count[b] < (double)n / 2) below += (double)count[b++];
    return lo + (b + ((double)n / 2 - below) / fmax((double)count[b], 1)) * width;
}

static void put_strip(base_str *out, const page_strips_spec *s, size_t i)
{
    size_t count[MOST_BINS] = {0}, most = 0, n = 0;
    const int bins = s->bins < MOST_BINS ? s->bins : MOST_BINS;
    const double width = (s->hi - s->lo) / bins, y = TOP + (double)(i + 1) * STRIP;
    const double wide = (WIDTH - LEFT - 18.0) / bins;
    for (size_t k = 0; k < s->lengths[i]; k++) {
        const double v = s->values[i][k];
        if (!isfinite(v)) continue;
        const int b = (int)fmin(fmax((v - s->lo) / width, 0), bins - 1);
        count[b]++;
        n++;
    }
    for (int b = 0; b < bins; b++) most = count[b] > most ? count[b] : most;
    put_label(out, LEFT - 5, y - 4, "end", s->names[i]);
    base_str_add(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                 WIDTH - 18, y, y);
    if (n == 0) return;
    base_str_add(out, "<path style=\"fill:var(--c0)\" d=\"M%d %.1f", LEFT, y);
    for (int b = 0; b < bins; b++)
        base_str_add(out, "V%.1fH%.1f", y - (STRIP - 4) * (double)count[b] / (double)most,
                     LEFT + (b + 1) * wide);
    base_str_add(out, "V%.1fZ\"><title>", y);
    page_text(out, s->names[i]);
    const double median = median_of_bins(count, bins, n, s->lo, width);
    const double x = LEFT + (median - s->lo) / width * wide;
    base_str_add(out, ": %zu, median %.3g</title></path>", n, median);
    base_str_add(out,
                 "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke-width=\"2\" "
                 "style=\"stroke:var(--c1)\"/>",
                 x, x, y, y - STRIP + 4);
}

void page_strips(base_str *out, const page_strips_spec *s)
{
    const int bottom = TOP + (int)s->n * STRIP;
    open_figure(out, s->title, WIDTH, bottom + AXIS, "");
    for (int k = 0; k <= 4; k++) {
        const double x = LEFT + (WIDTH - LEFT - 18) * k / 4.0;
        base_str_add(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x,
                     x, TOP, bottom);
        base_str_add(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>", x,
                     bottom + 14, s->lo + (s->hi - s->lo) * k / 4);
    }
    for (size_t i = 0; i < s->n; i++) put_strip(out, s, i);
    put_label(out, (LEFT + WIDTH - 18) / 2.0, bottom + 30, "middle", s->x);
    base_str_add(out, "</svg><figcaption>");
    page_text(out, s->title);
    base_str_add(out, "; <span style=\"color:var(--c1)\">&#9612;</span>median</figcaption>"
                      "</figure>\n");
}

/* ---- maps ---- */

enum { MAP_WIDTH = 760, MAP_HEIGHT = 560, MARGIN = 14, SHAPES = 4 };

static const char *const shape[SHAPES] = {
    "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0", /* disc, */
    "M-2.9-2.9H2.9V2.9H-2.9Z",                         /* square, */
    "M0-3.9L3.7 2.9H-3.7Z",                            /* triangle, */
    "M0-4.2L3.6 0L0 4.2L-3.6 0Z",                      /* lozenge */
};
static const char *const sign[SHAPES] = {"&#9679;", "&#9632;", "&#9650;", "&#9670;"};

/* So that groups of alike shape differ most in colour. */
static int shape_of(size_t group)
{
    return (int)((group + group / PAGE_COLOURS) % SHAPES);
}

/* One scale for both axes. */
typedef struct frame {
    double x, y, scale; /* the middle, pixels a unit */
} frame;

static frame frame_of(const page_map_spec *m)
{
    double lo[2] = {HUGE_VAL, HUGE_VAL}, hi[2] = {-HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; i < m->n; i++) {
        lo[0] = fmin(lo[0], m->x[i]);
        hi[0] = fmax(hi[0], m->x[i]);
        lo[1] = fmin(lo[1], m->y[i]);
        hi[1] = fmax(hi[1], m->y[i]);
    }
    const double w = fmax(hi[0] - lo[0], 1e-9), h = fmax(hi[1] - lo[1], 1e-9);
    return (frame){(lo[0] + hi[0]) / 2, (lo[1] + hi[1]) / 2,
                   fmin((MAP_WIDTH - 2 * MARGIN) / w, (MAP_HEIGHT - 2 * MARGIN) / h)};
}

static double map_x(const frame *f, double x)
{
    return MAP_WIDTH / 2.0 + (x - f->x) * f->scale;
}
static double map_y(const frame *f, double y)
{
    return MAP_HEIGHT / 2.0 - (y - f->y) * f->scale;
}

static void put_group(base_str *out, const page_map_spec *m, const frame *f, size_t group)
{
    base_str_add(out, "<g id=\"%s-%zu\" style=\"fill:var(--c%zu)\">", m->id, group,
                 group % PAGE_COLOURS);
    for (size_t i = 0; i < m->n; i++) {
        if (m->group[i] != (int)group) continue;
        base_str_add(out, "\n<use href=\"#%s-s%d\" x=\"%.1f\" y=\"%.1f\"><title>", m->id,
                     shape_of(group), map_x(f, m->x[i]), map_y(f, m->y[i]));
        page_text(out, m->hover[i]);
        base_str_add(out, "</title></use>");
    }
    base_str_add(out, "</g>");
}

void page_map(base_str *out, const page_map_spec *m)
{
    const frame f = frame_of(m);
    open_figure(out, m->title, MAP_WIDTH, MAP_HEIGHT, " class=\"wide\"");
    base_str_add(out, "<defs>");
    for (int s = 0; s < SHAPES; s++)
        base_str_add(out, "<path id=\"%s-s%d\" d=\"%s\"/>", m->id, s, shape[s]);
    base_str_add(out, "</defs><g class=\"map\" id=\"%s-all\">", m->id);
    for (size_t k = 0; k < m->n_names; k++) put_group(out, m, &f, k);
    base_str_add(out, "</g>");
    for (size_t i = 0; i < m->n; i++)
        if (m->ringed[i])
            base_str_add(out, "<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"7\"/>",
                         map_x(&f, m->x[i]), map_y(&f, m->y[i]));
    base_str_add(out, "</svg><figcaption>");
    page_text(out, m->title);
    for (size_t k = 0; k < m->n_names; k++) {
        base_str_add(out, " <span style=\"color:var(--c%zu)\">%s</span>&#160;", k % PAGE_COLOURS,
                     sign[shape_of(k)]);
        page_text(out, m->names[k]);
    }
    base_str_add(out, "</figcaption></figure>\n");
}

void page_map_groups(base_str *out, const page_map_spec *m)
{
    for (size_t k = 0; k < m->n_names; k++) {
        size_t n = 0;
        for (size_t i = 0; i < m->n; i++) n += m->group[i] == (int)k;
        open_figure(out, m->names[k], MAP_WIDTH, MAP_HEIGHT, "");
        base_str_add(out,
                     "<use class=\"ghost\" href=\"#%s-all\"/><use href=\"#%s-%zu\"/>"
                     "</svg><figcaption>",
                     m->id, m->id, k);
        page_text(out, m->names[k]);
        base_str_add(out, " <span class=\"dim\">%zu</span></figcaption></figure>\n", n);
    }
}
