/* Tables of the integer front-end.
 *
 * Numbers that stand for one in [-1, 1) have 15 bits behind the point. What a kept feature can be
 * at most decides how many bits it has behind it, so that none ever overflows:
 *     |X| <= sum of the window, a band <= its gain times its weights times |X| (or |X|^2)
 *     coefficient k >= 1 <= sum |d_k| times half the range of logarithms, as d_k sums up to 0
 */
#include "dsp/fixed.h"

#include "dsp/tables.h"

#include <math.h>

enum { STAGES_MAX = 16, FIELDS_MAX = 56, SEGMENT_MAX = 500 };

/* The level that floors are scaled by, as frames are computed before theirs is known. */
static const double usual_level = 0.25;

struct dsp_fixed {
    dsp_config cfg;
    sotto_frontend_t fe;
    sotto_frontend_state_t state;
    int32_t *memory, *scratch;
    dsp_fixed_field fields[FIELDS_MAX];
    size_t n_fields;
    base_arena *arena;
};

/* ---- FFT ---- */

static base_status plan_stages(dsp_fixed *f, base_err *err)
{
    sotto_rfft_t *fft = &f->fe.bands.fft;
    uint8_t radix[STAGES_MAX];
    int left = f->cfg.fft / 2, n = 0;
    while (left % 4 == 0 && n < STAGES_MAX) radix[n++] = 4, left /= 4;
    for (int r = 2; r <= 5; r++)
        while (left % r == 0 && n < STAGES_MAX) radix[n++] = (uint8_t)r, left /= r;
    if (f->cfg.fft % 4 != 0 || left != 1) {
        base_fail(err, BASE_USAGE,
                  "fft = %d: the fixed front-end takes multiples of 4 whose half has no other "
                  "factors than 2, 3 and 5",
                  f->cfg.fft);
        int near = 4;
        while (near < f->cfg.fft && near < 16384) near *= 2;
        return base_hint(err, "fft = %d, or frontend = float", near), BASE_USAGE;
    }
    uint8_t *kept = base_arena_alloc(f->arena, (size_t)n, sizeof *kept);
    uint16_t *turn = base_arena_alloc(f->arena, (size_t)n, sizeof *turn);
    if (!kept || !turn) return base_nomem(err, (size_t)n);
    double growth = sqrt(2);
    for (int s = 0, length = 2; s < n; s++) {
        length *= radix[s];
        kept[s] = radix[s];
        turn[s] = (uint16_t)(2 * f->cfg.fft / length);
        growth *= s == 0 ? radix[s] : 0.5 * radix[s];
    }
    *fft = (sotto_rfft_t){.n = f->cfg.fft, .stages = n, .radix = kept, .turn = turn};
    f->fe.bands.bits = (int32_t)floor(30 - log2(growth));
    f->fe.bands.unit = n - 1 - f->fe.bands.bits + (f->cfg.preemphasis > 0 ? 1 : 0);
    return BASE_OK;
}

static base_status fill_fft(dsp_fixed *f, base_err *err)
{
    sotto_rfft_t *fft = &f->fe.bands.fft;
    const int half = f->cfg.fft / 2, quarter = f->cfg.fft / 4;
    uint16_t *order = base_arena_alloc(f->arena, (size_t)half, sizeof *order);
    int16_t *cosine = base_arena_alloc(f->arena, (size_t)quarter + 1, sizeof *cosine);
    if (!order || !cosine) return base_nomem(err, (size_t)half * sizeof *order);
    for (int i = 0; i < half; i++) {
        int at = 0, rest = i, length = half;
        for (int s = fft->stages - 1; s >= 0; s--) {
            length /= fft->radix[s];
            at += rest % fft->radix[s] * length;
            rest /= fft->radix[s];
        }
        order[i] = (uint16_t)at;
    }
    for (int i = 0; i <= quarter; i++)
        cosine[i] = (int16_t)fmin(32767, round(32768 * cos(acos(-1) / 2 * i / quarter)));
    fft->order = order;
    fft->cosine = cosine;
    return BASE_OK;
}

/* ---- window ---- */

/* Of the second half of a symmetric window only what its first half does not hold. Where a window
 * begins with small weights these are kept with more digits, as a frame may hold nothing else than
 * the first samples of a sound. */
