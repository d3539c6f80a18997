/* The settings of a front-end as text. One table describes every key; setting, printing, parsing,
 * comparing, range checks and help all walk it, so a new parameter is one member in dsp.h and one
 * line here.
 */
#include "dsp/dsp.h"

#include "dsp/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 4 };

typedef enum key_type { KEY_INT, KEY_REAL, KEY_NAME } key_type;

typedef struct key {
    const char *name;
    key_type type;
    size_t offset;                /* in dsp_config */
    const char *names[NAMES_MAX]; /* KEY_NAME: in the order of the enumeration */
    double lo, hi;                /* KEY_INT, KEY_REAL: inclusive */
    const char *help;
} key;

#define AT(member) offsetof(dsp_config, member)
static const key keys[] = {
    {"rate", KEY_INT, AT(rate), {0}, 1000, 192000, "sample rate, Hz"},
    {"samples", KEY_INT, AT(samples), {0}, 1, 1 << 24, "length of a clip, samples"},
    {"window_ms", KEY_REAL, AT(window_ms), {0}, 0.1, 10000, "window length, milliseconds"},
    {"hop_ms", KEY_REAL, AT(hop_ms), {0}, 0.1, 10000, "step from frame to frame, milliseconds"},
    {"fft", KEY_INT, AT(fft), {0}, 4, 16384, "FFT length, points"},
    {"window",
     KEY_NAME,
     AT(window),
     {"hann", "hann_symmetric", "hamming", "rect"},
     0,
     0,
     "window function"},
    {"center", KEY_NAME, AT(center), {"no", "yes"}, 0, 0, "centre frames, reflect the clip's ends"},
    {"spectrum", KEY_NAME, AT(spectrum), {"magnitude", "power"}, 0, 0, "what mel bands add up"},
    {"mel_scale", KEY_NAME, AT(mel_scale), {"htk", "slaney"}, 0, 0, "mel formula"},
    {"triangles", KEY_NAME, AT(triangles), {"mel", "hz"}, 0, 0, "bands are triangles over"},
    {"area_norm", KEY_NAME, AT(area_norm), {"no", "yes"}, 0, 0, "bands of equal area"},
    {"mels", KEY_INT, AT(mels), {0}, 1, 256, "mel bands"},
    {"f_lo", KEY_REAL, AT(f_lo), {0}, 0, 96000, "lower edge of the first band, Hz"},
    {"f_hi", KEY_REAL, AT(f_hi), {0}, 0, 96000, "upper edge of the last band, Hz"},
    {"floor_kind",
     KEY_NAME,
     AT(floor_kind),
     {"add", "max"},
     0,
     0,
     "ln(x + floor), ln(max(x, floor))"},
    {"floor", KEY_REAL, AT(floor), {0}, 1e-30, 1e6, "keeps the logarithm finite"},
    {"mfcc", KEY_INT, AT(mfcc), {0}, 0, 256, "cepstral coefficients kept; 0: log-mel"},
    {"dct",
     KEY_NAME,
     AT(dct),
     {"ortho", "tf"},
     0,
     0,
     "scale of coefficient 0: orthonormal, tf.signal"},
    {"preemphasis", KEY_REAL, AT(preemphasis), {0}, 0, 1, "a of x[i] - a x[i-1]; 0: none"},
    {"level", KEY_NAME, AT(level), {"none", "max"}, 0, 0, "max: divide the clip by its maximum"},
    {"normalize",
     KEY_NAME,
     AT(normalize),
     {"none", "feature"},
     0,
     0,
     "feature: subtract mean and divide by std of each bin"},
    {"frontend",
     KEY_NAME,
     AT(frontend),
     {"float", "fixed"},
     0,
     0,
     "fixed: computed in integers, as on a device"},
};

/* ---- one key ---- */

static int get_int(const dsp_config *cfg, const key *k)
{
    int v;
    memcpy(&v, (const char *)cfg + k->offset, sizeof v);
    return v;
}

static double get_real(const dsp_config *cfg, const key *k)
{
    double v;
    memcpy(&v, (const char *)cfg + k->offset, sizeof v);
    return v;
}

static int name_count(const key *k)
{
    int n = 0;
    while (n < NAMES_MAX && k->names[n]) n++;
    return n;
}

/* What the key accepts, for messages and help. */
static void takes(const key *k, base_str *out)
{
    if (k->type == KEY_NAME) {
        for (int i = 0; i < name_count(k); i++)
            base_str_add(out, "%s%s", i ? "|" : "", k->names[i]);
        return;
    }
    base_str_add(out, "%.10g .. %.10g", k->lo, k->hi);
}

/* The shortest decimal that reads back as the same double. */
static void print_real(double v, base_str *out)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    base_str_add(out, "%s", text);
}

static void print_value(const dsp_config *cfg, const key *k, base_str *out)
{
    if (k->type == KEY_REAL) {
        print_real(get_real(cfg, k), out);
        return;
    }
    int v = get_int(cfg, k);
    if (k->type == KEY_NAME && v >= 0 && v < name_count(k))
        base_str_add(out, "%s", k->names[v]);
    else
        base_str_add(out, "%d", v);
}

