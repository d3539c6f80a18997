/* stream_score: detections against what was said; see stream.h. */
#include "quantize/explain.h"
#include "quantize/internal.h"
#include "quantize/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_BYTES = 1 << 28 };

/* ---- labels ---- */

static base_status unknown_word(const nn_model *m, const char *path, int line, const char *word,
                                base_err *err)
{
    base_fail(err, BASE_DATA, "%s:%d: '%s' is no label of the model", path, line, word);
    const char *near = base_nearest(word, (const char *const *)m->labels, m->n_labels);
    return near ? base_hint(err, "did you mean '%s'?", near)
                : base_hint(err, "words that the model does not know are " DATA_UNKNOWN);
}

/* One line, cut into its words in place. */
static base_status parse_line(char *text, const nn_model *m, const char *path, int line,
                              quant_label *label, base_err *err)
{
    char *rest = NULL, *part[4] = {0};
    for (int i = 0; i < 4; i++) part[i] = strtok_r(i ? NULL : text, "\t \r", &rest);
    if (!part[2] || part[3] || !base_parse_double(part[0], &label->start) ||
        !base_parse_double(part[1], &label->end))
        return base_fail(err, BASE_DATA, "%s:%d: not 'start end word' with times in seconds", path,
                         line);
    if (label->start < 0 || label->end < label->start)
        return base_fail(err, BASE_DATA, "%s:%d: from %s to %s s is no time", path, line, part[0],
                         part[1]);
    for (size_t k = 0; k < m->n_labels; k++) {
        label->word = (int)k;
        if (strcmp(m->labels[k], part[2]) == 0) return BASE_OK;
    }
    return unknown_word(m, path, line, part[2], err);
}

