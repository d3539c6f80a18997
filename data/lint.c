/* See data/lint.h. */
#include "data/lint.h"

#include "data/duplicates.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const double silent_db = -50, clipped_share = 0.001, offset_most = 0.01;
static const double cut_below_loudest = 12, cut_above_noise = 10; /* dB */
static const double imbalance = 2;

typedef struct problem {
    const char *name;
    bool clear;
    const char *help;
} problem;

static const problem problems[DATA_PROBLEMS] = {
    [DATA_UNREADABLE] = {"unreadable", true, "files that cannot be read"},
    [DATA_SILENT] = {"silent", true, "loudest 10 ms below -50 dBFS"},
    [DATA_NO_WORD] = {"no_word", false, "no sound stands out of the noise"},
    [DATA_CLIPPED] = {"clipped", false, "0.1 % of the samples or more cut off at the top"},
    [DATA_OFFSET] = {"dc_offset", false, "mean beyond 1 % of full scale"},
    [DATA_CUT_START] = {"cut_start", false, "begins amid a sound"},
    [DATA_CUT_END] = {"cut_end", false, "ends amid a sound"},
    [DATA_FORMAT] = {"format", false, "not 16 kHz mono"},
    [DATA_LENGTH] = {"length", false, "too short or too long"},
    [DATA_DUPLICATE] = {"duplicate", true, "the same samples as another clip"},
    [DATA_NEAR] = {"near_duplicate", true, "the same recording as another clip"},
    [DATA_SPEAKER] = {"speaker", false, "speakers in two splits"},
    [DATA_IMBALANCE] = {"imbalance", false, "words with far fewer or more clips than others"},
    [DATA_SUSPECT] = {"suspect", false, "the run hears another word"},
};

const char *data_problem_name(data_problem p)
{
    return problems[p].name;
}

const char *data_problem_help(data_problem p)
{
    return problems[p].help;
}

bool data_problem_is_clear(data_problem p)
{
    return problems[p].clear;
}

static int problem_of(const char *name)
{
    for (int i = 0; i < DATA_PROBLEMS; i++)
        if (strcmp(problems[i].name, name) == 0) return i;
    return -1;
}

base_status data_problems_parse(const char *list, unsigned *set, base_err *err)
{
    char **names = NULL;
    const char *all[DATA_PROBLEMS];
    size_t n;
    base_str text = {0};
    *set = 0;
    for (int i = 0; i < DATA_PROBLEMS; i++) {
        all[i] = problems[i].name;
        base_str_add(&text, "%s%s", i ? ", " : "", all[i]);
    }
    base_status status = data_words_parse(list, &names, &n, err);
    for (size_t i = 0; status == BASE_OK && i < n; i++) {
        int p = problem_of(names[i]);
        if (p >= 0) {
            *set |= 1u << p;
            continue;
        }
        const char *near = base_nearest(names[i], all, DATA_PROBLEMS);
        status = base_fail(err, BASE_USAGE, "'%.60s' is no problem: there are %s", names[i],
                           text.s ? text.s : "others");
        if (near) base_hint(err, "did you mean %s?", near);
    }
    free(names);
    base_str_free(&text);
    return status;
}

/* ---- findings ---- */

bool data_findings_add(data_findings *found, const data_finding *f)
{
    void *items = found->list;
    if (!base_grow(&items, &found->cap, found->n + 1, sizeof *found->list)) {
        found->failed = true;
        return false;
    }
    found->list = items;
    found->list[found->n++] = *f;
    return true;
}

typedef struct linter {
    const data_recordings *r;
    const data_facts *facts;
    const data_lint_options *o;
    data_findings *found;
    size_t n;
    const char *const *words, *const *speakers;
    size_t nwords, nspeakers;
    bool *twin; /* of each clip: a duplicate that is not kept */
} linter;

static bool wanted(const linter *l, data_problem p)
{
    return l->o->problems >> p & 1;
}

BASE_PRINTF(6, 7)
static void add(const linter *l, data_problem p, int64_t clip, int64_t other, double value,
                const char *fmt, ...)
{
    data_finding f = {.problem = p, .clip = clip, .other = other, .value = value};
    va_list args;
    if (!wanted(l, p)) return;
    va_start(args, fmt);
    vsnprintf(f.detail, sizeof f.detail, fmt, args);
    va_end(args);
    data_findings_add(l->found, &f);
}

/* ---- one clip ---- */

static bool is_cut(double edge, const data_level *v)
{
    return edge > -cut_below_loudest && edge + v->rise > cut_above_noise;
}

static void look_at_word(const linter *l, int64_t i, const data_level *v)
{
    if (v->loud_db < silent_db) {
        add(l, DATA_SILENT, i, -1, v->loud_db, "%.1f dBFS at the loudest", v->loud_db);
        return;
    }
    if (v->end <= v->start) {
        add(l, DATA_NO_WORD, i, -1, v->rise, "loudest %.1f dB above the noise", v->rise);
        return;
    }
    if (is_cut(v->head, v))
        add(l, DATA_CUT_START, i, -1, v->head, "first 20 ms %.1f dB below the loudest", -v->head);
    if (is_cut(v->tail, v))
        add(l, DATA_CUT_END, i, -1, v->tail, "last 20 ms %.1f dB below the loudest", -v->tail);
}

