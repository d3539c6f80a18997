/* explore_page: what was found, as one page. */
#include "data/explore.h"
#include "data/page.h"
#include "data/viewer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 40, BINS = 48, TOP_SPEAKERS = 10 };

static size_t class_size(const data_exploration *e, size_t k)
{
    return e->groups.start[k + 1] - e->groups.start[k];
}

/* ---- counts ---- */

static void put_summary(const data_exploration *e, const data_summary *s, base_str *out)
{
    size_t unreadable = 0;
    for (size_t i = 0; i < data_recordings_count(e->r); i++)
        unreadable += e->facts[i].unreadable != NULL;
    page_paragraph(out,
                   "%lld clips of %lld words in %zu classes by %lld speakers, %.2f hours: %lld to "
                   "train, %lld for validation, %lld to test.",
                   (long long)s->clips, (long long)s->words, e->classes.n, (long long)s->speakers,
                   s->seconds / 3600, (long long)s->split[DATA_TRAIN],
                   (long long)s->split[DATA_VALIDATION], (long long)s->split[DATA_TEST]);
    if (unreadable)
        page_paragraph(out, "%zu clips cannot be read: sotto data lint names them.", unreadable);
}

static void put_quantiles(base_str *out, data_quantiles q)
{
    page_number(out, q.low, 1);
    page_number(out, q.median, 1);
    page_number(out, q.high, 1);
}

static void put_row(base_str *out, const char *name, const data_summary *s)
{
    page_row(out);
    page_cell(out, name);
    for (int k = 0; k < DATA_SPLITS; k++) page_number(out, (double)s->split[k], 0);
    page_number(out, (double)s->speakers, 0);
    page_number(out, s->seconds, 0);
    put_quantiles(out, s->level);
    put_quantiles(out, s->snr);
    page_number(out, (double)s->no_word, 0);
    page_percent(out, s->most, 1);
    page_number(out, s->gini, 2);
}

static base_status put_counts(const data_exploration *e, const data_summary *all, base_str *out,
                              base_err *err)
{
    static const char *const parts[] = {"training", "validation", "test"};
    static const char *const heads[] = {"class",     "#training", "#validation", "#test",
                                        "#speakers", "#seconds",  "#level 10 %", "#50 %",
                                        "#90 %",     "#SNR 10 %", "#50 %",       "#90 %",
                                        "#no word",  "#most",     "#Gini"};
    const size_t n = e->classes.n;
    data_summary s;
    int64_t *counts = base_alloc(n * DATA_SPLITS, sizeof *counts);
    if (!counts) return base_nomem(err, n * DATA_SPLITS * sizeof *counts);
    page_section(out, "counts", "How many");
    base_str rows = {0};
    base_status status = BASE_OK;
    for (size_t k = 0; k < n && status == BASE_OK; k++) {
        status = data_summarize(e->r, e->facts, e->groups.clip + e->groups.start[k],
                                class_size(e, k), &s, err);
        put_row(&rows, e->classes.names[k], &s);
        memcpy(counts + k * DATA_SPLITS, s.split, sizeof s.split);
    }
    put_row(&rows, "all", all);
    page_figures(out);
    page_bars(out, &(page_bars_spec){"Clips", e->classes.names, parts, counts, n, DATA_SPLITS});
    page_figures_end(out);
    page_table(out, "classes", heads, BASE_COUNT(heads));
    base_str_add_n(out, rows.s ? rows.s : "", rows.len);
    page_table_end(out);
    page_paragraph(out,
                   "Level: power of the clip, dBFS. SNR: power of the word over that of the "
                   "quietest tenth of the clip, dB. No word: nothing stands 9 dB out of it. Most: "
                   "the clips of the speaker with most of them. Gini: 0 when all speakers have as "
                   "many clips, towards 1 when few have most.");
    out->failed = out->failed || rows.failed;
    base_str_free(&rows);
    base_free(counts);
    return status;
}

/* ---- speakers ---- */

typedef struct voice {
    int64_t count[DATA_SPLITS], all;
    size_t speaker;
} voice;

static int by_clips(const void *a, const void *b)
{
    const voice *x = a, *y = b;
    if (x->all != y->all) return x->all > y->all ? -1 : 1;
    return (x->speaker > y->speaker) - (x->speaker < y->speaker);
}