static base_status fill_window(dsp_fixed *f, const double *w, base_err *err)
{
    sotto_melbands_t *b = &f->fe.bands;
    const int n = b->window;
    b->ascending = n / 2 & ~1;
    b->mirror = f->cfg.window == DSP_WINDOW_HANN ? n : n - 1;
    while (b->ends + 4 < b->ascending && w[b->ends + 3] < ldexp(0.99, -SOTTO_FINE)) b->ends += 2;
    const int kept = b->mirror - b->ascending + 1;
    int16_t *shape = base_arena_alloc(f->arena, (size_t)kept, sizeof *shape);
    int16_t *fine = base_arena_alloc(f->arena, (size_t)b->ends + 2, sizeof *fine);
    if (!shape || !fine) return base_nomem(err, (size_t)kept * sizeof *shape);
    for (int i = 0; i < kept; i++)
        shape[i] = (int16_t)fmin(32767, round(32768 * w[i < n ? i : b->mirror - i]));
    for (int i = 0; b->ends > 0 && i < b->ends + 2; i++)
        fine[i] = (int16_t)lround(ldexp(w[i], 15 + SOTTO_FINE));
    b->shape = shape;
    b->end_shape = b->ends > 0 ? fine : NULL;
    return BASE_OK;
}

/* ---- mel bands ---- */

static double band_gain(const dsp_config *cfg, int b)
{
    return cfg->area_norm ? 2 / (dsp_mel_edge(cfg, b + 2) - dsp_mel_edge(cfg, b)) : 1;
}

static base_status fill_edges(dsp_fixed *f, const double *dense, base_err *err)
{
    const dsp_config *cfg = &f->cfg;
    const int mels = cfg->mels, half = cfg->fft / 2;
    uint16_t *edge = base_arena_alloc(f->arena, (size_t)mels + 2, sizeof *edge);
    uint16_t *rise = base_arena_alloc(f->arena, (size_t)half, sizeof *rise);
    if (!edge || !rise) return base_nomem(err, (size_t)half * sizeof *rise);
    for (int s = 0, k = 1; s < mels + 2; s++) {
        while (k < half && (double)k * cfg->rate / cfg->fft < dsp_mel_edge(cfg, s)) k++;
        edge[s] = (uint16_t)k;
    }
    for (int s = 0; s <= mels; s++) {
        const int band = s < mels ? s : mels - 1;
        const double *row = dense + (size_t)band * (size_t)(half + 1), gain = band_gain(cfg, band);
        if (edge[s + 1] - edge[s] > SEGMENT_MAX)
            return base_fail(err, BASE_USAGE,
                             "mels = %d: with fft = %d more than %d bins lie between two bands, "
                             "too many for the fixed front-end",
                             mels, cfg->fft, SEGMENT_MAX);
        for (int k = edge[s]; k < edge[s + 1]; k++) {
            const double u = s < mels ? row[k] / gain : 1 - row[k] / gain;
            rise[k - edge[0]] = (uint16_t)round(32768 * fmin(fmax(u, 0), 1));
        }
    }
    f->fe.bands.edge = edge;
    f->fe.bands.rise = rise;
    return BASE_OK;
}

static base_status fill_floors(dsp_fixed *f, base_err *err)
{
    const dsp_config *cfg = &f->cfg;
    sotto_melbands_t *b = &f->fe.bands;
    const int n = cfg->area_norm ? cfg->mels : 1;
    const double v =
        cfg->level == DSP_LEVEL_MAX ? cfg->floor * pow(usual_level, b->power ? 2 : 1) : cfg->floor;
    int32_t *least = base_arena_alloc(f->arena, (size_t)n, sizeof *least);
    int32_t *gain = base_arena_alloc(f->arena, (size_t)n, sizeof *gain);
    if (!least || !gain) return base_nomem(err, (size_t)n * sizeof *gain);
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, v / band_gain(cfg, i));
    b->own = cfg->area_norm;
    b->floor_max = cfg->floor_kind == DSP_FLOOR_MAX;
    b->floor_exponent = ilogb(most) - 30;
    for (int i = 0; i < n; i++) {
        const double scaled = ldexp(v / band_gain(cfg, i), -b->floor_exponent);
        least[i] = (int32_t)fmin(fmax(round(scaled), 1), INT32_MAX);
        gain[i] = (int32_t)lround(65536 * log(band_gain(cfg, i)));
    }
    b->floor = least;
    b->gain = gain;
    return BASE_OK;
}

