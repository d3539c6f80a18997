/* cli: options through popt, exit codes, errors. A command's table is copied with running option
 * numbers, so that every occurrence is seen and strings that popt allocates have an owner.
 */
#include "train/cli_state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_OPTIONS = 64, MAX_THREADS = 256 };

int cli_exit_code(base_status status)
{
    switch (status) {
    case BASE_OK: return 0;
    case BASE_FAILED: return 1;
    case BASE_USAGE: return 2;
    case BASE_DATA: return 3;
    case BASE_GATE: return 4;
    case BASE_MISMATCH: return 6;
    case BASE_AGAIN: return 75;
    case BASE_INTERRUPTED: return 130;
    }
    return 1;
}

void cli_report(const base_err *err)
{
    if (err->message[0]) fprintf(stderr, "sotto: %s\n", err->message);
    if (err->hint[0]) fprintf(stderr, "hint: %s\n", err->hint);
}

base_status cli_open(cli *c, const char *command, base_err *err)
{
    *c = (cli){.command = command, .threads = base_cores()};
    c->format = isatty(STDOUT_FILENO) ? CLI_FORMAT_TABLE : CLI_FORMAT_TSV;
    c->state = base_alloc(1, sizeof *c->state);
    if (!c->state) return base_nomem(err, sizeof *c->state);
    c->state->arena = base_arena_new();
    if (!c->state->arena) return base_nomem(err, 0);
    const char *term = getenv("TERM");
    c->state->live = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    return BASE_OK;
}

/* ---- options ---- */

/* The tables of one parse. all: the command's options, then the common ones, numbered from 1. */
typedef struct parse {
    struct poptOption own[MAX_OPTIONS + 1], common[12], top[3];
    int nown, ncommon;
    int help, quiet, verbose;
    long long seed;
    const char *format;
    const char **args; /* the command line; NULL-terminated */
} parse;

static const char *const format_names[] = {"table", "tsv", "json", NULL};

static void add_common(parse *p, const char *name, char letter, unsigned info, void *arg,
                       const char *text, const char *value)
{
    p->common[p->ncommon] = (struct poptOption){
        .longName = name,
        .shortName = letter,
        .argInfo = info,
        .arg = arg,
        .val = MAX_OPTIONS + 1 + p->ncommon,
        .descrip = text,
        .argDescrip = value,
    };
    p->ncommon++;
}

static bool shows_default(const struct poptOption *o)
{
    if (!o->arg) return false;
    switch (o->argInfo & POPT_ARG_MASK) {
    case POPT_ARG_INT:
    case POPT_ARG_LONGLONG:
    case POPT_ARG_DOUBLE: return true;
    case POPT_ARG_STRING: return *(char **)o->arg != NULL;
    default: return false;
    }
}

static void fill_tables(cli *c, parse *p, const cli_spec *spec, const struct poptOption *options)
{
    for (; options && (options->longName || options->shortName) && p->nown < MAX_OPTIONS;
         options++) {
        struct poptOption *o = &p->own[p->nown++];
        *o = *options;
        o->val = p->nown;
        if (shows_default(o)) o->argInfo |= POPT_ARGFLAG_SHOW_DEFAULT;
    }
    if (spec->output)
        add_common(p, "output", 'o', POPT_ARG_STRING, &c->output, spec->output, "PATH");
    if (spec->takes & CLI_SEED)
        add_common(p, "seed", 0, POPT_ARG_LONGLONG, &p->seed, "start of all random numbers", "N");
    if (spec->takes & CLI_THREADS)
        add_common(p, "threads", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &c->threads,
                   "threads to use; results do not depend on it", "N");
    add_common(p, "format", 0, POPT_ARG_STRING, &p->format,
               spec->format ? spec->format
                            : "table, tsv or json (default: table on a terminal, else tsv)",
               "FORMAT");
    add_common(p, "quiet", 'q', POPT_ARG_NONE, &p->quiet, "only results, warnings, errors", NULL);
    add_common(p, "verbose", 'v', POPT_ARG_NONE, &p->verbose, "say more", NULL);
    add_common(p, "help", 'h', POPT_ARG_NONE, &p->help, "this text", NULL);
    struct poptOption *top = p->top;
    if (p->nown)
        *top++ = (struct poptOption){
            .argInfo = POPT_ARG_INCLUDE_TABLE, .arg = p->own, .descrip = "Options:"};
    *top = (struct poptOption){
        .argInfo = POPT_ARG_INCLUDE_TABLE, .arg = p->common, .descrip = "Common options:"};
}

