/* From a pack's words to classes. The clips of a split that always belong to it are listed once;
 * what is drawn (other words as _unknown_) comes from a pool, and silence is made when it is read.
 */
#include "data/task.h"

#include "data/exclude.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Choices that must not differ between runs: what is evaluated. */
#define EVALUATION_SEED 59185u /* the RANDOM_SEED of TensorFlow's input_data.py */

enum { WHITE_SAMPLES = 10 * DATA_RATE };

typedef struct part {
    data_sample *fixed; /* keywords, and explicit _unknown_ and _silence_ clips, in pack order */
    int32_t *pool;      /* clips of other words */
    size_t nfixed, npool, drawn, silence;
} part;

struct data_task {
    const data_pack *pack;
    char **classes;
    int n, unknown, silence; /* index of the class, or -1 */
    double unknown_share, silence_share;
    part parts[DATA_SPLITS];
    int16_t *white; /* noise for packs without any */
    bool *excluded; /* of each clip; NULL: none is */
};

static int class_of(const data_task *t, const char *word)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->classes[i], word) == 0) return i;
    return -1;
}

/* ---- sorting clips into parts ---- */

typedef enum word_kind { WORD_KEYWORD, WORD_UNKNOWN, WORD_SILENCE, WORD_OTHER } word_kind;

static word_kind kind_of(const char *word, int label)
{
    if (strcmp(word, DATA_UNKNOWN) == 0) return WORD_UNKNOWN;
    if (strcmp(word, DATA_SILENCE) == 0) return WORD_SILENCE;
    return label >= 0 ? WORD_KEYWORD : WORD_OTHER;
}

/* Count, then (second pass) fill: kinds and labels are by word. */
static base_status sort_clips(data_task *t, const word_kind *kind, const int *label, base_err *err)
{
    size_t clips = data_pack_clips(t->pack), keywords[DATA_SPLITS] = {0};
    bool has_unknown[DATA_SPLITS] = {0}, has_silence[DATA_SPLITS] = {0};
    for (int s = 0; s < DATA_SPLITS; s++) {
        t->parts[s].fixed = base_alloc(clips + 1, sizeof(data_sample));
        t->parts[s].pool = base_alloc(clips + 1, sizeof(int32_t));
        if (!t->parts[s].fixed || !t->parts[s].pool) return base_nomem(err, clips * 12);
    }
    for (size_t i = 0; i < clips; i++) {
        data_clip c = data_pack_clip(t->pack, i);
        part *p = &t->parts[c.split];
        if (t->excluded && t->excluded[i]) continue;
        keywords[c.split] += kind[c.word] == WORD_KEYWORD;
        has_unknown[c.split] |= kind[c.word] == WORD_UNKNOWN;
        has_silence[c.split] |= kind[c.word] == WORD_SILENCE;
        if (kind[c.word] == WORD_OTHER)
            p->pool[p->npool++] = (int32_t)i;
        else if (label[c.word] >= 0)
            p->fixed[p->nfixed++] = (data_sample){(int32_t)i, label[c.word]};
    }
    for (int s = 0; s < DATA_SPLITS; s++) {
        part *p = &t->parts[s];
        double wanted = ceil(t->unknown_share * (double)keywords[s]);
        if (t->unknown < 0 || has_unknown[s]) p->npool = 0;
        p->drawn = wanted < (double)p->npool ? (size_t)wanted : p->npool;
        if (t->silence >= 0 && !has_silence[s])
            p->silence = (size_t)ceil(t->silence_share * (double)keywords[s]);
    }
    return BASE_OK;
}

static base_status sort_pack(data_task *t, base_err *err)
{
    size_t words;
    const char *const *word = data_pack_words(t->pack, &words);
    word_kind *kind = calloc(words + 1, sizeof *kind);
    int *label = calloc(words + 1, sizeof *label);
    base_status status = BASE_OK;
    if (!kind || !label) status = base_nomem(err, words);
    for (size_t i = 0; i < words && status == BASE_OK; i++) {
        label[i] = class_of(t, word[i]);
        kind[i] = kind_of(word[i], label[i]);
    }
    if (status == BASE_OK) status = sort_clips(t, kind, label, err);
    free(kind);
    free(label);
    return status;
}

