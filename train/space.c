/* See train/space.h. */
#include "train/space.h"

#include <math.h>
#include <string.h>

static const char *const methods[] = {"random", "grid", "tpe", NULL};
static const char *const stoppings[] = {"none", "asha", NULL};

static const config_key keys[] = {
    {.name = "method",
     .help = "how values are chosen",
     .type = CONFIG_CHOICE,
     .offset = offsetof(sweep_space, method),
     .choices = methods},
    {.name = "trials",
     .help = "trials of the whole sweep, rejected ones apart; grid: at most",
     .type = CONFIG_INT,
     .offset = offsetof(sweep_space, trials),
     .lo = 1,
     .hi = 100000},
    {.name = "stopping",
     .help = "of what does worse than others with as many epochs",
     .type = CONFIG_CHOICE,
     .offset = offsetof(sweep_space, stopping),
     .choices = stoppings},
    {.name = "reduction",
     .help = "asha: one trial of so many goes on, for as many times the epochs",
     .type = CONFIG_INT,
     .offset = offsetof(sweep_space, reduction),
     .lo = 2,
     .hi = 100},
    {.name = "min_epochs",
     .help = "asha: epochs of every trial",
     .type = CONFIG_INT,
     .offset = offsetof(sweep_space, min_epochs),
     .lo = 1,
     .hi = 100000},
    {.name = "seed",
     .help = "of the values chosen",
     .type = CONFIG_INT,
     .offset = offsetof(sweep_space, seed),
     .lo = 0,
     .hi = 1e9},
    {.name = "maximize",
     .help = "results that should be high, by name",
     .type = CONFIG_TEXT,
     .offset = offsetof(sweep_space, maximize),
     .size = SWEEP_TEXT},
    {.name = "minimize",
     .help = "results that should be low, by name",
     .type = CONFIG_TEXT,
     .offset = offsetof(sweep_space, minimize),
     .size = SWEEP_TEXT},
};

sweep_space sweep_space_default(void)
{
    return (sweep_space){.method = SWEEP_RANDOM,
                         .trials = 20,
                         .reduction = 3,
                         .min_epochs = 1,
                         .maximize = "val_accuracy"};
}

/* ---- the section ---- */

/* Word i of text: its length into *n, or NULL. */
static const char *word(const char *text, int i, size_t *n)
{
    for (;; text += *n) {
        text += strspn(text, " ");
        *n = strcspn(text, " ");
        if (*n == 0) return NULL;
        if (i-- == 0) return text;
    }
}

static bool number_at(const char *text, int i, double *v)
{
    size_t n;
    const char *w = word(text, i, &n);
    char copy[64];
    if (!w || n >= sizeof copy) return false;
    snprintf(copy, sizeof copy, "%.*s", (int)n, w);
    return base_parse_double(copy, v);
}

static bool begins(const char *text, const char *name)
{
    size_t n;
    const char *w = word(text, 0, &n);
    return w && n == strlen(name) && memcmp(w, name, n) == 0;
}

static base_status parse(sweep_param *p, base_err *err)
{
    static const char *const kinds[] = {
        [SWEEP_UNIFORM] = "uniform", [SWEEP_LOG] = "log", [SWEEP_INT] = "int"};
    size_t n;
    for (int k = SWEEP_UNIFORM; k <= SWEEP_INT; k++) {
        if (!begins(p->text, kinds[k])) continue;
        p->kind = (sweep_kind)k;
        bool good = number_at(p->text, 1, &p->lo) && number_at(p->text, 2, &p->hi) &&
                    !word(p->text, 3, &n) && p->lo < p->hi && (k != SWEEP_LOG || p->lo > 0) &&
                    (k != SWEEP_INT || (p->lo == floor(p->lo) && p->hi == floor(p->hi)));
        if (good) return BASE_OK;
        return base_fail(err, BASE_USAGE, "%s = '%s': expected %s LOW HIGH%s", p->key, p->text,
                         kinds[k], k == SWEEP_LOG ? " above 0" : "");
    }
    while (word(p->text, p->choices, &n)) p->choices++;
    if (p->choices > 0) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s = '%s': nothing to choose from", p->key, p->text);
    return base_hint(err, "for example log 1e-4 1e-1, or 8 16 24");
}

/* A name that is nearly that of a setting is taken for no parameter. */
static base_status no_slip(const char *key, base_err *err)
{
    const char *names[BASE_COUNT(keys)];
    for (size_t i = 0; i < BASE_COUNT(keys); i++) names[i] = keys[i].name;
    const char *near = strchr(key, '.') ? NULL : base_nearest(key, names, BASE_COUNT(keys));
    if (!near) return BASE_OK;
    base_fail(err, BASE_USAGE, "%.60s is no setting of a sweep", key);
    return base_hint(err, "did you mean %s? A parameter needs another name", near);
}