static bool same_value(const dsp_config *a, const dsp_config *b, const key *k)
{
    if (k->type == KEY_REAL) return get_real(a, k) == get_real(b, k);
    return get_int(a, k) == get_int(b, k);
}

static bool in_range(const dsp_config *cfg, const key *k)
{
    if (k->type == KEY_NAME) return get_int(cfg, k) >= 0 && get_int(cfg, k) < name_count(k);
    double v = k->type == KEY_REAL ? get_real(cfg, k) : (double)get_int(cfg, k);
    return v >= k->lo && v <= k->hi;
}

static const key *find_key(const char *name)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++)
        if (strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

static base_status no_such_key(const char *name, base_err *err)
{
    const char *names[BASE_COUNT(keys)];
    for (size_t i = 0; i < BASE_COUNT(keys); i++) names[i] = keys[i].name;
    base_fail(err, BASE_USAGE, "features have no key '%s'", name);
    const char *near = base_nearest(name, names, BASE_COUNT(keys));
    if (near) base_hint(err, "did you mean '%s'?", near);
    return BASE_USAGE;
}

static base_status bad_value(const key *k, const char *value, base_err *err)
{
    base_str want = {0};
    takes(k, &want);
    const char *kind = k->type == KEY_INT    ? "a whole number in "
                       : k->type == KEY_REAL ? "a number in "
                                             : "";
    base_fail(err, BASE_USAGE, "%s = '%s': expected %s%s", k->name, value, kind,
              want.failed ? "?" : want.s);
    base_str_free(&want);
    const char *near = base_nearest(value, k->names, (size_t)name_count(k));
    if (near) base_hint(err, "did you mean '%s'?", near);
    return BASE_USAGE;
}

base_status dsp_config_set(dsp_config *cfg, const char *name, const char *value, base_err *err)
{
    const key *k = find_key(name);
    if (!k) return no_such_key(name, err);
    char *at = (char *)cfg + k->offset;
    if (k->type == KEY_REAL) {
        double v;
        if (!base_parse_double(value, &v) || v < k->lo || v > k->hi)
            return bad_value(k, value, err);
        memcpy(at, &v, sizeof v);
        return BASE_OK;
    }
    int v = -1;
    if (k->type == KEY_INT) {
        int64_t wide;
        if (!base_parse_int(value, (int64_t)k->lo, (int64_t)k->hi, &wide))
            return bad_value(k, value, err);
        v = (int)wide;
    } else {
        for (int i = 0; i < name_count(k); i++)
            if (strcmp(value, k->names[i]) == 0) v = i;
        if (v < 0) return bad_value(k, value, err);
    }
    memcpy(at, &v, sizeof v);
    return BASE_OK;
}

const char *dsp_config_key(size_t i)
{
    return i < BASE_COUNT(keys) ? keys[i].name : NULL;
}

const char *dsp_config_help(size_t i)
{
    return i < BASE_COUNT(keys) ? keys[i].help : NULL;
}

void dsp_config_takes(size_t i, base_str *out)
{
    if (i < BASE_COUNT(keys)) takes(&keys[i], out);
}

/* ---- all keys ---- */

void dsp_config_print(const dsp_config *cfg, base_str *out)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        base_str_add(out, "%s = ", keys[i].name);
        print_value(cfg, &keys[i], out);
        base_str_add(out, "\n");
    }
}

bool dsp_config_equal(const dsp_config *a, const dsp_config *b)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++)
        if (!same_value(a, b, &keys[i])) return false;
    return true;
}

void dsp_config_diff(const dsp_config *a, const dsp_config *b, base_str *out)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        if (same_value(a, b, &keys[i])) continue;
        base_str_add(out, "%s: ", keys[i].name);
        print_value(a, &keys[i], out);
        base_str_add(out, " here, ");
        print_value(b, &keys[i], out);
        base_str_add(out, " there");
        return;
    }
}

/* Cut blanks from both ends of s, in place. */
static char *trim(char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r') s++;
    size_t n = strlen(s);
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r')) s[--n] = '\0';
    return s;
}

/* One "key = value" line into cfg; seen[] marks the keys met. */
static base_status parse_line(char *line, int number, dsp_config *cfg, bool *seen, base_err *err)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#') return BASE_OK;
    char *equals = strchr(line, '=');
    if (!equals)
        return base_fail(err, BASE_DATA, "feature settings line %d: '%s' is not 'key = value'",
                         number, line);
    *equals = '\0';
    const char *name = trim(line), *value = trim(equals + 1);
    base_err inner = {0};
    if (dsp_config_set(cfg, name, value, &inner) != BASE_OK) {
        base_fail(err, BASE_DATA, "feature settings line %d: %.400s", number, inner.message);
        if (inner.hint[0]) base_hint(err, "%s", inner.hint);
        return BASE_DATA;
    }
    size_t i = (size_t)(find_key(name) - keys);
    if (seen[i])
        return base_fail(err, BASE_DATA, "feature settings line %d: %s is there twice", number,
                         name);
    seen[i] = true;
    return BASE_OK;
}