/* ---- leaving out ---- */

/* Whether import left out a clip of this name because it was excluded then. */
static bool was_excluded(const data_pack *pack, const char *name)
{
    size_t n;
    const char *const *skipped = data_pack_skipped(pack, &n);
    for (size_t i = 0; i < n; i++) {
        const char *at = strstr(skipped[i], name), *end = at ? at + strlen(name) : NULL;
        if (at && at > skipped[i] && at[-1] == '/' && (*end == '.' || *end == ':') &&
            strstr(end, ": excluded"))
            return true;
    }
    return false;
}

static base_status check_used(const data_pack *pack, const char *path, const data_exclude *list,
                              base_err *err)
{
    size_t strange = 0;
    const char *first = NULL, *name;
    for (size_t i = 0; (name = data_exclude_unused(list, i)); i++) {
        if (was_excluded(pack, name)) continue;
        if (strange++ == 0) first = name;
    }
    if (strange == 0) return BASE_OK;
    base_fail(err, BASE_DATA, "data.exclude = '%.160s': '%.120s' is no clip of '%.120s'", path,
              first, data_pack_path(pack));
    return base_hint(err, "%zu of its names are none; sotto data lint makes a list for a pack",
                     strange);
}

static base_status exclude(data_task *t, const char *path, base_err *err)
{
    const size_t clips = data_pack_clips(t->pack);
    data_exclude *list;
    if (!*path) return BASE_OK;
    BASE_TRY(data_exclude_read(path, &list, err));
    t->excluded = base_alloc(clips + 1, sizeof *t->excluded);
    for (size_t i = 0; t->excluded && i < clips; i++) {
        const data_clip c = data_pack_clip(t->pack, i);
        t->excluded[i] = data_exclude_has(list, c.name) && c.split != DATA_TEST;
    }
    base_status status = t->excluded ? check_used(t->pack, path, list, err)
                                     : base_nomem(err, clips * sizeof *t->excluded);
    data_exclude_free(list);
    return status;
}

/* ---- making a task ---- */

static base_status make_white(data_task *t, base_err *err)
{
    if (data_pack_noises(t->pack) > 0) return BASE_OK;
    base_rng rng = base_rng_at(EVALUATION_SEED, BASE_RNG_SYNTH, 0, 0);
    t->white = base_alloc(WHITE_SAMPLES, sizeof *t->white);
    if (!t->white) return base_nomem(err, WHITE_SAMPLES * sizeof *t->white);
    for (int i = 0; i < WHITE_SAMPLES; i++) {
        double v = 3277 * base_rng_normal(&rng); /* RMS 0.1 */
        t->white[i] = (int16_t)(v > 32767 ? 32767 : v < -32767 ? -32767 : v);
    }
    return BASE_OK;
}

static base_status new_task(const data_pack *pack, const char *const *classes, int n,
                            const data_config *cfg, data_task **out, base_err *err)
{
    data_task *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return base_nomem(err, sizeof *t);
    *t = (data_task){
        .pack = pack, .unknown_share = cfg->unknown_share, .silence_share = cfg->silence_share};
    t->classes = calloc((size_t)n + 1, sizeof *t->classes);
    for (; t->classes && t->n < n; t->n++)
        if (!(t->classes[t->n] = base_strdup(classes[t->n]))) break;
    base_status status = t->classes && t->n == n ? BASE_OK : base_nomem(err, (size_t)n);
    if (status == BASE_OK) {
        t->unknown = class_of(t, DATA_UNKNOWN);
        t->silence = class_of(t, DATA_SILENCE);
        status = exclude(t, cfg->exclude, err);
    }
    if (status == BASE_OK) status = sort_pack(t, err);
    if (status == BASE_OK) status = make_white(t, err);
    if (status == BASE_OK)
        *out = t;
    else
        data_task_free(t);
    return status;
}