static const struct poptOption *option_of(const parse *p, int val)
{
    return val > MAX_OPTIONS ? &p->common[val - MAX_OPTIONS - 1] : &p->own[val - 1];
}

/* The state owns s from now on; on failure it is freed. */
static base_status adopt(struct cli_state *s, char *string, base_err *err)
{
    if (!base_grow((void **)&s->strings, &s->strings_cap, s->nstrings + 1, sizeof *s->strings)) {
        free(string);
        return base_nomem(err, sizeof *s->strings);
    }
    s->strings[s->nstrings++] = string;
    return BASE_OK;
}

/* A value that popt refused. It names the last word it read, which may be the value alone. */
static void bad_value(const cli *c, const char **args, const char *bad, int code, base_err *err)
{
    bool alone = bad[0] != '-' || strspn(bad + 1, "0123456789.") > 0;
    const char *option = "";
    for (int i = 1; alone && args[i]; i++)
        if (strcmp(args[i], bad) == 0) option = args[i - 1];
    base_fail(err, BASE_USAGE, "option '%s%s%s': %s", option, *option ? " " : "", bad,
              poptStrerror(code));
    base_hint(err, "see sotto %s -h", c->command);
}

/* An option that popt does not know, with the nearest as hint. */
static void bad_option(const cli *c, const parse *p, const char *bad, base_err *err)
{
    const char *names[MAX_OPTIONS + 12];
    size_t n = 0;
    for (int i = 0; i < p->nown; i++)
        if (p->own[i].longName) names[n++] = p->own[i].longName;
    for (int i = 0; i < p->ncommon; i++) names[n++] = p->common[i].longName;
    base_fail(err, BASE_USAGE, "unknown option '%s' of sotto %s", bad, c->command);
    char word[64] = "";
    if (strncmp(bad, "--", 2) == 0) {
        size_t len = strcspn(bad + 2, "=");
        snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), bad + 2);
    }
    const char *near = word[0] ? base_nearest(word, names, n) : NULL;
    if (near)
        base_hint(err, "did you mean --%s?", near);
    else
        base_hint(err, "see sotto %s -h", c->command);
}

/* section.key=value, or a gate: gates.accuracy>=0.93, gates.recall.yes >= 0.9. */
static bool is_override(const char *s)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const size_t section = strspn(s, name);
    if (section == 0 || s[section] != '.') return false;
    const bool gate = strncmp(s, "gates.", 6) == 0;
    const char *const dotted = "abcdefghijklmnopqrstuvwxyz0123456789_."; /* [sweep] */
    const size_t key = gate ? strcspn(s + 6, "=") : strspn(s + section + 1, dotted);
    return key > 0 && s[section + 1 + key] == '=';
}

