/* page: one HTML page that needs nothing else: text, tables, charts as inline SVG, pictures as PNG
 * and sounds as WAV in data URIs. It fits a phone, follows the reader's light or dark mode, and
 * prints.
 *
 * All add to a string, whose `failed` is checked once at the end. Text is escaped here and nowhere
 * else: whatever bytes names and paths hold, the page stays sound.
 */
#ifndef DATA_PAGE_H
#define DATA_PAGE_H

#include "nn/base.h"

void page_begin(base_str *out, const char *title);
void page_end(base_str *out);
/* A heading with what follows it, up to the next or the end; id: for links to it. */
void page_section(base_str *out, const char *id, const char *title);
/* Text for inside of an element or an attribute; what is no UTF-8 becomes U+FFFD. */
void page_text(base_str *out, const char *text);
void page_paragraph(base_str *out, const char *fmt, ...) BASE_PRINTF(2, 3);

/* ---- tables ---- */

/* Columns are numbers, aligned right, where the heading begins with '#', which is not shown. */
void page_table(base_str *out, const char *id, const char *const *heads, size_t n);
void page_row(base_str *out);
void page_cell(base_str *out, const char *text); /* NULL: empty */
/* A number; the whole of it is in the attribute data-value. Not finite: empty. */
void page_number(base_str *out, double v, int digits);
void page_short(base_str *out, double v); /* in four digits, of whatever size it is */
void page_percent(base_str *out, double fraction, int digits);
/* A count on ground the darker the larger its share, 0 .. 1; right: of the colour of hits. */
void page_shade(base_str *out, int64_t count, double share, bool right);
void page_table_end(base_str *out);

/* ---- charts ---- */

enum { PAGE_COLOURS = 8 };

typedef struct page_series {
    const char *name;         /* in the legend; NULL: not there */
    const double *x, *y;      /* n each; what is not finite is left out */
    const double *lo, *hi;    /* ends of the intervals of y; NULL: none */
    const char *const *label; /* beside each point; NULL: none */
    size_t n;
    bool points; /* marks; else a line */
} page_series;

typedef struct page_axes {
    const char *title, *x; /* x: the name of its axis */
    bool log_x;            /* x > 0 */
    bool percent;          /* y is a fraction */
} page_axes;

/* Nothing when there is no finite point. Colours go round after PAGE_COLOURS series. */
void page_chart(base_str *out, const page_axes *axes, const page_series *series, size_t n);

/* Counts as bars that lie one above the other, each made of n_parts pieces: counts is n x n_parts.
 */
typedef struct page_bars_spec {
    const char *title;
    const char *const *names, *const *parts;
    const int64_t *counts;
    size_t n, n_parts;
} page_bars_spec;
void page_bars(base_str *out, const page_bars_spec *bars);

/* Histograms of some groups one above the other, each as high as its largest bin, with the median
 * marked. */
typedef struct page_strips_spec {
    const char *title, *x;
    const char *const *names;
    const double *const *values; /* of each group: lengths[i]; what is not finite is left out */
    const size_t *lengths;
    size_t n;
    double lo, hi; /* of the axis; what lies outside is counted in the first and the last bin */
    int bins;
} page_strips_spec;
void page_strips(base_str *out, const page_strips_spec *strips);

/* Points of some groups on a plane without units; groups differ in colour and shape. */
typedef struct page_map_spec {
    const char *id, *title; /* id: of this map on the page */
    const double *x, *y;
    const int *group;         /* index into names */
    const char *const *hover; /* what is said of a point */
    const bool *ringed;       /* points to stand out */
    size_t n;
    const char *const *names; /* of groups */
    size_t n_names;
} page_map_spec;
void page_map(base_str *out, const page_map_spec *map);
/* The same map once for each group, which alone has its colour. After page_map. */
void page_map_groups(base_str *out, const page_map_spec *map);

/* Charts and other figures side by side where there is room. */
void page_figures(base_str *out);
void page_figures_narrow(base_str *out); /* of less width */
void page_figures_end(base_str *out);

/* ---- media ---- */

/* rows x columns values, the first row at the bottom, as a PNG from the smallest (dark) to the
 * largest (light): the file itself, and as an element of the page. */
void page_png(base_str *out, const float *v, int rows, int columns);
void page_picture(base_str *out, const char *alt, const float *v, int rows, int columns);
/* Differences: blue below 0, red above. */
void page_picture_signed(base_str *out, const char *alt, const float *v, int rows, int columns);
/* n samples, 16 bits, one channel, with the means to play them. */
void page_sound(base_str *out, const int16_t *pcm, size_t n, int rate);
/* The same in half the space: 8 bits by mu-law (ITU-T G.711), noise 38 dB below the sound. */
void page_sound_small(base_str *out, const int16_t *pcm, size_t n, int rate);

#endif