/* ---- features ---- */

/* The range of a band's logarithm, as it is kept and once the level is added. */
typedef struct range {
    double lo, hi;
} range;

static range log_range(const dsp_config *cfg, const double *window, const double *dense)
{
    const int half = cfg->fft / 2, order = cfg->spectrum == DSP_SPECTRUM_POWER ? 2 : 1;
    double sum = 0, most = 0;
    for (int i = 0; i < dsp_config_window(cfg); i++) sum += window[i] * (1 + cfg->preemphasis);
    for (int b = 0; b < cfg->mels; b++) {
        double weights = 0;
        for (int k = 0; k <= half; k++)
            weights += dense[(size_t)b * (size_t)(half + 1) + (size_t)k];
        most = fmax(most, weights);
    }
    range r = {log(cfg->floor), log(most * pow(sum, order) + cfg->floor)};
    if (cfg->level == DSP_LEVEL_MAX) {
        r.lo += order * log(usual_level);
        r.hi += order * log(32768);
    }
    return r;
}

/* The bits behind the point of what is at most so large, in 16 bits. */
static int digits_of(double most)
{
    const int digits = (int)floor(log2(32000 / most));
    return digits < 0 ? 0 : digits > 14 ? 14 : digits;
}

static base_status fill_features(dsp_fixed *f, range r, const double *dct, base_err *err)
{
    sotto_frontend_t *fe = &f->fe;
    const int mels = f->cfg.mels, half = (mels + 1) / 2, bins = fe->bins;
    const double most = fmax(fabs(r.lo), fabs(r.hi));
    uint8_t *digits = base_arena_alloc(f->arena, (size_t)bins, sizeof *digits);
    uint8_t *shift = base_arena_alloc(f->arena, (size_t)bins, sizeof *shift);
    int16_t *table = base_arena_alloc(f->arena, (size_t)bins * (size_t)half, sizeof *table);
    if (!digits || !shift || !table) return base_nomem(err, (size_t)bins * (size_t)half);
    for (int k = 0; k < bins; k++) {
        if (!fe->cepstra) {
            digits[k] = (uint8_t)digits_of(most);
            shift[k] = (uint8_t)(16 - digits[k]);
            continue;
        }
        const double *row = dct + (size_t)k * (size_t)mels;
        double sum = 0, top = 0;
        for (int m = 0; m < mels; m++) sum += fabs(row[m]), top = fmax(top, fabs(row[m]));
        digits[k] = (uint8_t)digits_of(sum * (k == 0 ? most : (r.hi - r.lo) / 2));
        const int up = (int)floor(log2(32767 / top));
        shift[k] = (uint8_t)(up - digits[k]);
        for (int m = 0; m < half; m++) table[k * half + m] = (int16_t)lround(ldexp(row[m], up));
    }
    fe->digits = digits;
    fe->shift = shift;
    fe->dct = fe->cepstra ? table : NULL;
    return BASE_OK;
}

/* How much the logarithm of x + floor changes with the floor, by how far it lies above ln(floor).
 */
static void fill_tilt(uint16_t *tilt)
{
    for (int i = 0; i <= 128; i++) {
        const double share = exp(-i / 16.0); /* of the floor in the sum */
        tilt[i] = (uint16_t)lround(16384 * log(1 + 3 * share));
        tilt[129 + i] = (uint16_t)lround(-16384 * log(1 - 0.75 * share));
    }
    tilt[128] = tilt[257] = 0;
}

