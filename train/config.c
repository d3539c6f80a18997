/* config: reading, overriding and printing sections. inih splits the file into lines; its handler
 * is not told line numbers, so the reader that feeds it counts them.
 */
#include "train/config.h"

#include "nn/embedded.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 20, NAME_BYTES = 64, WRAP_AT = 100, RUN_MAX = 120 };

/* Where a key's value came from, in the order in which keys were first set. */
typedef struct origin {
    char key[2 * NAME_BYTES]; /* "train.lr" */
    const char *where;        /* "a.ini:12" */
    int source;               /* which file or override, to see a key that comes twice */
} origin;

struct config {
    base_arena *arena;
    config_section *sections;
    size_t nsections;
    origin *origins;
    size_t norigins, cap;
    int sources;
};

base_status config_new(const config_section *sections, size_t n, config **out, base_err *err)
{
    *out = NULL;
    base_arena *arena = base_arena_new();
    config *cfg = arena ? base_arena_alloc(arena, 1, sizeof *cfg) : NULL;
    config_section *copy = cfg ? base_arena_alloc(arena, n, sizeof *copy) : NULL;
    if (!copy) {
        base_arena_free(arena);
        return base_nomem(err, sizeof *cfg);
    }
    memcpy(copy, sections, n * sizeof *copy);
    *cfg = (config){.arena = arena, .sections = copy, .nsections = n};
    *out = cfg;
    return BASE_OK;
}

void config_free(config *cfg)
{
    if (!cfg) return;
    free(cfg->origins);
    base_arena_free(cfg->arena);
}

/* ---- sections: a table or functions ---- */

static const char *section_key(const config_section *s, size_t i)
{
    if (!s->keys) return s->key(i);
    return i < s->nkeys ? s->keys[i].name : NULL;
}

static base_status section_set(const config_section *s, const char *key, const char *value,
                               base_err *err)
{
    return s->keys ? config_table_set(s->keys, s->nkeys, s->settings, key, value, err)
                   : s->set(s->settings, key, value, err);
}

static void section_print(const config_section *s, base_str *out)
{
    if (s->keys)
        config_table_print(s->keys, s->nkeys, s->settings, out);
    else
        s->print(s->settings, out);
}

static void section_takes(const config_section *s, size_t i, base_str *out)
{
    if (s->keys)
        config_table_takes(&s->keys[i], out);
    else
        s->takes(i, out);
}

/* ---- setting one key ---- */

static const config_section *find_section(const config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->nsections; i++)
        if (strcmp(cfg->sections[i].name, name) == 0) return &cfg->sections[i];
    return NULL;
}

static bool has_key(const config_section *s, const char *key)
{
    if (s->open) return true;
    for (size_t i = 0; section_key(s, i); i++)
        if (strcmp(section_key(s, i), key) == 0) return true;
    return false;
}

static origin *find_origin(const config *cfg, const char *key)
{
    for (size_t i = 0; i < cfg->norigins; i++)
        if (strcmp(cfg->origins[i].key, key) == 0) return &cfg->origins[i];
    return NULL;
}

const char *config_where(const config *cfg, const char *key)
{
    const origin *o = find_origin(cfg, key);
    return o ? o->where : "default";
}

/* Hint at the nearest of all keys, or of the sections when key is NULL. */
static base_status hint_nearest(const config *cfg, const char *section, const char *key,
                                base_err *err)
{
    char wanted[2 * NAME_BYTES];
    snprintf(wanted, sizeof wanted, "%.60s%s%.60s", section, key ? "." : "", key ? key : "");
    const char *names[512];
    char *all = calloc(BASE_COUNT(names), 2 * NAME_BYTES);
    if (!all) return err->status;
    size_t n = 0;
    for (size_t i = 0; i < cfg->nsections; i++) {
        const config_section *s = &cfg->sections[i];
        for (size_t k = 0; n < BASE_COUNT(names) && (key ? section_key(s, k) != NULL : k == 0);
             k++) {
            names[n] = all + n * 2 * NAME_BYTES;
            snprintf(all + n * 2 * NAME_BYTES, 2 * NAME_BYTES, "%.60s%s%.60s", s->name,
                     key ? "." : "", key ? section_key(s, k) : "");
            n++;
        }
    }
    const char *near = base_nearest(wanted, names, n);
    if (near)
        base_hint(err, "did you mean '%s'?", near);
    else
        base_hint(err, "--print-config shows every key there is");
    free(all);
    return err->status;
}

