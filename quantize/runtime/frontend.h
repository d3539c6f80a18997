/* frontend: from 16-bit samples to the int8 input of a model, in integers; batch and streaming
 * give the same bits.
 *
 *     int32_t memory[..._MEMORY], scratch[..._SCRATCH];
 *     sotto_frontend_state_t s;
 *     sotto_frontend_init(&fe, &s, memory, scratch);
 *     while (n > 0) {
 *         int32_t used = sotto_frontend_push(&fe, &s, pcm, n);
 *         pcm += used, n -= used;
 *         if (s.ready) ...                       // a frame of features has come
 *     }
 *     sotto_frontend_window(&fe, &s, input);     // the last frames, oldest first
 *
 * scratch is free between calls: it may be memory that the model works in.
 *
 * Frames are kept as 16-bit features. Before there have been as many as a window holds, the oldest
 * are those of silence. With centred frames the first is mirrored at the start of the stream and
 * later ones read real samples, half a window after their time; sotto_frontend_finish mirrors the
 * end of a clip. With a level (features of samples over their maximum) the maximum is that of as
 * many whole hops as a clip has, the last one as far as it has come: over a stream of one clip its
 * exact maximum. As dividing by it only adds to logarithms, it happens when features are read. The
 * floor of the logarithm grows with the level, though: frames are computed with that of a usual
 * level, and kept beside how they change with a floor of 4 times and of 1/4; between and beyond
 * these a parabola in ln(level) is read.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_FRONTEND_H
#define SOTTO_FRONTEND_H

#include "quantize/runtime/melbands.h"

#include <string.h>

typedef struct sotto_frontend_t {
    sotto_melbands_t bands;
    int32_t hop;           /* samples from frame to frame */
    int32_t ahead;         /* samples before the first that its frame has: mirrored; 0: none */
    int32_t frames;        /* kept, and read as a window */
    int32_t bins;          /* features of a frame */
    int32_t cepstra;       /* 1: features are cepstral coefficients, 0: the bands themselves */
    const int16_t *dct;    /* [bins][(mels + 1) / 2] over the sums (differences where the bin is
                            * odd) of bands that lie alike from both ends */
    const uint8_t *digits; /* [bins] a kept feature is 2^digits times its value */
    const uint8_t *shift;  /* [bins] from sums of products to kept features */
    int32_t level_blocks;  /* hops that a level is the maximum of; 0: no level */
    int32_t level_bins;    /* the first so many features change with it */
    int32_t level_gain;    /* by level_gain / 2^(level_shift - 8) for 1 of ln */
    int32_t level_shift;
    int32_t level_center; /* ln of what the floor is scaled by for the usual level, Q15.16 */
    int32_t floor_ln;     /* ln of the floor for the usual level, Q15.16 */
    const uint16_t *tilt; /* [2][129] what a band at floor_ln + i / 16 gains by 4 times the floor,
                           * and loses by 1/4 of it, Q14 */
    const uint8_t *tilt_shift;  /* [bins] from sums of products to kept gains and losses */
    int32_t silence;            /* these features of a frame of zeros */
    const int16_t *multiplier;  /* [bins] int8 = (kept * multiplier + offset) / 2^scale_shift */
    const int32_t *offset;      /* [bins] */
    const uint8_t *scale_shift; /* [bins] */
} sotto_frontend_t;

typedef struct sotto_frontend_state_t {
    int32_t *scratch;
    int16_t *pcm;   /* the samples of the coming frame, one more before it */
    int16_t *rows;  /* [frames][bins] a ring of kept features */
    int16_t *peaks; /* [level_blocks] a ring of maxima */
    int8_t *tilts;  /* with a level: [frames][2][bins] beside rows */
    int32_t fill;   /* samples in pcm; negative: so many are skipped before the frame starts */
    int32_t need;   /* fill at which the frame is computed */
    int32_t mirror; /* the start is still to be mirrored */
    int32_t row;    /* of the next frame: the oldest */
    int32_t block, block_fill; /* where in peaks the last sample went, and how many it has */
    int32_t ready;             /* the last push gave a frame */
} sotto_frontend_state_t;

