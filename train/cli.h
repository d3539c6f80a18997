/* cli: what every command of the program stands on: options, the result on stdout, talk and
 * progress on stderr, Ctrl-C. Included by cmd_*.c and the program's own files only.
 *
 * A command `sotto data import` is one file data/cmd_data_import.c with one function
 *
 *     base_status cmd_data_import(cli *c, int argc, char **argv, base_err *err);
 *
 * and one line in train/commands.def: COMMAND(data_import, "summary"). It fills locals with the
 * defaults, declares a local popt table that points at them (help prints the defaults from
 * there), calls cli_parse, does its work, puts its result and returns its status; main prints the
 * result, the error and its hint, and turns the status into the exit code.
 */
#ifndef TRAIN_CLI_H
#define TRAIN_CLI_H

#include "nn/base.h"

#include <popt.h>
#include <signal.h>

typedef enum cli_format { CLI_FORMAT_TABLE, CLI_FORMAT_TSV, CLI_FORMAT_JSON } cli_format;

typedef struct cli {
    const char *command; /* "data import" */
    cli_format format;   /* --format; default: table on a terminal, tsv elsewhere */
    const char *writes;  /* the one of the spec's `writes` that --format named; NULL: none */
    int verbosity;       /* -1: -q, 0, 1: -v */
    int threads;         /* --threads; default: the processors there are */
    uint64_t seed;       /* --seed, 0 when not given */
    bool seed_given;
    const char *output; /* -o, or NULL */
    char **args;        /* arguments that are no options and no overrides */
    int nargs;
    char **overrides; /* the section.key=value arguments, in order */
    int noverrides;
    struct cli_state *state; /* owned by cli.c: result, progress, memory */
} cli;

/* The entry point of every command. */
#define GROUP(title)
#define COMMAND(name, summary) base_status cmd_##name(cli *c, int argc, char **argv, base_err *err);
#include "train/commands.def"
#undef GROUP
#undef COMMAND

/* ---- options ---- */

enum { CLI_SEED = 1, CLI_THREADS = 2, CLI_OVERRIDES = 4, CLI_OUTPUT_NEEDED = 8 };

/* What a command takes besides its own options and -h -q -v --format. */
typedef struct cli_spec {
    const char *usage; /* "RUN|MODEL PACK"; NULL: no arguments */
    const char *about; /* a few lines below the usage; may be NULL */
    int min_args;      /* fewest and most arguments that are no overrides; most < 0: any */
    int max_args;
    const char *output;        /* help text of -o ("the pack to write"), NULL: there is no -o */
    unsigned takes;            /* CLI_SEED | CLI_THREADS | CLI_OVERRIDES | CLI_OUTPUT_NEEDED */
    const char *const *writes; /* kinds of file (NULL-terminated, at most 4) that --format names as
                                * well, for -o; NULL: none */
    const char *format;        /* help text of --format then */
} cli_spec;

/* Parse argv (argv[0] is the command). options: the command's popt table with argInfo
 * POPT_ARG_NONE (int flag), POPT_ARG_INT, POPT_ARG_LONGLONG, POPT_ARG_DOUBLE or POPT_ARG_STRING
 * (const char *, owned by c once parsed), val 0, ended by POPT_TABLEEND; NULL: none. False: the
 * command returns err->status at once (help was printed, or BASE_USAGE with message and hint). */
bool cli_parse(cli *c, int argc, char **argv, const cli_spec *spec,
               const struct poptOption *options, base_err *err);

/* BASE_USAGE naming option, value and range unless lo <= value <= hi. */
base_status cli_check_range(const char *option, double value, double lo, double hi, base_err *err);
/* Index of value in choices (NULL-terminated) into *index, or BASE_USAGE naming all of them. */
base_status cli_check_choice(const char *option, const char *value, const char *const *choices,
                             int *index, base_err *err);

/* The graph of an architecture of the zoo, by its recipe and the command's overrides, or of a .net
 * file, for commands of folders that know no zoo. classes: outputs, 0: those of data.keywords with
 * _unknown_ and _silence_. A .net file takes neither. Free with nn_graph_free. */
struct nn_graph;
base_status cli_graph(cli *c, const char *what, int classes, struct nn_graph **g, base_err *err);
/* The features that an architecture's recipe and the overrides ask for. */
struct dsp_config;
base_status cli_features(cli *c, const char *what, struct dsp_config *features, base_err *err);
/* Whether the argument names a .net file. */
bool cli_is_net(const char *what);