/* Keep where key was set. again: the value goes on, so being set before is no mistake. */
static base_status remember(config *cfg, const char *key, const char *where, bool again,
                            base_err *err)
{
    origin *o = find_origin(cfg, key);
    if (o && again) return BASE_OK;
    if (o && o->source == cfg->sources)
        return base_fail(err, BASE_USAGE, "%s: '%s' is set twice, before that at %s", where, key,
                         o->where);
    if (!o) {
        if (!base_grow((void **)&cfg->origins, &cfg->cap, cfg->norigins + 1, sizeof *o))
            return base_nomem(err, sizeof *o);
        o = &cfg->origins[cfg->norigins++];
        snprintf(o->key, sizeof o->key, "%s", key);
    }
    o->where = base_arena_printf(cfg->arena, "%s", where);
    o->source = cfg->sources;
    return o->where ? BASE_OK : base_nomem(err, strlen(where));
}

/* Whether a line may be broken before text[i]: at a blank, which reading puts back, or after a
 * comma, after which it puts none. */
static bool can_break(const char *text, size_t i)
{
    return text[i - 1] == ',' ? text[i] != ' ' : text[i] == ' ';
}

/* Whether an INI file can hold the value: " ;" would begin a comment, white space at the ends or
 * several blanks in a row would be lost, a line is limited. */
static bool is_printable(const char *value)
{
    size_t run = 0; /* bytes since a line could be broken */
    char before = ' ';
    for (size_t i = 0; value[i]; before = value[i++]) {
        char c = value[i];
        if ((c < ' ' && c >= 0) || (before == ' ' && (c == ' ' || c == ';'))) return false;
        run = i > 0 && can_break(value, i) ? 1 : run + 1;
        if (run > RUN_MAX) return false;
    }
    return before != ' ' || value[0] == '\0';
}

static base_status set_key(config *cfg, const char *section, const char *key, const char *value,
                           const char *where, bool again, base_err *err)
{
    const config_section *s = find_section(cfg, section);
    if (!s) {
        base_fail(err, BASE_USAGE, "%s: unknown section '%.60s'", where, section);
        return hint_nearest(cfg, section, NULL, err);
    }
    if (!has_key(s, key)) {
        base_fail(err, BASE_USAGE, "%s: unknown key '%.60s.%.60s'", where, section, key);
        return hint_nearest(cfg, section, key, err);
    }
    if (s->open) value += strspn(value, " ");
    if (!is_printable(value)) {
        base_fail(err, BASE_USAGE, "%s: %s.%s = '%.200s' cannot be kept in an INI file", where,
                  section, key, value);
        return base_hint(err,
                         "no ';' after a blank, no double blanks, a blank or a comma alone at "
                         "least every %d bytes",
                         RUN_MAX);
    }
    base_err inner = {0};
    if (section_set(s, key, value, &inner) != BASE_OK) {
        base_fail(err, inner.status, "%s: %s.%.400s", where, section, inner.message);
        return inner.hint[0] ? base_hint(err, "%s", inner.hint) : err->status;
    }
    char name[2 * NAME_BYTES];
    const size_t n = s->open ? strcspn(key, " <>") : strlen(key);
    snprintf(name, sizeof name, "%s.%.*s", section, (int)n, key);
    return remember(cfg, name, where, again, err);
}

/* ---- files ---- */

/* One reading of a text. inih is given one line at a time and calls on_key while line is current.
 * An indented line goes on with the value before it: on_key gets the same key again. */
typedef struct reading {
    config *cfg;
    const char *name, *at; /* at: the next line */
    int line;
    bool indented;
    char key[2 * NAME_BYTES]; /* the key before, "section.key", */
    base_str value;           /* and its value so far */
    base_err *err;
    base_status status;
} reading;

static base_status refuse(reading *r, const char *what)
{
    if (r->status == BASE_OK)
        r->status = base_fail(r->err, BASE_USAGE, "%s:%d: %s", r->name, r->line, what);
    return r->status;
}

