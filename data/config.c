/* The sections [data] and [augment] as tables: setting, printing, range checks and help walk the
 * same lines, so a new key is one member in data.h and one line here. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

typedef enum key_type { KEY_INT, KEY_REAL, KEY_TEXT, KEY_CHOICE } key_type;

typedef struct key {
    const char *name;
    key_type type;
    size_t offset, size;
    double lo, hi;            /* numbers: inclusive */
    const char *takes, *help; /* takes: of a choice "zero|mean", in the order of the enumeration */
} key;

#define AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)
static const key data_keys[] = {
    {"pack", KEY_TEXT, AT(data_config, pack), 0, 0, "a path", "the pack, from sotto data import"},
    {"keywords", KEY_TEXT, AT(data_config, keywords), 0, 0, "words with commas between them",
     "the words to tell apart; their order is the order of the classes"},
    {"unknown_share", KEY_REAL, AT(data_config, unknown_share), 0, 10, NULL,
     "clips of other words per keyword clip; 0: no class _unknown_"},
    {"silence_share", KEY_REAL, AT(data_config, silence_share), 0, 10, NULL,
     "clips of background noise per keyword clip; 0: no class _silence_"},
    {"exclude", KEY_TEXT, AT(data_config, exclude), 0, 0, "a path",
     "a list of clips not to train on, from sotto data lint; empty: none"},
};
static const key augment_keys[] = {
    {"speed_lo", KEY_INT, AT(data_augment, speed_lo), 50, 200, NULL, "slowest speed, percent"},
    {"speed_hi", KEY_INT, AT(data_augment, speed_hi), 50, 200, NULL, "fastest speed, percent"},
    {"shift_ms", KEY_REAL, AT(data_augment, shift_ms), 0, 1000, NULL,
     "clips are moved by up to this either way, milliseconds"},
    {"rir_prob", KEY_REAL, AT(data_augment, rir_prob), 0, 1, NULL,
     "how often a clip is put into a room: of rir_file, or a simulated one"},
    {"rir_file", KEY_TEXT, AT(data_augment, rir_file), 0, 0, "a path",
     "a recorded impulse response (.wav, .flac) or a folder of them; empty: simulated rooms"},
    {"rir_rt60_lo", KEY_REAL, AT(data_augment, rir_rt60_lo), 0.05, 2, NULL,
     "simulated rooms: shortest time of decay by 60 dB, seconds"},
    {"rir_rt60_hi", KEY_REAL, AT(data_augment, rir_rt60_hi), 0.05, 2, NULL, "longest time"},
    {"gain_lo_db", KEY_REAL, AT(data_augment, gain_lo_db), -60, 60, NULL,
     "lowest gain of the clip, dB; both 0: unchanged"},
    {"gain_hi_db", KEY_REAL, AT(data_augment, gain_hi_db), -60, 60, NULL, "highest gain, dB"},
    {"noise_prob", KEY_REAL, AT(data_augment, noise_prob), 0, 1, NULL,
     "how often background noise is mixed in"},
    {"noise_level", KEY_CHOICE, AT(data_augment, noise_level), 0, 0, "gain|snr",
     "what sets how loud it is: noise_gain, or snr_lo and snr_hi"},
    {"noise_gain", KEY_REAL, AT(data_augment, noise_gain), 0, 10, NULL,
     "largest gain of the noise"},
    {"snr_lo", KEY_REAL, AT(data_augment, snr_lo), -40, 100, NULL,
     "noisiest: the clip this far above the noise, dB"},
    {"snr_hi", KEY_REAL, AT(data_augment, snr_hi), -40, 100, NULL, "least noisy, dB"},
    {"silence_gain", KEY_REAL, AT(data_augment, silence_gain), 0, 10, NULL,
     "largest gain of the noise that is all of a silence clip"},
    {"time_masks", KEY_INT, AT(data_augment, time_masks), 0, 20, NULL, "blocks of frames masked"},
    {"time_width", KEY_INT, AT(data_augment, time_width), 0, 10000, NULL,
     "their width, below this many frames"},
    {"freq_masks", KEY_INT, AT(data_augment, freq_masks), 0, 20, NULL, "blocks of bins masked"},
    {"freq_width", KEY_INT, AT(data_augment, freq_width), 0, 10000, NULL,
     "their width, below this many bins"},
    {"mask_value", KEY_CHOICE, AT(data_augment, mask_value), 0, 0, "zero|mean",
     "what masked features become: 0, for normalized features their mean, or the clip's mean"},
    {"mixup_alpha", KEY_REAL, AT(data_augment, mixup_alpha), 0, 100, NULL,
     "samples are mixed by twos, by weights of the distribution Beta(alpha, alpha); 0: not"},
};
enum { KEYS_MAX = 32 };
_Static_assert(BASE_COUNT(augment_keys) <= KEYS_MAX, "KEYS_MAX must hold all keys of a section");