static base_status fill_level(dsp_fixed *f, const double *dct, base_err *err)
{
    sotto_frontend_t *fe = &f->fe;
    const int mels = f->cfg.mels, order = fe->bands.power ? 2 : 1;
    double sum = fe->cepstra ? 0 : 1;
    for (int m = 0; fe->cepstra && m < mels; m++) sum += dct[m];
    uint16_t *tilt = base_arena_alloc(f->arena, 258, sizeof *tilt);
    uint8_t *shift = base_arena_alloc(f->arena, (size_t)fe->bins, sizeof *shift);
    if (!tilt || !shift) return base_nomem(err, 258 * sizeof *tilt);
    fill_tilt(tilt);
    for (int k = 0; k < fe->bins; k++) {
        const double *row = dct + (size_t)k * (size_t)mels;
        double most = fe->cepstra ? 0 : log(4);
        for (int m = 0; fe->cepstra && m < mels; m++)
            most += fabs(row[m]) * log(4) / (k == 0 ? 1 : 2);
        const int digits = (int)floor(log2(126 / most));
        shift[k] = (uint8_t)(fe->shift[k] + fe->digits[k] - digits);
    }
    const double gain = ldexp(sum * order, fe->digits[0]);
    const int up = (int)floor(log2(32767 / gain));
    fe->level_blocks = (f->cfg.samples + fe->hop - 1) / fe->hop;
    fe->level_bins = fe->cepstra ? 1 : fe->bins;
    fe->level_gain = (int32_t)lround(ldexp(gain, up));
    fe->level_shift = 8 + up;
    fe->level_center = (int32_t)lround(65536 * order * log(usual_level));
    fe->floor_ln = (int32_t)lround(65536 * log(f->cfg.floor)) + fe->level_center;
    fe->tilt = tilt;
    fe->tilt_shift = shift;
    fe->silence = (int32_t)lround(ldexp(sum * log(f->cfg.floor), fe->digits[0]));
    return BASE_OK;
}

/* ---- the whole ---- */

static void add_field(dsp_fixed *f, const char *name, dsp_fixed_type type, size_t count,
                      const void *data)
{
    f->fields[f->n_fields++] = (dsp_fixed_field){name, type, data ? count : 0, data};
}

static void list_fields(dsp_fixed *f)
{
    sotto_frontend_t *fe = &f->fe;
    sotto_melbands_t *b = &fe->bands;
    sotto_rfft_t *fft = &b->fft;
    const size_t bins = (size_t)fe->bins, mels = (size_t)b->mels, own = b->own ? mels : 1;
    const size_t shape = (size_t)(b->mirror - b->ascending + 1);
    f->n_fields = 0;
#define INT(of, member)                 add_field(f, #member, DSP_FIXED_INT, 1, &(of)->member)
#define INT_IN(of, path, member)        add_field(f, path #member, DSP_FIXED_INT, 1, &(of)->member)
#define LIST_IN(of, path, member, t, n) add_field(f, path #member, DSP_FIXED_##t, n, (of)->member)
    INT_IN(fft, "bands.fft.", n);
    INT_IN(fft, "bands.fft.", stages);
    LIST_IN(fft, "bands.fft.", radix, U8, (size_t)fft->stages);
    LIST_IN(fft, "bands.fft.", turn, U16, (size_t)fft->stages);
    LIST_IN(fft, "bands.fft.", order, U16, (size_t)fft->n / 2);
    LIST_IN(fft, "bands.fft.", cosine, I16, (size_t)fft->n / 4 + 1);
    INT_IN(b, "bands.", window);
    INT_IN(b, "bands.", ascending);
    INT_IN(b, "bands.", mirror);
    LIST_IN(b, "bands.", shape, I16, shape);
    INT_IN(b, "bands.", ends);
    LIST_IN(b, "bands.", end_shape, I16, (size_t)b->ends + 2);
    INT_IN(b, "bands.", preemphasis);
    INT_IN(b, "bands.", bits);
    INT_IN(b, "bands.", power);
    INT_IN(b, "bands.", mels);
    INT_IN(b, "bands.", unit);
    LIST_IN(b, "bands.", edge, U16, mels + 2);
    LIST_IN(b, "bands.", rise, U16, (size_t)(b->edge[mels + 1] - b->edge[0]));
    INT_IN(b, "bands.", own);
    INT_IN(b, "bands.", floor_max);
    INT_IN(b, "bands.", floor_exponent);
    LIST_IN(b, "bands.", floor, I32, own);
    LIST_IN(b, "bands.", gain, I32, own);
    INT(fe, hop);
    INT(fe, ahead);
    INT(fe, frames);
    INT(fe, bins);
    INT(fe, cepstra);
    LIST_IN(fe, "", dct, I16, bins * ((mels + 1) / 2));
    LIST_IN(fe, "", digits, U8, bins);
    LIST_IN(fe, "", shift, U8, bins);
    INT(fe, level_blocks);
    INT(fe, level_bins);
    INT(fe, level_gain);
    INT(fe, level_shift);
    INT(fe, level_center);
    INT(fe, floor_ln);
    LIST_IN(fe, "", tilt, U16, 258);
    LIST_IN(fe, "", tilt_shift, U8, bins);
    INT(fe, silence);
    LIST_IN(fe, "", multiplier, I16, bins);
    LIST_IN(fe, "", offset, I32, bins);
    LIST_IN(fe, "", scale_shift, U8, bins);
#undef INT
#undef INT_IN
#undef LIST_IN
}