/* fgets for inih. Lines that do not fit its buffer would be cut without a word. */
static char *next_line(char *buffer, int size, void *stream)
{
    reading *r = stream;
    if (r->status != BASE_OK || *r->at == '\0') return NULL;
    size_t n = strcspn(r->at, "\n");
    n += r->at[n] == '\n';
    r->line++;
    if (n >= (size_t)size) {
        refuse(r, "the line is too long");
        base_hint(r->err, "a line has at most %d bytes", size - 2);
        return NULL;
    }
    memcpy(buffer, r->at, n);
    buffer[n] = '\0';
    r->indented = buffer[0] == ' ' || buffer[0] == '\t';
    r->at += n;
    return buffer;
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
    reading *r = user;
    if (r->status != BASE_OK) return 0;
    char where[600];
    snprintf(where, sizeof where, "%.500s:%d", r->name, r->line);
    if (section[0] == '\0') {
        refuse(r, "a key before the first [section]");
        return 0;
    }
    char name[2 * NAME_BYTES];
    snprintf(name, sizeof name, "%.60s.%.60s", section, key);
    bool again = r->indented && strcmp(name, r->key) == 0;
    if (!again) base_str_free(&r->value);
    bool blank = again && r->value.len && r->value.s[r->value.len - 1] != ',';
    base_str_add(&r->value, "%s%s", blank ? " " : "", value);
    snprintf(r->key, sizeof r->key, "%s", name);
    r->status = r->value.failed ? base_nomem(r->err, r->value.len)
                                : set_key(r->cfg, section, key, r->value.s, where, again, r->err);
    return r->status == BASE_OK;
}

/* Whether line number `line` of a text has one of these characters. */
static bool line_has(const char *text, int line, const char *characters)
{
    for (; line > 1 && (text = strchr(text, '\n')); line--) text++;
    return text && strcspn(text, characters) < strcspn(text, "\n");
}

base_status config_read_text(config *cfg, const char *name, const char *text, base_err *err)
{
    cfg->sources++;
    reading r = {.cfg = cfg, .name = name, .at = text, .err = err};
    int bad = ini_parse_stream(next_line, &r, on_key, &r);
    base_str_free(&r.value);
    if (r.status != BASE_OK) return r.status;
    if (bad < 0) return base_nomem(err, 0);
    if (bad == 0) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s:%d: the line is neither [section] nor key = value", name, bad);
    return line_has(text, bad, "<>") ? base_hint(err, "a gate is written accuracy >= 0.93, or <=")
                                     : err->status;
}

const nn_embedded *config_recipe(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "train/recipes/%.100s.ini", name);
    return nn_embedded_find(path);
}

base_status config_read(config *cfg, const char *path, base_err *err)
{
    const nn_embedded *recipe = base_exists(path) ? NULL : config_recipe(path);
    if (recipe) return config_read_text(cfg, recipe->path, recipe->text, err);
    char *text;
    size_t n;
    base_status status = base_read_file(path, MAX_FILE, &text, &n, err);
    if (status != BASE_OK && !base_exists(path))
        base_hint(err,
                  "`sotto init %.120s` makes a config; `sotto model list` names those built in",
                  path);
    if (status != BASE_OK) return status;
    if (strlen(text) == n)
        status = config_read_text(cfg, path, text, err);
    else
        status = base_fail(err, BASE_DATA, "%s: no text file: it holds zero bytes", path);
    free(text);
    return status;
}

base_status config_override(config *cfg, const char *assignment, base_err *err)
{
    const char *dot = strchr(assignment, '.');
    const char *equals = strchr(assignment, '=');
    if (!dot || !equals || dot > equals)
        return base_fail(err, BASE_USAGE, "'%.200s' is not section.key=value", assignment);
    char section[NAME_BYTES], key[NAME_BYTES];
    snprintf(section, sizeof section, "%.*s", (int)(dot - assignment), assignment);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    cfg->sources++;
    return set_key(cfg, section, key, equals + 1, "command line", false, err);
}

