/* stream: see stream.h. Random streams: SELECT, of each word; SHUFFLE, of the order of the clips;
 * AUGMENT, of each stretch of noise.
 */
#include "data/stream.h"

#include "data/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIP = DATA_RATE,
    BLOCK = DATA_RATE / 100, /* of dsp_active_power */
    RAMP = DATA_RATE / 100,  /* at the ends of a clip */
    STRETCH = 5 * DATA_RATE, /* of noise, from one fade to the next */
    FADE = DATA_RATE / 2,    /* that two stretches share */
    PIECE = STRETCH + FADE,  /* what is drawn */
};

#define SILENT 1e-8 /* mean square of what counts as nothing: -80 dB */

data_stream data_stream_default(void)
{
    return (data_stream){.keywords = "yes,no,up,down,left,right,go,stop",
                         .split = DATA_TEST,
                         .minutes = 60,
                         .gap = 3,
                         .snr = 10,
                         .unknown_share = 0.5};
}

/* ---- clips ---- */

/* Clips of one kind, and in what order they are used up. */
typedef struct deck {
    uint32_t *clip;
    size_t n, next;
    uint32_t pass;
} deck;

typedef struct maker {
    const data_stream *what;
    const data_pack *pack;
    data_task *task; /* the noise */
    deck keywords, unknown;
    const char **label; /* of each word of the pack: keyword, DATA_UNKNOWN; NULL: silence */
    double *power;      /* of each clip of the pack */
    double level;       /* the median of those of the split */
    int16_t *pcm16;
    float *clip;
    data_stream_result *r;
} maker;

/* The label of each word of the pack. */
static base_status name_words(maker *m, char **keywords, size_t n_keywords, base_err *err)
{
    size_t n;
    const char *const *word = data_pack_words(m->pack, &n);
    m->label = base_arena_alloc(m->r->arena, n + 1, sizeof *m->label);
    if (!m->label) return base_nomem(err, n * sizeof *m->label);
    for (size_t i = 0; i < n; i++) {
        m->label[i] = strcmp(word[i], DATA_SILENCE) == 0 ? NULL : DATA_UNKNOWN;
        for (size_t k = 0; k < n_keywords; k++)
            if (strcmp(word[i], keywords[k]) == 0)
                m->label[i] = base_arena_printf(m->r->arena, "%s", word[i]);
    }
    return BASE_OK;
}

static bool is_unknown(const char *label)
{
    return strcmp(label, DATA_UNKNOWN) == 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static base_status read_clip(maker *m, size_t i, base_err *err)
{
    BASE_TRY(data_pack_read_clip(m->pack, i, CLIP, m->pcm16, err));
    dsp_from_pcm16(m->clip, m->pcm16, CLIP);
    return BASE_OK;
}

/* Whether the split has explicit clips of DATA_UNKNOWN: they are then its only ones, as in a task.
 */
static bool has_unknown(const maker *m)
{
    const char *const *word = data_pack_words(m->pack, &(size_t){0});
    for (size_t i = 0; i < data_pack_clips(m->pack); i++) {
        const data_clip c = data_pack_clip(m->pack, i);
        if (c.split == m->what->split && is_unknown(word[c.word])) return true;
    }
    return false;
}

/* The clips of the split that can be heard, by kind, and how loud they are. */
static base_status sort_clips(maker *m, base_err *err)
{
    const char *const *word = data_pack_words(m->pack, &(size_t){0});
    const bool explicit = has_unknown(m);
    const size_t n = data_pack_clips(m->pack);
    base_arena *a = m->r->arena;
    double *sorted = base_arena_alloc(a, n + 1, sizeof *sorted);
    m->power = base_arena_alloc(a, n + 1, sizeof *m->power);
    m->keywords.clip = base_arena_alloc(a, n + 1, sizeof(uint32_t));
    m->unknown.clip = base_arena_alloc(a, n + 1, sizeof(uint32_t));
    if (!sorted || !m->power || !m->keywords.clip || !m->unknown.clip)
        return base_nomem(err, n * 24);
    size_t heard = 0;
    for (size_t i = 0; i < n; i++) {
        const data_clip c = data_pack_clip(m->pack, i);
        const char *label = m->label[c.word];
        if (c.split != m->what->split || !label) continue;
        if (explicit && is_unknown(label) && !is_unknown(word[c.word])) continue;
        BASE_TRY(read_clip(m, i, err));
        m->power[i] = dsp_active_power(m->clip, CLIP, BLOCK);
        if (m->power[i] <= SILENT) continue;
        deck *d = is_unknown(label) ? &m->unknown : &m->keywords;
        d->clip[d->n++] = (uint32_t)i;
        sorted[heard++] = m->power[i];
    }
    qsort(sorted, heard, sizeof *sorted, by_value);
    m->level = heard ? sorted[heard / 2] : 0;
    return BASE_OK;
}

static base_status check_decks(const maker *m, base_err *err)
{
    const char *split = data_split_name(m->what->split);
    if (m->keywords.n == 0 && m->what->unknown_share < 1)
        return base_fail(err, BASE_DATA, "'%s' has no %s clip of %s", data_pack_path(m->pack),
                         split, m->what->keywords);
    if (m->unknown.n > 0 || m->what->unknown_share <= 0) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' has no %s clip of a word that is no keyword",
              data_pack_path(m->pack), split);
    return base_hint(err, "with --unknown-share 0 there are keywords only");
}

/* The next clip of a deck, which is shuffled anew when all have been used. */
static size_t next_clip(const maker *m, deck *d)
{
    if (d->next == d->n || d->pass == 0) {
        base_rng r = base_rng_at(m->what->seed, BASE_RNG_SHUFFLE, d->pass++, d == &m->unknown);
        base_shuffle(&r, d->clip, d->n);
        d->next = 0;
    }
    return d->clip[d->next++];
}

