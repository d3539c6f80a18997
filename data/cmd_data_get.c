/* sotto data get: download a public data set. */
#include "data/get.h"
#include "train/cli.h"

#include <stdlib.h>
#include <string.h>

static void step(void *ctx, const char *what, int64_t bytes)
{
    cli_progress_end(ctx);
    if (!cli_is_live(ctx)) cli_say(ctx, "%s", what);
    cli_progress_begin(ctx, what, "bytes", bytes);
}

static void progress(void *ctx, int64_t bytes)
{
    cli_progress_at(ctx, bytes);
}

static base_status find(const char *name, const data_dataset **found, base_err *err)
{
    size_t n;
    const data_dataset *all = data_datasets(&n);
    base_str names = {0};
    *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0) *found = &all[i];
        base_str_add(&names, "%s%s", i ? ", " : "", all[i].name);
    }
    if (!*found) {
        base_fail(err, BASE_USAGE, "there is no data set '%.60s' to get", name);
        base_hint(err, "one of: %s", names.failed ? "?" : names.s);
    }
    base_str_free(&names);
    return *found ? BASE_OK : BASE_USAGE;
}

static void put(cli *c, const data_dataset *set, const char *dir, const data_get_result *r,
                double seconds)
{
    const cli_column columns[] = {{"archive", NULL, CLI_TEXT, 0},
                                  {"bytes", NULL, CLI_INT, 0},
                                  {"sha256", NULL, CLI_TEXT, 0},
                                  {"checksum_from", NULL, CLI_TEXT, 0}};
    cli_put_text(c, "folder", dir);
    cli_put_int(c, "bytes", r->bytes);
    cli_put_int(c, "bytes_resumed", r->resumed);
    cli_put_real(c, "seconds", seconds, 1);
    cli_table *t = cli_table_new(c, "archives", columns, BASE_COUNT(columns));
    for (int i = 0; i < set->n_archives; i++) {
        const data_archive *a = &set->archives[i];
        cli_cell_text(t, strrchr(a->url, '/') + 1);
        cli_cell_int(t, a->size);
        cli_cell_text(t, a->sha256);
        cli_cell_text(t, a->checksum);
    }
    if (set->n_archives == 2)
        cli_say(c, "next: sotto data import %s/%s --test %s/%s -o %s.h5", dir, set->archives[0].to,
                dir, set->archives[1].to, set->name);
    else
        cli_say(c, "next: sotto data import %s -o %s.h5", dir, set->name);
}

base_status cmd_data_get(cli *c, int argc, char **argv, base_err *err)
{
    static const cli_spec spec = {
        .usage = "speech_commands|mini_speech_commands",
        .about = "Downloads with curl, goes on where an earlier try broke off, checks size and\n"
                 "SHA-256, unpacks. The data are Google's, under CC BY 4.0.",
        .min_args = 1,
        .max_args = 1,
        .output = "the folder to make (default: datasets/NAME)",
    };
    data_get get = {.connect_timeout = 5, .step = step, .progress = progress, .ctx = c};
    const struct poptOption options[] = {{"url", 0, POPT_ARG_STRING, &get.mirror, 0,
                                          "a folder with the same archives: a mirror", "URL"},
                                         {"connect-timeout", 0, POPT_ARG_INT, &get.connect_timeout,
                                          0, "give up when no server answers", "SECONDS"},
                                         POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--connect-timeout", get.connect_timeout, 1, 3600, err));
    BASE_TRY(find(c->args[0], &get.dataset, err));
    char *dir = c->output ? base_strdup(c->output) : base_path("datasets", get.dataset->name);
    if (!dir) return base_nomem(err, 0);
    get.stop = cli_interrupt(c);
    cli_verbose(c, "%s: %s", get.dataset->name, get.dataset->about);
    double start = base_seconds();
    data_get_result result;
    base_status st = data_get_run(&get, dir, &result, err);
    cli_progress_end(c);
    if (st == BASE_OK) put(c, get.dataset, dir, &result, base_seconds() - start);
    free(dir);
    return st;
}
