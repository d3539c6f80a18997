/* Profiles of cores and boards: one table of keys drives parsing and checking. The handler of inih
 * sees no line numbers; it keeps the first message, and ini_parse_string returns the line at which
 * the handler first refused.
 */
#include "quantize/target.h"

#include "nn/embedded.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

static const char FOLDER[] = "quantize/targets/";

typedef enum key_type { TEXT, NUMBER, KILOBYTES, YESNO, BASIS } key_type;
typedef struct key {
    const char *section, *name;
    key_type type;
    bool needed;
    size_t offset; /* in quant_target */
    double lo, hi;
} key;

#define FIELD(f) offsetof(quant_target, f)
#define CODE(k, kind)                                                                              \
    {                                                                                              \
        "code", k, NUMBER, true, FIELD(core.code) + (kind) * sizeof(double), 0, 1e6                \
    }

static const key core_keys[] = {
    {"core", "name", TEXT, true, FIELD(core.name), 0, 0},
    {"core", "isa", TEXT, true, FIELD(core.isa), 0, 0},
    {"core", "instructions", TEXT, true, FIELD(core.own_isa), 0, 0},
    {"core", "cmsis_nn", TEXT, false, FIELD(core.cmsis_isa), 0, 0},
    {"cpi", "value", NUMBER, true, FIELD(core.cpi), 0.01, 1000},
    {"cpi", "error_percent", NUMBER, true, FIELD(core.cpi_error), 0, 1000},
    {"cpi", "basis", BASIS, true, FIELD(core.cpi_basis), 0, 0},
    {"cpi", "source", TEXT, true, FIELD(core.cpi_source), 0, 0},
    CODE("conv", QUANT_CONV),
    CODE("depthwise", QUANT_DEPTHWISE),
    CODE("dense", QUANT_DENSE),
    CODE("pool", QUANT_POOL),
    CODE("add", QUANT_ADD),
    CODE("other", QUANT_OTHER),
    {"code", "base", NUMBER, true, FIELD(core.code_base), 0, 1e6},
    {"code", "frontend", NUMBER, false, FIELD(core.code_frontend), 0, 1e6},
    {"code", "error_percent", NUMBER, true, FIELD(core.code_error), 0, 1000},
    {"code", "source", TEXT, true, FIELD(core.code_source), 0, 0},
    {"tflm", "code", NUMBER, false, FIELD(core.tflm_code), 1, 1e7},
    {"tflm", "error_percent", NUMBER, false, FIELD(core.tflm_error), 0, 1000},
    {"tflm", "source", TEXT, false, FIELD(core.tflm_source), 0, 0},
};

static const key board_keys[] = {
    {"board", "name", TEXT, true, FIELD(name), 0, 0},
    {"board", "title", TEXT, true, FIELD(title), 0, 0},
    {"board", "mcu", TEXT, true, FIELD(mcu), 0, 0},
    {"board", "core", TEXT, true, FIELD(core_name), 0, 0},
    {"board", "source", TEXT, true, FIELD(source), 0, 0},
    {"clock", "mhz", NUMBER, true, FIELD(mhz), 0.01, 10000},
    {"clock", "source", TEXT, true, FIELD(clock_source), 0, 0},
    {"memory", "flash_kb", KILOBYTES, true, FIELD(flash), 1, 1 << 22},
    {"memory", "ram_kb", KILOBYTES, true, FIELD(ram), 1, 1 << 22},
    {"memory", "notes", TEXT, false, FIELD(memory_notes), 0, 0},
    {"memory", "source", TEXT, true, FIELD(memory_source), 0, 0},
    {"memory", "weight_cycles", NUMBER, false, FIELD(weight_cycles), 0, 1000},
    {"memory", "weight_source", TEXT, false, FIELD(weight_source), 0, 0},
    {"cpu", "fpu", TEXT, true, FIELD(fpu), 0, 0},
    {"cpu", "dsp", TEXT, true, FIELD(dsp), 0, 0},
    {"cpu", "helium", TEXT, true, FIELD(helium), 0, 0},
    {"cpu", "source", TEXT, true, FIELD(cpu_source), 0, 0},
    {"power", "mw_per_mhz", NUMBER, false, FIELD(mw_per_mhz), 1e-6, 1000},
    {"power", "ua_per_mhz", NUMBER, false, FIELD(ua_per_mhz), 1e-3, 1e6},
    {"power", "volts", NUMBER, false, FIELD(volts), 0.1, 60},
    {"power", "error_percent", NUMBER, false, FIELD(power_error), 0, 1000},
    {"power", "source", TEXT, false, FIELD(power_source), 0, 0},
    {"latency", "cpi", NUMBER, false, FIELD(cpi), 0.01, 1000},
    {"latency", "error_percent", NUMBER, true, FIELD(latency_error), 0, 1000},
    {"latency", "rough", YESNO, true, FIELD(rough), 0, 0},
    {"latency", "basis", BASIS, true, FIELD(basis), 0, 0},
    {"latency", "source", TEXT, true, FIELD(latency_source), 0, 0},
};