void data_task_free(data_task *t)
{
    if (!t) return;
    for (int i = 0; t->classes && i < t->n; i++) free(t->classes[i]);
    for (int s = 0; s < DATA_SPLITS; s++) {
        base_free(t->parts[s].fixed);
        base_free(t->parts[s].pool);
    }
    free(t->classes);
    base_free(t->excluded);
    base_free(t->white);
    free(t);
}

/* The pack has no such word to learn: say which, and what is near. */
static base_status no_clip(const data_task *t, const char *word, base_err *err)
{
    size_t n;
    const char *const *words = data_pack_words(t->pack, &n);
    const char *near = base_nearest(word, words, n);
    base_fail(err, BASE_DATA, "keyword '%s' has no training clip in '%s'", word,
              data_pack_path(t->pack));
    if (near && strcmp(near, word) != 0) return base_hint(err, "did you mean '%s'?", near);
    base_str list = {0};
    for (size_t i = 0; i < n; i++) base_str_add(&list, "%s%s", i ? " " : "", words[i]);
    base_hint(err, "its words: %.200s", list.s ? list.s : "none");
    base_str_free(&list);
    return BASE_DATA;
}

static base_status check_training(const data_task *t, base_err *err)
{
    for (int k = 0; k < t->n; k++) {
        if (k == t->silence || data_task_count(t, DATA_TRAIN, k) > 0) continue;
        if (k != t->unknown) return no_clip(t, t->classes[k], err);
        base_fail(err, BASE_DATA,
                  "'%s' has no training clip of a word that is no keyword, for the "
                  "class " DATA_UNKNOWN,
                  data_pack_path(t->pack));
        return base_hint(err, "import a folder with other words too, or set data.unknown_share=0");
    }
    return BASE_OK;
}

base_status data_task_new(const data_pack *pack, const data_config *cfg, data_task **task,
                          base_err *err)
{
    char **words;
    size_t n;
    *task = NULL;
    BASE_TRY(data_words_parse(cfg->keywords, &words, &n, err));
    const char **classes = calloc(n + 2, sizeof *classes);
    base_status status = classes ? BASE_OK : base_nomem(err, n);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        classes[i] = words[i];
        if (words[i][0] == '_')
            status = base_fail(err, BASE_USAGE, "data.keywords: '%s' is no word", words[i]);
    }
    if (status == BASE_OK) {
        if (cfg->unknown_share > 0) classes[n++] = DATA_UNKNOWN;
        if (cfg->silence_share > 0) classes[n++] = DATA_SILENCE;
        status = new_task(pack, classes, (int)n, cfg, task, err);
    }
    if (status == BASE_OK) status = check_training(*task, err);
    if (status != BASE_OK) {
        data_task_free(*task);
        *task = NULL;
    }
    free(classes);
    free(words);
    return status;
}

base_status data_task_of_labels(const data_pack *pack, const char *const *labels, int n,
                                const data_config *cfg, data_task **task, base_err *err)
{
    data_config usual = data_config_default();
    if (cfg && cfg->unknown_share > 0) usual.unknown_share = cfg->unknown_share;
    if (cfg && cfg->silence_share > 0) usual.silence_share = cfg->silence_share;
    BASE_TRY(new_task(pack, labels, n, &usual, task, err));
    size_t clips = 0;
    for (int s = 0; s < DATA_SPLITS; s++) clips += (*task)->parts[s].nfixed;
    if (clips > 0) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' has none of the model's words ('%s', ...)",
              data_pack_path(pack), n ? labels[0] : "");
    data_task_free(*task);
    *task = NULL;
    return BASE_DATA;
}

/* ---- asking ---- */

const data_pack *data_task_pack(const data_task *t)
{
    return t->pack;
}

const char *const *data_task_classes(const data_task *t, int *n)
{
    *n = t->n;
    return (const char *const *)t->classes;
}