/* Sort what is left on the command line into arguments and overrides. */
static base_status split_args(cli *c, const cli_spec *spec, const char **left, base_err *err)
{
    size_t n = 0;
    while (left && left[n]) n++;
    c->args = base_arena_alloc(c->state->arena, n + 1, sizeof *c->args);
    c->overrides = base_arena_alloc(c->state->arena, n + 1, sizeof *c->overrides);
    if (!c->args || !c->overrides) return base_nomem(err, n * sizeof *c->args);
    for (size_t i = 0; i < n; i++) {
        char *s = base_arena_printf(c->state->arena, "%s", left[i]);
        if (!s) return base_nomem(err, strlen(left[i]));
        bool over = is_override(s);
        if (over && !(spec->takes & CLI_OVERRIDES))
            return base_fail(err, BASE_USAGE, "sotto %s takes no settings: '%s'", c->command, s);
        if (over)
            c->overrides[c->noverrides++] = s;
        else
            c->args[c->nargs++] = s;
    }
    return BASE_OK;
}

/* --format: of the result, or of the file that -o names. */
static base_status check_format(cli *c, const parse *p, const cli_spec *spec, base_err *err)
{
    enum { OWN = BASE_COUNT(format_names) - 1, MOST = OWN + 4 };
    const char *names[MOST + 1] = {0};
    int format = 0, n = OWN;
    if (!p->format) return BASE_OK;
    memcpy(names, format_names, OWN * sizeof *names);
    for (int i = 0; spec->writes && spec->writes[i]; i++) names[n++] = spec->writes[i];
    BASE_TRY(cli_check_choice("--format", p->format, names, &format, err));
    if (format < OWN)
        c->format = (cli_format)format;
    else
        c->writes = names[format];
    return BASE_OK;
}

/* What follows the name of the command, in the arena; NULL: no memory. */
static char *usage_of(const cli *c, const cli_spec *spec)
{
    return base_arena_printf(c->state->arena, "[OPTION...]%s%s%s", spec->usage ? " " : "",
                             spec->usage ? spec->usage : "",
                             spec->takes & CLI_OVERRIDES ? " [section.key=value...]" : "");
}

static base_status hint_usage(const cli *c, const cli_spec *spec, base_err *err)
{
    const char *usage = usage_of(c, spec);
    return usage ? base_hint(err, "usage: sotto %s %s", c->command, usage) : err->status;
}

static base_status check_common(cli *c, const parse *p, const cli_spec *spec, base_err *err)
{
    BASE_TRY(check_format(c, p, spec, err));
    BASE_TRY(cli_check_range("--threads", c->threads, 1, MAX_THREADS, err));
    BASE_TRY(cli_check_range("--seed", (double)p->seed, 0, 0x1p62, err));
    c->seed = (uint64_t)p->seed;
    c->verbosity = p->quiet ? -1 : p->verbose ? 1 : 0;
    if (c->nargs < spec->min_args) {
        base_fail(err, BASE_USAGE, "sotto %s: too few arguments", c->command);
        return hint_usage(c, spec, err);
    }
    if (spec->max_args >= 0 && c->nargs > spec->max_args) {
        base_fail(err, BASE_USAGE, "sotto %s: one argument too many: '%s'", c->command,
                  c->args[spec->max_args]);
        return hint_usage(c, spec, err);
    }
    if ((spec->takes & CLI_OUTPUT_NEEDED) && !c->output) {
        base_fail(err, BASE_USAGE, "sotto %s: -o PATH is missing", c->command);
        return base_hint(err, "-o names %s", spec->output);
    }
    return BASE_OK;
}

static base_status print_help(poptContext con, const cli_spec *spec, base_err *err)
{
    poptPrintHelp(con, stdout, 0);
    if (spec->about) printf("\n%s\n", spec->about);
    if (fflush(stdout) != 0 || ferror(stdout))
        return base_fail(err, BASE_FAILED, "cannot write to standard output: %s", strerror(errno));
    return BASE_OK;
}

