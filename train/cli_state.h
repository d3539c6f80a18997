/* cli_state: what the cli*.c files share and commands do not see. */
#ifndef TRAIN_CLI_STATE_H
#define TRAIN_CLI_STATE_H

#include "train/cli.h"

typedef struct cli_cell {
    bool empty;
    int64_t i;
    double d;
    char *s;
    struct json_t *json;
} cli_cell;

struct cli_table {
    struct cli_state *state;
    char *name;
    cli_column *columns;
    int n;
    cli_cell *cells; /* row after row */
    size_t count, cap;
};

/* One thing that was put: a value (column says how to show it) or a table. */
typedef struct cli_entry {
    cli_column column;
    cli_cell cell;
    cli_table *table;
} cli_entry;

typedef struct cli_bar {
    bool on, drawn;
    char what[64], unit[24], note[96];
    int64_t total, done;
    double start, last; /* base_seconds */
} cli_bar;

struct cli_state {
    base_arena *arena;
    cli_entry *entries;
    size_t count, cap;
    bool failed;        /* out of memory while putting */
    cli_table no_table; /* takes the cells of a table that there was no memory for */
    char **strings;
    size_t nstrings, strings_cap; /* option values that popt allocated */
    bool live;                    /* stderr is a terminal that can redraw a line */
    cli_bar bar;
};

/* The result as text in the format asked for; empty when nothing was put. */
void cli_render(const cli *c, base_str *out);
/* Release what the entries hold outside the arena. */
void cli_render_free(struct cli_state *s);
/* Take the bar off the line so that other text can be written. */
void cli_bar_clear(cli *c);

#endif