/* ---- the result, on stdout ---- */

/* What is put is printed once, by main, after the command returned BASE_OK, BASE_GATE,
 * BASE_MISMATCH or BASE_INTERRUPTED: values first, then tables, in the order they were put.
 * --format json prints one object: values by name, a table as an array of row objects. Machine
 * formats carry full precision; digits is what people see. Names are the JSON keys and TSV
 * headers: lower_case. Lack of memory is remembered and reported at the end. */
typedef enum cli_type {
    CLI_TEXT,
    CLI_INT,     /* int64_t */
    CLI_REAL,    /* double, shown with `digits` decimals; not finite: null in JSON, empty */
    CLI_PERCENT, /* double fraction 0..1, shown as percent with `digits` decimals */
    CLI_BYTES,   /* int64_t bytes, shown in KiB with `digits` decimals from 10 KiB on */
    CLI_BOOL,    /* yes/no; true/false in JSON */
} cli_type;

void cli_put_text(cli *c, const char *name, const char *value);
void cli_put_int(cli *c, const char *name, int64_t value);
void cli_put_bytes(cli *c, const char *name, int64_t value);
void cli_put_real(cli *c, const char *name, double value, int digits);
void cli_put_percent(cli *c, const char *name, double fraction, int digits);
void cli_put_bool(cli *c, const char *name, bool value);
/* In JSON only: a value of the command's own making (jansson); takes over the reference. */
struct json_t;
void cli_put_json(cli *c, const char *name, struct json_t *value);

typedef struct cli_column {
    const char *name;  /* copied; TSV header and JSON key */
    const char *title; /* heading on a terminal; NULL: the name */
    cli_type type;     /* numbers are aligned right, text left */
    int digits;
} cli_column;

/* A table of its own name; owned by c. The cells of a row are given left to right by type;
 * a row is complete when all columns are. Never NULL. */
typedef struct cli_table cli_table;
cli_table *cli_table_new(cli *c, const char *name, const cli_column *columns, int n);
void cli_cell_text(cli_table *t, const char *s); /* NULL: an empty cell, in any column */
void cli_cell_int(cli_table *t, int64_t v);      /* CLI_INT, CLI_BYTES, CLI_BOOL */
void cli_cell_real(cli_table *t, double v);      /* CLI_REAL, CLI_PERCENT */

/* ---- talk, on stderr ---- */

/* One line (a newline is added). cli_say is silent under -q, cli_verbose without -v; cli_warn
 * always speaks and begins with "sotto: warning: ". */
void cli_say(cli *c, const char *fmt, ...) BASE_PRINTF(2, 3);
void cli_verbose(cli *c, const char *fmt, ...) BASE_PRINTF(2, 3);
void cli_warn(cli *c, const char *fmt, ...) BASE_PRINTF(2, 3);

/* One progress bar at a time, drawn on a terminal at most six times a second, with rate and time
 * left; elsewhere and under -q nothing is drawn. total <= 0: unknown. From one thread at a time. */
void cli_progress_begin(cli *c, const char *what, const char *unit, int64_t total);
void cli_progress_at(cli *c, int64_t done);
void cli_progress_note(cli *c, const char *fmt, ...) BASE_PRINTF(2, 3); /* "loss 0.31" */
void cli_progress_end(cli *c);  /* clears the bar; safe when there is none */
bool cli_is_live(const cli *c); /* whether a bar is drawn: else one line an epoch is in place */

/* ---- Ctrl-C ---- */

/* From the first call on, the first SIGINT or SIGTERM sets the flag and the second one kills.
 * Give the flag to what can stop cleanly (it then returns BASE_INTERRUPTED). A command that never
 * calls this dies at the first. */
const volatile sig_atomic_t *cli_interrupt(cli *c);

/* ---- for main.c ---- */

int cli_exit_code(base_status status);
base_status cli_open(cli *c, const char *command, base_err *err);
/* Print the result if status allows, then release everything. BASE_FAILED when stdout did not
 * take it all. */
base_status cli_close(cli *c, base_status status, base_err *err);
void cli_report(const base_err *err); /* message and hint on stderr */

#endif