data_config data_config_default(void)
{
    return (data_config){.pack = "",
                         .keywords = "yes,no,up,down,left,right,go,stop",
                         .unknown_share = 0.1,
                         .silence_share = 0.1};
}

data_augment data_augment_default(void)
{
    return (data_augment){.speed_lo = 100,
                          .speed_hi = 100,
                          .shift_ms = 100,
                          .rir_rt60_lo = 0.1,
                          .rir_rt60_hi = 0.5,
                          .noise_prob = 0.8,
                          .noise_gain = 0.1,
                          .snr_lo = 5,
                          .snr_hi = 25,
                          .silence_gain = 1};
}

/* ---- the tables at work ---- */

static void takes(const key *k, base_str *out)
{
    if (k->takes)
        base_str_add(out, "%s", k->takes);
    else
        base_str_add(out, "%g .. %g", k->lo, k->hi);
}

static base_status bad_value(const key *k, const char *value, base_err *err)
{
    base_str wanted = {0};
    takes(k, &wanted);
    base_fail(err, BASE_USAGE, "%s = '%.80s': expected %s", k->name, value,
              wanted.s ? wanted.s : "another value");
    base_str_free(&wanted);
    return BASE_USAGE;
}

static base_status unknown_key(const char *section, const key *keys, size_t n, const char *name,
                               base_err *err)
{
    const char *names[KEYS_MAX];
    for (size_t i = 0; i < n; i++) names[i] = keys[i].name;
    base_fail(err, BASE_USAGE, "unknown key '%s.%.60s'", section, name);
    const char *near = base_nearest(name, names, n);
    return near ? base_hint(err, "did you mean %s.%s?", section, near) : BASE_USAGE;
}

/* Which of "a|b|c" value is; -1: none. */
static int choice_of(const char *takes, const char *value)
{
    size_t n = strlen(value);
    for (int i = 0;; i++, takes++) {
        size_t length = strcspn(takes, "|");
        if (length == n && strncmp(takes, value, n) == 0) return i;
        takes += length;
        if (!*takes) return -1;
    }
}

static void print_choice(const char *takes, int choice, base_str *out)
{
    for (; choice > 0; choice--) takes += strcspn(takes, "|") + 1;
    base_str_add(out, "%.*s", (int)strcspn(takes, "|"), takes);
}

static base_status set(const char *section, const key *keys, size_t n, void *cfg, const char *name,
                       const char *value, base_err *err)
{
    const key *k = keys;
    while (k < keys + n && strcmp(k->name, name) != 0) k++;
    if (k == keys + n) return unknown_key(section, keys, n, name, err);
    char *member = (char *)cfg + k->offset;
    int64_t i;
    double d;
    switch (k->type) {
    case KEY_TEXT:
        if (strlen(value) >= k->size || strchr(value, '\n')) return bad_value(k, value, err);
        memcpy(member, value, strlen(value) + 1);
        return BASE_OK;
    case KEY_INT:
        if (!base_parse_int(value, (int64_t)k->lo, (int64_t)k->hi, &i))
            return bad_value(k, value, err);
        *(int *)(void *)member = (int)i;
        return BASE_OK;
    case KEY_REAL:
        if (!base_parse_double(value, &d) || d < k->lo || d > k->hi)
            return bad_value(k, value, err);
        *(double *)(void *)member = d;
        return BASE_OK;
    case KEY_CHOICE:
        i = choice_of(k->takes, value);
        if (i < 0) return bad_value(k, value, err);
        *(int *)(void *)member = (int)i;
        return BASE_OK;
    }
    return BASE_USAGE;
}

/* The shortest text that reads back as the same number. */
static void print_real(double v, base_str *out)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) >= v && strtod(text, NULL) <= v) break;
    }
    base_str_add(out, "%s", text);
}

static void print(const key *keys, size_t n, const void *cfg, base_str *out)
{
    for (const key *k = keys; k < keys + n; k++) {
        const char *member = (const char *)cfg + k->offset;
        base_str_add(out, "%s = ", k->name);
        switch (k->type) {
        case KEY_TEXT: base_str_add(out, "%s", member); break;
        case KEY_INT: base_str_add(out, "%d", *(const int *)(const void *)member); break;
        case KEY_REAL: print_real(*(const double *)(const void *)member, out); break;
        case KEY_CHOICE: print_choice(k->takes, *(const int *)(const void *)member, out); break;
        }
        base_str_add(out, "\n");
    }
}