static void put_voices(const data_exploration *e, const voice *v, size_t n, base_str *out)
{
    static const char *const heads[] = {"speaker", "#training", "#validation", "#test", "#clips"};
    size_t speakers;
    const char *const *names = data_recordings_speakers(e->r, &speakers);
    page_table(out, "voices", heads, BASE_COUNT(heads));
    for (size_t i = 0; i < n && i < TOP_SPEAKERS && v[i].all > 0; i++) {
        page_row(out);
        page_cell(out, names[v[i].speaker]);
        for (int k = 0; k < DATA_SPLITS; k++) page_number(out, (double)v[i].count[k], 0);
        page_number(out, (double)v[i].all, 0);
    }
    page_table_end(out);
}

static base_status put_speakers(const data_exploration *e, base_str *out, base_err *err)
{
    static const char *const names[] = {"training", "validation", "test"};
    size_t n, lengths[DATA_SPLITS] = {0};
    data_recordings_speakers(e->r, &n);
    voice *v = base_alloc(n + 1, sizeof *v);
    double *values = base_alloc((n + 1) * DATA_SPLITS, sizeof *values), most = 10;
    const double *of[DATA_SPLITS] = {values, values + n, values + 2 * n};
    base_status status = v && values ? BASE_OK : base_nomem(err, n * sizeof *v);
    if (status == BASE_OK) {
        for (size_t i = 0; i < n; i++) v[i].speaker = i;
        for (size_t i = 0; i < e->groups.start[e->groups.n]; i++) {
            const data_recording c = data_recordings_at(e->r, e->groups.clip[i]);
            v[c.speaker].count[c.split]++;
            v[c.speaker].all++;
        }
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < DATA_SPLITS; k++) {
                if (v[i].count[k] == 0) continue;
                values[k * n + lengths[k]++] =
                    (double)v[i].count[k] - 0.5; /* the middle of its bin */
                most = fmax(most, (double)v[i].count[k]);
            }
        most = 4 * ceil(fmin(most, BINS) / 4);
        qsort(v, n, sizeof *v, by_clips);
        page_section(out, "speakers", "Speakers");
        page_figures(out);
        page_strips(out, &(page_strips_spec){"Speakers by how many clips they have", "clips", names,
                                             of, lengths, DATA_SPLITS, 0, most, (int)most});
        page_figures_end(out);
        page_paragraph(out, "Those with most clips:");
        put_voices(e, v, n, out);
    }
    base_free(v);
    base_free(values);
    return status;
}

/* ---- distributions ---- */

static base_status put_quantity(const data_exploration *e, data_quantity q, const char *title,
                                const char *x, double lo, double hi, base_str *out, base_err *err)
{
    const size_t n = e->classes.n, all = e->groups.start[n];
    double *v = base_alloc(all, sizeof *v);
    const double **of = base_alloc(n, sizeof *of);
    size_t *lengths = base_alloc(n, sizeof *lengths);
    const bool ok = v && of && lengths;
    for (size_t i = 0; i < all && ok; i++) v[i] = data_quantity_of(&e->facts[e->groups.clip[i]], q);
    for (size_t k = 0; k < n && ok; k++) {
        of[k] = v + e->groups.start[k];
        lengths[k] = class_size(e, k);
    }
    if (ok)
        page_strips(out,
                    &(page_strips_spec){title, x, e->classes.names, of, lengths, n, lo, hi, BINS});
    base_free(v);
    base_free(of);
    base_free(lengths);
    return ok ? BASE_OK : base_nomem(err, all * sizeof *v);
}

static base_status put_levels(const data_exploration *e, base_str *out, base_err *err)
{
    double longest = 0;
    for (size_t i = 0; i < e->groups.start[e->groups.n]; i++)
        longest = fmax(longest, data_quantity_of(&e->facts[e->groups.clip[i]], DATA_DURATION));
    const double end = longest <= 1.2 ? 1.2 : longest <= 2 ? 2 : longest <= 4 ? 4 : 8;
    page_section(out, "levels", "How loud, how clean, how long");
    page_figures(out);
    BASE_TRY(put_quantity(e, DATA_LEVEL, "Level", "dBFS", -72, 0, out, err));
    BASE_TRY(put_quantity(e, DATA_PEAK, "Peak", "dBFS", -48, 0, out, err));
    BASE_TRY(put_quantity(e, DATA_SNR, "SNR", "dB", 0, 80, out, err));
    BASE_TRY(put_quantity(e, DATA_DURATION, "Length", "s", 0, end, out, err));
    page_figures_end(out);
    page_paragraph(out, "What is beyond an axis is counted in the bin at its end.");
    return BASE_OK;
}