/* Samples that the first frame waits for: mirroring sample 0 .. ahead takes one more. */
static inline int32_t sotto_frontend_first(const sotto_frontend_t *p)
{
    const int32_t mirrored = p->ahead > 0 ? 2 * p->ahead + 1 : 0;
    return mirrored > p->bands.window ? mirrored : p->bands.window;
}

/* Numbers of int32_t in the memory of a state, and in its scratch. */
static inline int32_t sotto_frontend_memory(const sotto_frontend_t *p)
{
    const int32_t kept = p->frames * p->bins, tilts = p->level_blocks > 0 ? kept : 0;
    return (sotto_frontend_first(p) + 2 + kept + p->level_blocks + tilts + 1) / 2;
}
static inline int32_t sotto_frontend_scratch(const sotto_frontend_t *p)
{
    return p->bands.fft.n;
}

#define SOTTO_FRONTEND_SILENT (-32768) /* the level's features of a frame of zeros */

/* ---- one frame ---- */

/* What lies alike from both ends: sums in the first half, differences in the last, backwards. */
static inline void sotto_frontend_fold(const sotto_frontend_t *p, int32_t *v)
{
    if (!p->cepstra) return;
    for (int32_t m = 0, n = p->bands.mels; m < n / 2; m++) {
        const int32_t a = v[m], b = v[n - 1 - m];
        v[m] = a + b;
        v[n - 1 - m] = a - b;
    }
}

/* Feature k of folded bands, times 2^shift. */
static inline int32_t sotto_frontend_feature(const sotto_frontend_t *p, const int32_t *v, int32_t k)
{
    const int32_t mels = p->bands.mels, half = (mels + 1) / 2;
    const int16_t *c = p->dct + k * half;
    int32_t sum = half / 2; /* products are rounded down: half each too small */
    if (!p->cepstra) return v[k];
    if (k & 1)
        for (int32_t m = 0; m < half; m++) sum = sotto_add_w(sum, v[mels - 1 - m], c[m]);
    else
        for (int32_t m = 0; m < half; m++) sum = sotto_add_w(sum, v[m], c[m]);
    return sum;
}

/* v / 2^n, halves up */
static inline int32_t sotto_frontend_round(int32_t v, int32_t n)
{
    return (v + ((1 << n) >> 1)) >> n;
}

/* Gains and losses of features by other floors, into tilts [2][bins]. ln: the bands; work: as many.
 * All are 0 unless a band is near the floor. */
static inline void sotto_frontend_tilt(const sotto_frontend_t *p, const int32_t *ln, int32_t *work,
                                       int8_t *tilts)
{
    const int32_t mels = p->bands.mels;
    for (int32_t side = 0; side < 2; side++, tilts += p->bins) {
        const uint16_t *table = p->tilt + 129 * side;
        int32_t near = 0;
        for (int32_t m = 0; m < mels; m++) {
            const int32_t above = ln[m] < p->floor_ln ? 0 : ln[m] - p->floor_ln, at = above >> 12;
            work[m] = 0;
            if (at >= 128) continue;
            work[m] = 4 * table[at] + (((int32_t)table[at + 1] - table[at]) * (above & 4095) >> 10);
            near = 1;
        }
        memset(tilts, 0, (size_t)p->bins);
        if (!near) continue;
        sotto_frontend_fold(p, work);
        for (int32_t k = 0; k < p->bins; k++) {
            const int32_t v = sotto_frontend_feature(p, work, k);
            tilts[k] = (int8_t)sotto_frontend_round(v, p->tilt_shift[k]);
        }
    }
}

/* Features of the window of samples at x, x[-1] is read with pre-emphasis only, into row; tilts
 * with a level. */
static inline void sotto_frontend_frame(const sotto_frontend_t *p, const int16_t *x,
                                        int32_t *scratch, int16_t *row, int8_t *tilts)
{
    const int32_t sound = sotto_melbands(&p->bands, x, scratch);
    if (p->level_blocks > 0) sotto_frontend_tilt(p, scratch, scratch + p->bands.mels, tilts);
    sotto_frontend_fold(p, scratch);
    for (int32_t k = 0; k < p->bins; k++)
        row[k] = (int16_t)sotto_frontend_round(sotto_frontend_feature(p, scratch, k), p->shift[k]);
    if (!sound)
        for (int32_t k = 0; k < p->level_bins; k++) row[k] = SOTTO_FRONTEND_SILENT;
}

