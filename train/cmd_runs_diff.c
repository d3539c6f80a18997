/* sotto runs diff: what two runs have not in common. */
#include "train/cli.h"
#include "train/runinfo.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_difference(cli_table *t, const char *of, const char *key, const char *a,
                           const char *b)
{
    if (a && b && strcmp(a, b) == 0) return;
    cli_cell_text(t, of);
    cli_cell_text(t, key);
    cli_cell_text(t, a);
    cli_cell_text(t, b);
}

static void put_config(cli_table *t, const runinfo *a, const runinfo *b)
{
    for (size_t i = 0; i < a->n_keys; i++)
        put_difference(t, "config", a->keys[i].name, a->keys[i].value,
                       runinfo_key(b, a->keys[i].name));
    for (size_t i = 0; i < b->n_keys; i++)
        if (!runinfo_key(a, b->keys[i].name))
            put_difference(t, "config", b->keys[i].name, NULL, b->keys[i].value);
}

/* A text as it is, anything else as JSON; freed with free(). NULL when v is. */
static char *text_of(const json_t *v)
{
    if (json_is_string(v)) return base_strdup(json_string_value(v));
    return v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
}

/* What a manifest says besides config, in the order of its file. */
static void put_manifest(cli_table *t, const runinfo *a, const runinfo *b)
{
    static const char *const keys[][2] = {
        {NULL, "sotto"},      {NULL, "commit"},        {"data", "sha256"},
        {"data", "clips"},    {"data", "words"},       {"data", "speakers"},
        {"data", "training"}, {"data", "validation"},  {"data", "test"},
        {"data", "labels"},   {"model", "parameters"}, {"model", "macs"},
        {"model", "bytes"},   {"machine", "host"},     {"machine", "threads"},
        {"machine", "blas"},  {"teacher", "sha256"},   {"init", "sha256"},
    };
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        const char *part = keys[i][0], *key = keys[i][1];
        const json_t *of_a = part ? json_object_get(a->manifest, part) : a->manifest;
        const json_t *of_b = part ? json_object_get(b->manifest, part) : b->manifest;
        char *in_a = text_of(json_object_get(of_a, key)),
             *in_b = text_of(json_object_get(of_b, key));
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", part ? part : "", part ? "." : "", key);
        if (in_a || in_b) put_difference(t, "manifest", name, in_a, in_b);
        free(in_a);
        free(in_b);
    }
}

/* Where a run's figure stands: what DONE says, else the last epoch. */
static double figure(const runinfo *r, const char *key)
{
    const double v = runinfo_number(r->result, key);
    return isnan(v) ? runinfo_number(runinfo_last(r), key) : v;
}

static void put_metrics(cli *c, const runinfo *a, const runinfo *b)
{
    const cli_column columns[] = {
        {"metric", NULL, CLI_TEXT, 0},
        {"a", c->args[0], CLI_REAL, 4},
        {"b", c->args[1], CLI_REAL, 4},
        {"difference", "b - a", CLI_REAL, 4},
    };
    static const char *const keys[] = {"epoch",    "kept_epoch",   "loss",   "accuracy",
                                       "val_loss", "val_accuracy", "seconds"};
    cli_table *t = cli_table_new(c, "metrics", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < BASE_COUNT(keys); i++) {
        const double in_a = figure(a, keys[i]), in_b = figure(b, keys[i]);
        cli_cell_text(t, keys[i]);
        cli_cell_real(t, in_a);
        cli_cell_real(t, in_b);
        cli_cell_real(t, in_b - in_a);
    }
}

static void put_all(cli *c, const runinfo *a, const runinfo *b)
{
    const cli_column columns[] = {
        {"of", NULL, CLI_TEXT, 0},
        {"key", NULL, CLI_TEXT, 0},
        {"a", c->args[0], CLI_TEXT, 0},
        {"b", c->args[1], CLI_TEXT, 0},
    };
    cli_table *t = cli_table_new(c, "differences", columns, BASE_COUNT(columns));
    put_config(t, a, b);
    put_manifest(t, a, b);
    put_metrics(c, a, b);
}

base_status cmd_runs_diff(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "RUN RUN",
        .about =
            "Settings, data (its SHA-256), version of sotto and machine where they differ, and "
            "the\n"
            "figures of both. Whether a difference of accuracy is more than noise is asked of\n"
            "`sotto runs compare`.",
        .min_args = 2,
        .max_args = 2};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    runinfo a, b = {0};
    base_status status = runinfo_open(c->args[0], &a, err);
    if (status == BASE_OK) status = runinfo_open(c->args[1], &b, err);
    if (status == BASE_OK) put_all(c, &a, &b);
    runinfo_close(&a);
    runinfo_close(&b);
    return status;
}