/* ---- spectrograms ---- */

/* A mean as bins x frames, less `from` where that is not NULL. */
static void turn(const data_heard *h, const float *mean, const float *from, float *picture)
{
    for (int t = 0; t < h->frames; t++)
        for (int b = 0; b < h->bins; b++) {
            const int at = t * h->bins + b;
            picture[b * h->frames + t] = mean[at] - (from ? from[at] : 0);
        }
}

static base_status put_means(const data_exploration *e, base_str *out, base_err *err)
{
    const data_heard *h = &e->heard;
    const size_t n = e->classes.n, cells = (size_t)h->frames * (size_t)h->bins;
    const float *all = h->mean + n * cells;
    float *picture = base_alloc(cells, sizeof *picture);
    if (!picture) return base_nomem(err, cells * sizeof *picture);
    page_section(out, "means", "Mean spectrograms");
    page_paragraph(out,
                   "Above: mean of ln power in %d mel bands (0 to 8 kHz, low ones below) over a "
                   "second; below: its difference from that of all clips, red where the class has "
                   "more, blue where it has less.",
                   h->bins);
    page_figures_narrow(out);
    for (size_t k = 0; k < n; k++) {
        if (class_size(e, k) == 0) continue;
        base_str_add(out, "<figure>");
        turn(h, h->mean + k * cells, NULL, picture);
        page_picture(out, e->classes.names[k], picture, h->bins, h->frames);
        turn(h, h->mean + k * cells, all, picture);
        page_picture_signed(out, "difference", picture, h->bins, h->frames);
        base_str_add(out, "<figcaption>");
        page_text(out, e->classes.names[k]);
        base_str_add(out, "</figcaption></figure>\n");
    }
    page_figures_end(out);
    base_free(picture);
    return BASE_OK;
}

/* ---- clips to hear ---- */

/* say: what is remarkable about it. */
static base_status put_clip(const data_exploration *e, data_viewer *v, size_t clip,
                            const char *title, const char *say, const data_explore_model *m,
                            base_str *out, base_err *err)
{
    const data_facts *f = &e->facts[clip];
    const char *name = data_recordings_at(e->r, clip).name;
    BASE_TRY(data_recordings_read_clip(e->r, clip, v->samples, v->pcm, err));
    data_viewer_look(v);
    base_str_add(out, "<figure>");
    page_picture(out, name, v->picture, v->bins, v->frames);
    base_str_add(out, "<figcaption><b>");
    page_text(out, title);
    base_str_add(out, "</b> ");
    page_text(out, say);
    base_str_add(out, ", %.0f dBFS", f->level.rms_db);
    if (m->heard && m->heard[clip]) {
        base_str_add(out, ", heard as <b>");
        page_text(out, m->heard[clip]);
        base_str_add(out, "</b>");
    }
    base_str_add(out, "<br><span class=\"dim\">");
    page_text(out, name);
    base_str_add(out, "</span></figcaption>");
    page_sound_small(out, v->pcm, v->samples, DATA_RATE);
    base_str_add(out, "</figure>\n");
    return BASE_OK;
}

typedef enum example { TYPICAL, UNUSUAL, LOUDEST, QUIETEST, EXAMPLE_KINDS } example;

/* How good an example a clip is, the more the better. */
static double fitness(const data_exploration *e, example kind, size_t heard)
{
    const data_heard *h = &e->heard;
    const data_level *l = &e->facts[h->clip[heard]].level;
    switch (kind) {
    case TYPICAL: return -h->away[heard];
    case UNUSUAL: return isnan(h->apart[heard]) ? h->away[heard] : h->apart[heard];
    case LOUDEST: return l->rms_db;
    default: return -l->rms_db;
    }
}