/* ---- [data] ---- */

base_status data_config_set(data_config *cfg, const char *name, const char *value, base_err *err)
{
    return set("data", data_keys, BASE_COUNT(data_keys), cfg, name, value, err);
}

void data_config_print(const data_config *cfg, base_str *out)
{
    print(data_keys, BASE_COUNT(data_keys), cfg, out);
}

base_status data_config_check(const data_config *cfg, base_err *err)
{
    char **words;
    size_t n;
    BASE_TRY(data_words_parse(cfg->keywords, &words, &n, err));
    free(words);
    return BASE_OK;
}

const char *data_config_key(size_t i)
{
    return i < BASE_COUNT(data_keys) ? data_keys[i].name : NULL;
}

const char *data_config_help(size_t i)
{
    return i < BASE_COUNT(data_keys) ? data_keys[i].help : NULL;
}

void data_config_takes(size_t i, base_str *out)
{
    if (i < BASE_COUNT(data_keys)) takes(&data_keys[i], out);
}

/* ---- [augment] ---- */

base_status data_augment_set(data_augment *aug, const char *name, const char *value, base_err *err)
{
    return set("augment", augment_keys, BASE_COUNT(augment_keys), aug, name, value, err);
}

void data_augment_print(const data_augment *aug, base_str *out)
{
    print(augment_keys, BASE_COUNT(augment_keys), aug, out);
}

base_status data_augment_check(const data_augment *aug, base_err *err)
{
    const struct {
        const char *name, *end;
        double lo, hi;
    } ranges[] = {
        {"speed", "", aug->speed_lo, aug->speed_hi},
        {"rir_rt60", "", aug->rir_rt60_lo, aug->rir_rt60_hi},
        {"gain", "_db", aug->gain_lo_db, aug->gain_hi_db},
        {"snr", "", aug->snr_lo, aug->snr_hi},
    };
    for (size_t i = 0; i < BASE_COUNT(ranges); i++)
        if (ranges[i].lo > ranges[i].hi)
            return base_fail(err, BASE_USAGE, "augment.%s_lo%s = %g is above augment.%s_hi%s = %g",
                             ranges[i].name, ranges[i].end, ranges[i].lo, ranges[i].name,
                             ranges[i].end, ranges[i].hi);
    return BASE_OK;
}

const char *data_augment_key(size_t i)
{
    return i < BASE_COUNT(augment_keys) ? augment_keys[i].name : NULL;
}

const char *data_augment_help(size_t i)
{
    return i < BASE_COUNT(augment_keys) ? augment_keys[i].help : NULL;
}

void data_augment_takes(size_t i, base_str *out)
{
    if (i < BASE_COUNT(augment_keys)) takes(&augment_keys[i], out);
}

/* ---- lists of words ---- */

/* A word is a folder name: nothing that would be another path, and no blanks or quotes that other
 * places would have to escape. */
static bool is_word(const char *s)
{
    return *s && *s != '.' && strlen(s) < 64 && !strpbrk(s, "/\\\"'=;#,\n\t ");
}

base_status data_words_parse(const char *list, char ***words, size_t *n, base_err *err)
{
    size_t most = 1, count = 0;
    for (const char *s = list; *s; s++) most += *s == ',';
    char **out = calloc(1, most * sizeof *out + strlen(list) + 1), *text = (char *)(out + most);
    if (!out) return base_nomem(err, strlen(list));
    memcpy(text, list, strlen(list) + 1);
    base_status status = BASE_OK;
    for (char *save = NULL, *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        w += strspn(w, " ");
        for (size_t end = strlen(w); end > 0 && w[end - 1] == ' ';) w[--end] = '\0';
        if (!is_word(w))
            status = base_fail(err, BASE_USAGE, "'%.60s' in the list of words is no word", w);
        for (size_t i = 0; i < count; i++)
            if (strcmp(out[i], w) == 0)
                status = base_fail(err, BASE_USAGE, "'%s' is twice in the list of words", w);
        out[count++] = w;
    }
    if (status == BASE_OK && count == 0)
        status = base_fail(err, BASE_USAGE, "the list of words '%s' is empty", list);
    *words = status == BASE_OK ? out : NULL;
    *n = count;
    if (status != BASE_OK) free(out);
    return status;
}