/* Run popt over the tables; *help is set when the text was asked for and printed. */
static base_status run_popt(cli *c, parse *p, poptContext con, const cli_spec *spec, bool *help,
                            base_err *err)
{
    int val;
    while ((val = poptGetNextOpt(con)) > 0) {
        const struct poptOption *o = option_of(p, val);
        if ((o->argInfo & POPT_ARG_MASK) == POPT_ARG_STRING)
            BASE_TRY(adopt(c->state, *(char **)o->arg, err));
        if (o->arg == &p->seed) c->seed_given = true;
        if (p->help) {
            *help = true;
            return print_help(con, spec, err);
        }
    }
    if (val < -1) {
        const char *bad = poptBadOption(con, POPT_BADOPTION_NOALIAS);
        if (val == POPT_ERROR_BADOPT)
            bad_option(c, p, bad, err);
        else
            bad_value(c, p->args, bad, val, err);
        return err->status;
    }
    BASE_TRY(split_args(c, spec, poptGetArgs(con), err));
    return check_common(c, p, spec, err);
}

bool cli_parse(cli *c, int argc, char **argv, const cli_spec *spec,
               const struct poptOption *options, base_err *err)
{
    parse *p = base_arena_alloc(c->state->arena, 1, sizeof *p);
    const char **args = base_arena_alloc(c->state->arena, (size_t)argc + 1, sizeof *args);
    char *name = base_arena_printf(c->state->arena, "sotto %s", c->command);
    char *usage = usage_of(c, spec);
    if (!p || !args || !name || !usage) {
        base_nomem(err, sizeof *p);
        return false;
    }
    for (int i = 0; i < argc; i++) args[i] = argv[i];
    args[0] = name;
    p->args = args;
    fill_tables(c, p, spec, options);
    poptContext con = poptGetContext("sotto", argc, args, p->top, 0);
    if (!con) {
        base_nomem(err, 0);
        return false;
    }
    poptSetOtherOptionHelp(con, usage);
    bool help = false;
    base_status status = run_popt(c, p, con, spec, &help, err);
    poptFreeContext(con);
    return status == BASE_OK && !help;
}

base_status cli_check_range(const char *option, double value, double lo, double hi, base_err *err)
{
    if (value >= lo && value <= hi) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s %g is out of range", option, value);
    return isinf(hi) ? base_hint(err, "%s is at least %g", option, lo)
                     : base_hint(err, "%s is within %g .. %g", option, lo, hi);
}

base_status cli_check_choice(const char *option, const char *value, const char *const *choices,
                             int *index, base_err *err)
{
    base_str all = {0};
    for (int i = 0; choices[i]; i++) {
        if (strcmp(value, choices[i]) == 0) {
            *index = i;
            base_str_free(&all);
            return BASE_OK;
        }
        base_str_add(&all, "%s%s", i ? ", " : "", choices[i]);
    }
    base_fail(err, BASE_USAGE, "%s '%s' is none of its choices", option, value);
    base_hint(err, "%s is one of: %s", option, all.failed || !all.s ? "?" : all.s);
    base_str_free(&all);
    return err->status;
}

/* ---- the end ---- */

static base_status print_result(cli *c, base_err *err)
{
    base_str out = {0};
    cli_render(c, &out);
    base_status status = BASE_OK;
    if (out.failed || c->state->failed)
        status = base_nomem(err, out.len);
    else if (out.len && (fwrite(out.s, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        status = base_fail(err, BASE_FAILED, "cannot write the result to standard output: %s",
                           strerror(errno));
    base_str_free(&out);
    return status;
}

base_status cli_close(cli *c, base_status status, base_err *err)
{
    struct cli_state *s = c->state;
    if (!s) return status;
    if (s->arena) {
        cli_progress_end(c);
        bool print = status == BASE_OK || status == BASE_GATE || status == BASE_MISMATCH ||
                     status == BASE_INTERRUPTED;
        base_err late = {0};
        if (print && print_result(c, &late) != BASE_OK) {
            *err = late;
            status = late.status;
        }
    }
    cli_render_free(s);
    for (size_t i = 0; i < s->nstrings; i++) free(s->strings[i]);
    free(s->strings);
    base_arena_free(s->arena);
    base_free(s);
    c->state = NULL;
    return status;
}