static int by_start(const void *a, const void *b)
{
    const quant_label *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

base_status quant_labels_read(const char *path, const nn_model *m, quant_labels *labels,
                              base_err *err)
{
    char *text = NULL, *at, *rest = NULL;
    size_t n = 0, cap = 0;
    *labels = (quant_labels){0};
    BASE_TRY(base_read_file(path, LABELS_BYTES, &text, &n, err));
    base_status status = BASE_OK;
    if (strlen(text) != n) status = base_fail(err, BASE_DATA, "%s: is no text", path);
    rest = text;
    for (int line = 1; status == BASE_OK && (at = strsep(&rest, "\n")); line++) {
        if (at[strspn(at, "\t \r")] == '\0' || *at == '#') continue;
        if (!base_grow((void **)&labels->list, &cap, labels->n + 1, sizeof *labels->list))
            status = base_nomem(err, (labels->n + 1) * sizeof *labels->list);
        else
            status = parse_line(at, m, path, line, &labels->list[labels->n], err);
        if (status == BASE_OK) labels->n++;
    }
    free(text);
    if (status == BASE_OK && labels->n > 0)
        qsort(labels->list, labels->n, sizeof *labels->list, by_start);
    if (status != BASE_OK) {
        free(labels->list);
        *labels = (quant_labels){0};
    }
    return status;
}

/* ---- matching ---- */

/* The label that a detection hits, or -1; during: the last one that it is within, or -1. `from`:
 * the first label that may still be within reach, moved on. */
static int64_t hit_of(const quant_labels *said, const quant_detection *d, double tolerance,
                      const int *hits, size_t *from, int64_t *during)
{
    int64_t hit = -1;
    *during = -1;
    while (*from < said->n && said->list[*from].end + tolerance < d->seconds) ++*from;
    for (size_t i = *from; i < said->n && said->list[i].start <= d->seconds; i++) {
        const quant_label *l = &said->list[i];
        if (l->end + tolerance < d->seconds) continue;
        *during = (int64_t)i;
        if (hit < 0 && l->word == d->word && !(hits[i] & 1)) hit = (int64_t)i;
    }
    return hit;
}

/* Bit 0 of seen: the label was hit; bit 1: something was detected during it. */
static void match(const quant_heard *h, const quant_labels *said, const quant_detections *found,
                  double tolerance, int *seen, int64_t *confusion, quant_score *score)
{
    size_t from = 0;
    const int side = h->classes + 1;
    for (size_t i = 0; i < found->n; i++) {
        const quant_detection *d = &found->list[i];
        int64_t during;
        const int64_t hit = hit_of(said, d, tolerance, seen, &from, &during);
        const int64_t label = hit >= 0 ? hit : during;
        score->hits += hit >= 0;
        score->false_alarms += hit < 0;
        if (label >= 0) seen[label] |= hit >= 0 ? 3 : 2;
        const int row = label >= 0 ? said->list[label].word : h->classes;
        if (confusion) confusion[row * side + d->word]++;
    }
    for (size_t i = 0; confusion && i < said->n; i++)
        if (!seen[i]) confusion[said->list[i].word * side + h->classes]++;
}

base_status quant_score_detections(const quant_heard *h, const sotto_posterior_t *t,
                                   const quant_labels *said, const quant_detections *found,
                                   double tolerance, int64_t *confusion, quant_score *score,
                                   base_err *err)
{
    int *seen = base_alloc(said->n + 1, sizeof *seen);
    *score = (quant_score){.confusion = confusion};
    if (!seen) return base_nomem(err, said->n * sizeof *seen);
    for (size_t i = 0; i < said->n; i++) score->words += !t->mute[said->list[i].word];
    match(h, said, found, tolerance, seen, confusion, score);
    base_free(seen);
    score->false_rejection_rate =
        score->words ? 1 - (double)score->hits / (double)score->words : (double)NAN;
    score->false_alarms_per_hour =
        (double)score->false_alarms * 3600 * h->rate / (double)h->samples;
    return BASE_OK;
}

/* ---- the operating curve ---- */

static base_status make_curve(const quant_heard *h, sotto_posterior_t t, const quant_labels *said,
                              double tolerance, quant_operation curve[QUANT_CURVE], base_err *err)
{
    quant_detections found = {0};
    base_status status = BASE_OK;
    for (int i = 0; i < QUANT_CURVE && status == BASE_OK; i++) {
        t.threshold = (i + 1) * t.window;
        curve[i].threshold = (i + 1) / 256.0;
        status = quant_detect(h, &t, &found, err);
        if (status == BASE_OK)
            status =
                quant_score_detections(h, &t, said, &found, tolerance, NULL, &curve[i].score, err);
    }
    free(found.list);
    return status;
}

base_status quant_curve(const quant_heard *h, const sotto_posterior_t *t, const quant_labels *said,
                        double tolerance, quant_operation curve[QUANT_CURVE], base_err *err)
{
    if (t->softmax.rows == 0) return make_curve(h, *t, said, tolerance, curve, err);
    const size_t size = (size_t)h->n * (size_t)h->classes;
    quant_heard scores = *h; /* computed once */
    sotto_posterior_t of_scores = *t;
    of_scores.softmax.rows = 0;
    scores.out = base_alloc(size, 1);
    if (!scores.out) return base_nomem(err, size);
    for (int64_t i = 0; i < h->n; i++)
        sotto_softmax(&t->softmax, h->out + i * h->classes, scores.out + i * h->classes);
    const base_status status = make_curve(&scores, of_scores, said, tolerance, curve, err);
    base_free(scores.out);
    return status;
}

const quant_operation *quant_curve_at(const quant_operation curve[QUANT_CURVE], double per_hour)
{
    const quant_operation *best = NULL;
    for (int i = 0; i < QUANT_CURVE; i++) {
        const quant_score *s = &curve[i].score;
        if (s->false_alarms_per_hour > per_hour) continue;
        if (!best || s->hits > best->score.hits ||
            (s->hits == best->score.hits && s->false_alarms < best->score.false_alarms))
            best = &curve[i];
    }
    return best;
}

static void add_array(base_str *s, const char *name, const quant_operation *curve, bool alarms)
{
    base_str_add(s, "array %s[%d] = [", name, QUANT_CURVE);
    for (int i = 0; i < QUANT_CURVE; i++)
        base_str_add(s, "%s%.6g", i ? "," : "",
                     alarms ? curve[i].score.false_alarms_per_hour
                            : 100 * curve[i].score.false_rejection_rate);
    base_str_add(s, "]; ");
}

base_status quant_plot_curve(const quant_operation curve[QUANT_CURVE], const char *path,
                             base_err *err)
{
    base_str s = {0};
    BASE_TRY(quant_plot_check(path, err));
    base_str_add(&s,
                 "set terminal %s size 900,600 font 'Sans,11' background '#ffffff'; "
                 "set grid lt 1 lc '#cccccc'; set border 3; set tics nomirror; "
                 "set xlabel 'false alarms an hour'; set ylabel 'words missed, %%'; "
                 "set yrange [0:*]; ",
                 quant_plot_terminal(path));
    add_array(&s, "alarms", curve, true);
    add_array(&s, "missed", curve, false);
    base_str_add(&s, "plot alarms using (alarms[$1]):(missed[$1]) with linespoints pt 7 ps 0.5 "
                     "lw 2 lc '#4c72b0' notitle");
    return quant_plot_draw(&s, path, err);
}
