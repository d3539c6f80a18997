/* See data/summary.h. */
#include "data/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- classes ---- */

static int word_named(const char *const *word, size_t words, const char *name)
{
    for (size_t i = 0; i < words; i++)
        if (strcmp(word[i], name) == 0) return (int)i;
    return -1;
}

/* Classes of the keywords; the other words stay at -1. */
static base_status take_keywords(const char *list, const char *const *word, size_t words,
                                 data_classes *c, base_err *err)
{
    char **names;
    size_t n;
    base_status status = BASE_OK;
    BASE_TRY(data_words_parse(list, &names, &n, err));
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        const int w = word_named(word, words, names[i]);
        if (w < 0) {
            status = base_fail(err, BASE_USAGE, "there is no word '%s'", names[i]);
            const char *near = base_nearest(names[i], word, words);
            if (near) base_hint(err, "did you mean '%s'?", near);
        } else {
            c->of_word[w] = (int)c->n;
            c->names[c->n++] = word[w];
        }
    }
    free(names);
    return status;
}

/* Words without a class, of those that have clips, become this one. */
static void take_rest(const char *const *word, size_t words, const bool *spoken, const char *name,
                      data_classes *c)
{
    const size_t k = c->n;
    for (size_t w = 0; w < words; w++) {
        const bool own = strcmp(word[w], DATA_SILENCE) == 0;
        if (c->of_word[w] >= 0 || !spoken[w] || own != (strcmp(name, DATA_SILENCE) == 0)) continue;
        c->of_word[w] = (int)k;
        c->names[k] = name;
        c->n = k + 1;
    }
}

base_status data_classes_new(const data_recordings *r, const char *keywords, data_classes *c,
                             base_err *err)
{
    size_t words;
    const char *const *word = data_recordings_words(r, &words);
    base_status status = BASE_OK;
    bool *spoken = base_alloc(words + 1, sizeof *spoken);
    *c = (data_classes){.names = base_alloc(words + 2, sizeof *c->names),
                        .of_word = base_alloc(words + 1, sizeof *c->of_word)};
    if (!spoken || !c->names || !c->of_word) status = base_nomem(err, words * sizeof *c->names);
    for (size_t w = 0; w < words && status == BASE_OK; w++) c->of_word[w] = -1;
    for (size_t i = 0; i < data_recordings_count(r) && status == BASE_OK; i++)
        spoken[data_recordings_at(r, i).word] = true;
    if (status == BASE_OK && keywords) {
        status = take_keywords(keywords, word, words, c, err);
        if (status == BASE_OK) take_rest(word, words, spoken, DATA_UNKNOWN, c);
        if (status == BASE_OK) take_rest(word, words, spoken, DATA_SILENCE, c);
    }
    for (size_t w = 0; w < words && status == BASE_OK && !keywords; w++)
        if (spoken[w]) {
            c->of_word[w] = (int)c->n;
            c->names[c->n++] = word[w];
        }
    base_free(spoken);
    if (status != BASE_OK) data_classes_free(c);
    return status;
}

void data_classes_free(data_classes *c)
{
    base_free(c->names);
    base_free(c->of_word);
    *c = (data_classes){0};
}

/* ---- groups ---- */

static bool counts(const data_recordings *r, const data_facts *facts, data_split split, size_t i)
{
    return !facts[i].unreadable &&
           (split == DATA_SPLITS || data_recordings_at(r, i).split == split);
}

base_status data_groups_new(const data_recordings *r, const data_facts *facts, data_split split,
                            const int *group, size_t n, data_groups *g, base_err *err)
{
    const size_t clips = data_recordings_count(r);
    *g = (data_groups){.n = n,
                       .start = base_alloc(n + 2, sizeof *g->start),
                       .clip = base_alloc(clips + 1, sizeof *g->clip)};
    if (!g->start || !g->clip) {
        data_groups_free(g);
        return base_nomem(err, clips * sizeof *g->clip);
    }
    for (size_t i = 0; i < clips; i++)
        if (counts(r, facts, split, i)) g->start[group[i] + 2]++;
    for (size_t k = 2; k < n + 2; k++) g->start[k] += g->start[k - 1];
    for (size_t i = 0; i < clips; i++) /* start[k + 1] moves from where k begins to its end */
        if (counts(r, facts, split, i)) g->clip[g->start[group[i] + 1]++] = i;
    return BASE_OK;
}