enum {
    N_CORE = BASE_COUNT(core_keys),
    N_BOARD = BASE_COUNT(board_keys),
    N_KEYS = N_CORE + N_BOARD
};

typedef struct reader {
    quant_target *target;
    bool seen[N_KEYS];
    char message[300]; /* of the first bad line */
    char hint[100];
} reader;

const char *quant_kind_name(quant_kind kind)
{
    static const char *const names[] = {"conv", "depthwise", "dense", "pool", "add", "other"};
    return names[kind];
}

const char *quant_basis_name(quant_basis basis)
{
    static const char *const names[] = {"", "exact", "measured", "published", "inferred"};
    return names[basis];
}

static const key *key_at(int i)
{
    return i < N_CORE ? &core_keys[i] : &board_keys[i - N_CORE];
}

/* ---- one file ---- */

static bool set_number(reader *r, const key *k, const char *value, char *field)
{
    double v = 0;
    if (!base_parse_double(value, &v) || v < k->lo || v > k->hi) {
        snprintf(r->message, sizeof r->message, "[%s] %s = %.60s: a number from %g to %g is wanted",
                 k->section, k->name, value, k->lo, k->hi);
        return false;
    }
    int64_t bytes = (int64_t)(v * 1024);
    if (k->type == KILOBYTES)
        memcpy(field, &bytes, sizeof bytes);
    else
        memcpy(field, &v, sizeof v);
    return true;
}

static bool set_basis(reader *r, const key *k, const char *value, char *field)
{
    for (quant_basis b = QUANT_EXACT; b <= QUANT_INFERRED; b++)
        if (strcmp(value, quant_basis_name(b)) == 0) {
            memcpy(field, &b, sizeof b);
            return true;
        }
    snprintf(r->message, sizeof r->message,
             "[%s] %s = %.60s: exact, measured, published or inferred is wanted", k->section,
             k->name, value);
    return false;
}

static bool set(reader *r, const key *k, const char *value)
{
    char *field = (char *)r->target + k->offset;
    if (k->type == NUMBER || k->type == KILOBYTES) return set_number(r, k, value, field);
    if (k->type == YESNO) {
        bool yes = !strcmp(value, "yes");
        if (yes || !strcmp(value, "no")) {
            memcpy(field, &yes, sizeof yes);
            return true;
        }
        snprintf(r->message, sizeof r->message, "[%s] %s = %.60s: yes or no is wanted", k->section,
                 k->name, value);
        return false;
    }
    if (k->type == BASIS) return set_basis(r, k, value, field);
    size_t n = strlen(value);
    if (n && n < QUANT_TEXT) {
        memcpy(field, value, n + 1);
        return true;
    }
    snprintf(r->message, sizeof r->message, "[%s] %s: 1 to %d characters are wanted, there are %zu",
             k->section, k->name, QUANT_TEXT - 1, n);
    return false;
}

static bool unknown_key(reader *r, const char *section, const char *name)
{
    const char *list[N_KEYS], *near = NULL;
    size_t n = 0;
    for (int i = 0; i < N_KEYS; i++)
        if (!strcmp(key_at(i)->section, section)) list[n++] = key_at(i)->name;
    snprintf(r->message, sizeof r->message, "unknown %s [%.60s] %.60s", n ? "key" : "section",
             section, n ? name : "");
    if (n) near = base_nearest(name, list, n);
    if (near) snprintf(r->hint, sizeof r->hint, "did you mean %s?", near);
    return false;
}

/* inih's handler: 0 is an error at this line. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    reader *r = user;
    if (r->message[0]) return 0;
    for (int i = 0; i < N_KEYS; i++) {
        const key *k = key_at(i);
        if (strcmp(k->section, section) || strcmp(k->name, name)) continue;
        if (r->seen[i]) {
            snprintf(r->message, sizeof r->message, "[%s] %s is given twice", section, name);
            return 0;
        }
        r->seen[i] = true;
        return set(r, k, value);
    }
    return unknown_key(r, section, name);
}

static base_status read_keys(const char *text, const char *file, reader *r, base_err *err)
{
    int line = ini_parse_string(text, on_key, r);
    if (line < 0) return base_nomem(err, strlen(text));
    if (!line) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s:%d: %s", file, line,
              r->message[0] ? r->message : "neither [section] nor key = value");
    return r->hint[0] ? base_hint(err, "%s", r->hint) : err->status;
}

/* Keys first .. first + n - 1 that are needed were given. */
static base_status check_complete(const reader *r, int first, int n, const char *file,
                                  base_err *err)
{
    for (int i = first; i < first + n; i++)
        if (key_at(i)->needed && !r->seen[i])
            return base_fail(err, BASE_USAGE, "%s: [%s] %s is missing", file, key_at(i)->section,
                             key_at(i)->name);
    return BASE_OK;
}