/* ---- noise ---- */

/* Stretches of one power, each fading into the next so that the power stays: from 0 to 1 by the
 * sine of a quarter turn, out by its cosine. */
static base_status lay_noise(maker *m, double power, base_err *err)
{
    data_stream_result *r = m->r;
    int16_t *raw = base_arena_alloc(r->arena, PIECE, sizeof *raw);
    float *piece = base_arena_alloc(r->arena, PIECE, sizeof *piece);
    if (!raw || !piece) return base_nomem(err, PIECE * 6);
    for (size_t at = 0, k = 0; at < r->n; at += STRETCH, k++) {
        base_rng rng = base_rng_at(m->what->seed, BASE_RNG_AUGMENT, (uint32_t)m->what->split, k);
        BASE_TRY(data_task_noise(m->task, m->what->split, &rng, PIECE, raw, err));
        dsp_from_pcm16(piece, raw, PIECE);
        const double own = dsp_energy(piece, PIECE) / PIECE;
        const double gain = own > SILENT ? sqrt(power / own) : 0;
        for (size_t i = 0; i < PIECE && at + i < r->n; i++) {
            double fade = 1;
            if (i < FADE && at > 0) fade = sin(M_PI_2 * (double)i / FADE);
            if (i >= STRETCH) fade = cos(M_PI_2 * (double)(i - STRETCH) / FADE);
            r->pcm[at + i] += (float)(gain * fade) * piece[i];
        }
    }
    return BASE_OK;
}

/* ---- words ---- */

static base_status lay_clip(maker *m, size_t clip, size_t at, base_err *err)
{
    BASE_TRY(read_clip(m, clip, err));
    const double gain = sqrt(m->level / m->power[clip]);
    for (size_t i = 0; i < CLIP; i++) {
        const size_t edge = i < CLIP - i ? i : CLIP - i;
        const double ramp = edge < RAMP ? (double)edge / RAMP : 1;
        m->r->pcm[at + i] += (float)(gain * ramp) * m->clip[i];
    }
    return BASE_OK;
}

static base_status lay_words(maker *m, base_err *err)
{
    data_stream_result *r = m->r;
    const size_t most = (size_t)((double)r->n / (CLIP + m->what->gap / 2 * DATA_RATE)) + 1;
    r->words = base_arena_alloc(r->arena, most, sizeof *r->words);
    if (!r->words) return base_nomem(err, most * sizeof *r->words);
    for (size_t end = 0, k = 0; k < most; k++) {
        base_rng rng = base_rng_at(m->what->seed, BASE_RNG_SELECT, (uint32_t)m->what->split, k);
        const double gap = m->what->gap * (0.5 + base_rng_uniform(&rng));
        const size_t at = end + (size_t)(gap * DATA_RATE);
        const bool unknown = base_rng_uniform(&rng) < m->what->unknown_share;
        end = at + CLIP;
        if (end > r->n) break;
        const size_t clip = next_clip(m, unknown ? &m->unknown : &m->keywords);
        BASE_TRY(lay_clip(m, clip, at, err));
        r->words[r->n_words++] =
            (data_stream_word){.start = (double)at / DATA_RATE,
                               .end = (double)end / DATA_RATE,
                               .word = m->label[data_pack_clip(m->pack, clip).word]};
    }
    return BASE_OK;
}

/* ---- the recording ---- */

static base_status prepare(maker *m, char **keywords, size_t n, base_err *err)
{
    const data_config cfg = data_config_default();
    base_arena *a = m->r->arena;
    m->pcm16 = base_arena_alloc(a, CLIP, sizeof *m->pcm16);
    m->clip = base_arena_alloc(a, CLIP, sizeof *m->clip);
    if (!m->pcm16 || !m->clip) return base_nomem(err, CLIP * 6);
    BASE_TRY(name_words(m, keywords, n, err));
    BASE_TRY(sort_clips(m, err));
    BASE_TRY(check_decks(m, err));
    return data_task_of_labels(m->pack, (const char *const *)keywords, (int)n, &cfg, &m->task, err);
}

base_status data_stream_make(const data_stream *what, const data_pack *pack, data_stream_result *r,
                             base_err *err)
{
    maker m = {.what = what, .pack = pack, .r = r};
    char **keywords;
    size_t n;
    *r = (data_stream_result){.n = (size_t)(what->minutes * 60 * DATA_RATE)};
    BASE_TRY(data_words_parse(what->keywords, &keywords, &n, err));
    r->arena = base_arena_new();
    r->pcm = base_alloc(r->n + 1, sizeof *r->pcm);
    base_status status =
        r->arena && r->pcm ? prepare(&m, keywords, n, err) : base_nomem(err, r->n * sizeof *r->pcm);
    if (status == BASE_OK) status = lay_noise(&m, m.level / pow(10, what->snr / 10), err);
    if (status == BASE_OK) status = lay_words(&m, err);
    data_task_free(m.task);
    free(keywords);
    if (status != BASE_OK) data_stream_free(r);
    return status;
}

void data_stream_free(data_stream_result *r)
{
    base_free(r->pcm);
    base_arena_free(r->arena);
    *r = (data_stream_result){0};
}

void data_stream_labels(const data_stream_result *r, base_str *text)
{
    for (size_t i = 0; i < r->n_words; i++)
        base_str_add(text, "%.6f\t%.6f\t%s\n", r->words[i].start, r->words[i].end,
                     r->words[i].word);
}