static base_status set(void *settings, const char *key, const char *value, base_err *err)
{
    sweep_space *s = settings;
    for (size_t i = 0; i < BASE_COUNT(keys); i++)
        if (strcmp(keys[i].name, key) == 0)
            return config_table_set(keys, BASE_COUNT(keys), s, key, value, err);
    BASE_TRY(no_slip(key, err));
    sweep_param p = {0};
    if (strcmp(key, "features") == 0) key = "features.preset";
    if (strlen(key) >= sizeof p.key || strlen(value) >= sizeof p.text)
        return base_fail(err, BASE_USAGE, "%.60s = '%.60s': longer than %d bytes", key, value,
                         SWEEP_TEXT - 1);
    snprintf(p.key, sizeof p.key, "%s", key);
    snprintf(p.text, sizeof p.text, "%s", value);
    BASE_TRY(parse(&p, err));
    int i = 0;
    while (i < s->n && strcmp(s->params[i].key, key) != 0) i++;
    if (i == SWEEP_PARAMS)
        return base_fail(err, BASE_USAGE, "%s = '%s': more than %d parameters", key, value,
                         SWEEP_PARAMS);
    s->params[i] = p;
    if (i == s->n) s->n++;
    return BASE_OK;
}

static void print(const void *settings, base_str *out)
{
    const sweep_space *s = settings;
    config_table_print(keys, BASE_COUNT(keys), s, out);
    for (int i = 0; i < s->n; i++)
        base_str_add(out, "%s = %s\n", s->params[i].key, s->params[i].text);
}

static base_status check(const void *settings, base_err *err)
{
    const sweep_space *s = settings;
    for (int i = 0; s->method == SWEEP_GRID && i < s->n; i++) {
        if (s->params[i].kind == SWEEP_CHOICE) continue;
        base_fail(err, BASE_USAGE, "method = grid, but %s = '%s'", s->params[i].key,
                  s->params[i].text);
        return base_hint(err, "list its values, or method = random");
    }
    return BASE_OK;
}

static const char *key_at(size_t i)
{
    return i < BASE_COUNT(keys) ? keys[i].name : NULL;
}

static const char *help_at(size_t i)
{
    return keys[i].help;
}

static void takes_at(size_t i, base_str *out)
{
    config_table_takes(&keys[i], out);
}

config_section sweep_section(sweep_space *s)
{
    return (config_section){.name = "sweep",
                            .settings = s,
                            .check = check,
                            .set = set,
                            .print = print,
                            .key = key_at,
                            .help = help_at,
                            .takes = takes_at,
                            .open = true};
}

/* ---- points ---- */

void sweep_value(const sweep_param *p, double at, base_str *out)
{
    size_t n;
    if (p->kind == SWEEP_CHOICE) {
        const char *w = word(p->text, (int)at, &n);
        base_str_add_n(out, w, n);
    } else if (p->kind == SWEEP_INT)
        base_str_add_real(out, fmin(p->hi, p->lo + floor(at * (p->hi - p->lo + 1))));
    else if (p->kind == SWEEP_LOG)
        base_str_add_real(out, fmax(p->lo, fmin(p->hi, p->lo * pow(p->hi / p->lo, at))));
    else
        base_str_add_real(out, p->lo + at * (p->hi - p->lo));
}

bool sweep_place(const sweep_param *p, const char *value, double *at)
{
    size_t n;
    for (int i = 0; i < p->choices; i++) {
        const char *w = word(p->text, i, &n);
        *at = i;
        if (strlen(value) == n && memcmp(w, value, n) == 0) return true;
    }
    double v;
    if (p->kind == SWEEP_CHOICE || !base_parse_double(value, &v)) return false;
    if (v < p->lo || v > p->hi) return false;
    if (p->kind == SWEEP_INT)
        *at = (v - p->lo + 0.5) / (p->hi - p->lo + 1);
    else if (p->kind == SWEEP_LOG)
        *at = log(v / p->lo) / log(p->hi / p->lo);
    else
        *at = (v - p->lo) / (p->hi - p->lo);
    return true;
}

int64_t sweep_grid_size(const sweep_space *s)
{
    int64_t size = 1;
    for (int i = 0; i < s->n && size < 1000000; i++) size *= s->params[i].choices;
    return size;
}

void sweep_grid(const sweep_space *s, int64_t i, double *at)
{
    for (int k = s->n - 1; k >= 0; k--) { /* the last one changes fastest */
        at[k] = (double)(i % s->params[k].choices);
        i /= s->params[k].choices;
    }
}

static double draw(const sweep_param *p, base_rng *r)
{
    return p->kind == SWEEP_CHOICE ? base_rng_below(r, (uint32_t)p->choices) : base_rng_uniform(r);
}

void sweep_random(const sweep_space *s, int64_t id, double *at)
{
    base_rng r = base_rng_at((uint64_t)s->seed, BASE_RNG_SWEEP, 0, (uint64_t)id);
    for (int k = 0; k < s->n; k++) at[k] = draw(&s->params[k], &r);
}