/* A core's keys, and the tables of instructions that they name. */
static base_status check_core(const reader *r, const char *file, base_err *err)
{
    quant_core *core = &r->target->core;
    BASE_TRY(check_complete(r, 0, N_CORE, file, err));
    BASE_TRY(quant_table_load("sotto", core->own_isa, &core->own, err));
    BASE_TRY(quant_table_load("frontend", core->own_isa, &core->frontend, err));
    BASE_TRY(quant_table_load("cmsis-nn", core->cmsis_isa, &core->cmsis, err));
    if (core->own.n == 0)
        return base_fail(err, BASE_USAGE, "%s: [core] instructions = %s: not counted", file,
                         core->own_isa);
    if (core->cmsis_isa[0] && core->cmsis.n == 0)
        return base_fail(err, BASE_USAGE, "%s: [core] cmsis_nn = %s: not counted", file,
                         core->cmsis_isa);
    return BASE_OK;
}

/* ---- the folder ---- */

/* The name of embedded file i if it is a board (or a core), else NULL; length in *n. */
static const char *profile_name(size_t i, bool core, size_t *n)
{
    const char *path = nn_embedded_at(i)->path, *name = path + strlen(FOLDER);
    if (strncmp(path, FOLDER, strlen(FOLDER))) return NULL;
    if (core != !strncmp(name, "core-", 5) || !strcmp(name, "instructions.ini")) return NULL;
    name += core ? 5 : 0;
    *n = strlen(name) - strlen(".ini");
    return name;
}

static base_status list_profiles(bool core, const char ***names, size_t *n, base_err *err)
{
    size_t count = 0, bytes = 0, length = 0;
    for (size_t i = 0; nn_embedded_at(i); i++)
        if (profile_name(i, core, &length)) count++, bytes += length + 1;
    *names = malloc((count + 1) * sizeof **names + bytes);
    *n = 0;
    if (!*names) return base_nomem(err, bytes);
    char *text = (char *)(*names + count + 1);
    for (size_t i = 0; nn_embedded_at(i); i++) {
        const char *name = profile_name(i, core, &length);
        if (!name) continue;
        memcpy(text, name, length);
        text[length] = 0;
        (*names)[(*n)++] = text;
        text += length + 1;
    }
    return BASE_OK;
}

base_status quant_target_names(const char ***names, size_t *n, base_err *err)
{
    return list_profiles(false, names, n, err);
}

static const nn_embedded *find(bool core, const char *name)
{
    char path[300];
    int n = snprintf(path, sizeof path, "%s%s%s.ini", FOLDER, core ? "core-" : "", name);
    return n < (int)sizeof path ? nn_embedded_find(path) : NULL;
}

static base_status unknown(bool core, const char *name, const char *file, base_err *err)
{
    const char **names = NULL;
    size_t n = 0;
    BASE_TRY(list_profiles(core, &names, &n, err));
    const char *near = base_nearest(name, names, n);
    base_fail(err, BASE_USAGE, "%s%sunknown %s '%.60s'", file, *file ? ": " : "",
              core ? "core" : "board", name);
    if (near)
        base_hint(err, "did you mean %s?%s", near,
                  core ? "" : " `sotto estimate --list` names all boards");
    else
        base_hint(err, "%s",
                  core ? "give [core], [cpi] and [code] in the same file"
                       : "`sotto estimate --list` names all boards");
    free(names);
    return err ? err->status : BASE_USAGE;
}

static base_status load_core(reader *r, const char *file, base_err *err)
{
    reader core = {.target = r->target};
    const nn_embedded *text = find(true, r->target->core_name);
    if (!text) return unknown(true, r->target->core_name, file, err);
    BASE_TRY(read_keys(text->text, text->path, &core, err));
    return check_core(&core, text->path, err);
}

base_status quant_target_parse(const char *text, const char *file, quant_target *target,
                               base_err *err)
{
    reader r = {.target = target};
    *target = (quant_target){0};
    BASE_TRY(read_keys(text, file, &r, err));
    BASE_TRY(check_complete(&r, N_CORE, N_BOARD, file, err));
    bool own = false;
    for (int i = 0; i < N_CORE; i++) own = own || r.seen[i];
    if (own)
        BASE_TRY(check_core(&r, file, err));
    else
        BASE_TRY(load_core(&r, file, err));
    bool power = target->mw_per_mhz > 0 || target->ua_per_mhz > 0;
    if (power && (!target->power_source[0] || target->power_error <= 0))
        return base_fail(err, BASE_USAGE, "%s: [power] needs source and error_percent", file);
    return BASE_OK;
}

base_status quant_target_load(const char *name, quant_target *target, base_err *err)
{
    size_t n = strlen(name);
    if (!strchr(name, '/') && (n < 4 || strcmp(name + n - 4, ".ini"))) {
        const nn_embedded *file = find(false, name);
        if (!file || !strncmp(name, "core-", 5) || !strcmp(name, "instructions"))
            return unknown(false, name, "", err);
        return quant_target_parse(file->text, file->path, target, err);
    }
    char *text = NULL;
    BASE_TRY(base_read_file(name, 1 << 20, &text, &n, err));
    base_status status = quant_target_parse(text, name, target, err);
    free(text);
    return status;
}

double quant_target_power(const quant_target *target)
{
    if (target->mw_per_mhz > 0) return target->mw_per_mhz;
    return target->ua_per_mhz * target->volts / 1000;
}

double quant_target_cpi(const quant_target *target)
{
    return target->cpi > 0 ? target->cpi : target->core.cpi;
}