/* ---- stream ---- */

static inline void sotto_frontend_init(const sotto_frontend_t *p, sotto_frontend_state_t *s,
                                       int32_t *memory, int32_t *scratch)
{
    memset(memory, 0, (size_t)sotto_frontend_memory(p) * sizeof *memory);
    s->scratch = scratch;
    s->pcm = (int16_t *)memory + 2; /* aligned to 4 */
    s->rows = s->pcm + sotto_frontend_first(p);
    s->peaks = s->rows + p->frames * p->bins;
    s->tilts = (int8_t *)(s->peaks + p->level_blocks);
    s->need = sotto_frontend_first(p);
    s->fill = p->ahead;
    s->mirror = p->ahead > 0;
    s->row = s->block = s->block_fill = s->ready = 0;
    sotto_frontend_frame(p, s->pcm, scratch, s->rows, s->tilts);
    for (int32_t t = 1; t < p->frames; t++)
        memcpy(s->rows + t * p->bins, s->rows, (size_t)p->bins * sizeof *s->rows);
}

static inline void sotto_frontend_peak(const sotto_frontend_t *p, sotto_frontend_state_t *s,
                                       const int16_t *x, int32_t n)
{
    if (p->level_blocks == 0) return;
    while (n > 0) {
        if (s->block_fill == p->hop) {
            s->block = s->block + 1 < p->level_blocks ? s->block + 1 : 0;
            s->block_fill = 0;
            s->peaks[s->block] = 0;
        }
        const int32_t left = p->hop - s->block_fill, some = n < left ? n : left;
        int32_t top = s->peaks[s->block];
        for (int32_t i = 0; i < some; i++) top = x[i] > top ? x[i] : top;
        s->peaks[s->block] = (int16_t)top;
        s->block_fill += some;
        x += some;
        n -= some;
    }
}

/* The frame in pcm is complete: its features, and pcm moves on by a hop. */
static inline void sotto_frontend_step(const sotto_frontend_t *p, sotto_frontend_state_t *s)
{
    sotto_frontend_frame(p, s->pcm, s->scratch, s->rows + s->row * p->bins,
                         s->tilts + 2 * s->row * p->bins);
    s->row = s->row + 1 < p->frames ? s->row + 1 : 0;
    s->fill -= p->hop;
    s->need = p->bands.window;
    s->ready = 1;
    if (s->fill < 0) return;
    s->pcm[-1] = s->pcm[p->hop - 1];
    memmove(s->pcm, s->pcm + p->hop, (size_t)s->fill * sizeof *s->pcm);
}

/* Take some of n samples, at most until a frame is complete: gives how many were taken, and sets
 * s->ready when there is a new frame. */
static inline int32_t sotto_frontend_push(const sotto_frontend_t *p, sotto_frontend_state_t *s,
                                          const int16_t *x, int32_t n)
{
    const int32_t room = s->fill < s->need ? s->need - s->fill : 0, some = n < room ? n : room;
    const int32_t early = -1 - s->fill, skipped = early < 0 ? 0 : some < early ? some : early;
    s->ready = 0;
    if (some > skipped)
        memcpy(s->pcm + s->fill + skipped, x + skipped, (size_t)(some - skipped) * sizeof *x);
    sotto_frontend_peak(p, s, x, some);
    s->fill += some;
    if (s->fill < s->need) return some;
    if (s->mirror)
        for (int32_t i = 1; i <= p->ahead; i++) s->pcm[p->ahead - i] = s->pcm[p->ahead + i];
    s->mirror = 0;
    sotto_frontend_step(p, s);
    return some;
}

/* The stream has ended as a clip does: with centred frames those that are still to come, from
 * mirrored samples. After it sotto_frontend_init starts anew. */
static inline void sotto_frontend_finish(const sotto_frontend_t *p, sotto_frontend_state_t *s)
{
    if (p->ahead == 0 || s->mirror) return;
    while (s->fill >= p->ahead) {
        for (int32_t i = s->fill; i < p->bands.window; i++) s->pcm[i] = s->pcm[2 * s->fill - 2 - i];
        sotto_frontend_step(p, s);
    }
}

/* ---- reading features ---- */