static void fill_numbers(dsp_fixed *f)
{
    const dsp_config *cfg = &f->cfg;
    sotto_frontend_t *fe = &f->fe;
    int frames, bins;
    dsp_config_shape(cfg, &frames, &bins);
    fe->bands.window = dsp_config_window(cfg);
    fe->bands.preemphasis = (int32_t)fmin(32767, round(32768 * cfg->preemphasis));
    fe->bands.power = cfg->spectrum == DSP_SPECTRUM_POWER;
    fe->bands.mels = cfg->mels;
    fe->hop = dsp_config_hop(cfg);
    fe->ahead = cfg->center ? cfg->fft / 2 - (cfg->fft - fe->bands.window) / 2 : 0;
    fe->frames = frames;
    fe->bins = bins;
    fe->cepstra = cfg->mfcc > 0;
}

static base_status fill_tables(dsp_fixed *f, base_err *err)
{
    const dsp_config *cfg = &f->cfg;
    const size_t mels = (size_t)cfg->mels, columns = (size_t)cfg->fft / 2 + 1;
    double *window = base_alloc((size_t)f->fe.bands.window, sizeof *window);
    double *dense = base_alloc(mels * columns, sizeof *dense);
    double *dct = base_alloc((size_t)cfg->mfcc * mels + 1, sizeof *dct);
    base_status status = window && dense && dct ? BASE_OK : base_nomem(err, mels * columns);
    if (status == BASE_OK) {
        dsp_tables(cfg, window, dense, dct);
        status = fill_window(f, window, err);
    }
    if (status == BASE_OK) status = fill_edges(f, dense, err);
    if (status == BASE_OK) status = fill_floors(f, err);
    if (status == BASE_OK) status = fill_features(f, log_range(cfg, window, dense), dct, err);
    if (status == BASE_OK && cfg->level == DSP_LEVEL_MAX) status = fill_level(f, dct, err);
    base_free(window);
    base_free(dense);
    base_free(dct);
    return status;
}

/* Settings that do not go together in integers. */
static base_status check(const dsp_config *cfg, base_err *err)
{
    const bool level = cfg->level == DSP_LEVEL_MAX;
    if (cfg->preemphasis > 0 && cfg->center)
        base_fail(err, BASE_USAGE,
                  "preemphasis = %g: the fixed front-end has none with center = yes",
                  cfg->preemphasis);
    else if (level && cfg->floor_kind == DSP_FLOOR_MAX)
        base_fail(err, BASE_USAGE,
                  "floor_kind = max: the fixed front-end has none with "
                  "level = max");
    else if (level && 2 * cfg->mels > cfg->fft)
        base_fail(err, BASE_USAGE,
                  "mels = %d: the fixed front-end takes at most %d with fft = %d and level = max",
                  cfg->mels, cfg->fft / 2, cfg->fft);
    else
        return BASE_OK;
    return base_hint(err, "frontend = float has it"), BASE_USAGE;
}