void data_groups_free(data_groups *g)
{
    base_free(g->start);
    base_free(g->clip);
    *g = (data_groups){0};
}

/* ---- numbers ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double p)
{
    if (n == 0) return (double)NAN;
    const double at = p * (double)(n - 1);
    const size_t i = (size_t)at;
    const double next = sorted[i + 1 < n ? i + 1 : i];
    return sorted[i] + (at - (double)i) * (next - sorted[i]);
}

data_quantiles data_quantiles_of(double *v, size_t n)
{
    if (n) qsort(v, n, sizeof *v, by_size);
    return (data_quantiles){quantile(v, n, 0.1), quantile(v, n, 0.5), quantile(v, n, 0.9)};
}

double data_quantity_of(const data_facts *f, data_quantity q)
{
    const data_level *l = &f->level;
    switch (q) {
    case DATA_LEVEL: return l->rms_db;
    case DATA_PEAK: return l->peak > 0 ? 20 * log10(l->peak) : DATA_LEAST_DB;
    case DATA_SNR: return l->end > l->start ? l->snr_db : (double)NAN;
    default: return (double)f->samples / DATA_RATE;
    }
}

void data_count_speakers(const data_recordings *r, const size_t *clips, size_t n, int64_t *count)
{
    for (size_t i = 0; i < n; i++) count[data_recordings_at(r, clips[i]).speaker]++;
}

/* ---- summary ---- */

/* How evenly the clips are spread over those who spoke them; sorts count. */
static void spread(double *count, size_t n, data_summary *s)
{
    double sum = 0, weighted = 0, most = 0;
    size_t zeros = 0;
    if (n) qsort(count, n, sizeof *count, by_size);
    while (zeros < n && count[zeros] <= 0) zeros++;
    const size_t who = n - zeros;
    for (size_t i = 0; i < who; i++) {
        sum += count[zeros + i];
        weighted += (2 * (double)i + 1 - (double)who) * count[zeros + i];
        most = count[zeros + i];
    }
    s->speakers = (int64_t)who;
    s->most = sum > 0 ? most / sum : (double)NAN;
    s->gini = sum > 0 ? weighted / ((double)who * sum) : (double)NAN;
}

static void measure(const data_facts *facts, const size_t *clips, size_t n, double *v,
                    data_summary *s)
{
    data_quantiles *const to[DATA_QUANTITIES] = {&s->level, &s->peak, &s->snr, &s->duration};
    for (int q = 0; q < DATA_QUANTITIES; q++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            v[k] = data_quantity_of(&facts[clips[i]], (data_quantity)q);
            if (!isnan(v[k])) k++;
        }
        *to[q] = data_quantiles_of(v, k);
        if (q == DATA_SNR) s->no_word = (int64_t)(n - k);
    }
}

base_status data_summarize(const data_recordings *r, const data_facts *facts, const size_t *clips,
                           size_t n, data_summary *s, base_err *err)
{
    size_t words, speakers;
    data_recordings_words(r, &words);
    data_recordings_speakers(r, &speakers);
    bool *spoken = base_alloc(words + 1, sizeof *spoken);
    double *v = base_alloc(n + 1, sizeof *v), *count = base_alloc(speakers + 1, sizeof *count);
    base_status status = spoken && v && count ? BASE_OK : base_nomem(err, (n + speakers) * 8);
    *s = (data_summary){.clips = (int64_t)n};
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        const data_recording c = data_recordings_at(r, clips[i]);
        s->split[c.split]++;
        s->words += !spoken[c.word];
        spoken[c.word] = true;
        count[c.speaker]++;
        s->seconds += (double)facts[clips[i]].samples / DATA_RATE;
    }
    if (status == BASE_OK) {
        measure(facts, clips, n, v, s);
        spread(count, speakers, s);
    }
    base_free(spoken);
    base_free(v);
    base_free(count);
    return status;
}