static void look_at(const linter *l, size_t clip)
{
    const data_facts *f = &l->facts[clip];
    const data_level *v = &f->level;
    const int64_t i = (int64_t)clip;
    const double seconds = (double)f->samples / DATA_RATE;
    if (f->unreadable) {
        add(l, DATA_UNREADABLE, i, -1, 0, "%s", f->unreadable);
        return;
    }
    if (strcmp(l->words[data_recordings_at(l->r, clip).word], DATA_SILENCE) != 0)
        look_at_word(l, i, v);
    if (v->clipped >= clipped_share)
        add(l, DATA_CLIPPED, i, -1, v->clipped, "%.2f %% of the samples", 100 * v->clipped);
    if (fabs(v->mean) > offset_most)
        add(l, DATA_OFFSET, i, -1, v->mean, "mean %.1f %% of full scale", 100 * v->mean);
    if (f->rate != DATA_RATE || f->channels != 1)
        add(l, DATA_FORMAT, i, -1, f->rate, "%d Hz, %d channel%s", f->rate, f->channels,
            f->channels == 1 ? "" : "s");
    if (seconds < l->o->seconds_lo || seconds > l->o->seconds_hi)
        add(l, DATA_LENGTH, i, -1, seconds, "%.3f s", seconds);
}

/* ---- twins ---- */

typedef struct hashed {
    const uint8_t *hash;
    data_split split;
    size_t clip;
} hashed;

/* Of equal clips the one to keep comes first: test before validation before training. */
static int by_hash(const void *a, const void *b)
{
    const hashed *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, DATA_HASH_BYTES);
    if (order != 0) return order;
    if (x->split != y->split) return x->split > y->split ? -1 : 1;
    return x->clip < y->clip ? -1 : 1;
}

/* clip is the same as kept. */
static void add_twin(const linter *l, data_problem p, size_t clip, size_t kept, double value)
{
    const data_recording a = data_recordings_at(l->r, clip), b = data_recordings_at(l->r, kept);
    add(l, p, (int64_t)clip, (int64_t)kept, value, "%s%s", a.word == b.word ? "" : "another word, ",
        a.split == b.split ? "same split" : "across splits");
    if (a.word != b.word) /* which of them is right? */
        add(l, p, (int64_t)kept, (int64_t)clip, value, "another word, %s",
            a.split == b.split ? "same split" : "across splits");
    l->twin[clip] = true;
}

static base_status find_equal(const linter *l, base_err *err)
{
    hashed *v = calloc(l->n + 1, sizeof *v);
    size_t n = 0;
    if (!v) return base_nomem(err, l->n * sizeof *v);
    for (size_t i = 0; i < l->n; i++)
        if (!l->facts[i].unreadable)
            v[n++] = (hashed){l->facts[i].hash, data_recordings_at(l->r, i).split, i};
    qsort(v, n, sizeof *v, by_hash);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (memcmp(v[i].hash, v[first].hash, DATA_HASH_BYTES) == 0)
            add_twin(l, DATA_DUPLICATE, v[i].clip, v[first].clip, 1);
        else
            first = i;
    }
    free(v);
    return BASE_OK;
}

static base_status find_near(const linter *l, base_err *err)
{
    data_pair *pairs;
    size_t n;
    BASE_TRY(data_duplicates_find(l->r, l->facts, l->o->threads, &pairs, &n, err));
    for (size_t i = 0; i < n; i++) {
        const data_pair *p = &pairs[i];
        if (l->twin[p->a] || l->twin[p->b]) continue; /* told already */
        bool keep_b = data_recordings_at(l->r, p->b).split > data_recordings_at(l->r, p->a).split;
        add_twin(l, DATA_NEAR, keep_b ? p->a : p->b, keep_b ? p->b : p->a, p->correlation);
    }
    free(pairs);
    return BASE_OK;
}

/* ---- the whole ---- */

static base_status look_at_speakers(const linter *l, base_err *err)
{
    int64_t(*count)[DATA_SPLITS] = base_alloc(l->nspeakers + 1, sizeof *count);
    if (!count) return base_nomem(err, l->nspeakers * sizeof *count);
    for (size_t i = 0; i < l->n; i++) {
        const data_recording c = data_recordings_at(l->r, i);
        if (strcmp(l->words[c.word], DATA_SILENCE) != 0) count[c.speaker][c.split]++;
    }
    for (size_t i = 0; i < l->nspeakers; i++) {
        const int64_t *n = count[i];
        if ((n[0] > 0) + (n[1] > 0) + (n[2] > 0) < 2) continue;
        add(l, DATA_SPEAKER, -1, -1, (double)(n[0] + n[1] + n[2]),
            "%.40s: %lld train, %lld validation, %lld test", l->speakers[i],
            (long long)n[DATA_TRAIN], (long long)n[DATA_VALIDATION], (long long)n[DATA_TEST]);
    }
    base_free(count);
    return BASE_OK;
}

