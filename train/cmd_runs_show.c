/* sotto runs show: one run: settings, data, learning curve, result, files. */
#include "train/cli.h"
#include "train/runinfo.h"

#include <jansson.h>
#include <math.h>

/* An integer or a text of the manifest, by its path in it; absent: an empty cell. */
static void put_of(cli *c, const json_t *o, const char *part, const char *key)
{
    if (part) o = json_object_get(o, part);
    const json_t *v = json_object_get(o, key);
    if (json_is_integer(v)) cli_put_int(c, key, json_integer_value(v));
    if (json_is_string(v)) cli_put_text(c, key, json_string_value(v));
}

static void put_result(cli *c, const runinfo *r)
{
    const json_t *last = r->result ? r->result : runinfo_last(r);
    cli_put_text(c, "run", c->args[0]);
    cli_put_text(c, "state", rundir_state_name(r->state));
    if (r->note[0]) cli_put_text(c, "note", r->note);
    static const char *const keys[][2] = {
        {NULL, "started"},   {NULL, "command"},       {NULL, "sotto"},        {NULL, "commit"},
        {"model", "arch"},   {"model", "parameters"}, {"model", "macs"},      {"data", "pack"},
        {"data", "sha256"},  {"data", "training"},    {"data", "validation"}, {"data", "test"},
        {"machine", "host"}, {"machine", "threads"}};
    for (size_t i = 0; i < BASE_COUNT(keys); i++) put_of(c, r->manifest, keys[i][0], keys[i][1]);
    cli_put_int(c, "epochs", (int64_t)json_array_size(r->curve));
    if (r->result) put_of(c, r->result, NULL, "kept_epoch");
    cli_put_percent(c, "val_accuracy", runinfo_number(last, "val_accuracy"), 2);
    if (r->result) cli_put_real(c, "seconds", runinfo_number(r->result, "seconds"), 1);
    if (r->manifest) cli_put_json(c, "manifest", json_incref(r->manifest));
}

static void put_config(cli *c, const runinfo *r)
{
    static const cli_column columns[] = {{"key", NULL, CLI_TEXT, 0}, {"value", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "config", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < r->n_keys; i++) {
        cli_cell_text(t, r->keys[i].name);
        cli_cell_text(t, r->keys[i].value);
    }
}

static void put_files(cli *c, const runinfo *r)
{
    static const cli_column columns[] = {{"file", NULL, CLI_TEXT, 0},
                                         {"bytes", "size", CLI_BYTES, 1}};
    cli_table *t = cli_table_new(c, "files", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < r->n_files; i++) {
        cli_cell_text(t, r->files[i].name);
        cli_cell_int(t, r->files[i].bytes);
    }
}

/* Of n lines at most `rows`, evenly spaced, the first and the last among them; 0: all. */
static void put_curve(cli *c, const runinfo *r, size_t rows)
{
    static const cli_column columns[] = {
        {"epoch", NULL, CLI_INT, 0},
        {"lr", NULL, CLI_REAL, 6},
        {"loss", NULL, CLI_REAL, 4},
        {"accuracy", NULL, CLI_PERCENT, 2},
        {"val_loss", "validation loss", CLI_REAL, 4},
        {"val_accuracy", "accuracy", CLI_PERCENT, 2},
        {"seconds", NULL, CLI_REAL, 1},
    };
    const size_t n = json_array_size(r->curve), shown = rows == 0 || rows > n ? n : rows;
    cli_table *t = cli_table_new(c, "curve", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < shown; i++) {
        const size_t at = shown > 1 ? i * (n - 1) / (shown - 1) : n - 1;
        const json_t *line = json_array_get(r->curve, at);
        cli_cell_int(t, json_integer_value(json_object_get(line, "epoch")));
        for (size_t k = 1; k < BASE_COUNT(columns); k++)
            cli_cell_real(t, runinfo_number(line, columns[k].name));
    }
}

base_status cmd_runs_show(cli *c, int argc, char **argv, base_err *err)
{
    int rows = -1;
    const struct poptOption options[] = {
        {"rows", 0, POPT_ARG_INT, &rows, 0,
         "most epochs of the curve to show, 0: all; -1: 20 in a table, else all", "N"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "RUN",
        .about = "Settings, files and learning curve of a run, as its folder holds them.",
        .min_args = 1,
        .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--rows", rows, -1, 1e9, err));
    if (rows < 0) rows = c->format == CLI_FORMAT_TABLE ? 20 : 0;
    runinfo r;
    const base_status status = runinfo_open(c->args[0], &r, err);
    if (status == BASE_OK) {
        put_result(c, &r);
        put_config(c, &r);
        put_files(c, &r);
        put_curve(c, &r, (size_t)rows);
    }
    runinfo_close(&r);
    return status;
}