static base_status parse_lines(char *text, dsp_config *cfg, base_err *err)
{
    bool seen[BASE_COUNT(keys)] = {0};
    int number = 1;
    for (char *line = text; line; number++) {
        char *next = strchr(line, '\n');
        if (next) *next++ = '\0';
        BASE_TRY(parse_line(line, number, cfg, seen, err));
        line = next;
    }
    for (size_t i = 0; i < BASE_COUNT(keys); i++)
        if (!seen[i] && keys[i].offset != AT(frontend)) /* older models have none: float */
            return base_fail(err, BASE_DATA, "feature settings: %s is missing", keys[i].name);
    return BASE_OK;
}

base_status dsp_config_parse(const char *text, dsp_config *cfg, base_err *err)
{
    char *copy = base_strdup(text);
    if (!copy) return base_nomem(err, strlen(text) + 1);
    dsp_config parsed = {0};
    base_status st = parse_lines(copy, &parsed, err);
    free(copy);
    BASE_TRY(st);
    base_err inner = {0};
    if (dsp_config_check(&parsed, &inner) != BASE_OK)
        return base_fail(err, BASE_DATA, "feature settings: %.400s", inner.message);
    *cfg = parsed;
    return BASE_OK;
}

/* ---- sense ---- */

int dsp_config_window(const dsp_config *cfg)
{
    return (int)lround(cfg->window_ms * cfg->rate / 1000);
}

int dsp_config_hop(const dsp_config *cfg)
{
    return (int)lround(cfg->hop_ms * cfg->rate / 1000);
}

void dsp_config_shape(const dsp_config *cfg, int *frames, int *bins)
{
    int hop = dsp_config_hop(cfg);
    *frames = 1 + (cfg->center ? cfg->samples : cfg->samples - dsp_config_window(cfg)) / hop;
    *bins = cfg->mfcc > 0 ? cfg->mfcc : cfg->mels;
}

static base_status check_frames(const dsp_config *cfg, base_err *err)
{
    int window = dsp_config_window(cfg), hop = dsp_config_hop(cfg);
    if (window < 2)
        return base_fail(err, BASE_USAGE, "window_ms = %g is %d samples at %d Hz: at least 2",
                         cfg->window_ms, window, cfg->rate);
    if (hop < 1)
        return base_fail(err, BASE_USAGE, "hop_ms = %g is no sample at %d Hz", cfg->hop_ms,
                         cfg->rate);
    if (window > cfg->fft) {
        base_fail(err, BASE_USAGE, "window_ms = %g is %d samples at %d Hz, more than fft = %d",
                  cfg->window_ms, window, cfg->rate, cfg->fft);
        int fft = 4;
        while (fft < window) fft *= 2;
        return base_hint(err, "fft = %d would hold it", fft), BASE_USAGE;
    }
    if (!cfg->center && window > cfg->samples)
        return base_fail(err, BASE_USAGE,
                         "samples = %d is shorter than the window of %d samples: no frame",
                         cfg->samples, window);
    if (cfg->center && window >= cfg->samples)
        return base_fail(err, BASE_USAGE,
                         "samples = %d is too short to be reflected under a window of %d samples",
                         cfg->samples, window);
    return BASE_OK;
}

static base_status check_bands(const dsp_config *cfg, base_err *err)
{
    if (cfg->f_hi > 0.5 * cfg->rate)
        return base_fail(err, BASE_USAGE, "f_hi = %g is above half the rate of %d Hz", cfg->f_hi,
                         cfg->rate);
    if (cfg->f_lo >= cfg->f_hi)
        return base_fail(err, BASE_USAGE, "f_lo = %g is not below f_hi = %g", cfg->f_lo, cfg->f_hi);
    if (cfg->mfcc > cfg->mels)
        return base_fail(err, BASE_USAGE, "mfcc = %d: %d mels have only %d coefficients", cfg->mfcc,
                         cfg->mels, cfg->mels);
    double spacing = (double)cfg->rate / cfg->fft;
    for (int b = 0; b < cfg->mels; b++) {
        double lo = dsp_mel_edge(cfg, b), hi = dsp_mel_edge(cfg, b + 2);
        if ((floor(lo / spacing) + 1) * spacing < hi) continue;
        base_fail(err, BASE_USAGE,
                  "band %d of %d spans %.1f .. %.1f Hz and holds none of the FFT's bins, "
                  "%.2f Hz apart (mels = %d, fft = %d)",
                  b, cfg->mels, lo, hi, spacing, cfg->mels, cfg->fft);
        return base_hint(err, "fewer mels or a larger fft"), BASE_USAGE;
    }
    return BASE_OK;
}

base_status dsp_config_check(const dsp_config *cfg, base_err *err)
{
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        if (in_range(cfg, &keys[i])) continue;
        base_str value = {0};
        print_value(cfg, &keys[i], &value);
        base_status st = bad_value(&keys[i], value.failed ? "?" : value.s, err);
        base_str_free(&value);
        return st;
    }
    BASE_TRY(check_frames(cfg, err));
    return check_bands(cfg, err);
}