size_t data_task_count(const data_task *t, data_split split, int label)
{
    const part *p = &t->parts[split];
    if (label < 0) return p->nfixed + p->drawn + p->silence;
    size_t n = label == t->unknown ? p->drawn : label == t->silence ? p->silence : 0;
    for (size_t i = 0; i < p->nfixed; i++) n += p->fixed[i].label == label;
    return n;
}

/* ---- lists of samples ---- */

/* Everything of a part: fixed, k of the pool chosen by rng (reservoir sampling, Vitter 1985,
 * algorithm R), silence. */
static size_t list_all(const data_task *t, const part *p, base_rng *rng, data_sample *list)
{
    size_t n = p->nfixed;
    memcpy(list, p->fixed, n * sizeof *list);
    for (size_t i = 0; i < p->npool && p->drawn > 0; i++) {
        size_t place = i < p->drawn ? i : base_rng_below(rng, (uint32_t)i + 1);
        if (place < p->drawn) list[n + place] = (data_sample){p->pool[i], t->unknown};
    }
    n += p->drawn;
    for (size_t i = 0; i < p->silence; i++) list[n++] = (data_sample){-1, t->silence};
    return n;
}

void data_task_evaluation(const data_task *t, data_split split, data_sample *list)
{
    base_rng rng = base_rng_at(EVALUATION_SEED, BASE_RNG_SELECT, (uint32_t)split, 0);
    list_all(t, &t->parts[split], &rng, list);
}

void data_task_epoch(const data_task *t, uint64_t seed, uint32_t epoch, data_sample *list)
{
    base_rng rng = base_rng_at(seed, BASE_RNG_SELECT, epoch, 0);
    size_t n = list_all(t, &t->parts[DATA_TRAIN], &rng, list);
    rng = base_rng_at(seed, BASE_RNG_SHUFFLE, epoch, 0);
    for (size_t i = n; i > 1; i--) {
        size_t j = base_rng_below(&rng, (uint32_t)i);
        data_sample swap = list[i - 1];
        list[i - 1] = list[j];
        list[j] = swap;
    }
}

/* ---- samples ---- */

base_status data_task_noise(const data_task *t, data_split split, base_rng *rng, size_t samples,
                            int16_t *pcm, base_err *err)
{
    const int tenths[DATA_SPLITS + 1] = {0, 8, 9, 10};
    size_t which = t->white ? 0 : base_rng_below(rng, (uint32_t)data_pack_noises(t->pack));
    int64_t total = t->white ? WHITE_SAMPLES : data_pack_noise(t->pack, which).samples;
    int64_t lo = total * tenths[split] / 10, hi = total * tenths[split + 1] / 10;
    int64_t wanted = (int64_t)samples;
    if (hi - lo < wanted) lo = 0, hi = total;
    int64_t n = hi - lo < wanted ? hi - lo : wanted;
    int64_t at = lo + base_rng_below(rng, (uint32_t)(hi - lo - n) + 1);
    if (t->white)
        memcpy(pcm, t->white + at, (size_t)n * sizeof *pcm);
    else
        BASE_TRY(data_pack_read_noise(t->pack, which, at, (size_t)n, pcm, err));
    for (int64_t i = n; i < wanted; i++) pcm[i] = pcm[i - n];
    return BASE_OK;
}

base_status data_task_pcm(const data_task *t, data_split split, size_t index,
                          const data_sample *sample, size_t samples, int16_t *pcm, base_err *err)
{
    if (sample->clip >= 0)
        return data_pack_read_clip(t->pack, (size_t)sample->clip, samples, pcm, err);
    base_rng rng = base_rng_at(EVALUATION_SEED, BASE_RNG_AUGMENT, (uint32_t)split, index);
    BASE_TRY(data_task_noise(t, split, &rng, samples, pcm, err));
    double gain = base_rng_uniform(&rng) * data_augment_default().silence_gain;
    for (size_t i = 0; i < samples; i++) pcm[i] = (int16_t)lrint(gain * pcm[i]);
    return BASE_OK;
}