static int by_count(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void look_at_counts(const linter *l, int64_t (*count)[DATA_SPLITS], int64_t *sorted)
{
    int64_t total[DATA_SPLITS] = {0};
    size_t n = 0;
    for (size_t i = 0; i < l->nwords; i++) {
        if (l->words[i][0] == '_' || (l->o->counted && !l->o->counted[i])) continue;
        sorted[n++] = count[i][DATA_TRAIN];
        for (int s = 0; s < DATA_SPLITS; s++) total[s] += count[i][s];
    }
    if (n == 0) return;
    qsort(sorted, n, sizeof *sorted, by_count);
    const double median = (double)(sorted[n / 2] + sorted[(n - 1) / 2]) / 2;
    for (size_t i = 0; i < l->nwords; i++) {
        if (l->words[i][0] == '_' || (l->o->counted && !l->o->counted[i])) continue;
        const double here = (double)count[i][DATA_TRAIN];
        if (here * imbalance < median || here > median * imbalance)
            add(l, DATA_IMBALANCE, -1, -1, here, "%.40s: %.0f training clips, median %g",
                l->words[i], here, median);
        for (int s = DATA_VALIDATION; s < DATA_SPLITS; s++)
            if (total[s] > 0 && count[i][s] == 0)
                add(l, DATA_IMBALANCE, -1, -1, 0, "%.40s: no %s clip", l->words[i],
                    data_split_name((data_split)s));
    }
}

static base_status look_at_words(const linter *l, base_err *err)
{
    int64_t(*count)[DATA_SPLITS] = base_alloc(l->nwords + 1, sizeof *count);
    int64_t *sorted = base_alloc(l->nwords + 1, sizeof *sorted);
    bool ok = count && sorted;
    for (size_t i = 0; ok && i < l->n; i++) {
        const data_recording c = data_recordings_at(l->r, i);
        count[c.word][c.split]++;
    }
    if (ok) look_at_counts(l, count, sorted);
    base_free(count);
    base_free(sorted);
    return ok ? BASE_OK : base_nomem(err, l->nwords * sizeof *count);
}

static int by_problem(const void *a, const void *b)
{
    const data_finding *x = a, *y = b;
    if (x->problem != y->problem) return x->problem < y->problem ? -1 : 1;
    if (x->clip != y->clip) return x->clip < y->clip ? -1 : 1;
    return strcmp(x->detail, y->detail);
}

static base_status run(const linter *l, base_err *err)
{
    if (!l->twin) return base_nomem(err, l->n);
    for (size_t i = 0; i < l->n; i++) look_at(l, i);
    BASE_TRY(find_equal(l, err));
    if (wanted(l, DATA_NEAR)) BASE_TRY(find_near(l, err));
    BASE_TRY(look_at_speakers(l, err));
    BASE_TRY(look_at_words(l, err));
    return l->found->failed ? base_nomem(err, l->found->n * sizeof *l->found->list) : BASE_OK;
}

base_status data_lint_run(const data_recordings *r, const data_facts *facts,
                          const data_lint_options *o, data_findings *found, base_err *err)
{
    linter l = {.r = r, .facts = facts, .o = o, .found = found, .n = data_recordings_count(r)};
    l.words = data_recordings_words(r, &l.nwords);
    l.speakers = data_recordings_speakers(r, &l.nspeakers);
    l.twin = base_alloc(l.n + 1, sizeof *l.twin);
    *found = (data_findings){0};
    base_status status = run(&l, err);
    base_free(l.twin);
    if (status == BASE_OK && found->n)
        qsort(found->list, found->n, sizeof *found->list, by_problem);
    if (status != BASE_OK) {
        free(found->list);
        *found = (data_findings){0};
    }
    return status;
}

/* ---- writing ---- */

base_status data_lint_write(const data_recordings *r, const data_findings *found, unsigned named,
                            const char *path, base_err *err)
{
    base_file file;
    BASE_TRY(base_file_create(&file, path, err));
    fprintf(file.f, "# Clips to leave out, for sotto data import --exclude and data.exclude=.\n"
                    "# A line that begins with # leaves nothing out: look, then decide.\n");
    for (size_t i = 0; i < found->n; i++) {
        const data_finding *f = &found->list[i];
        if (f->clip < 0) continue;
        const data_recording c = data_recordings_at(r, (size_t)f->clip);
        bool clear = problems[f->problem].clear || named >> f->problem & 1;
        fprintf(file.f, "%s%s # %s: %s", clear && c.split != DATA_TEST ? "" : "# ", c.name,
                problems[f->problem].name, f->detail);
        if (f->other >= 0) fprintf(file.f, ", %s", data_recordings_at(r, (size_t)f->other).name);
        fprintf(file.f, "%s\n", c.split == DATA_TEST ? " (test)" : "");
    }
    return base_file_commit(&file, err);
}