static base_status put_class_examples(const data_exploration *e, data_viewer *v, size_t class,
                                      int kinds, const data_explore_model *m, base_str *out,
                                      base_err *err)
{
    static const char *const names[EXAMPLE_KINDS] = {"typical", "unusual", "loudest", "quietest"};
    const data_heard *h = &e->heard;
    size_t best[EXAMPLE_KINDS];
    for (int kind = 0; kind < kinds; kind++) {
        best[kind] = h->n;
        for (size_t i = 0; i < h->n; i++) {
            bool free = h->of[i] == (int)class;
            for (int k = 0; k < kind; k++) free = free && best[k] != i;
            if (free && (best[kind] == h->n ||
                         fitness(e, (example)kind, i) > fitness(e, (example)kind, best[kind])))
                best[kind] = i;
        }
        if (best[kind] < h->n)
            BASE_TRY(put_clip(e, v, h->clip[best[kind]], e->classes.names[class], names[kind], m,
                              out, err));
    }
    return BASE_OK;
}

static base_status put_examples(const data_exploration *e, data_viewer *v,
                                const data_explore_model *m, base_str *out, base_err *err)
{
    const size_t n = e->classes.n, each = EXAMPLES / n;
    const int kinds = each < 1 ? 1 : each > EXAMPLE_KINDS ? EXAMPLE_KINDS : (int)each;
    page_section(out, "examples", "Examples");
    page_paragraph(out, "Typical: nearest to the mean of its class on the map's axes; unusual: "
                        "most apart from it.");
    page_figures_narrow(out);
    for (size_t k = 0; k < n; k++) BASE_TRY(put_class_examples(e, v, k, kinds, m, out, err));
    page_figures_end(out);
    return BASE_OK;
}

static base_status put_outliers(const data_exploration *e, data_viewer *v,
                                const data_explore_model *m, base_str *out, base_err *err)
{
    const data_heard *h = &e->heard;
    char say[64];
    page_section(out, "outliers", "Clips that lie apart");
    page_paragraph(out,
                   "By local outlier factor (Breunig et al., 2000): how many times sparser it is "
                   "around a clip than around its neighbours in its class. Perhaps another word, a "
                   "cut one, noise; ringed on the map. %s",
                   h->n_worst ? "" : "There are none.");
    page_figures_narrow(out);
    for (size_t i = 0; i < h->n_worst; i++) {
        const size_t at = h->worst[i];
        snprintf(say, sizeof say, "factor %.2f", h->apart[at]);
        BASE_TRY(put_clip(e, v, h->clip[at], e->classes.names[h->of[at]], say, m, out, err));
    }
    page_figures_end(out);
    return BASE_OK;
}

/* ---- map ---- */

typedef struct dots {
    double *x, *y;
    int *group;
    char **hover;
    bool *ringed;
} dots;

static void free_dots(dots *d, size_t n)
{
    for (size_t i = 0; d->hover && i < n; i++) free(d->hover[i]);
    base_free(d->x);
    base_free(d->y);
    base_free(d->group);
    base_free(d->hover);
    base_free(d->ringed);
}

static char *hover_of(const data_exploration *e, size_t clip, const data_explore_model *m)
{
    base_str s = {0};
    base_str_add(&s, "%s", data_recordings_at(e->r, clip).name);
    if (m->heard && m->heard[clip]) base_str_add(&s, " heard as %s", m->heard[clip]);
    if (s.failed) base_str_free(&s);
    return s.s;
}

static base_status make_dots(const data_exploration *e, const data_explore_model *m, dots *d,
                             base_err *err)
{
    const data_heard *h = &e->heard;
    const data_map *map = &e->map;
    d->x = base_alloc(map->n, sizeof *d->x);
    d->y = base_alloc(map->n, sizeof *d->y);
    d->group = base_alloc(map->n, sizeof *d->group);
    d->hover = base_alloc(map->n, sizeof *d->hover);
    d->ringed = base_alloc(map->n, sizeof *d->ringed);
    if (!d->x || !d->y || !d->group || !d->hover || !d->ringed)
        return base_nomem(err, map->n * sizeof *d->x);
    for (size_t i = 0; i < map->n; i++) {
        const size_t at = map->at[i];
        d->group[i] = h->of[at];
        for (size_t k = 0; k < h->n_worst; k++) d->ringed[i] |= h->worst[k] == at;
        d->hover[i] = hover_of(e, h->clip[at], m);
        if (!d->hover[i]) return base_nomem(err, 256);
    }
    return BASE_OK;
}