static base_status build(dsp_fixed *f, base_err *err)
{
    sotto_frontend_t *fe = &f->fe;
    BASE_TRY(check(&f->cfg, err));
    fill_numbers(f);
    BASE_TRY(plan_stages(f, err));
    BASE_TRY(fill_fft(f, err));
    BASE_TRY(fill_tables(f, err));
    f->memory = base_arena_alloc(f->arena, (size_t)sotto_frontend_memory(fe), sizeof *f->memory);
    f->scratch = base_arena_alloc(f->arena, (size_t)sotto_frontend_scratch(fe), sizeof *f->scratch);
    if (!f->memory || !f->scratch) return base_nomem(err, (size_t)f->cfg.fft * sizeof(int32_t));
    list_fields(f);
    return BASE_OK;
}

base_status dsp_fixed_new(const dsp_config *cfg, dsp_fixed **out, base_err *err)
{
    BASE_TRY(dsp_config_check(cfg, err));
    dsp_fixed *f = base_alloc(1, sizeof *f);
    if (!f) return base_nomem(err, sizeof *f);
    f->cfg = *cfg;
    f->arena = base_arena_new();
    base_status status = f->arena ? build(f, err) : base_nomem(err, 1);
    if (status != BASE_OK) {
        dsp_fixed_free(f);
        return status;
    }
    *out = f;
    return BASE_OK;
}

void dsp_fixed_free(dsp_fixed *f)
{
    if (!f) return;
    base_arena_free(f->arena);
    base_free(f);
}

const sotto_frontend_t *dsp_fixed_frontend(const dsp_fixed *f)
{
    return &f->fe;
}

const dsp_fixed_field *dsp_fixed_fields(const dsp_fixed *f, size_t *n)
{
    *n = f->n_fields;
    return f->fields;
}

/* ---- a model's input ---- */

base_status dsp_fixed_input(dsp_fixed *f, const float *mean, const float *std, double scale,
                            int zero, base_err *err)
{
    const size_t bins = (size_t)f->fe.bins;
    int16_t *multiplier = base_arena_alloc(f->arena, bins, sizeof *multiplier);
    int32_t *offset = base_arena_alloc(f->arena, bins, sizeof *offset);
    uint8_t *shift = base_arena_alloc(f->arena, bins, sizeof *shift);
    if (!multiplier || !offset || !shift) return base_nomem(err, bins * sizeof *offset);
    for (size_t k = 0; k < bins; k++) {
        const double unit = scale * (std ? (double)std[k] : 1);
        const double factor = ldexp(1 / unit, -f->fe.digits[k]);
        const double add = zero + 0.5 - (mean ? (double)mean[k] : 0) / unit;
        int up = 30;
        while (up >= 0 &&
               (ldexp(factor, up) > 32767 || ldexp(32768 * factor + fabs(add) + 1, up) > INT32_MAX))
            up--;
        if (up < 0)
            return base_fail(err, BASE_DATA,
                             "feature %zu with mean %g and std %g is beyond 32-bit integers at an "
                             "input scale of %g",
                             k, mean ? (double)mean[k] : 0, std ? (double)std[k] : 1, scale);
        multiplier[k] = (int16_t)lround(ldexp(factor, up));
        offset[k] = (int32_t)lround(ldexp(add, up));
        shift[k] = (uint8_t)up;
    }
    f->fe.multiplier = multiplier;
    f->fe.offset = offset;
    f->fe.scale_shift = shift;
    list_fields(f);
    return BASE_OK;
}

/* ---- running ---- */

static void run_clip(dsp_fixed *f, const int16_t *pcm)
{
    sotto_frontend_clip(&f->fe, &f->state, f->memory, f->scratch, pcm, f->cfg.samples);
}

void dsp_fixed_features(dsp_fixed *f, const int16_t *pcm, float *out)
{
    run_clip(f, pcm);
    const sotto_frontend_level_t level = sotto_frontend_level(&f->fe, &f->state);
    for (int t = 0; t < f->fe.frames; t++)
        for (int k = 0; k < f->fe.bins; k++)
            *out++ = ldexpf((float)sotto_frontend_value(&f->fe, &f->state, level, t, k),
                            -f->fe.digits[k]);
}

void dsp_fixed_run(dsp_fixed *f, const int16_t *pcm, int8_t *out)
{
    run_clip(f, pcm);
    sotto_frontend_window(&f->fe, &f->state, out);
}
