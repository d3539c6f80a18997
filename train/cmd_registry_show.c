/* sotto registry show: where a version comes from, what it holds, what became of it. */
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

#include <jansson.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void put_files(cli *c, const json_t *v)
{
    static const cli_column columns[] = {
        {"file", NULL, CLI_TEXT, 0}, {"bytes", NULL, CLI_INT, 0}, {"sha256", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "files", columns, BASE_COUNT(columns));
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(v, "files"), i, f)
    {
        cli_cell_text(t, text_of(f, "name"));
        cli_cell_int(t, json_integer_value(json_object_get(f, "bytes")));
        cli_cell_text(t, text_of(f, "sha256"));
    }
}

static void put_journal(cli *c, const registry *r, const char *version)
{
    static const cli_column columns[] = {
        {"time", NULL, CLI_TEXT, 0},     {"what", NULL, CLI_TEXT, 0},
        {"alias", NULL, CLI_TEXT, 0},    {"version", NULL, CLI_TEXT, 0},
        {"previous", NULL, CLI_TEXT, 0}, {"forced", NULL, CLI_BOOL, 0},
        {"reason", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "journal", columns, BASE_COUNT(columns));
    size_t i;
    json_t *o;
    json_array_foreach(r->journal, i, o)
    {
        if (strcmp(text_of(o, "version"), version) != 0 &&
            strcmp(text_of(o, "previous"), version) != 0)
            continue;
        for (int k = 0; k < 5; k++) cli_cell_text(t, text_of(o, columns[k].name));
        cli_cell_int(t, json_is_true(json_object_get(o, "forced")));
        cli_cell_text(t, text_of(o, "reason"));
    }
}

static base_status show(cli *c, const registry *r, base_err *err)
{
    char version[REGISTRY_NAME];
    BASE_TRY(registry_find(r, c->args[0], version, err));
    json_t *v = registry_version(r, version);
    if (!v) {
        base_fail(err, BASE_MISMATCH, "version.json of %s cannot be read", version);
        return base_hint(err, "sotto registry verify %s says more", version);
    }
    const json_t *run = json_object_get(v, "run"), *data = json_object_get(v, "data");
    const json_t *met = json_object_get(json_object_get(v, "gates"), "met");
    cli_put_text(c, "version", version);
    cli_put_text(c, "added", text_of(v, "added"));
    cli_put_text(c, "from", text_of(v, "from"));
    cli_put_text(c, "sotto", text_of(run, "sotto"));
    cli_put_text(c, "commit", text_of(run, "commit"));
    cli_put_text(c, "command", text_of(run, "command"));
    cli_put_text(c, "pack", text_of(data, "pack"));
    cli_put_text(c, "data_sha256", text_of(data, "sha256"));
    cli_put_text(c, "gates_met", !met ? "unchecked" : json_is_true(met) ? "yes" : "no");
    cli_put_text(c, "production_then", text_of(v, "production_then"));
    cli_put_text(c, "note", text_of(v, "note"));
    cli_put_json(c, "lineage", v);
    put_files(c, v);
    put_journal(c, r, version);
    return BASE_OK;
}

base_status cmd_registry_show(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "VERSION|ALIAS",
                           .about = "With --format json all that version.json holds.",
                           .min_args = 1,
                           .max_args = 1};
    const char *dir = "registry";
    const struct poptOption options[] = {REGISTRY_OPTION(&dir), POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    registry r;
    BASE_TRY(registry_open(dir, false, &r, err));
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    const base_status status = show(c, &r, err);
    registry_close(&r);
    return status;
}