/* The map with these places (n x 2). */
static page_map_spec map_of(const data_exploration *e, const dots *d, const char *id,
                            const char *title, const float *place)
{
    for (size_t i = 0; i < e->map.n; i++) {
        d->x[i] = (double)place[2 * i];
        d->y[i] = (double)place[2 * i + 1];
    }
    return (page_map_spec){id,          title,    d->x,
                           d->y,        d->group, (const char *const *)d->hover,
                           d->ringed,   e->map.n, e->classes.names,
                           e->classes.n};
}

static void say_map(const data_exploration *e, const data_explore_model *model, base_str *out)
{
    const data_heard *h = &e->heard;
    const data_map *m = &e->map;
    if (model->path)
        page_paragraph(out, "%zu clips by the %zu numbers that %s has before its last layer.", m->n,
                       h->width, model->path);
    else
        page_paragraph(out,
                       "%zu clips by their sound: power in 20 mel bands and 10 equal parts of "
                       "the word, whatever its length and its level.",
                       m->n);
    double kept = 0;
    for (size_t k = 0; k < h->n_axes; k++) kept += h->share[k];
    if (!m->tsne) return;
    page_paragraph(out,
                   "t-SNE (van der Maaten and Hinton, 2008) of %zu principal components (%.0f %% "
                   "of the variance), perplexity %.0f; divergence %.2f nats before, %.2f after. "
                   "Near points are alike; distances between clouds and their sizes say nothing.",
                   h->n_axes, 100 * kept, m->perplexity, m->start, m->end);
    if (isfinite(m->trust_tsne))
        page_paragraph(out,
                       "Trustworthiness at 12 neighbours (Venna and Kaski, 2001; 1: all true): "
                       "%.3f, of the plane of the first two components %.3f.",
                       m->trust_tsne, m->trust_pca);
}

static base_status put_map(const data_exploration *e, const data_explore_model *model,
                           base_str *out, base_err *err)
{
    const data_map *m = &e->map;
    char title[128];
    dots d = {0};
    page_map_spec map;
    base_status status = make_dots(e, model, &d, err);
    page_section(out, "map", "Map");
    say_map(e, model, out);
    if (status == BASE_OK && m->tsne) {
        map = map_of(e, &d, "tsne", "t-SNE; rings: clips that lie apart", m->tsne);
        page_figures(out);
        page_map(out, &map);
        page_figures_end(out);
        page_figures_narrow(out);
        page_map_groups(out, &map);
        page_figures_end(out);
    }
    if (status == BASE_OK) {
        snprintf(title, sizeof title,
                 "The first two principal components, %.1f and %.1f %% of the variance",
                 100 * e->heard.share[0], e->heard.n_axes > 1 ? 100 * e->heard.share[1] : 0);
        map = map_of(e, &d, "pca", title, m->pca);
        page_figures(out);
        page_map(out, &map);
        page_figures_end(out);
    }
    free_dots(&d, m->n);
    return status;
}

/* ---- page ---- */

base_status data_explore_page(const data_exploration *e, const char *title,
                              const data_explore_model *model, base_str *out, base_err *err)
{
    data_summary all;
    data_viewer v;
    BASE_TRY(
        data_summarize(e->r, e->facts, e->groups.clip, e->groups.start[e->groups.n], &all, err));
    page_begin(out, title);
    put_summary(e, &all, out);
    BASE_TRY(put_counts(e, &all, out, err));
    BASE_TRY(put_speakers(e, out, err));
    BASE_TRY(put_levels(e, out, err));
    BASE_TRY(put_means(e, out, err));
    BASE_TRY(put_map(e, model, out, err));
    base_status status = data_viewer_open(&v, DATA_RATE, err);
    if (status == BASE_OK) status = put_outliers(e, &v, model, out, err);
    if (status == BASE_OK) status = put_examples(e, &v, model, out, err);
    data_viewer_close(&v);
    page_end(out);
    BASE_TRY(status);
    return out->failed ? base_nomem(err, out->len) : BASE_OK;
}