base_status config_check(const config *cfg, base_err *err)
{
    for (size_t i = 0; i < cfg->nsections; i++) {
        const config_section *s = &cfg->sections[i];
        base_err inner = {0};
        if (!s->check || s->check(s->settings, &inner) == BASE_OK) continue;
        base_fail(err, inner.status, "[%s] %.400s", s->name, inner.message);
        return inner.hint[0] ? base_hint(err, "%s", inner.hint) : err->status;
    }
    return BASE_OK;
}

/* ---- printing ---- */

/* Copy text line by line; a line that inih could not take is broken and goes on indented. */
static void add_wrapped(const char *text, base_str *out)
{
    size_t column = 0;
    for (size_t i = 0; text[i]; i++) {
        bool may = column > 0 && text[i] != '\n' && can_break(text, i);
        size_t run = 1;
        while (may && text[i + run] && text[i + run] != '\n' && !can_break(text, i + run)) run++;
        if (may && column + run > WRAP_AT) {
            base_str_add(out, "\n    ");
            column = 4;
            if (text[i] == ' ') continue;
        }
        base_str_add_n(out, text + i, 1);
        column = text[i] == '\n' ? 0 : column + 1;
    }
}

void config_print(const config *cfg, base_str *out)
{
    for (size_t i = 0; i < cfg->nsections; i++) {
        const config_section *s = &cfg->sections[i];
        if (!section_key(s, 0)) continue;
        base_str_add(out, "%s[%s]\n", i ? "\n" : "", s->name);
        base_str text = {0};
        section_print(s, &text);
        if (text.failed) out->failed = true;
        if (text.s) add_wrapped(text.s, out);
        base_str_free(&text);
    }
}

/* Of a listed key, or of one that begins with a listed one that ends in '.'. */
static const char *help_of(const config_section *s, const char *key)
{
    for (size_t k = 0; section_key(s, k); k++) {
        const char *name = section_key(s, k);
        const size_t n = strlen(name);
        if (strcmp(name, key) == 0 || (name[n - 1] == '.' && strncmp(name, key, n) == 0))
            return s->keys ? s->keys[k].help : s->help(k);
    }
    return "";
}

/* Whether a text has this line of n bytes. */
static bool has_line(const char *text, const char *line, size_t n)
{
    for (; *text; text += strcspn(text, "\n") + 1)
        if (strncmp(text, line, n) == 0) return true;
    return false;
}

/* Lines of a section's text that are not in that of its defaults, or were set to these. */
static void add_chosen(const config *cfg, const config_section *s, const char *text,
                       const char *defaults, base_str *out)
{
    bool begun = false;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        char name[2 * NAME_BYTES], key[NAME_BYTES];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(text, " "), text);
        snprintf(name, sizeof name, "%.60s.%.60s", s->name, key);
        const size_t n = (size_t)(end + 1 - text);
        if (!find_origin(cfg, name) && has_line(defaults, text, n)) continue;
        if (!begun) base_str_add(out, "\n[%s]\n", s->name);
        begun = true;
        base_str line = {0};
        base_str_add_n(&line, text, n);
        base_str_add(out, "# %s\n", help_of(s, key));
        if (line.failed)
            out->failed = true;
        else
            add_wrapped(line.s, out);
        base_str_free(&line);
    }
}

void config_print_chosen(const config *cfg, const config *defaults, base_str *out)
{
    for (size_t i = 0; i < cfg->nsections; i++) {
        base_str text = {0}, usual = {0};
        section_print(&cfg->sections[i], &text);
        section_print(&defaults->sections[i], &usual);
        if (text.failed || usual.failed) out->failed = true;
        if (text.s) add_chosen(cfg, &cfg->sections[i], text.s, usual.s ? usual.s : "", out);
        base_str_free(&text);
        base_str_free(&usual);
    }
}

void config_explain(const config *cfg, base_str *out)
{
    for (size_t i = 0; i < cfg->nsections; i++) {
        const config_section *s = &cfg->sections[i];
        for (size_t k = 0; section_key(s, k); k++) {
            char name[2 * NAME_BYTES];
            snprintf(name, sizeof name, "%s.%s", s->name, section_key(s, k));
            base_str_add(out, "  %-26s %s (", name, s->keys ? s->keys[k].help : s->help(k));
            section_takes(s, k, out);
            base_str_add(out, ")\n");
        }
    }
}