/* What the level does to features. */
typedef struct sotto_frontend_level_t {
    int32_t add;   /* to the first level_bins features, as they are kept */
    int32_t tilt;  /* log4 of its floor over the usual one, times 2^10: -2^15 .. 2^15 */
    int32_t curve; /* its square, times 2^10; 0 below -2^10, where a line goes on */
} sotto_frontend_level_t;

static inline sotto_frontend_level_t sotto_frontend_level(const sotto_frontend_t *p,
                                                          const sotto_frontend_state_t *s)
{
    sotto_frontend_level_t level = {0, 0, 0};
    if (p->level_blocks == 0) return level;
    int32_t top = 0;
    for (int32_t i = 0; i < p->level_blocks; i++) top = s->peaks[i] > top ? s->peaks[i] : top;
    const int32_t ln = top == 0 ? 0 : sotto_ln(sotto_normalized((uint32_t)top, -15));
    const int32_t beyond = (p->bands.power ? 2 * ln : ln) - p->level_center;
    level.add = sotto_mul_w(-ln * 256, p->level_gain) >> p->level_shift;
    level.tilt = sotto_mul_w(beyond, 23637) >> 5; /* 2^15 / ln 4 */
    if (level.tilt > -1024) level.curve = level.tilt * level.tilt >> 10;
    return level;
}

/* Feature k of frame t, 0 the oldest, as it is kept, with what the level does: 16 bits. */
static inline int32_t sotto_frontend_value(const sotto_frontend_t *p,
                                           const sotto_frontend_state_t *s,
                                           sotto_frontend_level_t level, int32_t t, int32_t k)
{
    const int32_t row = s->row + t < p->frames ? s->row + t : s->row + t - p->frames;
    int32_t v = s->rows[row * p->bins + k];
    if (p->level_blocks == 0) return v;
    if (k < p->level_bins && v == SOTTO_FRONTEND_SILENT) return p->silence;
    const int8_t *tilt = s->tilts + 2 * row * p->bins + k;
    const int32_t gain = tilt[0], loss = tilt[p->bins];
    if (gain != 0 || loss != 0) {
        const int32_t line = level.tilt > -1024 ? gain + loss : 2 * loss;
        const int32_t twice = level.tilt * line + level.curve * (gain - loss);
        v += twice * (1 << (p->tilt_shift[k] - p->shift[k])) >> 11;
    }
    if (k < p->level_bins) v += level.add;
    return v > 32767 ? 32767 : v < -32768 ? -32768 : v;
}

/* Frame t as a model's input: bins numbers. */
static inline void sotto_frontend_row(const sotto_frontend_t *p, const sotto_frontend_state_t *s,
                                      sotto_frontend_level_t level, int32_t t, int8_t *out)
{
    for (int32_t k = 0; k < p->bins; k++) {
        const int32_t v = sotto_frontend_value(p, s, level, t, k);
        const int32_t q = (v * p->multiplier[k] + p->offset[k]) >> p->scale_shift[k];
        out[k] = (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
    }
}

/* The newest frame alone. */
static inline void sotto_frontend_newest(const sotto_frontend_t *p, const sotto_frontend_state_t *s,
                                         int8_t *out)
{
    sotto_frontend_row(p, s, sotto_frontend_level(p, s), p->frames - 1, out);
}

/* The last frames, oldest first: frames x bins numbers. */
static inline void sotto_frontend_window(const sotto_frontend_t *p, const sotto_frontend_state_t *s,
                                         int8_t *out)
{
    const sotto_frontend_level_t level = sotto_frontend_level(p, s);
    for (int32_t t = 0; t < p->frames; t++) sotto_frontend_row(p, s, level, t, out + t * p->bins);
}

/* ---- a whole clip ---- */

/* n samples from a fresh start to their end. */
static inline void sotto_frontend_clip(const sotto_frontend_t *p, sotto_frontend_state_t *s,
                                       int32_t *memory, int32_t *scratch, const int16_t *x,
                                       int32_t n)
{
    sotto_frontend_init(p, s, memory, scratch);
    while (n > 0) {
        const int32_t used = sotto_frontend_push(p, s, x, n);
        x += used;
        n -= used;
    }
    sotto_frontend_finish(p, s);
}

#endif
